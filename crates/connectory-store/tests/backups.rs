//! What is found in files that are not what was written, and in databases that are not what they should be.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/cluster.rs"]
#[expect(dead_code, reason = "these tests share a cluster")]
mod cluster;
#[expect(dead_code, reason = "shared with other tests")]
mod support;

use std::path::{Path, PathBuf};

use base64::Engine as _;
use connectory_model::Connector;
use connectory_model::Locale;
use connectory_model::translations::Properties;
use connectory_store::{
    Address, Backup, BackupError, BackupSource, BackupTarget, Change, Counts, Edit, Finding, Keys, Once,
    RefusedSignIns, RevisionId, Store, TenantId,
};
use proptest::prelude::*;
use tempfile::TempDir;

use support::{by, client, commit, connector, create, edit, number, origin, signing_key, tenant};

/// Writes something of each kind.
async fn fill(store: &Store) -> TenantId {
    let tenant = tenant(store).await;
    store.signing_keys(signing_key("k")).await.unwrap();
    store.create_client("default".to_owned(), client("second"), by()).await.unwrap();
    let once = Once { key: [1; 32], fingerprint: [2; 32], at: 1 };
    store.commit_once(tenant, vec![create("HR"), create("Straße")], origin(), once).await.unwrap();
    commit(store, tenant, edit(Change::Delete { expected: number(1) }, connector("HR"))).await;
    let mut first = Connector::clone(&connector("large"));
    let text = format!("ShortDesc=Short\na={}\n", "x".repeat(70_000));
    first.translations.0.insert(Locale::De, Properties::parse(text.as_bytes()).unwrap());
    let at = commit(store, tenant, Edit::new(Change::Create, &first, &[], None)).await;
    let holders = store.holders(RevisionId { tenant, number: at }).await.unwrap();
    let mut second = first.clone();
    "other.Class".clone_into(&mut second.class_name);
    let change = Edit::new(Change::Update { expected: at }, &second, &[], Some((&first, &holders)));
    assert_eq!(commit(store, tenant, change).await, number(5));
    let address = "192.0.2.9".parse().unwrap();
    let refused = RefusedSignIns { tenant, minute: 7, client_id: "second".to_owned(), address, count: 3 };
    store.add_refused_sign_ins(vec![refused]).await.unwrap();
    tenant
}

/// A database with something of each kind, and a backup of it.
fn backed_up() -> (TempDir, PathBuf, Vec<u8>) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("c.db");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = Store::open(&path).unwrap();
        fill(&store).await;
    });
    drop(runtime);
    let mut backup = Vec::new();
    BackupSource::open(&path).unwrap().write(&mut backup, &mut |_, _| {}).unwrap();
    (folder, path, backup)
}

fn verify(backup: &[u8]) -> Result<(Counts, Vec<Finding>), BackupError> {
    let mut findings = Vec::new();
    let verified = Backup::open(backup)?.verify(&mut |_| {}, &mut |finding| findings.push(finding))?;
    Ok((verified.counts, findings))
}

fn restore(backup: &[u8], path: &Path) -> Result<u64, BackupError> {
    Ok(Backup::open(backup)?.restore(BackupTarget::Sqlite(path), Keys::Keep, &mut |_| {})?.1)
}

fn check(source: &BackupSource) -> Vec<String> {
    let mut findings = Vec::new();
    source.check(&mut |_, _| {}, &mut |finding| findings.push(finding.to_string())).unwrap();
    findings
}

/// The lines of a backup.
fn lines(backup: &[u8]) -> Vec<String> {
    String::from_utf8(zstd::decode_all(backup).unwrap()).unwrap().lines().map(str::to_owned).collect()
}

/// A backup with these lines, whose checksum is that of its lines.
fn written(mut lines: Vec<String>) -> Vec<u8> {
    use sha2::{Digest, Sha256};
    let end = lines.pop().unwrap();
    let mut text = lines.join("\n") + "\n";
    let mut end: serde_json::Value = serde_json::from_str(&end).unwrap();
    let sum = Sha256::digest(&text);
    end["end"]["sha256"] = sum.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat().into();
    text.push_str(&end.to_string());
    text.push('\n');
    zstd::encode_all(text.as_bytes(), 3).unwrap()
}

#[test]
fn a_file_that_was_cut_is_truncated_wherever_it_was_cut() {
    let (folder, _, backup) = backed_up();
    assert_eq!(verify(&backup).unwrap().1, []);
    let target = folder.path().join("target.db");
    for length in 0..backup.len() {
        let refused = verify(&backup[..length]).unwrap_err();
        let is_right = match length {
            0 => matches!(refused, BackupError::Foreign("it is empty")),
            _ => matches!(refused, BackupError::Truncated { .. }),
        };
        assert!(is_right, "{length}: {refused}");
        if length % 97 == 0 {
            assert!(restore(&backup[..length], &target).is_err());
        }
    }
    // The lines without the last one are a whole zstd frame.
    let mut cut = lines(&backup);
    while cut.pop().is_some_and(|_| cut.len() > 1) {
        let file = zstd::encode_all((cut.join("\n") + "\n").as_bytes(), 3).unwrap();
        let records = cut.len() as u64 - 1;
        assert!(matches!(verify(&file).unwrap_err(), BackupError::Truncated { records: found } if found == records));
    }
    assert_eq!(
        std::fs::read_dir(folder.path())
            .unwrap()
            .filter(|file| {
                let name = file.as_ref().unwrap().file_name().into_string().unwrap();
                name.contains("target") || name.contains("restore")
            })
            .count(),
        0,
        "nothing is left of what was not restored"
    );
}

#[test]
fn a_file_with_another_byte_is_damaged_unless_all_that_is_read_is_the_same() {
    let (_folder, _, backup) = backed_up();
    let (right, mut harmless) = (lines(&backup), 0);
    for at in 0..backup.len() {
        for flip in [1, 0x80] {
            let mut other = backup.clone();
            other[at] ^= flip;
            let Err(refused) = verify(&other) else {
                // A few bits of zstd mean nothing, such as how much memory reading takes at most.
                assert_eq!(lines(&other), right, "{at}");
                harmless += 1;
                continue;
            };
            assert!(!matches!(refused, BackupError::Store(_) | BackupError::Write(_)), "{at}: {refused}");
        }
    }
    assert!(harmless * 100 < backup.len(), "{harmless} of {}", backup.len());
    let mut longer = backup.clone();
    longer.push(0);
    assert!(matches!(verify(&longer).unwrap_err(), BackupError::Damaged { .. } | BackupError::Truncated { .. }));
    let twice = [backup.as_slice(), &backup].concat();
    assert!(verify(&twice).unwrap_err().to_string().contains("there is something after its end"));
}

#[test]
fn a_record_that_was_changed_removed_or_added_is_found_by_the_checksum_whatever_its_kind() {
    let (_folder, _, backup) = backed_up();
    let lines = lines(&backup);
    let mut kinds = std::collections::BTreeSet::new();
    let pack = |lines: &[String]| zstd::encode_all((lines.join("\n") + "\n").as_bytes(), 3).unwrap();
    assert_eq!(verify(&pack(&lines)).unwrap().1, []);
    for at in 0..lines.len() {
        let kind = lines[at].split('"').nth(1).unwrap().to_owned();
        // Another digit, or else another letter: the line stays JSON of the same kind.
        let place = lines[at].rfind(|c: char| c.is_ascii_digit()).unwrap_or_else(|| lines[at].rfind('a').unwrap());
        let mut changed = lines.clone();
        let other = if lines[at].as_bytes()[place] == b'1' { "2" } else { "1" };
        changed[at].replace_range(place..=place, other);
        assert!(
            matches!(verify(&pack(&changed)), Err(BackupError::Damaged { .. } | BackupError::Newer { .. })),
            "{kind}"
        );
        let mut twice = lines.clone();
        twice.insert(at, lines[at].clone());
        assert!(verify(&pack(&twice)).is_err(), "{kind}");
        let mut removed = lines.clone();
        removed.remove(at);
        assert!(verify(&pack(&removed)).is_err(), "{kind}");
        kinds.insert(kind);
    }
    let expected = [
        "accessEvent",
        "client",
        "connector",
        "deleted",
        "end",
        "format",
        "part",
        "refusedSignIns",
        "request",
        "revision",
        "setting",
        "signingKey",
        "tenant",
    ];
    assert_eq!(kinds.iter().map(String::as_str).collect::<Vec<_>>(), expected, "there is a record of each kind");
}

#[test]
fn another_file_and_a_newer_format_are_told_apart() {
    let (_folder, _, backup) = backed_up();
    let refused = |bytes: &[u8]| verify(bytes).map(drop).unwrap_err().to_string();
    let foreign = "it is not a backup of connectory: ";
    assert_eq!(refused(b""), format!("{foreign}it is empty"));
    let text = refused(b"[{\"name\": \"HR\"}]");
    assert_eq!(text, format!("{foreign}it is not compressed with zstd, or its beginning is damaged"));
    let other = zstd::encode_all(b"{\"format\":\"other\",\"version\":1}\n".as_slice(), 3).unwrap();
    assert_eq!(refused(&other), format!("{foreign}its first line is not that of a backup"));
    let other = zstd::encode_all(b"\0\xff\n".as_slice(), 3).unwrap();
    assert_eq!(refused(&other), format!("{foreign}its first line is not that of a backup"));
    let mut newer = lines(&backup);
    newer[0] = r#"{"format":"connectory-backup","version":2,"program":"9.9.9","what":"is new"}"#.to_owned();
    let expected = "connectory 9.9.9 wrote it in format 2, and this program reads format 1 at most; use that connectory or a \
                    newer one";
    assert_eq!(refused(&written(newer)), expected);
    // A line that has no end does not fill the memory.
    let header = lines(&backup)[0].clone() + "\n";
    let mut long = zstd::Encoder::new(Vec::new(), 1).unwrap();
    std::io::Write::write_all(&mut long, header.as_bytes()).unwrap();
    for _ in 0..600 {
        std::io::Write::write_all(&mut long, &vec![b'x'; 1 << 20]).unwrap();
    }
    let found = refused(&long.finish().unwrap());
    assert!(found.contains("its next line has more than 35651584 bytes, which no backup has"), "{found}");
    // Nor does a first line, nor a window of zstd.
    let long = zstd::encode_all(vec![b'x'; 10 << 20].as_slice(), 1).unwrap();
    assert_eq!(refused(&long), format!("{foreign}its first line is not that of a backup"));
    let mut wide = zstd::Encoder::new(Vec::new(), 1).unwrap();
    wide.window_log(27).unwrap();
    std::io::Write::write_all(&mut wide, (lines(&backup).join("\n") + "\n").as_bytes()).unwrap();
    let wide = wide.finish().unwrap();
    assert_eq!(refused(&wide), format!("{foreign}it is not compressed with zstd, or its beginning is damaged"));
}

/// A change of the lines of a backup, and what is found then.
type Wrong = (&'static str, fn(&mut Vec<String>), &'static str);

/// The first line of a kind that contains a text.
fn find(lines: &[String], kind: &str, text: &str) -> usize {
    lines.iter().position(|line| line.starts_with(&format!("{{\"{kind}\"")) && line.contains(text)).unwrap()
}

fn change(lines: &mut [String], kind: &str, text: &str, replace: [&str; 2]) {
    let at = find(lines, kind, text);
    assert!(lines[at].contains(replace[0]), "{} {}", lines[at], replace[0]);
    lines[at] = lines[at].replacen(replace[0], replace[1], 1);
}

const WRONG: &[Wrong] = &[
    (
        "a key",
        |lines| {
            change(lines, "signingKey", "", ["-----BEGIN PRIVATE KEY-----\\nMI", "-----BEGIN PRIVATE KEY-----\\nNI"]);
        },
        "the signing key `k` is not a P-256 key in PKCS #8, as PEM: ",
    ),
    (
        "the name of a tenant",
        |lines| change(lines, "tenant", "", ["\"default\"", "\"de fault\""]),
        "tenant `de fault`: its name is not one of 1 to 100 letters, digits, `-` and `_`; restore a backup",
    ),
    (
        "a quota of connectors",
        |lines| change(lines, "tenant", "", ["\"maxConnectors\":1", "\"maxConnectors\":-1"]),
        "tenant `default`: one of its quotas is less than 0",
    ),
    (
        "a quota of bytes",
        |lines| change(lines, "tenant", "", ["\"maxConnectors\"", "\"maxBytes\":-1,\"maxConnectors\""]),
        "tenant `default`: one of its quotas is less than 0",
    ),
    (
        "a body that no connector has",
        |lines| {
            let at = find(lines, "revision", "\"number\":2");
            let start = lines[at].find("\"body\":\"").unwrap() + 8;
            let end = lines[at][start..].find('"').unwrap() + start;
            // More zeros than a connector has bytes, in LZ4: a literal, and a copy of it.
            let mut body = (33_u32 << 20).wrapping_add(1).to_le_bytes().to_vec();
            body.extend([0x1f, 0, 1, 0]);
            body.extend(vec![255; (33 << 20) / 255 + 1]);
            lines[at].replace_range(start..end, &base64::engine::general_purpose::STANDARD.encode(body));
        },
        "connector `strasse`, revision 2: its body cannot be read: the database holds something unreadable: ",
    ),
    (
        "a chain",
        |lines| change(lines, "revision", "\"number\":5", ["\"previous\":4", "\"previous\":3"]),
        "tenant `default`, connector `large`, revision 5: it says that the revision before it is 3, which is 4; restore a backup",
    ),
    (
        "a first revision",
        |lines| change(lines, "revision", "\"number\":5", ["\"previous\":4,", ""]),
        "revision 5: it says that the revision before it is none, which is 4",
    ),
    (
        "a number",
        |lines| change(lines, "revision", "\"number\":5", ["\"number\":5", "\"number\":6"]),
        "revision 6: revision 5 is missing",
    ),
    (
        "a commit",
        |lines| change(lines, "revision", "\"number\":1", ["\"change\":2", "\"change\":4"]),
        "revision 2: it and the revision before do not agree on which commit they belong to",
    ),
    (
        "an action",
        |lines| change(lines, "revision", "\"number\":5", ["\"update\"", "\"create\""]),
        "revision 5: it creates a connector that exists",
    ),
    (
        "a body",
        |lines| {
            let at = find(lines, "revision", "\"number\":2");
            let start = lines[at].find("\"body\":\"").unwrap() + 8;
            lines[at].replace_range(start..start + 4, "////");
        },
        "connector `strasse`, revision 2: its body cannot be read: ",
    ),
    (
        "the body of another",
        |lines| {
            let body = |line: &str| line[line.find("\"bodyFormat\"").unwrap()..].to_owned();
            let (one, other) = (find(lines, "revision", "\"number\":1"), find(lines, "revision", "\"number\":2"));
            let (mine, theirs) = (body(&lines[one]), body(&lines[other]));
            lines[other] = lines[other].replace(&theirs, &mine);
        },
        "connector `strasse`, revision 2: its body is that of the connector `hr`",
    ),
    (
        "a part",
        |lines| {
            let at = find(lines, "part", "translations/de");
            let start = lines[at].find("\"body\":\"").unwrap() + 8;
            lines[at].replace_range(start..start + 4, "AAAA");
        },
        "connector `large`, revision 4: its part `translations/de` cannot be read: ",
    ),
    (
        "a missing part",
        |lines| {
            lines.remove(find(lines, "part", "translations/de"));
            change(lines, "end", "", ["\"parts\":4", "\"parts\":3"]);
        },
        "connector `large`, revision 4: its part `translations/de` should be stored with revision 4, and is not",
    ),
    (
        "another part",
        |lines| change(lines, "part", "translations/de", ["translations/de", "translations/fr"]),
        "connector `large`, revision 4: it has a part `translations/fr` that its body does not name",
    ),
    (
        "a summary",
        |lines| change(lines, "connector", "\"large\"", ["other.Class", "another.Class"]),
        "connector `large`: its summary is another one than its body gives; change the connector once",
    ),
    (
        "a summary of parts",
        |lines| change(lines, "connector", "\"large\"", [r#"\"Short\""#, r#"\"Long\""#]),
        "connector `large`: its summary is another one than its body gives",
    ),
    (
        "a key",
        |lines| change(lines, "connector", "\"strasse\"", ["\"nameKey\":\"strasse\"", "\"nameKey\":\"straße\""]),
        "connector `strasse`: the key of its name is wrong: `straße`; give the connector another name and then this one",
    ),
    (
        "a current revision",
        |lines| change(lines, "connector", "\"large\"", ["\"number\":5", "\"number\":4"]),
        "connector `large`: it is listed at revision 4, and its newest revision is 5",
    ),
    (
        "a connector",
        |lines| {
            lines.remove(find(lines, "connector", "\"strasse\""));
            change(lines, "end", "", ["\"connectors\":2", "\"connectors\":1"]);
        },
        "connector `strasse`, revision 2: its history says that it exists, and it is not listed",
    ),
    (
        "a deleted connector",
        |lines| {
            lines.remove(find(lines, "deleted", ""));
            change(lines, "end", "", ["\"deleted\":1", "\"deleted\":0"]);
        },
        "connector `hr`, revision 3: its history ends with a deletion, and it is not listed as deleted",
    ),
    (
        "a connector that was deleted",
        |lines| change(lines, "connector", "\"strasse\"", ["\"strasse\"", "\"hr\""]),
        "connector `hr`: it is listed as one that exists, and its history does not say so",
    ),
    (
        "a deletion",
        |lines| change(lines, "deleted", "", ["\"number\":3", "\"number\":1"]),
        "connector `hr`: it is listed as deleted at revision 1, and its newest revision is 3",
    ),
    (
        "a client",
        |lines| change(lines, "client", "", ["SOURCE_ADMIN", "SORCERER"]),
        "tenant `default`: the API client `first` has a level that cannot be read; delete the client and create another one",
    ),
];

/// A file whose checksums are right may have what is wrong in its database.
#[test]
fn whatever_is_wrong_in_a_whole_backup_is_found_with_its_place_and_what_to_do() {
    let (folder, _, backup) = backed_up();
    let right = lines(&backup);
    assert_eq!(verify(&written(right.clone())).unwrap().1, []);
    for (at, (what, change, expected)) in WRONG.iter().enumerate() {
        let mut wrong = right.clone();
        change(&mut wrong);
        let wrong = written(wrong);
        let findings: Vec<_> = verify(&wrong).unwrap().1.iter().map(ToString::to_string).collect();
        assert!(findings.iter().any(|finding| finding.contains(expected)), "{what}: {findings:#?}");
        // The check of a database finds the same.
        let path = folder.path().join(format!("{at}.db"));
        assert_eq!(restore(&wrong, &path).unwrap(), findings.len() as u64, "{what}");
        assert_eq!(check(&BackupSource::open(&path).unwrap()), findings, "{what}");
    }
}

#[test]
fn what_sqlite_knows_of_its_file_is_checked_too() {
    let (folder, path, _) = backed_up();
    assert_eq!(check(&BackupSource::open(&path).unwrap()), Vec::<String>::new());
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "foreign_keys", false).unwrap();
    connection.execute("UPDATE clients SET tenant_id = 7 WHERE id = 'second'", []).unwrap();
    connection.execute("UPDATE parts SET key = key + (6 << 40) WHERE part = 'translations/de'", []).unwrap();
    drop(connection);
    let findings = check(&BackupSource::open(&path).unwrap());
    for expected in [
        "the table `clients` has a row that belongs to none of `tenants`; restore a backup",
        "the table `parts` has rows of the tenant 7, which does not exist",
        "its part `translations/de` should be stored with revision 4, and is not",
    ] {
        assert!(findings.iter().any(|finding| finding.contains(expected)), "{expected}: {findings:#?}");
    }
    // An index that is another one than its table.
    let (_folder, path, _) = backed_up();
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "writable_schema", true).unwrap();
    let change = "UPDATE sqlite_schema SET sql = replace(sql, '(tenant_id, name, id)', '(tenant_id, id, name)')
                      WHERE name = 'clients_by_tenant'";
    connection.execute(change, []).unwrap();
    drop(connection);
    let findings = check(&BackupSource::open(&path).unwrap());
    assert!(findings.iter().any(|finding| finding.starts_with("the file is damaged: ")), "{findings:#?}");
    drop(folder);
}

#[test]
fn wrong_totals_and_orphans_of_postgresql_are_found_and_what_is_not_checked_is_said() {
    if !cluster::is_wanted() {
        eprintln!("left out: CONNECTORY_TEST_POSTGRES is not set, which `./test` does");
        return;
    }
    let cluster = cluster::shared();
    let name = cluster.create_database("");
    let address = Address::parse(&cluster.address(&name), |_| None).unwrap();
    let (_folder, _, backup) = backed_up();
    Backup::open(backup.as_slice())
        .unwrap()
        .restore(BackupTarget::Postgres(&address), Keys::Keep, &mut |_| {})
        .unwrap();
    let source = BackupSource::open_postgres(&address).unwrap();
    let check = || {
        let mut findings = Vec::new();
        let (_, unchecked) = source.check(&mut |_, _| {}, &mut |finding| findings.push(finding.to_string())).unwrap();
        (findings, unchecked)
    };
    let (findings, unchecked) = check();
    assert_eq!(findings, Vec::<String>::new());
    let why = "the indexes were not checked: the extension amcheck is not there (a superuser installs it with `CREATE EXTENSION amcheck`)";
    assert_eq!(unchecked.as_deref(), Some(why));
    cluster.psql(&name, "CREATE EXTENSION amcheck");
    assert_eq!(check(), (vec![], None));
    cluster.psql(&name, "UPDATE revisions SET bytes = bytes + 1 WHERE number = 2");
    cluster.psql(&name, "UPDATE revisions SET connectors = 7 WHERE number = 3");
    cluster.psql(&name, "INSERT INTO deleted (tenant_id, script_name, number) VALUES (9, 'x', 1)");
    let (findings, _) = check();
    assert_eq!(findings.len(), 3, "{findings:#?}");
    assert!(findings[0].starts_with("the table `deleted` has rows of the tenant 9, which does not exist"));
    assert!(
        findings[1]
            .starts_with("tenant `default`, connector `strasse`, revision 2: its running totals are 2 connectors")
    );
    assert!(findings[2].contains("revision 3: its running totals are 7 connectors and"), "{findings:#?}");
    assert!(findings[2].contains("and should be 1 connectors and"), "{findings:#?}");
    // A body that is gone without retention, which counts what it removes.
    cluster.psql(&name, "UPDATE revisions SET body = '' WHERE number = 1");
    let (findings, _) = check();
    assert!(findings.iter().any(|finding| finding.contains("its total of removed bytes is 0, and should be ")));
}

#[test]
fn what_retention_leaves_is_told_from_what_is_missing() {
    let (_folder, path, _) = backed_up();
    let run = |sql: &str| rusqlite::Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    let found = |expected: &[&str]| {
        let findings = check(&BackupSource::open(&path).unwrap());
        assert_eq!(findings.len(), expected.len(), "{expected:?}: {findings:#?}");
        for (finding, expected) in findings.iter().zip(expected) {
            assert!(finding.contains(expected), "{expected}: {findings:#?}");
        }
    };
    // The large connector was created as 4, whose parts 5 names.
    run("UPDATE revisions SET body = x'' WHERE number = 4");
    found(&[]);
    run("INSERT INTO parts SELECT key, 'translations/fr', body FROM parts WHERE part = 'translations/de'");
    found(&["revision 5: the part `translations/fr` of revision 4 is still there, and no body names it"]);
    run("DELETE FROM parts WHERE part = 'translations/fr'");
    run("UPDATE parts SET body = substr(body, 1, 9) WHERE part = 'translations/de'");
    found(&["revision 5: its part `translations/de`, which is stored with revision 4, cannot be read"]);
    run("DELETE FROM parts WHERE part = 'translations/de'");
    found(&["revision 5: its part `translations/de` should be stored with revision 4, and is not"]);
    let (_folder, path, _) = backed_up();
    let run = |sql: &str| rusqlite::Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    run("UPDATE revisions SET body = x'' WHERE number = 5");
    let findings = check(&BackupSource::open(&path).unwrap());
    for expected in [
        "revision 5: its body is missing, and was not removed by retention: an older one is there; restore a backup",
        "revision 5: the body of its newest revision is missing, which retention does not remove; restore a backup",
    ] {
        assert!(findings.iter().any(|finding| finding.contains(expected)), "{expected}: {findings:#?}");
    }
}

#[test]
fn databases_of_every_schema_are_backed_up_and_restored() {
    let dumps = [
        include_str!("fixtures/schema-1.sql"),
        include_str!("fixtures/schema-2.sql"),
        include_str!("fixtures/schema-3.sql"),
        include_str!("fixtures/schema-4.sql"),
        include_str!("fixtures/schema-5.sql"),
        include_str!("fixtures/schema-6.sql"),
        include_str!("fixtures/schema-7.sql"),
        include_str!("fixtures/schema-8.sql"),
    ];
    for (at, dump) in dumps.into_iter().enumerate() {
        let schema = at + 1;
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("c.db");
        // Their key is none.
        let dump = dump.replace("'pem'", &format!("'{}'", signing_key("k").pem));
        rusqlite::Connection::open(&path).unwrap().execute_batch(&dump).unwrap();
        let source = BackupSource::open(&path).unwrap();
        // Two connectors of these databases have one name since schema 5. Nothing else is wrong.
        let findings = check(&source);
        assert!(
            findings.iter().all(|finding| finding.contains("`strasse-2`: the connector `strasse` has the same name"))
        );
        assert!(schema > 4 || findings.len() == 1, "schema {schema}: {findings:?}");
        let mut backup = Vec::new();
        let counts = source.write(&mut backup, &mut |_, _| {}).unwrap();
        assert!(counts.revisions >= 10 && counts.clients == 2 && counts.tenants == 2, "schema {schema}: {counts:?}");
        let (verified, in_backup) = verify(&backup).unwrap();
        assert_eq!(verified, counts, "schema {schema}");
        assert_eq!(in_backup.iter().map(ToString::to_string).collect::<Vec<_>>(), findings, "schema {schema}");
        let again = folder.path().join("again.db");
        assert_eq!(restore(&backup, &again).unwrap(), findings.len() as u64);
        expect_same(&BackupSource::open(&again).unwrap(), &backup);
        if cluster::is_wanted() {
            let cluster = cluster::shared();
            let address = Address::parse(&cluster.address(&cluster.create_database("")), |_| None).unwrap();
            let target = BackupTarget::Postgres(&address);
            Backup::open(backup.as_slice()).unwrap().restore(target, Keys::Keep, &mut |_| {}).unwrap();
            let source = BackupSource::open_postgres(&address).unwrap();
            assert_eq!(check(&source), findings, "schema {schema}");
            expect_same(&source, &backup);
        }
    }
}

/// Expects a database to have what a backup has.
fn expect_same(source: &BackupSource, backup: &[u8]) {
    let mut again = Vec::new();
    source.write(&mut again, &mut |_, _| {}).unwrap();
    let (mut expected, mut found) = (lines(backup), lines(&again));
    for lines in [&mut expected, &mut found] {
        lines.remove(0);
        lines.pop();
    }
    assert_eq!(found, expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a file has, it is refused without a panic.
    #[test]
    fn any_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert!(verify(&bytes).is_err());
        let header = "{\"format\":\"connectory-backup\",\"version\":1,\"program\":\"\",\"createdAt\":0,\"engine\":\"\",\"schema\":1}\n";
        let packed = [header.as_bytes(), &bytes].concat();
        prop_assert!(verify(&zstd::encode_all(packed.as_slice(), 1).unwrap()).is_err());
    }
}
