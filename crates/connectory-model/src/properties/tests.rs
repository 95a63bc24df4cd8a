use proptest::prelude::*;

use super::*;

#[test]
fn java_syntax_is_read() {
    let text = "# comment\n! another\na=1\nb : 2\nc 3\nlong=one \\\n  two\n\\u00fc=\\u00dc\nemoji=\\ud83d\\ude00\n\
                path=C\\:\\\\users\\\\u0041\nempty\n";
    let entries = Properties::parse(text.as_bytes()).expect("valid").entries();
    let get = |key: &str| entries[key].as_str();
    assert_eq!((get("a"), get("b"), get("c"), get("long")), ("1", "2", "3", "one two"));
    assert_eq!((get("ü"), get("emoji"), get("path"), get("empty")), ("Ü", "😀", "C:\\users\\u0041", ""));
}

#[test]
fn a_last_line_with_a_backslash_at_its_end_counts_as_in_java() {
    for (text, value) in [("a=1\nb=2\\", "2"), ("b=2\\\n", "2"), ("b=\\\r\n", ""), ("b\\", ""), ("b=2\\\\", "2\\")] {
        let properties = Properties::parse(text.as_bytes()).expect("valid");
        assert_eq!(properties.entries()["b"], value, "{text:?}");
        let longer = properties.with("c", Some("3"));
        assert_eq!((longer.entries()["b"].as_str(), longer.entries()["c"].as_str()), (value, "3"), "{text:?}");
    }
}

#[test]
fn bytes_come_back_as_they_were_in_either_encoding() {
    for (bytes, charset) in [(&b"a=\xe4\r\n"[..], "iso-8859-1"), ("\u{feff}a=ä".as_bytes(), "utf-8")] {
        let properties = Properties::parse(bytes).expect("valid");
        assert_eq!((properties.to_bytes().as_slice(), properties.charset()), (bytes, charset));
        assert_eq!(properties.entries()["a"], "ä");
    }
}

#[test]
fn a_bad_escape_is_refused_with_its_line() {
    for bad in ["a=1\nb=\\u12", "a=1\nb=\\uzzzz", "a=1\nb=\\ud83d"] {
        let error = Properties::parse(bad.as_bytes()).expect_err(bad).to_string();
        assert!(error.starts_with("line 2: "), "{error}");
    }
    assert_eq!(Properties::parse(b"a=\0"), Err(PropertiesError::Binary(2)));
    for utf16 in [b"\xff\xfea\0=\0", b"\xfe\xff\0a\0="] {
        assert_eq!(Properties::parse(utf16), Err(PropertiesError::Utf16));
    }
}

#[test]
fn one_key_is_changed_and_all_else_stays() {
    let text = Properties::parse("\u{feff}# texts\na=1\nb : two \\\n  lines\nc=3".as_bytes()).expect("valid");
    assert_eq!(text.with("b", Some(" x\ny")).text(), "\u{feff}# texts\na=1\nb=\\ x\\ny\nc=3");
    assert_eq!(text.with("b", None).text(), "\u{feff}# texts\na=1\nc=3");
    assert!(text.with("d e", Some("ł")).text().ends_with("c=3\nd\\ e=ł\n"));
    let latin1 = Properties::parse(b"a=\xe4\r\n").expect("valid");
    assert_eq!(latin1.with("b", Some("ł😀")).to_bytes(), b"a=\xe4\r\nb=\\u0142\\ud83d\\ude00\r\n");
}

#[test]
fn many_keys_are_added_at_once_as_one_by_one() {
    let added = [("b", " two"), ("c d", "three\nlines"), ("ł", "😀")];
    for bytes in [&b""[..], b"a=1", b"a=1\r\n", b"a=\xe4\n", b"a=1\\\n", b"a=1\\\r"] {
        let text = Properties::parse(bytes).expect("valid");
        let one_by_one = added.iter().fold(text.clone(), |text, (key, value)| text.with(key, Some(value)));
        assert_eq!(text.with_added(added), one_by_one, "{bytes:?}");
        assert_eq!(text.with_added([]), text, "{bytes:?}");
    }
}

#[test]
fn a_key_on_many_lines_is_removed_in_time() {
    let text = Properties::parse("a=1\n".repeat(100_000).as_bytes()).expect("valid");
    let start = std::time::Instant::now();
    assert_eq!(text.with("a", None).text(), "");
    assert!(text.with("a", Some("2")).text().ends_with("a=1\na=2\n"));
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

#[test]
fn a_short_description_is_found_without_reading_all_lines() {
    let text = "a=\\u00e4 \\\n  b\n".repeat(50_000) + "ShortDesc=x\n";
    let text = Properties::Utf8(text);
    let start = std::time::Instant::now();
    assert_eq!(text.short_description().as_deref(), Some("x"));
    let some = start.elapsed();
    let start = std::time::Instant::now();
    assert_eq!(text.entries().len(), 2);
    let all = start.elapsed();
    assert!(some < all / 3, "{some:?} {all:?}");
}

proptest! {
    #[test]
    fn the_short_description_is_what_all_entries_have(
        text in r"(\u{feff})?(ShortDesc|Sh\\u006frtDesc|Short\\[\r\n]{1,2}|Desc|[ #!:=\t\f\r\n\\]|\\[\r\n]|ab|é|\r\n){0,14}",
    ) {
        if let Ok(properties) = Properties::parse(text.as_bytes()) {
            prop_assert_eq!(properties.short_description(), properties.entries().remove(SHORT_DESCRIPTION));
        }
    }

    #[test]
    fn a_changed_key_reads_back_and_no_other_changes(
        bytes in r"([ab=#: \r\n\\é]|\\u00e9){0,30}", key in "[ab =é]{1,3}", value: Option<String>,
    ) {
        if let Ok(before) = Properties::parse(bytes.as_bytes())
            && value.as_ref().is_none_or(|value| !value.contains('\0'))
        {
            let after = before.with(&key, value.as_deref());
            let mut expected = before.entries();
            match &value {
                Some(value) => expected.insert(key, value.clone()),
                None => expected.remove(&key),
            };
            prop_assert_eq!(after.entries(), expected);
            prop_assert_eq!(Properties::parse(&after.to_bytes()), Ok(after));
        }
    }

    #[test]
    fn bytes_that_are_edited_read_back_in_either_encoding(
        bytes in prop::collection::vec(prop::sample::select(b"ab=\n\\\xc3\xa4\xff".as_slice()), 0..20),
        value in prop::option::of("[aä€]{0,2}"),
    ) {
        if let Ok(before) = Properties::parse(&bytes) {
            let after = before.with("a", value.as_deref());
            prop_assert_eq!(after.entries().remove("a"), value);
            prop_assert_eq!(Properties::parse(&after.to_bytes()), Ok(after));
        }
    }

    #[test]
    fn any_bytes_are_refused_or_come_back_unchanged(bytes: Vec<u8>) {
        if let Ok(properties) = Properties::parse(&bytes) {
            prop_assert_eq!(properties.to_bytes(), bytes);
            properties.entries();
            let json = serde_json::to_string(&properties).expect("text");
            prop_assert_eq!(serde_json::from_str::<Properties>(&json).expect("back"), properties);
        }
    }

    #[test]
    fn texts_full_of_escapes_never_panic(text in r"([a-z=: \n]|\\|\\u[0-9a-f]{0,4}|\\ud83d|\\ude00|é|😀){0,40}") {
        if let Ok(properties) = Properties::parse(text.as_bytes()) {
            properties.entries();
        }
    }
}
