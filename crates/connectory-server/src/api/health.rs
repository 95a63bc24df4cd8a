//! The health checks: whether the process responds, and whether requests succeed.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use connectory_model::limits::RETRY_AFTER;
use connectory_store::StoreError;
use http::{StatusCode, header};
use serde_json::json;

use crate::http::error::ApiError;
use crate::http::response::{facts_of, json_response};
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
        let mut response = not_ready("stopping".to_owned());
        facts_of(&mut response).is_planned = true;
        return response;
    }
    let mut ready = server.store.check_reads().await;
    if ready.is_ok() && !reads_only {
        ready = server.store.check_writes().await;
    }
    let Err(error) = ready else { return json_response(StatusCode::OK, r#"{"status":"ready"}"#) };
    // Any client may send this request, so the response contains nothing that only the operator should know.
    let reason = match &error {
        StoreError::Unavailable(why) | StoreError::Uncertain(why) => why.to_string(),
        _ => "the database fails; the server's log says more".to_owned(),
    };
    tracing::debug!(%error, "not ready");
    not_ready(reason)
}

fn not_ready(reason: String) -> Response {
    let body = json!({"status": "not ready", "reason": reason}).to_string();
    let response = json_response(StatusCode::SERVICE_UNAVAILABLE, body);
    let mut response = ([(header::RETRY_AFTER, RETRY_AFTER)], response).into_response();
    facts_of(&mut response).reason = Some(reason.into());
    response
}
