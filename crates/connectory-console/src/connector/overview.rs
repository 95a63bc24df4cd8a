//! The overview of a connector.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use connectory_model::limits::{FEATURES, LABELS};
use connectory_model::{Locale, metadata};
use connectory_server::catalog::Source;
use connectory_server::http::error::ApiError;
use connectory_store::Revision;
use maud::html;

use super::coverage::coverage;
use super::subject::{Subject, Tab};
use crate::frame::badges::features_of;
use crate::frame::message::done;
use crate::frame::revision_table::revision_table;
use crate::state::Console;

/// How many revisions the overview shows.
const RECENT: u32 = 5;

/// The overview.
pub async fn show(
    State(console): State<Arc<Console>>,
    subject: Subject,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let (tenant, script_name) = (subject.caller.tenant(), &subject.connector.script_name);
    let revisions = console.server.registry.history(tenant, script_name, None, RECENT).await?;
    let query = query.unwrap_or_default();
    Ok(console.server.work.run(subject.connector.size(), move |_| facts(&subject, &query, &revisions)).await?)
}

fn facts(subject: &Subject, query: &str, revisions: &[Revision]) -> Response {
    let Subject { view, connector, .. } = subject;
    let text = |name: &str| connector.connector_metadata.get(name).and_then(serde_json::Value::as_str);
    let descriptions = connector.translations.short_descriptions();
    let description = descriptions.get(&view.locale()).or_else(|| descriptions.get(&Locale::En));
    let yes_or_no = |flag: bool| view.t(if flag { "facet.yes" } else { "facet.no" });
    let labels = connector.connector_metadata.get("labels").and_then(serde_json::Value::as_array);
    let labels = labels.map(|labels| labels.iter().take(LABELS).filter_map(serde_json::Value::as_str));
    let content = html! {
        (done(view, query))
        @if let Some(description) = description.map(String::as_str).or_else(|| text(metadata::SHORT_DESC)) { p.lead { (description) } }
        div.columns {
            section.card {
                h2 { (view.t("overview.facts")) }
                dl.facts {
                    dt { (view.t("overview.script_name")) } dd { code { (connector.script_name) } }
                    dt { (view.t("column.type")) } dd { (connector.connector_type) }
                    dt { (view.t("overview.class")) } dd { code { (connector.class_name) } }
                    dt { (view.t("facet.origin")) } dd {
                        (view.t(if matches!(subject.entry.source, Source::Stored(_)) { "facet.custom" } else { "facet.built_in" }))
                    }
                    dt { (view.t("facet.direct")) } dd { (yes_or_no(connector.direct_connect)) }
                    dt { (view.t("overview.upload")) } dd { (yes_or_no(connector.source_config.file_upload())) }
                    @if let Some(category) = text("category") { dt { (view.t("column.category")) } dd { (category) } }
                    @if let Some(labels) = labels {
                        dt { (view.t("overview.labels")) }
                        dd { @for label in labels { span.chip { (label) } " " } }
                    }
                    dt { (view.t("column.features")) }
                    dd { (features_of(&connector.source_template.features(), FEATURES)) }
                }
            }
            section.card {
                h2 { (view.t("tab.translations")) }
                (coverage(subject))
                h2 { (view.t("overview.recent")) }
                @if revisions.is_empty() { p.faint { (view.t("overview.no_revisions")) } }
                @else { (revision_table(view, revisions, false)) }
            }
        }
        @if subject.is_writable() {
            p { a.button.danger href=(subject.url("/delete")) { (view.t("delete.link")) } }
        }
    };
    subject.page(Tab::Overview, &content)
}
