//! Characters that pages and word processors write in the place of those of a filter. Outside of texts in double quotes they
//! are refused: as part of a word they would be looked for, and the list would be empty without a word.

use super::error::OffsetError;
use crate::visible;

/// Characters that look like a double quote or stand for one: Unicode's property `Quotation_Mark`, and marks that are like them.
const QUOTES: &[char] = &[
    '\'',
    '`',
    '«',
    '»',
    '´',
    '‘',
    '’',
    '‚',
    '‛',
    '“',
    '”',
    '„',
    '‟',
    '‹',
    '›',
    '′',
    '″',
    '‴',
    '‵',
    '‶',
    'ʹ',
    'ʺ',
    'ʻ',
    'ʼ',
    'ʽ',
    'ˮ',
    '˝',
    '⹂',
    '「',
    '」',
    '『',
    '』',
    '〝',
    '〞',
    '〟',
    '﹁',
    '﹂',
    '﹃',
    '﹄',
    '＂',
    '＇',
    '｢',
    '｣',
    '❛',
    '❜',
    '❝',
    '❞',
    '❮',
    '❯',
    '\u{1f676}',
    '\u{1f677}',
    '\u{1f678}',
];

/// Encodings of a quote, which pages and addresses have: the filter was encoded twice.
const ENCODED: &[&str] = &[
    "&quot;",
    "&#34;",
    "&#x22;",
    "&apos;",
    "&#39;",
    "&#x27;",
    "&ldquo;",
    "&rdquo;",
    "&bdquo;",
    "&lsquo;",
    "&rsquo;",
    "&laquo;",
    "&raquo;",
    "%22",
    "%27",
    "%E2%80%9C",
    "%E2%80%9D",
];

/// Punctuation of full width, and what it stands for.
const WIDE: &[(char, char)] = &[('（', '('), ('）', ')'), ('，', ','), ('﹙', '('), ('﹚', ')'), ('、', ',')];

/// Whether a character is taken for a double quote.
pub(super) fn is_quote(c: char) -> bool {
    QUOTES.contains(&c)
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
    let is_at_edge = |encoded: &&&str| {
        let bytes = encoded.len();
        let has = |part: Option<&str>| part.is_some_and(|part| part.eq_ignore_ascii_case(encoded));
        has(word.get(..bytes)) || word.len() >= bytes && has(word.get(word.len() - bytes..))
    };
    if let Some(encoded) = ENCODED.iter().find(is_at_edge) {
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

/// What to type in the place of a character.
pub(super) fn instead(c: char, meant: char) -> String {
    let (pasted, right) = (u32::from(c), u32::from(meant));
    if meant == '"' {
        format!("write texts in double quotes: `\"` (U+{right:04X}), not `{c}` (U+{pasted:04X})")
    } else {
        format!("write `{meant}` (U+{right:04X}), not `{c}` (U+{pasted:04X})")
    }
}
