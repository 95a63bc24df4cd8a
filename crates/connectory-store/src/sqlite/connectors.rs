//! The rows of connectors and their revisions.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use connectory_model::{Part, ScriptName, Summary};
use rusqlite::types::{Type, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::key::{end_key, first_key, key};
use super::once;
use super::rows::{self, author};
use super::usage::Usage;
use crate::access::{Quotas, TenantId};
use crate::body::{self, Found, Holders};
use crate::changes::{Changed, Changes, Head};
use crate::clock::now;
use crate::edit::{Change, Commit, Edit, expect_distinct};
use crate::error::{Refusal, Result, StoreError, unreadable};
use crate::revision::{Action, Author, Origin, Revision, RevisionId, RevisionNumber, columns};

/// Writes the revisions with the next numbers of the tenant. Checks all edits by reading before it writes the first.
pub(super) fn commit(
    connection: &Connection,
    usage: &mut Usage,
    commit: &Commit,
) -> Result<Vec<RevisionNumber>, Refusal> {
    let Commit { tenant, edits, .. } = commit;
    if let Some(once) = &commit.once
        && once::done(connection, *tenant, once)?.is_some()
    {
        return Err(Refusal::Done);
    }
    expect_distinct(edits)?;
    let mut newest = RevisionNumber::ZERO;
    let mut previous = Vec::with_capacity(edits.len());
    let (mut quotas, mut names, others) = (None, HashSet::new(), Others::of(edits));
    for (at, edit) in edits.iter().enumerate() {
        let checked = check(connection, *tenant, &others, at, edit)?;
        // One edit has no other to share its name with.
        if checked.takes_name && edits.len() > 1 && !names.insert(edit.name_key.as_str()) {
            return Err(Refusal::NameTaken { edit: at });
        }
        newest = checked.newest;
        previous.push((checked.previous, checked.takes_name));
        quotas = Some(checked.quotas);
    }
    if let Some(quotas) = quotas {
        usage.check(connection, *tenant, edits, quotas)?;
    }
    let numbers: Vec<_> = (newest.get() + 1..).take(edits.len()).map_while(RevisionNumber::new).collect();
    let Some(last) = numbers.last().copied().filter(|_| numbers.len() == edits.len()) else {
        return Err(StoreError::Engine(format!("the tenant has no numbers left after {newest}")).into());
    };
    if let Some(once) = &commit.once {
        once::note(connection, *tenant, once, (numbers[0], last))?;
    }
    // All names that become free, before the first is taken: connectors may exchange their names.
    for (edit, (_, takes_name)) in edits.iter().zip(&previous) {
        if matches!(edit.change(), Change::Delete { .. }) || *takes_name && edit.change() != Change::Create {
            connection
                .prepare_cached("DELETE FROM connectors WHERE tenant_id = ?1 AND script_name = ?2")
                .and_then(|mut delete| delete.execute(params![tenant.get(), edit.script_name().as_str()]))
                .map_err(StoreError::from)?;
        }
    }
    let time = now();
    for ((edit, (previous, takes_name)), number) in edits.iter().zip(previous).zip(&numbers) {
        let change = (*number != last).then_some(last);
        write(connection, commit, edit, Place { number: *number, previous, takes_name, change, time })?;
    }
    usage.wrote(*tenant, edits);
    Ok(numbers)
}

/// The numbers that the check of an edit found.
struct Checked {
    /// The newest revision number of the tenant.
    newest: RevisionNumber,
    /// The number of the connector's revision before the edit, if there is one.
    previous: Option<RevisionNumber>,
    /// Whether the connector has the name from this edit on.
    takes_name: bool,
    /// The quotas of the tenant. An operator may set them beside the server, so every commit reads them.
    quotas: Quotas,
}

/// The other edits of the same commit, which may free a name.
struct Others<'a>(HashMap<&'a str, &'a Edit>);

impl<'a> Others<'a> {
    fn of(edits: &'a [Edit]) -> Self {
        // One edit frees no name that it takes.
        let several = edits.iter().filter(|_| edits.len() > 1);
        Self(several.map(|edit| (edit.script_name().as_str(), edit)).collect())
    }

    /// Whether all connectors that have a name now have another one after the commit, or are deleted.
    fn free(&self, connection: &Connection, tenant: TenantId, name_key: &str) -> Result<bool> {
        if self.0.is_empty() {
            return Ok(false);
        }
        let mut statement = connection.prepare_cached(
            "SELECT script_name FROM connectors WHERE tenant_id = ?1 AND name_key >= ?2 AND name_key < ?2 || char(2)",
        )?;
        let mut holders = statement.query(params![tenant.get(), name_key])?;
        while let Some(holder) = holders.next()? {
            let frees = self.0.get(holder.get_ref(0)?.as_str().map_err(unreadable)?).is_some_and(|edit| {
                let renames = edit.may_rename && edit.name_key != name_key;
                renames || matches!(edit.change(), Change::Delete { .. })
            });
            if !frees {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Checks whether an edit is possible, almost always with one statement. The key of a name may have a suffix
/// ([`super::schema`]).
fn check(
    connection: &Connection,
    tenant: TenantId,
    others: &Others<'_>,
    at: usize,
    edit: &Edit,
) -> Result<Checked, Refusal> {
    let (tenant_id, keys) = (tenant.get(), [first_key(tenant), end_key(tenant)]);
    let script_name = edit.script_name().as_str();
    let expected = match edit.change() {
        Change::Create => {
            let mut statement = connection
                .prepare_cached(
                    "SELECT (SELECT number FROM revisions WHERE key > ?1 AND key < ?2 ORDER BY key DESC LIMIT 1),
                            (SELECT number FROM deleted WHERE tenant_id = ?3 AND script_name = ?4),
                            EXISTS (SELECT 1 FROM connectors WHERE tenant_id = ?3 AND script_name = ?4),
                            EXISTS (SELECT 1 FROM connectors
                                    WHERE tenant_id = ?3 AND name_key >= ?5 AND name_key < ?5 || char(2)),
                            max_connectors, max_bytes, suspended_at, deleted_at
                         FROM tenants WHERE id = ?3",
                )
                .map_err(StoreError::from)?;
            let row = |row: &Row<'_>| {
                let quotas = Quotas { connectors: row.get(4)?, bytes: row.get(5)? };
                Ok((row.get::<_, Option<_>>(0)?, row.get(1)?, row.get(2)?, row.get(3)?, quotas, state(row, 6)?))
            };
            let (newest, previous, script_name_taken, name_taken, quotas, state) = statement
                .query_row(params![keys[0], keys[1], tenant_id, script_name, edit.name_key], row)
                .map_err(StoreError::from)?;
            state?;
            let name_taken = name_taken && !others.free(connection, tenant, &edit.name_key)?;
            return match (name_taken, script_name_taken) {
                (true, _) => Err(Refusal::NameTaken { edit: at }),
                (false, true) => Err(Refusal::ScriptNameTaken { edit: at }),
                (false, false) => {
                    let newest = newest.unwrap_or(RevisionNumber::ZERO);
                    Ok(Checked { newest, previous, takes_name: true, quotas })
                }
            };
        }
        Change::Update { expected } | Change::Delete { expected } => expected,
    };
    let mut statement = connection
        .prepare_cached(
            "SELECT (SELECT number FROM revisions WHERE key > ?1 AND key < ?2 ORDER BY key DESC LIMIT 1),
                    (SELECT number FROM connectors WHERE tenant_id = ?3 AND script_name = ?4),
                    max_connectors, max_bytes, suspended_at, deleted_at
                 FROM tenants WHERE id = ?3",
        )
        .map_err(StoreError::from)?;
    let (newest, current, quotas, state) = statement
        .query_row(params![keys[0], keys[1], tenant_id, script_name], |row| {
            let quotas = Quotas { connectors: row.get(2)?, bytes: row.get(3)? };
            Ok((row.get::<_, Option<_>>(0)?, row.get(1)?, quotas, state(row, 4)?))
        })
        .map_err(StoreError::from)?;
    state?;
    if current != Some(expected) {
        return Err(Refusal::Conflict { edit: at, current });
    }
    let takes_name = edit.may_rename && renames(connection, tenant, others, at, edit)?;
    Ok(Checked { newest: newest.unwrap_or(RevisionNumber::ZERO), previous: current, takes_name, quotas })
}

/// Refuses changes of a tenant that is suspended or deleted. An operator may do that beside the server.
fn state(row: &Row<'_>, first: usize) -> rusqlite::Result<Result<()>> {
    let (suspended, deleted): (Option<i64>, Option<i64>) = (row.get(first)?, row.get(first + 1)?);
    Ok(match (deleted, suspended) {
        (Some(_), _) => Err(StoreError::Unknown("the tenant".to_owned())),
        (None, Some(_)) => Err(StoreError::Suspended),
        (None, None) => Ok(()),
    })
}

/// Whether an edit gives its connector a name with another key. Refuses a name that another connector has.
fn renames(
    connection: &Connection,
    tenant: TenantId,
    others: &Others<'_>,
    at: usize,
    edit: &Edit,
) -> Result<bool, Refusal> {
    let mut statement = connection
        .prepare_cached(
            "SELECT name_key >= ?3 AND name_key < ?3 || char(2),
                    EXISTS (SELECT 1 FROM connectors AS others
                            WHERE tenant_id = ?1 AND name_key >= ?3 AND name_key < ?3 || char(2))
                 FROM connectors WHERE tenant_id = ?1 AND script_name = ?2",
        )
        .map_err(StoreError::from)?;
    let values = params![tenant.get(), edit.script_name().as_str(), edit.name_key];
    let (is_its_own, is_taken) =
        statement.query_row(values, |row| Ok((row.get(0)?, row.get(1)?))).map_err(StoreError::from)?;
    match (is_its_own, is_taken) {
        (true, _) => Ok(false),
        (false, true) if !others.free(connection, tenant, &edit.name_key)? => Err(Refusal::NameTaken { edit: at }),
        (false, _) => Ok(true),
    }
}

/// The position of a revision in the history.
#[derive(Clone, Copy)]
struct Place {
    number: RevisionNumber,
    previous: Option<RevisionNumber>,
    takes_name: bool,
    /// The last revision of the same commit. None means this revision.
    change: Option<RevisionNumber>,
    time: i64,
}

/// Writes a revision after its edit was checked.
fn write(connection: &Connection, commit: &Commit, edit: &Edit, place: Place) -> Result<()> {
    let Place { number, previous, takes_name, change, time } = place;
    let tenant_id = commit.tenant.get();
    let script_name = edit.script_name().as_str();
    if takes_name {
        connection
            .prepare_cached(
                "INSERT INTO connectors (tenant_id, script_name, name_key, number, summary) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![tenant_id, script_name, edit.name_key, number.get(), edit.summary_json])?;
    }
    match edit.change() {
        Change::Create if previous.is_some() => {
            connection
                .prepare_cached("DELETE FROM deleted WHERE tenant_id = ?1 AND script_name = ?2")?
                .execute(params![tenant_id, script_name])?;
        }
        Change::Create => {}
        Change::Update { .. } if takes_name => {}
        Change::Update { .. } => {
            connection
                .prepare_cached(
                    "UPDATE connectors SET number = ?3, summary = ?4 WHERE tenant_id = ?1 AND script_name = ?2",
                )?
                .execute(params![tenant_id, script_name, number.get(), edit.summary_json])?;
        }
        Change::Delete { .. } => {
            connection
                .prepare_cached("INSERT INTO deleted (tenant_id, script_name, number) VALUES (?1, ?2, ?3)")?
                .execute(params![tenant_id, script_name, number.get()])?;
        }
    }
    let key = key(RevisionId { tenant: commit.tenant, number });
    let Origin { author: Author { kind, id, name }, tracking_id } = &commit.origin;
    connection
        .prepare_cached(
            "INSERT INTO revisions (key, script_name, previous, change, commit_id, action, changed, author_kind,
                                    author_id, author_name, tracking_id, created_at, format, body)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?
        .execute(params![
            key,
            script_name,
            previous.map(RevisionNumber::get),
            change.map(RevisionNumber::get),
            commit.id.as_bytes(),
            edit.action.number(),
            edit.changed,
            kind.number(),
            id,
            name,
            tracking_id.as_ref().map(Uuid::as_bytes),
            time,
            edit.body.format,
            edit.body.bytes
        ])?;
    for (part, bytes) in &edit.body.parts {
        connection.prepare_cached("INSERT INTO parts (key, part, body) VALUES (?1, ?2, ?3)")?.execute(params![
            key,
            part.to_string(),
            bytes
        ])?;
    }
    Ok(())
}

/// Fails if the newest revision cannot be read, because the database is damaged then.
pub(super) fn expect_readable(connection: &Connection) -> Result<()> {
    Ok(connection.query_row("SELECT max(key) FROM revisions", [], |_| Ok(()))?)
}

/// Reads a tenant's newest revision.
fn head(connection: &Connection, tenant: TenantId) -> Result<Head> {
    let newest = connection
        .prepare_cached(
            "SELECT number, commit_id FROM revisions WHERE key > ?1 AND key < ?2 ORDER BY key DESC LIMIT 1",
        )?
        .query_row([first_key(tenant), end_key(tenant)], |row| {
            Ok(Head { number: row.get(0)?, commit: rows::uuid(row, 1)? })
        })
        .optional()?;
    Ok(newest.unwrap_or(Head { number: RevisionNumber::ZERO, commit: None }))
}

/// Reads a tenant's newest revision number and the summaries of all its connectors, ordered by name, in one
/// transaction.
pub(super) fn load<T>(
    connection: &Connection,
    tenant: TenantId,
    read: impl FnOnce(&mut dyn Iterator<Item = (RevisionNumber, Summary)>) -> T,
) -> Result<(Head, T)> {
    let _one_moment = connection.unchecked_transaction()?;
    let head = head(connection, tenant)?;
    let mut statement =
        connection.prepare_cached("SELECT number, summary FROM connectors WHERE tenant_id = ?1 ORDER BY name_key")?;
    let mut rows = statement.query([tenant.get()])?;
    let mut failed = None;
    let mut next = || {
        let Some(row) = rows.next()? else { return Ok(None) };
        Ok(Some((row.get(0)?, summary(row.get_ref(1)?)?)))
    };
    let result = read(&mut std::iter::from_fn(|| {
        next().unwrap_or_else(|error| {
            failed = Some(error);
            None
        })
    }));
    failed.map_or(Ok((head, result)), Err)
}

fn summary(text: ValueRef<'_>) -> Result<Summary> {
    body::from_json(text.as_str().map_err(unreadable)?.as_bytes())
}

/// Reads the current state of the connectors that changed after a revision number.
pub(super) fn changes(connection: &Connection, tenant: TenantId, after: RevisionNumber) -> Result<Changes> {
    let _one_moment = connection.unchecked_transaction()?;
    let as_of = head(connection, tenant)?.number;
    let mut statement = connection.prepare_cached(
        "SELECT max(revisions.number), revisions.script_name, connectors.summary
             FROM revisions LEFT JOIN connectors
                  ON connectors.tenant_id = ?3 AND connectors.script_name = revisions.script_name
             WHERE revisions.key > ?1 AND revisions.key < ?2
             GROUP BY revisions.script_name ORDER BY 1",
    )?;
    let mut rows = statement.query([key(RevisionId { tenant, number: after }), end_key(tenant), tenant.get()])?;
    let mut changed = Vec::new();
    while let Some(row) = rows.next()? {
        let summary = match row.get_ref(2)? {
            ValueRef::Null => None,
            text => Some(Arc::new(summary(text)?)),
        };
        changed.push(Changed { number: row.get(0)?, script_name: script_name(row, 1)?, summary });
    }
    Ok(Changes { as_of, changed })
}

/// Reads a connector at a revision, if the revision exists and the connector has at most `most` bytes. A larger body is
/// not read.
pub(super) fn at(connection: &Connection, id: RevisionId, most: usize) -> Result<Option<Found>> {
    let mut statement = connection.prepare_cached(
        "SELECT format, length(body), iif(length(body) > ?2, NULL, body) FROM revisions WHERE key = ?1",
    )?;
    let mut rows = statement.query(params![key(id), i64::try_from(most).unwrap_or(i64::MAX)])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    if row.get::<_, i64>(1)? == 0 {
        return Err(StoreError::BodyRemoved(id.number));
    }
    let body = row.get_ref(2)?;
    if body == ValueRef::Null {
        return Ok(Some(Found::Large(usize::try_from(row.get::<_, i64>(1)?).unwrap_or(usize::MAX))));
    }
    let part = |part: Part, holder: Option<RevisionNumber>| {
        let holder = RevisionId { number: holder.unwrap_or(id.number), ..id };
        connection
            .prepare_cached("SELECT body FROM parts WHERE key = ?1 AND part = ?2")?
            .query_row(params![key(holder), part.to_string()], |row| row.get(0))
            .optional()?
            .ok_or_else(|| unreadable(format_args!("revision {} has no part {part}", holder.number.get())))
    };
    body::read(row.get(0)?, bytes_of(body)?, most, part).map(Some)
}

/// Reads where the parts of a large connector are stored at a revision. The result is empty for a small connector.
pub(super) fn holders(connection: &Connection, id: RevisionId) -> Result<Holders> {
    let mut statement = connection.prepare_cached("SELECT format, body FROM revisions WHERE key = ?1")?;
    let mut rows = statement.query([key(id)])?;
    let Some(row) = rows.next()? else { return Ok(Holders::default()) };
    let body = bytes_of(row.get_ref(1)?)?;
    if body.is_empty() {
        return Err(StoreError::BodyRemoved(id.number));
    }
    body::holders(row.get(0)?, body, id.number)
}

/// Reads the bytes of a body. Bodies of the first schema are texts, all others are blobs.
pub(super) fn bytes_of(body: ValueRef<'_>) -> Result<&[u8]> {
    body.as_bytes().map_err(unreadable)
}

/// The history of a connector: a recursive query from its newest revision to each previous one.
const OF_CONNECTOR: &str = concat!(
    "WITH RECURSIVE newest (newest) AS (
        SELECT number FROM connectors WHERE tenant_id = ?4 AND script_name = ?5
        UNION ALL
        SELECT number FROM deleted WHERE tenant_id = ?4 AND script_name = ?5
    ), history (",
    columns!(names),
    ") AS (
        SELECT ",
    columns!("found."),
    " FROM newest JOIN revisions AS found ON found.key = ?1 + newest.newest
        UNION ALL
        SELECT ",
    columns!("found."),
    " FROM history JOIN revisions AS found ON found.key = ?1 + history.previous
    )
    SELECT * FROM history WHERE number < ?3 - ?1 LIMIT ?2"
);

/// One revision, if it belongs to this connector.
const ONE: &str = concat!("SELECT ", columns!(""), " FROM revisions WHERE key = ?1 AND script_name = ?2");

const OF_TENANT: &str =
    concat!("SELECT ", columns!(""), " FROM revisions WHERE key > ?1 AND key < ?2 ORDER BY key DESC LIMIT ?3");

/// Reads the revisions of a tenant, or of one of its connectors, with numbers below `before`, the newest first.
pub(super) fn revisions(
    connection: &Connection,
    tenant: TenantId,
    script_name: Option<&ScriptName>,
    before: Option<RevisionNumber>,
    limit: u32,
) -> Result<Vec<Revision>> {
    let first = first_key(tenant);
    let before = before.map_or(end_key(tenant), |before| first.saturating_add(before.get()).min(end_key(tenant)));
    let rows = match script_name {
        Some(script_name) => connection
            .prepare_cached(OF_CONNECTOR)?
            .query_map(params![first, limit, before, tenant.get(), script_name.as_str()], revision)?
            .collect::<rusqlite::Result<_>>(),
        None => connection.prepare_cached(OF_TENANT)?.query_map(params![first, before, limit], revision)?.collect(),
    };
    rows.map_err(StoreError::from)
}

/// Reads a revision, if it belongs to this connector.
pub(super) fn one(connection: &Connection, id: RevisionId, script_name: &ScriptName) -> Result<Option<Revision>> {
    Ok(connection.prepare_cached(ONE)?.query_row(params![key(id), script_name.as_str()], revision).optional()?)
}

pub(super) fn script_name(row: &Row<'_>, column: usize) -> rusqlite::Result<ScriptName> {
    let text = row.get_ref(column)?.as_str()?;
    text.parse().map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}

pub(super) fn revision(row: &Row<'_>) -> rusqlite::Result<Revision> {
    let number = row.get(0)?;
    Ok(Revision {
        number,
        change: row.get::<_, Option<_>>(9)?.unwrap_or(number),
        previous: row.get(10)?,
        script_name: script_name(row, 1)?,
        action: Action::of(row.get(2)?).ok_or(rusqlite::Error::IntegralValueOutOfRange(2, row.get(2)?))?,
        changed: row.get::<_, String>(3)?.split_whitespace().map(str::to_owned).collect(),
        author: author(row, 4)?,
        created_at: row.get(7)?,
        tracking_id: rows::uuid(row, 8)?,
        commit: rows::uuid(row, 11)?,
        has_body: row.get(12)?,
    })
}
