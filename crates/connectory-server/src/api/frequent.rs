//! The fast path: a page of a list or a detail that is in memory, for a token that was seen lately.
//!
//! The router, its layers and extractors cost more than such an answer itself. So what needs none of them is answered
//! here. Permission comes first, then the rate limit, and only then a list is looked through, for next to no time. What
//! is not answered here is left to the router: refusals and what has to be read first uncounted, a list that takes long
//! with its caller, who was let in already.

use axum::response::Response;
use connectory_model::ScriptName;
use http::{Method, Request, StatusCode};

use super::connectors::page;
use super::parameters::{detail_locale, list_query};
use crate::app::App;
use crate::auth::LetIn;
use crate::budget::Charge;
use crate::error::json;
use crate::version::VERSIONS;

/// An answer that was at hand.
pub struct Answer {
    /// The route that would have led to it.
    pub route: &'static str,
    pub response: Response,
    /// What it is counted with, if it was counted before it was made.
    pub counted: Option<Charge>,
}

/// The answer, if it is at hand.
pub fn answer<B>(app: &App, request: &mut Request<B>) -> Option<Answer> {
    if request.method() != Method::GET {
        return None;
    }
    let (version, rest) =
        VERSIONS.iter().find_map(|version| Some((version, request.uri().path().strip_prefix(version.base)?)))?;
    let caller = app.auth.remembered(version, request.headers())?;
    caller.permit(request.method()).ok()?;
    let query = request.uri().query().unwrap_or_default();
    if !rest.is_empty() {
        // Other names may be encoded in the path; the router decodes them.
        let script_name = ScriptName::strict(rest.strip_prefix('/').filter(|_| version.is_complete)?).ok()?;
        let source = caller.tenant().entry(&script_name)?.source;
        let detail = app.catalog.kept_detail(source, detail_locale(query), version.shows_policies)?;
        app.auth.count(&caller).ok()?;
        return Some(Answer { route: version.detail, response: json(StatusCode::OK, detail), counted: None });
    }
    let of_list = |list, counted| Some(Answer { route: version.base, response: page(list), counted });
    if let Some(kept) = app.catalog.kept_page(caller.tenant(), query) {
        app.auth.count(&caller).ok()?;
        return of_list(kept, None);
    }
    let (selection, window) = list_query(query).ok()?;
    app.auth.count(&caller).ok()?;
    let Ok((list, charge)) = app.catalog.quick_page(caller.tenant(), query, &selection, window) else {
        request.extensions_mut().insert(LetIn(caller));
        return None;
    };
    of_list(list, Some(charge))
}
