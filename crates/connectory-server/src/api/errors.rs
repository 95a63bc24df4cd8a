//! Converts the errors of the registry and the catalog to errors of the API.

use crate::catalog::ListError;
use crate::http::error::ApiError;
use crate::registry::RegistryError;

impl From<RegistryError> for ApiError {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::NotFound(script_name) => Self::no_connector(script_name.as_str()),
            RegistryError::NoRevision(_) => Self::not_found(error.to_string()),
            RegistryError::BuiltIn(_)
            | RegistryError::NameTaken
            | RegistryError::Quota(_)
            | RegistryError::Patch(_) => Self::bad_request(error.to_string()),
            RegistryError::Conflict => Self::conflict(),
            RegistryError::DocumentTooLarge { .. } | RegistryError::TooLarge(_) => {
                Self::payload_too_large(error.to_string())
            }
            RegistryError::Work(error) => error.into(),
            RegistryError::Store(error) => error.into(),
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
