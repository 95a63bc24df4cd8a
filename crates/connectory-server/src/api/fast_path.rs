//! The fast path: cached lists and details, answered in front of the router.
//!
//! The router, its layers and extractors cost more than such an answer itself. Permission is checked first, then the rate
//! limit, and only then a list is searched, for at most a millisecond. The router answers everything else: errors and
//! what has to be read first, uncounted; a list that takes longer, with its caller, who was let in already.

use std::sync::Arc;

use axum::response::Response;
use connectory_model::ScriptName;
use http::{Method, Request, StatusCode};

use super::connectors::list_response;
use super::parameters::{detail_locale, list_query};
use crate::auth::Caller;
use crate::auth::layer::LetIn;
use crate::budget::Charge;
use crate::http::response::{ResponseFacts, json_response};
use crate::state::ServerState;
use crate::version::VERSIONS;

/// An answer that was in memory.
pub struct Answer {
    /// The route of the request, and its caller.
    pub facts: ResponseFacts,
    /// The response.
    pub response: Response,
    /// What the response is counted with, if it was counted before it was made.
    pub counted: Option<Charge>,
}

/// The answer, if it is in memory.
pub fn answer<B>(server: &ServerState, request: &mut Request<B>) -> Option<Answer> {
    if request.method() != Method::GET {
        return None;
    }
    let (version, rest) =
        VERSIONS.values().find_map(|version| Some((version, request.uri().path().strip_prefix(version.base)?)))?;
    let caller = server.auth.cached(version, request.headers())?;
    caller.permit(request.method()).ok()?;
    let query = request.uri().query().unwrap_or_default();
    if !rest.is_empty() {
        // Other names may be encoded in the path; the router decodes them.
        let script_name = ScriptName::strict(rest.strip_prefix('/').filter(|_| version.is_complete)?).ok()?;
        let source = caller.tenant().entry(&script_name)?.source;
        let detail = server.catalog.cached_detail(source, detail_locale(query), version.detail_shape)?;
        server.auth.count(&caller).ok()?;
        let response = json_response(StatusCode::OK, detail);
        return Some(Answer { facts: facts(version.detail, &caller), response, counted: None });
    }
    let of_list = |caller: &Caller, page, counted| {
        Some(Answer { facts: facts(version.base, caller), response: list_response(page), counted })
    };
    if let Some(page) = server.catalog.cached_page(caller.tenant(), query) {
        server.auth.count(&caller).ok()?;
        return of_list(&caller, page, None);
    }
    let (selection, window) = list_query(query).ok()?;
    server.auth.count(&caller).ok()?;
    let Ok((page, charge)) = server.catalog.quick_page(caller.tenant(), query, &selection, window) else {
        request.extensions_mut().insert(LetIn(caller));
        return None;
    };
    of_list(&caller, page, Some(charge))
}

/// What the log and the metrics have of an answer.
fn facts(route: &'static str, caller: &Caller) -> ResponseFacts {
    ResponseFacts { route: Some(route.into()), author: Some(Arc::clone(caller.author())), ..ResponseFacts::default() }
}
