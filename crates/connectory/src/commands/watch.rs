//! `connectory watch`: prints what changes, as it happens.

use std::pin::pin;

use anyhow::Result;
use clap::{Args, ValueEnum};
use connectory_client::{Capability, Event};
use connectory_model::visible;
use futures_util::TryStreamExt;
use serde::Serialize;

use crate::environment::{EnvironmentArgument, expect};
use crate::terminal::line_if_read;

#[derive(Args)]
pub struct WatchArguments {
    /// Begin after the event with this id, which --output json prints [default: now]
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    /// How to print an event
    #[arg(long, short, value_enum, default_value = "text")]
    output: WatchFormat,
    #[command(flatten)]
    environment: EnvironmentArgument,
}

/// How events are printed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum WatchFormat {
    /// A line for people
    Text,
    /// A line of JSON: the id, the event and its data
    Json,
}

/// An event as a line of JSON.
#[derive(Serialize)]
struct Line<'a, T> {
    id: &'a str,
    event: &'static str,
    data: &'a T,
}

/// Prints events until nobody reads them or the user stops it.
pub async fn run(WatchArguments { after, output, environment }: WatchArguments) -> Result<()> {
    let client = environment.client()?;
    expect(&client, Capability::Events, "events").await?;
    let events = client.events();
    let mut events = pin!(if let Some(after) = after { events.after(after) } else { events }.stream());
    while let Some(event) = events.try_next().await? {
        let text = match output {
            WatchFormat::Text => text(&event),
            WatchFormat::Json => json(&event)?,
        };
        if !line_if_read(format_args!("{text}")) {
            break;
        }
    }
    Ok(())
}

fn text(event: &Event) -> String {
    let text = match event {
        Event::Changed { kind, revision, .. } => {
            let author = revision.author.name.as_ref().unwrap_or(&revision.author.id);
            let changed = revision.changed.join(" ");
            let (name, number, created) = (&revision.script_name, revision.revision, &revision.created);
            format!("{created}  {number}  {kind}  {name}  {author}  {changed}")
        }
        Event::Reset { reset, .. } => {
            format!("reset: {}; events go on after revision {}", reset.reason, reset.revision)
        }
        other => format!("another event, {}", other.id()),
    };
    visible(text.trim_end()).into_owned()
}

fn json(event: &Event) -> Result<String> {
    Ok(match event {
        Event::Changed { id, kind, revision } => {
            serde_json::to_string(&Line { id, event: kind.as_str(), data: revision.as_ref() })?
        }
        Event::Reset { id, reset } => serde_json::to_string(&Line { id, event: "reset", data: reset })?,
        other => serde_json::to_string(&Line { id: other.id(), event: "other", data: &() })?,
    })
}
