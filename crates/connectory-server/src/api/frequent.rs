//! The fast path: a page of a list or a detail that is in memory, for a token that was seen lately.
//!
//! The router, its layers and extractors cost more than such an answer itself. So what needs none of them is answered
//! here. Permission comes first, then what is cached, then the rate limit. Everything else is left to the router, and is
//! not counted here: refusals, and all that has to be made first.

use axum::response::Response;
use connectory_model::ScriptName;
use http::{Method, Request, StatusCode};

use super::connectors::page;
use super::parameters::detail_locale;
use crate::app::App;
use crate::error::json;
use crate::version::VERSIONS;

/// The answer, if it is at hand, and the route that would have led to it.
pub fn answer<B>(app: &App, request: &Request<B>) -> Option<(&'static str, Response)> {
    if request.method() != Method::GET {
        return None;
    }
    let (version, rest) =
        VERSIONS.iter().find_map(|version| Some((version, request.uri().path().strip_prefix(version.base)?)))?;
    let caller = app.auth.remembered(version, request.headers())?;
    caller.permit(request.method()).ok()?;
    let query = request.uri().query().unwrap_or_default();
    let answer = if rest.is_empty() {
        (version.base, page(app.catalog.kept_page(caller.tenant(), query)?))
    } else {
        let script_name: ScriptName = rest.strip_prefix('/').filter(|_| version.is_complete)?.parse().ok()?;
        let source = caller.tenant().entry(&script_name)?.source;
        let detail = app.catalog.kept_detail(source, detail_locale(query), version.shows_policies)?;
        (version.detail, json(StatusCode::OK, detail))
    };
    app.auth.count(&caller).ok()?;
    Some(answer)
}
