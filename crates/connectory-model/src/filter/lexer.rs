//! Cuts a filter into words, quoted texts and punctuation.

use std::borrow::Cow;

use super::error::OffsetError;
use super::pasted::{check_word, instead, is_quote};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    /// Letters, digits and other characters that are not white space, a quote or punctuation.
    Word(&'a str),
    /// A quoted text, without its quotes and escapes.
    Text(Cow<'a, str>),
    Open,
    Close,
    Comma,
}

#[derive(Debug, Clone)]
pub(super) struct Token<'a> {
    /// The byte where it starts.
    pub at: usize,
    pub kind: Kind<'a>,
}

pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, OffsetError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let start = at;
        at += c.len_utf8();
        let kind = match c {
            c if c.is_whitespace() => continue,
            '(' => Kind::Open,
            ')' => Kind::Close,
            ',' => Kind::Comma,
            '"' => {
                let (value, end) = quoted(text, at)?;
                at = end;
                Kind::Text(value)
            }
            _ => {
                let ends = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | ',' | '"');
                at = text[start..].find(ends).map_or(text.len(), |length| start + length);
                check_word(start, &text[start..at])?;
                Kind::Word(&text[start..at])
            }
        };
        tokens.push(Token { at: start, kind });
    }
    Ok(tokens)
}

/// The text after its opening quote, and the byte after its closing quote.
fn quoted(text: &str, start: usize) -> Result<(Cow<'_, str>, usize), OffsetError> {
    let mut unescaped = String::new();
    let mut copied = start;
    let mut at = start;
    loop {
        let Some(found) = text[at..].find(['"', '\\']) else {
            // One of them was probably to be the closing one.
            return Err(match text.char_indices().find(|(_, c)| !matches!(c, '\'' | '"') && is_quote(*c)) {
                Some((at, c)) => OffsetError::new(at, format!("a text has no closing quote; {}", instead(c, '"'))),
                None => OffsetError::new(start - 1, "this text has no closing quote"),
            });
        };
        let special = at + found;
        if text.as_bytes()[special] == b'"' {
            let value = if copied == start {
                Cow::Borrowed(&text[start..special])
            } else {
                unescaped.push_str(&text[copied..special]);
                Cow::Owned(unescaped)
            };
            return Ok((value, special + 1));
        }
        let Some(escaped @ (b'"' | b'\\')) = text.as_bytes().get(special + 1).copied() else {
            return Err(OffsetError::new(special, "a backslash in a text may only be in front of `\"` or `\\`"));
        };
        unescaped.push_str(&text[copied..special]);
        unescaped.push(char::from(escaped));
        at = special + 2;
        copied = at;
    }
}
