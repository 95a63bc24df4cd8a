//! What would have to change on a server so that it has the wanted connectors.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use anyhow::{Context, Result, bail};
use connectory_client::{Client, ConnectorDetail, DocumentKind, Error, Locale, Status};
use connectory_folder::{CONNECTOR_FILE, Folder};
use connectory_model::ScriptName;
use connectory_model::file_names::locale_file;
use connectory_model::translations::{Properties, Translations};
use futures_util::{StreamExt, TryStreamExt, stream};
use similar::{ChangeTag, TextDiff};

use super::PARALLEL;
use crate::output::{BOLD, CYAN, GREEN, RED, shown, styled};

/// A connector as it is wanted.
pub struct Wanted {
    /// Its script name.
    pub script_name: ScriptName,
    /// What it holds. Documents that are not there are left as they are.
    pub folder: Folder,
}

/// What is done to a connector.
pub enum Action {
    /// It is not there.
    Create,
    /// Documents, metadata or translations differ.
    Change,
    /// Members differ that the API cannot change: it goes, and comes again.
    Replace(Vec<&'static str>),
    /// It is not wanted.
    Delete,
}

/// One connector's part of a plan.
pub struct Step {
    /// Its script name.
    pub script_name: ScriptName,
    /// What is done.
    pub action: Action,
    /// As it is wanted; none where it is to go.
    pub wanted: Option<Folder>,
    /// As it was when the plan was made.
    pub found: Option<(ConnectorDetail, Folder)>,
}

/// A plan, in the order of script names.
#[derive(Default)]
pub struct Plan {
    /// Connectors that change.
    pub steps: Vec<Step>,
    /// Built-in connectors that differ from what is wanted, and cannot be changed.
    pub fixed: Vec<ScriptName>,
}

/// Compares. With `prune`, custom connectors that are not wanted are to go.
pub async fn plan(client: &Client, wanted: Vec<Wanted>, prune: bool) -> Result<Plan> {
    let names: BTreeSet<_> = wanted.iter().map(|wanted| wanted.script_name.clone()).collect();
    let mut plan = Plan::default();
    let compared: Vec<_> = stream::iter(wanted)
        .map(|Wanted { script_name, folder }| async move {
            let found = find(client, script_name.as_str()).await?;
            anyhow::Ok((script_name, folder, found))
        })
        .buffer_unordered(PARALLEL)
        .try_collect()
        .await?;
    for (script_name, wanted, found) in compared {
        let found = found.map(|detail| as_found(&detail).map(|folder| (detail, folder))).transpose()?;
        let action = match &found {
            None => Action::Create,
            Some((_, folder)) if is_same(folder, &wanted) => continue,
            Some((detail, _)) if !detail.is_custom() => {
                plan.fixed.push(script_name);
                continue;
            }
            Some((_, folder)) => match replaced(folder, &wanted) {
                members if members.is_empty() => Action::Change,
                members => Action::Replace(members),
            },
        };
        plan.steps.push(Step { script_name, action, wanted: Some(wanted), found });
    }
    if prune {
        for detail in custom(client).await? {
            if !names.contains(&detail.script_name) {
                let folder = as_found(&detail)?;
                let (script_name, found) = (detail.script_name.clone(), Some((detail, folder)));
                plan.steps.push(Step { script_name, action: Action::Delete, wanted: None, found });
            }
        }
    }
    plan.steps.sort_by(|a, b| a.script_name.cmp(&b.script_name));
    Ok(plan)
}

/// A connector, if it is there.
pub async fn find(client: &Client, script_name: &str) -> Result<Option<ConnectorDetail>, Error> {
    match client.get(script_name, None).await {
        Ok(detail) => Ok(Some(detail)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Every custom connector, whatever its status. Services that do not know how to list those list all that are released.
pub async fn custom(client: &Client) -> Result<Vec<ConnectorDetail>, Error> {
    let listed = client.list().custom(true).statuses(&Status::ALL).all().await?;
    let listed = listed.into_iter().map(|item| item.script_name);
    let details = details(client, listed).await?;
    Ok(details.into_iter().filter(ConnectorDetail::is_custom).collect())
}

/// Connectors in the order of their names.
pub async fn details(client: &Client, names: impl Iterator<Item = ScriptName>) -> Result<Vec<ConnectorDetail>, Error> {
    stream::iter(names)
        .map(|name| async move { client.get(name.as_str(), None).await })
        .buffered(PARALLEL)
        .try_collect()
        .await
}

/// What a server has, in the form of a folder.
pub fn as_found(detail: &ConnectorDetail) -> Result<Folder> {
    Folder::of(detail).with_context(|| format!("the translations of {} are unreadable", detail.script_name))
}

/// Whether nothing would change.
pub fn is_same(found: &Folder, wanted: &Folder) -> bool {
    found.description == wanted.description
        && changed_documents(Some(found), wanted).next().is_none()
        && changed_translations(&found.translations, &wanted.translations).is_empty()
}

/// The wanted documents that differ from what was found, if anything was: before and after.
pub fn changed_documents<'a>(
    found: Option<&'a Folder>,
    wanted: &'a Folder,
) -> impl Iterator<Item = (DocumentKind, Option<&'a str>, &'a str)> {
    wanted.documents.iter().filter_map(move |(kind, after)| {
        let before = found.map(|found| found.documents.get(kind).map(String::as_str).unwrap_or_default());
        (before != Some(after)).then_some((*kind, before, after.as_str()))
    })
}

/// The locales whose texts differ, with before and after; those that are not wanted are to go.
pub fn changed_translations<'a>(
    found: &'a Translations,
    wanted: &'a Translations,
) -> Vec<(Locale, Option<&'a str>, Option<&'a str>)> {
    let text = |translations: &'a Translations, locale| translations.0.get(locale).map(Properties::text);
    let locales: BTreeSet<_> = found.0.keys().chain(wanted.0.keys()).collect();
    let all = locales.into_iter().map(|locale| (*locale, text(found, locale), text(wanted, locale)));
    // The service keeps no empty text: an empty file and none are the same.
    all.filter(|(_, before, after)| before.unwrap_or_default() != after.unwrap_or_default()).collect()
}

/// The members that differ and that the API cannot change.
fn replaced(found: &Folder, wanted: &Folder) -> Vec<&'static str> {
    let (a, b) = (&found.description.members, &wanted.description.members);
    [
        ("name", a.name != b.name),
        ("type", a.connector_type != b.connector_type),
        ("className", a.class_name != b.class_name),
        ("directConnect", a.direct_connect != b.direct_connect),
        ("status", a.status != b.status),
    ]
    .into_iter()
    .filter_map(|(member, differs)| differs.then_some(member))
    .collect()
}

impl Plan {
    /// What a plan does, as a line.
    pub fn summary(&self) -> String {
        let count = |wanted: fn(&Action) -> bool| self.steps.iter().filter(|step| wanted(&step.action)).count();
        let replaced = count(|action| matches!(action, Action::Replace(_)));
        let mut summary = format!(
            "{} to create, {} to change, {} to delete",
            count(|action| matches!(action, Action::Create)),
            count(|action| matches!(action, Action::Change)),
            count(|action| matches!(action, Action::Delete)),
        );
        if replaced > 0 {
            write!(summary, ", {replaced} to replace").expect("a string takes any text");
        }
        summary
    }

    /// Prints each change as a unified diff, and the summary.
    pub fn print(&self) {
        for step in &self.steps {
            let name = &step.script_name;
            let what = match &step.action {
                Action::Create => styled(GREEN, format_args!("create {name}")),
                Action::Change => format!("change {name}"),
                Action::Replace(members) => styled(
                    RED,
                    format_args!(
                        "replace {name}: {} cannot be changed, so it is deleted and created again",
                        members.join(", ")
                    ),
                ),
                Action::Delete => styled(RED, format_args!("delete {name}")),
            };
            say!("{}", styled(BOLD, what));
            let found = step.found.as_ref().map(|(_, folder)| folder);
            print_diff(name.as_str(), name.as_str(), found, step.wanted.as_ref());
        }
        say!("{}", self.summary());
    }

    /// Refuses to change built-in connectors.
    pub fn check_built_in(&self) -> Result<()> {
        if self.fixed.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = self.fixed.iter().map(ScriptName::as_str).collect();
        bail!("built-in connectors cannot be changed, and these differ: {}", names.join(", "))
    }

    /// Refuses what cannot be done, or not without being told so.
    pub fn check(&self, replace: bool) -> Result<()> {
        self.check_built_in()?;
        for step in &self.steps {
            let (Action::Replace(_), Some(wanted)) = (&step.action, &step.wanted) else { continue };
            if !replace {
                bail!("{} would be replaced: deleted, and created again; give --replace to do that", step.script_name);
            }
            let name = &wanted.description.members.name;
            let derived = ScriptName::derive(name, |_| false);
            if derived != step.script_name {
                bail!(
                    "the connector named `{name}` would get the script name {derived}; rename the folder {} to that",
                    step.script_name
                );
            }
        }
        Ok(())
    }
}

/// Prints how two connectors differ, file by file.
pub fn print_diff(before_name: &str, after_name: &str, before: Option<&Folder>, after: Option<&Folder>) {
    for (file, before, after) in diffs(before, after) {
        let header = |name: &str, text: &Option<String>| match text {
            Some(_) => format!("{name}/{file}"),
            None => "/dev/null".to_owned(),
        };
        say!("{}", styled(BOLD, format_args!("--- {}", header(before_name, &before))));
        say!("{}", styled(BOLD, format_args!("+++ {}", header(after_name, &after))));
        let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
        let diff = TextDiff::from_lines(before.as_str(), after.as_str());
        for hunk in diff.unified_diff().iter_hunks() {
            say!("{}", styled(CYAN, hunk.header()));
            for change in hunk.iter_changes() {
                let line = change.value();
                let ended = shown(line.strip_suffix('\n').unwrap_or(line));
                match change.tag() {
                    ChangeTag::Equal => say!(" {ended}"),
                    ChangeTag::Delete => say!("{}", styled(RED, format_args!("-{ended}"))),
                    ChangeTag::Insert => say!("{}", styled(GREEN, format_args!("+{ended}"))),
                }
                if change.missing_newline() {
                    say!("\\ No newline at end of file");
                }
            }
        }
    }
}

/// A file with its text before and after.
type FileDiff = (String, Option<String>, Option<String>);

fn diffs(before: Option<&Folder>, after: Option<&Folder>) -> Vec<FileDiff> {
    let yaml = |folder: Option<&Folder>| folder.map(|folder| folder.description.to_yaml());
    let mut diffs = BTreeMap::new();
    let is_described_the_same = before.zip(after).is_some_and(|(a, b)| a.description == b.description);
    if !is_described_the_same {
        diffs.insert(CONNECTOR_FILE.to_owned(), (yaml(before), yaml(after)));
    }
    for kind in DocumentKind::ALL {
        let text = |folder: Option<&Folder>| folder.and_then(|folder| folder.documents.get(&kind).cloned());
        let (before_text, after_text) = (text(before), text(after));
        // A document that is not wanted otherwise stays.
        let stays = after.is_some() && after_text.is_none();
        if before_text != after_text && !stays {
            diffs.insert(kind.file_name().to_owned(), (before_text, after_text));
        }
    }
    let none = Translations::default();
    let [before, after] = [before, after].map(|folder| folder.map_or(&none, |folder| &folder.translations));
    for (locale, before, after) in changed_translations(before, after) {
        diffs.insert(locale_file(locale), (before.map(str::to_owned), after.map(str::to_owned)));
    }
    diffs.into_iter().map(|(file, (before, after))| (file, before, after)).collect()
}
