//! HTTP without any operation: connections, bodies, forms, responses, errors, the request log and metrics.
//!
//! This module does not depend on the operations or on authentication.

pub mod body;
pub mod broken;
pub mod coding;
pub mod compress;
pub mod conditional;
pub mod cors;
pub mod decode;
pub mod drain;
pub mod error;
pub mod etag;
pub mod form;
mod holding;
pub mod host;
pub mod listen;
pub mod metrics;
mod multipart;
pub mod path;
pub mod response;
pub mod telemetry;

/// The header of a request that is done once.
pub const IDEMPOTENCY_KEY: ::http::HeaderName = ::http::HeaderName::from_static("idempotency-key");
