//! The one binary: the server and everything that is done from a terminal.

mod access;
mod serve;
mod settings;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A self-hosted connector registry that speaks the Identity Security Cloud Connectors API.
#[derive(Parser)]
#[command(version, propagate_version = true, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the Connectors API.
    Serve(settings::ServeArguments),
    /// Manage API clients: what tokens are issued to.
    #[command(subcommand)]
    Client(access::ClientCommand),
    /// Manage tenants: each has its own connectors and clients.
    #[command(subcommand)]
    Tenant(access::TenantCommand),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve(arguments) => serve::run(arguments),
        Command::Client(command) => access::client(command),
        Command::Tenant(command) => access::tenant(command),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
