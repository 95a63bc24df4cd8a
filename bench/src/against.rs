//! Compares the speed of this build with another build. Both serve copies of one catalog and take turns, so that both
//! run under the same conditions. The result is the median of the rounds' ratios, because single rounds differ by more
//! than the effect of a change.
//!
//! The order alternates between rounds, so that a machine that becomes slower or faster does not favour one build.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::load::{self, Requests};
use crate::options::{Extent, Options};
use crate::process::{Cores, Server, pin};
use crate::report::{median, quartiles};
use crate::{catalogue, connectory, database, works};

/// The smallest median ratio of the rates at which a build counts as equally fast.
const AS_FAST: f64 = 0.95;
/// The smallest number of rounds. Fewer rounds cannot distinguish a slower build from a busy machine often enough.
const LEAST_ROUNDS: usize = 21;

/// Compares this build with another binary. Prints the row of each kind of work as soon as it is measured.
pub fn run(options: &Options, other: &Path) -> Result<()> {
    let mut extent = options.extent(
        Extent { sizes: vec![300], connections: vec![1, 64], rounds: 3, milliseconds: 50 },
        Extent { sizes: vec![10_000], connections: vec![1, 64], rounds: LEAST_ROUNDS, milliseconds: 150 },
    );
    if !options.quick {
        extent.rounds = extent.rounds.max(LEAST_ROUNDS);
    }
    std::fs::create_dir_all(&options.work)?;
    let ours = connectory::build(options.quick)?;
    let binary = other.canonicalize().with_context(|| format!("there is no {}", other.display()))?;
    let cores = Cores::find()?;
    let builds = Builds {
        fingerprint: fingerprint(&binary)?,
        ours,
        other: binary,
        cores,
        work: options.work.clone(),
        works: options.works.clone(),
    };
    println!(
        "This build against {}: {} rounds, {} ms for each turn\n",
        other.display(),
        extent.rounds,
        extent.milliseconds
    );
    println!("{}\n{}", line(HEADER), line(["---"; COLUMNS]));
    pin(cores.load)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut rows = Vec::new();
    for size in &extent.sizes {
        rows.extend(runtime.block_on(builds.compare(*size, &extent))?);
    }
    conclude(&rows, other);
    let results = options.results.as_ref().unwrap_or(&options.work);
    std::fs::create_dir_all(results)?;
    Ok(std::fs::write(results.join("against.json"), serde_json::to_vec_pretty(&rows)?)?)
}

/// Computes a hash that identifies a binary.
fn fingerprint(binary: &Path) -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    std::fs::read(binary)?.hash(&mut hasher);
    Ok(hasher.finish())
}

/// The two binaries, and the cores and folders that they use.
struct Builds {
    ours: PathBuf,
    other: PathBuf,
    /// The fingerprint of the other binary.
    fingerprint: u64,
    cores: Cores,
    work: PathBuf,
    /// The names of the kinds of work to measure. Empty means all.
    works: Vec<String>,
}

/// One of the two servers, with the state of its load.
struct Side {
    server: Server,
    token: String,
    /// The number of the next request. It never restarts, so that a request that must be new is new in every round.
    next: Arc<AtomicUsize>,
}

impl Builds {
    /// Compares all kinds of work with one catalog size.
    async fn compare(&self, size: usize, extent: &Extent) -> Result<Vec<Row>> {
        let seed = self.seed(size).await?;
        let sides = [self.side(&self.ours, &seed, "ours").await?, self.side(&self.other, &seed, "other").await?];
        let of_both = |requests: &dyn Fn(&str) -> Requests| [0, 1].map(|side: usize| requests(&sides[side].token));
        let mut works: Vec<_> = works::reads(size)
            .into_iter()
            .chain([works::document()])
            .map(|read| (read.name, of_both(&|token| read.requests(token))))
            .collect();
        works.push(("put", of_both(&|token| works::puts(token, size))));
        works.push(("patch", of_both(&|token| works::patches(token, size))));
        // Creates make the catalog larger, so they are last.
        works.push(("create", of_both(&works::creates)));
        for asked in &self.works {
            anyhow::ensure!(works.iter().any(|(name, _)| name == asked), "there is no work `{asked}`");
        }
        works.retain(|(name, _)| self.works.is_empty() || self.works.iter().any(|asked| asked == name));
        let mut rows = Vec::new();
        for (work, requests) in works {
            for &connections in &extent.connections {
                let rounds = turns(&sides, &requests, connections, extent).await?;
                let row = Row::new(work, size, connections, &rounds);
                println!("{}", row.line());
                rows.push(row);
            }
        }
        Ok(rows)
    }

    /// Returns a catalog that both builds can read: the other binary made it, in this run or in an earlier run.
    async fn seed(&self, size: usize) -> Result<PathBuf> {
        let seed = self.work.join(format!("against-{:016x}-{size}.db", self.fingerprint));
        if !seed.exists() {
            eprintln!("making a catalogue of {size} connectors");
            let making = self.work.join("making.db");
            database::remove(&making);
            let server = self.start(&self.other, &making, "making")?;
            catalogue::make(server.address, &connectory::token(&server).await?, size).await?;
            server.stop()?;
            database::rename(&making, &seed)?;
        }
        Ok(seed)
    }

    fn start(&self, binary: &Path, database: &Path, whose: &str) -> Result<Server> {
        connectory::start(binary, self.cores.server, database, &self.work.join(format!("{whose}.log")))
    }

    async fn side(&self, binary: &Path, seed: &Path, whose: &str) -> Result<Side> {
        let database = self.work.join(format!("run-{whose}.db"));
        database::copy(seed, &database)?;
        let server = self.start(binary, &database, whose)?;
        let token = connectory::token(&server).await?;
        Ok(Side { server, token, next: Arc::default() })
    }
}

/// Lets both builds take turns. Returns their rates in each round.
async fn turns(
    sides: &[Side; 2],
    requests: &[Requests; 2],
    connections: usize,
    extent: &Extent,
) -> Result<Vec<[f64; 2]>> {
    let time = Duration::from_millis(extent.milliseconds);
    let mut rounds = Vec::new();
    for round in 0..extent.rounds {
        let mut rates = [0.0; 2];
        for at in if round % 2 == 0 { [0, 1] } else { [1, 0] } {
            let (side, requests) = (&sides[at], Arc::clone(&requests[at]));
            let measure = load::run(side.server.address, connections, time, Arc::clone(&side.next), requests).await?;
            rates[at] = measure.rate;
        }
        rounds.push(rates);
    }
    Ok(rounds)
}

/// The result for one kind of work over a number of connections.
#[derive(Serialize)]
struct Row {
    work: &'static str,
    size: usize,
    connections: usize,
    /// Requests per second: the median of the rounds.
    ours: f64,
    other: f64,
    /// The quartiles of the rounds' ratios: the rate of this build divided by the rate of the other.
    ratio: [f64; 3],
}

const COLUMNS: usize = 8;
const HEADER: [&str; COLUMNS] =
    ["work", "connectors", "conn.", "req/s", "other req/s", "ratio", "quartiles", "below 0.95"];

/// Formats a line of the table. The widths are fixed, because a line is printed before the next lines are known.
fn line(cells: [&str; COLUMNS]) -> String {
    let [work, size, connections, ours, other, ratio, quartiles, slower] = cells;
    format!(
        "| {work:<16} | {size:>10} | {connections:>5} | {ours:>7} | {other:>11} | {ratio:>5} | {quartiles:>12} | {slower:<10} |"
    )
}

impl Row {
    fn new(work: &'static str, size: usize, connections: usize, rounds: &[[f64; 2]]) -> Self {
        let rate = |at: usize| median(rounds.iter().map(|rates| rates[at]).collect());
        let ratio = quartiles(rounds.iter().map(|[ours, other]| ours / other).collect());
        Self { work, size, connections, ours: rate(0), other: rate(1), ratio }
    }

    fn is_slower(&self) -> bool {
        self.ratio[1] < AS_FAST
    }

    fn line(&self) -> String {
        let [low, middle, high] = self.ratio;
        line([
            self.work,
            &self.size.to_string(),
            &self.connections.to_string(),
            &format!("{:.0}", self.ours),
            &format!("{:.0}", self.other),
            &format!("{middle:.3}"),
            &format!("{low:.2} to {high:.2}"),
            if self.is_slower() { "slower" } else { "" },
        ])
    }
}

/// Prints the kinds of work that are slower.
fn conclude(rows: &[Row], other: &Path) {
    let slower: Vec<_> = rows.iter().filter(|row| row.is_slower()).collect();
    println!("\nBelow {AS_FAST} of {}: {} of {} works", other.display(), slower.len(), rows.len());
    for Row { work, size, connections, ratio: [_, ratio, _], .. } in slower {
        let connections = if *connections == 1 { "one connection" } else { &format!("{connections} connections") };
        println!("Slower: {work}, {size} connectors, {connections}: {ratio:.3}");
    }
}
