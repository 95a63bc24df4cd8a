//! Reads of connectors and their revisions. Each read is one statement, so it is of one moment.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;

use connectory_model::{Part, ScriptName, Summary};
use futures_util::TryStreamExt;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_postgres::{Row, RowStream};

use super::connection::Connection;
use super::following::NOTHING;
use super::limits::{INLINE, LOADED_ROWS, QUERY, RECENT};
use super::pool::Pool;
use super::value::{self, author, column, count, number, optional_number, script_name};
use crate::access::TenantId;
use crate::body::{self, Found, Holders};
use crate::changes::{Changed, Head};
use crate::error::{Result, StoreError, Unavailable, unreadable};
use crate::revision::{Action, Revision, RevisionId, RevisionNumber, columns};

/// The commits of a tenant after a head.
pub(super) struct Since {
    pub from: Head,
    pub to: Head,
    /// How many connectors there are at the end, and how many bytes all revisions have.
    pub totals: (u64, u64),
    /// Whether the head is not part of the history any more.
    pub is_rewound: bool,
    /// The current state of every connector that changed, in the order of numbers.
    pub changed: Vec<Changed>,
}

/// The revisions from a number on, as [`recent`] reads them.
pub(super) const RECENT_ROWS: &str =
    "SELECT number, commit_id, script_name, summary, connectors, bytes FROM recent($1, $2, $3)";

/// The values of [`RECENT_ROWS`].
pub(super) fn recent_values(tenant: TenantId, known: Option<Head>) -> (i64, Option<i64>, i64) {
    (tenant.get(), known.map(|head| head.number.get()), i64::try_from(RECENT).unwrap_or(i64::MAX))
}

/// Reads the rows of [`RECENT_ROWS`]. Returns none if there are too many of them. Without a known head, there is only the
/// newest revision, and nothing changed since.
pub(super) async fn recent(known: Option<Head>, rows: Vec<Row>) -> Result<Option<Since>> {
    if rows.len() >= RECENT {
        return Ok(None);
    }
    parsed(rows, move |rows| recent_since(known, rows)).await.map(Some)
}

/// Parses rows: many on a thread where that may take long.
async fn parsed<T: Send + 'static>(
    rows: Vec<Row>,
    parse: impl FnOnce(&[Row]) -> Result<T> + Send + 'static,
) -> Result<T> {
    if rows.len() <= INLINE {
        return parse(&rows);
    }
    spawn_blocking(move || parse(&rows)).await.map_err(|_| StoreError::Closed)?
}

fn recent_since(known: Option<Head>, rows: &[Row]) -> Result<Since> {
    let (to, totals) = match rows.last() {
        Some(last) => (head(last, 0)?, (count(last, 4)?, count(last, 5)?)),
        None => (NOTHING, (0, 0)),
    };
    let from = known.unwrap_or(to);
    let (is_rewound, later) = match rows.split_first() {
        _ if from == NOTHING => (false, rows),
        Some((first, later)) => (head(first, 0)? != from, later),
        None => (true, rows),
    };
    let mut newest = HashMap::with_capacity(later.len());
    for (at, row) in later.iter().enumerate() {
        newest.insert(column::<&str>(row, 2)?, at);
    }
    let mut changed = Vec::with_capacity(newest.len());
    for (at, row) in later.iter().enumerate() {
        if newest.get(column::<&str>(row, 2)?) == Some(&at) {
            changed.push(self::changed(row, 0, 2)?);
        }
    }
    Ok(Since { from, to, totals, is_rewound, changed })
}

/// Reads a connector that changed, from columns with its number, its script name, and its summary if it exists.
fn changed(row: &Row, number_at: usize, first: usize) -> Result<Changed> {
    let summary = column::<Option<&str>>(row, first + 1)?.map(summary).transpose()?.map(Arc::new);
    Ok(Changed { number: number(row, number_at)?, script_name: script_name(row, first)?, summary })
}

/// Reads what was committed after a head: not each revision, but what they left.
pub(super) async fn left_since(connection: &Connection, tenant: TenantId, known: Head) -> Result<Since> {
    let query = "
        SELECT head.number, head.commit_id, coalesce(head.connectors, 0), coalesce(head.bytes, 0), known.commit_id,
               changed.number, changed.script_name, connectors.summary
            FROM (SELECT) AS one
            LEFT JOIN (SELECT number, commit_id, connectors, bytes FROM revisions WHERE tenant_id = $1
                           ORDER BY number DESC LIMIT 1) AS head ON true
            LEFT JOIN (SELECT commit_id FROM revisions WHERE tenant_id = $1 AND number = $2) AS known ON true
            LEFT JOIN (SELECT script_name, max(number) AS number FROM revisions WHERE tenant_id = $1 AND number > $2
                           GROUP BY script_name) AS changed ON true
            LEFT JOIN connectors ON connectors.tenant_id = $1 AND connectors.script_name = changed.script_name
            ORDER BY changed.number";
    let rows = connection.query(query, &[&tenant.get(), &known.number.get()], QUERY).await?;
    parsed(rows, move |rows| left(known, rows)).await
}

fn left(known: Head, rows: &[Row]) -> Result<Since> {
    let first = rows.first().ok_or_else(|| unreadable("no head"))?;
    let is_rewound = known != NOTHING && known.commit != column(first, 4)?;
    let mut since = Since {
        from: known,
        to: head(first, 0)?,
        totals: (count(first, 2)?, count(first, 3)?),
        is_rewound,
        changed: vec![],
    };
    for row in rows {
        if optional_number(row, 5)?.is_some() {
            since.changed.push(changed(row, 5, 6)?);
        }
    }
    Ok(since)
}

/// Reads what was committed after a head.
pub(super) async fn changes_since(pool: &Arc<Pool>, tenant: TenantId, known: Head) -> Result<Since> {
    let values = recent_values(tenant, Some(known));
    let rows = pool.query(RECENT_ROWS, &[&values.0, &values.1, &values.2]).await?;
    match recent(Some(known), rows).await? {
        Some(since) => Ok(since),
        None => left_since(&*pool.lease().await?, tenant, known).await,
    }
}

/// Reads a head from two columns.
pub(super) fn head(row: &Row, first: usize) -> Result<Head> {
    Ok(match column(row, first + 1)? {
        None => NOTHING,
        commit => Head { number: number(row, first)?, commit },
    })
}

fn summary(text: &str) -> Result<Summary> {
    body::from_json(text.as_bytes())
}

/// Waits for the next row.
async fn next(mut rows: Pin<&mut RowStream>) -> Result<Option<Row>> {
    Ok(timeout(QUERY, rows.try_next()).await.map_err(|_| Unavailable::Slow)??)
}

/// Reads the head of a tenant and the summaries of all its connectors, ordered by name.
pub(super) async fn load<T: Send + 'static>(
    pool: &Arc<Pool>,
    tenant: TenantId,
    read: impl FnOnce(&mut dyn Iterator<Item = (RevisionNumber, Summary)>) -> T + Send + 'static,
) -> Result<(Head, T)> {
    let lease = pool.lease().await?;
    let rows = lease
        .stream(
            "SELECT head.number, head.commit_id, connectors.number, connectors.summary
                 FROM (SELECT) AS one
                 LEFT JOIN (SELECT number, commit_id FROM revisions WHERE tenant_id = $1 ORDER BY number DESC LIMIT 1)
                      AS head ON true
                 LEFT JOIN connectors ON connectors.tenant_id = $1
                 ORDER BY connectors.name_key",
            &[&tenant.get()],
            QUERY,
        )
        .await?;
    let mut rows = std::pin::pin!(rows);
    let first = next(rows.as_mut()).await?.ok_or_else(|| unreadable("no head"))?;
    let head = head(&first, 0)?;
    // The summaries are parsed on a thread where that may take long.
    let (sender, mut receiver) = mpsc::channel::<Row>(LOADED_ROWS);
    let reading = spawn_blocking(move || {
        let mut failed = None;
        let mut next = || -> Result<Option<(RevisionNumber, Summary)>> {
            let Some(row) = receiver.blocking_recv() else { return Ok(None) };
            Ok(Some((number(&row, 2)?, summary(column(&row, 3)?)?)))
        };
        let result = read(&mut std::iter::from_fn(|| {
            next().unwrap_or_else(|error| {
                failed = Some(error);
                None
            })
        }));
        failed.map_or(Ok(result), Err)
    });
    let mut row = optional_number(&first, 2)?.map(|_| first);
    while let Some(given) = row {
        if sender.send(given).await.is_err() {
            break;
        }
        row = next(rows.as_mut()).await?;
    }
    drop(sender);
    Ok((head, reading.await.map_err(|_| StoreError::Closed)??))
}

/// Reads the connector at a revision, if the revision exists and the connector has at most `most` bytes. A larger body is
/// not read.
pub(super) async fn at(pool: &Arc<Pool>, id: RevisionId, most: usize) -> Result<Option<Found>> {
    let (tenant, number) = (id.tenant.get(), id.number.get());
    let query = "SELECT format, length(body)::bigint, CASE WHEN length(body) <= $3 THEN body END
                     FROM revisions WHERE tenant_id = $1 AND number = $2";
    let bytes = i64::try_from(most).unwrap_or(i64::MAX);
    let Some(row) = pool.query_one(query, &[&tenant, &number, &bytes]).await? else { return Ok(None) };
    let Some(stored) = column::<Option<Vec<u8>>>(&row, 2)? else {
        return Ok(Some(Found::Large(usize::try_from(column::<i64>(&row, 1)?).unwrap_or(usize::MAX))));
    };
    if stored.is_empty() {
        return Err(StoreError::BodyRemoved(id.number));
    }
    let format = column(&row, 0)?;
    let holders = body::holders(format, &stored, id.number)?;
    let mut parts = HashMap::new();
    if !holders.is_empty() {
        // Its size is known without its parts.
        let none = |_, _| Ok(Vec::new());
        if let Ok(large @ Found::Large(_)) = body::read(format, &stored, most, none) {
            return Ok(Some(large));
        }
        let (names, numbers): (Vec<_>, Vec<_>) =
            holders.iter().map(|(part, holder)| (part.to_string(), holder.get())).unzip();
        let query = "SELECT part, parts.number, body
                         FROM parts JOIN unnest($2::text[], $3::bigint[]) AS held (name, holder)
                              ON part = name AND number = holder
                         WHERE tenant_id = $1";
        for row in pool.query(query, &[&tenant, &names, &numbers]).await? {
            let part: Part = value::word(column(&row, 0)?)?;
            parts.insert((part, value::number(&row, 1)?), column::<Vec<u8>>(&row, 2)?);
        }
    }
    let read = move || {
        let part = |part: Part, holder: Option<RevisionNumber>| {
            let holder = holder.unwrap_or(id.number);
            let missing = || unreadable(format_args!("revision {holder} has no part {part}"));
            parts.get(&(part, holder)).cloned().ok_or_else(missing)
        };
        body::read(format, &stored, most, part).map(Some)
    };
    if holders.is_empty() {
        return read();
    }
    spawn_blocking(read).await.map_err(|_| StoreError::Closed)?
}

/// Reads where the parts of a large connector are stored at a revision. The result is empty for a small connector.
pub(super) async fn holders(pool: &Arc<Pool>, id: RevisionId) -> Result<Holders> {
    let query = "SELECT format, body FROM revisions WHERE tenant_id = $1 AND number = $2";
    let row = pool.query_one(query, &[&id.tenant.get(), &id.number.get()]).await?;
    let Some(row) = row else { return Ok(Holders::default()) };
    let body: &[u8] = column(&row, 1)?;
    if body.is_empty() {
        return Err(StoreError::BodyRemoved(id.number));
    }
    body::holders(column(&row, 0)?, body, id.number)
}

/// The history of a connector: a recursive query from its newest revision to each previous one. It ends when it has
/// enough rows.
const OF_CONNECTOR: &str = concat!(
    "WITH RECURSIVE newest (newest) AS (
         SELECT number FROM connectors WHERE tenant_id = $1 AND script_name = $2
         UNION ALL
         SELECT number FROM deleted WHERE tenant_id = $1 AND script_name = $2
     ), history (",
    columns!(names),
    ") AS (
         SELECT ",
    columns!("found."),
    " FROM newest JOIN revisions AS found ON found.tenant_id = $1 AND found.number = newest.newest
         UNION ALL
         SELECT ",
    columns!("found."),
    " FROM history JOIN revisions AS found ON found.tenant_id = $1 AND found.number = history.previous
     )
     SELECT * FROM history WHERE number < $3 LIMIT $4"
);

/// One revision, if it belongs to this connector.
const ONE: &str =
    concat!("SELECT ", columns!(""), " FROM revisions WHERE tenant_id = $1 AND number = $2 AND script_name = $3");

const OF_TENANT: &str = concat!(
    "SELECT ",
    columns!(""),
    " FROM revisions WHERE tenant_id = $1 AND number < $2 ORDER BY number DESC LIMIT $3"
);

/// Reads the revisions of a tenant, or of one of its connectors, with numbers below `before`, the newest first.
pub(super) async fn revisions(
    pool: &Arc<Pool>,
    tenant: TenantId,
    of: Option<&ScriptName>,
    before: Option<RevisionNumber>,
    limit: u32,
) -> Result<Vec<Revision>> {
    let (tenant, limit) = (tenant.get(), i64::from(limit));
    let before = before.map_or(i64::MAX, RevisionNumber::get);
    let rows = match of {
        Some(of) => pool.query(OF_CONNECTOR, &[&tenant, &of.as_str(), &before, &limit]).await?,
        None => pool.query(OF_TENANT, &[&tenant, &before, &limit]).await?,
    };
    rows.iter().map(revision).collect()
}

/// Reads a revision, if it belongs to this connector.
pub(super) async fn one(pool: &Arc<Pool>, id: RevisionId, of: &ScriptName) -> Result<Option<Revision>> {
    let row = pool.query_one(ONE, &[&id.tenant.get(), &id.number.get(), &of.as_str()]).await?;
    row.as_ref().map(revision).transpose()
}

pub(super) fn revision(row: &Row) -> Result<Revision> {
    let action = column(row, 2)?;
    Ok(Revision {
        number: number(row, 0)?,
        script_name: script_name(row, 1)?,
        action: Action::of(action).ok_or_else(|| unreadable(format_args!("a revision of action {action}")))?,
        changed: column::<&str>(row, 3)?.split_whitespace().map(str::to_owned).collect(),
        author: author(row, 4)?,
        created_at: column(row, 7)?,
        tracking_id: column(row, 8)?,
        change: number(row, 9)?,
        previous: optional_number(row, 10)?,
        commit: column(row, 11)?,
        has_body: column(row, 12)?,
    })
}
