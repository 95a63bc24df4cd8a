//! The administrators' console: pages that the server renders, at `/`.
//!
//! Every page is whole HTML that works without a script; `htmx` renews parts of it, and `console.js` adds the editor.
//! Reading takes a session ([`page::SignedIn`]), changing also its token and the right to ([`form::Submitted`]): a
//! handler that does not ask for one of them cannot know who calls. Everything is changed through [`crate::api::edit`],
//! as the API does.

mod assets;
mod clients;
mod connector;
mod diff;
mod documents;
mod form;
mod history;
mod list;
mod metadata;
pub mod oidc;
mod page;
mod preview;
pub mod session;
mod sign_in;
mod texts;
mod translations;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::Redirect;
use axum::routing::{get, post};

use crate::app::App;
use crate::error::ApiError;

pub use page::ErrorPage;

/// The pages.
pub fn routes(app: &Arc<App>) -> Router<Arc<App>> {
    let connector = Router::new()
        .route("/", get(connector::overview))
        .route("/delete", get(connector::delete_page).post(connector::delete))
        .route("/documents/{kind}", get(documents::page).post(documents::save))
        .route("/documents/{kind}/file", get(documents::download).post(documents::upload))
        .route("/documents/{kind}/check", post(documents::check))
        .route("/preview", get(preview::page))
        .route("/metadata", get(metadata::page).post(metadata::save))
        .route("/translations", get(translations::page).post(translations::import))
        .route("/translations/{locale}", get(translations::export))
        .route("/translations/{locale}/text", post(translations::save_text))
        .route("/history", get(history::page))
        .route("/history/{seq}", get(history::revision))
        .route("/history/{seq}/restore", post(history::restore));
    Router::new()
        .route("/", get(list::page))
        .route("/console/sign-in", get(sign_in::page).post(sign_in::submit))
        .route("/console/sign-out", post(sign_in::sign_out))
        .route("/console/oidc", get(oidc::start))
        .route("/console/oidc/callback", get(oidc::callback))
        .route("/console/preferences", post(sign_in::preferences))
        .route("/console/new", get(connector::create_page).post(connector::create))
        .route("/console/new/script-name", get(connector::script_name))
        .nest("/console/connectors/{scriptName}", connector)
        .route("/console/clients", get(clients::page).post(clients::create))
        .route("/console/clients/{id}/delete", post(clients::delete))
        .route("/console/activity", get(history::activity))
        .route("/console", get(|| async { Redirect::to("/") }))
        .route("/console/{*rest}", get(nothing))
        .layer(from_fn_with_state(Arc::clone(app), page::dress))
        .route("/console/assets/{name}", get(assets::get))
}

async fn nothing() -> ApiError {
    ApiError::not_found("there is no such page")
}
