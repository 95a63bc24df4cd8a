//! The columns that several tables have: a tenant, an author, and a request.

use std::collections::HashSet;
use std::str::FromStr;

use rusqlite::types::Type;
use rusqlite::{Connection, Params, Row};
use uuid::Uuid;

use crate::access::{Quotas, Tenant, TenantId};
use crate::error::{Result, unreadable};
use crate::find::Who;
use crate::revision::{Author, AuthorKind};

/// The columns that [`tenant`] reads.
pub(super) const TENANT_COLUMNS: &str = "tenants.id, tenants.uuid, tenants.name, tenants.created_at, tenants.max_connectors, tenants.max_bytes, \
     tenants.suspended_at";

/// Reads a tenant from [`TENANT_COLUMNS`].
pub(super) fn tenant(row: &Row<'_>, first: usize) -> rusqlite::Result<Tenant> {
    let id = row.get(first)?;
    Ok(Tenant {
        id: TenantId::new(id).ok_or(rusqlite::Error::IntegralValueOutOfRange(first, id))?,
        uuid: row.get(first + 1)?,
        name: row.get(first + 2)?,
        created_at: row.get(first + 3)?,
        quotas: Quotas { connectors: row.get(first + 4)?, bytes: row.get(first + 5)? },
        suspended_at: row.get(first + 6)?,
    })
}

/// Reads an author from three columns: kind, id and name.
pub(super) fn author(row: &Row<'_>, first: usize) -> rusqlite::Result<Author> {
    let kind = row.get(first)?;
    Ok(Author {
        kind: AuthorKind::of(kind).ok_or(rusqlite::Error::IntegralValueOutOfRange(first, kind))?,
        id: row.get(first + 1)?,
        name: row.get(first + 2)?,
    })
}

/// Reads the id of a request or a commit.
pub(super) fn uuid(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Uuid>> {
    Ok(row.get::<_, Option<Vec<u8>>>(column)?.and_then(|bytes| Uuid::from_slice(&bytes).ok()))
}

/// Parses the text of a column.
pub(super) fn word<T>(column: usize, text: &str) -> rusqlite::Result<T>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse().map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}

/// The ids and names for those who are looked for, as a JSON array. `looked` selects the authors of the rows that are looked
/// at, an id and a name each.
pub(super) fn texts_of(
    connection: &Connection,
    who: Option<&Who>,
    looked: &str,
    values: impl Params,
) -> Result<Option<String>> {
    let Some(who) = who else { return Ok(None) };
    let found = match who {
        Who::Exactly(_) => HashSet::new(),
        Who::Containing(_) => {
            let mut statement = connection.prepare_cached(&format!("SELECT DISTINCT * FROM ({looked})"))?;
            let rows =
                statement.query_map(values, |row| Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?)))?;
            let rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
            rows.into_iter().flat_map(|(id, name)| [Some(id), name]).flatten().collect()
        }
    };
    Ok(Some(serde_json::to_string(&who.texts(found)).map_err(unreadable)?))
}
