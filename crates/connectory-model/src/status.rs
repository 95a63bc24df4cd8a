//! How far a connector is, from development to deprecated.

use crate::limits::QUOTED_CHARS;
use crate::shown;
use std::fmt;
use std::str::FromStr;

use enum_map::Enum;
use serde::{Deserialize, Serialize};

/// The status of a connector. Lists show only released connectors, unless the caller asks for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// Not to be used any more.
    Deprecated,
    /// Being built.
    Development,
    /// For trying out.
    Demo,
    /// In use.
    Released,
}

impl Status {
    /// Every status.
    pub const ALL: [Status; 4] = [Self::Deprecated, Self::Development, Self::Demo, Self::Released];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deprecated => "DEPRECATED",
            Self::Development => "DEVELOPMENT",
            Self::Demo => "DEMO",
            Self::Released => "RELEASED",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is not a status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a status; expected DEPRECATED, DEVELOPMENT, DEMO or RELEASED")]
pub struct UnknownStatus(String);

impl FromStr for Status {
    type Err = UnknownStatus;

    /// Reads a status in any case: the vendor's own guide sends `released`.
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str().eq_ignore_ascii_case(word))
            .ok_or_else(|| UnknownStatus(shown(word, QUOTED_CHARS).to_owned()))
    }
}
