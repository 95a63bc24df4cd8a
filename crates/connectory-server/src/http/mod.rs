//! HTTP without any operation: connections, bodies, forms, responses, errors, the log of requests and metrics.
//!
//! Nothing here knows what a connector or a caller is.

pub mod body;
pub mod error;
pub mod form;
mod holding;
pub mod listen;
mod metrics;
pub mod path;
pub mod response;
pub mod telemetry;
