//! The operations of the Connectors API, one file for each resource.

pub mod body;
pub mod connectors;
pub mod documents;
pub mod edit;
pub mod frequent;
pub mod health;
pub mod parameters;
pub mod translations;
