//! Measures a server with very many tenants of which few are asked for: how long the first request of a tenant takes, and
//! how much memory the server has for what it counts.
//!
//! One tenant is made as usual. The others are copies of its rows, which the database makes itself.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use connectory_store::{Address, Store};
use hdrhistogram::Histogram;

use crate::cluster::{self, Cluster};
use crate::load::{Connection, request};
use crate::options::{Extent, Options};
use crate::process::{Cores, Server, free_address, pin};
use crate::{connectory, data, database};

/// How many tenants are asked for all the time, and how many others are asked once.
const HOT: usize = 100;
const COLD: usize = 400;
/// How often each of the hot tenants is asked between two of the others.
const ASKED: usize = 4;
/// The memory for tenants, in bytes: enough for 100 tenants of 300 connectors.
const MEMORY: u64 = 64 * 1024 * 1024;
/// What a server takes more than it counts, at most. The cold request's most time, in milliseconds.
const MOST_OF_COUNTED: f64 = 1.3;
const MOST_COLD: f64 = 20.0;
/// The number of a revision is the rest of its key in SQLite.
const SHIFT: u32 = 40;

/// A table, and how the columns of a copy are other ones. `n` is the number of the copy.
type Copied = (&'static str, &'static [(&'static str, &'static str)]);

const SQLITE: [Copied; 4] = [
    ("tenants", &[("id", "id + n"), ("uuid", "uuid || n"), ("name", "name || '-' || n")]),
    ("clients", &[("id", "id || '-' || n"), ("tenant_id", "tenant_id + n")]),
    ("connectors", &[("tenant_id", "tenant_id + n")]),
    ("revisions", &[("key", "key + (n << 40)")]),
];
const POSTGRES: [Copied; 4] = [
    ("tenants", &[("id", "id + n"), ("uuid", "uuid || n"), ("name", "name || '-' || n")]),
    ("clients", &[("id", "id || '-' || n"), ("tenant_id", "tenant_id + n")]),
    ("connectors", &[("tenant_id", "tenant_id + n")]),
    ("revisions", &[("tenant_id", "tenant_id + n")]),
];

/// Measures. Prints a table.
pub fn run(options: &Options, tenants: usize) -> Result<()> {
    let extent = options.extent(
        Extent { sizes: vec![100], connections: Vec::new(), rounds: 1, milliseconds: 0 },
        Extent { sizes: vec![300], connections: Vec::new(), rounds: 1, milliseconds: 0 },
    );
    std::fs::create_dir_all(&options.work)?;
    let binary = connectory::build(options.quick)?;
    let cores = Cores::find()?;
    pin(cores.load)?;
    let cluster = cluster::is_installed().then(|| Cluster::start(&[]));
    println!("{tenants} tenants, of which {HOT} are asked for all the time and {COLD} once\n");
    println!(
        "| database | connectors each | made in | start | cold p50 | cold p99 | cold max | hot p50 | counted | of counted |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for size in extent.sizes {
        for engine in ["SQLite", "PostgreSQL"] {
            let began = Instant::now();
            let address = match (&cluster, engine) {
                (_, "SQLite") => {
                    let path = options.work.join("tenants.db");
                    database::remove(&path);
                    runtime.block_on(data::seed_sqlite(&path, size))?;
                    multiply_sqlite(&path, tenants)?;
                    format!("sqlite:{}", path.display())
                }
                (Some(cluster), _) => {
                    let name = cluster.create_database("");
                    let address = cluster.address(&name);
                    runtime.block_on(async {
                        data::seed(&Store::open_postgres(&Address::parse(&address, |_| None)?).await?, size).await
                    })?;
                    multiply_postgres(cluster, &name, tenants);
                    address
                }
                (None, _) => continue,
            };
            let made = began.elapsed().as_secs_f64();
            let metrics = free_address()?.to_string();
            let arguments = ["--catalog-memory", &MEMORY.to_string(), "--metrics-listen", &metrics];
            let log = options.work.join("tenants.log");
            let server = connectory::start_on(&binary, cores.server, &address, &arguments, &log)?;
            let found = runtime.block_on(measure(&server, &metrics, tenants))?;
            let Found { cold, hot_p50, counted, ratio } = &found;
            let cold = |quantile| cold.value_at_quantile(quantile) as f64 / 1000.0;
            println!(
                "| {engine} | {size} | {made:.0} s | {:.0} ms | {:.1} ms | {:.1} ms | {:.1} ms | {hot_p50:.2} ms | {:.0} MiB | {ratio:.2} |",
                server.start.as_secs_f64() * 1000.0,
                cold(0.5),
                cold(0.99),
                cold(1.0),
                *counted as f64 / 1024.0 / 1024.0,
            );
            if !options.quick {
                ensure!(*ratio <= MOST_OF_COUNTED, "it takes more than {MOST_OF_COUNTED} times what it counts");
                ensure!(cold(0.99) <= MOST_COLD, "a cold tenant takes more than {MOST_COLD} ms");
            }
        }
    }
    Ok(())
}

struct Found {
    /// In microseconds.
    cold: Histogram<u64>,
    hot_p50: f64,
    /// The most that was counted, and the growth of the memory by it.
    counted: u64,
    ratio: f64,
}

async fn measure(server: &Server, metrics: &str, tenants: usize) -> Result<Found> {
    let hot = HOT.min(tenants / 2);
    let cold = COLD.min(tenants - hot);
    let mut tokens = Vec::new();
    for n in 0..hot + cold {
        // The cold ones are spread over all.
        let at = if n < hot { n } else { hot + (n - hot) * (tenants - hot) / cold };
        let id = if at == 0 { data::CLIENT_ID.to_owned() } else { format!("{}-{at}", data::CLIENT_ID) };
        tokens.push(connectory::token_of(server, &id).await?);
    }
    let mut connection = Connection::open(server.address).await?;
    let before = server.memory()?;
    let mut ask = async |n: usize| -> Result<u64> {
        let mut bytes = Vec::new();
        request(&mut bytes, "GET", "/v3/connectors?limit=50", &tokens[n], "", b"");
        let began = Instant::now();
        connection.body(&bytes).await?;
        Ok(u64::try_from(began.elapsed().as_micros())?)
    };
    let (mut of_cold, mut of_hot) = (Histogram::new(3)?, Histogram::<u64>::new(3)?);
    for n in 0..hot {
        of_cold.record(ask(n).await?)?;
    }
    let (mut counted, mut most) = (0, 0);
    for n in 0..cold {
        of_cold.record(ask(hot + n).await?)?;
        for again in 0..ASKED {
            of_hot.record(ask((n * ASKED + again) % hot).await?)?;
        }
        counted = counted.max(counted_memory(metrics).await?);
        most = most.max(server.memory()?);
    }
    let ratio = most.saturating_sub(before) as f64 / counted as f64;
    Ok(Found { cold: of_cold, hot_p50: of_hot.value_at_quantile(0.5) as f64 / 1000.0, counted, ratio })
}

/// What the server counts for its tenants.
async fn counted_memory(metrics: &str) -> Result<u64> {
    let mut connection = Connection::open(metrics.parse()?).await?;
    let mut bytes = Vec::new();
    request(&mut bytes, "GET", "/metrics", "", "", b"");
    let text = String::from_utf8(connection.body(&bytes).await?)?;
    let line = text.lines().find_map(|line| line.strip_prefix("connectory_catalog_memory_bytes "));
    Ok(line.context("the server counts no memory of tenants")?.parse()?)
}

fn multiply_sqlite(path: &Path, tenants: usize) -> Result<()> {
    let database = rusqlite::Connection::open(path)?;
    database.execute_batch("PRAGMA synchronous = OFF; PRAGMA journal_mode = WAL; BEGIN")?;
    for (table, others) in SQLITE {
        let mut statement = database.prepare(&format!("SELECT name FROM pragma_table_info('{table}')"))?;
        let columns: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let numbers = format!(
            "(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {tenants} - 1) SELECT n FROM c)"
        );
        let of_first = if table == "revisions" { format!("key >> {SHIFT} = 1") } else { "true".to_owned() };
        database.execute_batch(&insert(table, &columns, others, "", &numbers, &of_first))?;
    }
    Ok(database.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)")?)
}

fn multiply_postgres(cluster: &Cluster, name: &str, tenants: usize) {
    for (table, others) in POSTGRES {
        let columns = cluster.psql(
            name,
            &format!("SELECT column_name FROM information_schema.columns WHERE table_name = '{table}' AND is_generated = 'NEVER'"),
        );
        let columns: Vec<_> = columns.lines().map(str::to_owned).collect();
        let numbers = format!("generate_series(1, {tenants} - 1) AS copies (n)");
        cluster.psql(name, &insert(table, &columns, others, "OVERRIDING SYSTEM VALUE", &numbers, "true"));
    }
    cluster.psql(name, "VACUUM ANALYZE");
    cluster.psql(name, "CHECKPOINT");
}

/// The statement that makes the copies of a table's rows.
fn insert(
    table: &str,
    columns: &[String],
    others: &[(&str, &str)],
    overriding: &str,
    numbers: &str,
    of_first: &str,
) -> String {
    let value = |column: &String| {
        let other = others.iter().find(|(of, _)| of == column);
        other.map_or_else(|| format!("first.{column}"), |(_, value)| (*value).to_owned())
    };
    let values: Vec<_> = columns.iter().map(value).collect();
    format!(
        "INSERT INTO {table} ({}) {overriding} SELECT {} FROM {table} AS first, {numbers} WHERE {of_first}",
        columns.join(", "),
        values.join(", ")
    )
}
