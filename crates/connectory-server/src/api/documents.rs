//! The operations on the three documents: get and put of source config, source template and correlation config.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use connectory_model::document::{Document, DocumentError, DocumentKind};
use connectory_model::limits::QUOTED_CHARS;
use connectory_model::wire::{UpdateDetail, UpdateStatus, UploadTarget};
use connectory_model::{ScriptName, shown};
use http::{HeaderValue, header};
use utoipa::ToSchema;

use super::openapi::{IfNoneMatch, NotModified, PartConditions, Refusals, Unexpected};
use crate::auth::Caller;
use crate::catalog::Tagged;
use crate::http::body::UploadedFile;
use crate::http::conditional::Condition;
use crate::http::error::ApiError;
use crate::http::path::ScriptNamePath;
use crate::http::response::json_of;
use crate::registry::{Edited, Expected, RegistryError};
use crate::state::ServerState;

/// A form with a file, as it is documented.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents what uploads read")]
pub struct FileForm {
    /// The document.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// Defines the two operations of a document.
macro_rules! document_operations {
    ($module:ident, $kind:ident, $path:literal, $get:literal, $put:literal, $what:literal) => {
        pub mod $module {
            use super::*;

            #[doc = concat!("Gets the ", $what)]
            ///
            /// Answers the bytes as they were stored.
            #[utoipa::path(
                get, path = $path, operation_id = $get, tag = "Connectors",
                params(("scriptName" = String, Path, description = "The connector's script name."), IfNoneMatch),
                responses(
                    (status = 200, description = "The document.", body = String, content_type = "application/xml",
                     headers(("ETag" = String, description = "Extension: the entity tag of the document alone."))),
                    NotModified, Refusals,
                ),
                security(("oauth2" = ["idn:connector-config:read"]))
            )]
            pub async fn get(
                State(server): State<Arc<ServerState>>,
                caller: Caller,
                ScriptNamePath(script_name): ScriptNamePath,
            ) -> Result<Response, ApiError> {
                document(&server, &caller, &script_name, DocumentKind::$kind).await
            }

            #[doc = concat!("Replaces the ", $what, " of a custom connector")]
            ///
            /// `UPDATED` if it is stored, `UNCHANGED` if it was already, `SKIPPED` if nothing was sent, and `ERROR` if
            /// the document is well-formed but not acceptable, with the reason in `message`.
            #[utoipa::path(
                put, path = $path, operation_id = $put, tag = "Connectors",
                params(("scriptName" = String, Path, description = "The connector's script name."), PartConditions),
                request_body(content = FileForm, content_type = "multipart/form-data"),
                responses((status = 200, description = "What came of it.", body = UpdateDetail), Unexpected, Refusals),
                security(("oauth2" = ["idn:connector-config:manage"]))
            )]
            pub async fn put(
                State(server): State<Arc<ServerState>>,
                caller: Caller,
                ScriptNamePath(script_name): ScriptNamePath,
                condition: Condition,
                request: Request,
            ) -> Result<Response, ApiError> {
                replace(&server, &caller, script_name, DocumentKind::$kind, condition, request).await
            }
        }
    };
}

document_operations!(
    source_config,
    SourceConfig,
    "/{scriptName}/source-config",
    "getConnectorSourceConfig",
    "putConnectorSourceConfig",
    "source config"
);
document_operations!(
    source_template,
    SourceTemplate,
    "/{scriptName}/source-template",
    "getConnectorSourceTemplate",
    "putConnectorSourceTemplate",
    "source template"
);
document_operations!(
    correlation_config,
    CorrelationConfig,
    "/{scriptName}/correlation-config",
    "getConnectorCorrelationConfig",
    "putConnectorCorrelationConfig",
    "correlation config"
);

async fn document(
    server: &ServerState,
    caller: &Caller,
    script_name: &ScriptName,
    kind: DocumentKind,
) -> Result<Response, ApiError> {
    let found = server.registry.find(caller.tenant(), script_name).await?;
    let text = found.connector.document_text(kind);
    let content_type = HeaderValue::try_from(format!("application/xml; charset={}", text.charset()));
    let content_type = content_type.unwrap_or(HeaderValue::from_static("application/xml"));
    let part = Tagged::Document(kind);
    let etag = server.catalog.tag(caller.tenant(), found.entry.source, part, &found.connector).await?;
    Ok((etag, [(header::CONTENT_TYPE, content_type)], text.bytes().to_vec()).into_response())
}

async fn replace(
    server: &ServerState,
    caller: &Caller,
    script_name: ScriptName,
    kind: DocumentKind,
    condition: Condition,
    request: Request,
) -> Result<Response, ApiError> {
    let (registry, tenant) = (&server.registry, caller.tenant());
    let expected = || Expected::of_part(condition.clone(), Tagged::Document(kind));
    let (status, message) = match server.bodies.upload(request, Some("file")).await? {
        UploadedFile::Nothing => {
            registry.check(tenant, &script_name, expected()).await?;
            (UpdateStatus::Skipped, Some("nothing was sent".to_owned()))
        }
        UploadedFile::NoSuchPart(other) => {
            let other = other.map(|name| format!(", but `{}`", shown(&name, QUOTED_CHARS))).unwrap_or_default();
            return Err(ApiError::bad_request(format!(
                "the form has no part named `file`{other}; send the document under that name"
            )));
        }
        UploadedFile::File(file) => {
            let bytes = file.len();
            match server.work.run(bytes, move |_| Document::parse(kind, &file)).await? {
                Err(DocumentError::Malformed(malformed)) => {
                    return Err(ApiError::bad_request(format!("`file` is not acceptable XML: {malformed}")));
                }
                Err(DocumentError::Unacceptable(reason)) => {
                    registry.check(tenant, &script_name, expected()).await?;
                    (UpdateStatus::Error, Some(reason.to_string()))
                }
                Ok(document) if document.text().measure() > server.options.max_document => {
                    let limit = server.options.max_document;
                    return Err(RegistryError::DocumentTooLarge { kind, limit }.into());
                }
                Ok(document) => {
                    let origin = caller.origin();
                    let replaced = registry.replace_document(tenant, &origin, &script_name, document, bytes, condition);
                    (update_status(&replaced.await?), None)
                }
            }
        }
    };
    Ok(json_of(&UpdateDetail::new(script_name, UploadTarget::Document(kind), status, message)))
}

/// Returns the status of an accepted upload.
pub(super) const fn update_status(edited: &Edited) -> UpdateStatus {
    match edited {
        Edited::Changed(..) => UpdateStatus::Updated,
        Edited::Unchanged(_) => UpdateStatus::Unchanged,
    }
}
