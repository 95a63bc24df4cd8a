//! Serving connectors: the Connectors API over HTTP, in front of a store.
//!
//! A request passes `telemetry` (tracking id, log, metrics, refusals), `auth` (token, rate limit, permission) and a handler of
//! `api` or `console`, which reads from `catalog` and changes through it. [`router`] has the whole API on one page.

mod api;
pub mod app;
pub mod auth;
mod budget;
pub mod catalog;
mod console;
mod error;
mod holding;
pub mod listen;
mod metrics;
mod openapi;
pub mod router;
mod telemetry;
mod version;
mod work;

pub use app::{App, Options, StartError};
pub use console::oidc::OidcOptions;
