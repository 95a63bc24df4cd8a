//! The whole filter language of the specification, as a tree.
//!
//! ```text
//! condition  = and-list ("or" and-list)*
//! and-list   = negation ("and" negation)*
//! negation   = "not" negation | "(" condition ")" | comparison
//! comparison = "pr" field | field "isnull" | field operator values
//! values     = value | "(" value ("," value)* ")"
//! ```

use super::error::OffsetError;
use super::lexer::{Kind, Token};
use crate::limits::{FILTER_COMPARISONS, FILTER_DEPTH, QUOTED_CHARS};
use crate::shown;

macro_rules! operators {
    ($($variant:ident = $word:literal),+ $(,)?) => {
        /// The operators of the specification. They are written in lower case only.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Operator { $($variant,)+ }

        impl Operator {
            const ALL: &[Operator] = &[$(Operator::$variant,)+];

            pub const fn as_str(self) -> &'static str {
                match self { $(Operator::$variant => $word,)+ }
            }
        }
    };
}

operators! {
    Eq = "eq", Ne = "ne", Co = "co", Sw = "sw", Gt = "gt", Ge = "ge", Lt = "lt", Le = "le", In = "in", Ca = "ca",
    Pr = "pr", IsNull = "isnull",
}

/// What other languages write, and what it is here.
const FOREIGN: &[(&str, &str)] = &[
    ("&&", "and"),
    ("&", "and"),
    ("||", "or"),
    ("|", "or"),
    ("!", "not"),
    ("==", "eq"),
    ("=", "eq"),
    ("!=", "ne"),
    ("<>", "ne"),
    (">=", "ge"),
    (">", "gt"),
    ("<=", "le"),
    ("<", "lt"),
    ("contains", "co"),
    ("like", "co"),
    ("startswith", "sw"),
    ("equals", "eq"),
];
/// The words between comparisons.
const JOINING: [&str; 2] = ["and", "or"];
/// What opens a list in other languages.
const BRACKETS: [char; 2] = ['[', '{'];

/// What a word of another language, or in another case, is here.
fn meant(word: &str) -> Option<&'static str> {
    let own = JOINING.into_iter().chain(["not"]).chain(Operator::ALL.iter().map(|operator| operator.as_str()));
    let foreign = FOREIGN.iter().find(|(foreign, _)| foreign.eq_ignore_ascii_case(word));
    foreign.map(|(_, own)| *own).or_else(|| own.into_iter().find(|own| own.eq_ignore_ascii_case(word)))
}

/// What there is in the place of one of these words, and which of them was probably meant.
fn got(token: &Token<'_>, expected: &[&str]) -> String {
    let word = if let Kind::Word(word) = token.kind { word } else { "" };
    let advice = meant(word).filter(|own| expected.contains(own)).map(|own| format!("; write `{own}`"));
    format!("got {}{}", named(token), advice.unwrap_or_default())
}

#[derive(Debug)]
pub(super) enum Condition<'a> {
    And(Vec<Condition<'a>>),
    Or(Vec<Condition<'a>>),
    Not(Box<Condition<'a>>),
    Comparison(Comparison<'a>),
}

/// A comparison of a field with values. Positions are bytes of the filter.
#[derive(Debug)]
pub(super) struct Comparison<'a> {
    pub field: (usize, &'a str),
    pub operator: (usize, Operator),
    pub values: Values<'a>,
}

/// The values after an operator. Operators without values have none.
#[derive(Debug)]
pub(super) struct Values<'a> {
    pub at: usize,
    pub is_list: bool,
    pub items: Vec<(usize, std::borrow::Cow<'a, str>)>,
}

pub(super) fn parse<'a>(text: &str, tokens: &[Token<'a>]) -> Result<Condition<'a>, OffsetError> {
    let mut parser = Parser { tokens, next: 0, end: text.len(), depth: 0, comparisons: 0 };
    let condition = parser.condition()?;
    match parser.peek() {
        None => Ok(condition),
        Some(Token { at, kind: Kind::Close }) => Err(OffsetError::new(*at, "this `)` closes nothing")),
        Some(token) => Err(OffsetError::new(token.at, format!("expected `and` or `or`, {}", got(token, &JOINING)))),
    }
}

struct Parser<'t, 'a> {
    tokens: &'t [Token<'a>],
    next: usize,
    end: usize,
    depth: usize,
    comparisons: usize,
}

impl<'t, 'a> Parser<'t, 'a> {
    fn peek(&self) -> Option<&'t Token<'a>> {
        self.tokens.get(self.next)
    }

    fn take(&mut self, expected: &str) -> Result<&'t Token<'a>, OffsetError> {
        let token = self
            .peek()
            .ok_or_else(|| OffsetError::new(self.end, format!("the filter ends here; expected {expected}")))?;
        self.next += 1;
        Ok(token)
    }

    /// Takes the word if it is next.
    fn takes_word(&mut self, word: &str) -> bool {
        let is_next = matches!(self.peek(), Some(Token { kind: Kind::Word(next), .. }) if *next == word);
        self.next += usize::from(is_next);
        is_next
    }

    fn condition(&mut self) -> Result<Condition<'a>, OffsetError> {
        self.chain("or", Self::and_list, Condition::Or)
    }

    fn and_list(&mut self) -> Result<Condition<'a>, OffsetError> {
        self.chain("and", Self::negation, Condition::And)
    }

    fn chain(
        &mut self,
        word: &str,
        part: fn(&mut Self) -> Result<Condition<'a>, OffsetError>,
        join: fn(Vec<Condition<'a>>) -> Condition<'a>,
    ) -> Result<Condition<'a>, OffsetError> {
        let first = part(self)?;
        let mut parts = vec![first];
        while self.takes_word(word) {
            parts.push(part(self)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { join(parts) })
    }

    fn negation(&mut self) -> Result<Condition<'a>, OffsetError> {
        let token = self.take("a field such as `name`")?;
        match token.kind {
            Kind::Word("not") => self.nested(token.at, |parser| Ok(Condition::Not(Box::new(parser.negation()?)))),
            Kind::Open => self.nested(token.at, |parser| {
                let condition = parser.condition()?;
                match parser.take("`)`")? {
                    Token { kind: Kind::Close, .. } => Ok(condition),
                    other => {
                        let got = got(other, &JOINING);
                        Err(OffsetError::new(other.at, format!("expected `and`, `or` or `)`, {got}")))
                    }
                }
            }),
            Kind::Word(word) if meant(word) == Some("not") => {
                Err(OffsetError::new(token.at, format!("expected a field such as `name`, {}", got(token, &["not"]))))
            }
            Kind::Word(word) => self.comparison(token.at, word),
            _ => Err(OffsetError::new(token.at, format!("expected a field such as `name`, got {}", named(token)))),
        }
    }

    fn nested(
        &mut self,
        at: usize,
        inner: impl FnOnce(&mut Self) -> Result<Condition<'a>, OffsetError>,
    ) -> Result<Condition<'a>, OffsetError> {
        self.depth += 1;
        if self.depth > FILTER_DEPTH {
            return Err(OffsetError::new(at, format!("more than {FILTER_DEPTH} levels of parentheses and `not`")));
        }
        let condition = inner(self);
        self.depth -= 1;
        condition
    }

    /// Counts a comparison that begins here; each value of a list is one.
    fn count(&mut self, at: usize) -> Result<(), OffsetError> {
        self.comparisons += 1;
        if self.comparisons > FILTER_COMPARISONS {
            let reason = format!(
                "more than {FILTER_COMPARISONS} comparisons; a filter may have at most {FILTER_COMPARISONS}, and each value of a list counts"
            );
            return Err(OffsetError::new(at, reason));
        }
        Ok(())
    }

    fn comparison(&mut self, at: usize, word: &'a str) -> Result<Condition<'a>, OffsetError> {
        let none = |at| Values { at, is_list: false, items: Vec::new() };
        // No field has such a character.
        if let Some(sign) = word.find(['=', '<', '>', '!', '&', '|']) {
            let length = word[sign..].find(char::is_alphanumeric).unwrap_or(word.len() - sign);
            let found = &word[sign..sign + length];
            let advice = meant(found).map(|own| format!(", and `{own}` for it")).unwrap_or_default();
            let reason = format!(
                "`{}` is no operator; write operators as words between spaces{advice}",
                shown(found, QUOTED_CHARS)
            );
            return Err(OffsetError::new(at + sign, reason));
        }
        let (field, operator, values) = if word == "pr" {
            let token = self.take("a field, as in `pr name`")?;
            let Kind::Word(field) = token.kind else {
                return Err(OffsetError::new(token.at, format!("expected a field, got {}", named(token))));
            };
            self.count(at)?;
            ((token.at, field), (at, Operator::Pr), none(at))
        } else {
            let token = self.take("an operator such as `co`")?;
            let operator = operator(token)?;
            let values = match operator {
                Operator::IsNull => {
                    self.count(at)?;
                    none(token.at)
                }
                Operator::Pr => {
                    return Err(OffsetError::new(
                        token.at,
                        format!("`pr` is written in front of its field: `pr {}`", shown(word, QUOTED_CHARS)),
                    ));
                }
                operator => self.values(at, operator)?,
            };
            ((at, word), (token.at, operator), values)
        };
        Ok(Condition::Comparison(Comparison { field, operator, values }))
    }

    /// The values of a comparison that begins at `start`.
    fn values(&mut self, start: usize, operator: Operator) -> Result<Values<'a>, OffsetError> {
        let token = self.take("a value such as \"text\"")?;
        if let Kind::Word(word) = token.kind
            && word.starts_with(BRACKETS)
        {
            let bracket = &word[..1];
            let reason = if matches!(operator, Operator::Ca | Operator::In) {
                format!("write a list in `(` and `)`, not in `{bracket}`")
            } else {
                format!("write a text that begins with `{bracket}` in double quotes, or leave the bracket out")
            };
            return Err(OffsetError::new(token.at, reason));
        }
        if token.kind != Kind::Open {
            self.count(start)?;
            return Ok(Values { at: token.at, is_list: false, items: vec![value(token)?] });
        }
        let mut items = Vec::new();
        loop {
            let (at, item) = value(self.take("a value such as \"text\"")?)?;
            self.count(at)?;
            items.push((at, item));
            match self.take("`,` or `)`")? {
                Token { kind: Kind::Comma, .. } => {}
                Token { kind: Kind::Close, .. } => return Ok(Values { at: token.at, is_list: true, items }),
                other => return Err(OffsetError::new(other.at, format!("expected `,` or `)`, got {}", named(other)))),
            }
        }
    }
}

fn value<'a>(token: &Token<'a>) -> Result<(usize, std::borrow::Cow<'a, str>), OffsetError> {
    match &token.kind {
        Kind::Word(word) => Ok((token.at, (*word).into())),
        Kind::Text(text) => Ok((token.at, text.clone())),
        _ => Err(OffsetError::new(token.at, format!("expected a value such as \"text\", got {}", named(token)))),
    }
}

fn operator(token: &Token<'_>) -> Result<Operator, OffsetError> {
    if let Kind::Word(word) = token.kind {
        if let Some(known) = Operator::ALL.iter().find(|operator| operator.as_str() == word) {
            return Ok(*known);
        }
        if let Some(known) = Operator::ALL.iter().find(|operator| operator.as_str().eq_ignore_ascii_case(word)) {
            let reason = format!("operators are lowercase: write `{}`, not `{word}`", known.as_str());
            return Err(OffsetError::new(token.at, reason));
        }
    }
    let known: Vec<_> = Operator::ALL.iter().map(|operator| operator.as_str()).collect();
    let reason = format!("expected an operator ({}), {}", known.join(", "), got(token, &known));
    Err(OffsetError::new(token.at, reason))
}

fn named(token: &Token<'_>) -> String {
    match &token.kind {
        Kind::Word(word) => format!("`{}`", shown(word, QUOTED_CHARS)),
        Kind::Text(_) => "a text".to_owned(),
        Kind::Open => "`(`".to_owned(),
        Kind::Close => "`)`".to_owned(),
        Kind::Comma => "`,`".to_owned(),
    }
}
