//! The labels of several connectors: some are added to all of them, and others removed.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use connectory_model::limits::{self, LABEL_BYTES};
use connectory_model::metadata::labels;
use connectory_model::patch::{PatchScope, PatchSet};
use connectory_model::wire::DetailShape;
use connectory_model::{Connector, Metadata, name_key, visible};
use connectory_server::registry::{RegistryError, patched};
use maud::{Markup, html};
use serde_json::{Value, json};

use super::{Shown, asked, buttons, make, page, rendered};
use crate::frame::error::PageError;
use crate::frame::form::Submitted;
use crate::frame::taken_back::LABELLED;
use crate::frame::view::View;
use crate::frame::visitor::SignedIn;
use crate::state::Console;
use crate::urls::MANY_LABELS;

/// The labels that the page offers to remove, as many as a form has fields for.
const OFFERED: usize = 40;

/// What a form asks for.
#[derive(Default)]
struct Wanted {
    add: Vec<String>,
    remove: Vec<String>,
}

/// Shows the connectors with their labels.
pub async fn show(
    State(console): State<Arc<Console>>,
    SignedIn { view, caller }: SignedIn,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let asked = asked(&caller, &query.unwrap_or_default())?;
    rendered(&console, &view, asked, |view, shown| labels_page(view, &html! {}, shown, &Wanted::default())).await
}

fn labels_page(view: &View, above: &Markup, shown: &Shown, wanted: &Wanted) -> Response {
    let picked = &shown.picked;
    // Those that differ in case only are one label, as in the filters of the list.
    let mut found: BTreeMap<String, (&str, usize)> = BTreeMap::new();
    for item in picked.iter().map(|picked| &picked.item) {
        for label in labels(&item.connector_metadata) {
            found.entry(name_key(label)).or_insert((label, 0)).1 += 1;
        }
    }
    let is_removed = |key: &String| wanted.remove.iter().any(|label| name_key(label) == *key);
    let card = html! {
        label { (view.text("many.labels_add")) textarea name="add" rows="3" { "\n" (wanted.add.join("\n")) } }
        @if !found.is_empty() {
            fieldset {
                legend { (view.text("many.labels_remove")) }
                @for (key, (label, count)) in found.iter().take(OFFERED) {
                    label.check {
                        input type="checkbox" name="remove" value=(label) checked[is_removed(key)];
                        span { (visible(label)) " " span.muted { (view.format("many.labels_of", &[count, &picked.len()])) } }
                    }
                }
            }
            @if found.len() > OFFERED { p.hint { (view.format("many.labels_more", &[&OFFERED])) } }
        }
        (buttons(view, &shown.back, view.text("action.save"), false))
    };
    page(view, view.text("many.labels"), above, shown, MANY_LABELS, &card)
}

/// Changes the labels.
pub async fn save(State(console): State<Arc<Console>>, submitted: Submitted) -> Result<Response, PageError> {
    let form = &submitted.form;
    let typed = form.lines("add", "", limits::LABELS * (LABEL_BYTES + 1))?;
    let add = typed.lines().map(str::trim).filter(|label| !label.is_empty()).map(str::to_owned).collect();
    // A label that was stored under a larger bound can be removed too.
    let remove = form.all_up_to("remove", limits::METADATA_CHARS).map(|label| label.map(str::to_owned));
    let wanted = Arc::new(Wanted { add, remove: remove.collect::<Result<_, _>>()? });
    let (limit, change) = (console.server.options.max_document, Arc::clone(&wanted));
    let next = move |connector: &Connector| match labelling(&connector.connector_metadata, &change) {
        Some(operation) => {
            let patch = PatchSet::from_json(json!([operation]), PatchScope::Specified)?;
            patched(&patch, connector, DetailShape::Plain, limit).map(Some)
        }
        None => Ok::<_, RegistryError>(Some(connector.clone())),
    };
    let again = move |view: &View, above: &Markup, shown: &Shown| labels_page(view, above, shown, &wanted);
    make(&console, &submitted, LABELLED, next, again).await
}

/// The operation that gives metadata its labels. None if it has them.
fn labelling(metadata: &Metadata, Wanted { add, remove }: &Wanted) -> Option<Value> {
    let before = match metadata.get("labels") {
        Some(Value::Array(labels)) => labels.clone(),
        Some(label) => vec![label.clone()],
        None => Vec::new(),
    };
    let keys = |labels: &[String]| labels.iter().map(|label| name_key(label)).collect::<Vec<_>>();
    let (removed, mut after) = (keys(remove), before.clone());
    // What is no text stays: it is not what the page shows.
    after.retain(|label| label.as_str().is_none_or(|label| !removed.contains(&name_key(label))));
    for label in add {
        let is_there = |other: &Value| other.as_str().is_some_and(|other| name_key(other) == name_key(label));
        if !after.iter().any(is_there) {
            after.push(json!(label));
        }
    }
    match &*after {
        _ if after == before => None,
        [] => Some(json!({"op": "remove", "path": "/connectorMetadata/labels"})),
        _ => Some(json!({"op": "add", "path": "/connectorMetadata/labels", "value": after})),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_added_and_removed_without_regard_to_case_and_others_stay() {
        let of = |labels: Value| json!({ "labels": labels }).as_object().cloned().unwrap_or_default();
        let wanted = |add: &[&str], remove: &[&str]| {
            let own = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect();
            Wanted { add: own(add), remove: own(remove) }
        };
        let add = |value: Value| Some(json!({"op": "add", "path": "/connectorMetadata/labels", "value": value}));
        let remove = Some(json!({"op": "remove", "path": "/connectorMetadata/labels"}));
        for (before, wanted, expected) in [
            (Metadata::new(), wanted(&["a", "A", "b"], &[]), add(json!(["a", "b"]))),
            (Metadata::new(), wanted(&[], &["a"]), None),
            (of(json!(["HR", 7, "x"])), wanted(&["y"], &["hr"]), add(json!([7, "x", "y"]))),
            (of(json!(["HR"])), wanted(&["hr"], &[]), None),
            (of(json!("HR")), wanted(&["y"], &[]), add(json!(["HR", "y"]))),
            (of(json!("HR")), wanted(&[], &["HR"]), remove),
        ] {
            assert_eq!(labelling(&before, &wanted), expected, "{before:?}");
        }
    }
}
