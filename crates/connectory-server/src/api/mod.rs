//! The operations of the Connectors API, one file for each resource.

pub mod body;
pub mod connectors;
pub mod documents;
mod edit;
pub mod frequent;
mod parameters;
pub mod translations;
