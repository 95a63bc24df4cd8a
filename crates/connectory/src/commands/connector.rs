//! `connectory connector …`: one command for each operation of the API.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use connectory_client::{
    Client, ConnectorItem, DocumentKind, Error, Filter, Locale, NewConnector, Open, Patch, Search, Status,
    UpdateDetail, UpdateStatus,
};
use connectory_model::{UnknownStatus, json, visible};
use futures_util::StreamExt;
use serde_json::Value;

use crate::before;
use crate::environment::{EnvironmentArgument, left_out};
use crate::files::{self, Readers};
use crate::terminal::{self, Format, confirm};

#[derive(Args)]
pub struct ConnectorArguments {
    #[command(flatten)]
    environment: EnvironmentArgument,
    /// Do not print what was done
    #[arg(long, short, global = true)]
    quiet: bool,
    #[command(subcommand)]
    command: ConnectorCommand,
}

#[derive(Subcommand)]
enum ConnectorCommand {
    /// List connectors; only released ones unless --statuses is given
    List(ListArguments),
    /// Print a connector
    Get {
        /// The connector's script name
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        script_name: String,
        /// The locale of the texts in the source config
        #[arg(long)]
        locale: Option<Locale>,
        /// How to print the connector
        #[arg(long, short, value_enum, default_value = "table")]
        output: Format,
    },
    /// Create a custom connector with scaffolded documents
    Create {
        /// The connector's name
        name: String,
        /// The class that implements it
        #[arg(long, value_name = "CLASS")]
        class_name: String,
        /// The connector's type [default: `custom ` and the name]
        #[arg(long = "type", value_name = "TYPE")]
        connector_type: Option<String>,
        /// The connector does not reach its source directly
        #[arg(long)]
        indirect: bool,
        /// The connector's status: DEVELOPMENT, DEMO or RELEASED
        #[arg(long, default_value = "RELEASED")]
        status: Status,
        /// How to print the connector
        #[arg(long, short, value_enum, default_value = "table")]
        output: Format,
    },
    /// Delete a custom connector
    Delete {
        /// The connector's script name
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        script_name: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Change a custom connector with a JSON Patch (RFC 6902)
    Patch {
        /// The connector's script name
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        script_name: String,
        /// The file with the patch, or `-` for standard input
        file: PathBuf,
    },
    /// Print the source config
    GetSourceConfig(DownloadArguments),
    /// Upload the source config
    SetSourceConfig(UploadArguments),
    /// Print the source template
    GetSourceTemplate(DownloadArguments),
    /// Upload the source template
    SetSourceTemplate(UploadArguments),
    /// Print the correlation config
    GetCorrelationConfig(DownloadArguments),
    /// Upload the correlation config
    SetCorrelationConfig(UploadArguments),
    /// Print the translations of a locale, or the English ones if it has none
    GetTranslations {
        /// The connector's script name
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        script_name: String,
        /// The locale
        locale: Locale,
        /// The file to write to [default: standard output]
        #[arg(long, short, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Upload the translations of a locale; an empty file removes them
    SetTranslations {
        /// The connector's script name
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        script_name: String,
        /// The locale
        locale: Locale,
        /// The file, or `-` for standard input
        file: PathBuf,
    },
}

/// One status, or all.
#[derive(Clone)]
struct Statuses(Vec<Status>);

impl FromStr for Statuses {
    type Err = UnknownStatus;

    fn from_str(word: &str) -> Result<Self, UnknownStatus> {
        if word.eq_ignore_ascii_case("all") {
            return Ok(Self(Status::ALL.to_vec()));
        }
        word.parse().map(|status| Self(vec![status]))
    }
}

#[derive(Args)]
struct ListArguments {
    /// Only connectors that match a filter, such as 'name co "HR" and directConnect eq true'
    #[arg(long, value_name = "FILTER")]
    filter: Option<Filter>,
    /// Only connectors whose name, type, script name or short description contains a text
    #[arg(long, value_name = "TEXT")]
    search: Option<Search>,
    /// The locale of short descriptions
    #[arg(long)]
    locale: Option<Locale>,
    /// The statuses to list, separated by commas, or `all` (connectory only)
    #[arg(long, value_delimiter = ',', value_name = "STATUS")]
    statuses: Vec<Statuses>,
    /// Only custom connectors (connectory only)
    #[arg(long, conflicts_with = "built_in")]
    custom: bool,
    /// Only built-in connectors (connectory only)
    #[arg(long)]
    built_in: bool,
    /// The maximum number of connectors to print
    #[arg(long)]
    limit: Option<usize>,
    /// Print only the number of connectors
    #[arg(long, conflicts_with = "limit")]
    count: bool,
    /// How to print the connectors
    #[arg(long, short, value_enum, default_value = "table")]
    output: Format,
}

#[derive(Args)]
struct DownloadArguments {
    /// The connector's script name
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    script_name: String,
    /// The file to write to [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,
}

#[derive(Args)]
struct UploadArguments {
    /// The connector's script name
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    script_name: String,
    /// The file, or `-` for standard input
    file: PathBuf,
}

/// Runs a `connector` command.
pub async fn run(ConnectorArguments { environment, quiet, command }: ConnectorArguments) -> Result<()> {
    let client = environment.client()?;
    let say = |text: String| {
        if !quiet {
            say!("{}", visible(&text));
        }
    };
    let download = async |kind: DocumentKind, DownloadArguments { script_name, file }: DownloadArguments| {
        write(file.as_deref(), &client.document(&script_name, kind).await?)
    };
    let upload = async |kind: DocumentKind, UploadArguments { script_name, file }: UploadArguments| {
        describe_update(client.set_document(&script_name, kind, &read(&file)?).await?).map(&say)
    };
    match command {
        ConnectorCommand::List(arguments) => list(&client, arguments).await,
        ConnectorCommand::Get { script_name, locale, output } => {
            let detail = client.get(&script_name, locale).await?;
            if output != Format::Table {
                return terminal::value(output, &detail);
            }
            let locales: Vec<_> = detail.translation_properties.keys().map(ToString::to_string).collect();
            terminal::table(
                ["MEMBER", "VALUE"],
                [
                    ("name", detail.name.clone()),
                    ("script name", detail.script_name.to_string()),
                    ("type", detail.connector_type.clone()),
                    ("class name", detail.class_name.clone()),
                    ("direct connect", detail.direct_connect.to_string()),
                    ("status", detail.status.to_string()),
                    ("custom", detail.is_custom().to_string()),
                    ("file upload", detail.file_upload.to_string()),
                    ("locales", locales.join(", ")),
                    ("metadata", serde_json::to_string(&detail.connector_metadata)?),
                ]
                .map(|(member, value)| [member.to_owned(), value]),
            );
            Ok(())
        }
        ConnectorCommand::Create { name, class_name, connector_type, indirect, status, output } => {
            let mut new = NewConnector { direct_connect: !indirect, status, ..NewConnector::new(name, class_name) };
            if let Some(connector_type) = connector_type {
                new.connector_type = connector_type;
            }
            let created = client.create(&new).await?;
            match output {
                Format::Table => {
                    say(format!("Created `{}`: its script name is {}.", created.name, created.script_name));
                }
                format => terminal::value(format, &created)?,
            }
            Ok(())
        }
        ConnectorCommand::Delete { script_name, yes } => {
            if !yes && !confirm(&format!("Delete the connector `{script_name}`?"))? {
                bail!("nothing was deleted");
            }
            let before = client.get(&script_name, None).await?;
            // A single call is done even where nothing can be saved.
            let way_back =
                before::save(&[&before], None, &environment).unwrap_or_else(|error| Some(format!("{error:#}")));
            client.delete(&script_name).await?;
            say(format!("Deleted {script_name}."));
            way_back.into_iter().for_each(say);
            Ok(())
        }
        ConnectorCommand::Patch { script_name, file } => {
            let patch = patch_of(&read(&file)?).context("the file is no JSON Patch (RFC 6902)")?;
            client.patch(&script_name, &patch).await?;
            say(format!("Patched {script_name}."));
            Ok(())
        }
        ConnectorCommand::GetSourceConfig(arguments) => download(DocumentKind::SourceConfig, arguments).await,
        ConnectorCommand::SetSourceConfig(arguments) => upload(DocumentKind::SourceConfig, arguments).await,
        ConnectorCommand::GetSourceTemplate(arguments) => download(DocumentKind::SourceTemplate, arguments).await,
        ConnectorCommand::SetSourceTemplate(arguments) => upload(DocumentKind::SourceTemplate, arguments).await,
        ConnectorCommand::GetCorrelationConfig(arguments) => download(DocumentKind::CorrelationConfig, arguments).await,
        ConnectorCommand::SetCorrelationConfig(arguments) => upload(DocumentKind::CorrelationConfig, arguments).await,
        ConnectorCommand::GetTranslations { script_name, locale, file } => {
            write(file.as_deref(), &client.translations(&script_name, locale).await?)
        }
        ConnectorCommand::SetTranslations { script_name, locale, file } => {
            describe_update(client.set_translations(&script_name, locale, &read(&file)?).await?).map(say)
        }
    }
}

async fn list(client: &Client, arguments: ListArguments) -> Result<()> {
    let mut list = client.list();
    if let Some(filter) = arguments.filter {
        list = list.filter(filter);
    }
    if let Some(locale) = arguments.locale {
        list = list.locale(locale);
    }
    if !arguments.statuses.is_empty() {
        let statuses: Vec<_> = arguments.statuses.into_iter().flat_map(|statuses| statuses.0).collect();
        list = list.statuses(&statuses);
    }
    if arguments.custom || arguments.built_in {
        list = list.custom(arguments.custom);
    }
    let limit = arguments.limit.unwrap_or(usize::MAX);
    let found = match &arguments.search {
        Some(search) => Some(list.clone().search(search).await?),
        None => None,
    };
    if found.as_ref().is_some_and(|found| !found.has_descriptions()) {
        report!("note: this service cannot search, so its list is searched here; short descriptions are not searched");
    }
    if arguments.count {
        let count = match found {
            Some(found) => found.count().await?,
            None => list.count().await?,
        };
        say!("{count}");
        return Ok(());
    }
    let mut items: Vec<ConnectorItem> = Vec::new();
    let mut listed = match found {
        Some(found) => found.stream().boxed(),
        None => list.page_size(limit).stream().boxed(),
    };
    while items.len() < limit
        && let Some(item) = listed.next().await
    {
        match item {
            Ok(item) => items.push(item),
            Err(Error::Unreadable(item)) => left_out(&item),
            Err(error) => return Err(error.into()),
        }
    }
    if arguments.output != Format::Table {
        return terminal::value(arguments.output, &items);
    }
    terminal::table(
        ["NAME", "SCRIPT NAME", "TYPE", "STATUS", "FEATURES"],
        items.into_iter().map(|item| {
            let features = item.features.unwrap_or_default().join(", ");
            [item.name, item.script_name.to_string(), item.connector_type, item.status.to_string(), features]
        }),
    );
    Ok(())
}

/// The result of an upload as a line. A document that the service does not accept is an error.
fn describe_update(UpdateDetail { message, script_name, updated_files, status }: UpdateDetail) -> Result<String> {
    let message = message.unwrap_or_default();
    if status == Open::Known(UpdateStatus::Error) {
        bail!("the service did not accept the document: {message}");
    }
    let files = updated_files.unwrap_or_default().join(", ");
    Ok([script_name.to_string(), status.to_string(), files, message].join(" ").trim_end().to_owned())
}

/// The JSON Patch of a file. The SDK sends a `remove` without a value, so a `test` in front of it is the guard that the
/// value is.
fn patch_of(text: &[u8]) -> Result<Patch> {
    let Value::Array(operations) = json::from_slice(text, usize::MAX)? else {
        bail!("expected an array of operations; wrap a single one in [ ]");
    };
    let guarded = operations.into_iter().flat_map(|operation| {
        let value = operation.get("value").filter(|value| operation["op"] == "remove" && !value.is_null());
        let test = value.map(|value| serde_json::json!({"op": "test", "path": operation["path"], "value": value}));
        test.into_iter().chain([operation])
    });
    Ok(serde_json::from_value(guarded.collect())?)
}

fn read(file: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        std::io::stdin().read_to_end(&mut bytes)?;
    } else {
        bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    }
    Ok(bytes)
}

fn write(file: Option<&Path>, bytes: &[u8]) -> Result<()> {
    match file {
        Some(file) => files::write(file, bytes, Readers::AsBefore),
        None => terminal::bytes(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_of_a_remove_is_tested_before_it() {
        let text = "\u{feff}[{\"op\": \"remove\", \"path\": \"/connectorMetadata/a\", \"value\": 1}, \
                    {\"op\": \"remove\", \"path\": \"/connectorMetadata/b\", \"value\": null}]";
        let sent = serde_json::to_value(patch_of(text.as_bytes()).expect("a patch")).expect("JSON");
        let expected = serde_json::json!([
            {"op": "test", "path": "/connectorMetadata/a", "value": 1},
            {"op": "remove", "path": "/connectorMetadata/a"},
            {"op": "remove", "path": "/connectorMetadata/b"},
        ]);
        assert_eq!(sent, expected);
        for (text, reason) in [
            ("{\"op\": \"remove\", \"path\": \"/connectorMetadata/a\"}", "wrap a single one in [ ]"),
            ("[{\"op\": \"add\", \"path\": \"/a\", \"value\": 18446744073709551617}]", "would lose digits"),
        ] {
            assert!(patch_of(text.as_bytes()).expect_err(text).to_string().contains(reason));
        }
    }
}
