//! The load harness. A run starts the server under test, a bare-HTTP server that sends the same bytes (the limit), and
//! an ordinary server (the peer). The servers take turns, so that all of them run under the same conditions. With
//! `--against`, the server under test and another build of it take turns instead. With `--nodes`, servers on SQLite and
//! on PostgreSQL do. With `--as-code`, it times the commands that treat connectors as code, and with
//! `--tenants` it measures a server with very many tenants.
//!
//! Servers are pinned to one core, and the load to another. The harness compares ratios within a round, because the
//! speed of a machine changes between rounds more than within a round.

#![allow(clippy::cast_precision_loss, reason = "counts of requests and bytes are far below 2^52")]

mod against;
mod as_code;
mod catalogue;
#[path = "../../crates/connectory-store/tests/support/cluster.rs"]
#[allow(dead_code, clippy::unwrap_used, reason = "the tests of the store use all of it, and fail by panicking")]
mod cluster;
mod connectory;
mod data;
mod database;
mod etcd;
mod limit;
mod load;
mod nodes;
mod options;
mod ordinary;
mod pages;
mod process;
mod report;
mod rows;
mod suite;
mod tenants;
mod works;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures connectory against the bare-HTTP limit and an ordinary server, against another build of itself, or on
/// PostgreSQL against itself on SQLite.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    role: Option<Role>,
    #[command(flatten)]
    options: options::Options,
}

/// The servers that the harness starts as its own subprocesses to measure them.
#[derive(Subcommand)]
enum Role {
    /// The bare-HTTP limit: serves the files of a folder by name.
    #[command(hide = true)]
    Limit { folder: PathBuf },
    /// The ordinary server.
    #[command(hide = true)]
    Ordinary { database: PathBuf },
    /// Inserts connectors for a time, one in each transaction, and prints the number per second.
    #[command(hide = true)]
    Inserts { database: PathBuf, milliseconds: u64 },
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    match cli.role {
        None => match &cli.options.against {
            None if cli.options.nodes => nodes::run(&cli.options),
            None if cli.options.as_code => as_code::run(&cli.options),
            None => match cli.options.tenants {
                Some(tenants) => tenants::run(&cli.options, tenants),
                None => suite::run(&cli.options),
            },
            Some(other) => against::run(&cli.options, other),
        },
        Some(Role::Limit { folder }) => limit::run(&folder),
        Some(Role::Ordinary { database }) => ordinary::run(&database),
        Some(Role::Inserts { database, milliseconds }) => ordinary::inserts(&database, milliseconds),
    }
}
