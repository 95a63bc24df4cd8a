//! The page that shows a source config as a form.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use connectory_model::Locale;
use maud::html;

use super::form_preview::{LocaleSelect, locale_select, preview_form};
use super::page::{ConnectorPage, Tab};
use crate::frame::error::PageError;
use crate::frame::query::parameter;
use crate::state::Console;

/// Shows the form.
pub async fn show(
    State(console): State<Arc<Console>>,
    page: ConnectorPage,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let query = query.unwrap_or_default();
    Ok(console.server.work.run(page.connector.size(), move |_| render_preview(&page, &query)).await?)
}

fn render_preview(page: &ConnectorPage, query: &str) -> Response {
    let (view, asked) = (&page.view, parameter(query, "locale"));
    let locale = if asked.is_empty() { view.locale() } else { Locale::or_english(Some(&asked)) };
    let content = html! {
        section.card {
            header {
                h2 { (view.text("tab.preview")) }
                span.small.muted.fills { (view.text("preview.lead")) }
                form.inline.spacer method="get" action=(page.url("/preview")) {
                    label.inline { span.visually-hidden { (view.text("preview.locale")) } (locale_select(view, locale, LocaleSelect::SendsForm)) }
                    button.no-script type="submit" { (view.text("nav.apply")) }
                }
            }
            div.body.preview { (preview_form(view, page.connector.source_config.form(&page.connector.translations, locale))) }
        }
    };
    page.render(Tab::Preview, &content)
}
