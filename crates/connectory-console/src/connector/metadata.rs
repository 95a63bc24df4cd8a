//! The metadata as a form: well-known members have fields, all others are JSON.
//!
//! A change is a JSON Patch of `/connectorMetadata`, so it follows the rules of the API.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use connectory_model::limits::{self, LABEL_BYTES, METADATA_BYTES, METADATA_CHARS, SHORT_DESCRIPTION_BYTES};
use connectory_model::metadata::{SHORT_DESC, labels};
use connectory_model::patch::{PatchScope, PatchSet};
use connectory_model::translations::SHORT_DESCRIPTION;
use connectory_model::wire::DetailShape;
use connectory_model::{Connector, Locale, Metadata, json};
use connectory_server::catalog::{Facet, Tagged};
use connectory_server::http::conditional::Condition;
use connectory_server::registry::{Expected, Given, RegistryError, patched};
use connectory_server::work::{Stop, reserve};
use http::StatusCode;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::began;
use super::filled::Filled;
use super::page::{ConnectorPage, Tab};
use super::pretty::pretty;
use crate::frame::diff;
use crate::frame::error::PageError;
use crate::frame::form::{PostedForm, Submitted};
use crate::frame::html_bytes::html_bytes;
use crate::frame::locales::locale_name;
use crate::frame::notes;
use crate::frame::success::{UNCHANGED, outcome, success_note};
use crate::frame::texts::Message;
use crate::state::Console;

/// The number of values that the other members may have. Each value takes at least two bytes of the metadata.
const OTHERS_VALUES: usize = METADATA_BYTES / 2;

/// The characters of all labels, each on its line.
const LABELS_CHARS: usize = limits::LABELS * (LABEL_BYTES + 1);

/// The members that have fields, with the short description.
const CATEGORY: &str = "category";
const LABELS: &str = "labels";

/// The texts in the fields.
#[derive(Serialize, Deserialize)]
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
        // A value that its field cannot show is part of the JSON.
        let others = metadata.iter().filter(|(name, value)| {
            let is_shown = match name.as_str() {
                LABELS => {
                    value.is_string() || value.as_array().is_some_and(|labels| labels.iter().all(Value::is_string))
                }
                CATEGORY | SHORT_DESC => value.is_string(),
                _ => false,
            };
            !is_shown
        });
        let others: Metadata = others.map(|(name, value)| (name.clone(), value.clone())).collect();
        Self { category: text(CATEGORY), labels, description: text(SHORT_DESC), others: pretty(&others) }
    }

    /// What was typed in the place of these fields. A text that was stored under a larger bound may stay as long as it
    /// is.
    fn typed(&self, form: &PostedForm) -> Result<Self, PageError> {
        let lines = |name, before: &str, max: usize| form.lines(name, "", max.max(before.len()));
        Ok(Self {
            category: form.get_up_to(CATEGORY, LABEL_BYTES.max(self.category.len()))?.trim().to_owned(),
            labels: lines(LABELS, &self.labels, LABELS_CHARS)?,
            description: lines("description", &self.description, SHORT_DESCRIPTION_BYTES)?.trim().to_owned(),
            others: lines("others", &self.others, METADATA_CHARS)?,
        })
    }

    /// These fields where they differ from those that the form began with, and else what is stored.
    fn over(self, began: &Self, stored: &Self) -> Self {
        // A browser sends other ends of lines, and what is typed is trimmed.
        let as_sent = |text: &str| text.replace("\r\n", "\n").trim().to_owned();
        Self {
            category: began::over(self.category, &as_sent(&began.category), &stored.category),
            labels: began::over(self.labels, &began.labels.replace("\r\n", "\n"), &stored.labels),
            description: began::over(self.description, &as_sent(&began.description), &stored.description),
            others: began::over(self.others, &began.others, &stored.others),
        }
    }

    /// All of them as one text, for members that are not JSON yet.
    fn lines(&self) -> String {
        [&self.category, &self.labels, &self.description, &self.others].map(|text| format!("{text}\n")).concat()
    }

    /// How long they are in a page.
    fn html_bytes(&self) -> usize {
        [&self.category, &self.labels, &self.description, &self.others].map(|text| html_bytes(text)).iter().sum()
    }

    /// The metadata, in the order that it had before.
    fn metadata(&self, before: &Metadata) -> Result<Metadata, Message> {
        let others = json::from_slice(self.others.as_bytes(), OTHERS_VALUES)
            .map_err(|error| Message::new("metadata.not_json").with(&error))?;
        let Value::Object(others) = others else {
            return Err(Message::new("metadata.no_object"));
        };
        let labels: Vec<_> = self.labels.lines().map(str::trim).filter(|label| !label.is_empty()).collect();
        let mut members = Metadata::new();
        if !self.category.is_empty() {
            members.insert(CATEGORY.to_owned(), serde_json::json!(self.category));
        }
        if !labels.is_empty() {
            let was_text = before.get(LABELS).is_some_and(Value::is_string) && labels.len() == 1;
            members.insert(
                LABELS.to_owned(),
                if was_text { serde_json::json!(labels[0]) } else { serde_json::json!(labels) },
            );
        }
        if !self.description.is_empty() {
            members.insert(SHORT_DESC.to_owned(), serde_json::json!(self.description));
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

/// The form, as a page shows it.
struct MetadataForm {
    fields: MetadataFields,
    /// What is stored as its reader knows it, as JSON.
    began: String,
    filled: Filled,
}

/// Shows the form.
pub async fn show(
    State(console): State<Arc<Console>>,
    page: ConnectorPage,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let fields = MetadataFields::from_metadata(&page.connector.connector_metadata);
    let query = query.unwrap_or_default();
    let form = MetadataForm { began: began::json(&fields), fields, filled: Filled::Stored };
    metadata_page(&console, page, form, move |page, _| success_note(&page.view, &query)).await
}

/// A page with something above the form. The page is counted before it is made, because a text may be six times as long
/// in it.
async fn metadata_page(
    console: &Console,
    page: ConnectorPage,
    form: MetadataForm,
    above: impl FnOnce(&ConnectorPage, &Stop) -> Markup + Send + 'static,
) -> Result<Response, PageError> {
    let bytes = form.fields.html_bytes() + html_bytes(&form.began);
    reserve(&console.server.answers, bytes)?;
    let locales = [page.view.locale(), Locale::En];
    let texts = locales.iter().filter_map(|locale| page.connector.translations.0.get(locale));
    let searched: usize = texts.map(|texts| texts.text().len()).sum();
    let response = console.server.work.run(bytes + searched, move |stop| {
        let content = html! { (above(&page, stop)) (metadata_form(&page, &form)) };
        page.render(Tab::Metadata, &content)
    });
    Ok(response.await?)
}

/// The page with what was typed, and why it is not saved.
async fn refused(
    console: &Console,
    page: ConnectorPage,
    form: MetadataForm,
    error: String,
) -> Result<Response, PageError> {
    let above = move |_: &ConnectorPage, _: &Stop| html! { p.problem role="alert" { (error) } };
    let response = metadata_page(console, page, form, above).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, response).into_response())
}

/// The locale whose short description its reader sees in the place of the one in the metadata.
fn hiding_locale(page: &ConnectorPage) -> Option<Locale> {
    let has_description = |locale: &Locale| {
        page.connector.translations.0.get(locale).is_some_and(|texts| texts.short_description().is_some())
    };
    [page.view.locale(), Locale::En].into_iter().find(has_description)
}

fn metadata_form(page: &ConnectorPage, form: &MetadataForm) -> Markup {
    let view = &page.view;
    let MetadataForm { fields, began, filled } = form;
    let readonly = !page.is_writable();
    let snapshot = page.caller.tenant().snapshot();
    let facets = page.caller.tenant().facets(&snapshot);
    let tag = Tagged::Metadata.tag(&page.connector);
    let hiding = hiding_locale(page);
    let hint = |name: &str, key: &str| html! { p.hint.of-field id=(format!("hint-{name}")) { (view.text(key)) } };
    html! {
        (page.read_only_note())
        (notes::draft(view))
        div.columns {
            section.card aria-labelledby="metadata-title" {
                header { h2 #metadata-title { (view.text("tab.metadata")) } }
                form.body method="post" action=(page.url("/metadata"))
                    data-draft=[(!readonly).then(|| page.url("/metadata"))] data-compare=(page.url("/metadata/compare"))
                    data-typed[filled.is_typed()]
                {
                    (view.csrf_input())
                    input type="hidden" name="base" value=(filled.base(tag.as_str()));
                    (began::field(began))
                    label { (view.text("column.category")) input name="category" value=(fields.category) list="categories" readonly[readonly] autocomplete="off" aria-describedby="hint-category"; }
                    (hint("category", "metadata.category_hint"))
                    datalist #categories { @for (value, _) in facets.all.of(Facet::Category) { option value=(value) {} } }
                    label { (view.text("metadata.labels")) textarea name="labels" rows="4" readonly[readonly] aria-describedby="hint-labels" { "\n" (fields.labels) } }
                    (hint("labels", "metadata.labels_hint"))
                    label { (view.text("metadata.description")) textarea name="description" rows="3" readonly[readonly] aria-describedby=(if hiding.is_some() { "hint-description hint-hidden" } else { "hint-description" }) { "\n" (fields.description) } }
                    (hint("description", "metadata.description_hint"))
                    @if let Some(locale) = hiding {
                        p.note.of-field #hint-hidden {
                            (view.format("metadata.hidden", &[&locale_name(view, locale)])) " "
                            a href=(page.url(&format!("/translations?locale={locale}&q={SHORT_DESCRIPTION}"))) { (view.text("metadata.hidden_link")) }
                        }
                    }
                    label { (view.text("metadata.others")) textarea.code name="others" rows="8" spellcheck="false" readonly[readonly] { "\n" (fields.others) } }
                    @if !readonly { button.primary type="submit" { (view.text("action.save")) } }
                }
            }
            aside.stack aria-labelledby="metadata-about" {
                div.card {
                    header { h2 #metadata-about { (view.text("metadata.about")) } }
                    div.body { p { (view.text("metadata.about_lists")) } p { (view.text("metadata.about_others")) } }
                }
            }
        }
    }
}

/// Saves the form.
pub async fn save(
    State(console): State<Arc<Console>>,
    page: ConnectorPage,
    Submitted { view, caller, form }: Submitted,
) -> Result<Response, PageError> {
    let stored = MetadataFields::from_metadata(&page.connector.connector_metadata);
    let fields = stored.typed(&form)?;
    let base = form.get("base")?;
    let began = began::sent(&form)?.unwrap_or(stored);
    let typed_since = |fields, began: &_| {
        let filled = Filled::TypedSince(base.to_owned());
        MetadataForm { fields, began: began::json(began), filled }
    };
    let metadata = match fields.metadata(&page.connector.connector_metadata) {
        Ok(metadata) => metadata,
        Err(message) => {
            return refused(&console, page, typed_since(fields, &began), message.text(view.language)).await;
        }
    };
    let bytes = fields.html_bytes();
    let operations = serde_json::json!([{"op": "replace", "path": "/connectorMetadata", "value": metadata}]);
    let patch = PatchSet::from_json(operations, PatchScope::Specified).map_err(RegistryError::from)?;
    let limit = console.server.options.max_document;
    let next = move |connector: &Connector| patched(&patch, connector, DetailShape::Plain, limit).map(Some);
    let address = page.url("/metadata");
    let done = |word: &str| Ok(Redirect::to(&format!("{address}?done={word}")).into_response());
    let (origin, script_name) = (caller.origin(), &page.connector.script_name);
    let expected = Expected::of_part(Condition::if_match(base), Tagged::Metadata);
    let given = Given::bytes(bytes).expecting(expected);
    match console.server.registry.edit(caller.tenant(), &origin, script_name, given, next).await {
        Ok(edited) => done(outcome(&edited)),
        Err(RegistryError::Unexpected(_)) => {
            let theirs = page.again(&console).await?;
            let before = &theirs.connector.connector_metadata;
            let stored = MetadataFields::from_metadata(before);
            // What was not changed here is not taken back there.
            let fields = fields.over(&began, &stored);
            let mine = match fields.metadata(before) {
                Ok(metadata) => pretty(&metadata),
                Err(message) => {
                    return refused(&console, theirs, typed_since(fields, &began), message.text(view.language)).await;
                }
            };
            if pretty(before) == mine {
                return done(UNCHANGED);
            }
            let form = MetadataForm { fields, began: began::json(&stored), filled: Filled::Typed };
            let response = metadata_page(&console, theirs, form, move |theirs, stop| {
                let stored = pretty(&theirs.connector.connector_metadata);
                diff::conflict(&theirs.view, &stored, &mine, &address, stop)
            });
            Ok((StatusCode::CONFLICT, response.await?).into_response())
        }
        Err(error @ (RegistryError::Patch(_) | RegistryError::TooLarge(_))) => {
            let why = PageError::from(error).text(view.language);
            refused(&console, page, typed_since(fields, &began), why).await
        }
        Err(error) => Err(error.into()),
    }
}

/// Answers the difference of a draft to the stored metadata.
pub async fn compare(
    State(console): State<Arc<Console>>,
    page: ConnectorPage,
    Submitted { form, .. }: Submitted,
) -> Result<Response, PageError> {
    let stored = MetadataFields::from_metadata(&page.connector.connector_metadata);
    let typed = stored.typed(&form)?;
    let answer = console.server.work.run(page.connector.size() + typed.html_bytes(), move |stop| {
        let before = &page.connector.connector_metadata;
        let [stored, typed] = match typed.metadata(before) {
            Ok(metadata) => [pretty(before), pretty(&metadata)],
            Err(_) => [stored, typed].map(|fields| fields.lines()),
        };
        diff::draft_difference(&page.view, &stored, &typed, stop)
    });
    Ok(answer.await?)
}
