//! The metadata as a form: the members that everyone knows as fields, all others as JSON.
//!
//! A change is made as a JSON Patch of `/connectorMetadata`, so that the API's rules hold here too.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use connectory_model::json;
use connectory_model::limits::{METADATA_BYTES, WORK_TIMEOUT};
use connectory_model::metadata::{SHORT_DESC, labels};
use connectory_model::patch::PatchSet;
use connectory_model::wire::DetailShape;
use connectory_model::{Connector, Metadata};
use connectory_server::catalog::Facet;
use connectory_server::http::error::ApiError;
use connectory_server::registry::{Given, RegistryError, patched};
use connectory_server::work::Stop;
use http::StatusCode;
use maud::{Markup, html};
use serde_json::Value;

use super::page::{ConnectorPage, Tab};
use super::pretty::pretty;
use crate::frame::diff;
use crate::frame::fingerprint::fingerprint;
use crate::frame::form::{PostedForm, Submitted};
use crate::frame::success::{outcome, success_note};
use crate::state::Console;

/// How many values the other members may have: each takes two bytes of the metadata at least.
const OTHERS_VALUES: usize = METADATA_BYTES / 2;

/// What the form has fields for.
const KNOWN: [&str; 3] = ["category", "labels", SHORT_DESC];

/// What the fields hold.
struct MetadataFields {
    category: String,
    labels: String,
    description: String,
    others: String,
}

impl MetadataFields {
    fn from_metadata(metadata: &Metadata) -> Self {
        let text = |name: &str| metadata.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let labels = labels(metadata).collect::<Vec<_>>().join("\n");
        // What is not what its field can show is left to the JSON.
        let others = metadata.iter().filter(|(name, value)| {
            let is_shown = match name.as_str() {
                "labels" => {
                    value.is_string() || value.as_array().is_some_and(|labels| labels.iter().all(Value::is_string))
                }
                name => KNOWN.contains(&name) && value.is_string(),
            };
            !is_shown
        });
        let others: Metadata = others.map(|(name, value)| (name.clone(), value.clone())).collect();
        Self { category: text("category"), labels, description: text(SHORT_DESC), others: pretty(&others) }
    }

    fn from_form(form: &PostedForm) -> Self {
        Self {
            category: form.get("category").trim().to_owned(),
            labels: form.lines("labels", ""),
            description: form.lines("description", "").trim().to_owned(),
            others: form.lines("others", ""),
        }
    }

    /// The metadata in the order in which it was.
    fn metadata(&self, before: &Metadata) -> Result<Metadata, String> {
        let others = json::from_slice(self.others.as_bytes(), OTHERS_VALUES).map_err(|error| error.to_string())?;
        let Value::Object(others) = others else {
            return Err("expected an object such as {\"platform\": …}".to_owned());
        };
        let labels: Vec<_> = self.labels.lines().map(str::trim).filter(|label| !label.is_empty()).collect();
        let mut members = Metadata::new();
        if !self.category.is_empty() {
            members.insert(KNOWN[0].to_owned(), serde_json::json!(self.category));
        }
        if !labels.is_empty() {
            let was_text = before.get("labels").is_some_and(Value::is_string) && labels.len() == 1;
            members.insert(
                KNOWN[1].to_owned(),
                if was_text { serde_json::json!(labels[0]) } else { serde_json::json!(labels) },
            );
        }
        if !self.description.is_empty() {
            members.insert(KNOWN[2].to_owned(), serde_json::json!(self.description));
        }
        members.extend(others);
        let mut metadata = Metadata::new();
        for name in before.keys().cloned().chain(members.keys().cloned().collect::<Vec<_>>()) {
            if let Some(value) = members.get(&name) {
                metadata.insert(name, value.clone());
            }
        }
        Ok(metadata)
    }
}

/// The page.
pub async fn show(page: ConnectorPage, RawQuery(query): RawQuery) -> Response {
    let content = html! {
        (success_note(&page.view, &query.unwrap_or_default()))
        (metadata_form(&page, &MetadataFields::from_metadata(&page.connector.connector_metadata), None))
    };
    page.render(Tab::Metadata, &content)
}

fn metadata_form(page: &ConnectorPage, fields: &MetadataFields, error: Option<&str>) -> Markup {
    let view = &page.view;
    let readonly = !page.is_writable();
    let snapshot = page.caller.tenant().snapshot();
    let facets = page.caller.tenant().facets(&snapshot);
    html! {
        (page.read_only_note())
        @if let Some(error) = error { p.problem role="alert" { (error) } }
        form.narrow method="post" action=(page.url("/metadata")) {
            (view.csrf_input())
            input type="hidden" name="base" value=(fingerprint(pretty(&page.connector.connector_metadata)));
            label { (view.text("column.category")) input name="category" value=(fields.category) list="categories" readonly[readonly] autocomplete="off"; }
            datalist #categories { @for (value, _) in facets.1.of(Facet::Category) { option value=(value) {} } }
            label { (view.text("metadata.labels")) textarea name="labels" rows="4" readonly[readonly] { "\n" (fields.labels) } }
            label { (view.text("metadata.description")) textarea name="description" rows="3" readonly[readonly] { "\n" (fields.description) } }
            label { (view.text("metadata.others")) textarea.code name="others" rows="8" spellcheck="false" readonly[readonly] { "\n" (fields.others) } }
            @if !readonly { button.primary type="submit" { (view.text("action.save")) } }
        }
    }
}

/// Saves the form.
pub async fn save(
    State(console): State<Arc<Console>>,
    page: ConnectorPage,
    Submitted { view, caller, form }: Submitted,
) -> Result<Response, ApiError> {
    let fields = MetadataFields::from_form(&form);
    let refuse = |page: &ConnectorPage, error: &str| {
        let response = page.render(Tab::Metadata, &metadata_form(page, &fields, Some(error)));
        (StatusCode::UNPROCESSABLE_ENTITY, response).into_response()
    };
    let metadata = match fields.metadata(&page.connector.connector_metadata) {
        Ok(metadata) => metadata,
        Err(error) => return Ok(refuse(&page, &format!("{}: {error}", view.text("metadata.not_json")))),
    };
    let mine = pretty(&metadata);
    let operations = serde_json::json!([{"op": "replace", "path": "/connectorMetadata", "value": metadata}]);
    let patch = PatchSet::from_json(operations).map_err(|error| ApiError::bad_request(error.to_string()))?;
    let (base, limit) = (form.get("base").to_owned(), console.server.options.max_document);
    let next = move |connector: &Connector| {
        let next = patched(&patch, connector, DetailShape::Plain, limit)?;
        let is_new = next.connector_metadata != connector.connector_metadata;
        if is_new && base != fingerprint(pretty(&connector.connector_metadata)) {
            return Err(RegistryError::Conflict);
        }
        Ok(is_new.then_some(next))
    };
    let address = page.url("/metadata");
    let (origin, script_name) = (caller.origin(), &page.connector.script_name);
    let given = Given::bytes(mine.len());
    match console.server.registry.edit(caller.tenant(), &origin, script_name, given, next).await {
        Ok(edited) => Ok(Redirect::to(&format!("{address}?done={}", outcome(&edited))).into_response()),
        Err(RegistryError::Conflict) => {
            let theirs = page.again(&console).await?;
            let stored = pretty(&theirs.connector.connector_metadata);
            let content = html! {
                (diff::conflict(&view, &stored, &mine, &address, &Stop::after(WORK_TIMEOUT)))
                (metadata_form(&theirs, &fields, None))
            };
            Ok((StatusCode::CONFLICT, theirs.render(Tab::Metadata, &content)).into_response())
        }
        Err(error @ (RegistryError::Patch(_) | RegistryError::TooLarge(_))) => Ok(refuse(&page, &error.to_string())),
        Err(error) => Err(error.into()),
    }
}
