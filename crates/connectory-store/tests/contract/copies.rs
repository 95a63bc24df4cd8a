//! Copies: what is copied is what was there, in every direction, from every schema, wholly or not finished.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use connectory_store::{
    AccessDb, Address, BackupSource, BackupTarget, Copied, CopyError, CopyStep, Once, SigningKey, Store, StoreError,
    TenantId,
};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::backups::{back_up, check, fill, records};
use super::retention::remove_all_that_may_go;
use super::support::{by, client, commit, create, origin, signing_key, summaries, tenant};
use super::{Database, Postgres, Sqlite};

/// A database that is copied, or into which is copied.
#[derive(Clone)]
enum Place {
    Sqlite(PathBuf),
    Postgres(Box<Address>),
}

impl Place {
    /// Opens it for a server. Call this on a thread that may block.
    async fn open(&self) -> Result<Store, StoreError> {
        match self {
            Self::Sqlite(path) => Store::open(path),
            Self::Postgres(address) => Store::open_postgres(address).await,
        }
    }

    fn target(&self) -> BackupTarget<'_> {
        match self {
            Self::Sqlite(path) => BackupTarget::Sqlite(path),
            Self::Postgres(address) => BackupTarget::Postgres(address),
        }
    }

    fn access(&self) -> AccessDb {
        match self {
            Self::Sqlite(path) => AccessDb::open(path).unwrap(),
            Self::Postgres(address) => AccessDb::open_postgres(address).unwrap(),
        }
    }

    fn source(&self) -> Result<BackupSource, CopyError> {
        match self {
            Self::Sqlite(path) => BackupSource::open_alone(path),
            Self::Postgres(address) => Ok(BackupSource::open_postgres(address)?),
        }
    }

    /// Copies into another one. `progress` is called with the number of records that were read.
    fn copy(&self, to: &Self, restart: bool, progress: impl FnMut(CopyStep, u64)) -> Result<Copied, CopyError> {
        let mut progress = progress;
        self.source()?.copy(to.target(), restart, &mut |step, _, counts| {
            let all = counts.revisions + counts.connectors + counts.parts + counts.access_events;
            progress(step, all);
        })
    }
}

/// Copies on a thread of its own, as a command does. One that `stop_at` so many records panics then, as a process that is
/// killed leaves the target.
async fn copy(from: &Place, to: &Place, restart: bool, stop_at: Option<u64>) -> Option<Result<Copied, CopyError>> {
    let (from, to) = (from.clone(), to.clone());
    let work = move || {
        from.copy(&to, restart, |_, records| {
            if stop_at.is_some_and(|stop_at| records >= stop_at) {
                std::panic::resume_unwind(Box::new("killed"));
            }
        })
    };
    tokio::task::spawn_blocking(work).await.ok()
}

async fn copied(from: &Place, to: &Place) -> Copied {
    copy(from, to, false, None).await.unwrap().unwrap()
}

async fn refused(from: &Place, to: &Place) -> CopyError {
    copy(from, to, false, None).await.unwrap().unwrap_err()
}

/// What keeps a database while a test runs.
enum Kept {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

impl Kept {
    fn sqlite() -> Self {
        Self::Sqlite(Sqlite::new().unwrap())
    }

    fn postgres() -> Option<Self> {
        Postgres::new().map(Self::Postgres)
    }

    fn place(&self) -> Place {
        match self {
            Self::Sqlite(database) => Place::Sqlite(database.0.path().join("c.db")),
            Self::Postgres(database) => Place::Postgres(Box::new(database.address())),
        }
    }

    fn create_tenant(&self, name: &str) {
        match self {
            Self::Sqlite(database) => database.create_tenant(name),
            Self::Postgres(database) => database.create_tenant(name),
        }
    }

    fn run(&self, sql: &str) {
        match self {
            Self::Sqlite(database) => database.run(sql),
            Self::Postgres(database) => database.run(sql),
        }
    }

    fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }
}

/// Where a database is.
async fn location(place: &Place) -> String {
    let place = place.clone();
    tokio::task::spawn_blocking(move || place.source().unwrap().location()).await.unwrap()
}

/// Every direction: a new source, and a new target. Those without PostgreSQL if that is not wanted.
fn directions() -> Vec<(Kept, Kept)> {
    let mut directions = vec![(Kept::sqlite(), Kept::sqlite())];
    if let (Some(one), Some(two), Some(three), Some(four)) =
        (Kept::postgres(), Kept::postgres(), Kept::postgres(), Kept::postgres())
    {
        directions.extend([(Kept::sqlite(), one), (two, Kept::sqlite()), (three, four)]);
    }
    directions
}

/// The SHA-256 of the lines of a backup between the first and the last one.
fn digest(backup: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    let text = String::from_utf8(zstd::decode_all(backup).unwrap()).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let text = lines[1..lines.len() - 1].join("\n") + "\n";
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

/// Makes something of each kind, and lets retention remove what it may.
async fn fill_all(kept: &Kept) -> Store {
    let store = kept.place().open().await.unwrap();
    tenant(&store).await;
    kept.create_tenant("other");
    fill(&store).await;
    assert!(remove_all_that_may_go(&store).await > 0);
    store
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_copied_is_what_was_there_in_every_direction() {
    for (source, target) in directions() {
        let store = fill_all(&source).await;
        let (backup, incarnation) = (back_up(&store).await, store.incarnation().await.unwrap());
        let (issuer, ours) = (store.issuer().await.unwrap(), store.tenants().await.unwrap()[0].id);
        let (listed, history) = (summaries(&store, ours).await, store.revisions(ours, None, None, 99).await.unwrap());
        let (counts, findings) = check(&store).await;
        assert!(counts.removed_bodies > 0 && counts.parts > 0 && counts.deleted > 0, "{counts:?}");
        drop(store);
        let copied = copied(&source.place(), &target.place()).await;
        assert_eq!((copied.counts, copied.earlier, copied.findings), (counts, 0, findings.len() as u64));
        assert_eq!(copied.sha256, digest(&backup));
        let store = target.place().open().await.unwrap();
        let copy = back_up(&store).await;
        assert_eq!(records(&copy), records(&backup));
        assert_eq!(copied.sha256, digest(&copy));
        assert_eq!(check(&store).await, (counts, findings), "of PostgreSQL, these are the running totals too");
        assert_eq!(summaries(&store, ours).await, listed);
        assert_eq!(store.revisions(ours, None, None, 99).await.unwrap(), history);
        assert_eq!((store.incarnation().await.unwrap(), store.issuer().await.unwrap()), (incarnation, issuer));
        let other = SigningKey { id: "other".to_owned(), pem: "other".to_owned(), is_new: true };
        assert_eq!(store.signing_keys(other).await.unwrap()[0].id, "k");
        assert_eq!(commit(&store, ours, create("next")).await.get(), history[0].number.get() + 1);
        target.create_tenant("third");
        let tenants: Vec<_> = store.tenants().await.unwrap().into_iter().map(|tenant| tenant.name).collect();
        assert_eq!(tenants, ["default", "other", "third"]);
        drop(store);
        // The source is as it was.
        let store = source.place().open().await.unwrap();
        assert_eq!(records(&back_up(&store).await), records(&backup));
    }
}

/// Makes many revisions, so that a copy has many transactions.
async fn fill_much(kept: &Kept) -> TenantId {
    let store = fill_all(kept).await;
    let ours = store.tenants().await.unwrap()[0].id;
    for batch in 0..12 {
        let edits = (0..250).map(|at| create(&format!("much {batch} {at}"))).collect();
        let once = Once { key: [batch + 10; 32], fingerprint: [2; 32], at: 1 };
        store.commit_once(ours, edits, origin(), once).await.unwrap();
    }
    ours
}

/// Whether a database is refused because it is half copied, by all that use databases.
async fn is_half_copied(place: &Place, from: &str) -> bool {
    let place = place.clone();
    let from = from.to_owned();
    let refused = match place.open().await {
        Ok(store) => {
            // Nothing was committed yet.
            assert_eq!(store.tenants().await.unwrap(), []);
            return false;
        }
        Err(error) => error,
    };
    let look = move || {
        let (access, source) = match &place {
            Place::Sqlite(path) => (AccessDb::open(path).err(), BackupSource::open(path).err()),
            Place::Postgres(address) => {
                (AccessDb::open_postgres(address).err(), BackupSource::open_postgres(address).err())
            }
        };
        for refused in [Some(refused), access, source] {
            let refused = refused.unwrap();
            assert!(matches!(&refused, StoreError::HalfCopied { .. }), "{refused}");
            let text = refused.to_string();
            assert!(text.contains(&format!("is half copied from {from}, and cannot be used before all")), "{text}");
        }
        assert!(place.source().is_err());
    };
    tokio::task::spawn_blocking(look).await.unwrap();
    true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_is_interrupted_anywhere_goes_on_where_it_stopped() {
    let seed: u64 = rand::random();
    eprintln!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    for (source, target) in directions() {
        fill_much(&source).await;
        let (from, to) = (source.place(), target.place());
        let name = location(&from).await;
        let (mut at, mut interrupted) = (0, 0);
        let done = loop {
            // A run that gets further each time ends.
            at += random.random_range(1..2500_u64);
            match copy(&from, &to, false, Some(at)).await {
                None => {
                    let is_half = is_half_copied(&to, &name).await;
                    assert!(is_half, "the first transaction has the note");
                    interrupted += 1;
                }
                Some(done) => break done.unwrap(),
            }
        };
        assert!(interrupted >= 2, "{interrupted}");
        assert!(done.earlier > 1000, "{done:?}");
        let store = to.open().await.unwrap();
        assert_eq!(check(&store).await, (done.counts, vec![]));
        assert_eq!(digest(&back_up(&store).await), done.sha256);
        drop(store);
        let store = from.open().await.unwrap();
        assert_eq!(digest(&back_up(&store).await), done.sha256);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_does_not_go_on_with_a_source_that_changed_or_with_another_one() {
    for (source, target) in directions() {
        let ours = fill_much(&source).await;
        let (from, to) = (source.place(), target.place());
        assert!(copy(&from, &to, false, Some(2500)).await.is_none());
        let other = Kept::sqlite();
        drop(fill_all(&other).await);
        let error = refused(&other.place(), &to).await;
        assert!(matches!(error, CopyError::Another { .. }), "{error}");
        // What was there stays, so the right source goes on.
        assert!(copy(&from, &to, false, Some(2500)).await.is_none());
        // A change behind the back of the program, of something that the target has.
        source.run("UPDATE tenants SET created_at = created_at + 1 WHERE name = 'default'");
        let error = refused(&from, &to).await;
        assert!(matches!(error, CopyError::Changed { .. }), "{error}");
        source.run("UPDATE tenants SET created_at = created_at - 1 WHERE name = 'default'");
        assert!(copy(&from, &to, false, Some(2500)).await.is_none());
        // A change by a server.
        let store = from.open().await.unwrap();
        commit(&store, ours, create("one more")).await;
        drop(store);
        let error = refused(&from, &to).await;
        assert!(matches!(error, CopyError::Changed { .. }), "{error}");
        assert!(error.to_string().ends_with("give --restart to empty the target and copy anew"), "{error}");
        let done = copy(&from, &to, true, None).await.unwrap().unwrap();
        assert_eq!(done.earlier, 0);
        let store = to.open().await.unwrap();
        assert_eq!(check(&store).await, (done.counts, vec![]));
        assert_eq!(digest(&back_up(&store).await), done.sha256);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_leaves_nothing_of_another_source() {
    for (source, target) in directions() {
        fill_much(&source).await;
        assert!(copy(&source.place(), &target.place(), false, Some(2500)).await.is_none());
        let other = Kept::sqlite();
        let store = other.place().open().await.unwrap();
        store.signing_keys(signing_key("mine")).await.unwrap();
        store.bootstrap("mine".to_owned(), client("mine"), by()).await.unwrap();
        let backup = back_up(&store).await;
        drop(store);
        let done = copy(&other.place(), &target.place(), true, None).await.unwrap().unwrap();
        assert_eq!((done.sha256.as_str(), done.counts.revisions), (digest(&backup).as_str(), 0));
        let store = target.place().open().await.unwrap();
        assert_eq!(records(&back_up(&store).await), records(&backup));
        let (counts, findings) = check(&store).await;
        // Rows of tenants that do not exist would be findings, and so would rows of this one that no record has.
        assert_eq!((counts, findings), (done.counts, vec![]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_is_in_use_stays_as_it_is() {
    for (source, target) in directions() {
        drop(fill_all(&source).await);
        let store = target.place().open().await.unwrap();
        tenant(&store).await;
        let backup = records(&back_up(&store).await);
        if target.is_shared() {
            let error = refused(&source.place(), &target.place()).await;
            assert!(matches!(error, CopyError::NotEmpty(_)), "{error}");
        }
        drop(store);
        for restart in [false, true] {
            let error = copy(&source.place(), &target.place(), restart, None).await.unwrap().unwrap_err();
            assert!(matches!(error, CopyError::NotEmpty(_)), "{error}");
            assert!(
                error.to_string().ends_with(
                    "has or had tenants; only a new or empty database takes a copy, and nothing was changed"
                ),
                "{error}"
            );
        }
        let error = refused(&source.place(), &source.place()).await;
        assert!(matches!(error, CopyError::Same(_)), "{error}");
        let store = target.place().open().await.unwrap();
        assert_eq!(records(&back_up(&store).await), backup);
    }
}

/// A database without tenants that a program opened before takes a copy, and keeps nothing of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_without_tenants_takes_a_copy() {
    for (source, target) in directions() {
        let store = fill_all(&source).await;
        let backup = back_up(&store).await;
        drop(store);
        let store = target.place().open().await.unwrap();
        store.signing_keys(SigningKey { id: "old".to_owned(), pem: "old".to_owned(), is_new: true }).await.unwrap();
        store.note_address("http://old".to_owned()).await.unwrap();
        drop(store);
        copied(&source.place(), &target.place()).await;
        let store = target.place().open().await.unwrap();
        assert_eq!(records(&back_up(&store).await), records(&backup));
        drop(store);
        let access = tokio::task::spawn_blocking(move || target.place().access().address().unwrap());
        assert_eq!(access.await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_uses_a_file_while_it_is_copied() {
    let (source, target) = (Kept::sqlite(), Kept::sqlite());
    let store = fill_all(&source).await;
    let (from, to) = (source.place(), target.place());
    let error = refused(&from, &to).await;
    assert!(matches!(error, CopyError::InUse(_)), "{error}");
    let text = error.to_string();
    assert!(text.contains("is in use by another process (pid ") && text.contains("Stop the server before"), "{text}");
    drop(store);
    let seen = Arc::<AtomicU64>::default();
    let (seen_by, is_first) = (Arc::clone(&seen), AtomicU64::new(0));
    let work = move || {
        let (Place::Sqlite(source), Place::Sqlite(target)) = (&from, &to) else { unreachable!() };
        from.copy(&to, false, |_, _| {
            if is_first.fetch_add(1, Ordering::Relaxed) > 0 {
                return;
            }
            // Another process, because a process does not keep itself out.
            for (path, expected) in [(source, "database is locked"), (target, "database is locked")] {
                assert!(write_elsewhere(path).contains(expected), "{}", write_elsewhere(path));
                seen_by.fetch_add(1, Ordering::Relaxed);
            }
            assert!(matches!(Store::open(source).err(), Some(StoreError::InUse { .. })));
            assert!(matches!(Store::open(target).err(), Some(StoreError::InUse { .. })));
        })
        .unwrap();
    };
    tokio::task::spawn_blocking(work).await.unwrap();
    assert_eq!(seen.load(Ordering::Relaxed), 2);
}

/// What SQLite says when another process writes.
fn write_elsewhere(path: &Path) -> String {
    let python = "import sqlite3, sys\ntry: sqlite3.connect(sys.argv[1], timeout=0).execute('DELETE FROM sessions')\n\
                  except Exception as error: print(error)";
    let output = std::process::Command::new("python3").args(["-c", python]).arg(path).output().unwrap();
    String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_a_database_that_changes_meanwhile_is_not_finished() {
    let Some(source) = Kept::postgres() else { return };
    let target = Kept::sqlite();
    let store = fill_all(&source).await;
    let ours = store.tenants().await.unwrap()[0].id;
    let (from, to) = (source.place(), target.place());
    let committing = store.clone();
    let runtime = tokio::runtime::Handle::current();
    let (first, second) = (from.clone(), to.clone());
    let work = move || {
        let mut is_done = false;
        first.copy(&second, false, |_, _| {
            if !std::mem::replace(&mut is_done, true) {
                runtime.block_on(commit(&committing, ours, create("meanwhile")));
            }
        })
    };
    let error = tokio::task::spawn_blocking(work).await.unwrap().unwrap_err();
    assert!(matches!(error, CopyError::ChangedMeanwhile { .. }), "{error}");
    assert!(error.to_string().contains("stop every server that uses the source, and then: give --restart"), "{error}");
    assert!(matches!(to.open().await.err(), Some(StoreError::HalfCopied { .. })));
    let done = copy(&from, &to, true, None).await.unwrap().unwrap();
    let store = to.open().await.unwrap();
    assert_eq!(digest(&back_up(&store).await), done.sha256);
    assert!(summaries(&store, ours).await.iter().any(|(_, summary)| summary.name == "meanwhile"));
}

/// Of two processes that copy into one database, one finishes, and the target is right.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_copies_into_one_database_do_not_mix() {
    let Some(target) = Kept::postgres() else { return };
    let Some(source) = Kept::postgres() else { return };
    fill_much(&source).await;
    let (from, to) = (source.place(), target.place());
    let (one, two) = tokio::join!(copy(&from, &to, false, None), copy(&from, &to, false, None));
    let (done, refused): (Vec<_>, Vec<_>) = [one.unwrap(), two.unwrap()].into_iter().partition(Result::is_ok);
    assert_eq!((done.len(), refused.len()), (1, 1), "{refused:?}");
    let store = to.open().await.unwrap();
    assert_eq!(digest(&back_up(&store).await), done.into_iter().next().unwrap().unwrap().sha256);
    assert_eq!(check(&store).await.1, []);
}

/// A server that opened a database before a copy into it began creates no tenant beside what is copied.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_there_first_changes_nothing_of_a_copy() {
    let Some(target) = Kept::postgres() else { return };
    let source = Kept::sqlite();
    fill_much(&source).await;
    let early = target.place().open().await.unwrap();
    assert!(copy(&source.place(), &target.place(), false, Some(1)).await.is_none());
    let refused = early.bootstrap("default".to_owned(), client("first"), by()).await.unwrap_err();
    assert!(matches!(refused, StoreError::HalfCopied { .. }), "{refused}");
    copied(&source.place(), &target.place()).await;
}

/// A target that lost or got something is not finished.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_read_back_must_be_what_was_read() {
    for (source, target) in directions() {
        fill_much(&source).await;
        let (from, to) = (source.place(), target.place());
        assert!(copy(&from, &to, false, Some(2500)).await.is_none());
        target.run("UPDATE clients SET name = 'other' WHERE id = 'first'");
        let error = refused(&from, &to).await;
        assert!(matches!(error, CopyError::Different { .. }), "{error}");
        assert!(matches!(to.open().await.err(), Some(StoreError::HalfCopied { .. })));
    }
}

/// Copies into each engine, and compares all that can be compared.
async fn expect_copies(from: &Place) {
    let targets = [Some(Kept::sqlite()), Kept::postgres()];
    for target in targets.into_iter().flatten() {
        let done = copied(from, &target.place()).await;
        let store = from.open().await.unwrap();
        let (backup, checked) = (back_up(&store).await, check(&store).await);
        let (incarnation, issuer) = (store.incarnation().await.unwrap(), store.issuer().await.unwrap());
        drop(store);
        let store = target.place().open().await.unwrap();
        assert_eq!(records(&back_up(&store).await), records(&backup));
        assert_eq!((check(&store).await, done.sha256), (checked, digest(&backup)));
        assert_eq!((store.incarnation().await.unwrap(), store.issuer().await.unwrap()), (incarnation, issuer));
        for tenant in store.tenants().await.unwrap() {
            commit(&store, tenant.id, create("one more")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn databases_of_every_schema_of_sqlite_are_copied() {
    let dumps = [
        include_str!("../fixtures/schema-1.sql"),
        include_str!("../fixtures/schema-2.sql"),
        include_str!("../fixtures/schema-3.sql"),
        include_str!("../fixtures/schema-4.sql"),
        include_str!("../fixtures/schema-5.sql"),
        include_str!("../fixtures/schema-6.sql"),
        include_str!("../fixtures/schema-7.sql"),
        include_str!("../fixtures/schema-8.sql"),
    ];
    for dump in dumps {
        let source = Sqlite::new().unwrap();
        let path = source.0.path().join("c.db");
        rusqlite::Connection::open(&path).unwrap().execute_batch(dump).unwrap();
        expect_copies(&Place::Sqlite(path)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn databases_of_every_schema_of_postgresql_are_copied() {
    /// What brings a database back to the schema before the newest, and so on.
    const BACK: [&str; 5] = [
        "ALTER TABLE tenants DROP COLUMN suspended_at, DROP COLUMN deleted_at, DROP COLUMN removed_at;
         ALTER TABLE access_events DROP CONSTRAINT access_events_action_check,
             ADD CONSTRAINT access_events_action_check CHECK (action BETWEEN 1 AND 6)",
        "DROP TABLE rate_windows, leases; DROP FUNCTION take_permits;
         ALTER TABLE connectory_schema DROP COLUMN expanded",
        "ALTER TABLE tenants DROP COLUMN removed_bytes",
        "DELETE FROM settings WHERE name = 'incarnation';
         ALTER TABLE revisions DROP CONSTRAINT revisions_format_check,
             ADD CONSTRAINT revisions_format_check CHECK (format BETWEEN 3 AND 4)",
        "DROP FUNCTION heads, recent, named, put_connectors, append_revisions",
    ];
    for back in 0..=BACK.len() {
        let Some(source) = Kept::postgres() else { return };
        let store = source.place().open().await.unwrap();
        tenant(&store).await;
        source.create_tenant("other");
        fill(&store).await;
        drop(store);
        for sql in &BACK[..back] {
            source.run(sql);
        }
        let version = BACK.len() + 1 - back;
        source.run(&format!("UPDATE connectory_schema SET version = {version}"));
        if back == 1 {
            source.run(&format!("UPDATE connectory_schema SET expanded = {version}"));
        }
        expect_copies(&source.place()).await;
    }
}
