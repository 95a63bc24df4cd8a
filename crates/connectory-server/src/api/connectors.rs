//! Connectors: list, create, get, delete and patch.

use std::sync::Arc;

use axum::extract::{RawQuery, Request, State};
use axum::response::{IntoResponse, Response};
use connectory_model::create::NewConnector;
use connectory_model::document::DocumentKind;
use connectory_model::patch::PatchSet;
use connectory_model::wire::{ConnectorDetail, ConnectorItem, Origin};
use connectory_model::{Connector, Locale, ScriptName, Summary};
use connectory_store::{Change, Edit, Refusal};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::body;
use super::edit::{self, Answer, Edited, Next};
use super::parameters::{DetailLocale, ListParameters, LocaleParameter, ScriptNamePath, list_query};
use crate::app::App;
use crate::auth::Caller;
use crate::catalog::Page;
use crate::error::{ApiError, json};
use crate::openapi::Refusals;

const TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");

/// Lists connectors
///
/// Lists the connectors that are released, ordered by name without case.
#[utoipa::path(
    get, path = "/", operation_id = "getConnectorList", tag = "Connectors", params(ListParameters),
    responses(
        (status = 200, description = "A page of connectors.", body = Vec<ConnectorItem>,
         headers(("X-Total-Count" = i64, description = "How many connectors there are; only with `count=true`."))),
        Refusals,
    ),
    security(("oauth2" = ["idn:connector-config:read"]))
)]
pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = query.unwrap_or_default();
    if let Some(kept) = app.catalog.kept_page(caller.tenant(), &query) {
        return Ok(page(kept));
    }
    let (selection, window) = list_query(&query)?;
    Ok(page(app.catalog.page(caller.tenant(), &query, selection, window).await?))
}

/// A page as an answer.
pub fn page(page: Page) -> Response {
    let mut response = json(StatusCode::OK, page.json);
    if let Some(total) = page.total {
        response.headers_mut().insert(TOTAL_COUNT, HeaderValue::from(total));
    }
    response
}

/// What a create request holds, as it is documented; [`NewConnector`] reads it.
#[derive(ToSchema)]
#[schema(as = V3CreateConnectorDto, rename_all = "camelCase")]
#[expect(dead_code, reason = "documents what `NewConnector` reads")]
pub struct CreateRequest {
    /// The connector's name, unique in the tenant without case; its script name is derived from it.
    #[schema(example = "HR system", max_length = 255)]
    name: String,
    /// The connector's type; `custom ` and the name by default.
    #[schema(example = "custom HR system", max_length = 255)]
    r#type: Option<String>,
    /// The class that implements the connector.
    #[schema(example = "sailpoint.connector.OpenConnectorAdapter", max_length = 255)]
    class_name: String,
    /// Whether the connector reaches its source directly.
    #[schema(default = true)]
    direct_connect: Option<bool>,
    /// How far the connector is.
    status: Option<CreateStatus>,
}

/// The statuses that a new connector may have; `RELEASED` by default.
#[derive(ToSchema)]
#[schema(rename_all = "UPPERCASE")]
#[expect(dead_code, reason = "documents what `NewConnector` reads")]
enum CreateStatus {
    Development,
    Demo,
    Released,
}

/// Creates a custom connector
///
/// The new connector is complete: it has a scaffolded source config, source template and correlation config.
#[utoipa::path(
    post, path = "/", operation_id = "createCustomConnector", tag = "Connectors",
    request_body(content = CreateRequest, content_type = "application/json"),
    responses((status = 200, description = "The new connector.", body = ConnectorItem), Refusals),
    security(("oauth2" = ["idn:connector-config:manage"]))
)]
pub async fn create(State(app): State<Arc<App>>, caller: Caller, request: Request) -> Result<Response, ApiError> {
    let request = body::json(&app, request, &["application/json"]).await?;
    let new = NewConnector::from_request(&request).map_err(|error| ApiError::bad_request(error.to_string()))?;
    let summary = new_connector(&app, &caller, new).await?;
    Ok(answer(&ConnectorItem::new(&summary, Locale::En)))
}

/// Creates a connector under a script name that is free.
pub async fn new_connector(app: &App, caller: &Caller, new: NewConnector) -> Result<Arc<Summary>, ApiError> {
    loop {
        if caller.tenant().snapshot().has_name(&new.name) {
            return Err(Refusal::NameTaken { edit: 0 }.into());
        }
        let script_name = ScriptName::derive(&new.name, |candidate| caller.tenant().entry(candidate).is_some());
        let connector = Arc::new(new.clone().build(script_name, &[]));
        connector.check_bounds(app.options.max_connector).map_err(|error| ApiError::out_of_bounds(&error))?;
        let edit = Edit::new(Change::Create, connector, &[], None);
        let summary = Arc::clone(edit.summary());
        match app.catalog.commit(caller.tenant(), edit, caller.origin()).await {
            Ok(_) => return Ok(summary),
            // Another request took the script name first, and is published by now.
            Err(Refusal::ScriptNameTaken { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Gets a connector
#[utoipa::path(
    get, path = "/{scriptName}", operation_id = "getConnector", tag = "Connectors",
    params(("scriptName" = String, Path, description = "The connector's script name."), LocaleParameter),
    responses((status = 200, description = "The connector with its documents.", body = ConnectorDetail), Refusals),
    security(("oauth2" = ["idn:connector-config:read"]))
)]
pub async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    ScriptNamePath(script_name): ScriptNamePath,
    DetailLocale(locale): DetailLocale,
) -> Result<Response, ApiError> {
    let entry = edit::find(&caller, &script_name)?;
    let detail = app.catalog.detail(entry.source, locale, caller.version().shows_policies).await?;
    Ok(json(StatusCode::OK, detail))
}

/// Deletes a custom connector
#[utoipa::path(
    delete, path = "/{scriptName}", operation_id = "deleteCustomConnector", tag = "Connectors",
    params(("scriptName" = String, Path, description = "The connector's script name.")),
    responses((status = 204, description = "The connector is gone."), Refusals),
    security(("oauth2" = ["idn:connector-config:manage"]))
)]
pub async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller,
    ScriptNamePath(script_name): ScriptNamePath,
) -> Result<Response, ApiError> {
    edit::delete(&app, &caller, &script_name).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// An operation of a JSON Patch, as it is documented; [`PatchSet`] reads it.
#[derive(ToSchema)]
#[schema(as = JsonPatchOperation)]
#[expect(dead_code, reason = "documents what `PatchSet` reads")]
pub struct JsonPatchOperation {
    /// What to do.
    op: PatchOp,
    /// A JSON pointer (RFC 6901) to what it is done to.
    #[schema(example = "/connectorMetadata/shortDesc")]
    path: String,
    /// A JSON pointer to where the value comes from; for `move` and `copy`.
    from: Option<String>,
    /// The value; for `add`, `replace` and `test`.
    #[schema(value_type = Object)]
    value: Option<serde_json::Value>,
}

/// The operations of RFC 6902.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "documents what `PatchSet` reads")]
enum PatchOp {
    Add,
    Remove,
    Replace,
    Move,
    Copy,
    Test,
}

/// Updates a custom connector with a JSON Patch
///
/// RFC 6902, all or nothing. Patchable are `/connectorMetadata` and what is below it, `/applicationXml`,
/// `/correlationConfigXml` and `/sourceConfigXml`; `test` and the `from` of `copy` may read any member.
#[utoipa::path(
    patch, path = "/{scriptName}", operation_id = "updateConnector", tag = "Connectors",
    params(("scriptName" = String, Path, description = "The connector's script name.")),
    request_body(content = Vec<JsonPatchOperation>, content_type = "application/json-patch+json"),
    responses((status = 200, description = "The connector as it is now.", body = ConnectorDetail), Refusals),
    security(("oauth2" = ["idn:connector-config:manage"]))
)]
pub async fn patch(
    State(app): State<Arc<App>>,
    caller: Caller,
    ScriptNamePath(script_name): ScriptNamePath,
    request: Request,
) -> Result<Response, ApiError> {
    let media_types = ["application/json-patch+json", "application/json"];
    let request = body::json(&app, request, &media_types).await?;
    let patch = PatchSet::from_json(request).map_err(|error| ApiError::bad_request(error.to_string()))?;
    let (bytes, max_document) = (patch.size(), app.options.max_document);
    let with_policies = caller.version().shows_policies;
    let next = move |connector: &Connector| {
        let detail = |connector: &_| ConnectorDetail::new(connector, Origin::Custom, Locale::En, with_policies);
        let next =
            patch.apply(connector, detail, max_document).map_err(|error| ApiError::bad_request(error.to_string()))?;
        revision(connector, next, max_document)
    };
    let edited = edit::edit(&app, &caller, &script_name, (bytes, Answer::Detail), next).await?;
    let detail = match edited {
        Edited::Changed(source, connector) => {
            app.catalog.render((source, Locale::En, with_policies), connector).await?
        }
        Edited::Unchanged(source) => app.catalog.detail(source, Locale::En, with_policies).await?,
    };
    Ok(json(StatusCode::OK, detail))
}

/// The patched connector with what of it changed, if anything did.
pub(crate) fn revision(connector: &Connector, next: Connector, max_document: usize) -> Result<Option<Next>, ApiError> {
    let mut changed = Vec::new();
    for kind in DocumentKind::ALL {
        if next.document(kind) != connector.document(kind) {
            if next.document(kind).len() > max_document {
                return Err(ApiError::too_large(&format!("the result's `{}`", kind.member()), max_document));
            }
            changed.push(kind.member().to_owned());
        }
    }
    if next.connector_metadata != connector.connector_metadata {
        changed.push("connectorMetadata".to_owned());
    }
    Ok((!changed.is_empty()).then_some((next, changed)))
}

/// A JSON answer.
pub(super) fn answer(value: &impl Serialize) -> Response {
    json(StatusCode::OK, serde_json::to_vec(value).expect("answers are JSON"))
}
