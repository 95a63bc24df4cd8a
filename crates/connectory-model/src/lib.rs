//! What a connector is, as types and pure functions.
#![doc = include_str!("../README.md")]

pub mod access;
pub mod bounds;
pub mod connector;
pub mod create;
pub mod document;
pub mod file_names;
pub mod filter;
pub mod import;
pub mod json;
pub mod limits;
pub mod lines;
mod locale;
pub mod members;
pub mod metadata;
mod name_key;
mod origin;
mod part;
pub mod patch;
mod properties;
mod script_name;
mod search;
mod shown;
mod status;
pub mod translations;
mod visible;
pub mod wire;

pub use connector::{Connector, Summary};
pub use locale::{Locale, UnknownLocale};
pub use metadata::Metadata;
pub use name_key::name_key;
pub use part::{Part, PartText, UnknownPart};
pub use script_name::{ScriptName, UnreadableScriptName};
pub use search::{InvalidSearch, Search};
pub use shown::{reason, shown};
pub use status::{Status, UnknownStatus};
pub use visible::visible;
