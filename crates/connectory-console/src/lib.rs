//! The console for administrators: pages that the server renders, at `/`.
//!
//! Every page works without a script. `htmx` replaces parts of a page, `editor.js` adds the editor, and `drafts.js` keeps
//! what is typed until it is saved.
//! A handler that reads asks for a session ([`frame::visitor::SignedIn`]). A handler that changes something asks for a
//! form ([`frame::form::Submitted`]), which also has the session's token and a caller who may change connectors. Without
//! one of them a handler does not know the caller. All changes to connectors go through the server's registry, as those
//! of the API do.

mod activity;
mod clients;
mod components;
mod connector;
mod deleted;
mod frame;
mod list;
mod many;
mod settings;
mod sign_in;
mod state;
mod urls;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::Redirect;
use axum::routing::{get, post};
use connectory_server::options::Pages;
use http::Uri;

use connector::{
    compare, create, delete, documents, download, duplicate, history, import, metadata, new_name, overview, preview,
    release, restore, translations,
};
use frame::error::PageError;
use frame::texts::Message;
use sign_in::oidc_pages;

pub use sign_in::oidc::NoCertificates;
pub use state::Console;

/// The pages of the console that `/oauth/info` names.
pub const PAGES: Pages = Pages { sign_in: "/console/sign-in", sign_out: "/console/sign-out" };

/// The pages of a console.
pub fn routes(console: Arc<Console>) -> Router {
    let connector_pages = Router::new()
        .route("/", get(overview::show))
        .route("/duplicate", get(duplicate::show).post(duplicate::duplicate))
        .route("/delete", get(delete::show).post(delete::delete))
        .route("/documents/{kind}", get(documents::show).post(documents::save))
        .route("/documents/{kind}/file", get(documents::download).post(documents::upload))
        .route("/documents/{kind}/check", post(documents::check))
        .route("/documents/{kind}/format", post(documents::format))
        .route("/documents/{kind}/completion", get(documents::completion))
        .route("/documents/{kind}/compare", post(documents::compare))
        .route("/download", get(download::connector))
        .route("/preview", get(preview::show))
        .route("/settings", get(connector::settings::show).post(connector::settings::save))
        .route("/settings/compare", post(connector::settings::compare))
        .route("/status", post(overview::set_status))
        .route("/release", get(release::show))
        .route("/metadata", get(metadata::show).post(metadata::save))
        .route("/metadata/compare", post(metadata::compare))
        .merge(translations::routes())
        .route("/history", get(history::show))
        .route("/history/{number}", get(history::revision))
        .route("/history/{number}/restore", get(restore::show).post(restore::restore));
    let pages = Router::new()
        .route("/", get(list::show))
        .route(urls::NEW, get(create::show).post(create::create))
        .route("/console/new/script-name", get(new_name::script_name))
        .route(urls::COMPARE, get(compare::show))
        .route("/console/compare/names/{side}", get(compare::names))
        .route("/console/export", get(download::several))
        .route(urls::IMPORT, get(import::show).post(import::plan))
        .route(import::APPLY, post(import::apply))
        .nest("/console/connectors/{scriptName}", connector_pages)
        .route("/console/settings", get(settings::show))
        .route("/console/components", get(components::show))
        .route("/console/clients", get(clients::show).post(clients::create))
        .route("/console/clients/{id}/delete", post(clients::delete))
        .route(frame::list_tabs::DELETED, get(deleted::show))
        .route("/console/activity", get(activity::show))
        .route(activity::CSV, get(activity::csv::download))
        .route("/console/activity/access", get(|| async { Redirect::permanent(activity::ACCESS) }))
        .route("/console/activity/refused", get(|| async { Redirect::permanent(activity::REFUSED) }))
        .route("/console/activity/changes/{number}", get(activity::change::show))
        .route("/console/activity/changes/{number}/undo", post(activity::change::undo))
        .route(urls::MANY_STATUS, get(many::status::show).post(many::status::save))
        .route(urls::MANY_LABELS, get(many::labels::show).post(many::labels::save))
        .route(urls::MANY_DELETE, get(many::delete::show).post(many::delete::delete))
        .route_layer(from_fn_with_state(Arc::clone(&console), frame::held_form::hold_without_session));
    Router::new()
        .route(PAGES.sign_in, get(sign_in::client::show).post(sign_in::client::submit))
        .route(PAGES.sign_out, get(sign_in::client::show_sign_out).post(sign_in::client::sign_out))
        .route("/console/oidc", get(oidc_pages::start))
        .route("/console/oidc/callback", get(oidc_pages::callback))
        .route("/console/preferences", post(sign_in::client::preferences))
        .merge(pages)
        .route("/console", get(|| async { Redirect::to("/") }))
        .route("/console/", get(|| async { Redirect::to("/") }))
        .route("/console/{*rest}", get(elsewhere))
        .layer(from_fn_with_state(Arc::clone(&console), frame::layer::with_view))
        .route("/console/assets/{name}", get(frame::assets::serve))
        .with_state(console)
}

/// An address that no page has. With a slash at its end, it leads to the address without it.
async fn elsewhere(uri: Uri) -> Result<Redirect, PageError> {
    // Every such path starts with `/console/`, so what is left names no host.
    let path = uri.path().trim_end_matches('/');
    if path.len() == uri.path().len() {
        return Err(PageError::not_found(Message::new("error.no_page")));
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    Ok(Redirect::permanent(&format!("{path}{query}")))
}

/// The page of the crate, whose example has to compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
