//! The command line: every command, and the function that runs it. The options of a command are in its own file.

use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::commands::apply::{self, ApplyArguments};
use crate::commands::backup::{self, BackupCommand};
use crate::commands::client::{self, ClientCommand};
use crate::commands::clone::{self, CloneArguments};
use crate::commands::completions::{self, CompletionsArguments, ManArguments};
use crate::commands::connector::{self, ConnectorArguments};
use crate::commands::database::{self, DatabaseCommand};
use crate::commands::diff::{self, DiffArguments};
use crate::commands::doctor::{self, DoctorArguments};
use crate::commands::env::{self, EnvCommand, LogoutArguments};
use crate::commands::export::{self, ExportArguments};
use crate::commands::fixture::{self, FixtureArguments};
use crate::commands::history::{self, HistoryArguments, RestoreArguments, ShowArguments};
use crate::commands::import::{self, ImportArguments};
use crate::commands::init::{self, InitArguments};
use crate::commands::lint::{self, LintArguments};
use crate::commands::login::{self, LoginArguments};
use crate::commands::plan::{self, PlanArguments};
use crate::commands::promote::{self, PromoteArguments};
use crate::commands::pull::{self, PullArguments};
use crate::commands::rollback::{self, RollbackArguments};
use crate::commands::tenant::{self, TenantCommand};
use crate::commands::watch::{self, WatchArguments};
use crate::help;
use crate::serve;
use crate::serve::settings::ServeCommand;

/// A self-hosted connector registry that speaks the Identity Security Cloud Connectors API, and a client for any
/// service that speaks it.
#[derive(Parser)]
#[command(version, propagate_version = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[command(flatten)]
    Local(LocalCommand),
    #[command(flatten)]
    Remote(RemoteCommand),
}

/// Commands that call no service.
#[derive(Subcommand)]
enum LocalCommand {
    /// Serve the Connectors API.
    Serve(Box<ServeCommand>),
    /// Manage API clients, which get tokens with an id and a secret.
    #[command(subcommand)]
    Client(ClientCommand),
    /// Manage tenants. Each tenant has its own connectors and clients.
    #[command(subcommand)]
    Tenant(TenantCommand),
    /// Make backups of a database, verify them, and restore them.
    #[command(subcommand)]
    Backup(BackupCommand),
    /// Check, copy or update a database.
    #[command(subcommand)]
    Database(DatabaseCommand),
    /// Make a connector folder, without a server.
    // Listed before `pull` and `plan`, the order in which people use them. So is `lint`.
    #[command(display_order = 13)]
    Init(InitArguments),
    /// Check connector folders, without a server.
    #[command(display_order = 13)]
    Lint(LintArguments),
    /// Print a module for the tests of your own client, which starts servers and stops them.
    #[command(display_order = 97)]
    Fixture(FixtureArguments),
    /// Print a completion script for a shell.
    #[command(display_order = 98)]
    Completions(CompletionsArguments),
    /// Write the man pages.
    #[command(display_order = 99)]
    Man(ManArguments),
}

/// Commands that call a service, or choose the one to call.
#[derive(Subcommand)]
enum RemoteCommand {
    /// Save a service and its credentials as a named environment in ~/.sailpoint/config.yaml.
    Login(LoginArguments),
    /// Remove an environment and its credentials from ~/.sailpoint/config.yaml.
    Logout(LogoutArguments),
    /// List environments, and choose the active one.
    #[command(subcommand)]
    Env(EnvCommand),
    /// Check that commands can work with the service: address, credentials, rights, clock, version, limits.
    Doctor(DoctorArguments),
    /// Call the operations of the Connectors API.
    Connector(ConnectorArguments),
    /// Write connectors to folders, to keep them in git.
    Pull(PullArguments),
    /// Print what `apply` would change on the server.
    Plan(PlanArguments),
    /// Change the server so that it has the connectors of a folder.
    Apply(ApplyArguments),
    /// Copy connectors from one environment to another.
    Promote(PromoteArguments),
    /// Create a custom connector that has all that another one has, with its new name in every document.
    Clone(CloneArguments),
    /// Print how two connectors, folders or environments differ.
    Diff(DiffArguments),
    /// Print who changed connectors, and when.
    History(HistoryArguments),
    /// Print a connector as it was at a revision, or what a revision changed.
    Show(ShowArguments),
    /// Give a connector the state of an earlier revision. A deleted one is there again.
    Restore(RestoreArguments),
    /// Bring all custom connectors back to what they were at a revision or a time.
    Rollback(RollbackArguments),
    /// Print what changes on the server, as it happens.
    Watch(WatchArguments),
    /// Write every custom connector to a JSON file.
    Export(ExportArguments),
    /// Create and change connectors from an exported file or from folders.
    Import(ImportArguments),
}

impl Cli {
    /// Reads the command line of this process.
    pub fn read() -> Result<Self, clap::Error> {
        let mut command = help::add(Self::command());
        let matches = command.try_get_matches_from_mut(std::env::args_os())?;
        Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
    }

    /// Runs the command.
    pub fn run(self) -> Result<ExitCode> {
        match self.command {
            Command::Local(command) => command.run().map(|()| ExitCode::SUCCESS),
            Command::Remote(command) => {
                let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
                runtime.block_on(command.run())
            }
        }
    }
}

impl LocalCommand {
    fn run(self) -> Result<()> {
        match self {
            Self::Serve(command) => serve::run(*command),
            Self::Client(command) => client::run(command),
            Self::Tenant(command) => tenant::run(command),
            Self::Backup(command) => backup::run(command),
            Self::Database(command) => database::run(command),
            Self::Init(arguments) => init::run(arguments),
            Self::Lint(arguments) => lint::run(&arguments),
            Self::Fixture(arguments) => fixture::run(&arguments),
            Self::Completions(arguments) => completions::run(&arguments, Cli::command()),
            Self::Man(arguments) => completions::man(&arguments, Cli::command()),
        }
    }
}

impl RemoteCommand {
    async fn run(self) -> Result<ExitCode> {
        match self {
            Self::Plan(arguments) => return plan::run(arguments).await,
            Self::Diff(arguments) => return diff::run(arguments).await,
            Self::Doctor(arguments) => return doctor::run(arguments).await,
            Self::Login(arguments) => login::run(arguments).await?,
            Self::Logout(arguments) => env::logout(arguments)?,
            Self::Env(command) => env::run(command)?,
            Self::Connector(arguments) => connector::run(arguments).await?,
            Self::Pull(arguments) => pull::run(arguments).await?,
            Self::Apply(arguments) => apply::run(arguments).await?,
            Self::Promote(arguments) => promote::run(arguments).await?,
            Self::Clone(arguments) => clone::run(arguments).await?,
            Self::History(arguments) => history::history(arguments).await?,
            Self::Show(arguments) => history::show(arguments).await?,
            Self::Restore(arguments) => history::restore(arguments).await?,
            Self::Rollback(arguments) => rollback::run(arguments).await?,
            Self::Watch(arguments) => watch::run(arguments).await?,
            Self::Export(arguments) => export::run(arguments).await?,
            Self::Import(arguments) => import::run(arguments).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
