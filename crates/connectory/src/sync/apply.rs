//! Doing what a plan says.

use anyhow::{Context, Result, bail};
use connectory_client::{Client, Open, Patch, UpdateDetail, UpdateStatus};
use connectory_folder::Folder;
use connectory_model::translations::{Properties, Translations};
use futures_util::{StreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::PARALLEL;
use super::plan::{Action, Plan, Step, changed_documents, changed_translations, find};
use crate::output;

/// Does every step, several at a time, and says what was done. A step that fails leaves the others alone; what it has
/// done stays, and the next plan goes on from there.
pub async fn apply(client: &Client, plan: Plan, quiet: bool) -> Result<()> {
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
        progress.set_message(script_name.to_string());
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
    bail!(
        "{} failed; run the command again to go on:\n  {}",
        output::count(failures.len(), "connector"),
        failures.join("\n  ")
    )
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
            // A document that is not wanted otherwise stays, so it comes along.
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
    // What was just created has the server's scaffold; there is nothing of others to be careful of.
    change(client, name, None, wanted).await
}

/// Changes metadata and documents in one patch, which the server applies as a whole, and only to what was found.
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
