//! The server's behaviour over HTTP, one file for each resource.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod activity;
mod apply;
mod coding;
mod compare;
mod conditional;
mod connectors;
mod cors;
mod documents;
mod duplicate;
mod ephemeral;
mod events;
mod faults;
mod fresh;
mod history;
mod import;
mod list;
mod many;
mod metrics;
mod names;
mod neighbours;
mod nodes;
mod once;
mod openapi;
mod patch;
mod protocol;
mod retention;
mod support;
mod tenants;
mod translations;
