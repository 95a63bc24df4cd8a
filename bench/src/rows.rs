//! What PostgreSQL does without a server: the rows of creates, written in batches over one connection.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, Statement};
use uuid::Uuid;

use crate::process::on_core;

/// The rows are of a tenant that no server knows, so no server reads them. They are in the same tables and indexes.
const TENANT: i64 = 1 << 40;

/// The newest create of the load.
const EXAMPLE: &str = "
    SELECT changed, author_kind, author_id, author_name, bytes, format, body, summary
        FROM revisions JOIN connectors USING (tenant_id, number)
        WHERE revisions.script_name LIKE 'created-%' AND action = 1 ORDER BY number DESC LIMIT 1";

/// The statements of the engine, see `batch.rs` of the store.
const CONNECTORS: &str = "
    INSERT INTO connectors (tenant_id, script_name, name_key, number, summary)
        SELECT $1, * FROM unnest($2::text[], $3::text[], $4::bigint[], $5::text[])
        ON CONFLICT (tenant_id, script_name) DO UPDATE SET number = excluded.number, summary = excluded.summary";
const REVISIONS: &str = "
    INSERT INTO revisions (tenant_id, created_at, number, script_name, previous, change, commit_id, action, changed,
                           author_kind, author_id, author_name, tracking_id, connectors, bytes, format, body)
        SELECT $1, $2, * FROM unnest($3::bigint[], $4::text[], $5::bigint[], $6::bigint[], $7::uuid[], $8::bigint[],
                                     $9::text[], $10::bigint[], $11::text[], $12::text[], $13::uuid[], $14::bigint[],
                                     $15::bigint[], $16::bigint[], $17::bytea[])";

/// Connects to a database, over a socket in a folder.
pub async fn connect(socket: &str, database: &str) -> Result<Client> {
    let settings = format!("host={socket} user=postgres dbname={database}");
    let (client, connection) = tokio_postgres::connect(&settings, NoTls).await?;
    tokio::spawn(async move {
        let _closed = connection.await;
    });
    Ok(client)
}

/// Commits so many creates at a time, for a time, on a core. Returns the creates per second.
pub fn rate(core: usize, socket: &str, database: &str, batch: usize, time: Duration) -> Result<f64> {
    on_core(core, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut writer = Writer::new(connect(socket, database).await?).await?;
            let (began, mut done) = (Instant::now(), 0);
            while began.elapsed() < time {
                writer.write(batch).await?;
                done += batch;
            }
            Ok(done as f64 / began.elapsed().as_secs_f64())
        })
    })
}

struct Writer {
    client: Client,
    connectors: Statement,
    revisions: Statement,
    example: Example,
    /// The number of the last row.
    number: i64,
}

/// What is the same in all rows.
struct Example {
    changed: String,
    author_kind: i64,
    author_id: String,
    author_name: Option<String>,
    bytes: i64,
    format: i64,
    body: Vec<u8>,
    summary: String,
}

impl Writer {
    async fn new(client: Client) -> Result<Self> {
        let row =
            client.query_opt(EXAMPLE, &[]).await?.context("no create was committed, so there is no row to copy")?;
        let example = Example {
            changed: row.try_get(0)?,
            author_kind: row.try_get(1)?,
            author_id: row.try_get(2)?,
            author_name: row.try_get(3)?,
            bytes: row.try_get(4)?,
            format: row.try_get(5)?,
            body: row.try_get(6)?,
            summary: row.try_get(7)?,
        };
        let newest = "SELECT coalesce(max(number), 0) FROM revisions WHERE tenant_id = $1";
        let number = client.query_one(newest, &[&TENANT]).await?.try_get(0)?;
        let (connectors, revisions) = (client.prepare(CONNECTORS).await?, client.prepare(REVISIONS).await?);
        Ok(Self { client, connectors, revisions, example, number })
    }

    /// Commits creates in one exchange.
    async fn write(&mut self, batch: usize) -> Result<()> {
        let Self { client, connectors, revisions, example, number } = self;
        let numbers: Vec<i64> = (*number + 1..).take(batch).collect();
        *number += i64::try_from(batch)?;
        let names: Vec<_> = numbers.iter().map(|number| format!("created-{number}")).collect();
        let commit_ids: Vec<_> = numbers.iter().map(|_| Uuid::new_v4()).collect();
        let tracking_ids: Vec<_> = numbers.iter().map(|_| Some(Uuid::new_v4())).collect();
        let summaries = vec![example.summary.as_str(); batch];
        let revision_values: [&(dyn ToSql + Sync); 17] = [
            &TENANT,
            &0_i64,
            &numbers,
            &names,
            &vec![None::<i64>; batch],
            &numbers,
            &commit_ids,
            &vec![1_i64; batch],
            &vec![example.changed.as_str(); batch],
            &vec![example.author_kind; batch],
            &vec![example.author_id.as_str(); batch],
            &vec![example.author_name.as_deref(); batch],
            &tracking_ids,
            &numbers,
            &vec![example.bytes; batch],
            &vec![example.format; batch],
            &vec![example.body.as_slice(); batch],
        ];
        let connector_values: [&(dyn ToSql + Sync); 5] = [&TENANT, &names, &names, &numbers, &summaries];
        // Statements whose futures are polled together travel together, in this order.
        let (begun, connectors, revisions, committed) = tokio::join!(
            biased;
            client.batch_execute("BEGIN"),
            client.execute(&*connectors, &connector_values),
            client.execute(&*revisions, &revision_values),
            client.batch_execute("COMMIT"),
        );
        begun?;
        let written = (connectors?, revisions?);
        committed?;
        let all = u64::try_from(batch)?;
        ensure!(written == (all, all), "PostgreSQL wrote {written:?} rows, not {batch} of each table");
        Ok(())
    }
}
