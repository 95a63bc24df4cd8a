//! Compares servers on PostgreSQL with a server on SQLite, and with what else there is: etcd, and PostgreSQL itself.
//!
//! A server runs on one core, and PostgreSQL and the load on another. All take turns, as builds do in `against.rs`, and
//! the order alternates between rounds.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use connectory_store::{Address, Store};
use serde::Serialize;
use tokio_postgres::Client;

use crate::cluster::{self, Cluster};
use crate::load::{self, Connection, Measure, Requests, request};
use crate::options::{Extent, Options};
use crate::process::{Cores, Server, free_address, pin};
use crate::report::{median, plot, quartiles};
use crate::{connectory, data, database, etcd, rows, suite, works};

/// How many clients write while a dump reads.
const WRITERS: usize = 16;
/// How many connections read while a dump reads. It is also the number for which creates and etcd are compared.
const CONNECTIONS: usize = 64;
/// How many rows the dump reads at once, and how long it waits after that.
const FETCH: &str = "FETCH 100 FROM log";
const PAUSE: Duration = Duration::from_millis(50);
/// How many turns of other works a turn with the dump takes: its effect grows with its time.
const DUMP_TURNS: u32 = 10;

/// Compares. Prints each row as soon as it is measured.
pub fn run(options: &Options) -> Result<()> {
    if !cluster::is_installed() {
        println!(
            "PostgreSQL is not installed, so there is nothing to compare; on Debian, `apt-get install postgresql`"
        );
        return Ok(());
    }
    let extent = options.extent(
        Extent { sizes: vec![300], connections: vec![1, CONNECTIONS], rounds: 1, milliseconds: 100 },
        Extent { sizes: vec![10_000], connections: vec![1, CONNECTIONS], rounds: 11, milliseconds: 300 },
    );
    std::fs::create_dir_all(&options.work)?;
    let binary = connectory::build(options.quick)?;
    let cores = Cores::find()?;
    // PostgreSQL inherits the core.
    pin(cores.load)?;
    let nodes = Nodes {
        cores,
        binary,
        work: options.work.clone(),
        cluster: Cluster::start(&[]),
        time: Duration::from_millis(extent.milliseconds),
        dump_time: Duration::from_millis(extent.milliseconds) * if options.quick { 1 } else { DUMP_TURNS },
        extent,
    };
    println!("Servers on PostgreSQL: {} rounds, {} ms for each turn\n", nodes.extent.rounds, nodes.extent.milliseconds);
    println!("{}\n{}", line(HEADER), line(["---"; COLUMNS]));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let rows = runtime.block_on(async {
        tokio::select! {
            rows = nodes.compare_all() => rows,
            // Otherwise PostgreSQL would stay.
            _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        }
    })?;
    conclude(&rows);
    write(&rows, options.results.as_deref().unwrap_or(Path::new(suite::RESULTS)))
}

/// What the measurement needs.
struct Nodes {
    cores: Cores,
    binary: PathBuf,
    work: PathBuf,
    cluster: Cluster,
    time: Duration,
    dump_time: Duration,
    extent: Extent,
}

/// A server of connectory.
struct Side {
    server: Server,
    token: String,
}

/// The servers that are compared for one catalog size.
struct Sides {
    size: usize,
    /// The database in the cluster.
    database: String,
    sqlite: Side,
    local: Side,
    fresh: Side,
    /// Where the server with fresh reads has its metrics.
    metrics: SocketAddr,
    /// etcd, and reads of details from it. None if it is not installed.
    etcd: Option<(Server, Requests)>,
}

impl Nodes {
    async fn compare_all(&self) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        for size in &self.extent.sizes {
            let sides = self.start(*size).await?;
            for connections in &self.extent.connections {
                self.reads(&sides, *connections, &mut rows).await?;
            }
            self.dump(&sides, &mut rows).await?;
            // Creates make the catalog larger, so they are last.
            self.creates(&sides, &mut rows).await?;
        }
        Ok(rows)
    }

    /// Makes the catalogs and starts the servers.
    async fn start(&self, size: usize) -> Result<Sides> {
        eprintln!("making catalogues of {size} connectors");
        let sqlite = self.work.join("run-nodes.db");
        database::remove(&sqlite);
        data::seed_sqlite(&sqlite, size).await?;
        let database = self.cluster.create_database("");
        let address = self.cluster.address(&database);
        data::seed(&Store::open_postgres(&Address::parse(&address, |_| None)?).await?, size).await?;
        // So that PostgreSQL has no other work later.
        self.cluster.psql(&database, "VACUUM ANALYZE");
        self.cluster.psql(&database, "CHECKPOINT");
        let metrics = free_address()?;
        let metrics_option = metrics.to_string();
        let start = |name: &str, database: &str, options: &[&str]| {
            let log = self.work.join(format!("nodes-{name}.log"));
            connectory::start_on(&self.binary, self.cores.server, database, options, &log)
        };
        let sqlite = side(start("sqlite", &format!("sqlite:{}", sqlite.display()), &[])?).await?;
        let local = side(start("local", &address, &["--reads", "local"])?).await?;
        let fresh = ["--reads", "fresh", "--metrics-listen", &metrics_option];
        let fresh = side(start("fresh", &address, &fresh)?).await?;
        // Servers read a detail from the database once.
        for side in [&sqlite, &local] {
            details(side).await?;
        }
        let read = details(&fresh).await?;
        let etcd = match etcd::start(self.cores.server, &self.work)? {
            None => {
                eprintln!(
                    "etcd is not installed, so nothing is compared with it; on Debian, `apt-get install etcd-server`"
                );
                None
            }
            Some(server) => {
                let requests = etcd::fill(&server, &read).await?;
                Some((server, requests))
            }
        };
        Ok(Sides { size, database, sqlite, local, fresh, metrics, etcd })
    }

    /// Compares reads: local ones with those of SQLite, and fresh ones with local ones and with etcd.
    async fn reads(&self, sides: &Sides, connections: usize, rows: &mut Vec<Row>) -> Result<()> {
        for read in works::reads(sides.size).into_iter().filter(|read| matches!(read.name, "get" | "list")) {
            let mut subjects: Vec<_> = [&sides.sqlite, &sides.local, &sides.fresh]
                .map(|side| (side.server.address, read.requests(&side.token)))
                .into();
            let etcd = sides.etcd.as_ref().filter(|_| read.name == "get");
            subjects.extend(etcd.map(|(server, requests)| (server.address, Arc::clone(requests))));
            let rounds = self.turns(&subjects, connections).await?;
            let rates = |one: usize, other: usize| rounds.iter().map(move |rates| [rates[one].rate, rates[other].rate]);
            let many = connections == CONNECTIONS;
            let of = |measured, beside| Case { work: read.name, size: sides.size, connections, measured, beside };
            add(rows, of("local", "SQLite").row("req/s", rates(1, 0), Some(Target::AtLeast(0.95))));
            add(rows, of("fresh", "local").row("req/s", rates(2, 1), many.then_some(Target::AtLeast(0.6))));
            if etcd.is_some() {
                add(rows, of("fresh", "etcd").row("req/s", rates(2, 3), many.then_some(Target::AtLeast(4.0))));
            }
        }
        Ok(())
    }

    /// Lets the subjects take turns. Returns the measures of each round, in the order of the subjects.
    async fn turns(&self, subjects: &[(SocketAddr, Requests)], connections: usize) -> Result<Vec<Vec<Measure>>> {
        let mut rounds = Vec::new();
        for round in 0..self.extent.rounds {
            let mut measures = vec![None; subjects.len()];
            for at in 0..subjects.len() {
                let at = if round % 2 == 0 { at } else { subjects.len() - 1 - at };
                let (address, requests) = &subjects[at];
                let next = Arc::default();
                measures[at] = Some(load::run(*address, connections, self.time, next, Arc::clone(requests)).await?);
            }
            rounds.push(measures.into_iter().flatten().collect());
        }
        Ok(rounds)
    }

    /// Compares fresh reads while clients write and a dump reads the log slowly with fresh reads alone. With the writes
    /// alone, they tell what the dump adds.
    async fn dump(&self, sides: &Sides, rows: &mut Vec<Row>) -> Result<()> {
        let reads = works::reads(sides.size).into_iter().find(|read| read.name == "get").context("get is a read")?;
        let requests = reads.requests(&sides.fresh.token);
        let patches = works::patches(&sides.fresh.token, sides.size);
        let written = Arc::<AtomicUsize>::default();
        let read = || {
            let (address, requests) = (sides.fresh.server.address, Arc::clone(&requests));
            load::run(address, CONNECTIONS, self.dump_time, Arc::default(), requests)
        };
        let write = || {
            let (address, requests) = (sides.fresh.server.address, Arc::clone(&patches));
            load::run(address, WRITERS, self.dump_time, Arc::clone(&written), requests)
        };
        let mut rounds = Vec::new();
        for _ in 0..self.extent.rounds {
            let quiet = read().await?.p99;
            let (writing, _) = tokio::try_join!(read(), write())?;
            let dump = Dump::begin(&self.cluster, &sides.database).await?;
            let (dumping, _) = tokio::try_join!(read(), write())?;
            dump.end().await?;
            rounds.push([quiet, writing.p99, dumping.p99]);
        }
        let p99 = |one: usize, other: usize| rounds.iter().map(move |p99| [p99[one], p99[other]]);
        let of = |measured, beside| Case { work: "get", size: sides.size, connections: CONNECTIONS, measured, beside };
        add(rows, of("fresh, dump and writes", "quiet").row("p99 µs", p99(2, 0), Some(Target::AtMost(2.0))));
        add(rows, of("fresh, dump and writes", "writes").row("p99 µs", p99(2, 1), None));
        Ok(())
    }

    /// Compares creates with what PostgreSQL does with the same rows: in batches of the same size, and one by one.
    async fn creates(&self, sides: &Sides, rows: &mut Vec<Row>) -> Result<()> {
        let Side { server, token } = &sides.fresh;
        let creates = works::creates(token);
        let next = Arc::<AtomicUsize>::default();
        let socket = self.cluster.socket();
        let socket = socket.to_str().context("a socket in /tmp")?;
        let in_batches = |batch| rows::rate(self.cores.server, socket, &sides.database, batch, self.time);
        let (mut rounds, mut batches) = (Vec::new(), Vec::new());
        for _ in 0..self.extent.rounds {
            let before = Batches::read(sides.metrics).await?;
            let requests = Arc::clone(&creates);
            let measure = load::run(server.address, CONNECTIONS, self.time, Arc::clone(&next), requests).await?;
            let batch = Batches::read(sides.metrics).await?.mean_since(&before)?;
            batches.push(batch);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at least 1, and 64 at most")]
            let batch = batch.round() as usize;
            rounds.push([measure.rate, in_batches(batch)?, in_batches(1)?]);
        }
        let rates = |other: usize| rounds.iter().map(move |rates| [rates[0], rates[other]]);
        let batches = format!("batches of {:.1}", median(batches));
        let of =
            |beside| Case { work: "create", size: sides.size, connections: CONNECTIONS, measured: "fresh", beside };
        add(rows, of(&batches).row("rows/s", rates(1), Some(Target::AtLeast(0.5))));
        add(rows, of("single inserts").row("rows/s", rates(2), None));
        Ok(())
    }
}

async fn side(server: Server) -> Result<Side> {
    let token = connectory::token(&server).await?;
    Ok(Side { server, token })
}

/// Returns the details that `get` reads.
async fn details(side: &Side) -> Result<Vec<Vec<u8>>> {
    let mut connection = Connection::open(side.server.address).await?;
    let mut details = Vec::new();
    for n in 0..64 {
        let mut bytes = Vec::new();
        let path = format!("{}/{}", works::BASE, data::script_name(n));
        request(&mut bytes, "GET", &path, &side.token, "", b"");
        details.push(connection.body(&bytes).await?);
    }
    Ok(details)
}

/// A dump of the log that is slow: a transaction that keeps what it sees, as that of `pg_dump`.
struct Dump {
    client: Arc<Client>,
    reading: tokio::task::JoinHandle<Result<()>>,
}

impl Dump {
    async fn begin(cluster: &Cluster, database: &str) -> Result<Self> {
        let socket = cluster.socket();
        let client = Arc::new(rows::connect(socket.to_str().context("a socket in /tmp")?, database).await?);
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
                     DECLARE log NO SCROLL CURSOR FOR SELECT * FROM revisions ORDER BY tenant_id, number;";
        client.batch_execute(begin).await?;
        let reader = Arc::clone(&client);
        let reading = tokio::spawn(async move {
            loop {
                // At the end of the log, it only keeps the transaction open.
                reader.simple_query(FETCH).await?;
                tokio::time::sleep(PAUSE).await;
            }
        });
        Ok(Self { client, reading })
    }

    /// Ends the transaction, which must have read until now.
    async fn end(self) -> Result<()> {
        if self.reading.is_finished() {
            return self.reading.await?;
        }
        self.reading.abort();
        Ok(self.client.batch_execute("ROLLBACK").await?)
    }
}

/// What a server counted of its batches.
struct Batches {
    commits: f64,
    batches: f64,
}

impl Batches {
    async fn read(metrics: SocketAddr) -> Result<Self> {
        let request = b"GET /metrics HTTP/1.1\r\nHost: bench\r\n\r\n";
        let text = String::from_utf8(Connection::open(metrics).await?.body(request).await?)?;
        let value = |end: &str| {
            let name = format!("connectory_batch_commits_{end} ");
            let value = text.lines().find_map(|line| line.strip_prefix(&name));
            Ok::<_, anyhow::Error>(value.with_context(|| format!("there is no metric {name}"))?.parse()?)
        };
        Ok(Self { commits: value("sum")?, batches: value("count")? })
    }

    fn mean_since(&self, before: &Self) -> Result<f64> {
        let batches = self.batches - before.batches;
        anyhow::ensure!(batches > 0.0, "the server committed nothing");
        Ok((self.commits - before.commits) / batches)
    }
}

/// What is compared.
struct Case<'a> {
    work: &'a str,
    size: usize,
    connections: usize,
    measured: &'a str,
    beside: &'a str,
}

/// What a ratio should be.
#[derive(Serialize, Clone, Copy)]
#[serde(rename_all = "camelCase")]
enum Target {
    AtLeast(f64),
    AtMost(f64),
}

/// The result of a comparison.
#[derive(Serialize)]
struct Row {
    work: String,
    size: usize,
    connections: usize,
    /// What was measured, and what it was compared with.
    measured: String,
    beside: String,
    unit: &'static str,
    /// The medians of the rounds.
    value: f64,
    other: f64,
    /// The quartiles of the rounds' ratios: the value divided by the other.
    ratio: [f64; 3],
    target: Option<Target>,
}

impl Case<'_> {
    fn row(&self, unit: &'static str, rounds: impl Iterator<Item = [f64; 2]>, target: Option<Target>) -> Row {
        let rounds: Vec<_> = rounds.collect();
        let of = |at: usize| median(rounds.iter().map(|values| values[at]).collect());
        Row {
            work: self.work.to_owned(),
            size: self.size,
            connections: self.connections,
            measured: self.measured.to_owned(),
            beside: self.beside.to_owned(),
            unit,
            value: of(0),
            other: of(1),
            ratio: quartiles(rounds.iter().map(|[value, other]| value / other).collect()),
            target,
        }
    }
}

const COLUMNS: usize = 10;
const HEADER: [&str; COLUMNS] =
    ["work", "connectors", "conn.", "measured", "beside", "unit", "value", "other", "ratio, quartiles", "target"];

/// Formats a line of the table. The widths are fixed, because a line is printed before the next lines are known.
fn line(cells: [&str; COLUMNS]) -> String {
    let [work, size, connections, measured, beside, unit, value, other, ratio, target] = cells;
    format!(
        "| {work:<6} | {size:>10} | {connections:>5} | {measured:<22} | {beside:<16} | {unit:<6} | {value:>7} | {other:>7} \
         | {ratio:>20} | {target:<21} |"
    )
}

impl Row {
    fn is_missed(&self) -> bool {
        match self.target {
            None => false,
            Some(Target::AtLeast(least)) => self.ratio[1] < least,
            Some(Target::AtMost(most)) => self.ratio[1] > most,
        }
    }

    fn line(&self) -> String {
        let [low, middle, high] = self.ratio;
        let missed = if self.is_missed() { ", missed" } else { "" };
        let target = match self.target {
            None => "–".to_owned(),
            Some(Target::AtLeast(least)) => format!("at least {least}{missed}"),
            Some(Target::AtMost(most)) => format!("at most {most}{missed}"),
        };
        line([
            &self.work,
            &self.size.to_string(),
            &self.connections.to_string(),
            &self.measured,
            &self.beside,
            self.unit,
            &format!("{:.0}", self.value),
            &format!("{:.0}", self.other),
            &format!("{middle:.2}, {low:.2} to {high:.2}"),
            &target,
        ])
    }
}

/// Prints a row and keeps it.
fn add(rows: &mut Vec<Row>, row: Row) {
    println!("{}", row.line());
    rows.push(row);
}

/// Prints how many targets are missed.
fn conclude(rows: &[Row]) {
    let missed = rows.iter().filter(|row| row.is_missed()).count();
    let targets = rows.iter().filter(|row| row.target.is_some()).count();
    println!("\nMissed: {missed} of {targets} targets");
}

/// Writes the JSON file and the plot.
fn write(rows: &[Row], folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("nodes.json"), serde_json::to_vec_pretty(rows)?)?;
    let label =
        |row: &Row| format!("{} {} ×{}: {} of {}", row.work, row.size, row.connections, row.measured, row.beside);
    let bars: Vec<_> = rows.iter().map(|row| (label(row), row.ratio[1])).collect();
    plot(&folder.join("nodes.svg"), "what was measured divided by what is beside it", &bars)
}
