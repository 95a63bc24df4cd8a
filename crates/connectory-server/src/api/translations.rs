//! The operations on translations: get and put of one locale's `.properties` text.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use connectory_model::Locale;
use connectory_model::translations::Properties;
use connectory_model::wire::{UpdateDetail, UpdateStatus, UploadTarget};
use http::{HeaderValue, header};
use utoipa::ToSchema;

use super::documents::update_status;
use super::openapi::{IfNoneMatch, NotModified, PartConditions, Refusals, Unexpected};
use crate::auth::Caller;
use crate::catalog::Tagged;
use crate::http::body::UploadedFile;
use crate::http::conditional::Condition;
use crate::http::error::ApiError;
use crate::http::path::{LocalePath, ScriptNamePath};
use crate::http::response::json_of;
use crate::registry::Expected;
use crate::state::ServerState;

/// A form with a file of any name, as it is documented.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents what uploads read")]
pub struct TranslationsForm {
    /// The texts in Java `.properties` format, UTF-8 or ISO-8859-1; the part may have any name.
    #[schema(value_type = Option<String>, format = Binary)]
    file: Option<Vec<u8>>,
}

/// Gets the translations of a locale
///
/// A locale without texts gets the English ones; where there are none at all, the answer is empty.
#[utoipa::path(
    get, path = "/{scriptName}/translations/{locale}", operation_id = "getConnectorTranslations", tag = "Connectors",
    params(
        ("scriptName" = String, Path, description = "The connector's script name."),
        ("locale" = Locale, Path, description = "The locale; an unknown one counts as `en`."),
        IfNoneMatch,
    ),
    responses(
        (status = 200, description = "The texts as they were stored.", body = String, content_type = "text/plain",
         headers(("ETag" = String, description = "Extension: the entity tag of these texts alone."))),
        NotModified, Refusals,
    ),
    security(("oauth2" = ["idn:connector-config:read"]))
)]
pub async fn get(
    State(server): State<Arc<ServerState>>,
    caller: Caller,
    ScriptNamePath(script_name): ScriptNamePath,
    LocalePath(locale): LocalePath,
) -> Result<Response, ApiError> {
    let found = server.registry.find(caller.tenant(), &script_name).await?;
    let locale = Locale::or_english(Some(&locale));
    let part = Tagged::Translations(locale);
    let etag = server.catalog.tag(caller.tenant(), found.entry.source, part, &found.connector).await?;
    let shown = found.connector.translations.shown(locale);
    let content_type = match shown.map(Properties::charset) {
        Some("iso-8859-1") => HeaderValue::from_static("text/plain; charset=iso-8859-1"),
        _ => HeaderValue::from_static("text/plain; charset=utf-8"),
    };
    let bytes = shown.map(Properties::to_bytes).unwrap_or_default();
    Ok((etag, [(header::CONTENT_TYPE, content_type)], bytes).into_response())
}

/// Replaces the translations of a locale
///
/// The form's first part is stored byte for byte; an empty part removes the locale's texts. Without a body nothing
/// changes (`SKIPPED`).
#[utoipa::path(
    put, path = "/{scriptName}/translations/{locale}", operation_id = "putConnectorTranslations", tag = "Connectors",
    params(
        ("scriptName" = String, Path, description = "The connector's script name."),
        ("locale" = Locale, Path, description = "The locale."),
        PartConditions,
    ),
    request_body(content = TranslationsForm, content_type = "multipart/form-data"),
    responses((status = 200, description = "What came of it.", body = UpdateDetail), Unexpected, Refusals),
    security(("oauth2" = ["idn:connector-config:manage"]))
)]
pub async fn put(
    State(server): State<Arc<ServerState>>,
    caller: Caller,
    ScriptNamePath(script_name): ScriptNamePath,
    LocalePath(locale): LocalePath,
    condition: Condition,
    request: Request,
) -> Result<Response, ApiError> {
    let uploaded = server.bodies.upload(request, None).await?;
    let locale: Locale = locale.parse().map_err(|error| ApiError::bad_request(format!("{error}")))?;
    let (status, message) = match uploaded {
        UploadedFile::Nothing | UploadedFile::NoSuchPart(_) => {
            let expected = Expected::of_part(condition, Tagged::Translations(locale));
            server.registry.check(caller.tenant(), &script_name, expected).await?;
            (UpdateStatus::Skipped, Some("nothing was sent".to_owned()))
        }
        UploadedFile::File(bytes) => {
            let (properties, doubt) = if bytes.is_empty() {
                (None, None)
            } else {
                let size = bytes.len();
                let read = move |_: &_| {
                    Properties::parse(&bytes).map(|read| (read.format_doubt().or(read.encoding_doubt()), read))
                };
                let parsed = server.work.run(size, read).await?;
                let (doubt, read) = parsed.map_err(|error| ApiError::bad_request(format!("the file, {error}")))?;
                (Some(read), doubt.map(|doubt| format!("line {}: {}", doubt.line, doubt.reason)))
            };
            let (tenant, origin) = (caller.tenant(), caller.origin());
            let registry = &server.registry;
            let replaced = registry.replace_translations(tenant, &origin, &script_name, locale, properties, condition);
            (update_status(&replaced.await?), doubt)
        }
    };
    Ok(json_of(&UpdateDetail::new(script_name, UploadTarget::Translations(locale), status, message)))
}
