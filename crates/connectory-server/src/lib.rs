//! The server: it provides the Connectors API over HTTP, on a store.
//!
//! A request passes `http::telemetry` (tracking id, log, metrics, errors), `auth` (token, rate limit, permission) and a
//! handler of `api`. Handlers read from `catalog`, and change connectors through `registry`. [`service`] shows the
//! whole path of a request and every route on one page. A module uses only the modules before it:
//! `clock, faults, options, version, share, budget, work ← http ← catalog ← registry ← auth ← api ← fault_layer ←
//! service ← ephemeral`.

pub mod api;
pub mod auth;
pub mod budget;
pub mod catalog;
pub mod clock;
pub mod ephemeral;
pub mod fault_layer;
pub mod faults;
pub mod http;
pub mod options;
pub mod rate_limit;
pub mod registry;
pub mod service;
pub mod share;
pub mod state;
pub mod trusted_proxies;
pub mod version;
pub mod work;

pub use ephemeral::Ephemeral;
pub use options::Options;
pub use service::Service;
pub use state::{ServerState, StartError};

/// The README, whose example must compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
