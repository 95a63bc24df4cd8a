//! The overview of a connector.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use connectory_model::limits::{FEATURES, LABELS};
use connectory_model::patch::{PatchScope, PatchSet};
use connectory_model::wire::DetailShape;
use connectory_model::{Connector, Locale, Status, metadata, visible};
use connectory_server::catalog::Source;
use connectory_server::http::conditional::Condition;
use connectory_server::registry::{Edited, Expected, Given, RegistryError, patched};
use connectory_server::work::Stop;
use connectory_store::Revision;
use http::StatusCode;
use maud::{Markup, html};

use super::coverage::{Keys, coverage};
use super::life_cycle::{buttons, done_word};
use super::page::{ConnectorPage, Tab};
use super::unfinished::{Unfinished, check_apart};
use crate::frame::badges::feature_chips;
use crate::frame::copy::copy_button;
use crate::frame::error::PageError;
use crate::frame::form::Submitted;
use crate::frame::revision_table::{RevisionsOf, revision_table};
use crate::frame::success::{UNCHANGED, success_note};
use crate::frame::texts::Message;
use crate::state::Console;

/// The number of revisions that the overview shows.
const RECENT: u32 = 5;

/// Shows the overview.
pub async fn show(
    State(console): State<Arc<Console>>,
    page: ConnectorPage,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let note = success_note(&page.view, &query.unwrap_or_default());
    overview_page(&console, page, note).await
}

/// The page with a note above.
async fn overview_page(console: &Console, page: ConnectorPage, note: Markup) -> Result<Response, PageError> {
    let (tenant, script_name) = (page.caller.tenant(), &page.connector.script_name);
    let revisions = console.server.registry.history(tenant, script_name, None, RECENT).await?;
    let bytes = page.connector.size();
    Ok(check_apart(&console.server.work, bytes, move |stop| render_overview(&page, &note, &revisions, stop)).await?)
}

/// Gives the connector a status, unless someone changed it since the page was made.
pub async fn set_status(
    State(console): State<Arc<Console>>,
    page: ConnectorPage,
    Submitted { view, caller, form }: Submitted,
) -> Result<Response, PageError> {
    let invalid = |error| PageError::bad_request(Message::new("error.invalid").with(&error));
    let status: Status = form.get("status")?.parse().map_err(invalid)?;
    let operations = serde_json::json!([{"op": "replace", "path": "/status", "value": status}]);
    let patch = PatchSet::from_json(operations, PatchScope::Whole).map_err(RegistryError::from)?;
    let limit = console.server.options.max_document;
    let next = move |connector: &Connector| patched(&patch, connector, DetailShape::Plain, limit).map(Some);
    let expected = Expected { condition: Condition::if_match(form.get("base")?), part: None };
    let given = Given::default().expecting(expected);
    let done = |word| Ok(Redirect::to(&page.url(&format!("?done={word}"))).into_response());
    let script_name = &page.connector.script_name;
    match console.server.registry.edit(caller.tenant(), &caller.origin(), script_name, given, next).await {
        Ok(Edited::Changed(..)) => done(done_word(status)),
        Ok(Edited::Unchanged(_)) => done(UNCHANGED),
        Err(RegistryError::Unexpected(_)) => {
            let note = html! { p.problem role="alert" { (view.text("life.late")) } };
            let response = overview_page(&console, page.again(&console).await?, note).await?;
            Ok((StatusCode::CONFLICT, response).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

/// What is unfinished, the next step, and the buttons for it.
fn life_card(page: &ConnectorPage, keys: &Keys, stop: &Stop) -> Markup {
    let unfinished = Unfinished::of(&page.connector, keys, stop);
    let view = &page.view;
    html! {
        section.card.life aria-label=(view.text("life.title")) {
            div.pane-head {
                @if page.is_writable() {
                    h2 { (view.text("life.next")) " " span.next { (unfinished.next_step(view, page.connector.status)) } }
                    div.actions { (buttons(page, unfinished.has_errors())) }
                } @else { h2 { (view.text("life.title")) } }
            }
            (unfinished.list(page))
        }
    }
}

fn render_overview(page: &ConnectorPage, note: &Markup, revisions: &[Revision], stop: &Stop) -> Response {
    let ConnectorPage { view, connector, .. } = page;
    let keys = Keys::of(connector);
    let text = |name: &str| connector.connector_metadata.get(name).and_then(serde_json::Value::as_str);
    let descriptions = connector.translations.short_descriptions();
    let description = descriptions.get(&view.locale()).or_else(|| descriptions.get(&Locale::En));
    let yes_or_no = |flag: bool| view.text(if flag { "facet.yes" } else { "facet.no" });
    let labels = connector.connector_metadata.get("labels").and_then(serde_json::Value::as_array);
    let labels = labels.map(|labels| labels.iter().take(LABELS).filter_map(serde_json::Value::as_str));
    let content = html! {
        (note)
        @if let Some(description) = description.map(String::as_str).or_else(|| text(metadata::SHORT_DESC)) { p.lead { (visible(description)) } }
        @if matches!(page.entry.source, Source::Stored(_)) { (life_card(page, &keys, stop)) }
        div.columns {
            section.card {
                div.pane-head {
                    h2 { (view.text("overview.facts")) }
                    @if page.is_writable() { a href=(page.url("/settings")) { (view.text("overview.edit")) } }
                }
                dl.facts {
                    dt { (view.text("overview.script_name")) } dd { code { (visible(connector.script_name.as_str())) } " " (copy_button(view, connector.script_name.as_str())) }
                    dt { (view.text("column.type")) } dd { (visible(&connector.connector_type)) }
                    dt { (view.text("overview.class")) } dd { code { (visible(&connector.class_name)) } }
                    dt { (view.text("facet.origin")) } dd {
                        (view.text(if matches!(page.entry.source, Source::Stored(_)) { "facet.custom" } else { "facet.built_in" }))
                    }
                    dt { (view.text("facet.direct")) } dd { (yes_or_no(connector.direct_connect)) }
                    dt { (view.text("overview.upload")) } dd { (yes_or_no(connector.source_config.file_upload())) }
                    @if let Some(category) = text("category") { dt { (view.text("column.category")) } dd { (visible(category)) } }
                    @if let Some(labels) = labels {
                        dt { (view.text("overview.labels")) }
                        dd { @for label in labels { span.chip { (visible(label)) } " " } }
                    }
                    dt { (view.text("column.features")) }
                    dd { (feature_chips(&connector.source_template.features(), FEATURES)) }
                }
            }
            section.card {
                h2 { (view.text("tab.translations")) }
                (coverage(page, &keys))
                h2 { (view.text("overview.recent")) }
                @if revisions.is_empty() { p.faint { (view.text("overview.no_revisions")) } }
                @else { (revision_table(view, revisions, RevisionsOf::Connector)) }
            }
        }
        @if page.is_writable() {
            p { a.button.danger href=(page.url("/delete")) { (view.text("delete.link")) } }
        }
    };
    page.render(Tab::Overview, &content)
}
