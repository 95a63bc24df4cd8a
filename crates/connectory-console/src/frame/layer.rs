//! The layer around every page: it finds the session of a request, and refuses changes that another site sends.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use connectory_server::http::response::facts_of;
use connectory_server::work::made_by;
use http::{HeaderMap, HeaderValue, Method, header};

use super::error::PageError;
use super::error_page::ErrorPage;
use super::layout::protect;
use super::texts::Message;
use super::view::View;
use crate::state::Console;

/// Adds the view to a request, and to its response the facts for the outermost layer.
pub async fn with_view(State(console): State<Arc<Console>>, mut request: Request, next: Next) -> Response {
    let path_and_query = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let mut view = View::new(&console, request.method(), request.headers(), path_and_query);
    let error = match console.sessions.find(request.headers()).await {
        Ok(signed_in) => {
            let mut fresh = Ok(());
            if let Some((_, caller)) = &signed_in {
                made_by(caller.share());
                // Also with local reads: after a form, the browser asks for the page with the change, from any server.
                fresh = console.server.catalog.fresh(caller.tenant()).await;
            }
            view.signed_in = signed_in;
            let other_site = || PageError::forbidden(Message::new("error.other_site"));
            let is_from_another_site = is_from_another_site(request.method(), request.headers());
            fresh.err().map(PageError::from).or_else(|| is_from_another_site.then(other_site))
        }
        Err(error) => Some(error.into()),
    };
    let view = Arc::new(view);
    let mut response = if let Some(error) = error {
        error.into_response()
    } else {
        request.extensions_mut().insert(Arc::clone(&view));
        next.run(request).await
    };
    protect(response.headers_mut());
    let message = response.extensions_mut().remove();
    let cookie = response.headers().get(header::SET_COOKIE).cloned();
    let facts = facts_of(&mut response);
    // Who signs in is set already.
    facts.author =
        facts.author.take().or_else(|| view.signed_in.as_ref().map(|(_, caller)| Arc::clone(caller.author())));
    facts.error_page = Some(Arc::new(ErrorPage { view, message, cookie }));
    response
}

/// Whether a browser says that another site sends a change. Forms have a token too, but the form for signing in has no
/// session whose token it could have.
fn is_from_another_site(method: &Method, headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    !method.is_safe() && !matches!(site, None | Some(b"same-origin" | b"none"))
}
