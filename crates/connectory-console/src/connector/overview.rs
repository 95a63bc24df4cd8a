//! The overview of a connector.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use connectory_model::limits::{FEATURES, LABELS};
use connectory_model::{Locale, metadata, visible};
use connectory_server::catalog::Source;
use connectory_store::Revision;
use maud::html;

use super::coverage::coverage;
use super::page::{ConnectorPage, Tab};
use crate::frame::badges::feature_chips;
use crate::frame::error::PageError;
use crate::frame::revision_table::{RevisionsOf, revision_table};
use crate::frame::success::success_note;
use crate::state::Console;

/// The number of revisions that the overview shows.
const RECENT: u32 = 5;

/// Shows the overview.
pub async fn show(
    State(console): State<Arc<Console>>,
    page: ConnectorPage,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let (tenant, script_name) = (page.caller.tenant(), &page.connector.script_name);
    let revisions = console.server.registry.history(tenant, script_name, None, RECENT).await?;
    let query = query.unwrap_or_default();
    Ok(console.server.work.run(page.connector.size(), move |_| render_overview(&page, &query, &revisions)).await?)
}

fn render_overview(page: &ConnectorPage, query: &str, revisions: &[Revision]) -> Response {
    let ConnectorPage { view, connector, .. } = page;
    let text = |name: &str| connector.connector_metadata.get(name).and_then(serde_json::Value::as_str);
    let descriptions = connector.translations.short_descriptions();
    let description = descriptions.get(&view.locale()).or_else(|| descriptions.get(&Locale::En));
    let yes_or_no = |flag: bool| view.text(if flag { "facet.yes" } else { "facet.no" });
    let labels = connector.connector_metadata.get("labels").and_then(serde_json::Value::as_array);
    let labels = labels.map(|labels| labels.iter().take(LABELS).filter_map(serde_json::Value::as_str));
    let content = html! {
        (success_note(view, query))
        @if let Some(description) = description.map(String::as_str).or_else(|| text(metadata::SHORT_DESC)) { p.lead { (visible(description)) } }
        div.columns {
            section.card {
                h2 { (view.text("overview.facts")) }
                dl.facts {
                    dt { (view.text("overview.script_name")) } dd { code { (visible(connector.script_name.as_str())) } }
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
                (coverage(page))
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
