//! What the engine on SQLite promises beyond the contract: the file, its locks, its schema and its bytes.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "shared with other tests")]
mod support;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use connectory_model::access::{Scope, UserLevel};
use connectory_model::limits::{ONCE_KEPT, ONCE_REVISIONS};
use connectory_model::translations::Properties;
use connectory_model::{Connector, Locale};
use connectory_store::{
    AccessDb, Change, Committed, Edit, Follow, Once, RevisionId, SigningKey, Store, StoreError, TenantId,
};
use tempfile::TempDir;

use support::{by, client, commit, connector, connector_at, create, edit, origin, summaries};

async fn open(folder: &Path) -> (Store, TenantId) {
    let store = Store::open(&folder.join("c.db")).unwrap();
    let tenant = support::tenant(&store).await;
    (store, tenant)
}

/// Whether SQLite has a lock on the file in this process.
fn is_locked_by_sqlite(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let inode = format!(":{}", std::fs::metadata(path).unwrap().ino());
    let pid = std::process::id().to_string();
    let locks = std::fs::read_to_string("/proc/locks").unwrap();
    locks.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).any(|words| {
        words.contains(&"POSIX") && words.contains(&pid.as_str()) && words.iter().any(|word| word.ends_with(&inode))
    })
}

#[test]
fn a_log_is_not_taken_from_the_database_that_it_belongs_to() {
    let folder = TempDir::new().unwrap();
    let (path, log) = (folder.path().join("c.db"), folder.path().join("c.db-wal"));
    std::fs::write(&log, "changes").unwrap();
    assert!(matches!(Store::open(&path), Err(StoreError::Orphaned { .. })));
    assert!(!path.exists());
    std::fs::write(&path, "").unwrap();
    assert!(matches!(AccessDb::open(&path), Err(StoreError::Orphaned { .. })));
    assert_eq!(std::fs::read(&log).unwrap(), b"changes");
}

#[test]
fn nothing_in_the_process_takes_the_locks_of_the_database_away() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("c.db");
    let store = Store::open(&path).unwrap();
    assert!(is_locked_by_sqlite(&path));
    drop(AccessDb::open(&path).unwrap());
    assert!(matches!(Store::open(&path), Err(StoreError::InUse { .. })));
    let alias = folder.path().join("alias.db");
    std::os::unix::fs::symlink(&path, &alias).unwrap();
    assert!(matches!(Store::open(&alias), Err(StoreError::InUse { .. })));
    let linked = folder.path().join("linked.db");
    std::fs::hard_link(&path, &linked).unwrap();
    assert!(matches!(Store::open(&linked), Err(StoreError::InUse { .. })));
    assert!(is_locked_by_sqlite(&path), "another look at the database has dropped its locks");
    drop(store);
    assert!(!is_locked_by_sqlite(&path));
    assert!(matches!(Store::open(&path), Err(StoreError::Linked { links: 2, .. })));
    std::fs::remove_file(&linked).unwrap();
    Store::open(&path).unwrap();
}

#[tokio::test]
async fn only_the_owner_has_access_to_the_files_of_a_database_also_if_others_had_before() {
    const FILES: [&str; 4] = ["c.db", "c.db-wal", "c.db-shm", "c.db.lock"];
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mode = |name: &str| std::fs::metadata(path(name)).unwrap().permissions().mode() & 0o7777;
    let widen = |name: &&str| std::fs::set_permissions(path(name), Permissions::from_mode(0o664)).unwrap();
    let (store, _) = open(folder.path()).await;
    assert_eq!(FILES.map(mode), [0o600; 4], "new files");
    // A reader of another program keeps the log, as a kill of the server does.
    let reader = rusqlite::Connection::open(path("c.db")).unwrap();
    reader.query_row("SELECT count(*) FROM connectors", [], |_| Ok(())).unwrap();
    drop(store);
    FILES.iter().for_each(widen);
    let (store, tenant) = open(folder.path()).await;
    assert_eq!(FILES.map(mode), [0o600; 4], "found files");
    commit(&store, tenant, create("HR")).await;
    drop(store);

    FILES.iter().for_each(widen);
    std::os::unix::fs::symlink(path("c.db"), path("alias.db")).unwrap();
    drop(AccessDb::open(&path("alias.db")).unwrap());
    assert_eq!(FILES.map(mode), [0o600; 4], "a command, and a symbolic link to the database");
}

#[test]
fn a_symbolic_link_beside_the_database_changes_no_other_file() {
    for end in ["-wal", "-shm", ".lock"] {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("c.db");
        drop(Store::open(&path).unwrap());
        let other = folder.path().join("other");
        std::fs::write(&other, "").unwrap();
        std::fs::set_permissions(&other, Permissions::from_mode(0o644)).unwrap();
        let link = folder.path().join(format!("c.db{end}"));
        let _absent = std::fs::remove_file(&link);
        std::os::unix::fs::symlink(&other, &link).unwrap();
        assert!(Store::open(&path).is_err(), "{end}");
        assert_eq!(std::fs::read(&other).unwrap(), b"", "{end}");
        assert_eq!(std::fs::metadata(&other).unwrap().permissions().mode() & 0o777, 0o644, "{end}");
    }
}

/// Every file of a folder, with its mode and its bytes.
fn files(folder: &Path) -> Vec<(std::path::PathBuf, u32, Vec<u8>)> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths
        .map(|path| (path.metadata().unwrap().permissions().mode(), std::fs::read(&path).unwrap_or_default(), path))
        .map(|(mode, bytes, path)| (path, mode, bytes))
        .collect();
    files.sort();
    files
}

#[test]
fn what_is_no_database_of_this_program_is_refused_and_not_changed() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("notes.txt"), "not a database\n").unwrap();
    std::fs::create_dir(path("folder")).unwrap();
    for (name, mode) in [("other 1?.db", "DELETE"), ("other%41#.db", "WAL")] {
        let other = rusqlite::Connection::open(path(name)).unwrap();
        other.pragma_update(None, "journal_mode", mode).unwrap();
        other.execute_batch("CREATE TABLE tenants (name TEXT); PRAGMA user_version = 3").unwrap();
        std::fs::set_permissions(path(name), Permissions::from_mode(0o644)).unwrap();
    }
    let before = files(folder.path());
    for (name, reason) in [
        ("notes.txt", "is not a SQLite database"),
        ("folder", "is a folder; give the path of a file, such as"),
        ("other 1?.db", "is the database of another program"),
        ("other%41#.db", "is the database of another program"),
    ] {
        let path = path(name);
        for error in [Store::open(&path).err().unwrap(), AccessDb::open(&path).err().unwrap()] {
            let error = error.to_string();
            assert!(error.contains(reason) && error.starts_with(path.to_str().unwrap()), "{error}");
        }
    }
    assert_eq!(files(folder.path()), before);

    // Another program is running, and all of its tables are in its log.
    let other = rusqlite::Connection::open(path("running.db")).unwrap();
    other.pragma_update(None, "journal_mode", "WAL").unwrap();
    other.execute_batch("CREATE TABLE things (name TEXT)").unwrap();
    for error in [Store::open(&path("running.db")).err().unwrap(), AccessDb::open(&path("running.db")).err().unwrap()] {
        assert!(matches!(error, StoreError::Foreign(_)), "{error}");
    }
    let tables = "SELECT count(*) FROM sqlite_schema";
    assert_eq!(other.query_row(tables, [], |row| row.get::<_, u32>(0)).unwrap(), 1);
}

#[test]
fn only_the_server_makes_a_database_of_an_empty_file() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("c.db");
    std::fs::write(&path, "").unwrap();
    assert!(matches!(AccessDb::open(&path), Err(StoreError::Empty(_))));
    rusqlite::Connection::open(&path).unwrap().execute_batch("VACUUM").unwrap();
    assert!(matches!(AccessDb::open(&path), Err(StoreError::Empty(_))));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    drop(Store::open(&path).unwrap());
    assert_eq!(AccessDb::open(&path).unwrap().location(), format!("sqlite:{}", path.canonicalize().unwrap().display()));
}

#[tokio::test]
async fn a_command_knows_the_address_that_the_newest_start_noted() {
    let folder = TempDir::new().unwrap();
    let (store, _) = open(folder.path()).await;
    let access = AccessDb::open(&folder.path().join("c.db")).unwrap();
    assert_eq!(access.address().unwrap(), None);
    for address in ["http://127.0.0.1:8080", "https://connectors.example.com", "https://connectors.example.com"] {
        store.note_address(address.to_owned()).await.unwrap();
        assert_eq!(access.address().unwrap().as_deref(), Some(address));
    }
}

#[tokio::test]
async fn one_process_serves_a_database_and_access_management_works_beside_it() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("c.db");
    let (store, _) = open(folder.path()).await;
    let refusal = Store::open(&path).err().unwrap().to_string();
    assert!(refusal.contains(&format!("in use by another process (pid {})", std::process::id())), "{refusal}");

    let access = AccessDb::open(&path).unwrap();
    access.create_client("default", &client("second"), &by()).unwrap();
    let found = store.client("second".to_owned()).await.unwrap().unwrap();
    assert_eq!((found.level, found.tenant.name.as_str()), (UserLevel::SourceAdmin, "default"));
    assert_eq!(found.scopes, [Scope::ReadConnectors, Scope::Default].into());
    assert!(matches!(access.create_client("default", &client("second"), &by()), Err(StoreError::Exists(_))));
    assert!(matches!(access.create_client("nope", &client("third"), &by()), Err(StoreError::Unknown(_))));
    access.delete_client("second", &by()).unwrap();
    assert_eq!(store.client("second".to_owned()).await.unwrap(), None);
    assert!(matches!(access.delete_client("second", &by()), Err(StoreError::Unknown(_))));
}

#[test]
fn a_server_waits_at_its_start_for_a_command_that_has_the_lock() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("c.db");
    drop(Store::open(&path).unwrap());
    let command = AccessDb::open(&path).unwrap();
    std::thread::scope(|scope| {
        let server = scope.spawn(|| Store::open(&path));
        std::thread::sleep(Duration::from_millis(200));
        assert!(!server.is_finished(), "it does not wait");
        drop(command);
        server.join().unwrap().unwrap();
    });
}

#[tokio::test]
async fn deleting_a_tenant_takes_all_of_it_and_nothing_else() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("c.db");
    assert!(matches!(AccessDb::open(&path), Err(StoreError::Absent(_))));
    drop(Store::open(&path).unwrap());
    let access = AccessDb::open(&path).unwrap();
    let other = access.create_tenant("other", &by()).unwrap();
    assert!(matches!(access.create_tenant("other", &by()), Err(StoreError::Exists(_))));
    access.create_client("other", &client("theirs"), &by()).unwrap();
    access.create_tenant("default", &by()).unwrap();
    access.create_client("default", &client("ours"), &by()).unwrap();
    drop(access);

    let store = Store::open(&path).unwrap();
    assert!(!store.bootstrap("default".to_owned(), client("x"), by()).await.unwrap());
    let number = commit(&store, other.id, create("HR")).await;
    commit(&store, other.id, edit(Change::Delete { expected: number }, connector("HR"))).await;
    let last = commit(&store, other.id, create("HR")).await;
    drop(store);

    let access = AccessDb::open(&path).unwrap();
    access.delete_tenant("other").unwrap();
    while access.remove_deleted().unwrap().is_some() {}
    let names: Vec<_> = access.tenants().unwrap().into_iter().map(|tenant| tenant.name).collect();
    assert_eq!(names, ["default"]);
    let clients: Vec<_> = access.clients(None).unwrap().into_iter().map(|client| client.id).collect();
    assert_eq!(clients, ["ours"]);
    let default = access.tenants().unwrap()[0].id;
    drop(access);

    let store = Store::open(&path).unwrap();
    assert_eq!(summaries(&store, other.id).await, []);
    assert_eq!(store.revisions(other.id, None, None, 9).await.unwrap(), []);
    assert_eq!(store.revisions(other.id, "hr".parse().ok(), None, 9).await.unwrap(), []);
    let id = RevisionId { tenant: other.id, number: last };
    assert_eq!(store.find(id, usize::MAX).await.unwrap(), None);
    assert_eq!(commit(&store, default, create("HR")).await, support::number(1));
}

#[tokio::test]
async fn a_backup_is_refused_beside_the_log_of_a_database_that_was_read_while_its_server_started() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("c.db");
    let (store, tenant) = open(folder.path()).await;
    commit(&store, tenant, create("First")).await;
    // The last program that closes the database copies the log. So keep it open.
    let reader = rusqlite::Connection::open(&path).unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    reader.query_row("SELECT count(*) FROM connectors", [], |_| Ok(())).unwrap();
    drop(store);
    let version: i64 = other.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    other.pragma_update(None, "user_version", version).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM connectors").unwrap();
    let marks = || std::fs::read_to_string(folder.path().join("c.db.lock")).unwrap().split_whitespace().count() / 2;
    let (store, tenant) = open(folder.path()).await;
    assert_eq!(marks(), 2, "the log could not be copied");

    other.execute_batch(&format!("VACUUM INTO '{}'", folder.path().join("backup.db").display())).unwrap();
    for n in 0..50 {
        commit(&store, tenant, create(&format!("Later {n}"))).await;
    }
    let after_a_kill = TempDir::new().unwrap();
    let restored = after_a_kill.path().join("c.db");
    std::fs::copy(folder.path().join("backup.db"), &restored).unwrap();
    for end in ["-wal", ".lock"] {
        std::fs::copy(format!("{}{end}", path.display()), format!("{}{end}", restored.display())).unwrap();
    }
    let before = std::fs::read(&restored).unwrap();
    assert!(matches!(Store::open(&restored), Err(StoreError::ForeignLog { .. })));
    assert_eq!(std::fs::read(&restored).unwrap(), before);

    reader.execute_batch("ROLLBACK").unwrap();
    for n in 0..100 {
        commit(&store, tenant, create(&format!("Last {n}"))).await;
        if marks() == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("both marks remain after the log was copied");
}

#[tokio::test]
async fn the_oldest_keys_are_removed_a_few_at_a_time() {
    let folder = TempDir::new().unwrap();
    let (store, tenant) = open(folder.path()).await;
    let day = i64::try_from(ONCE_KEPT.as_millis()).unwrap();
    let commit_once = async |n: u8, at| {
        let once = Once { key: [n; 32], fingerprint: [0; 32], at };
        store.commit_once(tenant, vec![create(&format!("c{n}"))], origin(), once).await.unwrap();
    };
    let database = rusqlite::Connection::open(folder.path().join("c.db")).unwrap();
    let keys = || {
        let mut statement = database.prepare("SELECT key FROM once ORDER BY last").unwrap();
        let keys = statement.query_map([], |row| Ok(row.get::<_, [u8; 32]>(0)?[0])).unwrap();
        keys.map(Result::unwrap).collect::<Vec<_>>()
    };
    for n in 1..=6 {
        commit_once(n, 1000).await;
    }
    commit_once(7, 1000 + day).await;
    assert_eq!(keys(), [1, 2, 3, 4, 5, 6, 7], "a day is not over");
    commit_once(8, 1001 + day).await;
    assert_eq!(keys(), [5, 6, 7, 8], "a commit removes four at most");
    commit_once(9, 1001 + day).await;
    assert_eq!(keys(), [7, 8, 9]);

    // Some of them have so many revisions after them, however young they are.
    let age = "UPDATE once SET last = last - ?1 WHERE key IN (?2, ?3)";
    database.execute(age, rusqlite::params![ONCE_REVISIONS - 2, [7_u8; 32], [8_u8; 32]]).unwrap();
    commit_once(10, 1001 + day).await;
    assert_eq!(keys(), [9, 10]);

    // Those of another tenant are not looked at, and go with it.
    let access = AccessDb::open(&folder.path().join("c.db")).unwrap();
    access.create_tenant("other", &by()).unwrap();
    let other = store.tenants().await.unwrap()[1].id;
    let once = Once { key: [11; 32], fingerprint: [0; 32], at: 9 * day };
    store.commit_once(other, vec![create("theirs")], origin(), once).await.unwrap();
    assert_eq!(keys().len(), 3);
    drop(store);
    drop(access);
    let access = AccessDb::open(&folder.path().join("c.db")).unwrap();
    access.delete_tenant("other").unwrap();
    while access.remove_deleted().unwrap().is_some() {}
    assert_eq!(keys(), [9, 10]);
}

struct Panics;

impl Follow for Panics {
    fn committed(&self, _: Vec<Committed>) {
        panic!("while following");
    }

    fn lost(&self, _: TenantId) {}
}

#[test]
fn a_panic_of_the_writer_ends_the_process_with_a_last_line() {
    const PANICS: &str = "CONNECTORY_TEST_PANICS";
    if std::env::var_os(PANICS).is_some() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let folder = TempDir::new().unwrap();
            let (store, tenant) = open(folder.path()).await;
            store.follow(Arc::new(Panics));
            let _never = store.commit(tenant, vec![create("HR")], origin()).await;
        });
        return;
    }
    let name = "a_panic_of_the_writer_ends_the_process_with_a_last_line";
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    let ended = again.args(["--exact", name, "--nocapture"]).env(PANICS, "1").output().unwrap();
    assert!(!ended.status.success());
    let told = String::from_utf8(ended.stderr).unwrap();
    assert!(told.lines().last().unwrap().starts_with("connectory: the thread `writer` panicked"), "{told}");
}

/// Copies the log into the database and empties it; returns a connection that sees both.
fn without_log(folder: &Path) -> rusqlite::Connection {
    let connection = rusqlite::Connection::open(folder.join("c.db")).unwrap();
    while connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0)).unwrap() != 0 {}
    connection
}

/// A connector of about 16 MiB, the largest that the server accepts. Its texts cannot be compressed much.
fn largest() -> Connector {
    let mut largest = Connector::clone(&connector("HR"));
    for (at, locale) in [Locale::De, Locale::En, Locale::Fr, Locale::Es].into_iter().enumerate() {
        let values = (0..116_000_u64).map(|n| (n + at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let text = values.map(|value| format!("k{value:016x}={value:016x}")).collect::<Vec<_>>().join("\n");
        largest.translations.0.insert(locale, Properties::stored(text.into_bytes(), false).unwrap());
    }
    largest
}

#[tokio::test]
async fn a_small_change_to_the_largest_connector_is_a_small_write() {
    let folder = TempDir::new().unwrap();
    let (store, tenant) = open(folder.path()).await;
    let largest = largest();
    assert!((15 << 20..16 << 20).contains(&largest.size()), "{}", largest.size());
    let first = commit(&store, tenant, edit(Change::Create, Arc::new(largest.clone()))).await;
    let connection = without_log(folder.path());
    let stored = "SELECT (SELECT sum(length(body)) FROM revisions) + (SELECT sum(length(body)) FROM parts)";
    let stored = || connection.query_row(stored, [], |row| row.get::<_, i64>(0)).unwrap();
    let before = stored();
    assert!(before > 8 << 20, "{before}");

    let holders = store.holders(RevisionId { tenant, number: first }).await.unwrap();
    let mut next = largest.clone();
    next.connector_metadata.insert("shortDesc".to_owned(), "x".repeat(90).into());
    let next = Arc::new(next);
    let update = Change::Update { expected: first };
    let update = Edit::new(update, &next, &[], Some((&largest, &holders)));
    let second = commit(&store, tenant, update).await;
    let log = std::fs::metadata(folder.path().join("c.db-wal")).unwrap().len();
    assert!((1..64 << 10).contains(&log), "{log} bytes in the log");
    assert!(stored() - before < 1 << 10, "{before} {}", stored());
    assert_eq!(connector_at(&store, tenant, second).await, *next);
}

#[tokio::test]
async fn a_new_connector_takes_few_bytes() {
    /// What a create by the API takes in the database, all rows, indexes and free space of pages included. A larger number
    /// makes every create and every start slower: look for what has grown before you raise it.
    const MOST_BYTES: i64 = 540;
    const COUNT: i64 = 2000;
    let folder = TempDir::new().unwrap();
    let (store, tenant) = open(folder.path()).await;
    let pages = || without_log(folder.path()).query_row("PRAGMA page_count", [], |row| row.get::<_, i64>(0)).unwrap();
    let before = pages();
    for n in 0..COUNT / 100 {
        let edits = (0..100).map(|m| create(&format!("Connector {}", (n * 100 + m) * 7919 % COUNT))).collect();
        store.commit(tenant, edits, origin()).await.unwrap();
    }
    let bytes = (pages() - before) * 4096 / COUNT;
    assert!(bytes <= MOST_BYTES, "{bytes} bytes");
}

#[tokio::test]
async fn a_copy_is_the_database_as_it_was_and_only_its_owner_reads_it() {
    let folder = TempDir::new().unwrap();
    let (store, tenant) = open(folder.path()).await;
    let first = commit(&store, tenant, create("HR")).await;
    let key =
        store.signing_keys(SigningKey { id: "key".to_owned(), pem: "pem".to_owned(), is_new: true }).await.unwrap();
    let (path, copy) = (folder.path().join("copy.db"), folder.path().join("opened.db"));
    store.copy_to(path.clone()).await.unwrap();
    assert!(matches!(store.copy_to(path.clone()).await, Err(StoreError::Io { .. })), "a file stays as it is");
    let issuer = store.issuer().await.unwrap();
    commit(&store, tenant, create("Later")).await;
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    std::fs::copy(&path, &copy).unwrap();
    let copied = Store::open_without_syncs(&copy).unwrap();
    assert_eq!(summaries(&copied, tenant).await.len(), 1);
    assert_eq!(connector_at(&copied, tenant, first).await, *connector("HR"));
    assert_eq!(copied.issuer().await.unwrap(), issuer, "its tokens are those of the copy");
    let other = SigningKey { id: "other".to_owned(), pem: "pem".to_owned(), is_new: true };
    assert_eq!(copied.signing_keys(other).await.unwrap()[0].id, key[0].id);
    assert_eq!(commit(&copied, tenant, create("Other")).await.get(), first.get() + 1, "the numbers go on from there");
    drop(copied);
    let copied = Store::open_without_syncs(&copy).unwrap();
    assert_eq!(summaries(&copied, tenant).await.len(), 2, "what was written survives the end of the process");
}

#[tokio::test]
async fn a_database_has_one_incarnation_unless_its_writes_may_be_lost() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("c.db");
    let (durable, other) = (|| Store::open(&path).unwrap(), || Store::open_without_syncs(&path).unwrap());
    let first = durable().incarnation().await.unwrap();
    assert_eq!((first.len(), durable().incarnation().await.unwrap()), (32, first.clone()));
    let second = other().incarnation().await.unwrap();
    let third = other().incarnation().await.unwrap();
    assert!(first != second && second != third, "{first} {second} {third}");
    assert_eq!(durable().incarnation().await.unwrap(), third);
}
