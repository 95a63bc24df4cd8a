//! Characters that pages and word processors write in the place of those of a filter. Outside of texts in double quotes they
//! are refused: as part of a word they would be looked for, and the list would be empty without a word.

use icu_properties::CodePointSetData;
use icu_properties::props::QuotationMark;
use percent_encoding::percent_decode_str;
use quick_xml::escape::{resolve_predefined_entity, unescape_with};

use super::error::OffsetError;
use crate::visible;

/// Marks that are like those with Unicode's property `Quotation_Mark`.
const LIKE_QUOTES: &[char] = &[
    '`',
    '´',
    'ˋ',
    '′',
    '″',
    '‴',
    '‵',
    '‶',
    '‷',
    'ʹ',
    'ʺ',
    'ʻ',
    'ʼ',
    'ʽ',
    'ˮ',
    '˝',
    '՚',
    '׳',
    '״',
    '〈',
    '〉',
    '《',
    '》',
    '｀',
    '❛',
    '❜',
    '❝',
    '❞',
    '❟',
    '❠',
    '❮',
    '❯',
    '\u{1f676}',
    '\u{1f677}',
    '\u{1f678}',
];

/// The longest encoding of a quote: `%25E2%2580%259C`.
const LONGEST_ENCODED: usize = 15;

/// Entities of HTML that stand for a quote, beside those of XML.
fn html_entity(name: &str) -> Option<&'static str> {
    Some(match name {
        "ldquo" | "rdquo" | "bdquo" | "lsquo" | "rsquo" | "sbquo" | "laquo" | "raquo" | "lsaquo" | "rsaquo" => "\"",
        name => return resolve_predefined_entity(name),
    })
}

/// Punctuation of full width, and what it stands for.
const WIDE: &[(char, char)] = &[('（', '('), ('）', ')'), ('，', ','), ('﹙', '('), ('﹚', ')'), ('、', ',')];

/// Whether a character is taken for a double quote.
pub(super) fn is_quote(c: char) -> bool {
    CodePointSetData::new::<QuotationMark>().contains(c) || LIKE_QUOTES.contains(&c)
}

/// Refuses a word, which begins at this byte of the filter, with a character that was pasted. Inside of a word a mark may be
/// part of what is looked for, as in `O'Brien`.
pub(super) fn check_word(at: usize, word: &str) -> Result<(), OffsetError> {
    let first = word.chars().next();
    let last = word.char_indices().next_back();
    let edges = first.map(|c| (0, c)).into_iter().chain(last);
    for (place, c) in edges {
        if is_quote(c) {
            return Err(OffsetError::new(at + place, instead(c, '"')));
        }
        if let Some((_, meant)) = WIDE.iter().find(|(wide, _)| *wide == c) {
            return Err(OffsetError::new(at + place, instead(c, *meant)));
        }
    }
    if let Some(encoded) = encoded_quote(word) {
        return Err(OffsetError::new(at, format!("write texts in double quotes: `\"` (U+0022), not `{encoded}`")));
    }
    if word == "\\" {
        return Err(OffsetError::new(at, "write `\"` without a backslash in front of it where a text begins"));
    }
    if visible(word) != word {
        let hidden = word.char_indices().find(|(_, c)| visible(c.encode_utf8(&mut [0; 4])) != c.to_string());
        let (place, c) = hidden.unwrap_or((0, word.chars().next().unwrap_or_default()));
        let reason = format!(
            "here is U+{:04X}, a character that nobody sees; remove it, or write the text in double quotes",
            u32::from(c)
        );
        return Err(OffsetError::new(at + place, reason));
    }
    Ok(())
}

/// An encoded quote at the beginning or the end of a word. Pages, addresses and JSON have them: the filter was encoded twice.
fn encoded_quote(word: &str) -> Option<&str> {
    if !word.contains(['&', '%', '\\']) {
        return None;
    }
    let (length, most) = (word.len(), LONGEST_ENCODED.min(word.len()));
    let starts = (2..=most).filter_map(|length| word.get(..length));
    let ends = (2..=most).filter_map(|of| word.get(length - of..));
    starts.chain(ends).find(|part| is_encoded_quote(part))
}

fn is_encoded_quote(part: &str) -> bool {
    let is_one = |decoded: &str| {
        let mut chars = decoded.chars();
        decoded != part && chars.next().is_some_and(is_quote) && chars.next().is_none()
    };
    match part.as_bytes()[0] {
        b'&' => unescape_with(&part.to_ascii_lowercase(), html_entity).is_ok_and(|decoded| is_one(&decoded)),
        b'%' => {
            let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
            let decoded = decode(part);
            is_one(&decoded) || is_one(&decode(&decoded))
        }
        b'\\' => serde_json::from_str::<String>(&format!("\"{part}\"")).is_ok_and(|decoded| is_one(&decoded)),
        _ => false,
    }
}

/// What to type in the place of a character.
pub(super) fn instead(c: char, meant: char) -> String {
    let (pasted, right) = (u32::from(c), u32::from(meant));
    if meant == '"' {
        format!("write texts in double quotes: `\"` (U+{right:04X}), not `{c}` (U+{pasted:04X})")
    } else {
        format!("write `{meant}` (U+{right:04X}), not `{c}` (U+{pasted:04X})")
    }
}
