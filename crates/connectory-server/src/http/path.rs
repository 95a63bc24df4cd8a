//! Reads the parameters of paths.

use axum::extract::{FromRequestParts, RawPathParams};
use connectory_model::ScriptName;
use http::request::Parts;

use super::error::ApiError;

/// The script name in a path. An invalid script name is an error 404, like the script name of a connector that does not
/// exist.
pub struct ScriptNamePath(pub ScriptName);

impl<S: Send + Sync> FromRequestParts<S> for ScriptNamePath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let text = path_parameter(parts, state, "scriptName").await;
        text.parse().map(Self).map_err(|_| ApiError::no_connector(&text))
    }
}

/// The locale in a path, as the client wrote it.
pub struct LocalePath(pub String);

impl<S: Send + Sync> FromRequestParts<S> for LocalePath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Ok(Self(path_parameter(parts, state, "locale").await))
    }
}

/// Returns a parameter of the path. It is empty if the decoded path is not text.
pub async fn path_parameter<S: Send + Sync>(parts: &mut Parts, state: &S, name: &str) -> String {
    let parameters = RawPathParams::from_request_parts(parts, state).await.ok();
    parameters
        .iter()
        .flat_map(|parameters| parameters.iter())
        .find(|(of, _)| *of == name)
        .map(|(_, value)| value.to_owned())
        .unwrap_or_default()
}
