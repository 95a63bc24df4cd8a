//! The page that shows a source config as a form.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use connectory_model::Locale;
use connectory_server::http::error::ApiError;
use maud::html;

use super::form_preview::{form, locales};
use super::subject::{Subject, Tab};
use crate::frame::query::parameter;
use crate::state::Console;

/// The page.
pub async fn show(
    State(console): State<Arc<Console>>,
    subject: Subject,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = query.unwrap_or_default();
    Ok(console.server.work.run(subject.connector.size(), move |_| whole(&subject, &query)).await?)
}

fn whole(subject: &Subject, query: &str) -> Response {
    let (view, asked) = (&subject.view, parameter(query, "locale"));
    let locale = if asked.is_empty() { view.locale() } else { Locale::or_english(Some(&asked)) };
    let content = html! {
        h2.visually-hidden { (view.t("tab.preview")) }
        p.note { (view.t("preview.lead")) }
        form.locale-choice method="get" action=(subject.url("/preview")) {
            label { (view.t("preview.locale")) (locales(locale, true)) }
            button.no-script type="submit" { (view.t("nav.apply")) }
        }
        div.preview { (form(view, subject.connector.source_config.form(&subject.connector.translations, locale))) }
    };
    subject.page(Tab::Preview, &content)
}
