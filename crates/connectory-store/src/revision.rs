//! Revisions: what a history is made of. Every change to a connector is one, and none ever changes.

use std::fmt;

use connectory_model::ScriptName;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::access::TenantId;

/// An enumeration that is a number in the database and a word everywhere else.
macro_rules! words {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$doc:meta])* $variant:ident = $number:literal, $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl $name {
            /// The word.
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
    };
}

/// The number of a tenant's revision. It increases by one with every change to a connector of the tenant, and is never
/// reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct RevisionNumber(i64);

impl RevisionNumber {
    /// How many bits a number has at most. An engine may keep tenant and number in one integer.
    pub(crate) const BITS: u32 = 40;
    /// The number before a tenant's first revision.
    pub const ZERO: Self = Self(0);
    /// The largest number.
    pub const MAX: Self = Self((1 << Self::BITS) - 1);

    /// The number, if a revision may have it: from zero to [`Self::MAX`].
    pub const fn new(number: i64) -> Option<Self> {
        if number >= 0 && number <= Self::MAX.0 { Some(Self(number)) } else { None }
    }

    /// The number as an integer.
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for RevisionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An integer that no revision has as its number.
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

/// The name of a revision: its tenant, and its number among those of the tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RevisionId {
    /// The tenant.
    pub tenant: TenantId,
    /// The number.
    pub number: RevisionNumber,
}

/// Who makes a change, and in which request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Who.
    pub author: Author,
    /// The id under which the request is logged.
    pub tracking_id: Option<Uuid>,
}

/// Who made a change, as it was then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// What the author is.
    pub kind: AuthorKind,
    /// The id of the client, or the issuer and the subject of a person.
    pub id: String,
    /// The name, if it is known.
    pub name: Option<String>,
}

words! {
    /// What an author is. The numbers are in the database.
    pub enum AuthorKind {
        /// An API client.
        Client = 1, "client",
        /// A person who signed in by OpenID Connect.
        Person = 2, "person",
        /// Whoever runs the server, at its command line.
        Operator = 3, "operator",
    }
}

words! {
    /// What a revision did to its connector. The numbers are in the database.
    pub enum Action {
        /// Created it.
        Create = 1, "create",
        /// Changed it.
        Update = 2, "update",
        /// Deleted it.
        Delete = 3, "delete",
        /// Made it what it was at an earlier revision.
        Restore = 4, "restore",
    }
}

/// A change that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Its number.
    pub number: RevisionNumber,
    /// The number of the last revision of the same commit: one request may change several connectors.
    pub change: RevisionNumber,
    /// The number of this connector's revision before it, if there is one. A connector that is created again continues the
    /// history of the deleted one.
    pub previous: Option<RevisionNumber>,
    /// The connector that changed.
    pub script_name: ScriptName,
    /// What was done.
    pub action: Action,
    /// The members or files that changed.
    pub changed: Vec<String>,
    /// Who did it.
    pub author: Author,
    /// The id under which the request was logged. It is not known of revisions before schema 5.
    pub tracking_id: Option<Uuid>,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub created_at: i64,
}
