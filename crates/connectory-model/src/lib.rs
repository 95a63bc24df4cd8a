//! What a connector is, as types and pure functions.
//!
//! Everything a connector can be is decided here: its wire types, the four documents that define it, the
//! filter language, the rules of JSON Patch and of script names. Nothing here does I/O or is async, so every
//! rule can be tested as a function, and the server, the SDK and the linter apply the same ones.

pub mod access;
pub mod bounds;
pub mod connector;
pub mod create;
pub mod document;
pub mod filter;
pub mod folder;
pub mod import;
pub mod json;
pub mod limits;
pub mod lines;
pub mod lint;
mod locale;
mod name_key;
mod part;
pub mod patch;
mod script_name;
pub mod translations;
pub mod wire;

pub use connector::{Connector, Metadata, Status, Summary, lower_key};
pub use locale::Locale;
pub use name_key::name_key;
pub use part::{Part, PartText, UnknownPart};
pub use script_name::{InvalidScriptName, ScriptName, UnreadableScriptName};
