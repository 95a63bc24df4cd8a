//! Revisions. Every change to a connector is a revision, and a revision never changes. A history is a list of
//! revisions.

use std::fmt;

use connectory_model::ScriptName;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::access::TenantId;

/// Defines an enumeration that is a number in the database and a word everywhere else.
macro_rules! words {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$doc:meta])* $variant:ident = $number:literal, $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl $name {
            /// All values.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word for the value.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            pub(crate) const fn number(self) -> i64 {
                match self { $(Self::$variant => $number,)+ }
            }

            pub(crate) const fn of(number: i64) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)+ _ => None }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                match <std::borrow::Cow<'de, str>>::deserialize(deserializer)?.as_ref() {
                    $($word => Ok(Self::$variant),)+
                    other => Err(serde::de::Error::unknown_variant(other, &[$($word),+])),
                }
            }
        }
    };
}

/// The columns of a revision as every engine has them, with the prefix of a table; or their names. A body that was removed
/// is empty.
macro_rules! columns {
    (names) => {
        "number, script_name, action, changed, author_kind, author_id, author_name, created_at, tracking_id, change, \
         previous, commit_id, has_body"
    };
    ($table:literal) => {
        concat!(
            $table,
            "number, ",
            $table,
            "script_name, ",
            $table,
            "action, ",
            $table,
            "changed, ",
            $table,
            "author_kind, ",
            $table,
            "author_id, ",
            $table,
            "author_name, ",
            $table,
            "created_at, ",
            $table,
            "tracking_id, ",
            $table,
            "change, ",
            $table,
            "previous, ",
            $table,
            "commit_id, length(",
            $table,
            "body) > 0 AS has_body"
        )
    };
}

pub(crate) use {columns, words};

/// The number of a revision in its tenant. It increases by one with every change to a connector of the tenant, and is
/// never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct RevisionNumber(i64);

impl RevisionNumber {
    /// The bits of the largest number. An engine may store tenant and number in one integer.
    pub(crate) const BITS: u32 = 40;
    /// The number before a tenant's first revision.
    pub const ZERO: Self = Self(0);
    /// The largest number that a revision can have.
    pub const MAX: Self = Self((1 << Self::BITS) - 1);

    /// Makes a revision number. Returns none if the number is not from zero to [`Self::MAX`].
    pub const fn new(number: i64) -> Option<Self> {
        if number >= 0 && number <= Self::MAX.0 { Some(Self(number)) } else { None }
    }

    /// Returns the number as an integer.
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for RevisionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The error for an integer that cannot be a revision number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a revision number: it is from 0 to {max}", max = RevisionNumber::MAX)]
pub struct InvalidRevisionNumber(i64);

impl TryFrom<i64> for RevisionNumber {
    type Error = InvalidRevisionNumber;

    fn try_from(number: i64) -> Result<Self, Self::Error> {
        Self::new(number).ok_or(InvalidRevisionNumber(number))
    }
}

impl From<RevisionNumber> for i64 {
    fn from(number: RevisionNumber) -> Self {
        number.get()
    }
}

/// The identity of a revision: its tenant and its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RevisionId {
    /// The tenant of the revision.
    pub tenant: TenantId,
    /// The number, unique in the tenant.
    pub number: RevisionNumber,
}

/// The author of a change, and the request that makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The author of the change.
    pub author: Author,
    /// The tracking id of the request in the log. None for a change that no request makes.
    pub tracking_id: Option<Uuid>,
}

/// The author of a change, as known at the time of the change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// The kind of author.
    pub kind: AuthorKind,
    /// The id of the client, or the issuer and the subject of a person.
    pub id: String,
    /// The name of the client or person. None if it is not known.
    pub name: Option<String>,
}

words! {
    /// The kind of an author. The numbers are in the database.
    pub enum AuthorKind {
        /// An API client.
        Client = 1, "client",
        /// A person who signed in with OpenID Connect.
        Person = 2, "person",
        /// The operator of the server, at the command line.
        Operator = 3, "operator",
    }
}

words! {
    /// The action of a revision on its connector. The numbers are in the database.
    pub enum Action {
        /// The revision created the connector.
        Create = 1, "create",
        /// The revision changed the connector.
        Update = 2, "update",
        /// The revision deleted the connector.
        Delete = 3, "delete",
        /// The revision gave the connector the state of an earlier revision.
        Restore = 4, "restore",
    }
}

/// A change to a connector, as the history records it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// The number, unique in the tenant.
    pub number: RevisionNumber,
    /// The number of the last revision of the same commit: one request may change several connectors.
    pub change: RevisionNumber,
    /// The number of the connector's previous revision, if there is one. A connector that is created again continues
    /// the history of the deleted connector.
    pub previous: Option<RevisionNumber>,
    /// The script name of the connector that changed.
    pub script_name: ScriptName,
    /// The action of the revision.
    pub action: Action,
    /// The members or files that changed.
    pub changed: Vec<String>,
    /// The author of the change.
    pub author: Author,
    /// The tracking id of the request in the log. Revisions from before schema 5 have none.
    pub tracking_id: Option<Uuid>,
    /// The time of the change, in milliseconds since 1970-01-01 UTC.
    pub created_at: i64,
    /// The random id of the commit. Revisions from before schema 5 have none.
    pub commit: Option<Uuid>,
    /// Whether the connector at the revision can be read. Retention removes it at some time.
    pub has_body: bool,
}
