use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{Connector, import};

fn columns(value: &serde_json::Value) -> Columns {
    let connectors: Vec<Connector> = import::from_json(json!([value]).to_string().as_bytes()).expect("a connector");
    let mut columns = Columns::default();
    columns.insert(0, &connectors[0].summary());
    columns
}

impl Filter {
    fn matches(&self, columns: &Columns) -> bool {
        self.select(columns).contains(0)
    }
}

fn ldap() -> Columns {
    columns(&json!({
        "name": "OpenLDAP \"Größe\"", "type": "LDAP - Direct", "directConnect": true, "features": ["PROVISIONING", "SEARCH"],
        "connectorMetadata": {"category": "Directory", "labels": ["Open source", "b"]}
    }))
}

#[test]
fn the_documented_fields_and_operators_match_without_case() {
    let ldap = ldap();
    let table = [
        (r#"name co "LDAP""#, true),
        (r#"name co "größe""#, true),
        (r#"name co "\"GRÖSSE\"""#, true),
        ("name co \"\\\"gro\u{308}ße\\\"\"", true),
        ("name co \"GRO\u{308}\"", true),
        (r#"name co "grosse""#, false),
        (r#"name co "\"größe\"""#, true),
        (r#"name sw "ldap""#, false),
        (r"name sw openldap", true),
        (r#"type eq "ldap - direct""#, true),
        (r#"type eq "ldap""#, false),
        (r#"type sw "ldap" and type co "direct""#, true),
        ("directConnect eq true", true),
        (r#"directConnect eq "false""#, false),
        (r#"category eq "directory""#, true),
        (r#"features ca ("SEARCH", "provisioning")"#, true),
        (r#"features ca ("SEARCH","NOPE")"#, false),
        (r#"labels ca ("open source")"#, true),
        (r"labels ca B", true),
    ];
    for (text, expected) in table {
        assert_eq!(Filter::parse(text).map(|filter| filter.matches(&ldap)), Ok(expected), "{text}");
    }
}

#[test]
fn not_binds_tighter_than_and_and_and_tighter_than_or() {
    let ldap = ldap();
    let (yes, no) = ("directConnect eq true", "directConnect eq false");
    let table = [
        (format!("{yes} or {no} and {no}"), true),
        (format!("({yes} or {no}) and {no}"), false),
        (format!("not {no} and {no}"), false),
        (format!("not ({no} and {no})"), true),
        (format!("not not {yes}"), true),
        (format!("not {no} or {no}"), true),
    ];
    for (text, expected) in table {
        assert_eq!(Filter::parse(&text).map(|filter| filter.matches(&ldap)), Ok(expected), "{text}");
    }
}

#[test]
fn a_missing_category_equals_nothing() {
    let bare = columns(&json!({"name": "a"}));
    assert!(!Filter::parse("category eq \"\"").expect("valid").matches(&bare));
    assert!(Filter::parse("not category eq x").expect("valid").matches(&bare));
}

#[test]
fn an_error_names_the_column_and_what_would_be_right() {
    let operators = "eq, ne, co, sw, gt, ge, lt, le, in, ca, pr, isnull";
    let table = [
        ("", "column 1: the filter ends here; expected a field such as `name`".to_owned()),
        ("name", "column 5: the filter ends here; expected an operator such as `co`".to_owned()),
        ("name co", "column 8: the filter ends here; expected a value such as \"text\"".to_owned()),
        ("name CO \"a\"", "column 6: operators are lowercase: write `co`, not `CO`".to_owned()),
        ("name is \"a\"", format!("column 6: expected an operator ({operators}), got `is`")),
        ("name eq \"a\"", "column 6: field `name` does not support the operator `eq`; it supports sw, co".to_owned()),
        ("name in (\"a\")", "column 6: field `name` does not support the operator `in`; it supports sw, co".to_owned()),
        ("pr name", "column 1: field `name` does not support the operator `pr`; it supports sw, co".to_owned()),
        ("name isnull", "column 6: field `name` does not support the operator `isnull`; it supports sw, co".to_owned()),
        ("name pr", "column 6: `pr` is written in front of its field: `pr name`".to_owned()),
        (
            "größe co \"a\"",
            "column 1: unknown field `größe`; supported are name (sw, co), type (sw, co, eq), directConnect (eq), \
             category (eq), features (ca), labels (ca)"
                .to_owned(),
        ),
        ("directconnect eq true", "column 1: unknown field `directconnect`; did you mean `directConnect`?".to_owned()),
        ("name co a AND type eq b", "column 11: expected `and` or `or`, got `AND`; write `and`".to_owned()),
        ("name co a && type eq b", "column 11: expected `and` or `or`, got `&&`; write `and`".to_owned()),
        ("(name co a || type eq b)", "column 12: expected `and`, `or` or `)`, got `||`; write `or`".to_owned()),
        ("NOT name co a", "column 1: expected a field such as `name`, got `NOT`; write `not`".to_owned()),
        ("! name co a", "column 1: expected a field such as `name`, got `!`; write `not`".to_owned()),
        ("type == a", format!("column 6: expected an operator ({operators}), got `==`; write `eq`")),
        ("name contains a", format!("column 6: expected an operator ({operators}), got `contains`; write `co`")),
        (
            "type==\"a\"",
            "column 5: `==` is no operator; write operators as words between spaces, and `eq` for it".to_owned(),
        ),
        ("type=a", "column 5: `=` is no operator; write operators as words between spaces, and `eq` for it".to_owned()),
        (
            "!name co a",
            "column 1: `!` is no operator; write operators as words between spaces, and `not` for it".to_owned(),
        ),
        ("features ca [\"a\"]", "column 13: write a list in `(` and `)`, not in `[`".to_owned()),
        (
            "name co [a]",
            "column 9: write a text that begins with `[` in double quotes, or leave the bracket out".to_owned(),
        ),
        ("labels ca {a, b}", "column 11: write a list in `(` and `)`, not in `{`".to_owned()),
        ("name co \"ö\" und type eq a", "column 13: expected `and` or `or`, got `und`".to_owned()),
        ("name co \"a", "column 9: this text has no closing quote".to_owned()),
        ("name co 'a'", "column 9: write texts in double quotes: `\"` (U+0022), not `'` (U+0027)".to_owned()),
        ("name co “LDAP”", "column 9: write texts in double quotes: `\"` (U+0022), not `“` (U+201C)".to_owned()),
        ("name co LDAP”", "column 13: write texts in double quotes: `\"` (U+0022), not `”` (U+201D)".to_owned()),
        (
            "name co \"LDAP” and type eq \"x\"",
            "column 14: a text has no closing quote; write texts in double quotes: `\"` (U+0022), not `”` (U+201D)"
                .to_owned(),
        ),
        (
            "name co \"LDAP″",
            "column 14: a text has no closing quote; write texts in double quotes: `\"` (U+0022), not `″` (U+2033)"
                .to_owned(),
        ),
        (
            "features ca (\"A\", „B“)",
            "column 19: write texts in double quotes: `\"` (U+0022), not `„` (U+201E)".to_owned(),
        ),
        ("name co &quot;LDAP&quot;", "column 9: write texts in double quotes: `\"` (U+0022), not `&quot;`".to_owned()),
        ("name co %22LDAP%22", "column 9: write texts in double quotes: `\"` (U+0022), not `%22`".to_owned()),
        (
            "name co \\\"LDAP\\\"",
            "column 9: write `\"` without a backslash in front of it where a text begins".to_owned(),
        ),
        ("（name co a）", "column 1: write `(` (U+0028), not `（` (U+FF08)".to_owned()),
        ("features ca (a， b)", "column 15: write `,` (U+002C), not `，` (U+FF0C)".to_owned()),
        (
            "name\u{200b} co a",
            "column 5: here is U+200B, a character that nobody sees; remove it, or write the text in double quotes"
                .to_owned(),
        ),
        (
            "\u{feff}name co a",
            "column 1: here is U+FEFF, a character that nobody sees; remove it, or write the text in double quotes"
                .to_owned(),
        ),
        ("name co \"a\\n\"", "column 11: a backslash in a text may only be in front of `\"` or `\\`".to_owned()),
        ("(name co a", "column 11: the filter ends here; expected `)`".to_owned()),
        ("name co a)", "column 10: this `)` closes nothing".to_owned()),
        ("features ca ()", "column 14: expected a value such as \"text\", got `)`".to_owned()),
        ("name co (\"a\")", "column 9: `co` takes one value, not a list".to_owned()),
        ("directConnect eq maybe", "column 18: field `directConnect` takes true or false, got `maybe`".to_owned()),
        (&format!("{}name co a", "(".repeat(51)), "column 51: more than 50 levels of parentheses and `not`".to_owned()),
        (&" ".repeat(9000), "column 8193: the filter is longer than 8192 bytes".to_owned()),
    ];
    for (text, expected) in table {
        assert_eq!(Filter::parse(text).expect_err(text).to_string(), expected, "{text}");
    }
}

#[test]
fn every_quotation_mark_of_unicode_is_refused_outside_of_a_text_and_found_in_one() {
    let marks = "'«»‘’‚‛“”„‟‹›⹂「」『』〝〞〟﹁﹂﹃﹄＂＇｢｣`´′″❝❞｀״׳՚ˋ❟❠‷《》〈〉";
    for mark in marks.chars() {
        for filter in [
            format!("type eq {mark}a b{mark}"),
            format!("type eq {mark}a{mark}"),
            format!("type eq a{mark}"),
            format!("features ca ({mark}a{mark})"),
        ] {
            let error = Filter::parse(&filter).expect_err(&filter).to_string();
            assert!(
                error.ends_with(&format!("`\"` (U+0022), not `{mark}` (U+{:04X})", u32::from(mark))),
                "{filter}: {error}"
            );
        }
        let named = columns(&json!({"name": format!("a {mark}b{mark}"), "type": format!("O{mark}Brien")}));
        for filter in [format!("name co \"{mark}b{mark}\""), format!("type eq O{mark}Brien")] {
            assert!(Filter::parse(&filter).expect(&filter).matches(&named), "{filter}");
        }
    }
    // White space that pages have is white space.
    assert!(Filter::parse("name\u{a0}co\u{3000}\"ldap\"").expect("valid").matches(&ldap()));
}

#[test]
fn an_encoded_quote_is_refused_outside_of_a_text_and_found_in_one() {
    for quote in [
        "&quot;",
        "&QUOT;",
        "&apos;",
        "&#34;",
        "&#x22;",
        "&#X22;",
        "&#8220;",
        "&#x201D;",
        "&ldquo;",
        "&lsaquo;",
        "%22",
        "%27",
        "%E2%80%9C",
        "%e2%80%9d",
        "%2522",
        "%25E2%2580%259C",
        "\\u0022",
        "\\u201c",
    ] {
        for filter in [format!("type eq {quote}LDAP{quote}"), format!("type eq LDAP{quote}")] {
            let error = Filter::parse(&filter).expect_err(&filter).to_string();
            let expected = format!("column 9: write texts in double quotes: `\"` (U+0022), not `{quote}`");
            assert_eq!(error, expected, "{filter}");
        }
    }
    for word in ["R&D", "50%", "a%22b", "&amp;", "%41", "a&#34;b"] {
        let named = columns(&json!({"name": "a", "type": word}));
        assert!(Filter::parse(&format!("type eq {word}")).expect(word).matches(&named), "{word}");
    }
}

#[test]
fn characters_that_nobody_sees_are_refused_outside_of_a_text() {
    for hidden in
        "\u{34f}\u{115f}\u{1160}\u{17b4}\u{200b}\u{2800}\u{3164}\u{fe0f}\u{feff}\u{ffa0}\u{fff9}\u{e0100}".chars()
    {
        let filter = format!("type eq LDAP{hidden}");
        let error = Filter::parse(&filter).expect_err(&filter).to_string();
        assert!(error.starts_with(&format!("column 13: here is U+{:04X}, a character", u32::from(hidden))), "{error}");
    }
    for seen in ["❤\u{fe0f}", "می\u{200c}خواهم", "葛\u{e0100}"] {
        assert!(Filter::parse(&format!("type eq {seen}")).is_ok(), "{seen}");
    }
}

#[test]
fn texts_that_look_the_same_are_the_same() {
    let cafe = columns(&json!({
        "name": "Cafe\u{301} Straße İ", "type": "STRASSE", "features": ["Größe"],
        "connectorMetadata": {"category": "ÉTÉ", "labels": ["e\u{301}te\u{301}"]}
    }));
    for filter in [
        "name co \"caf\u{e9}\"",
        "name sw \"CAFÉ str\"",
        "name co \"STRASSE\"",
        "name co \"i\u{307}\"",
        "name co \"İ\"",
        "type eq \"straße\"",
        "features ca \"GRÖSSE\"",
        "category eq \"été\"",
        "labels ca \"ÉTÉ\"",
    ] {
        assert!(Filter::parse(filter).expect(filter).matches(&cafe), "{filter}");
    }
    for filter in ["name co \"cafes\"", "name co \"ı\"", "category eq \"ete\"", "type eq \"strase\""] {
        assert!(!Filter::parse(filter).expect(filter).matches(&cafe), "{filter}");
    }
}

#[test]
fn comparisons_are_counted_and_so_is_each_value_of_a_list() {
    let chain = |count: usize| vec!["name co a"; count].join(" or ");
    let list = |count: usize| format!("features ca ({})", vec!["a"; count].join(","));
    assert!(Filter::parse(&chain(100)).is_ok() && Filter::parse(&list(100)).is_ok());
    let expected = "more than 100 comparisons; a filter may have at most 100, and each value of a list counts";
    let mixed = format!("{} and {}", list(60), chain(41));
    for (text, column) in [(chain(101), 1301), (list(101), 214), (mixed, 659)] {
        let error = Filter::parse(&text).expect_err("too many");
        assert_eq!((error.column, error.reason.as_str()), (column, expected));
    }
    assert!(Filter::parse(&vec!["pr name"; 101].join(" or ")).expect_err("too many").reason.contains("more than 100"));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_within_its_columns(text in ".*") {
        if let Err(error) = Filter::parse(&text) {
            prop_assert!((1..=text.chars().count() + 1).contains(&error.column));
        }
    }

    #[test]
    fn words_of_the_language_in_any_order_never_panic(
        words in prop::collection::vec(prop::sample::select(vec![
            "name", "type", "features", "directConnect", "co", "eq", "ca", "pr", "isnull", "and", "or", "not", "(", ")",
            ",", "\"a\"", "\"", "\\", "true", "é", "12",
        ]), 0..25)
    ) {
        let text = words.join(" ");
        if let Ok(filter) = Filter::parse(&text) {
            let negated = Filter::parse(&format!("not ({text})")).expect("a filter can be negated");
            prop_assert_ne!(filter.matches(&ldap()), negated.matches(&ldap()));
        }
    }

    #[test]
    fn any_quoted_value_is_found_again(value in ".*", before in "[a-z]*") {
        let value = format!("{before}{value}");
        let connector = json!({"name": "n", "type": "t", "connectorMetadata": {"category": value}});
        let quoted = quoted(&value);
        let filter = Filter::parse(&format!("category eq {quoted}"));
        if quoted.len() < 8000 {
            prop_assert!(filter.expect("valid").matches(&columns(&connector)));
        }
    }
}
