//! The load harness. One run starts the server under test, a bare-HTTP server that answers the very same bytes (the
//! limit), and an ordinary server (the peer), and lets them take turns, so that all see the same machine. With
//! `--against`, the server under test and another build of it take turns instead.
//!
//! Servers are pinned to one core, the load to another. What is compared are ratios within a round; a machine's mood
//! changes between rounds, not within one.

#![allow(clippy::cast_precision_loss, reason = "counts of requests and bytes are far below 2^52")]

mod against;
mod catalogue;
mod connectory;
mod data;
mod database;
mod limit;
mod load;
mod options;
mod ordinary;
mod pages;
mod process;
mod report;
mod suite;
mod works;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures connectory against the bare-HTTP limit and an ordinary server, or against another build of itself.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    role: Option<Role>,
    #[command(flatten)]
    options: options::Options,
}

/// What the harness starts itself as, to be measured.
#[derive(Subcommand)]
enum Role {
    /// The bare-HTTP limit: answers the files of a folder by name.
    #[command(hide = true)]
    Limit { folder: PathBuf },
    /// The ordinary server.
    #[command(hide = true)]
    Ordinary { database: PathBuf },
    /// Inserts one connector a transaction for so many milliseconds, and prints how many a second.
    #[command(hide = true)]
    Inserts { database: PathBuf, milliseconds: u64 },
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    match cli.role {
        None => match &cli.options.against {
            None => suite::run(&cli.options),
            Some(other) => against::run(&cli.options, other),
        },
        Some(Role::Limit { folder }) => limit::run(&folder),
        Some(Role::Ordinary { database }) => ordinary::run(&database),
        Some(Role::Inserts { database, milliseconds }) => ordinary::inserts(&database, milliseconds),
    }
}
