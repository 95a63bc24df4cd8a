//! The one binary: the server and everything that is done from a terminal.

#[macro_use]
mod output;

mod access;
mod connector;
mod lint;
mod remote;
mod serve;
mod settings;
mod sync;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

#[global_allocator]
static ALLOCATOR: connectory_memory::MiMalloc = connectory_memory::MiMalloc;

const EXIT_CODES: &str = "Exit codes: 0 done; 1 an error, which standard error explains; \
                          2 `plan` and `diff` found differences.";

/// A self-hosted connector registry that speaks the Identity Security Cloud Connectors API, and a client of any service
/// that does.
#[derive(Parser)]
#[command(version, propagate_version = true, arg_required_else_help = true, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the Connectors API.
    Serve(Box<settings::ServeArguments>),
    /// Manage API clients: what tokens are issued to.
    #[command(subcommand)]
    Client(access::ClientCommand),
    /// Manage tenants: each has its own connectors and clients.
    #[command(subcommand)]
    Tenant(access::TenantCommand),
    /// Keep a service and the credentials for it as a named environment in ~/.sailpoint/config.yaml.
    Login(remote::LoginArguments),
    /// Call the operations of the Connectors API.
    Connector(connector::ConnectorArguments),
    /// Write connectors to folders, the unit of git.
    Pull(sync::PullArguments),
    /// Check connector folders, without a server.
    Lint(lint::LintArguments),
    /// Print what `apply` would change on the server.
    Plan(sync::PlanArguments),
    /// Make the server have the connectors of a folder.
    Apply(sync::ApplyArguments),
    /// Bring connectors from one environment to another.
    Promote(sync::PromoteArguments),
    /// Print how two connectors, folders or environments differ.
    Diff(sync::DiffArguments),
    /// Write every custom connector to a JSON file.
    Export(sync::ExportArguments),
    /// Bring connectors from such a file or from folders.
    Import(sync::ImportArguments),
    /// Print a completion script for a shell.
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write the man pages.
    Man {
        /// The folder to write them to
        dir: PathBuf,
    },
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // clap's own code for a wrong command line is 2, which says here that there are differences.
            let code = u8::from(error.use_stderr());
            let _closed = error.print();
            return code.into();
        }
    };
    match run(cli.command) {
        Ok(code) => code,
        Err(error) => {
            anstream::eprintln!("{} {error:#}", output::styled(output::RED, "error:"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    let done = |result: Result<()>| result.map(|()| ExitCode::SUCCESS);
    match command {
        Command::Serve(arguments) => done(serve::run(*arguments)),
        Command::Client(command) => done(access::client(command)),
        Command::Tenant(command) => done(access::tenant(command)),
        Command::Lint(arguments) => done(lint::run(&arguments)),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "connectory", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
        Command::Man { dir } => {
            std::fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
            clap_mangen::generate_to(Cli::command(), &dir).context("cannot write the man pages")?;
            Ok(ExitCode::SUCCESS)
        }
        command => {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
            runtime.block_on(call(command))
        }
    }
}

/// Commands that call a service.
async fn call(command: Command) -> Result<ExitCode> {
    match command {
        Command::Login(arguments) => remote::login(arguments).await?,
        Command::Connector(arguments) => connector::run(arguments).await?,
        Command::Pull(arguments) => sync::pull(arguments).await?,
        Command::Plan(arguments) => return sync::plan_folder(arguments).await,
        Command::Apply(arguments) => sync::apply_folder(arguments).await?,
        Command::Promote(arguments) => sync::promote(arguments).await?,
        Command::Diff(arguments) => return sync::diff(arguments).await,
        Command::Export(arguments) => sync::export(arguments).await?,
        Command::Import(arguments) => sync::import(arguments).await?,
        Command::Serve(_)
        | Command::Client(_)
        | Command::Tenant(_)
        | Command::Lint(_)
        | Command::Completions { .. }
        | Command::Man { .. } => unreachable!("`run` does not pass these on"),
    }
    Ok(ExitCode::SUCCESS)
}
