//! The parameters of a connector's pages. A path that names nothing is an error in the reader's language.

use axum::extract::FromRequestParts;
use connectory_model::document::DocumentKind;
use connectory_model::{Locale, ScriptName};
use connectory_server::http::path::path_parameter;
use connectory_store::RevisionNumber;
use http::request::Parts;

use crate::frame::error::{PATH_CHARS, PageError};
use crate::frame::texts::Message;
use connectory_model::shown;

/// The script name of a path.
pub struct ScriptNamePath(pub ScriptName);

impl<S: Send + Sync> FromRequestParts<S> for ScriptNamePath {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, PageError> {
        let text = path_parameter(parts, state, "scriptName").await;
        text.parse().map(Self).map_err(|_| PageError::no_connector(&text))
    }
}

/// The kind of document of a path.
pub struct KindPath(pub DocumentKind);

impl<S: Send + Sync> FromRequestParts<S> for KindPath {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, PageError> {
        let text = path_parameter(parts, state, "kind").await;
        let kind = DocumentKind::ALL.into_iter().find(|kind| kind.name() == text);
        kind.map(Self).ok_or_else(|| PageError::not_found(Message::new("error.no_document")))
    }
}

/// The locale of a path.
pub struct LocalePath(pub Locale);

impl<S: Send + Sync> FromRequestParts<S> for LocalePath {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, PageError> {
        let tag = path_parameter(parts, state, "locale").await;
        tag.parse().map(Self).map_err(|_| PageError::not_found(unknown_locale(&tag)))
    }
}

/// The message that no locale has a tag.
pub fn unknown_locale(tag: &str) -> Message {
    let tags: Vec<_> = Locale::ALL.iter().map(|locale| locale.tag()).collect();
    Message::new("error.no_locale").with(shown(tag, PATH_CHARS)).with(&tags.join(", "))
}

/// The revision number of a path.
pub struct RevisionPath(pub RevisionNumber);

impl<S: Send + Sync> FromRequestParts<S> for RevisionPath {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, PageError> {
        let number = path_parameter(parts, state, "number").await;
        let number = number.parse().ok().and_then(RevisionNumber::new);
        number.map(Self).ok_or_else(|| PageError::not_found(Message::new("error.no_such_revision")))
    }
}

/// The revision number of a field. An empty one stands for the connector as it is now.
pub fn parse_revision(text: &str) -> Result<Option<RevisionNumber>, PageError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let number = text.parse().ok().and_then(RevisionNumber::new).filter(|number| *number > RevisionNumber::ZERO);
    number.map(Some).ok_or_else(|| PageError::bad_request(Message::new("error.revision_number")))
}
