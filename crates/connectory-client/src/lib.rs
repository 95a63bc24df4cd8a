//! A typed SDK for the Connectors API of Identity Security Cloud, and of a connectory server.
//!
//! # Connecting
//!
//! [`Client::from_env`] reads what the official SDKs read, in their order: the variables `SAIL_BASE_URL`,
//! `SAIL_CLIENT_ID` and `SAIL_CLIENT_SECRET`, then `./config.json`, then `~/.sailpoint/config.yaml`
//! ([`Environment`]). [`Client::builder`] takes an [`Environment`] made in code, and has all settings.
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
//! A [`Client`] is cheap to clone. Its clones share connections, the token and the limit of concurrent calls. The client
//! fetches a token when it first needs one, and a new one before it expires. All callers that wait share one request.
//!
//! # Operations
//!
//! All 13 operations are methods of [`Client`]: [`list`](Client::list), [`create`](Client::create),
//! [`get`](Client::get), [`delete`](Client::delete), [`patch`](Client::patch); [`document`](Client::document) and
//! [`set_document`](Client::set_document) for each of the three documents; [`translations`](Client::translations) and
//! [`set_translations`](Client::set_translations).
//!
//! [`service_info`](Client::service_info) reads the name, version, capabilities and limits of a connectory server.
//!
//! On a connectory server, [`List::export`] reads whole connectors as of one revision, and [`apply`](Client::apply) makes
//! changes to several connectors in one commit. [`patch_each`](Client::patch_each), [`delete_each`](Client::delete_each) and
//! [`undo`](Client::undo) do it without reading them first, [`duplicate`](Client::duplicate) copies a connector,
//! [`compare`](Client::compare) compares any two, and [`export_zip`](Client::export_zip) and
//! [`import_zip`](Client::import_zip) read and write their folders.
//!
//! It also has the history: [`history`](Client::history) and [`revisions`](Client::revisions) list revisions,
//! [`revision`](Client::revision) and [`export_at`](Client::export_at) read what was, [`diff`](Client::diff) compares,
//! [`restore`](Client::restore) restores, [`deleted_connectors`](Client::deleted_connectors) lists what was deleted,
//! [`activity`](Client::activity) lists who did what, and [`events`](Client::events) is a stream of what changes.
//!
//! # Entity tags
//!
//! [`Client::if_none_match`] reads only what is new. [`Client::if_match`] changes only what is as it was read: if someone else
//! changed it meanwhile, the error is [`Error::Changed`]. The methods that end in `_tagged` read the tag with the value.
//!
//! # Retries
//!
//! A call is repeated if the service answers 429, 502, 503 or 504, or if the connection fails. [`Retries`] has a number for
//! each of these causes. The pauses grow and have jitter; if the service sends `Retry-After`, the pause is that long.
//! This applies to GET, PUT and DELETE; a PUT of [`Client::if_match`] is repeated only after 429. It applies to POST and PATCH if the service is connectory: each of them has a random
//! `Idempotency-Key`, and connectory does the calls with one key once. Another service could execute a repeated POST or PATCH
//! twice, so [`Retries::writes`] decides about those. [`Builder::on_retry`] tells the program of each repetition.
//!
//! # Errors
//!
//! [`Error`] distinguishes errors of the network, of authentication, of the service and of unreadable answers. Its text
//! is a sentence. An [`ApiError`] has what the service says, in whatever shape, and its tracking id.
//!
//! # Newer servers
//!
//! Unknown members are ignored. A word of an enumeration that this version does not know is [`Open::Other`]. A connector of a
//! list or of an export that cannot be read costs no other: it is an [`Unreadable`] beside them ([`Listed`], [`Export`]).
//!
//! # Without async
//!
//! With the feature `blocking`, [`blocking::Client`] has the same operations.

#![warn(missing_docs)]

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(feature = "blocking")]
pub mod blocking;
mod changes;
mod client;
mod conditional;
mod config;
mod error;
mod error_body;
mod etag;
mod events;
mod filter;
mod history;
mod http;
mod items;
mod list;
mod retries;
mod token;
mod transport;
mod unreadable;

pub use changes::{Change, Duplicate, Export};
pub use client::{Builder, Client, Reached};
pub use conditional::{IfMatch, IfNoneMatch, Tagged};
pub use config::{ConfigError, Environment, EnvironmentSource, home_file};
pub use connectory_model::create::NewConnector;
pub use connectory_model::document::DocumentKind;
pub use connectory_model::wire::{
    AccessActivity, ActivityEntry, Applied, Capability, ChangeActivity, ConnectorDetail, ConnectorItem,
    ConnectorRevision, DeletedConnector, EventKind, EventReset, ImportResult, Imported, ImportedConnector, Open,
    RefusedActivity, RequestRate, RevisionAction, RevisionAuthor, RevisionAuthorKind, ServiceInfo, ServiceLimits,
    UpdateDetail, UpdateStatus,
};
pub use connectory_model::{InvalidSearch, Locale, Metadata, ScriptName, Search, Status};
pub use error::{ApiError, Error};
pub use etag::{ETag, InvalidETag};
pub use events::{Event, Events};
pub use filter::{Filter, Text};
pub use history::{Activity, DeletedConnectors, Pages, Revisions};
pub use json_patch::{Patch, PatchOperation};
pub use list::{Found, List, Listed, MAX_PAGE};
pub use reqwest::StatusCode;
pub use retries::{Retries, Retry, Writes};
pub use unreadable::Unreadable;
