//! `connectory history`, `show` and `restore`: what connectors were, who changed them, and going back to a revision.

use std::pin::pin;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use connectory_client::{Capability, Client, ConnectorRevision, RevisionAction, Revisions};
use connectory_model::{ScriptName, visible};
use futures_util::{StreamExt, TryStreamExt};

use crate::environment::{EnvironmentArgument, expect, find};
use crate::moment::{self, NoMoment};
use crate::terminal::{self, Format, confirm};

#[derive(Args)]
pub struct HistoryArguments {
    /// The connector's script name [default: all connectors of the tenant]
    script_name: Option<ScriptName>,
    /// How many revisions to print at most, the newest first
    #[arg(long, default_value = "20")]
    limit: usize,
    /// Only those of the author with this id or name
    #[arg(long)]
    author: Option<String>,
    /// Only those with this action
    #[arg(long, value_enum)]
    action: Option<Action>,
    /// Only those that changed this member, such as sourceConfigXml, translations or translations/de
    #[arg(long, value_name = "MEMBER")]
    changed: Option<String>,
    /// Only those of this time or later. A time without an offset is one of this machine's time zone
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<String>,
    /// Only those of this time or earlier. A date is the beginning of its day
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<String>,
    /// How to print the revisions
    #[arg(long, short, value_enum, default_value = "table")]
    output: Format,
    #[command(flatten)]
    environment: EnvironmentArgument,
}

/// What a revision did.
#[derive(Clone, Copy, ValueEnum)]
enum Action {
    /// It created the connector
    Create,
    /// It changed the connector
    Update,
    /// It deleted the connector
    Delete,
    /// It gave the connector the state of an earlier revision
    Restore,
}

impl From<Action> for RevisionAction {
    fn from(action: Action) -> Self {
        match action {
            Action::Create => Self::Create,
            Action::Update => Self::Update,
            Action::Delete => Self::Delete,
            Action::Restore => Self::Restore,
        }
    }
}

#[derive(Args)]
pub struct ShowArguments {
    /// The connector's script name
    script_name: String,
    /// The number of the revision [default: the newest]
    #[arg(long, value_name = "NUMBER")]
    revision: Option<u64>,
    /// Print what the revision changed, as `git diff` does, and not the connector
    #[arg(long, conflicts_with = "output")]
    diff: bool,
    /// How to print the connector
    #[arg(long, short, value_enum, default_value = "json")]
    output: Whole,
    #[command(flatten)]
    environment: EnvironmentArgument,
}

/// How to print a whole connector.
#[derive(Clone, Copy, ValueEnum)]
enum Whole {
    /// JSON, as the API sends it
    Json,
    /// The same as YAML
    Yaml,
}

#[derive(Args)]
pub struct RestoreArguments {
    /// The connector's script name
    script_name: String,
    /// The number of the revision, which `connectory history` prints
    #[arg(long, value_name = "NUMBER")]
    revision: u64,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Print neither the difference nor the result
    #[arg(long, short, requires = "yes")]
    quiet: bool,
    #[command(flatten)]
    environment: EnvironmentArgument,
}

/// Reads a time, and writes it as the API takes it.
fn time(text: &str) -> Result<String, NoMoment> {
    moment::time(text).map(|time| time.to_string())
}

/// Prints revisions, the newest first.
pub async fn history(arguments: HistoryArguments) -> Result<()> {
    let client = able(&arguments.environment).await?;
    let is_filtered =
        [&arguments.author, &arguments.changed, &arguments.since, &arguments.until].iter().any(|value| value.is_some())
            || arguments.action.is_some();
    let revisions = match &arguments.script_name {
        Some(name) if is_filtered => client.revisions().script_name(name),
        Some(name) => client.history(name.as_str()),
        None => client.revisions(),
    };
    let with = |revisions: Revisions, value: Option<String>, of: fn(Revisions, &str) -> Revisions| match value {
        Some(value) => of(revisions, &value),
        None => revisions,
    };
    let revisions = with(revisions, arguments.author, Revisions::author);
    let revisions = with(revisions, arguments.changed, Revisions::changed);
    let revisions = with(revisions, arguments.since, Revisions::since);
    let mut revisions = with(revisions, arguments.until, Revisions::until).page_size(arguments.limit);
    if let Some(action) = arguments.action {
        revisions = revisions.action(action.into());
    }
    let found: Vec<_> = pin!(revisions.stream()).take(arguments.limit).try_collect().await?;
    if arguments.output != Format::Table {
        return terminal::value(arguments.output, &found);
    }
    terminal::table(
        ["REVISION", "CHANGE", "TIME", "SCRIPT NAME", "ACTION", "AUTHOR", "CHANGED"],
        found.iter().map(row),
    );
    Ok(())
}

fn row(revision: &ConnectorRevision) -> [String; 7] {
    let author = &revision.author;
    [
        revision.revision.to_string(),
        revision.change.to_string(),
        revision.created.clone(),
        revision.script_name.to_string(),
        revision.action.to_string(),
        author.name.clone().unwrap_or_else(|| author.id.clone()),
        revision.changed.join(" "),
    ]
}

/// Prints a connector as it was, or what a revision changed.
pub async fn show(arguments: ShowArguments) -> Result<()> {
    let client = able(&arguments.environment).await?;
    let name = arguments.script_name.as_str();
    if arguments.diff {
        return terminal::bytes(client.diff(name, None, arguments.revision).await?.as_bytes());
    }
    let revision = match arguments.revision {
        Some(revision) => revision,
        None => match client.history(name).page_size(1).page().await?.first() {
            Some(newest) => newest.revision,
            None => bail!("`{}` is a built-in connector, which has no revisions", visible(name)),
        },
    };
    let format = match arguments.output {
        Whole::Json => Format::Json,
        Whole::Yaml => Format::Yaml,
    };
    terminal::value(format, &client.revision(name, revision).await?)
}

/// Restores a connector to a revision.
pub async fn restore(arguments: RestoreArguments) -> Result<()> {
    let client = able(&arguments.environment).await?;
    let (name, number) = (arguments.script_name.as_str(), arguments.revision);
    let newest = client.history(name).page_size(1).page().await?.first().map(|newest| newest.revision);
    let diff = client.diff(name, newest, Some(number)).await?;
    // A deletion leaves nothing to compare, and what was deleted to restore.
    if diff.is_empty() && find(&client, name).await?.is_some() {
        if !arguments.quiet {
            say!("`{}` is already as it was at revision {number}", visible(name));
        }
        return Ok(());
    }
    if !arguments.quiet {
        terminal::bytes(diff.as_bytes())?;
    }
    let server = &client.environment().base_url;
    if !arguments.yes && !confirm(&format!("Restore {name} at {server} to revision {number}?"))? {
        bail!("nothing was changed");
    }
    client.restore(name, number).await?;
    if !arguments.quiet {
        say!("restored {} to revision {number}", visible(name));
    }
    Ok(())
}

/// A client of a service that has the history.
async fn able(environment: &EnvironmentArgument) -> Result<Client> {
    let client = environment.client()?;
    expect(&client, Capability::History, "the history of connectors").await?;
    Ok(client)
}
