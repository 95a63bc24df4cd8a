//! A run without `--against`: prepares the catalogs, lets the servers take turns, and reports.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use anyhow::Result;

use crate::load::{self, Connection, Measure, Requests};
use crate::options::{Extent, Options};
use crate::process::{Cores, Server, output, pin};
use crate::report::{Process, Report, Row, median};
use crate::{connectory, data, database, ordinary, pages, works};

/// The default folder for results.
pub const RESULTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/results");

struct Suite {
    cores: Cores,
    connections: Vec<usize>,
    rounds: usize,
    quick: bool,
    time: Duration,
    work: PathBuf,
    connectory: PathBuf,
    report: Report,
}

/// Measures and reports.
pub fn run(options: &Options) -> Result<()> {
    let cores = Cores::find()?;
    std::fs::create_dir_all(&options.work)?;
    let extent = options.extent(
        Extent { sizes: vec![300, 2000], connections: vec![1, 64], rounds: 1, milliseconds: 100 },
        Extent { sizes: vec![300, 10_000, 100_000], connections: vec![1, 16, 64], rounds: 5, milliseconds: 700 },
    );
    let mut suite = Suite {
        cores,
        connections: extent.connections,
        rounds: extent.rounds,
        quick: options.quick,
        time: Duration::from_millis(extent.milliseconds),
        work: options.work.clone(),
        connectory: connectory::build(options.quick)?,
        report: Report::default(),
    };
    for size in &extent.sizes {
        suite.prepare(*size)?;
    }
    pin(cores.load)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for size in extent.sizes {
        runtime.block_on(suite.measure(size))?;
    }
    suite.report.print();
    suite.report.write(options.results.as_deref().unwrap_or(Path::new(RESULTS)))
}

fn own(role: &str) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(role);
    Ok(command)
}

impl Suite {
    fn seed(&self, size: usize, whose: &str) -> PathBuf {
        self.work.join(format!("{whose}-{size}.db"))
    }

    /// Makes the databases of a size, unless an earlier run made them.
    fn prepare(&self, size: usize) -> Result<()> {
        let (ours, theirs) = (self.seed(size, "connectory"), self.seed(size, "ordinary"));
        if ours.exists() && theirs.exists() {
            return Ok(());
        }
        eprintln!("making a catalogue of {size} connectors");
        let making = self.work.join("making.db");
        database::remove(&making);
        database::remove(&theirs);
        tokio::runtime::Runtime::new()?.block_on(data::seed_sqlite(&making, size))?;
        ordinary::seed(&theirs, size)?;
        database::rename(&making, &ours)
    }

    fn copy(&self, size: usize, whose: &str) -> Result<PathBuf> {
        let copy = self.work.join(format!("run-{whose}.db"));
        database::copy(&self.seed(size, whose), &copy)?;
        Ok(copy)
    }

    fn start_connectory(&self, database: &Path) -> Result<Server> {
        connectory::start(&self.connectory, self.cores.server, database, &self.work.join("connectory.log"))
    }

    async fn measure(&mut self, size: usize) -> Result<()> {
        eprintln!("measuring {size} connectors");
        let bodies = self.work.join("bodies");
        std::fs::create_dir_all(&bodies)?;
        let (database, other) = (self.copy(size, "connectory")?, self.copy(size, "ordinary")?);
        let ours = self.start_connectory(&database)?;
        let ordinary = Server::start(self.cores.server, own("ordinary")?.arg(&other), &self.work.join("ordinary.log"))?;
        let (our_start, other_start) = (ours.memory()?, ordinary.memory()?);
        let token = connectory::token(&ours).await?;
        let reads = works::reads(size);
        for read in &reads {
            // A compressed body is the one that the server sends, too.
            let request = read.request(&(read.path)(0), &token);
            std::fs::write(bodies.join(read.name), Connection::open(ours.address).await?.body(&request).await?)?;
        }
        let limit = Server::start(self.cores.server, own("limit")?.arg(&bodies), &self.work.join("limit.log"))?;

        for read in &reads {
            for connections in self.connections.clone() {
                let subjects = [
                    (&limit, read.limit_requests(&token)),
                    (&ours, read.requests(&token)),
                    (&ordinary, read.requests(ordinary::TOKEN)),
                ];
                let (measures, busy) = self.turns(connections, &subjects).await?;
                let bytes = std::fs::metadata(bodies.join(read.name))?.len();
                let row = Row::read(read.name, size, connections, bytes, busy, &measures);
                eprintln!("{}", row.line());
                self.report.rows.push(row);
            }
        }
        self.report.pages.extend(pages::measure(ours.address, &token, size, self.quick).await?);
        // Read the memory now, because the writes add tens of thousands of connectors.
        let after_reads = [ours.memory()?, ordinary.memory()?];
        for connections in [1, 64] {
            let numbers = Arc::new(AtomicUsize::new(connections * 10_000_000));
            let mut rounds = Vec::new();
            for _ in 0..self.rounds {
                let inserts = self.inserts()?;
                let load = async |requests: Requests| {
                    load::run(ours.address, connections, self.time, Arc::clone(&numbers), requests).await
                };
                let create = load(works::creates(&token)).await?;
                let put = load(works::puts(&token, size)).await?;
                let patch = load(works::patches(&token, size)).await?;
                let next = Arc::new(AtomicUsize::new(numbers.load(std::sync::atomic::Ordering::Relaxed)));
                let peer =
                    load::run(ordinary.address, connections, self.time, next, works::creates(ordinary::TOKEN)).await?;
                rounds.push((inserts, [create, put, patch], peer));
            }
            for row in Row::writes(size, connections, &rounds) {
                eprintln!("{}", row.line());
                self.report.rows.push(row);
            }
        }
        let servers = [(&ours, "connectory", our_start), (&ordinary, "ordinary", other_start)];
        for ((server, name, at_start), after_reads) in servers.into_iter().zip(after_reads) {
            self.report.processes.push(Process {
                name: name.to_owned(),
                size,
                start_seconds: server.start.as_secs_f64(),
                memory_at_start: at_start,
                memory_after_reads: after_reads,
                memory_after_writes: server.memory()?,
            });
        }
        drop((ours, ordinary, limit));
        let mut starts = Vec::new();
        for _ in 0..self.rounds.min(3) {
            let again = self.copy(size, "connectory")?;
            starts.push(self.start_connectory(&again)?.start.as_secs_f64());
        }
        if let Some(process) = self.report.processes.iter_mut().rev().find(|process| process.name == "connectory") {
            process.start_seconds = median(starts);
        }
        Ok(())
    }

    /// Lets the subjects take turns. Returns the measures of each round, and the fraction of the time in which each
    /// subject kept the server's core busy.
    async fn turns(
        &self,
        connections: usize,
        subjects: &[(&Server, Requests); 3],
    ) -> Result<(Vec<[Measure; 3]>, [f64; 3])> {
        let mut rounds = Vec::new();
        let mut used = [Duration::ZERO; 3];
        for _ in 0..self.rounds {
            let mut measures = Vec::new();
            for (at, (server, requests)) in subjects.iter().enumerate() {
                let before = server.cpu()?;
                let next = Arc::new(AtomicUsize::new(0));
                measures.push(load::run(server.address, connections, self.time, next, Arc::clone(requests)).await?);
                used[at] += server.cpu()?.saturating_sub(before);
            }
            rounds.push([measures[0], measures[1], measures[2]]);
        }
        let total = self.time.as_secs_f64() * self.rounds as f64;
        Ok((rounds, used.map(|used| used.as_secs_f64() / total)))
    }

    /// Measures the inserts per second with one commit for each insert.
    fn inserts(&self) -> Result<f64> {
        let database = self.work.join("inserts.db");
        let mut command = own("inserts")?;
        command.arg(database).arg(self.time.as_millis().to_string());
        Ok(output(self.cores.server, &mut command)?.trim().parse()?)
    }
}
