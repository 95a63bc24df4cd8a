//! Backups: what is restored is what was there, whichever engine it was in and whichever it is in then.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use connectory_model::access::{Scope, UserLevel};
use connectory_model::translations::Properties;
use connectory_model::{Connector, Locale};
use connectory_store::{
    Backup, BackupError, BackupTarget, Change, Counts, Edit, Ended, Finding, Keys, NewSession, Once, RefusedSignIns,
    RevisionId, SigningKey, Store, StoreError,
};
use tempfile::TempDir;

use super::support::{
    by, client, commit, connector, connector_at, create, edit, encoded, number, origin, signing_key, summaries, tenant,
};
use super::{Database, Postgres, Sqlite};

/// The bytes of a backup.
pub(crate) async fn back_up(store: &Store) -> Vec<u8> {
    let source = store.backup_source().unwrap();
    let write = move || {
        let mut bytes = Vec::new();
        source.write(&mut bytes, &mut |_, _| {}).unwrap();
        bytes
    };
    tokio::task::spawn_blocking(write).await.unwrap()
}

/// What there is in a backup, and what is not right.
pub(crate) fn verify(backup: &[u8]) -> Result<(Counts, Vec<Finding>), BackupError> {
    let mut findings = Vec::new();
    let verified = Backup::open(backup)?.verify(&mut |_| {}, &mut |finding| findings.push(finding))?;
    Ok((verified.counts, findings))
}

/// What there is in a database, and what is not right.
pub(crate) async fn check(store: &Store) -> (Counts, Vec<Finding>) {
    let source = store.backup_source().unwrap();
    let check = move || {
        let mut findings = Vec::new();
        let (counts, _) = source.check(&mut |_, _| {}, &mut |finding| findings.push(finding)).unwrap();
        (counts, findings)
    };
    tokio::task::spawn_blocking(check).await.unwrap()
}

/// The records of a backup without what differs between two backups of the same data: the time, the engine, its schema and
/// the checksum.
pub(crate) fn records(backup: &[u8]) -> Vec<serde_json::Value> {
    let text = String::from_utf8(zstd::decode_all(backup).unwrap()).unwrap();
    let mut lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for member in ["createdAt", "engine", "schema"] {
        lines[0][member].take();
    }
    lines.last_mut().unwrap()["end"]["sha256"].take();
    lines
}

/// A database that can be made of a backup.
pub(crate) trait Restorable: Database {
    /// Returns how many findings there are.
    async fn restore(&self, backup: Vec<u8>, keys: Keys) -> Result<u64, BackupError>;
}

impl Restorable for Sqlite {
    async fn restore(&self, backup: Vec<u8>, keys: Keys) -> Result<u64, BackupError> {
        let path = self.0.path().join("c.db");
        let restore = move || {
            let restored = Backup::open(backup.as_slice())?.restore(BackupTarget::Sqlite(&path), keys, &mut |_| {})?;
            Ok(restored.1)
        };
        tokio::task::spawn_blocking(restore).await.unwrap()
    }
}

impl Restorable for super::SqliteWithoutSyncs {
    async fn restore(&self, backup: Vec<u8>, keys: Keys) -> Result<u64, BackupError> {
        self.0.restore(backup, keys).await
    }
}

impl Restorable for Postgres {
    async fn restore(&self, backup: Vec<u8>, keys: Keys) -> Result<u64, BackupError> {
        let address = self.address();
        let restore = move || {
            let target = BackupTarget::Postgres(&address);
            Ok(Backup::open(backup.as_slice())?.restore(target, keys, &mut |_| {})?.1)
        };
        tokio::task::spawn_blocking(restore).await.unwrap()
    }
}

/// A large connector: its parts are stored by themselves.
fn large(name: &str) -> Connector {
    let mut large = Connector::clone(&connector(name));
    let text = format!("ShortDesc=Short\na={}\n", "x".repeat(70_000));
    large.translations.0.insert(Locale::De, Properties::parse(text.as_bytes()).unwrap());
    large
}

/// Writes something of each kind.
pub(crate) async fn fill(store: &Store) {
    let ours = tenant(store).await;
    store.signing_keys(signing_key("k")).await.unwrap();
    store.create_client("other".to_owned(), client("theirs"), by()).await.unwrap();
    let other = store.tenant(Some("other".to_owned())).await.unwrap().unwrap().id;
    let once = Once { key: [1; 32], fingerprint: [2; 32], at: 1 };
    let two = vec![create("HR"), create("Straße")];
    store.commit_once(ours, two, origin(), once).await.unwrap();
    // One is deleted and made again, one is deleted for good.
    commit(store, ours, edit(Change::Delete { expected: number(1) }, connector("HR"))).await;
    commit(store, ours, create("HR")).await;
    commit(store, ours, create("gone")).await;
    commit(store, ours, edit(Change::Delete { expected: number(5) }, connector("gone"))).await;
    // A large one is changed twice, so that revisions name the parts of earlier ones.
    let first = large("large");
    let at = commit(store, ours, Edit::new(Change::Create, &first, &[], None)).await;
    let mut second = first.clone();
    "other.Class".clone_into(&mut second.class_name);
    let holders = store.holders(RevisionId { tenant: ours, number: at }).await.unwrap();
    let change = Edit::new(Change::Update { expected: at }, &second, &[], Some((&first, &holders)));
    let at = commit(store, ours, change).await;
    let holders = store.holders(RevisionId { tenant: ours, number: at }).await.unwrap();
    let mut third = second.clone();
    third.translations.0.insert(Locale::Fr, Properties::parse(b"ShortDesc=Court\n").unwrap());
    let change = Edit::new(Change::Update { expected: at }, &third, &[], Some((&second, &holders)));
    commit(store, ours, change.restoring()).await;
    commit(store, other, edit(Change::Create, encoded("HR"))).await;
    let address = "192.0.2.9".parse().unwrap();
    let refused = RefusedSignIns { tenant: other, minute: 7, client_id: "theirs".to_owned(), address, count: 3 };
    store.add_refused_sign_ins(vec![refused]).await.unwrap();
    let rights = Some((UserLevel::OrgAdmin, [Scope::All].into()));
    let new = NewSession { hash: [9; 32], tenant: ours, rights, created_at: 1, replaces: None };
    store.begin_session(new, ALL, by()).await.unwrap();
    assert!(store.session([9; 32], ALL).await.unwrap().is_some());
}

/// No session has ended because of its age.
const ALL: Ended = Ended { created_before: 0, used_before: 0 };

/// A backup is whole and right, and has what the database has. So has the database that it is restored into, with the next
/// number for what comes next.
pub(super) async fn what_is_restored_is_what_was_there<D: Restorable>(database: D) {
    let store = database.open();
    tenant(&store).await;
    database.create_tenant("other");
    fill(&store).await;
    assert_eq!(check(&store).await.1, []);
    let backup = back_up(&store).await;
    let (counts, findings) = verify(&backup).unwrap();
    assert_eq!(findings, []);
    assert_eq!((counts.tenants, counts.clients, counts.signing_keys, counts.settings), (2, 2, 1, 1));
    assert_eq!((counts.revisions, counts.parts, counts.connectors, counts.deleted), (10, 5, 4, 1));
    assert_eq!((counts.requests, counts.refused_sign_ins), (1, 1));
    let (before, ours) = (store.incarnation().await.unwrap(), store.tenants().await.unwrap()[0].id);
    let listed = summaries(&store, ours).await;
    let history = store.revisions(ours, None, None, 99).await.unwrap();
    let restored = D::new().unwrap();
    assert_eq!(restored.restore(backup.clone(), Keys::Keep).await.unwrap(), 0);
    let store = restored.open();
    let other = store.tenant(Some("other".to_owned())).await.unwrap().unwrap().id;
    assert_eq!(connector_at(&store, other, number(1)).await, encoded("HR"));
    assert_eq!(records(&back_up(&store).await), records(&backup));
    assert_eq!(check(&store).await, (counts, vec![]));
    assert_eq!(summaries(&store, ours).await, listed);
    assert_eq!(store.revisions(ours, None, None, 99).await.unwrap(), history);
    assert_ne!(store.incarnation().await.unwrap(), before);
    assert!(store.session([9; 32], ALL).await.unwrap().is_none(), "sessions end");
    assert_eq!(commit(&store, ours, create("next")).await, number(10));
    restored.create_tenant("third");
    let tenants: Vec<_> = store.tenants().await.unwrap().into_iter().map(|tenant| tenant.name).collect();
    assert_eq!(tenants, ["default", "other", "third"]);
    assert_eq!(check(&store).await.1, []);
}

/// With new keys, no token of the first database is valid in the second.
pub(super) async fn keys_come_along_if_they_are_wanted<D: Restorable>(database: D) {
    let store = database.open();
    tenant(&store).await;
    database.create_tenant("other");
    fill(&store).await;
    let issuer = store.issuer().await.unwrap();
    let backup = back_up(&store).await;
    let other = SigningKey { id: "other".to_owned(), pem: "other".to_owned(), is_new: true };
    for (keys, key) in [(Keys::Keep, "k"), (Keys::New, "other")] {
        let restored = D::new().unwrap();
        restored.restore(backup.clone(), keys).await.unwrap();
        let store = restored.open();
        assert_eq!(store.issuer().await.unwrap() == issuer, keys == Keys::Keep);
        let found = store.signing_keys(other.clone()).await.unwrap();
        assert_eq!(found.iter().map(|key| key.id.as_str()).collect::<Vec<_>>(), [key]);
    }
}

/// A database that has something stays as it is. So does a new one if the backup is not whole.
pub(super) async fn a_restore_is_whole_or_not_at_all_and_replaces_nothing<D: Restorable>(database: D) {
    let store = database.open();
    tenant(&store).await;
    database.create_tenant("other");
    fill(&store).await;
    let backup = back_up(&store).await;
    let before = (records(&backup), store.incarnation().await.unwrap());
    let refused = database.restore(backup.clone(), Keys::Keep).await.unwrap_err();
    assert!(matches!(&refused, BackupError::NotEmpty(_)), "{refused}");
    assert!(refused.to_string().ends_with("nothing was changed"), "{refused}");
    assert_eq!((records(&back_up(&store).await), store.incarnation().await.unwrap()), before);
    let empty = D::new().unwrap();
    let damaged = {
        // The last record of all is changed: it is read after everything was written.
        let text = String::from_utf8(zstd::decode_all(backup.as_slice()).unwrap()).unwrap();
        zstd::encode_all(text.replace("\"count\":3", "\"count\":4").as_bytes(), 3).unwrap()
    };
    for broken in [damaged.as_slice(), &backup[..backup.len() - 1]] {
        let refused = empty.restore(broken.to_vec(), Keys::Keep).await.unwrap_err();
        assert!(matches!(refused, BackupError::Damaged { .. } | BackupError::Truncated { .. }), "{refused}");
    }
    empty.restore(backup.clone(), Keys::Keep).await.unwrap();
    assert_eq!(records(&back_up(&empty.open()).await), before.0);
}

/// What was acknowledged before a backup began is in it, and it is of one moment, whatever is written meanwhile.
pub(super) async fn a_backup_while_others_write_is_of_one_moment<D: Restorable>(database: D) {
    let store = database.open();
    let ours = tenant(&store).await;
    database.create_tenant("other");
    fill(&store).await;
    let is_done = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (store, is_done) = (store.clone(), Arc::clone(&is_done));
            tokio::spawn(async move {
                let mut newest = None;
                // Not without end, because a slow machine would have more to check than it writes.
                for at in 0..400 {
                    if is_done.load(Ordering::Relaxed) {
                        break;
                    }
                    let names = [format!("w{writer}-{at}-a"), format!("w{writer}-{at}-b")];
                    let both = names.iter().map(|name| create(name)).collect();
                    newest = store.commit(ours, both, origin()).await.unwrap().last().copied();
                }
                newest
            })
        })
        .collect();
    for _ in 0..3 {
        let acknowledged = commit(&store, ours, create(&format!("mine {}", at_unique()))).await;
        let backup = back_up(&store).await;
        let (counts, findings) = verify(&backup).unwrap();
        assert_eq!(findings, []);
        let lines = records(&backup);
        let numbers = lines.iter().filter_map(|line| line["revision"]["number"].as_i64());
        let newest = numbers.max().unwrap();
        assert!(newest >= acknowledged.get(), "{newest} {acknowledged}");
        // One revision is of the other tenant.
        assert_eq!(counts.revisions, u64::try_from(newest).unwrap() + 1);
        assert_eq!(check(&store).await.1, []);
    }
    is_done.store(true, Ordering::Relaxed);
    for writer in writers {
        assert!(writer.await.unwrap().is_some());
    }
}

/// Something is committed after each record that is read. None of it is in the backup, nor in what is checked.
pub(super) async fn what_is_committed_while_a_backup_is_made_is_not_in_it<D: Restorable>(database: D) {
    let store = database.open();
    let ours = tenant(&store).await;
    database.create_tenant("other");
    fill(&store).await;
    let before = records(&back_up(&store).await);
    let (source, committing) = (store.backup_source().unwrap(), store.clone());
    let work = move || {
        let runtime = tokio::runtime::Handle::current();
        let commit_one = || {
            let name = format!("meanwhile {}", at_unique());
            runtime.block_on(commit(&committing, ours, create(&name)));
        };
        let mut backup = Vec::new();
        source.write(&mut backup, &mut |_, _| commit_one()).unwrap();
        let mut findings = Vec::new();
        source.check(&mut |_, _| commit_one(), &mut |finding| findings.push(finding)).unwrap();
        (backup, findings)
    };
    let (backup, findings) = tokio::task::spawn_blocking(work).await.unwrap();
    assert_eq!(records(&backup), before);
    assert_eq!(findings, []);
    assert!(records(&back_up(&store).await).len() > 2 * before.len());
}

fn at_unique() -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A backup of SQLite is restored into PostgreSQL, and back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_one_engine_is_restored_into_the_other_and_back() {
    let Some(postgres) = Postgres::new() else { return };
    let sqlite = Sqlite::new().unwrap();
    let store = sqlite.open();
    tenant(&store).await;
    sqlite.create_tenant("other");
    fill(&store).await;
    let first = back_up(&store).await;
    postgres.restore(first.clone(), Keys::Keep).await.unwrap();
    let store = postgres.open();
    assert_eq!(check(&store).await.1, []);
    let second = back_up(&store).await;
    assert_eq!(records(&second), records(&first));
    let again = Sqlite::new().unwrap();
    again.restore(second.clone(), Keys::Keep).await.unwrap();
    let store = again.open();
    assert_eq!(check(&store).await.1, []);
    assert_eq!(records(&back_up(&store).await), records(&first));
}

/// A path that has a file, or the log of a database that is gone, is refused, and nothing is made there.
#[tokio::test]
async fn a_backup_is_not_restored_over_a_file() {
    let sqlite = Sqlite::new().unwrap();
    let store = sqlite.open();
    tenant(&store).await;
    let backup = back_up(&store).await;
    for end in ["", "-wal"] {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join(format!("c.db{end}")), "").unwrap();
        let target = folder.path().join("c.db");
        let refused = Backup::open(backup.as_slice())
            .and_then(|backup| backup.restore(BackupTarget::Sqlite(&target), Keys::New, &mut |_| {}))
            .err()
            .unwrap();
        assert!(matches!(refused, BackupError::NotEmpty(_)), "{refused}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
    let nowhere = std::path::Path::new("/dev/null/c.db");
    let refused = Backup::open(backup.as_slice())
        .and_then(|backup| backup.restore(BackupTarget::Sqlite(nowhere), Keys::New, &mut |_| {}))
        .err();
    assert!(matches!(refused, Some(BackupError::Store(StoreError::Io { .. }))), "{refused:?}");
}
