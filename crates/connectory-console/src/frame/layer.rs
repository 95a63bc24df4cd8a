//! The layer around every page: it finds out who looks at it, and refuses changes that another site sends.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use connectory_server::http::error::ApiError;
use connectory_server::http::response::facts_of;
use http::{HeaderMap, HeaderValue, Method};

use super::error_page::ErrorPage;
use super::layout::protect;
use super::view::View;
use crate::state::Console;

/// Adds the view to a request, and to its response what the outermost layer needs.
pub async fn with_view(State(console): State<Arc<Console>>, mut request: Request, next: Next) -> Response {
    let path_and_query = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let view = match View::for_request(&console.sessions, request.headers(), path_and_query).await {
        Ok(view) => Arc::new(view),
        Err(error) => return error.into_response(),
    };
    let mut response = if is_from_elsewhere(request.method(), request.headers()) {
        ApiError::forbidden("this was sent by another site; open the console and try again").into_response()
    } else {
        request.extensions_mut().insert(Arc::clone(&view));
        next.run(request).await
    };
    protect(response.headers_mut());
    let facts = facts_of(&mut response);
    facts.author = view.signed_in.as_ref().map(|(_, caller)| Arc::clone(caller.author()));
    facts.error_page = Some(Arc::new(ErrorPage(view)));
    response
}

/// Whether a browser says that another site sends a change. Forms carry a token as well; this also covers the page for
/// signing in, which has no session whose token it could carry.
fn is_from_elsewhere(method: &Method, headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    !method.is_safe() && !matches!(site, None | Some(b"same-origin" | b"none"))
}
