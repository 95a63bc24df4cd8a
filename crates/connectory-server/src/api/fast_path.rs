//! The fast path: it responds with cached lists and details without the router.
//!
//! The router with its layers and extractors costs more than such a response itself. The fast path checks the
//! permission first, then the rate limit. Only then it searches a list, for at most a millisecond. The router handles
//! all other requests: errors and connectors that must be read first, which the fast path does not count for the rate
//! limit, and lists that take longer, whose caller the fast path has admitted already.

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

/// A response that needed no router.
pub struct Answer {
    /// The route and the caller of the request.
    pub facts: ResponseFacts,
    /// The response, without the tracking id, which telemetry adds.
    pub response: Response,
    /// The charge that counts the response, if it was counted before it was made.
    pub counted: Option<Charge>,
    /// The caller.
    pub caller: Option<Caller>,
}

/// Returns the response, if it is in memory or quickly made.
pub fn answer<B>(server: &ServerState, request: &mut Request<B>) -> Option<Answer> {
    if request.method() != Method::GET {
        return None;
    }
    let (version, rest) =
        VERSIONS.values().find_map(|version| Some((version, request.uri().path().strip_prefix(version.base)?)))?;
    let script_name = match rest {
        "" => None,
        // Other script names may be encoded in the path. The router decodes them, and has the paths below a connector.
        rest => Some(ScriptName::strict(rest.strip_prefix('/').filter(|_| version.is_complete)?).ok()?),
    };
    let caller = server.auth.cached(version, request.headers())?;
    caller.permit(request.method()).ok()?;
    let query = request.uri().query().unwrap_or_default();
    if let Some(script_name) = script_name {
        let source = caller.tenant().entry(&script_name)?.source;
        let key = (source, detail_locale(query), version.detail_shape);
        let detail = server.catalog.cached_detail(caller.tenant(), &key)?;
        server.auth.count(&caller).ok()?;
        let response = json_response(StatusCode::OK, detail);
        return Some(answered(version.detail, caller, response, None));
    }
    if let Some(page) = server.catalog.cached_page(caller.tenant(), query) {
        server.auth.count(&caller).ok()?;
        return Some(answered(version.base, caller, list_response(page), None));
    }
    let (selection, window) = list_query(query).ok()?;
    server.auth.count(&caller).ok()?;
    let charge = server.answers.charge(Some(caller.share()));
    let Ok((page, charge)) = server.catalog.quick_page(caller.tenant(), query, &selection, window, charge) else {
        request.extensions_mut().insert(LetIn(caller));
        return None;
    };
    Some(answered(version.base, caller, list_response(page), Some(charge)))
}

/// Adds the facts for the log and the metrics to a response.
fn answered(route: &'static str, caller: Caller, response: Response, counted: Option<Charge>) -> Answer {
    let author = Some(Arc::clone(caller.author()));
    let facts = ResponseFacts { route: Some(route.into()), author, ..ResponseFacts::default() };
    Answer { facts, response, counted, caller: Some(caller) }
}
