//! Comparing: makes a plan from the wanted connectors and the server's.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use connectory_client::{Client, ConnectorDetail, DocumentKind, Locale, ServiceInfo};
use connectory_folder::Folder;
use connectory_folder::folder_name::folder_name;
use connectory_model::ScriptName;
use connectory_model::document::DocumentText;
use connectory_model::limits::REQUEST_BYTES;
use connectory_model::lines::with_line_feeds;
use connectory_model::translations::{Properties, Translations};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::refusals::refusals;
use super::wanted::{Goal, Wanted};
use super::{Action, Plan, Refusal, Step, Way, at_once};
use crate::environment::{PARALLEL, custom, find, folder_of, left_out};
use crate::progress::Progress;

/// Makes a plan: in one commit if the server can do that.
pub async fn compare(client: &Client, goal: &Goal) -> Result<Plan> {
    let service = client.service_info().await?;
    // One of several servers may be older than the one that told what they can do.
    if let Some(most) = service.as_ref().and_then(at_once::most_changes)
        && let Some(plan) = compare_at_once(client, goal, most).await?
    {
        if plan.refusals.is_empty() {
            return Ok(plan);
        }
        // One of several servers may not have known yet what others changed. Now the client knows the newest revision, and
        // asks for it.
        if let Some(plan) = compare_at_once(client, goal, most).await? {
            return Ok(plan);
        }
    }
    compare_singly(client, goal, service.as_ref()).await
}

/// Makes a plan for single calls, which every service takes.
pub async fn compare_singly(client: &Client, goal: &Goal, service: Option<&ServiceInfo>) -> Result<Plan> {
    let max_request = service.map_or(REQUEST_BYTES as u64, |service| service.limits.max_request_bytes);
    let max_request = usize::try_from(max_request).unwrap_or(usize::MAX);
    let names: Vec<_> = goal.names().cloned().collect();
    let progress = Progress::begin("read", names.len(), false);
    let found: Vec<_> = stream::iter(names)
        .map(|name| async move { find(client, name.as_str()).await })
        .buffer_unordered(PARALLEL)
        .inspect(|_| progress.step(""))
        .try_collect()
        .await?;
    drop(progress);
    let found = found.into_iter().flatten();
    let mut found: BTreeMap<_, _> = found.map(|detail| (detail.script_name.clone(), detail)).collect();
    if goal.prune {
        found.extend(custom(client).await?.into_iter().map(|detail| (detail.script_name.clone(), detail)));
    }
    let mut plan = steps(goal, found, Way::Singly { max_request })?;
    plan.refusals.extend(refusals(client, service, &mut plan.steps).await?);
    plan.refusals.sort_by(|a, b| a.script_name.cmp(&b.script_name));
    Ok(plan)
}

/// Makes a plan for one commit. Returns none if the server cannot do that.
async fn compare_at_once(client: &Client, goal: &Goal, most: usize) -> Result<Option<Plan>> {
    let names: Vec<_> = goal.names().cloned().collect();
    let (revision, found) = match at_once::read(client, &names, goal.prune).await {
        Err(error) if at_once::is_missing(&error) => return Ok(None),
        read => read?,
    };
    let mut plan = steps(goal, found, Way::AtOnce { revision, most })?;
    match at_once::refusals(client, &plan.steps, revision, most).await {
        Err(error) if at_once::is_missing(&error) => return Ok(None),
        refusals => plan.refusals.extend(refusals?),
    }
    plan.refusals.sort_by(|a, b| a.script_name.cmp(&b.script_name));
    Ok(Some(plan))
}

/// The steps from what was found to a goal.
fn steps(goal: &Goal, mut found: BTreeMap<ScriptName, ConnectorDetail>, way: Way) -> Result<Plan> {
    let mut plan = Plan { way, steps: Vec::new(), refusals: Vec::new() };
    for Wanted { script_name, folder } in goal.wanted.clone() {
        let (wanted, found) = (folder, found.remove(&script_name));
        let found = found.map(|detail| folder_of(&detail).map(|folder| (detail, folder))).transpose()?;
        let action = match &found {
            None => Action::Create,
            Some((_, folder)) if is_same(folder, &wanted) => continue,
            Some((detail, _)) if !detail.is_custom() => {
                let reason =
                    "it is a built-in connector, which cannot be changed, and differs from the wanted one".to_owned();
                plan.refusals.push(Refusal { script_name, reason });
                continue;
            }
            Some(_) if matches!(way, Way::AtOnce { .. }) => Action::Change,
            Some((_, folder)) => match fixed_members_that_differ(folder, &wanted) {
                members if members.is_empty() => Action::Change,
                members => Action::Replace(members),
            },
        };
        plan.steps.push(Step { script_name, action, turn: 0, wanted: Some(wanted), found });
    }
    let is_unwanted = |name: &ScriptName| goal.prune || goal.unwanted.contains(name);
    for (script_name, detail) in found.into_iter().filter(|(name, detail)| detail.is_custom() && is_unwanted(name)) {
        // `pull` cannot write it, so it means nothing that its folder is not there.
        if let Err(error) = folder_name(&script_name)
            && !goal.unwanted.contains(&script_name)
        {
            left_out(&error);
            continue;
        }
        let folder = folder_of(&detail)?;
        plan.steps.push(Step {
            script_name,
            action: Action::Delete,
            turn: 0,
            wanted: None,
            found: Some((detail, folder)),
        });
    }
    plan.steps.sort_by(|a, b| a.script_name.cmp(&b.script_name));
    Ok(plan)
}

/// Whether a plan from `found` to `wanted` would change nothing.
pub fn is_same(found: &Folder, wanted: &Folder) -> bool {
    found.description == wanted.description
        && changed_documents(Some(found), wanted).next().is_none()
        && changed_translations(&found.translations, &wanted.translations).is_empty()
}

/// The wanted documents that differ from those that were found, with the text before and after. All of them, without a
/// text before, where the connector was not found. Only texts count: a document in another encoding is the same (D23).
pub fn changed_documents<'a>(
    found: Option<&'a Folder>,
    wanted: &'a Folder,
) -> impl Iterator<Item = (DocumentKind, Option<&'a str>, &'a DocumentText)> {
    wanted.documents.iter().filter_map(move |(kind, after)| {
        let before = found.map(|found| found.documents.get(kind).map(DocumentText::as_str).unwrap_or_default());
        (before != Some(after.as_str())).then_some((*kind, before, after))
    })
}

/// The locales whose texts differ, with the text before and after; no text after means that it is deleted.
pub fn changed_translations<'a>(
    found: &'a Translations,
    wanted: &'a Translations,
) -> Vec<(Locale, Option<&'a str>, Option<&'a str>)> {
    let text = |translations: &'a Translations, locale| translations.0.get(locale).map(Properties::text);
    let locales: BTreeSet<_> = found.0.keys().chain(wanted.0.keys()).collect();
    let all = locales.into_iter().map(|locale| (*locale, text(found, locale), text(wanted, locale)));
    // The service deletes a locale whose text is empty, so an empty file equals no file. Line endings do not matter in this
    // format.
    let lines = |text: Option<&'a str>| with_line_feeds(text.unwrap_or_default());
    all.filter(|(_, before, after)| lines(*before) != lines(*after)).collect()
}

/// The members that differ and that the API cannot change.
fn fixed_members_that_differ(found: &Folder, wanted: &Folder) -> Vec<&'static str> {
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
