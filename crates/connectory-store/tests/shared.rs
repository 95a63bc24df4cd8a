//! What nodes share in a PostgreSQL database beside connectors: the counts of the rate limit, and leases.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/cluster.rs"]
#[expect(dead_code, reason = "these tests share a cluster")]
mod cluster;
#[path = "support/mod.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod support;

use std::time::Duration;

use cluster::Cluster;
use connectory_store::{
    AccessDb, Address, Change, Ended, Granted, LeasedWork, NewSession, PermitLimit, PermitRequest, Retention, Store,
    StoreError, TenantId,
};
use support::{by, client, commit, connector, create, edit, tenant};

/// A database, and the stores of the nodes that use it.
struct Database {
    cluster: Cluster,
    name: String,
}

impl Database {
    /// A database of the shared cluster. None if tests with PostgreSQL are not wanted.
    fn new() -> Option<Self> {
        if !cluster::is_wanted() {
            eprintln!("left out: CONNECTORY_TEST_POSTGRES is not set, which `./test` does");
            return None;
        }
        let cluster = cluster::shared();
        let name = cluster.create_database("");
        Some(Self { cluster, name })
    }

    fn address(&self) -> Address {
        Address::parse(&self.cluster.address(&self.name), |_| None).unwrap()
    }

    async fn open(&self) -> Store {
        Store::open_postgres(&self.address()).await.unwrap()
    }

    /// Changes access as an operator does, beside the nodes.
    fn access<T>(&self, change: impl FnOnce(AccessDb) -> T) -> T {
        tokio::task::block_in_place(|| change(AccessDb::open_postgres(&self.address()).unwrap()))
    }

    fn psql(&self, sql: &str) -> String {
        self.cluster.psql(&self.name, sql)
    }
}

macro_rules! want {
    ($database:expr) => {
        match $database {
            Some(database) => database,
            None => return,
        }
    };
}

/// A window that does not end while a test runs.
const LONG: PermitLimit = PermitLimit { requests: 100, seconds: 1_000_000 };

fn request(tenant: TenantId, client: &str, count: u64) -> PermitRequest {
    PermitRequest { tenant, client: client.to_owned(), api: "/v3/connectors", count }
}

async fn take(store: &Store, limit: PermitLimit, request: PermitRequest) -> Granted {
    store.take_permits(limit, vec![request]).await.unwrap().pop().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_take_their_permits_from_one_window() {
    let database = want!(Database::new());
    let (one, two) = (database.open().await, database.open().await);
    let tenant = tenant(&one).await;
    let first = take(&one, LONG, request(tenant, "a", 60)).await;
    let second = take(&two, LONG, request(tenant, "a", 60)).await;
    assert_eq!((first.count, second.count), (60, 40));
    assert_eq!(first.window, second.window);
    assert!(second.left <= first.left && first.left <= Duration::from_secs(1_000_000));
    assert_eq!(take(&one, LONG, request(tenant, "a", 1)).await.count, 0);
    let other = PermitRequest { api: "/v2025/connectors", ..request(tenant, "a", 200) };
    assert_eq!(take(&one, LONG, other).await.count, 100, "another version has another window, and not more than that");
    let of_many = (0..50).map(|n| request(tenant, &format!("client {n}"), n)).collect();
    let mut granted = two.take_permits(LONG, of_many).await.unwrap();
    granted.sort_by_key(|granted| granted.count);
    assert_eq!(granted.len(), 50);
    for (n, granted) in granted.iter().enumerate() {
        assert_eq!((granted.client.clone(), granted.count), (format!("client {n}"), n as u64));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_statements_at_once_grant_no_more_than_the_limit_and_none_fails() {
    let database = want!(Database::new());
    let (one, two) = (database.open().await, database.open().await);
    let tenant = tenant(&one).await;
    // In another order on each node, so that each could wait for the other.
    let clients: Vec<_> = (0..20).map(|n| format!("client {n}")).collect();
    let asked = |turned: bool| -> Vec<_> {
        let requests = clients.iter().map(|client| request(tenant, client, 7));
        if turned { requests.rev().collect() } else { requests.collect() }
    };
    let node = async |store: &Store, turned| {
        let mut taken = 0;
        for _ in 0..20 {
            let granted = store.take_permits(LONG, asked(turned)).await.unwrap();
            taken += granted.iter().map(|granted| granted.count).sum::<u64>();
        }
        taken
    };
    let (of_one, of_two) = tokio::join!(node(&one, false), node(&two, true));
    assert_eq!(of_one + of_two, 20 * 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_window_begins_with_all_permits_also_after_the_clock_was_wrong() {
    let database = want!(Database::new());
    let store = database.open().await;
    let tenant = tenant(&store).await;
    let granted = take(&store, LONG, request(tenant, "a", 100)).await;
    let count = async || take(&store, LONG, request(tenant, "a", 30)).await;
    assert_eq!(count().await.count, 0);
    database.psql("UPDATE rate_windows SET number = number - 1");
    let next = count().await;
    assert_eq!((next.count, next.window), (30, granted.window), "the window before has ended");
    // Another node's statement was sent later, and was faster.
    database.psql("UPDATE rate_windows SET number = number + 1, taken = 80");
    let ahead = count().await;
    assert_eq!((ahead.count, ahead.window), (20, granted.window + 1));
    database.psql("UPDATE rate_windows SET number = number + 100");
    let set_back = count().await;
    assert_eq!((set_back.count, set_back.window), (30, granted.window), "the clock was set back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_counts_of_a_client_and_of_a_tenant_go_with_them_and_stay_few() {
    let database = want!(Database::new());
    let store = database.open().await;
    let ours = tenant(&store).await;
    let theirs = database.access(|access| access.create_tenant("theirs", &by()).unwrap().id);
    let new = client("one");
    let id = new.id.clone();
    database.access(|access| access.create_client("default", &new, &by()).unwrap());
    for _ in 0..10 {
        take(&store, PermitLimit { requests: 5, seconds: 1 }, request(ours, &id, 1)).await;
        take(&store, LONG, request(theirs, "theirs", 1)).await;
    }
    let rows = || database.psql("SELECT count(*) FROM rate_windows");
    assert_eq!(rows(), "2");
    database.access(|access| access.delete_client(&id, &by()).unwrap());
    assert_eq!(rows(), "1");
    database.access(|access| access.delete_tenant("theirs").unwrap());
    assert_eq!(rows(), "0");
}

#[tokio::test]
async fn one_process_takes_no_permits() {
    let folder = tempfile::TempDir::new().unwrap();
    let store = Store::open(&folder.path().join("c.db")).unwrap();
    let refused = store.take_permits(LONG, vec![request(TenantId::new(1).unwrap(), "a", 1)]).await;
    assert!(matches!(refused, Err(StoreError::Engine(_))));
}

/// So short that a test can wait for its end.
const SHORT: Duration = Duration::from_millis(150);
const HOURS: Duration = Duration::from_hours(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_is_of_one_node_until_it_ends() {
    let database = want!(Database::new());
    let (one, two) = (database.open().await, database.open().await);
    let first = one.lease(LeasedWork::Backups, HOURS).await.unwrap().unwrap();
    assert_eq!(two.lease(LeasedWork::Backups, HOURS).await.unwrap(), None);
    assert!(two.lease(LeasedWork::CleanUp, HOURS).await.unwrap().is_some(), "other work has another lease");
    let renewed = one.lease(LeasedWork::Backups, SHORT).await.unwrap();
    assert_eq!(renewed.as_ref(), Some(&first), "the same lease");
    assert!(one.holds(&first).await.unwrap());
    tokio::time::sleep(SHORT).await;
    assert!(!one.holds(&first).await.unwrap(), "it has ended, though nobody else took it");
    let second = two.lease(LeasedWork::Backups, SHORT).await.unwrap().unwrap();
    assert!(second != first && two.holds(&second).await.unwrap() && !one.holds(&first).await.unwrap());
    assert_eq!(one.lease(LeasedWork::Backups, HOURS).await.unwrap(), None);
    tokio::time::sleep(SHORT).await;
    let third = one.lease(LeasedWork::Backups, HOURS).await.unwrap().unwrap();
    assert!(third != first, "it is not the lease of before");
    assert!(!one.holds(&first).await.unwrap() && one.holds(&third).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_nodes_that_ask_at_once_gets_a_lease() {
    let database = want!(Database::new());
    let mut nodes = Vec::new();
    for _ in 0..8 {
        nodes.push(database.open().await);
    }
    for _ in 0..5 {
        database.psql("UPDATE leases SET until = now()");
        let asked = nodes.iter().map(|node| node.lease(LeasedWork::Retention, HOURS));
        let got = futures_util::future::join_all(asked).await;
        assert_eq!(got.into_iter().filter_map(Result::unwrap).count(), 1);
    }
    assert_eq!(database.psql("SELECT epoch FROM leases"), "5");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_lease_has_ended_changes_nothing() {
    let database = want!(Database::new());
    let (one, two) = (database.open().await, database.open().await);
    let tenant = tenant(&one).await;
    commit(&one, tenant, create("HR")).await;
    for class_name in ["a", "b", "c"] {
        let mut next = connectory_model::Connector::clone(&connector("HR"));
        class_name.clone_into(&mut next.class_name);
        let newest = one.revisions(tenant, None, None, 1).await.unwrap()[0].number;
        commit(&one, tenant, edit(Change::Update { expected: newest }, next)).await;
    }
    database.psql("UPDATE revisions SET created_at = 0; INSERT INTO rate_windows VALUES (1, 'gone', '/v3', 1, 1, 1)");
    let bodies = || database.psql("SELECT count(*) FROM revisions WHERE length(body) > 0");
    let retention = Retention { age: Duration::from_hours(1), min: 1 };
    let now = i64::MAX / 2;
    let ended = Ended { created_before: 0, used_before: 0 };

    let old = one.lease(LeasedWork::Retention, SHORT).await.unwrap().unwrap();
    let old_clean_up = one.lease(LeasedWork::CleanUp, SHORT).await.unwrap().unwrap();
    let mut pass = retention.begin(&one).await.unwrap();
    tokio::time::sleep(SHORT).await;
    assert!(one.retain(&mut pass, &old, now).await.unwrap().is_elsewhere);
    let theirs = two.lease(LeasedWork::Retention, HOURS).await.unwrap().unwrap();
    assert!(one.retain(&mut pass, &old, now).await.unwrap().is_elsewhere);
    assert_eq!(one.clean_up(&old_clean_up, ended).await.unwrap(), None);
    assert_eq!((bodies().as_str(), database.psql("SELECT count(*) FROM rate_windows").as_str()), ("4", "1"));

    let mut pass = retention.begin(&two).await.unwrap();
    assert_eq!(two.retain(&mut pass, &theirs, now).await.unwrap().bodies, 3);
    let theirs = two.lease(LeasedWork::CleanUp, HOURS).await.unwrap().unwrap();
    assert_eq!(two.clean_up(&theirs, ended).await.unwrap(), Some(1));
    assert_eq!(bodies(), "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_takes_a_lease_while_something_is_written_under_it() {
    let database = want!(Database::new());
    let (one, two) = (database.open().await, database.open().await);
    one.lease(LeasedWork::Retention, SHORT).await.unwrap().unwrap();
    let (name, socket) = (database.name.clone(), database.cluster.socket());
    let began = std::time::Instant::now();
    // As a step does it, which begins before the lease ends and commits after it.
    let sql = "BEGIN; SELECT 1 FROM leases FOR SHARE; SELECT pg_sleep(1.5); COMMIT";
    let step = std::thread::spawn(move || drop(cluster::psql(&socket, &name, sql)));
    tokio::time::sleep(2 * SHORT).await;
    while two.lease(LeasedWork::Retention, HOURS).await.unwrap().is_none() {
        tokio::time::sleep(SHORT).await;
    }
    assert!(began.elapsed() >= Duration::from_millis(1500), "{:?}", began.elapsed());
    step.join().unwrap();
}

#[tokio::test]
async fn a_process_that_alone_uses_its_database_has_every_lease() {
    let folder = tempfile::TempDir::new().unwrap();
    let store = Store::open(&folder.path().join("c.db")).unwrap();
    let lease = store.lease(LeasedWork::CleanUp, Duration::ZERO).await.unwrap().unwrap();
    assert!(store.holds(&lease).await.unwrap());
    let tenant = tenant(&store).await;
    let none = Ended { created_before: 0, used_before: 0 };
    for hash in [[1; 32], [2; 32]] {
        let new = NewSession { hash, tenant, rights: None, created_at: i64::from(hash[0]), replaces: None };
        store.begin_session(new, none, by()).await.unwrap();
    }
    let ended = Ended { created_before: 2, used_before: 0 };
    assert_eq!(store.clean_up(&lease, ended).await.unwrap(), Some(1));
    assert_eq!(store.session([1; 32], none).await.unwrap(), None);
    assert!(store.session([2; 32], none).await.unwrap().is_some());
}
