//! Reads the parameters of paths.

use axum::extract::{FromRequestParts, RawPathParams};
use connectory_model::ScriptName;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Method, Request, Uri};

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

/// Removes slashes from the path of a request that joining addresses leaves there: several in a row, and those at its end
/// (D82). `is_read_so` says by the clean path whether this is done.
///
/// Between two slashes of a `DELETE` there may be a name that is missing. So there, only those at the begin and at the end
/// are removed.
pub fn join<B>(request: &mut Request<B>, is_read_so: impl FnOnce(&str) -> bool) {
    let path = request.uri().path();
    let bytes = path.as_bytes();
    if path.len() < 2 || !(bytes.ends_with(b"/") || bytes.windows(2).any(|pair| pair == b"//")) {
        return;
    }
    let mut clean = String::with_capacity(path.len());
    let trimmed = path.trim_matches('/');
    if request.method() == Method::DELETE {
        clean.extend(["/", trimmed]);
    } else {
        for segment in trimmed.split('/').filter(|segment| !segment.is_empty()) {
            clean.extend(["/", segment]);
        }
    }
    if !is_read_so(&clean) {
        return;
    }
    if let Some(query) = request.uri().query() {
        clean.extend(["?", query]);
    }
    let mut parts = request.uri().clone().into_parts();
    if let Ok(clean) = PathAndQuery::try_from(clean) {
        parts.path_and_query = Some(clean);
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
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
