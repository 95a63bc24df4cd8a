//! Converts the errors of the registry and the catalog to errors of the API.

use connectory_model::Locale;
use http::StatusCode;

use crate::auth::Caller;
use crate::catalog::{ListError, Source};
use crate::http::error::ApiError;
use crate::registry::{ApplyError, RegistryError};
use crate::state::ServerState;

/// Converts the error of a change to a whole connector. If the connector is not as the condition wants it, the error has the
/// tag that a read of the connector as it was then has.
pub async fn of_change(server: &ServerState, caller: &Caller, error: RegistryError) -> ApiError {
    let RegistryError::Unexpected(unexpected) = &error else { return error.into() };
    let key = (Source::Stored(unexpected.id), Locale::En, caller.version().detail_shape);
    match server.catalog.detail(caller.tenant(), key).await {
        Ok(detail) => ApiError::from(error).with_etag(detail.etag),
        Err(error) => error.into(),
    }
}

impl From<RegistryError> for ApiError {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::NotFound(script_name) => Self::no_connector(script_name.as_str()),
            RegistryError::NoRevision(_) | RegistryError::NotYet(_) | RegistryError::NoChange(_) => {
                Self::not_found(error.to_string())
            }
            RegistryError::BodyRemoved { .. } | RegistryError::PastRemoved { .. } => {
                Self { status: StatusCode::GONE, ..Self::not_found(error.to_string()) }
            }
            RegistryError::BuiltIn(_)
            | RegistryError::NameTaken
            | RegistryError::NameShared { .. }
            | RegistryError::Quota(_)
            | RegistryError::TooManyFolders(_)
            | RegistryError::NoFolder(_)
            | RegistryError::Patch(_) => Self::bad_request(error.to_string()),
            RegistryError::Conflict => Self::conflict(),
            RegistryError::Unexpected(unexpected) => {
                let error = Self::precondition_failed(unexpected.to_string());
                match unexpected.tag {
                    Some(tag) => error.with_etag(tag),
                    None => error,
                }
            }
            RegistryError::DocumentTooLarge { .. } | RegistryError::TooLarge(_) => {
                Self::payload_too_large(error.to_string())
            }
            RegistryError::Work(error) => error.into(),
            RegistryError::Store(error) => error.into(),
        }
    }
}

impl From<ApplyError> for ApiError {
    fn from(error: ApplyError) -> Self {
        let text = error.to_string();
        match error {
            ApplyError::Unreadable(_) | ApplyError::Nothing => Self::bad_request(text),
            ApplyError::TooMuch(_) => Self::payload_too_large(text),
            ApplyError::Late => Self::timeout(text),
            ApplyError::Refused { refusals, .. } => {
                let status = if refusals.has_moved { StatusCode::CONFLICT } else { StatusCode::BAD_REQUEST };
                Self { status, ..Self::bad_request(text).with_causes(refusals.sentences()) }
            }
            ApplyError::Registry(error) => error.into(),
        }
    }
}

impl From<ListError> for ApiError {
    fn from(error: ListError) -> Self {
        match error {
            ListError::Work(error) => error.into(),
            ListError::Large(_) => Self::bad_request(error.to_string()),
        }
    }
}
