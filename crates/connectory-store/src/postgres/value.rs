//! The values of statements and rows.
//!
//! The type of each parameter is known from its Rust type. So a statement needs no name and no round trip before it, and
//! works through a pooler that gives every transaction another connection.

use std::borrow::Cow;
use std::error::Error;
use std::str::FromStr;

use connectory_model::ScriptName;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, ToSql, Type};
use uuid::Uuid;

use crate::access::{Quotas, Tenant, TenantId};
use crate::error::{Result, StoreError, unreadable};
use crate::revision::{Author, AuthorKind, RevisionNumber};

/// A parameter of a statement.
pub(super) trait Value: ToSql + Sync {
    /// Its type in the database.
    fn kind(&self) -> Type;
}

/// A Rust type with one type in the database.
pub(super) trait Typed {
    /// The type of a value.
    const KIND: Type;
    /// The type of an array of values.
    const ARRAY: Type;
}

macro_rules! typed {
    ($($rust:ty: $kind:ident, $array:ident;)+) => {
        $(impl Typed for $rust {
            const KIND: Type = Type::$kind;
            const ARRAY: Type = Type::$array;
        })+
    };
}

typed! {
    i64: INT8, INT8_ARRAY;
    &str: TEXT, TEXT_ARRAY;
    String: TEXT, TEXT_ARRAY;
    Cow<'_, str>: TEXT, TEXT_ARRAY;
    &[u8]: BYTEA, BYTEA_ARRAY;
    Vec<u8>: BYTEA, BYTEA_ARRAY;
    Uuid: UUID, UUID_ARRAY;
}

impl<T: Typed> Typed for Option<T> {
    const KIND: Type = T::KIND;
    const ARRAY: Type = T::ARRAY;
}

impl<T: Typed> Typed for Vec<T> {
    const KIND: Type = T::ARRAY;
    const ARRAY: Type = T::ARRAY;
}

impl<T: Typed + ToSql + Sync> Value for T {
    fn kind(&self) -> Type {
        T::KIND
    }
}

/// The values of a statement as the driver takes them.
pub(super) fn typed<'a>(values: &[&'a dyn Value]) -> Vec<(&'a (dyn ToSql + Sync), Type)> {
    values.iter().map(|value| (*value as &(dyn ToSql + Sync), value.kind())).collect()
}

/// The character that stands before an escaped one.
const ESCAPE: char = '\u{1}';

/// Makes a text that PostgreSQL can store, which cannot store NUL. The order of texts stays.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', ESCAPE]) {
        return Cow::Borrowed(text);
    }
    let mut stored = String::with_capacity(text.len() + 8);
    for char in text.chars() {
        match char {
            '\0' => stored.extend([ESCAPE, ESCAPE]),
            ESCAPE => stored.extend([ESCAPE, '\u{2}']),
            other => stored.push(other),
        }
    }
    Cow::Owned(stored)
}

/// Makes a stored text what it was before [`text`].
pub(super) fn plain(stored: String) -> String {
    if !stored.contains(ESCAPE) {
        return stored;
    }
    let (mut plain, mut chars) = (String::with_capacity(stored.len()), stored.chars());
    while let Some(char) = chars.next() {
        plain.push(match char {
            ESCAPE if chars.next() == Some(ESCAPE) => '\0',
            other => other,
        });
    }
    plain
}

/// Reads a column.
pub(super) fn column<'a, T: FromSql<'a>>(row: &'a Row, at: usize) -> Result<T> {
    row.try_get(at).map_err(unreadable)
}

/// Reads a column with a text that was stored by [`text`].
pub(super) fn text_column(row: &Row, at: usize) -> Result<String> {
    column(row, at).map(plain)
}

/// Reads a column with a revision number.
pub(super) fn number(row: &Row, at: usize) -> Result<RevisionNumber> {
    optional_number(row, at)?.ok_or_else(|| unreadable("a revision without a number"))
}

/// Reads a column with a revision number or none.
pub(super) fn optional_number(row: &Row, at: usize) -> Result<Option<RevisionNumber>> {
    let number: Option<i64> = column(row, at)?;
    number.map(|number| RevisionNumber::try_from(number).map_err(unreadable)).transpose()
}

/// Reads a column with a script name.
pub(super) fn script_name(row: &Row, at: usize) -> Result<ScriptName> {
    word(column(row, at)?)
}

/// Parses the text of a column.
pub(super) fn word<T: FromStr<Err: Error>>(text: &str) -> Result<T> {
    text.parse().map_err(unreadable)
}

/// Reads a number that is never negative.
pub(super) fn count(row: &Row, at: usize) -> Result<u64> {
    u64::try_from(column::<i64>(row, at)?).map_err(unreadable)
}

/// The time of the database, in milliseconds since 1970-01-01 UTC. All nodes write this time, whatever their clocks say.
pub(super) const NOW: &str = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint";

/// The columns that [`tenant`] reads.
pub(super) const TENANT_COLUMNS: &str = "tenants.id, tenants.uuid, tenants.name, tenants.created_at, tenants.max_connectors, tenants.max_bytes, \
     tenants.suspended_at";

/// Reads a tenant from [`TENANT_COLUMNS`].
pub(super) fn tenant(row: &Row, first: usize) -> Result<Tenant> {
    Ok(Tenant {
        id: tenant_id(row, first)?,
        uuid: column(row, first + 1)?,
        name: text_column(row, first + 2)?,
        created_at: column(row, first + 3)?,
        quotas: quotas(row, first + 4)?,
        suspended_at: column(row, first + 6)?,
    })
}

/// Reads the id of a tenant.
pub(super) fn tenant_id(row: &Row, at: usize) -> Result<TenantId> {
    let id = column(row, at)?;
    TenantId::new(id).ok_or_else(|| unreadable(format_args!("a tenant with the key {id}")))
}

/// Reads the quotas of a tenant from two columns.
pub(super) fn quotas(row: &Row, first: usize) -> Result<Quotas> {
    let bytes: Option<i64> = column(row, first + 1)?;
    Ok(Quotas { connectors: count(row, first)?, bytes: bytes.map(u64::try_from).transpose().map_err(unreadable)? })
}

/// Reads an author from three columns: kind, id and name.
pub(super) fn author(row: &Row, first: usize) -> Result<Author> {
    let kind = column(row, first)?;
    Ok(Author {
        kind: AuthorKind::of(kind).ok_or_else(|| unreadable(format_args!("an author of kind {kind}")))?,
        id: text_column(row, first + 1)?,
        name: column::<Option<String>>(row, first + 2)?.map(plain),
    })
}

/// Makes a number for the database.
pub(super) fn stored(count: impl TryInto<i64>) -> Result<i64> {
    count.try_into().map_err(|_| StoreError::Engine("a number is too large for the database".to_owned()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::cmp::Ordering;

    use super::*;

    #[test]
    fn every_text_can_be_stored_and_keeps_its_place() {
        let texts = ["", "\0", "\0\0", "\0a", "\u{1}", "\u{1}\u{1}", "\u{1}a", "\u{2}", "a", "a\0b", "a\u{1}b", "b"];
        for (at, one) in texts.iter().enumerate() {
            let stored = text(one);
            assert!(!stored.contains('\0'), "{one:?}");
            assert_eq!(plain(stored.clone().into_owned()), **one, "{one:?}");
            for (other_at, other) in texts.iter().enumerate() {
                assert_eq!(stored.cmp(&text(other)), at.cmp(&other_at), "{one:?} {other:?}");
            }
        }
        assert_eq!("\0".cmp("\u{1}"), Ordering::Less);
    }
}
