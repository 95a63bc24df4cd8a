//! The fast path: it responds with cached lists and details without the router.
//!
//! The router with its layers and extractors costs more than such a response itself. The fast path checks the
//! permission first, then the rate limit. Only then it searches a list, for at most a millisecond. The router handles
//! all other requests: errors and connectors that must be read first, which the fast path does not count for the rate
//! limit, and lists that take longer, whose caller the fast path has admitted already.
//!
//! It has two parts, because a request may have to wait between them for what other processes committed: find the token
//! and the tenant, and answer what is cached. A request that waits for that waits for its permit of the rate limit at the
//! same time. One that waits for a permit alone goes through the router.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use connectory_model::ScriptName;
use http::{Method, Request};

use super::connectors::{detail_response, list_response};
use super::parameters::{detail_locale, list_query};
use crate::auth::layer::{IsCurrent, LetIn};
use crate::auth::{Caller, NotAdmitted};
use crate::budget::Charge;
use crate::catalog::{Need, NotCurrent};
use crate::http::coding::Accepted;
use crate::http::response::{ResponseFacts, take_facts};
use crate::state::ServerState;
use crate::version::{ApiVersion, Operations, VERSIONS};

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

/// What the fast path did with a request.
#[expect(clippy::large_enum_variant, reason = "nearly all are answers, and a box would be an allocation for each")]
pub enum Attempt {
    /// The response, if it is in memory or quickly made.
    Answered(Option<Answer>),
    /// The lists of the tenant are not as current as the request needs them. The request must wait.
    Waits(Asked, Need),
}

/// A request that the fast path may answer, of a caller who may send it.
pub struct Asked {
    version: &'static ApiVersion,
    /// The connector. None for a list.
    script_name: Option<ScriptName>,
    caller: Caller,
}

/// How the wait of a request ended.
pub enum Waited {
    /// The request is counted. The lists are current, or not.
    Counted(Result<(), NotCurrent>),
    /// The rate limit is reached.
    Refused,
}

/// Answers a request, or returns it if it must wait.
pub fn answer<B>(server: &ServerState, request: &mut Request<B>) -> Attempt {
    let Some(asked) = Asked::of(server, request) else { return Attempt::Answered(None) };
    if server.catalog.is_shared() {
        // The router refuses a header that is wrong.
        let Ok(need) = Need::of(request.method(), request.headers()) else { return Attempt::Answered(None) };
        if !server.catalog.is_current(asked.caller.tenant(), need) {
            return Attempt::Waits(asked, need);
        }
    }
    Attempt::Answered(asked.answer(server, request, false))
}

impl Asked {
    fn of<B>(server: &ServerState, request: &Request<B>) -> Option<Self> {
        if request.method() != Method::GET {
            return None;
        }
        let (version, rest) =
            VERSIONS.values().find_map(|version| Some((version, request.uri().path().strip_prefix(version.base)?)))?;
        if version.operations == Operations::Extensions {
            return None;
        }
        let script_name = match rest {
            "" => None,
            // Other script names may be encoded in the path. The router decodes them, and has the paths below a connector.
            rest => Some(ScriptName::plain(rest.strip_prefix('/').filter(|_| version.operations == Operations::All)?)?),
        };
        let caller = server.auth.cached(version, request.headers())?;
        caller.permit(request.method()).ok()?;
        Some(Self { version, script_name, caller })
    }

    /// Counts the request, and waits until the lists of the tenant are as current as it needs them.
    pub async fn wait(&self, server: &ServerState, need: Need) -> Waited {
        let current = server.catalog.current(self.caller.tenant(), need);
        match server.auth.count_at_once(&self.caller) {
            Ok(()) => Waited::Counted(current.await),
            Err(NotAdmitted::Refused(_)) => Waited::Refused,
            Err(NotAdmitted::Waits) => match tokio::join!(current, server.auth.count(&self.caller)) {
                (current, Ok(())) => Waited::Counted(current),
                (_, Err(_)) => Waited::Refused,
            },
        }
    }

    /// Answers a request that has waited.
    pub fn answer_after<B>(self, server: &ServerState, request: &mut Request<B>, waited: Waited) -> Option<Answer> {
        let Self { version, caller, .. } = &self;
        match waited {
            // The router refuses it. The rest looks the tenant up again.
            Waited::Refused => None,
            Waited::Counted(_) if caller.tenant().has_ended() => None,
            Waited::Counted(Ok(())) => {
                let caller = caller.clone();
                let answer = self.answer(server, request, true);
                if answer.is_none() {
                    request.extensions_mut().insert(LetIn(caller));
                    request.extensions_mut().insert(IsCurrent);
                }
                answer
            }
            Waited::Counted(Err(error)) => {
                let route = if self.script_name.is_some() { version.detail } else { version.base };
                let mut response = error.into_response();
                let facts = take_facts(&mut response);
                let mut answer = answered(route, self.caller, response, None);
                answer.facts.error = facts.error;
                Some(answer)
            }
        }
    }

    /// Returns the response, if it is in memory or quickly made. `is_counted` says whether the rate limit has counted the
    /// request.
    fn answer<B>(self, server: &ServerState, request: &mut Request<B>, is_counted: bool) -> Option<Answer> {
        let Self { version, script_name, caller } = self;
        let count = |caller: &Caller| if is_counted { Ok(()) } else { server.auth.count_at_once(caller) };
        let query = request.uri().query().unwrap_or_default();
        let accepted = Accepted::of(request.headers());
        if let Some(script_name) = script_name {
            let source = caller.tenant().entry(&script_name)?.source;
            let key = (source, detail_locale(query), version.detail_shape);
            let detail = server.catalog.cached_detail(caller.tenant(), &key, accepted)?;
            count(&caller).ok()?;
            let mut response = detail_response(detail, query);
            server.catalog.note_revision(caller.tenant(), &mut response);
            return Some(answered(version.detail, caller, response, None));
        }
        if let Some(page) = server.catalog.cached_page(caller.tenant(), query, accepted) {
            count(&caller).ok()?;
            let mut response = list_response(page, query);
            server.catalog.note_revision(caller.tenant(), &mut response);
            return Some(answered(version.base, caller, response, None));
        }
        let (selection, window) = list_query(query).ok()?;
        count(&caller).ok()?;
        let charge = server.answers.charge(Some(caller.share()));
        let page = server.catalog.quick_page(caller.tenant(), query, &selection, window, accepted, charge);
        // The router waits until a large page is compressed.
        let Some((page, charge)) = page.ok().filter(|(page, _)| page.is_as(accepted)) else {
            request.extensions_mut().insert(LetIn(caller));
            return None;
        };
        let mut response = list_response(page, query);
        server.catalog.note_revision(caller.tenant(), &mut response);
        Some(answered(version.base, caller, response, Some(charge)))
    }
}

/// Adds the facts for the log and the metrics to a response.
fn answered(route: &'static str, caller: Caller, response: Response, counted: Option<Charge>) -> Answer {
    let author = Some(Arc::clone(caller.author()));
    let facts = ResponseFacts { route: Some(route.into()), author, ..ResponseFacts::default() };
    Answer { facts, response, counted, caller: Some(caller) }
}
