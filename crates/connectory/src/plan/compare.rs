//! Comparing: makes a plan from the wanted connectors and the server's.

use std::collections::BTreeSet;

use anyhow::Result;
use connectory_client::{Client, DocumentKind, Locale};
use connectory_folder::Folder;
use connectory_model::limits::REQUEST_BYTES;
use connectory_model::translations::{Properties, Translations};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::refusals::refusals;
use super::wanted::Wanted;
use super::{Action, Plan, Refusal, Step};
use crate::environment::{PARALLEL, custom, find, folder_of};

/// Makes a plan. With `prune`, custom connectors that are not wanted are deleted.
pub async fn compare(client: &Client, wanted: Vec<Wanted>, prune: bool) -> Result<Plan> {
    let names: BTreeSet<_> = wanted.iter().map(|wanted| wanted.script_name.clone()).collect();
    let service = client.service_info().await?;
    let max_request = service.as_ref().map_or(REQUEST_BYTES as u64, |service| service.limits.max_request_bytes);
    let max_request = usize::try_from(max_request).unwrap_or(usize::MAX);
    let mut plan = Plan { max_request, ..Plan::default() };
    let compared: Vec<_> = stream::iter(wanted)
        .map(|Wanted { script_name, folder }| async move {
            let found = find(client, script_name.as_str()).await?;
            anyhow::Ok((script_name, folder, found))
        })
        .buffer_unordered(PARALLEL)
        .try_collect()
        .await?;
    for (script_name, wanted, found) in compared {
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
            Some((_, folder)) => match fixed_members_that_differ(folder, &wanted) {
                members if members.is_empty() => Action::Change,
                members => Action::Replace(members),
            },
        };
        plan.steps.push(Step { script_name, action, turn: 0, wanted: Some(wanted), found });
    }
    if prune {
        for detail in custom(client).await? {
            if !names.contains(&detail.script_name) {
                let folder = folder_of(&detail)?;
                let (script_name, found) = (detail.script_name.clone(), Some((detail, folder)));
                plan.steps.push(Step { script_name, action: Action::Delete, turn: 0, wanted: None, found });
            }
        }
    }
    plan.steps.sort_by(|a, b| a.script_name.cmp(&b.script_name));
    plan.refusals.extend(refusals(client, service.as_ref(), &mut plan.steps).await?);
    plan.refusals.sort_by(|a, b| a.script_name.cmp(&b.script_name));
    Ok(plan)
}

/// Whether a plan from `found` to `wanted` would change nothing.
pub fn is_same(found: &Folder, wanted: &Folder) -> bool {
    found.description == wanted.description
        && changed_documents(Some(found), wanted).next().is_none()
        && changed_translations(&found.translations, &wanted.translations).is_empty()
}

/// The wanted documents that differ from those that were found, with the text before and after. All of them, without a
/// text before, where the connector was not found.
pub fn changed_documents<'a>(
    found: Option<&'a Folder>,
    wanted: &'a Folder,
) -> impl Iterator<Item = (DocumentKind, Option<&'a str>, &'a str)> {
    wanted.documents.iter().filter_map(move |(kind, after)| {
        let before = found.map(|found| found.documents.get(kind).map(String::as_str).unwrap_or_default());
        (before != Some(after)).then_some((*kind, before, after.as_str()))
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
    // The service deletes a locale whose text is empty, so an empty file equals no file.
    all.filter(|(_, before, after)| before.unwrap_or_default() != after.unwrap_or_default()).collect()
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
