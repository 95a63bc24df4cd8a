//! The health checks: whether the process responds, and whether requests succeed.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use connectory_model::limits::RETRY_AFTER;
use connectory_store::StoreError;
use http::{StatusCode, header};
use serde::Serialize;

use crate::http::error::ApiError;
use crate::http::response::{facts_of, json_of, json_response};
use crate::state::ServerState;

/// Responds, which shows that the process is alive.
pub async fn live() -> Response {
    json_response(StatusCode::OK, r#"{"status":"live"}"#)
}

/// Checks whether a write succeeds, or with `for=reads` whether a read succeeds. A server that stops is not ready for
/// either. The body of a 503 contains the reason.
pub async fn ready(State(server): State<Arc<ServerState>>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let asked = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "for");
    let reads_only = match asked.as_ref().map(|(_, what)| &**what) {
        None | Some("writes") => false,
        Some("reads") => true,
        Some(_) => return ApiError::bad_request("`for` is `reads` or `writes`").into_response(),
    };
    if server.options.stopping.load(Ordering::Relaxed) {
        let mut response = not_ready("stopping".to_owned(), &server);
        facts_of(&mut response).is_planned = true;
        return response;
    }
    let mut ready = server.store.check_reads().await;
    if ready.is_ok() && !reads_only {
        ready = server.store.check_writes().await;
    }
    let Err(error) = ready else { return json_of(&Ready::new(None, &server)) };
    // Any client may send this request, so the response contains nothing that only the operator should know.
    let reason = match &error {
        StoreError::Unavailable(why) | StoreError::Uncertain(why) => why.to_string(),
        _ => "the database fails; the server's log says more".to_owned(),
    };
    tracing::debug!(%error, "not ready");
    not_ready(reason, &server)
}

/// The body of the response.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ready<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    /// The seconds since the server knew all commits, if other servers commit too.
    #[serde(skip_serializing_if = "Option::is_none")]
    lag_seconds: Option<f64>,
    /// The tenants that miss what other servers committed, or are loaded, at the moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenants_behind: Option<usize>,
}

impl<'a> Ready<'a> {
    fn new(reason: Option<&'a str>, server: &ServerState) -> Self {
        let status = if reason.is_some() { "not ready" } else { "ready" };
        let lag_seconds = server.catalog.lag().map(|lag| lag.as_secs_f64());
        Self { status, reason, lag_seconds, tenants_behind: server.catalog.behind() }
    }
}

fn not_ready(reason: String, server: &ServerState) -> Response {
    let mut response = json_of(&Ready::new(Some(&reason), server));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER.into());
    facts_of(&mut response).reason = Some(reason.into());
    response
}
