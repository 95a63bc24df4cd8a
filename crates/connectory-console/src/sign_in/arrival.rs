//! The end of every sign-in: a session begins, or who they are is known and they are refused.

use std::sync::Arc;

use axum::response::{IntoResponse, Redirect, Response};
use connectory_server::http::response::facts_of;
use connectory_server::work::{address, tracking_id};
use connectory_store::TenantId;
use http::{HeaderMap, header};

use super::session::Arrival;
use crate::frame::error::PageError;
use crate::state::Console;

/// Begins a session in place of the one that the request has, and shows the page that was asked for.
pub async fn let_in(
    console: &Console,
    headers: &HeaderMap,
    arrival: Arrival,
    back: &str,
) -> Result<Response, PageError> {
    let author = Arc::new(arrival.author.clone());
    let cookie = console.sessions.begin(headers, arrival).await?;
    let tracking_id = tracking_id().map(|id| id.simple().to_string());
    tracing::info!(client = author.id, kind = author.kind.as_str(), peer = %address(), tracking_id, "signed in");
    let mut response = ([(header::SET_COOKIE, cookie)], Redirect::to(back)).into_response();
    facts_of(&mut response).author = Some(author);
    Ok(response)
}

/// Notes that a client or person was refused who has proved who they are. Returns the response, which then has their id
/// for the log. It delays nothing, because it is no attempt to guess a secret.
pub fn refused(console: &Console, tenant: TenantId, id: String, mut response: Response) -> Response {
    console.server.auth.note_refused(tenant, id.clone(), address());
    facts_of(&mut response).applicant = Some(id);
    response
}
