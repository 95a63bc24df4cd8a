//! What only several nodes on one PostgreSQL database can get wrong. Each test is an interleaving that was thought
//! through, or seen in other systems.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/cluster.rs"]
mod cluster;
#[path = "support/mod.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod support;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cluster::Cluster;
use connectory_store::{
    AccessDb, Address, Change, Changed, Committed, Follow, Head, Refusal, RevisionId, RevisionNumber, SigningKey,
    Store, StoreError, TenantId, Unavailable,
};
use futures_util::StreamExt;
use support::{by, client, commit, connector, connector_at, create, edit, encoded, number, origin, summaries, tenant};
use tokio::time::{sleep, timeout};

/// Runs many futures, as many at a time as a busy server has requests.
async fn all<T>(futures: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    futures_util::stream::iter(futures).buffered(256).collect().await
}

/// A database, and nodes that use it.
struct Database {
    cluster: Cluster,
    name: String,
}

/// A database of the shared cluster. None if tests with PostgreSQL are not wanted.
fn database() -> Option<Database> {
    database_in("", cluster::shared)
}

fn database_in(options: &str, cluster: impl FnOnce() -> Cluster) -> Option<Database> {
    if !cluster::is_wanted() {
        eprintln!("left out: CONNECTORY_TEST_POSTGRES is not set, which `./test` does");
        return None;
    }
    let cluster = cluster();
    let name = cluster.create_database(options);
    Some(Database { cluster, name })
}

impl Database {
    async fn open(&self) -> Store {
        let address = Address::parse(&self.cluster.address(&self.name), |_| None).unwrap();
        Store::open_postgres(&address).await.unwrap()
    }

    /// A node that follows a tenant.
    async fn node(&self, tenant: TenantId) -> (Store, Arc<Followed>) {
        let store = self.open().await;
        let followed = Arc::<Followed>::default();
        store.follow(Arc::clone(&followed) as Arc<dyn Follow>);
        load(&store, &followed, tenant).await;
        (store, followed)
    }

    fn psql(&self, sql: &str) -> String {
        self.cluster.psql(&self.name, sql)
    }

    /// Holds the lock of a tenant's commits for a time, as a node does that is slow.
    fn hold(&self, tenant: i64, seconds: f64) -> std::thread::JoinHandle<()> {
        let kind = i32::from_be_bytes(*b"cty\x01");
        let sql = format!("BEGIN; SELECT pg_advisory_xact_lock({kind}, {tenant}); SELECT pg_sleep({seconds}); COMMIT");
        let (name, socket) = (self.name.clone(), self.cluster.socket());
        let held = std::thread::spawn(move || drop(cluster::psql(&socket, &name, &sql)));
        self.wait_for_lock();
        held
    }

    /// Waits until a query does not say 0.
    fn wait_for(&self, query: &str) {
        while self.psql(query) == "0" {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until someone has locked a table. Other tests lock those of their databases in the same cluster.
    fn wait_for_locked_table(&self, table: &str) {
        self.wait_for(&format!(
            "SELECT count(*) FROM pg_locks JOIN pg_database ON database = pg_database.oid
                 WHERE relation = '{table}'::regclass AND mode = 'AccessExclusiveLock' AND granted
                     AND datname = current_database()"
        ));
    }

    /// Waits until someone holds the lock of a tenant.
    fn wait_for_lock(&self) {
        let held = "SELECT count(*) FROM pg_locks JOIN pg_database ON database = pg_database.oid
                        WHERE locktype = 'advisory' AND granted AND datname = current_database()";
        self.wait_for(held);
    }
}

/// A follower that keeps the state of a tenant, and fails if it is not handed over in order.
#[derive(Default)]
struct Followed(Mutex<State>);

#[derive(Default)]
struct State {
    /// The tenant. Commits of others are left out.
    tenant: Option<TenantId>,
    /// The newest revision that was seen.
    last: i64,
    connectors: HashMap<String, i64>,
    lost: usize,
    /// How long it takes to follow many commits.
    pause: Duration,
}

impl Follow for Followed {
    fn committed(&self, batch: Vec<Committed>) {
        let mut state = self.0.lock().unwrap();
        if batch.len() > 1000 {
            std::thread::sleep(state.pause);
        }
        for Committed { tenant, changed: Changed { number, script_name, summary }, .. } in batch {
            if state.tenant != Some(tenant) {
                continue;
            }
            assert!(number.get() > state.last, "{number} after {}", state.last);
            state.last = number.get();
            match summary {
                Some(_) => state.connectors.insert(script_name.to_string(), number.get()),
                None => state.connectors.remove(script_name.as_str()),
            };
        }
    }

    fn lost(&self, _: TenantId) {
        self.0.lock().unwrap().lost += 1;
    }
}

impl Followed {
    fn connectors(&self) -> HashMap<String, i64> {
        self.0.lock().unwrap().connectors.clone()
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.connectors().into_keys().collect();
        names.sort();
        names
    }

    fn lost(&self) -> usize {
        self.0.lock().unwrap().lost
    }
}

/// Loads a tenant as the lists in memory do.
async fn load(store: &Store, followed: &Followed, tenant: TenantId) -> Head {
    let (head, loaded) = store.load(tenant, |summaries| summaries.collect::<Vec<_>>()).await.unwrap();
    let connectors = loaded.into_iter().map(|(number, summary)| (summary.script_name.to_string(), number.get()));
    let (tenant_id, last) = (Some(tenant), head.number.get());
    *followed.0.lock().unwrap() =
        State { tenant: tenant_id, last, connectors: connectors.collect(), ..State::default() };
    store.follow_from(tenant, head).await;
    head
}

/// Two tenants in the database.
async fn two_tenants(store: &Store, database: &Database) -> (TenantId, TenantId) {
    let first = tenant(store).await;
    database.psql("INSERT INTO tenants (uuid, name, created_at) VALUES ('u', 'other', 0)");
    (first, store.tenants().await.unwrap()[1].id)
}

macro_rules! want {
    ($database:expr) => {
        match $database {
            Some(database) => database,
            None => return,
        }
    };
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_sees_what_another_node_acknowledged_before() {
    let database = want!(database());
    let ours = tenant(&database.open().await).await;
    let ((one, _), (two, followed)) = (database.node(ours).await, database.node(ours).await);
    for at in 0..200 {
        // Some reads are on their way already, and their query may be older than the write.
        let earlier = tokio::spawn({
            let two = two.clone();
            async move { two.fresh(ours).await }
        });
        let made = commit(&one, ours, create(&format!("c{at}"))).await;
        two.fresh(ours).await.unwrap();
        assert_eq!(followed.connectors()[&format!("c{at}")], made.get());
        earlier.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_that_wait_share_a_query() {
    let database = want!(database_in("", || Cluster::start(&["fsync = off", "log_statement = all"])));
    let (ours, theirs) = two_tenants(&database.open().await, &database).await;
    let (store, followed) = database.node(ours).await;
    load(&store, &followed, theirs).await;
    let queries = || std::fs::read_to_string(database.cluster.log()).unwrap().matches("FROM heads(").count();
    let before = queries();
    let reads = (0..1000).map(|at| store.fresh(if at % 2 == 0 { ours } else { theirs }));
    let reads = timeout(Duration::from_secs(30), futures_util::future::join_all(reads)).await.unwrap();
    assert!(reads.iter().all(Result::is_ok));
    // One is on its way when most of them arrive, and one is for them.
    let made = queries() - before;
    assert!((1..10).contains(&made), "{made}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_that_are_late_leave_no_connection() {
    let database = want!(database_in("", || Cluster::start(&["fsync = off"])));
    let ours = tenant(&database.open().await).await;
    let (store, _) = database.node(ours).await;
    store.fresh(ours).await.unwrap();
    let (name, socket) = (database.name.clone(), database.cluster.socket());
    let sql = "BEGIN; LOCK TABLE revisions; SELECT pg_sleep(8); COMMIT";
    let held = std::thread::spawn(move || drop(cluster::psql(&socket, &name, sql)));
    database.wait_for_locked_table("revisions");
    while !held.is_finished() {
        let late = store.fresh(ours).await;
        assert!(late.is_ok() || matches!(late, Err(StoreError::Unavailable(_))), "{late:?}");
        let waiting =
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'connectory' AND wait_event_type = 'Lock'";
        let waiting: i64 = database.psql(waiting).parse().unwrap();
        assert!(waiting <= 2, "{waiting}");
    }
    held.join().unwrap();
    while store.fresh(ours).await.is_err() {}
}

// With one worker, whatever is long on it is felt by all.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_node_that_is_far_behind_catches_up_and_others_do_not_wait() {
    let database = want!(database());
    let store = database.open().await;
    let (ours, theirs) = two_tenants(&store, &database).await;
    let id = ours_id(&database);
    commit(&store, ours, create("HR")).await;
    for (much, is_lost) in [(3_000, false), (30_000, true)] {
        let (node, followed) = database.node(ours).await;
        node.follow_from(theirs, Head { number: RevisionNumber::ZERO, commit: None }).await;
        let before: i64 =
            database.psql(&format!("SELECT max(number) FROM revisions WHERE tenant_id = {id}")).parse().unwrap();
        // Another server commits much, of which some is deleted again.
        let insert = format!(
            "WITH new AS (SELECT g, {before} + g AS number, 'c' || ({before} + g) AS name FROM generate_series(1, {much}) AS g),
                  example AS (SELECT r.*, c.summary FROM revisions r JOIN connectors c USING (tenant_id, script_name)
                                  WHERE r.tenant_id = {id} AND r.script_name = 'hr' LIMIT 1),
                  made AS (INSERT INTO connectors SELECT tenant_id, new.name, new.name, new.number,
                               jsonb_set(summary::jsonb, '{{scriptName}}', to_jsonb(new.name))::text
                               FROM new, example WHERE new.g < {much})
             INSERT INTO revisions SELECT tenant_id, new.number, new.name, NULL, new.number, gen_random_uuid(), 1, changed,
                                          author_kind, author_id, author_name, NULL, 0, connectors + new.g, bytes, format, body
                 FROM new, example"
        );
        database.psql(&insert);
        followed.0.lock().unwrap().pause = Duration::from_secs(2);
        let first = tokio::spawn({
            let node = node.clone();
            async move { node.fresh(ours).await }
        });
        let (began, mut was_behind) = (Instant::now(), false);
        while began.elapsed() < Duration::from_secs(3) {
            let asked = Instant::now();
            node.fresh(theirs).await.unwrap();
            assert!(asked.elapsed() < Duration::from_millis(500), "{:?}", asked.elapsed());
            was_behind |= node.behind() == Some(1);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let first = first.await.unwrap();
        assert_eq!((was_behind, node.behind()), (!is_lost, Some(0)));
        if is_lost {
            assert!(matches!(first, Err(StoreError::Unavailable(Unavailable::Lost))), "{first:?}");
            load(&node, &followed, ours).await;
            node.fresh(ours).await.unwrap();
        } else {
            while node.fresh(ours).await.is_err() {}
            assert_eq!(followed.lost(), 0);
        }
        let there: usize =
            database.psql(&format!("SELECT count(*) FROM connectors WHERE tenant_id = {id}")).parse().unwrap();
        assert_eq!(followed.connectors().len(), there);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_revisions_of_another_node_are_published_before_ours() {
    let database = want!(database());
    let ours = tenant(&database.open().await).await;
    let ((one, at_one), (two, at_two)) = (database.node(ours).await, database.node(ours).await);
    for at in 0..50 {
        commit(&one, ours, create(&format!("a{at}"))).await;
        commit(&two, ours, create(&format!("b{at}"))).await;
        assert_eq!(at_two.connectors().len(), 2 * at + 2, "the follower asserts the order");
    }
    one.fresh(ours).await.unwrap();
    assert_eq!(at_one.connectors(), at_two.connectors());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_waited_for_the_lock_sees_what_changed_meanwhile() {
    let database = want!(database());
    let ours = tenant(&database.open().await).await;
    let ((one, _), (two, _)) = (database.node(ours).await, database.node(ours).await);
    let first = commit(&one, ours, create("HR")).await;
    two.fresh(ours).await.unwrap();
    // The other node waits, and while it does, the connector changes.
    let kind = i32::from_be_bytes(*b"cty\x01");
    let change = format!(
        "BEGIN; SELECT pg_advisory_xact_lock({kind}, 1); SELECT pg_sleep(1);
         INSERT INTO revisions SELECT tenant_id, 2, script_name, 1, 2, gen_random_uuid(), 2, 'x', author_kind, author_id,
                author_name, tracking_id, created_at, connectors, bytes, format, body FROM revisions WHERE number = 1;
         UPDATE connectors SET number = 2; COMMIT"
    );
    let (name, socket) = (database.name.clone(), database.cluster.socket());
    let psql = std::thread::spawn(move || cluster::psql(&socket, &name, &change));
    database.wait_for_lock();
    let update = edit(Change::Update { expected: first }, connector("HR"));
    let refused = two.commit(ours, vec![update], origin()).await.unwrap_err();
    assert!(matches!(refused, Refusal::Conflict { edit: 0, current } if current == Some(number(2))), "{refused}");
    psql.join().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_loads_while_others_write_and_misses_nothing() {
    let database = want!(database());
    let ours = tenant(&database.open().await).await;
    let (one, _) = database.node(ours).await;
    let writing = tokio::spawn(async move {
        for at in 0..150 {
            commit(&one, ours, create(&format!("c{at}"))).await;
        }
        one
    });
    let mut nodes = Vec::new();
    while !writing.is_finished() {
        nodes.push(database.node(ours).await);
    }
    writing.await.unwrap();
    for (node, followed) in nodes {
        node.fresh(ours).await.unwrap();
        assert_eq!(followed.connectors().len(), 150);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tenants_with_equal_numbers_are_separate() {
    let database = want!(database());
    let store = database.open().await;
    let (ours, theirs) = two_tenants(&store, &database).await;
    for (tenant, name) in [(ours, "ours"), (theirs, "theirs")] {
        assert_eq!(commit(&store, tenant, create(name)).await, number(1));
        let mut large = connectory_model::Connector::clone(&connector(&format!("{name} large")));
        large.source_template =
            connectory_model::document::SourceTemplate::stored(format!("{name}{}", "x".repeat(70_000)));
        assert_eq!(commit(&store, tenant, edit(Change::Create, Arc::new(large))).await, number(2));
    }
    for (tenant, name, other) in [(ours, "ours", "theirs"), (theirs, "theirs", "ours")] {
        assert_eq!(connector_at(&store, tenant, number(1)).await.name, name);
        let large = connector_at(&store, tenant, number(2)).await;
        assert!(large.source_template.as_str().starts_with(name), "{name}");
        let names: Vec<_> = summaries(&store, tenant).await.into_iter().map(|(_, summary)| summary.name).collect();
        assert_eq!(names, [name.to_owned(), format!("{name} large")]);
        for script_name in [name, other] {
            let found = store.revision(tenant, script_name.parse().unwrap(), number(1)).await.unwrap();
            assert_eq!(found.is_some(), script_name == name);
        }
        assert_eq!(store.revisions(tenant, None, None, 9).await.unwrap().len(), 2);
        assert_eq!(store.changes(tenant, number(1)).await.unwrap().changed.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_of_one_node_shows_it_what_the_other_did() {
    let database = want!(database());
    let ours = tenant(&database.open().await).await;
    let ((one, _), (two, followed)) = (database.node(ours).await, database.node(ours).await);
    commit(&one, ours, create("HR")).await;
    let refused = two.commit(ours, vec![create("hr")], origin()).await.unwrap_err();
    assert!(matches!(refused, Refusal::NameTaken { edit: 0 }), "{refused}");
    assert_eq!(followed.names(), ["hr"], "the refused caller finds the connector that took the name");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_jobs_are_one_transaction_and_refusals_are_no_errors() {
    let database =
        want!(database_in("", || Cluster::start(&["log_statement = all", "log_min_messages = error", "fsync = off"])));
    let store = database.open().await;
    let ours = tenant(&store).await;
    commit(&store, ours, create("taken")).await;
    let held = database.hold(1, 4.0);
    // The first waits for the lock; the others are the next batch.
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { commit(&store, ours, create("first")).await }
    });
    sleep(Duration::from_secs(1)).await;
    let before = std::fs::read_to_string(database.cluster.log()).unwrap().len();
    let names: Vec<_> = (0..256).map(|at| if at % 100 == 7 { "taken".to_owned() } else { format!("c{at}") }).collect();
    let jobs = names.iter().map(|name| store.commit(ours, vec![create(name)], origin()));
    let results = all(jobs).await;
    assert_eq!(results.iter().filter(|result| result.is_err()).count(), 3);
    waiting.await.unwrap();
    held.join().unwrap();
    let log = std::fs::read_to_string(database.cluster.log()).unwrap();
    assert!(!log.contains("ERROR"), "{log}");
    assert!(!log.to_uppercase().contains("SAVEPOINT"), "no subtransactions");
    let commits = log[before..].matches("COMMIT").count();
    assert!((2..=4).contains(&commits), "the waiting one, a batch, and what psql did: {commits}");
    assert_eq!(summaries(&store, ours).await.len(), 255);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_defaults_of_a_database_change_nothing() {
    for default in [
        "default_transaction_isolation TO 'repeatable read'",
        "default_transaction_isolation TO 'serializable'",
        "synchronous_commit TO off",
        "standard_conforming_strings TO off",
        "bytea_output TO escape",
        "timezone TO 'Pacific/Chatham'",
    ] {
        let database = want!(database());
        database.psql(&format!("ALTER DATABASE {} SET {default}", database.name));
        let ours = tenant(&database.open().await).await;
        let ((one, _), (two, followed)) = (database.node(ours).await, database.node(ours).await);
        for at in 0..20 {
            let (a, b) = (format!("a{at}"), format!("b{at}"));
            tokio::join!(commit(&one, ours, create(&a)), commit(&two, ours, create(&b)));
        }
        two.fresh(ours).await.unwrap();
        assert_eq!(followed.connectors().len(), 40, "{default}");
        let connector = connector_at(&two, ours, number(1)).await;
        assert!(connector.name == "a0" || connector.name == "b0");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_are_equal_whatever_the_locale_of_the_database() {
    let mut lists = Vec::new();
    for options in [
        "LOCALE 'C' TEMPLATE template0",
        "LOCALE 'C.UTF-8' TEMPLATE template0",
        "LOCALE 'en_US.UTF-8' TEMPLATE template0",
        "LOCALE_PROVIDER icu ICU_LOCALE 'de-u-ks-level1' LOCALE 'C.UTF-8' TEMPLATE template0",
    ] {
        let database = want!(database_in(options, cluster::shared));
        let store = database.open().await;
        let ours = tenant(&store).await;
        // Names from all over Unicode: letters, marks, signs, and their cases.
        let mut names = Vec::new();
        for at in 0_u32..5000 {
            let char =
                char::from_u32(0x20 + at * 37 % 0x2_0000).filter(|char| !char.is_control() && !char.is_whitespace());
            names.push(format!("{}{}x{at}", char.unwrap_or('é'), if at % 2 == 0 { "Å" } else { "ß" }));
        }
        let edits: Vec<_> = names.iter().filter_map(|name| made(name)).collect();
        let count = edits.len();
        assert!(count > 4000, "{count}");
        for edits in edits.chunks(250) {
            let edits = edits.iter().map(|name| create(name)).collect();
            store.commit(ours, edits, origin()).await.unwrap();
        }
        let list: Vec<_> = summaries(&store, ours).await.into_iter().map(|(_, summary)| summary.name).collect();
        assert_eq!(list.len(), count);
        let mut sorted = list.clone();
        sorted.sort_by_key(|name| connectory_model::name_key(name));
        assert!(list == sorted, "{options}");
        lists.push(list);
    }
    assert!(lists.windows(2).all(|pair| pair[0] == pair[1]));
}

/// The name, if a connector can have it.
fn made(name: &str) -> Option<&str> {
    let list = serde_json::json!([{"name": name}]).to_string();
    connectory_model::import::from_json(list.as_bytes()).is_ok().then_some(name)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenants_do_not_wait_for_each_other_and_never_deadlock() {
    let database = want!(database());
    let store = database.open().await;
    let (ours, theirs) = two_tenants(&store, &database).await;
    let ((one, _), (two, _)) = (database.node(ours).await, database.node(theirs).await);
    // Each task waits for its commit, so each commit is a batch of its own.
    let each = async |store: &Store, tenant, name: &str| {
        let mut made = commit(store, tenant, create(name)).await;
        for _ in 1..2500 {
            let update = edit(Change::Update { expected: made }, connector(name));
            made = commit(store, tenant, update).await;
        }
    };
    tokio::join!(each(&one, ours, "a"), each(&one, theirs, "b"), each(&two, ours, "c"), each(&two, theirs, "d"));
    assert_eq!(database.psql("SELECT count(*) FROM revisions"), "10000");
    // The lock of one tenant is held for a while; the other is as fast as before.
    let mut quiet: Vec<Duration> = Vec::new();
    let mut busy = Vec::new();
    for (times, held) in [(&mut quiet, None), (&mut busy, Some(database.hold(ours_id(&database), 4.5)))] {
        let late = held.is_some().then(|| {
            tokio::spawn({
                let one = one.clone();
                async move { commit(&one, ours, create("waits")).await }
            })
        });
        for at in 0..60 {
            let began = Instant::now();
            commit(&two, theirs, create(&format!("{} {at}", late.is_some()))).await;
            two.fresh(theirs).await.unwrap();
            times.push(began.elapsed());
        }
        if let Some((held, late)) = held.zip(late) {
            assert!(!late.is_finished(), "the other tenant waits for its lock");
            held.join().unwrap();
            late.await.unwrap();
        }
    }
    let p99 = |times: &mut Vec<Duration>| {
        times.sort();
        times[58]
    };
    let (quiet, busy) = (p99(&mut quiet), p99(&mut busy));
    assert!(busy < quiet * 3 + Duration::from_millis(50), "{quiet:?} {busy:?}");
}

fn ours_id(database: &Database) -> i64 {
    database.psql("SELECT min(id) FROM tenants").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_caller_leaves_no_transaction() {
    let database = want!(database());
    let store = database.open().await;
    let ours = tenant(&store).await;
    let held = database.hold(1, 4.0);
    for at in 0..20 {
        let name = format!("c{at}");
        let commit = store.commit(ours, vec![create(&name)], origin());
        assert!(timeout(Duration::from_millis(5), commit).await.is_err());
        let id = RevisionId { tenant: ours, number: number(1) };
        let _late = timeout(Duration::from_micros(1), store.find(id, 9)).await;
        let made = store.create_client("default".to_owned(), client(&name), by());
        let _late = timeout(Duration::from_micros(1), made).await;
    }
    held.join().unwrap();
    commit(&store, ours, create("last")).await;
    for _ in 0..100 {
        let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'";
        if database.psql(open) == "0" {
            return;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("{}", database.psql("SELECT state, query FROM pg_stat_activity WHERE datname = current_database()"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_does_not_wait_for_one_that_was_cancelled() {
    let database = want!(database());
    let store = database.open().await;
    let ours = tenant(&store).await;
    commit(&store, ours, create("HR")).await;
    let lock = std::thread::spawn({
        let (name, socket) = (database.name.clone(), database.cluster.socket());
        move || cluster::psql(&socket, &name, "BEGIN; LOCK TABLE revisions; SELECT pg_sleep(6); COMMIT")
    });
    database.wait_for_locked_table("revisions");
    // More than there are connections.
    for _ in 0..10 {
        let found = store.find(RevisionId { tenant: ours, number: number(1) }, 9);
        assert!(timeout(Duration::from_millis(30), found).await.is_err(), "the table is locked");
    }
    assert_eq!(timeout(Duration::from_secs(3), store.tenants()).await.unwrap().unwrap().len(), 1);
    assert!(!lock.is_finished());
    lock.join().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_history_than_before_is_noticed_and_loaded() {
    let database = want!(database());
    let ours = tenant(&database.open().await).await;
    let (store, followed) = database.node(ours).await;
    for name in ["a", "b", "c"] {
        commit(&store, ours, create(name)).await;
    }
    // As after a restore of a backup without the last commit, and another commit since then.
    let rewind = "DELETE FROM revisions WHERE number = 3; DELETE FROM connectors WHERE script_name = 'c';";
    database.psql(rewind);
    assert!(matches!(store.fresh(ours).await, Err(StoreError::Unavailable(Unavailable::Lost))));
    assert_eq!(followed.lost(), 1);
    assert_eq!(load(&store, &followed, ours).await.number, number(2));
    store.fresh(ours).await.unwrap();
    assert_eq!(followed.names(), ["a", "b"]);
    // The same number with another commit. A commit notices it too.
    database.psql("UPDATE revisions SET commit_id = gen_random_uuid() WHERE number = 2");
    let refused = store.commit(ours, vec![create("d")], origin()).await.unwrap_err();
    assert!(matches!(refused, Refusal::Store(StoreError::Unavailable(Unavailable::Lost))), "{refused}");
    assert_eq!(followed.lost(), 1, "since it was loaded");
    load(&store, &followed, ours).await;
    assert_eq!(commit(&store, ours, create("d")).await, number(3));
    assert_eq!(followed.names(), ["a", "b", "d"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_is_refused_until_it_is_promoted() {
    let database = want!(database_in("", || Cluster::start(&["fsync = off"])));
    let ours = tenant(&database.open().await).await;
    let (store, followed) = database.node(ours).await;
    commit(&store, ours, create("before")).await;
    store.fresh(ours).await.unwrap();
    database.cluster.pg_ctl("stop");
    let gone = store.fresh(ours).await.unwrap_err();
    assert!(matches!(gone, StoreError::Unavailable(_)), "{gone}");
    // The server comes back as a standby.
    std::fs::write(database.cluster.socket().join("data/standby.signal"), "").unwrap();
    database.cluster.pg_ctl("start");
    // The connections of before break first.
    let is_broken =
        |error: &StoreError| matches!(error, StoreError::Unavailable(Unavailable::Disconnected | Unavailable::Slow));
    let refused = loop {
        match store.commit(ours, vec![create("HR")], origin()).await.unwrap_err() {
            Refusal::Store(error) if is_broken(&error) => {}
            refused => break refused,
        }
    };
    assert!(matches!(refused, Refusal::Store(StoreError::Unavailable(Unavailable::ReadOnly))), "{refused}");
    let standby = loop {
        match store.fresh(ours).await.unwrap_err() {
            error if is_broken(&error) => {}
            error => break error,
        }
    };
    assert!(matches!(standby, StoreError::Unavailable(Unavailable::ReadOnly)), "{standby}");
    database.cluster.pg_ctl("promote");
    while store.fresh(ours).await.is_err() {}
    assert_eq!(commit(&store, ours, create("after")).await, number(2));
    assert_eq!((followed.names(), followed.lost()), (vec!["after".to_owned(), "before".to_owned()], 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_connection_is_ended_is_never_made_twice_nor_denied() {
    let database = want!(database());
    let ours = tenant(&database.open().await).await;
    let (store, followed) = database.node(ours).await;
    let done = Arc::new(AtomicBool::new(false));
    let killing = std::thread::spawn({
        let (name, socket, done) = (database.name.clone(), database.cluster.socket(), Arc::clone(&done));
        move || {
            let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                           WHERE datname = current_database() AND pid <> pg_backend_pid()";
            while !done.load(Ordering::Relaxed) {
                cluster::psql(&socket, &name, sql);
                std::thread::sleep(Duration::from_millis(60));
            }
        }
    });
    let creates = (0..1000).map(|at| {
        let store = &store;
        async move {
            let name = format!("c{at}");
            match store.commit(ours, vec![create(&name)], origin()).await {
                Ok(numbers) => (name, Some(numbers[0])),
                // Nothing was done.
                Err(Refusal::Store(StoreError::Unavailable(_))) => (name, None),
                Err(error) => panic!("{error}"),
            }
        }
    });
    let results: Vec<(String, Option<RevisionNumber>)> =
        futures_util::StreamExt::collect(futures_util::StreamExt::buffered(futures_util::stream::iter(creates), 8))
            .await;
    done.store(true, Ordering::Relaxed);
    killing.join().unwrap();
    let store = database.open().await;
    let revisions = store.revisions(ours, None, None, 2000).await.unwrap();
    let made: HashMap<_, _> =
        revisions.iter().map(|revision| (revision.script_name.to_string(), revision.number)).collect();
    assert_eq!(made.len(), revisions.len(), "one revision each");
    let mut failed = 0;
    for (name, number) in &results {
        assert_eq!(made.get(name), number.as_ref(), "{name}");
        failed += usize::from(number.is_none());
    }
    assert!(failed > 0 && failed < 1000, "{failed} failed");
    let numbers: Vec<_> = revisions.iter().rev().map(|revision| revision.number.get()).collect();
    assert_eq!(numbers, (1..=i64::try_from(made.len()).unwrap()).collect::<Vec<_>>(), "no gaps");
    assert_eq!(followed.connectors().len(), made.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_on_the_standby_is_never_acknowledged() {
    is_not_acknowledged("C", "division by zero").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_on_the_standby_is_never_acknowledged_in_german() {
    is_not_acknowledged("en_US.UTF-8", "Division durch Null").await;
}

/// Cancels the wait for a standby that is not there, in a database with messages of this locale.
async fn is_not_acknowledged(locale: &str, message: &str) {
    let messages = format!("lc_messages = '{locale}'");
    let database = want!(database_in("", || Cluster::start(&["fsync = off", &messages])));
    let said = database.psql(
        "CREATE FUNCTION pg_temp.said() RETURNS text LANGUAGE plpgsql AS
             $$ BEGIN PERFORM 1 / 0; EXCEPTION WHEN division_by_zero THEN RETURN SQLERRM; END $$;
         SELECT pg_temp.said()",
    );
    assert!(said.ends_with(message), "{said}");
    let ours = tenant(&database.open().await).await;
    // The result of a commit is in a warning.
    database.psql(&format!("ALTER DATABASE {} SET client_min_messages = error", database.name));
    let (store, followed) = database.node(ours).await;
    commit(&store, ours, create("before")).await;
    database.psql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    database.psql("SELECT pg_reload_conf()");
    let run = {
        let (name, socket) = (database.name.clone(), database.cluster.socket());
        move |sql: &str| cluster::psql(&socket, &name, sql)
    };
    // The server reads its settings when it has time. Then commits wait for a standby.
    let waits = {
        let run = run.clone();
        move || run("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") != "0"
    };
    while !waits() {
        let run = run.clone();
        std::thread::spawn(move || run("UPDATE settings SET value = value"));
        std::thread::sleep(Duration::from_millis(200));
    }
    // Someone cancels the wait, and PostgreSQL reports success with a warning.
    let done = Arc::new(AtomicBool::new(false));
    let cancelling = std::thread::spawn({
        let done = Arc::clone(&done);
        move || {
            while !done.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(250));
                run("SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
            }
        }
    });
    let began = Instant::now();
    let committing = tokio::spawn({
        let store = store.clone();
        async move { store.commit(ours, vec![create("during")], origin()).await }
    });
    // Every connection sees it soon. This node shows it when it is looked up no more.
    while !committing.is_finished() {
        let _unavailable = store.fresh(ours).await;
        let is_shown = followed.names() != ["before"];
        assert!(!is_shown || began.elapsed() > Duration::from_secs(10), "{:?}", began.elapsed());
    }
    let result = committing.await.unwrap();
    let unconfirmed = |error: &StoreError| matches!(error, StoreError::Uncertain(Unavailable::Unconfirmed));
    assert!(matches!(&result, Err(Refusal::Store(error)) if unconfirmed(error)), "{result:?}");
    let checked = store.check_writes().await.unwrap_err().to_string();
    assert!(checked.contains("does not confirm that changes are kept"), "{checked}");
    assert!(began.elapsed() < Duration::from_secs(22), "{:?}", began.elapsed());
    // Another node has it, and must not say that it is kept.
    let other = database.open().await;
    assert_eq!(summaries(&other, ours).await.len(), 2);
    let confirmed = other.confirm(ours).await;
    assert!(unconfirmed(confirmed.as_ref().unwrap_err()), "{confirmed:?}");
    database.psql("ALTER SYSTEM RESET synchronous_standby_names");
    database.psql("SELECT pg_reload_conf()");
    // Until the server has read its settings, commits wait and are cancelled.
    while commit_result(&store, ours, "after").await.is_err() {}
    while other.confirm(ours).await.is_err() {}
    done.store(true, Ordering::Relaxed);
    cancelling.join().unwrap();
    // It was done, and the next commit went on from there.
    let names: Vec<_> = summaries(&store, ours).await.into_iter().map(|(_, summary)| summary.name).collect();
    assert_eq!(names, ["after", "before", "during"]);
}

/// Whether a connector is there after a create: it may have been made by one before whose outcome was not known.
async fn commit_result(store: &Store, tenant: TenantId, name: &str) -> Result<(), Refusal> {
    match store.commit(tenant, vec![create(name)], origin()).await {
        Ok(_) | Err(Refusal::NameTaken { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_is_held_too_long_is_a_refusal() {
    let database = want!(database());
    let store = database.open().await;
    let ours = tenant(&store).await;
    let held = database.hold(1, 9.0);
    let began = Instant::now();
    let refused = store.commit(ours, vec![create("HR")], origin()).await.unwrap_err();
    assert!(matches!(refused, Refusal::Store(StoreError::Unavailable(Unavailable::Locked))), "{refused}");
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    // That says nothing about other tenants.
    store.check_writes().await.unwrap();
    held.join().unwrap();
    commit(&store, ours, create("HR")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_that_are_missing_for_a_while_are_no_fault_of_the_server() {
    let database = want!(database());
    let store = database.open().await;
    let ours = tenant(&store).await;
    commit(&store, ours, create("HR")).await;
    // As in a restore: tables are there before their keys, and functions come late.
    for (gone, back) in [
        ("ALTER TABLE connectors RENAME TO away", "ALTER TABLE away RENAME TO connectors"),
        ("ALTER FUNCTION recent RENAME TO away", "ALTER FUNCTION away RENAME TO recent"),
        (
            "ALTER TABLE deleted DROP CONSTRAINT deleted_pkey",
            "ALTER TABLE deleted ADD PRIMARY KEY (tenant_id, script_name)",
        ),
        ("ALTER TABLE revisions RENAME body TO away", "ALTER TABLE revisions RENAME away TO body"),
    ] {
        database.psql(gone);
        let delete = edit(Change::Delete { expected: number(1) }, support::connector("HR"));
        let refused = store.commit(ours, vec![delete], origin()).await.unwrap_err();
        assert!(matches!(refused, Refusal::Store(StoreError::Unavailable(Unavailable::Tables))), "{gone}: {refused:?}");
        database.psql(back);
    }
    commit(&store, ours, create("CRM")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_stops_in_the_middle_of_what_it_sends_holds_nobody_up_for_ever() {
    let database = want!(database());
    let store = database.open().await;
    let ours = tenant(&store).await;
    let kind = i32::from_be_bytes(*b"cty\x01");
    // It has the lock, and its data does not come.
    let mut stopped = cluster::psql_process(&database.cluster.socket(), &database.name);
    let sql = format!(
        "BEGIN; SELECT pg_advisory_xact_lock({kind}, 1); CREATE TEMP TABLE t (a text); COPY t FROM STDIN;\na\n"
    );
    let mut input = stopped.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, sql.as_bytes()).unwrap();
    std::io::Write::flush(&mut input).unwrap();
    database.wait_for_lock();
    let began = Instant::now();
    while store.commit(ours, vec![create("HR")], origin()).await.is_err() {
        assert!(began.elapsed() < Duration::from_mins(1), "{:?}", began.elapsed());
    }
    assert!(began.elapsed() > Duration::from_secs(25), "a process that runs is not ended");
    drop(input);
    let _ended = stopped.wait();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_whose_numbers_are_taken_starts_again() {
    let database = want!(database());
    let store = database.open().await;
    let ours = tenant(&store).await;
    commit(&store, ours, create("one")).await;
    // A database without the lock: another commit comes between the read and the write.
    database.psql(
        "CREATE FUNCTION overtake() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF NEW.script_name = 'two' AND NOT EXISTS (SELECT 1 FROM settings WHERE name = 'overtaken') THEN
                 RAISE unique_violation;
             END IF;
             RETURN NEW;
         END $$;
         CREATE TRIGGER overtake BEFORE INSERT ON revisions FOR EACH ROW EXECUTE FUNCTION overtake()",
    );
    let late = tokio::spawn({
        let store = store.clone();
        async move { store.commit(ours, vec![create("two")], origin()).await }
    });
    let result = late.await.unwrap();
    assert!(matches!(result, Err(Refusal::Store(StoreError::Unavailable(Unavailable::Busy)))), "bounded: {result:?}");
    database.psql("INSERT INTO settings VALUES ('overtaken', '')");
    assert_eq!(commit(&store, ours, create("two")).await, number(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_takes_too_long_to_read_is_loaded_anew() {
    let database = want!(database());
    let store = database.open().await;
    let ours = tenant(&store).await;
    let (other, followed) = database.node(ours).await;
    commit(&store, ours, create("HR")).await;
    let held = {
        let (name, socket) = (database.name.clone(), database.cluster.socket());
        let sql = "BEGIN; LOCK TABLE connectors IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(9); COMMIT";
        std::thread::spawn(move || drop(cluster::psql(&socket, &name, sql)))
    };
    database.wait_for_locked_table("connectors");
    let began = Instant::now();
    while followed.lost() == 0 {
        assert!(other.fresh(ours).await.is_err());
        assert!(began.elapsed() < Duration::from_secs(8), "it would be late each time");
    }
    held.join().unwrap();
}

/// The two numbers of the schema.
const SCHEMA: &str = "SELECT version, expanded FROM connectory_schema";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_together_make_one_schema() {
    let database = want!(database());
    let stores = all((0..8).map(|_| database.open())).await;
    let issuers = all(stores.iter().map(|store| async { store.issuer().await.unwrap() })).await;
    assert!(issuers.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(database.psql(SCHEMA), "7|7");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_of_the_second_schema_gets_an_incarnation_and_keeps_what_it_has() {
    let database = want!(database());
    let store = database.open().await;
    let tenant = tenant(&store).await;
    commit(&store, tenant, create("HR")).await;
    let issuer = store.issuer().await.unwrap();
    // As the second schema had it.
    database.psql("DELETE FROM settings WHERE name = 'incarnation'");
    let before = "ALTER TABLE revisions DROP CONSTRAINT revisions_format_check,
                      ADD CONSTRAINT revisions_format_check CHECK (format BETWEEN 3 AND 4)";
    database.psql(before);
    database.psql("ALTER TABLE tenants DROP COLUMN removed_bytes");
    database.age();
    database.psql("UPDATE connectory_schema SET version = 2");
    assert!(store.incarnation().await.is_err());
    let store = database.open().await;
    assert_eq!(store.incarnation().await.unwrap().len(), 32);
    assert_eq!(store.incarnation().await.unwrap(), database.open().await.incarnation().await.unwrap());
    assert_eq!(store.issuer().await.unwrap(), issuer);
    assert_eq!(support::summaries(&store, tenant).await.len(), 1);
    database.psql("UPDATE revisions SET format = 0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn databases_of_every_schema_are_brought_up_to_date() {
    let migrations =
        [include_str!("../src/postgres/migrations/1.sql"), include_str!("../src/postgres/migrations/2.sql")];
    for version in 1..=migrations.len() {
        let database = want!(database());
        let made = "CREATE TABLE connectory_schema (version bigint NOT NULL)";
        let had = "INSERT INTO tenants (uuid, name, created_at) VALUES ('u', 'theirs', 1);
                   INSERT INTO clients VALUES ('id', 1, 'name', 'hash', 'ORG_ADMIN', 'sp:scopes:all', 1);
                   INSERT INTO connectors VALUES (1, 'gone', 'gone', 1, '{}');
                   DELETE FROM connectors";
        let all = [&[made][..], &migrations[..version], &[had]].concat().join(";\n");
        database.psql(&format!("{all}; INSERT INTO connectory_schema VALUES ({version})"));
        let issuer = database.psql("SELECT value FROM settings WHERE name = 'issuer'");
        let store = database.open().await;
        assert_eq!(database.psql(SCHEMA), "4|7");
        assert_eq!(store.issuer().await.unwrap(), issuer);
        assert_eq!(store.client("id".to_owned()).await.unwrap().unwrap().tenant.name, "theirs");
        assert_eq!(store.incarnation().await.unwrap().len(), 32);
        let theirs = store.tenants().await.unwrap()[0].id;
        commit(&store, theirs, create("HR")).await;
        assert_eq!(summaries(&store, theirs).await.len(), 1);
    }
}

impl Database {
    /// Makes the schema the one of the version before, as that version had made it.
    fn age(&self) {
        self.psql(
            "DROP TABLE rate_windows, leases; DROP FUNCTION take_permits;
             ALTER TABLE tenants DROP COLUMN suspended_at, DROP COLUMN deleted_at, DROP COLUMN removed_at;
             ALTER TABLE connectory_schema DROP COLUMN expanded; UPDATE connectory_schema SET version = 4",
        );
    }

    fn access(&self) -> AccessDb {
        AccessDb::open_postgres(&Address::parse(&self.cluster.address(&self.name), |_| None).unwrap()).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn older_servers_go_on_until_the_update_is_finished() {
    let database = want!(database());
    let store = database.open().await;
    let tenant = tenant(&store).await;
    database.age();
    let (older, followed) = database.node(tenant).await;
    // That was the start of a newer server. Older ones read the first number only.
    assert_eq!(database.psql(SCHEMA), "4|7");
    commit(&older, tenant, create("HR")).await;
    // Older ones could not read this.
    let refused = older.commit(tenant, vec![edit(Change::Create, encoded("Latin"))], origin()).await.unwrap_err();
    assert!(matches!(refused, Refusal::Store(StoreError::Unfinished)), "{refused:?}");
    let access = database.access();
    let (before, now) = access.schema(false).unwrap().unwrap();
    assert_eq!((before, now.version, now.expanded), (now, 4, 7));
    let (before, now) = access.schema(true).unwrap().unwrap();
    assert_eq!((before.version, now.version, now.expanded), (4, 7, 7));
    assert_eq!(database.psql(SCHEMA), "7|7");
    commit(&older, tenant, edit(Change::Create, encoded("Latin"))).await;
    // As a server sees it that does not know the schema any more: nothing is done, and it says why.
    database.psql("UPDATE connectory_schema SET version = 99");
    let refused = older.commit(tenant, vec![create("IT")], origin()).await.unwrap_err();
    assert!(matches!(refused, Refusal::Store(StoreError::Unavailable(Unavailable::Newer))), "{refused:?}");
    let refused = older.fresh(tenant).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unavailable(Unavailable::Newer)), "{refused:?}");
    let refused = older.check_reads().await.unwrap_err();
    assert!(matches!(refused, StoreError::Unavailable(Unavailable::Newer)), "{refused:?}");
    let refused = older.check_writes().await.unwrap_err();
    assert!(matches!(refused, StoreError::Unavailable(Unavailable::Newer)), "{refused:?}");
    // What a newer one has only prepared is no matter. To finish that is the newer one's.
    database.psql("UPDATE connectory_schema SET version = 7, expanded = 99");
    older.fresh(tenant).await.unwrap();
    commit(&older, tenant, create("IT")).await;
    assert_eq!(followed.lost(), 0);
    assert_eq!(summaries(&database.open().await, tenant).await.len(), 3);
    let refused = access.schema(true).unwrap_err().to_string();
    assert!(refused.contains("a newer connectory has prepared the schema 99"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_starts_while_a_copy_begins_does_not_serve_it() {
    let database = want!(database());
    let starting = database.open().await;
    // What a copy commits first, and then a part of what it copies.
    database.psql(
        "CREATE TABLE unfinished_copy (source text, state text, records bigint, sha256 text);
         INSERT INTO unfinished_copy VALUES ('sqlite:/c.db', 's', 1, 'd');
         INSERT INTO tenants (uuid, name, created_at) VALUES ('u', 'theirs', 1)",
    );
    let key = SigningKey { id: "ours".to_owned(), pem: "ours".to_owned(), is_new: true };
    let refused = starting.bootstrap("default".to_owned(), client("first"), by()).await.unwrap_err();
    assert!(matches!(refused, StoreError::HalfCopied { .. }), "{refused:?}");
    let refused = starting.signing_keys(key).await.err().unwrap();
    assert!(matches!(refused, StoreError::HalfCopied { .. }), "{refused:?}");
    assert_eq!(database.psql("SELECT count(*) FROM signing_keys"), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_waits_for_open_transactions_and_holds_nobody_up() {
    let database = want!(database());
    let store = database.open().await;
    let tenant = tenant(&store).await;
    let (node, _) = database.node(tenant).await;
    // The fourth migration changes the table of tenants, which someone reads in a transaction that stays open.
    database.age();
    database.psql("ALTER TABLE tenants DROP COLUMN removed_bytes; UPDATE connectory_schema SET version = 3");
    let (name, socket) = (database.name.clone(), database.cluster.socket());
    let held = std::thread::spawn(move || {
        drop(cluster::psql(&socket, &name, "BEGIN; SELECT count(*) FROM tenants; SELECT pg_sleep(6); COMMIT"));
    });
    database.wait_for(
        "SELECT count(*) FROM pg_locks WHERE relation = 'tenants'::regclass AND granted AND pid <> pg_backend_pid()",
    );
    let began = Instant::now();
    let opening = tokio::spawn({
        let address = Address::parse(&database.cluster.address(&database.name), |_| None).unwrap();
        async move { Store::open_postgres(&address).await.map(drop) }
    });
    let mut longest = Duration::ZERO;
    while !opening.is_finished() {
        let asked = Instant::now();
        // It reads the table of tenants. The column is what is missing, not the table.
        drop(node.tenants().await);
        longest = longest.max(asked.elapsed());
        sleep(Duration::from_millis(20)).await;
    }
    opening.await.unwrap().unwrap();
    assert!(began.elapsed() > Duration::from_secs(4), "it has waited for the transaction");
    assert!(longest < Duration::from_secs(3), "others have waited for {longest:?}");
    held.join().unwrap();
    assert_eq!(database.psql(SCHEMA), "4|7");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_cannot_be_used_is_refused_with_a_reason() {
    let database = want!(database());
    let open = async |name: &str| {
        let address = Address::parse(&database.cluster.address(name), |_| None).unwrap();
        Store::open_postgres(&address).await.err().unwrap().to_string()
    };
    let latin1 = database.cluster.create_database("ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
    assert!(open(&latin1).await.contains("its encoding is LATIN1"));
    let foreign = database.cluster.create_database("");
    database.cluster.psql(&foreign, "CREATE TABLE settings (a int)");
    assert!(open(&foreign).await.contains("tables of another program"));
    database.open().await;
    database.psql("UPDATE connectory_schema SET version = 99");
    assert!(open(&database.name).await.contains("its schema has version 99"));
    // Its user may do nothing there.
    let poor = database.cluster.create_database("");
    database.cluster.psql(&poor, "DROP SCHEMA public CASCADE");
    let why = open(&poor).await;
    assert!(why.contains("cannot create or use the tables") && why.contains("search_path"), "{why}");
    let theirs = database.cluster.create_database("");
    database.cluster.psql(&theirs, &format!("CREATE ROLE {theirs} LOGIN"));
    let address = database.cluster.address(&theirs).replacen("postgres@", &format!("{theirs}@"), 1);
    let address = Address::parse(&address, |_| None).unwrap();
    let why = Store::open_postgres(&address).await.err().unwrap().to_string();
    assert!(why.contains("cannot create or use the tables (permission denied"), "{why}");
}
