//! What this server says about itself, so that clients know its extensions and limits before they need them.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use connectory_model::limits::APPLY_LINES;
use connectory_model::wire::{Capability, Open, RequestRate, SERVICE_PATH, ServiceInfo, ServiceLimits};
use http::request::Parts;

use super::parameters::expect_no_fields;
use crate::http::error::ApiError;
use crate::state::ServerState;

/// Tells the server's name, version, capabilities and limits
///
/// Without a token. Members and capabilities are only ever added.
#[utoipa::path(
    get, path = SERVICE_PATH, operation_id = "serviceInfo", tag = "Service",
    responses(
        (status = 200, description = "The server.", body = ServiceInfo),
        (status = 400, description = "The request has a parameter or a body. This operation has none."),
    )
)]
pub async fn get(
    State(server): State<Arc<ServerState>>,
    parts: Parts,
    body: Body,
) -> Result<Json<ServiceInfo>, ApiError> {
    expect_no_fields(&server, &parts, body).await?;
    let options = &server.options;
    let reset = options.resets.is_some().then_some(Capability::Reset);
    let faults = options.faults.is_some().then_some(Capability::Faults);
    let bytes = |size: usize| u64::try_from(size).unwrap_or(u64::MAX);
    Ok(Json(ServiceInfo {
        name: "connectory".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        capabilities: Capability::ALWAYS.into_iter().chain(reset).chain(faults).map(Open::Known).collect(),
        limits: ServiceLimits {
            max_document_bytes: bytes(options.max_document),
            max_request_bytes: bytes(options.max_request),
            max_connector_bytes: bytes(options.max_connector),
            max_apply_bytes: Some(bytes(options.max_apply)),
            max_apply_lines: Some(bytes(APPLY_LINES)),
            rate_limit: options
                .rate_limit
                .map(|limit| RequestRate { requests: limit.requests, seconds: limit.seconds.get() }),
        },
    }))
}
