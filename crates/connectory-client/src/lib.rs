//! A typed SDK for the Connectors API of Identity Security Cloud, and of a connectory server.
//!
//! # Connecting
//!
//! [`Client::from_env`] reads what the official SDKs read, in their order: the variables `SAIL_BASE_URL`,
//! `SAIL_CLIENT_ID` and `SAIL_CLIENT_SECRET`, then `./config.json`, then `~/.sailpoint/config.yaml`
//! ([`Environment`]). [`Client::builder`] takes an [`Environment`] made in code, and everything that can be set.
//!
//! ```no_run
//! use connectory_client::{Client, Filter};
//!
//! # async fn example() -> Result<(), connectory_client::Error> {
//! let client = Client::from_env()?;
//! for connector in client.list().filter(Filter::name().contains("HR")).all().await? {
//!     println!("{} ({})", connector.name, connector.script_name);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A [`Client`] is cheap to clone, and its clones share connections, the token and the bound on concurrent calls. A token
//! is fetched when it is first needed and again before it expires, once for all callers that wait for it.
//!
//! # Operations
//!
//! All 13 operations are methods of [`Client`]: [`list`](Client::list), [`create`](Client::create),
//! [`get`](Client::get), [`delete`](Client::delete), [`patch`](Client::patch); [`document`](Client::document) and
//! [`set_document`](Client::set_document) for each of the three documents; [`translations`](Client::translations) and
//! [`set_translations`](Client::set_translations).
//!
//! # Retries
//!
//! A call that is refused with 429, 502, 503 or 504, or whose connection fails, is made again with growing, jittered
//! pauses, or after the time that `Retry-After` asks for. That holds for GET, PUT and DELETE; what [`Retries::writes`]
//! says holds for POST and PATCH, which could otherwise be done twice.
//!
//! # Errors
//!
//! [`Error`] tells transport, authentication, refusals and undecodable answers apart, and reads as a sentence. A
//! [`Refusal`] holds the service's own `ErrorResponseDto` and its tracking id.
//!
//! # Newer servers
//!
//! Unknown members are ignored, and words of an enumeration that this version does not know are kept as they were sent
//! ([`Open`]).
//!
//! # Without async
//!
//! With the feature `blocking`, [`blocking::Client`] has the same operations.

#![warn(missing_docs)]

#[cfg(feature = "blocking")]
pub mod blocking;
mod client;
mod config;
mod error;
mod filter;
mod http;
mod list;
mod retries;
mod token;
mod transport;

pub use client::{Builder, Client};
pub use config::{ConfigError, Environment, home_file};
pub use connectory_model::create::NewConnector;
pub use connectory_model::document::DocumentKind;
pub use connectory_model::wire::{ConnectorDetail, ConnectorItem, Open, UpdateDetail, UpdateStatus};
pub use connectory_model::{Locale, Metadata, ScriptName, Status};
pub use error::{Error, Refusal};
pub use filter::{Filter, Text};
pub use json_patch::{Patch, PatchOperation};
pub use list::{List, MAX_PAGE};
pub use reqwest::StatusCode;
pub use retries::{Retries, Writes};
