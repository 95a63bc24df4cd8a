//! The faults of a run, drawn from its seed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::client::Run;
use crate::cluster::Node;
use crate::postgres::Postgres;
use crate::proxy::{Proxy, Rules, Trap};

/// What happens to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// SIGSTOP, and later SIGCONT.
    Stop,
    /// SIGKILL, and later a new start.
    Kill,
    /// Bytes between server and database wait.
    Pause,
    /// Bytes to the database are late.
    LateToDatabase,
    /// Bytes from the database are late.
    LateToServer,
    /// Bytes are lost, and connections stay open.
    Silence,
    /// A connection breaks before its commit reaches the database.
    CutBeforeCommit,
    /// A connection breaks before the answer to its commit arrives.
    CutAfterCommit,
    /// The rest of what a transaction writes is lost, and the connection stays open.
    LoseRest,
    /// SIGSTOP while a transaction of the server has its lock, and later SIGCONT.
    StopWithLock,
    /// The database ends all connections of the server.
    Terminate,
}

/// The faults that need no database server.
pub const OF_PROCESSES: &[Kind] = &[Kind::Stop, Kind::Kill];

/// All faults.
pub const ALL: &[Kind] = &[
    Kind::Stop,
    Kind::Kill,
    Kind::Pause,
    Kind::LateToDatabase,
    Kind::LateToServer,
    Kind::Silence,
    Kind::CutBeforeCommit,
    Kind::CutAfterCommit,
    Kind::LoseRest,
    Kind::StopWithLock,
    Kind::Terminate,
];

/// How long a trap waits for its moment.
const MOMENT: Duration = Duration::from_secs(2);

/// A server with its way to the database.
pub struct Target {
    pub node: Node,
    /// The proxy and the database. None for SQLite, which has no faults of the network.
    pub network: Option<(Proxy, Arc<Postgres>)>,
}

/// Makes faults of these kinds on each server until the run ends. Afterwards there are none. Returns how many there were.
pub async fn make_faults(
    run: &Arc<Run>,
    targets: &[Arc<Target>],
    kinds: &'static [Kind],
    seed: u64,
) -> BTreeMap<Kind, usize> {
    let tasks: Vec<_> = targets
        .iter()
        .zip(500..)
        .map(|(target, number)| {
            let random = StdRng::seed_from_u64(seed.wrapping_mul(1000).wrapping_add(number));
            tokio::spawn(make_faults_on(Arc::clone(run), Arc::clone(target), kinds, random))
        })
        .collect();
    let mut all = BTreeMap::new();
    for task in tasks {
        for (kind, count) in task.await.unwrap() {
            *all.entry(kind).or_default() += count;
        }
    }
    all
}

async fn make_faults_on(
    run: Arc<Run>,
    target: Arc<Target>,
    kinds: &[Kind],
    mut random: StdRng,
) -> BTreeMap<Kind, usize> {
    let mut counts = BTreeMap::new();
    loop {
        sleep(Duration::from_millis(random.random_range(300..2500))).await;
        let Some(&kind) = kinds.choose(&mut random).filter(|_| run.clock.now() < run.until) else { return counts };
        let time = Duration::from_millis(random.random_range(200..2000));
        if target.make(kind, time).await {
            *counts.entry(kind).or_default() += 1;
        }
    }
}

impl Target {
    /// Makes a fault, which takes about this time. Returns whether it happened.
    async fn make(&self, kind: Kind, time: Duration) -> bool {
        match kind {
            Kind::Stop => self.stop(time).await,
            Kind::Kill => {
                self.node.kill();
                sleep(time / 4).await;
                // Another server may have a fault that keeps this one from its start.
                let mut attempts = 0;
                while let Err(error) = self.node.restart().await {
                    attempts += 1;
                    assert!(attempts < 20, "{error}");
                    self.node.kill();
                }
            }
            Kind::Pause => self.network(Rules { is_paused: true, ..Rules::default() }, time).await,
            Kind::Silence => self.network(Rules { is_silent: true, ..Rules::default() }, time).await,
            Kind::LateToDatabase => self.network(Rules { to_database: time / 8, ..Rules::default() }, time).await,
            Kind::LateToServer => self.network(Rules { to_server: time / 8, ..Rules::default() }, time).await,
            Kind::CutBeforeCommit => return self.proxy().trap(Trap::CutBeforeCommit, MOMENT).await,
            Kind::CutAfterCommit => return self.proxy().trap(Trap::CutAfterCommit, MOMENT).await,
            Kind::LoseRest => return self.proxy().trap(Trap::LoseRest, MOMENT).await,
            Kind::StopWithLock => {
                let (sender, held) = oneshot::channel();
                if !self.proxy().trap(Trap::HoldLock(sender), MOMENT).await {
                    return false;
                }
                // The answer is released while the server cannot read it.
                let Ok(release) = held.await else { return false };
                self.node.pause();
                drop(release);
                sleep(time).await;
                self.node.resume();
            }
            Kind::Terminate => {
                let (proxy, postgres) = self.network.as_ref().unwrap();
                let ports: BTreeSet<_> = proxy.ports();
                postgres.terminate(&postgres.admin().await, &ports).await;
            }
        }
        true
    }

    fn proxy(&self) -> &Proxy {
        &self.network.as_ref().expect("these kinds of faults are for servers with a network").0
    }

    async fn stop(&self, time: Duration) {
        self.node.pause();
        sleep(time).await;
        self.node.resume();
    }

    async fn network(&self, rules: Rules, time: Duration) {
        self.proxy().set(rules);
        sleep(time).await;
        self.proxy().set(Rules::default());
    }
}
