//! The operations of the Connectors API, one file for each resource.

pub mod activity;
pub mod compare;
pub mod connectors;
pub mod documents;
pub mod duplicate;
mod errors;
pub mod events;
pub mod extensions;
pub mod fast_path;
pub mod health;
pub mod history;
pub mod import;
pub mod many;
pub mod oauth;
pub mod once;
pub mod openapi;
pub mod parameters;
pub mod reference;
pub mod reset;
pub mod service_info;
pub mod translations;
