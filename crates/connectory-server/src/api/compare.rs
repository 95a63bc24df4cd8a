//! Comparing two connectors, under `/connectory/v1` (D115).

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use connectory_model::wire::{COMPARE_PATH, DIFF_TYPE};
use utoipa::IntoParams;

use super::history::{diff_response, known_parameters, number, parsed};
use super::openapi::{IfNoneMatch, NotModified, Refusals};
use crate::auth::Caller;
use crate::http::error::ApiError;
use crate::registry::At;
use crate::state::ServerState;

/// The query of a comparison, as it is documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "documents what `sides` reads")]
pub struct CompareParameters {
    /// The script name of the one connector.
    #[param(example = "active-directory")]
    from: String,
    /// Its revision. Without it, the connector as it is now is compared.
    #[param(minimum = 1)]
    from_revision: Option<u64>,
    /// The script name of the other connector. It may be the same one.
    #[param(example = "hr-system")]
    to: String,
    /// Its revision.
    #[param(minimum = 1)]
    to_revision: Option<u64>,
}

/// Reads the connectors to compare.
fn sides(query: &str) -> Result<(At, At), ApiError> {
    let (mut names, mut revisions) = ([None, None], [None, None]);
    for (name, value) in known_parameters(query, &["from", "fromRevision", "to", "toRevision"])? {
        let is_given = match &*name {
            "from" => names[0].replace(parsed("from", &value)?).is_some(),
            "to" => names[1].replace(parsed("to", &value)?).is_some(),
            "fromRevision" => revisions[0].replace(number("fromRevision", &value)?).is_some(),
            _ => revisions[1].replace(number("toRevision", &value)?).is_some(),
        };
        if is_given {
            return Err(ApiError::bad_request(format!("`{name}` is given twice")));
        }
    }
    let [from, to] = names;
    let missing = |name| ApiError::bad_request(format!("`{name}` is missing: it is the script name of a connector"));
    Ok((
        At { script_name: from.ok_or_else(|| missing("from"))?, revision: revisions[0] },
        At { script_name: to.ok_or_else(|| missing("to"))?, revision: revisions[1] },
    ))
}

/// Compares two connectors
///
/// Custom, built-in or deleted ones, or two revisions of one. Unified differences of the files of their folders, as the
/// difference of one connector has them. The heads of the files have the script names and the revisions. A deleted connector
/// has to be named with a revision.
#[utoipa::path(
    get, path = COMPARE_PATH, operation_id = "compareConnectors", tag = "History", params(CompareParameters, IfNoneMatch),
    responses(
        (status = 200, description = "The differences. Empty if there are none.", body = String, content_type = DIFF_TYPE),
        (status = 410, description = "The retention of the server removed a connector at its revision."),
        NotModified, Refusals,
    ),
    security(("oauth2" = ["idn:connector-config:read"]))
)]
pub async fn compare(
    State(server): State<Arc<ServerState>>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let (from, to) = sides(&query.unwrap_or_default())?;
    Ok(diff_response(server.registry.compare(caller.tenant(), &from, &to).await?))
}
