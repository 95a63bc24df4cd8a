//! The server's behaviour over HTTP, one file for each resource.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod activity;
mod apply;
mod coding;
mod conditional;
mod connectors;
mod cors;
mod documents;
mod ephemeral;
mod events;
mod faults;
mod fresh;
mod history;
mod list;
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
