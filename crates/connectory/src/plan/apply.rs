//! Applying: carries out a plan.

use anyhow::{Context, Result, bail};
use clap::Args;
use connectory_client::{Client, Open, Patch, UpdateDetail, UpdateStatus};
use connectory_folder::Folder;
use connectory_model::translations::{Properties, Translations};
use connectory_model::visible;
use futures_util::{StreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::compare::{changed_documents, changed_translations, compare};
use super::wanted::Wanted;
use super::{Action, Plan, Step};
use crate::environment::{PARALLEL, find};
use crate::terminal::{confirm, count};

/// What the user allows, for every command that applies a plan.
#[derive(Args)]
pub struct ApplyOptions {
    /// Delete and recreate connectors if a member differs that the API cannot change: name, type, className,
    /// directConnect, status
    #[arg(long)]
    replace: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Print neither the plan nor the result
    #[arg(long, short, requires = "yes")]
    quiet: bool,
}

/// Makes a plan, prints it, asks, and carries it out.
pub async fn plan_and_apply(client: &Client, wanted: Vec<Wanted>, prune: bool, options: &ApplyOptions) -> Result<()> {
    let plan = compare(client, wanted, prune).await?;
    if !options.quiet {
        plan.print();
    }
    plan.check(options.replace)?;
    if plan.steps.is_empty() {
        return Ok(());
    }
    if !options.yes && !confirm(&format!("Make these changes at {}?", client.environment().base_url))? {
        bail!("nothing was changed");
    }
    apply(client, plan, options.quiet).await
}

/// Carries out every step, several at a time, and prints how many. A step that fails does not stop the others. Its
/// changes stay, and the next plan continues from them.
async fn apply(client: &Client, plan: Plan, quiet: bool) -> Result<()> {
    let progress = if quiet { ProgressBar::hidden() } else { ProgressBar::new(plan.steps.len() as u64) };
    let style =
        ProgressStyle::with_template("{bar:40} {pos}/{len} {wide_msg} {eta}").context("the template is valid")?;
    progress.set_style(style);
    let [mut created, mut changed, mut deleted, mut replaced] = [0_usize; 4];
    let mut failures = Vec::new();
    let mut steps = stream::iter(plan.steps)
        .map(|step| async move {
            let done = self::step(client, &step).await;
            (step, done)
        })
        .buffer_unordered(PARALLEL);
    while let Some((Step { script_name, action, .. }, done)) = steps.next().await {
        progress.set_message(visible(script_name.as_str()).into_owned());
        progress.inc(1);
        match (done, action) {
            (Err(error), _) => failures.push(format!("{script_name}: {error:#}")),
            (Ok(()), Action::Create) => created += 1,
            (Ok(()), Action::Change) => changed += 1,
            (Ok(()), Action::Replace(_)) => replaced += 1,
            (Ok(()), Action::Delete) => deleted += 1,
        }
    }
    progress.finish_and_clear();
    if !quiet {
        let replaced = if replaced > 0 { format!(", replaced {replaced}") } else { String::new() };
        say!("created {created}, changed {changed}, deleted {deleted}{replaced}");
    }
    if failures.is_empty() {
        return Ok(());
    }
    failures.sort();
    bail!("{} failed; run the command again to go on:\n  {}", count(failures.len(), "connector"), failures.join("\n  "))
}

async fn step(client: &Client, step: &Step) -> Result<()> {
    let name = step.script_name.as_str();
    if let Some((planned, _)) = &step.found
        && find(client, name).await?.as_ref() != Some(planned)
    {
        bail!("it was changed on the server since the plan was made");
    }
    let found = step.found.as_ref().map(|(_, folder)| folder);
    match (&step.action, &step.wanted) {
        (Action::Delete, _) | (_, None) => Ok(client.delete(name).await?),
        (Action::Create, Some(wanted)) => create(client, name, wanted).await,
        (Action::Replace(_), Some(wanted)) => {
            client.delete(name).await?;
            // A document that the wanted connector lacks must stay, so it is created again too.
            let mut whole = wanted.clone();
            for (kind, text) in found.into_iter().flat_map(|found| &found.documents) {
                whole.documents.entry(*kind).or_insert_with(|| text.clone());
            }
            create(client, name, &whole).await
        }
        (Action::Change, Some(wanted)) => change(client, name, found, wanted).await,
    }
}

async fn create(client: &Client, name: &str, wanted: &Folder) -> Result<()> {
    let created = client.create(&wanted.description.members).await?;
    if created.script_name.as_str() != name {
        client.delete(created.script_name.as_str()).await?;
        bail!("the server gives `{}` the script name {}; rename the folder to that", created.name, created.script_name);
    }
    // Nobody else has changed the new connector yet, so nothing is compared with the plan.
    change(client, name, None, wanted).await
}

/// Changes metadata and documents in one patch. The server applies all of it or nothing, and only if it still has the
/// connector that was found.
async fn change(client: &Client, name: &str, found: Option<&Folder>, wanted: &Folder) -> Result<()> {
    let mut operations = Vec::new();
    let mut set = |path: &str, before: Option<Value>, after: Value| {
        operations.extend(before.map(|before| json!({"op": "test", "path": path, "value": before})));
        operations.push(json!({"op": "add", "path": path, "value": after}));
    };
    let (before, after) =
        (found.map(|found| &found.description.connector_metadata), &wanted.description.connector_metadata);
    if before.map_or(!after.is_empty(), |before| before != after) {
        set("/connectorMetadata", before.map(|before| json!(before)), json!(after));
    }
    for (kind, before, after) in changed_documents(found, wanted) {
        set(&format!("/{}", kind.member()), before.map(|before| json!(before)), json!(after));
    }
    if !operations.is_empty() {
        let patch: Patch = serde_json::from_value(json!(operations)).context("the operations are a patch")?;
        client.patch(name, &patch).await?;
    }
    let none = Translations::default();
    let before = found.map_or(&none, |found| &found.translations);
    for (locale, _, _) in changed_translations(before, &wanted.translations) {
        let bytes = wanted.translations.0.get(&locale).map(Properties::to_bytes).unwrap_or_default();
        let UpdateDetail { status, message, .. } = client.set_translations(name, locale, &bytes).await?;
        if status == Open::Known(UpdateStatus::Error) {
            bail!("translations in {locale}: {}", message.unwrap_or_default());
        }
    }
    Ok(())
}
