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
use super::life_cycle::done_word;
use super::page::{ConnectorPage, Tab};
use super::unfinished::{Unfinished, check_apart};
use crate::frame::badges::{author_name, feature_chips, time_ago};
use crate::frame::copy::copy_button;
use crate::frame::error::{PageError, no_choice};
use crate::frame::form::Submitted;
use crate::frame::icon::{Icon, icon};
use crate::frame::sentence::revision_sentence;
use crate::frame::success::{UNCHANGED, success_note};
use crate::frame::view::View;
use crate::state::Console;
use crate::urls::connector_url;

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
    let status = form.get("status")?;
    let status: Status = status.parse().map_err(|_| no_choice(status))?;
    let operations = serde_json::json!([{"op": "replace", "path": "/status", "value": status}]);
    let patch = PatchSet::from_json(operations, PatchScope::Whole).map_err(RegistryError::from)?;
    let limit = console.server.options.max_document;
    let next = move |connector: &Connector| patched(&patch, connector, DetailShape::Plain, limit).map(Some);
    let expected = Expected { condition: Condition::if_match(form.get("revision")?), part: None };
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

/// What is left before a release, and the next step.
fn life_card(page: &ConnectorPage, keys: &Keys, stop: &Stop) -> Markup {
    let unfinished = Unfinished::of(&page.connector, keys, stop);
    let (view, status) = (&page.view, page.connector.status);
    let (done, all) = unfinished.progress();
    html! {
        section.card.life {
            header {
                h2 { (view.text(if status == Status::Released { "life.title_released" } else { "life.title" })) }
                span.small.muted { (view.format("life.progress", &[&done, &all])) }
                @if page.is_writable() {
                    span.small.spacer { (view.text("life.next")) " " span.next { (unfinished.next_step(view, status)) } }
                }
            }
            (unfinished.list(page))
        }
    }
}

fn render_overview(page: &ConnectorPage, note: &Markup, revisions: &[Revision], stop: &Stop) -> Response {
    let view = &page.view;
    let keys = Keys::of(&page.connector);
    let is_custom = matches!(page.entry.source, Source::Stored(_));
    let content = html! {
        (note)
        (page.read_only_note())
        div.columns {
            div.stack {
                @if is_custom { (life_card(page, &keys, stop)) }
                (details_card(page))
            }
            div.stack {
                section.card {
                    header {
                        h2 { (view.text("tab.translations")) }
                        a.small.spacer href=(page.url("/translations")) { (view.text("overview.all_locales")) }
                    }
                    div.body { (coverage(page, &keys)) }
                }
                section.card {
                    header {
                        h2 { (view.text("overview.recent")) }
                        @if is_custom { a.small.spacer href=(page.url("/history")) { (view.text("tab.history")) } }
                    }
                    @if revisions.is_empty() { div.body { p.muted { (view.text("overview.no_revisions")) } } }
                    @else { (recent_changes(view, revisions)) }
                }
            }
        }
    };
    page.render(Tab::Overview, &content)
}

/// What the connector is.
fn details_card(page: &ConnectorPage) -> Markup {
    let ConnectorPage { view, connector, .. } = page;
    let text = |name: &str| connector.connector_metadata.get(name).and_then(serde_json::Value::as_str);
    let descriptions = connector.translations.short_descriptions();
    let description = descriptions.get(&view.locale()).or_else(|| descriptions.get(&Locale::En)).map(String::as_str);
    let description = description.or_else(|| text(metadata::SHORT_DESC));
    let yes_or_no = |flag: bool| view.text(if flag { "facet.yes" } else { "facet.no" });
    let labels = connector.connector_metadata.get("labels").and_then(serde_json::Value::as_array);
    let labels = labels.map(|labels| labels.iter().take(LABELS).filter_map(serde_json::Value::as_str));
    let is_custom = matches!(page.entry.source, Source::Stored(_));
    let features = connector.source_template.features();
    html! {
        section.card {
            header {
                h2 { (view.text("overview.facts")) }
                @if page.is_writable() { a.button.quiet.spacer href=(page.url("/settings")) { (icon(Icon::Pencil)) (view.text("overview.edit")) } }
            }
            div.body { dl.facts {
                @if let Some(description) = description { dt { (view.text("overview.description")) } dd { (visible(description)) } }
                dt { (view.text("overview.script_name")) } dd { code { (visible(connector.script_name.as_str())) } " " (copy_button(view, connector.script_name.as_str())) }
                dt { (view.text("column.type")) } dd { (visible(&connector.connector_type)) }
                dt { (view.text("overview.class")) } dd { code { (visible(&connector.class_name)) } }
                dt { (view.text("facet.origin")) } dd { (view.text(if is_custom { "facet.custom" } else { "facet.built_in" })) }
                dt { (view.text("facet.direct")) } dd { (yes_or_no(connector.direct_connect)) }
                dt { (view.text("overview.upload")) } dd { (yes_or_no(connector.source_config.file_upload())) }
                @if let Some(category) = text("category") { dt { (view.text("column.category")) } dd { (visible(category)) } }
                @if !features.is_empty() { dt { (view.text("column.features")) } dd { (feature_chips(&features, FEATURES)) } }
                @if let Some(labels) = labels {
                    dt { (view.text("overview.labels")) }
                    dd { @for label in labels { span.chip { (visible(label)) } " " } }
                }
            } }
        }
    }
}

/// The newest revisions as sentences.
fn recent_changes(view: &View, revisions: &[Revision]) -> Markup {
    html! {
        ol.line {
            @for revision in revisions {
                li {
                    b { (author_name(&revision.author)) } " " (revision_sentence(view, revision))
                    br;
                    span.small.muted.num {
                        (time_ago(view, revision.created_at)) " · "
                        a href=(connector_url(&revision.script_name, &format!("/history/{}", revision.number))) { (view.format("list.revision", &[&revision.number])) }
                    }
                }
            }
        }
    }
}
