//! Checks the lines of a locale's texts for what Java reads otherwise than it looks: a text may belong to another key, or be
//! another text, without a word.

use std::collections::{BTreeMap, HashMap, HashSet};

use connectory_model::limits::QUOTED_CHARS;
use connectory_model::lines::Lines;
use connectory_model::shown;
use connectory_model::translations::{Properties, Property};

use super::findings::Findings;
use super::form::Keys;
use super::rules::{BACKSLASH, DUPLICATE_KEY, MIXED_ENCODINGS, OTHER_FORMAT, TRAILING_SPACE, UNESCAPED_KEY};
use super::text::Fix;

/// White space in a line, as Java sees it.
const SPACES: [char; 3] = [' ', '\t', '\u{c}'];

/// A line with those that continue it, as it is written.
struct Line<'t> {
    /// Where it begins in the text, without the white space in front of it.
    start: usize,
    /// The line without that white space and without its end.
    text: &'t str,
    /// The bytes of the key.
    key: usize,
    /// Where the value begins in the line.
    value: usize,
    /// Whether `=` or `:` is between key and value.
    has_mark: bool,
}

impl<'t> Line<'t> {
    fn at(text: &'t str, lines: &Lines<'_>, number: usize) -> Self {
        let range = lines.logical(number);
        let whole = text[range.clone()].trim_end_matches(['\r', '\n']);
        let line = whole.trim_start_matches('\u{feff}').trim_start_matches(SPACES);
        let start = range.start + whole.len() - line.len();
        let mut is_escaped = false;
        let ends_key = |c: char| {
            let ends = !is_escaped && (SPACES.contains(&c) || matches!(c, '=' | ':'));
            is_escaped = c == '\\' && !is_escaped;
            ends
        };
        let key = line.find(ends_key).unwrap_or(line.len());
        let rest = line[key..].trim_start_matches(SPACES);
        let after = rest.strip_prefix(['=', ':']);
        let value = line.len() - after.unwrap_or(rest).trim_start_matches(SPACES).len();
        Self { start, text: line, key, value, has_mark: after.is_some() }
    }
}

/// Checks the texts of a locale. Returns the lines whose key is probably another one: whether their key is used says nothing.
/// `used` are the keys of the source config, if it could be read.
pub(super) fn check(
    findings: &mut Findings<'_>,
    file: &str,
    properties: &Properties,
    entries: &[Property],
    used: Option<&Keys<'_>>,
) -> HashSet<usize> {
    if !findings.wants(file) {
        return HashSet::new();
    }
    let text = properties.text();
    let lines = Lines::of_properties(text);
    if let Some(doubt) = properties.format_doubt() {
        findings.push(&OTHER_FORMAT, file, doubt.range, doubt.reason);
        return entries.iter().map(|entry| entry.line).collect();
    }
    if let Some(doubt) = properties.encoding_doubt() {
        findings.push(&MIXED_ENCODINGS, file, doubt.range, doubt.reason);
    }
    let (longer, own) = (longer_keys(used), entries.iter().map(|entry| entry.key.as_str()).collect());
    let (mut first_of, mut misread) = (HashMap::new(), HashSet::new());
    for entry in entries {
        if !findings.wants(file) {
            break;
        }
        let line = Line::at(text, &lines, entry.line);
        if check_key(findings, file, entry, &line, &longer, &own, used) {
            misread.insert(entry.line);
        } else if let Some(first) = first_of.insert(entry.key.as_str(), entry.line) {
            let key = shown(&entry.key, QUOTED_CHARS);
            let message =
                format!("the key `{key}` is on line {first} already; the last one counts, so remove one of them");
            findings.push(&DUPLICATE_KEY, file, lines.span(entry.line), message);
        }
        check_end(findings, file, entry, &line);
        check_backslashes(findings, file, &line, used);
    }
    misread
}

/// The keys of the source config that hold characters which end a key, by what is read of each.
fn longer_keys<'k>(used: Option<&'k Keys<'_>>) -> BTreeMap<&'k str, Vec<&'k str>> {
    let mut longer: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for key in used.into_iter().flat_map(|used| used.keys()) {
        if let Some(end) = key.find(|c| SPACES.contains(&c) || matches!(c, '=' | ':')) {
            longer.entry(&key[..end]).or_default().push(*key);
        }
    }
    // The longest first: `a b c` in front of `a b`.
    for keys in longer.values_mut() {
        keys.sort_by_key(|key| std::cmp::Reverse(key.len()));
    }
    longer
}

/// Reports a key that ends earlier than its author meant, and returns whether it is one.
fn check_key(
    findings: &mut Findings<'_>,
    file: &str,
    entry: &Property,
    line: &Line<'_>,
    longer: &BTreeMap<&str, Vec<&str>>,
    own: &HashSet<&str>,
    used: Option<&Keys<'_>>,
) -> bool {
    let is_meant = |key: &&&str| {
        let rest = line.text.strip_prefix(**key);
        !own.contains(**key) && rest.is_some_and(|rest| rest.trim_start_matches(SPACES).starts_with(['=', ':']))
    };
    let known = longer.get(&line.text[..line.key]).and_then(|keys| keys.iter().find(is_meant)).copied();
    // `My key=Text` is the key `My` and the text `key=Text`.
    let is_used = used.is_some_and(|used| used.contains_key(entry.key.as_str()));
    let guessed = || {
        let (words, _) =
            line.text.split_once('=').filter(|_| !line.has_mark && !is_used && !line.text.contains('\\'))?;
        Some(words.trim_end_matches(SPACES))
    };
    let Some(meant) = known.or_else(guessed) else { return false };
    let range = line.start..line.start + meant.len();
    let escaped = Properties::escaped_key(meant);
    let message = format!(
        "the key is `{}`, because it ends at the first space, `=` or `:`, and the rest is the text; write `{}` if that is the key",
        shown(&entry.key, QUOTED_CHARS),
        shown(&escaped, QUOTED_CHARS),
    );
    // Where the source config has the key, nothing else can be meant.
    let fix = known.map(|_| Fix::Replace { range: range.clone(), text: escaped });
    findings.push_with(&UNESCAPED_KEY, file, range, message, fix);
    true
}

/// Reports white space at the end of a text: it is part of the text.
fn check_end(findings: &mut Findings<'_>, file: &str, entry: &Property, line: &Line<'_>) {
    let kept = line.text.trim_end_matches(SPACES);
    let is_escaped = kept.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1;
    if kept.len() < line.text.len() && kept.len() > line.value && !is_escaped {
        let range = line.start + kept.len()..line.start + line.text.len();
        let key = shown(&entry.key, QUOTED_CHARS);
        let message = format!(
            "the text of `{key}` ends in white space; remove it, or write `\\u0020` at the end if it belongs there"
        );
        findings.push_with(
            &TRAILING_SPACE,
            file,
            range.clone(),
            message,
            Some(Fix::Replace { range, text: String::new() }),
        );
    }
}

/// Reports backslashes that change a text: those in paths, and those that make the next line a part of this one.
fn check_backslashes(findings: &mut Findings<'_>, file: &str, line: &Line<'_>, used: Option<&Keys<'_>>) {
    let is_path =
        |at: usize| line.text[..at].ends_with(':') && line.text[..at - 1].ends_with(|c: char| c.is_ascii_alphabetic());
    let (mut at, mut is_reported) = (line.key, false);
    while let Some(found) = line.text[at..].find('\\') {
        let backslash = at + found;
        let Some(next) = line.text[backslash + 1..].chars().next() else { break };
        at = backslash + 1 + next.len_utf8();
        let message = match next {
            '\r' | '\n' => {
                let below = line.text[backslash + 1..].trim_start_matches(['\r', '\n']).trim_start_matches(SPACES);
                let key = below
                    .split(|c| SPACES.contains(&c) || matches!(c, '=' | ':' | '\r' | '\n'))
                    .next()
                    .unwrap_or_default();
                let is_key =
                    used.is_some_and(|used| used.contains_key(key)) && below[key.len()..].starts_with(['=', ':', ' ']);
                is_key.then(|| {
                    format!(
                        "the line ends in a backslash, so the next one is a part of it, and `{}` has no text; write two backslashes, or none",
                        shown(key, QUOTED_CHARS)
                    )
                })
            }
            _ if is_reported => None,
            't' | 'n' | 'r' | 'f' | 'u' if is_path(backslash) => {
                Some(format!("`\\{next}` is read as one character; write `\\\\{next}`"))
            }
            't' | 'n' | 'r' | 'f' | 'u' | '\\' | '=' | ':' | '#' | '!' | '"' | '\'' => None,
            c if SPACES.contains(&c) => None,
            c => Some(format!("the backslash in front of `{c}` is left out; write `\\\\{c}`")),
        };
        if let Some(message) = message {
            // One of a kind is enough for a path.
            is_reported |= !matches!(next, '\r' | '\n');
            let start = line.start + backslash;
            findings.push(&BACKSLASH, file, start..start + 1, message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The findings in a file, each as its rule, the place and the message; and the file with the fixes.
    fn found(text: &str, used: &[&str]) -> (Vec<(&'static str, String, String)>, String) {
        let properties = Properties::parse(text.as_bytes()).expect("valid");
        let keys: Keys<'_> = used.iter().map(|key| (*key, 0..0)).collect();
        let mut findings = Findings::new(None, usize::MAX);
        check(&mut findings, "f", &properties, &properties.lines(), (!used.is_empty()).then_some(&keys));
        let findings = findings.sorted();
        let text = super::super::Text::decode(text.as_bytes());
        let fixed = text.fixed(findings.iter().filter_map(|finding| finding.fix.clone()));
        let found = findings
            .iter()
            .map(|finding| (finding.rule.id, text.text[finding.span.clone()].to_owned(), finding.message.clone()));
        (found.collect(), String::from_utf8(fixed).expect("UTF-8"))
    }

    #[test]
    fn a_key_that_ends_too_early_is_told_with_what_to_write() {
        for (text, used, place, written) in [
            ("menu My Settings=Text\n", "menu My Settings", "menu My Settings", "menu\\ My\\ Settings=Text\n"),
            ("a=1\n  a:b = Text", "a:b", "a:b", "a=1\n  a\\:b = Text"),
            ("\u{feff}a=b=Text\r\n", "a=b", "a=b", "\u{feff}a\\=b=Text\r\n"),
            ("a b : x", "a b", "a b", "a\\ b : x"),
        ] {
            let (found, fixed) = found(text, &[used]);
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!((found[0].0, found[0].1.as_str(), fixed.as_str()), ("unescaped-key", place, written));
            let read = Properties::parse(fixed.as_bytes()).expect("valid").entries();
            assert!(read.contains_key(used), "{fixed}");
        }
        // No source config has the key, so that nothing is sure, and nothing is changed.
        let (found, fixed) = found("My key=Text\n", &[]);
        assert_eq!(found[0].0, "unescaped-key");
        assert!(found[0].2.contains("the key is `My`") && found[0].2.contains("write `My\\ key`"), "{found:?}");
        assert_eq!(fixed, "My key=Text\n");
    }

    #[test]
    fn what_java_reads_as_it_looks_is_no_finding() {
        let text = "# a b=c \n! a b=c \na\\ b=c=d\nurl = http://x?a=b\ntext one \\\n  two\nc=x\\u0020\nd=x\\ \ne: \nf=\\t\\\\x\\:\ng = \nh\n\n";
        let (found, fixed) = found(text, &["a b", "url", "text"]);
        assert_eq!((found, fixed.as_str()), (vec![], text));
    }

    #[test]
    fn a_key_that_is_there_twice_is_told_however_it_is_written() {
        let (found, _) = found("a=1\nb=2\n\\u0061 = 3\n", &["a"]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].0, found[0].1.as_str()), ("duplicate-key", "\\u0061 = 3"));
        assert!(found[0].2.starts_with("the key `a` is on line 1 already"), "{found:?}");
    }

    #[test]
    fn white_space_at_the_end_of_a_text_is_told_and_removed() {
        let (found, fixed) = found("a=1 \nb = x\t \r\nc=1\\\\ \nd=1 \\\n  2  ", &["a"]);
        assert_eq!(found.iter().map(|found| found.0).collect::<Vec<_>>(), ["trailing-space"; 4]);
        assert_eq!(fixed, "a=1\nb = x\r\nc=1\\\\\nd=1 \\\n  2");
    }

    #[test]
    fn a_backslash_that_changes_a_text_is_told() {
        for (text, message) in [
            ("a=C:\\Users\\x", "the backslash in front of `U` is left out; write `\\\\U`"),
            ("a=C:\\temp", "`\\t` is read as one character; write `\\\\t`"),
            ("a=x\\\nb=2\n", "the line ends in a backslash, so the next one is a part of it, and `b` has no text"),
            ("a=x\\\r\n b : 2\n", "the line ends in a backslash, so the next one is a part of it, and `b` has no text"),
        ] {
            let (found, _) = found(text, &["a", "b"]);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].0 == "backslash" && found[0].2.starts_with(message), "{found:?}");
        }
    }

    #[test]
    fn two_encodings_in_a_file_are_told() {
        let properties = Properties::parse(b"k1=\xe4\nk2=\xc3\xa4\n").expect("valid");
        let mut findings = Findings::new(None, usize::MAX);
        check(&mut findings, "f", &properties, &properties.lines(), None);
        let found = findings.sorted();
        assert_eq!((found.len(), found[0].rule.id), (1, "mixed-encodings"));
        assert_eq!(&properties.text()[found[0].span.clone()], "\u{c3}\u{a4}");
    }
}
