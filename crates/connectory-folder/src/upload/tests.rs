use std::io::{Cursor, Write};

use connectory_model::ScriptName;
use connectory_model::wire::{ConnectorDetail, ConnectorLine, DetailShape, Origin};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;
use crate::packed::Packed;

const YAML: &str = "name: HR System\nclassName: x.Y\n";

/// A zip file. A text that begins with `->` is the target of a link.
fn zipped(files: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, text) in files {
        let options = SimpleFileOptions::default();
        if let Some(target) = text.strip_prefix("->") {
            zip.add_symlink(path, target, options).unwrap();
            continue;
        }
        zip.start_file(path, options).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn sent(path: &str, bytes: &[u8]) -> Result<LocalFolders, UploadError> {
    read(&[SentFile { path, bytes }], Limits::default())
}

/// The names of the folders, and what reading found, as rule and path.
fn found(local: &LocalFolders) -> (Vec<&str>, Vec<String>) {
    let names = local.folders.iter().map(|folder| &*folder.name).collect();
    let within = local.folders.iter().flat_map(|folder| &folder.findings);
    let findings = local.findings.iter().chain(within);
    (names, findings.map(|finding| format!("{} {}", finding.rule.id, finding.file)).collect())
}

fn connector(script_name: &str) -> Connector {
    let files = [(CONNECTOR_FILE.to_owned(), Cow::from(format!("name: {script_name}\nclassName: x.Y\n").into_bytes()))];
    Folder::read(&files.into()).unwrap().into_connector(script_name.parse().unwrap())
}

#[test]
fn connector_folders_are_found_where_people_put_them() {
    for (name, files, expected) in [
        (
            "x.zip",
            &[("hr/connector.yaml", YAML), ("it/connector.yaml", YAML), ("README.md", "")][..],
            &["hr", "it"][..],
        ),
        ("x.zip", &[("connectors/hr/connector.yaml", YAML), ("README.md", "")], &["hr"]),
        ("x.zip", &[("repo/connectors/hr/connector.yaml", YAML), ("repo/README.md", "")], &["hr"]),
        ("hr.zip", &[("connector.yaml", YAML), ("translations/de.properties", "a=b")], &["hr"]),
        ("HR (1).zip", &[("connector.yaml", YAML)], &["hr-system"]),
        ("", &[("connector.yaml", YAML)], &["hr-system"]),
    ] {
        let local = sent(name, &zipped(files)).unwrap();
        assert_eq!(found(&local), (expected.to_vec(), Vec::new()), "{name} {files:?}");
    }
    let clutter = [
        ("hr/connector.yaml", YAML),
        ("__MACOSX/hr/._connector.yaml", "x"),
        ("__MACOSX/hr/connector.yaml", "x"),
        ("hr/.DS_Store", "x"),
        (".git/it/connector.yaml", YAML),
    ];
    let local = sent("x.zip", &zipped(&clutter)).unwrap();
    assert_eq!(found(&local), (vec!["hr"], Vec::new()));
    let files: Vec<_> = local.folders[0].files.keys().collect();
    assert_eq!(files, [CONNECTOR_FILE]);
}

#[test]
fn files_that_are_dropped_are_read_as_those_of_a_disk() {
    let files = [("picked/hr/connector.yaml", YAML), ("picked/hr/conector.yaml", YAML), ("picked/notes.md", "")];
    let files = files.map(|(path, text)| SentFile { path, bytes: text.as_bytes() });
    let local = read(&files, Limits::default()).unwrap();
    assert_eq!(found(&local), (vec!["hr"], vec!["unknown-file conector.yaml".to_owned()]));
    let large = read(&files, Limits { document: 9, ..Limits::default() }).unwrap();
    assert_eq!(found(&large).1[1], "too-large connector.yaml");
    let one = sent("hr/connector.yaml", b"{name: HR, className: x.Y}").unwrap();
    assert_eq!(found(&one), (vec!["hr"], Vec::new()));
    let nothing = [SentFile { path: "a/notes", bytes: b"" }, SentFile { path: "b", bytes: b"" }];
    assert!(matches!(read(&nothing, Limits::default()), Err(UploadError::Empty(None))));
    assert!(matches!(read(&[], Limits::default()), Err(UploadError::Empty(None))));
}

#[test]
fn exports_are_read_as_folders() {
    let details =
        ["a", "B"].map(|name| ConnectorDetail::with_bytes(connector(name), Origin::Custom, DetailShape::Plain));
    let array = serde_json::to_vec(&details).unwrap();
    assert_eq!(found(&sent("x.json", &array).unwrap()), (vec!["a", "%42"], Vec::new()));
    let line = |detail: &ConnectorDetail| {
        let script_name: ScriptName = detail.script_name.clone();
        serde_json::to_string(&ConnectorLine { script_name, revision: 7, connector: Some(detail.clone()) }).unwrap()
    };
    let [a, b] = details.each_ref().map(line);
    let head = r#"{"revision": 7, "builtInCatalog": "x"}"#;
    for whole in [format!("{head}\n{a}\n{b}\n{{\"count\": 2}}\n"), format!("\u{feff}{a}\r\n\n{b}")] {
        assert_eq!(found(&sent("x", whole.as_bytes()).unwrap()), (vec!["a", "%42"], Vec::new()));
    }
    let many: String = (0..=IMPORT_CONNECTORS).map(|at| a.replace("\"a\"", &format!("\"a{at}\"")) + "\n").collect();
    for (wrong, expected) in [
        (many, "there are more than 1000 connectors"),
        (format!("{head}\n{a}\n"), "the export broke off"),
        (format!("{head}\n{a}\n{{\"count\": 2}}\n"), "the export broke off"),
        (format!("{a}\n{a}\n"), "connector 2 (a): the script name `a` is in the array twice"),
        (format!("{a}\n{{\"count\": 1}}\n"), "line 2: it is no line of an export"),
        (r#"{"scriptName": "a", "revision": 1, "connector": null}"#.to_owned(), "line 1: it deletes"),
        (r#"{"a": [1, "#.to_owned(), "line 1: "),
        ("[1]".to_owned(), "connector 1: "),
        (format!("[{}0]", "0,".repeat(IMPORT_VALUES)), "more than 1000000 values"),
    ] {
        let error = sent("x", wrong.as_bytes()).expect_err(expected).to_string();
        assert!(error.starts_with(expected) || expected.starts_with("more") && error.contains("values"), "{error}");
    }
}

#[test]
fn what_is_made_to_do_harm_is_refused() {
    let path = |path: &str| zipped(&[("hr/connector.yaml", YAML), (path, "x")]);
    let twice = zipped(&[("hr/connector.yaml", YAML), ("hs/connector.yaml", YAML)]);
    let patched = |bytes: &[u8], old: &[u8], new: &[u8]| {
        let mut bytes = bytes.to_vec();
        let places: Vec<_> = memchr::memmem::find_iter(&bytes, old).collect();
        assert!(!places.is_empty());
        for at in places {
            bytes[at..at + new.len()].copy_from_slice(new);
        }
        bytes
    };
    let whole = zipped(&[("hr/connector.yaml", YAML)]);
    let mut encrypted = whole.clone();
    for (mark, flags) in [(b"PK\x03\x04", 6), (b"PK\x01\x02", 8)] {
        let at = memchr::memmem::find(&encrypted, mark).unwrap();
        encrypted[at + flags] |= 1;
    }
    let many: Vec<_> = (0..=IMPORT_FILES).map(|at| format!("f{at}")).collect();
    let many = zipped(&many.iter().map(|name| (name.as_str(), "")).collect::<Vec<_>>());
    let table: [(&str, Vec<u8>, &str); 17] = [
        ("absolute", path("/etc/passwd"), "`/etc/passwd` is not a path"),
        ("above", path("hr/../../x"), "`hr/../../x` is not a path"),
        ("backslash", path("hr\\x"), "`hr\\x` is not a path"),
        ("drive", path("C:/x"), "`C:/x` is not a path"),
        ("empty part", path("hr//x"), "`hr//x` is not a path"),
        ("dot", path("hr/./x"), "`hr/./x` is not a path"),
        ("file and folder", path("hr/connector.yaml/x"), "`hr/connector.yaml/x` is there twice"),
        ("two of one name", patched(&twice, b"hs/", b"hr/"), "the zip file cannot be read: it has two files"),
        ("encrypted", encrypted, "`hr/connector.yaml` is encrypted"),
        ("many", many, "there are more than 10000 files"),
        ("empty", Vec::new(), "there is no file, or an empty one"),
        ("no entries", zipped(&[]), "there is no connector folder"),
        ("clutter only", zipped(&[("__MACOSX/x", ""), (".x", "")]), "there is no connector folder"),
        (
            "nested too deep",
            zipped(&[("a/b/hr/connector.yaml", YAML), ("a/c/x", ""), ("a/d/x", "")]),
            "there is no connector folder, which is one with a connector.yaml in it; `a/b` has some",
        ),
        ("cut off", whole[..whole.len() - 9].to_vec(), "the zip file cannot be read: "),
        (
            "damaged",
            patched(&zipped(&[("hr/connector.yaml", &YAML.repeat(9))]), b"PK\x03\x04", b"PK\x03\x05"),
            "the zip file cannot be read: ",
        ),
        ("no zip", b"Rar!".to_vec(), "there is no connector folder"),
    ];
    for (what, bytes, expected) in table {
        let error = sent("x.zip", &bytes).expect_err(what).to_string();
        assert!(error.starts_with(expected), "{what}: {error}");
    }
    let links = [("hr/connector.yaml", YAML), ("hr/source-config.xml", "->/etc/passwd"), ("it", "->hr")];
    let local = sent("x.zip", &zipped(&links)).unwrap();
    assert_eq!(found(&local), (vec!["hr"], vec!["symlink it".to_owned(), "symlink source-config.xml".to_owned()]));
    let cases = [("hr/connector.yaml", YAML), ("hr/a.txt", ""), ("hr/A.txt", ""), ("HR/connector.yaml", YAML)];
    let local = sent("x.zip", &zipped(&cases)).unwrap();
    assert_eq!(found(&local).1, ["name-clash hr", "name-clash a.txt"]);
    let deep = "a/".repeat(20_000) + "x";
    let local = sent("x.zip", &zipped(&[("hr/connector.yaml", YAML), (&deep, "")])).unwrap();
    assert_eq!(found(&local).0, ["hr"]);
}

#[test]
fn a_bomb_is_read_up_to_its_limit() {
    let limits = Limits::default();
    let bomb = " ".repeat(2 * limits.document);
    let mut one = zipped(&[("hr/connector.yaml", &bomb), ("hr/README.md", &bomb)]);
    assert_eq!(found(&sent("x.zip", &one).unwrap()).1, ["too-large connector.yaml"]);
    // What an entry says of its size counts for nothing.
    let at = memchr::memmem::find(&one, b"PK\x01\x02").unwrap();
    one[at + 24..at + 28].copy_from_slice(&5u32.to_le_bytes());
    match sent("x.zip", &one) {
        Ok(local) => assert_eq!(found(&local).1, ["too-large connector.yaml"]),
        Err(error) => assert!(matches!(error, UploadError::Zip(_)), "{error}"),
    }
    let names: Vec<_> = (0..=IMPORT_BYTES / limits.document).map(|at| format!("c{at}/connector.yaml")).collect();
    let all = zipped(&names.iter().map(|name| (name.as_str(), &bomb[..limits.document])).collect::<Vec<_>>());
    assert!(all.len() < IMPORT_BYTES / 500 && matches!(sent("x.zip", &all), Err(UploadError::TooLarge)));
}

#[test]
fn what_is_packed_is_read_as_it_was_and_has_the_same_bytes_each_time() {
    let pack = || {
        let mut packed = Packed::new(Vec::new());
        for name in ["hr", "B"] {
            packed.add(connector(name)).unwrap();
        }
        packed.finish().unwrap()
    };
    let bytes = pack();
    assert_eq!(bytes, pack());
    let local = sent("connectors.zip", &bytes).unwrap();
    assert_eq!(found(&local), (vec!["%42", "hr"], Vec::new()));
    assert_eq!(Folder::read(&local.folders[1].files).unwrap(), Folder::from(connector("hr")));
    let long = "Ü".repeat(100).parse().unwrap();
    assert!(Packed::new(Vec::new()).add(Connector { script_name: long, ..connector("hr") }).is_err());
}
