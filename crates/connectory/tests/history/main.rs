//! Checks histories: many clients write and read at the same time, faults happen, and what the clients saw must be what
//! one server without faults could have shown them.
//!
//! `log` has what clients logged, `model` what one connector promises, and `check` what is checked. `faults` is what
//! happens to the servers meanwhile, and `proxy` what happens between them and PostgreSQL. `fronts` shows that
//! the checker finds what is wrong.
//!
//! `CONNECTORY_HISTORY_SECONDS` is the time of a run, and `CONNECTORY_HISTORY_SEED` its seed. The same seed gives the
//! same requests and faults, but not the same times.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod check;
mod client;
mod cluster;
mod faults;
mod fronts;
mod log;
mod model;
mod postgres;
mod proxy;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use tempfile::TempDir;

use self::check::{Fault, Faults, Revisions, check, revisions};
use self::client::{Api, Run, run_clients};
use self::cluster::{Node, open};
use self::faults::{Kind, Target, make_faults};
use self::fronts::Wrong;
use self::log::{Log, Outcome};
use self::postgres::Postgres;
use self::proxy::{Proxy, Trap};

const CLIENTS: usize = 16;
/// How many runs may be needed to find what is planted.
const ATTEMPTS: u64 = 5;
/// The longest wait until all servers answer again after the last fault.
const RECOVERY: Duration = Duration::from_secs(30);

/// A number of a variable, or else a default.
fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap_or_else(|_| panic!("{name} is not a number")))
}

fn seed() -> u64 {
    variable("CONNECTORY_HISTORY_SEED", rand::random::<u32>().into())
}

/// Prints what a run did.
fn report(what: &str, seed: u64, log: &Log, revisions: &Revisions) {
    let (statistics, revisions) = (log.statistics(), revisions.numbers.len());
    println!("{what}: CONNECTORY_HISTORY_SEED={seed}, {revisions} revisions, {statistics}");
}

/// Fails with the first faults of each kind of a run.
fn must_be_right(seed: u64, faults: &Faults) {
    let mut kinds = BTreeMap::<_, Vec<_>>::new();
    for (fault, text) in faults {
        kinds.entry(*fault).or_default().push(text.as_str());
    }
    let counts: Vec<_> = kinds.iter().map(|(fault, texts)| format!("{fault:?} {}", texts.len())).collect();
    let first: Vec<_> = kinds.values().flat_map(|texts| &texts[..texts.len().min(2)]).copied().collect();
    assert!(
        faults.is_empty(),
        "faults with CONNECTORY_HISTORY_SEED={seed}: {}; the first of each kind are:\n\n{}",
        counts.join(", "),
        first.join("\n\n")
    );
}

/// Runs clients through a front of one server with SQLite.
async fn run_through(wrong: Wrong, time: Duration, seed: u64) -> (Log, Revisions) {
    let folder = TempDir::new().unwrap();
    let database = format!("sqlite:{}", folder.path().join("c.db").display());
    let node = Node::start(&database, folder.path(), None).await;
    let (url, front) = fronts::start(wrong, node.url()).await;
    let run = Run::new(Api::new(vec![url]).await, time);
    let log = run_clients(&run, CLIENTS, seed).await;
    front.abort();
    drop(node);
    (log, revisions(&open(&database).await).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_checker_finds_what_is_planted_and_nothing_else() {
    let seed = seed();
    for (wrong, expected) in [
        (Wrong::Nothing, None),
        (Wrong::StaleDetails, Some(Fault::Register)),
        (Wrong::StaleLists, Some(Fault::List)),
        (Wrong::LostPatches, Some(Fault::Revisions)),
        (Wrong::RepeatedWrites, Some(Fault::Revisions)),
        (Wrong::DeniedWrites, Some(Fault::Revisions)),
    ] {
        // A busy machine may need more than one run to meet what is wrong.
        let mut found = false;
        for seed in seed..seed + ATTEMPTS {
            let (log, revisions) = run_through(wrong, Duration::from_secs(1), seed).await;
            let faults = check(&log, &revisions);
            report(&format!("{wrong:?}"), seed, &log, &revisions);
            let Some(expected) = expected else {
                must_be_right(seed, &faults);
                found = true;
                break;
            };
            if let Some((_, first)) = faults.iter().find(|(fault, _)| *fault == expected) {
                println!("{} faults, the first of this kind: {first}", faults.len());
                found = true;
                break;
            }
        }
        assert!(found, "{wrong:?} was not found with CONNECTORY_HISTORY_SEED={seed}");
    }
}

/// Runs clients on these servers of a database, with these faults. The servers end before the revisions are read.
async fn run_on(
    what: &str,
    database: &str,
    targets: Vec<Target>,
    kinds: &'static [Kind],
    (time, seed): (Duration, u64),
) -> (Log, Faults) {
    let targets: Vec<_> = targets.into_iter().map(Arc::new).collect();
    let api = Api::new(targets.iter().map(|target| target.node.url()).collect()).await;
    let run = Run::new(api.clone(), time);
    let (log, made) = tokio::join!(run_clients(&run, CLIENTS, seed), make_faults(&run, &targets, kinds, seed));
    if let Err(error) = api.recovered(RECOVERY).await {
        let logs: Vec<_> = targets.iter().map(|target| target.node.log()).collect();
        panic!("CONNECTORY_HISTORY_SEED={seed}, faults {made:?}: {error}\n{}", logs.join("\n\n"));
    }
    for target in &targets {
        target.node.kill();
    }
    let revisions = revisions(&open(database).await).await;
    report(&format!("{what}, faults {made:?}"), seed, &log, &revisions);
    let faults = check(&log, &revisions);
    (log, faults)
}

/// Runs clients on one server with SQLite, with these faults.
async fn run_on_one(kinds: &'static [Kind]) -> Log {
    let folder = TempDir::new().unwrap();
    let database = format!("sqlite:{}", folder.path().join("c.db").display());
    let node = Node::start(&database, folder.path(), None).await;
    let time = Duration::from_secs(variable("CONNECTORY_HISTORY_SECONDS", 5).min(60));
    let seed = seed();
    let (log, faults) =
        run_on("one server", &database, vec![Target { node, network: None }], kinds, (time, seed)).await;
    must_be_right(seed, &faults);
    log
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_server_is_right() {
    let log = run_on_one(&[]).await;
    assert!(log.entries.iter().all(|entry| matches!(entry.outcome, Outcome::Known(_))), "each request has a result");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_server_that_is_stopped_and_killed_is_right() {
    run_on_one(faults::OF_PROCESSES).await;
}

/// Runs clients on three servers of a new PostgreSQL database. Returns what is wrong.
async fn run_on_three(
    postgres: &Arc<Postgres>,
    planted: Option<&'static str>,
    kinds: &'static [Kind],
    (time, seed): (Duration, u64),
) -> Faults {
    let folder = TempDir::new().unwrap();
    let database = format!("run_{}_{seed}", planted.unwrap_or("right"));
    postgres.admin().await.batch_execute(&format!("CREATE DATABASE {database}")).await.unwrap();
    let mut targets = Vec::new();
    for _ in 0..3 {
        let proxy = Proxy::start(postgres.socket()).await;
        let node = Node::start(&Postgres::address(proxy.port(), &database), folder.path(), planted).await;
        targets.push(Target { node, network: Some((proxy, Arc::clone(postgres))) });
    }
    let address = Postgres::address(postgres.socket().port(), &database);
    run_on("three servers", &address, targets, kinds, (time, seed)).await.1
}

/// Starts a server behind a proxy, on a PostgreSQL server of its own.
async fn one_behind_a_proxy() -> (Postgres, TempDir, Proxy, Node, Api) {
    let (postgres, folder) = (Postgres::start().await, TempDir::new().unwrap());
    let proxy = Proxy::start(postgres.socket()).await;
    let node = Node::start(&Postgres::address(proxy.port(), "postgres"), folder.path(), None).await;
    let api = Api::new(vec![node.url()]).await;
    (postgres, folder, proxy, node, api)
}

/// PostgreSQL has no limit of time for a transaction whose statements it got in part. So it ends with its connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_arrives_in_part_does_not_keep_its_lock() {
    if !postgres::is_wanted() {
        return;
    }
    let (_postgres, _folder, proxy, _node, api) = one_behind_a_proxy().await;
    let (is_sprung, recovered) = tokio::join!(proxy.trap(Trap::LoseRest, RECOVERY), api.recovered(RECOVERY));
    assert!(is_sprung);
    recovered.unwrap();
}

/// An error that ends the session says nothing of the transaction: the database may have stopped after it wrote the commit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_is_answered_with_the_end_of_the_session_is_looked_up() {
    if !postgres::is_wanted() {
        return;
    }
    let (postgres, _folder, proxy, node, api) = one_behind_a_proxy().await;
    // A pooler lost its connection; the disk of the database failed, or is full; the database ends; nobody knows.
    let errors = [
        ("FATAL", "08P01"),
        ("PANIC", "58030"),
        ("PANIC", "53100"),
        ("FATAL", "57P01"),
        ("FATAL", "08006"),
        ("ERROR", "40003"),
    ];
    for (at, (severity, code)) in errors.into_iter().enumerate() {
        let body = serde_json::json!({"name": format!("c{at}"), "className": "v0"});
        let create = async || api.request(0, Method::POST, "").json(&body).send().await.unwrap();
        let (is_sprung, made) = tokio::join!(proxy.trap(Trap::AnswerCommit(severity, code), RECOVERY), create());
        assert!(is_sprung);
        assert_eq!(made.status(), 200, "{severity} {code}: {}", made.text().await.unwrap());
        assert_eq!(create().await.status(), 400, "the name is taken");
    }
    node.kill();
    assert_eq!(revisions(&open(&Postgres::address(postgres.socket().port(), "postgres")).await).await.numbers.len(), 6);
}

/// A long run begins anew every minute.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_servers_of_one_database_with_faults_are_right() {
    if !postgres::is_wanted() {
        return;
    }
    let (mut seconds, mut seed) = (variable("CONNECTORY_HISTORY_SECONDS", 60), seed());
    let postgres = Arc::new(Postgres::start().await);
    while seconds > 0 {
        let time = Duration::from_secs(seconds.min(60));
        let faults = run_on_three(&postgres, None, faults::ALL, (time, seed)).await;
        must_be_right(seed, &faults);
        seconds = seconds.saturating_sub(60);
        // A failure prints the seed of its own minute.
        seed += 1;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_checker_finds_what_is_planted_in_three_servers() {
    if !postgres::is_wanted() {
        return;
    }
    let (seed, postgres) = (seed(), Arc::new(Postgres::start().await));
    // Reads that do not wait; commits that are shown without those before them; edits of older revisions.
    for planted in ["wait", "order", "condition"] {
        let mut faults = Faults::new();
        for seed in seed..seed + ATTEMPTS {
            faults = run_on_three(&postgres, Some(planted), &[], (Duration::from_secs(4), seed)).await;
            if !faults.is_empty() {
                break;
            }
        }
        println!("{planted}: {} faults, the first: {:?}", faults.len(), faults.first());
        assert!(!faults.is_empty(), "`{planted}` was not found with CONNECTORY_HISTORY_SEED={seed}");
    }
}
