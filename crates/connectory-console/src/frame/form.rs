//! What a form sends: read, bounded, and only with the session's token and the right to change something.

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use connectory_model::access::Permission;
use connectory_model::limits::{ANONYMOUS_BYTES, ANONYMOUS_FIELDS, FORM_FIELDS};
use connectory_server::auth::Caller;
use connectory_server::http::body::drain;
use connectory_server::http::error::ApiError;
use connectory_server::http::form::{FormBody, FormLimits};
use http::HeaderMap;
use http::header::CONTENT_TYPE;

use super::view::View;
use super::visitor::SignedIn;
use crate::state::Console;

/// A form's fields, and its file if it has one.
#[derive(Debug, Default)]
pub struct PostedForm(FormBody);

impl PostedForm {
    /// Reads a form of someone who is signed in.
    async fn read(console: &Console, headers: &HeaderMap, body: axum::body::Body) -> Result<Self, ApiError> {
        let limits = FormLimits { bytes: console.server.options.max_request, fields: FORM_FIELDS };
        Self::read_within(limits, console, headers, body).await
    }

    /// Reads a form of anyone.
    pub async fn read_anonymous(
        console: &Console,
        headers: &HeaderMap,
        body: axum::body::Body,
    ) -> Result<Self, ApiError> {
        let limits = FormLimits { bytes: ANONYMOUS_BYTES, fields: ANONYMOUS_FIELDS };
        Self::read_within(limits, console, headers, body).await
    }

    async fn read_within(
        limits: FormLimits,
        console: &Console,
        headers: &HeaderMap,
        body: axum::body::Body,
    ) -> Result<Self, ApiError> {
        let form = console.server.bodies.form(headers.get(CONTENT_TYPE), body, limits).await?;
        Ok(Self(form.unwrap_or_default()))
    }

    /// A field's value, or nothing.
    pub fn get(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or_default()
    }

    /// Every value of a field.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.fields.iter().filter(move |(of, _)| of == name).map(|(_, value)| value.as_str())
    }

    /// A text of several lines as it was before the browser ended each with CR LF (HTML, section 4.10.22.7). Where the
    /// text that it replaces has such ends, it keeps them.
    pub fn lines(&self, name: &str, before: &str) -> String {
        let text = self.get(name).replace("\r\n", "\n");
        if before.contains("\r\n") { text.replace('\n', "\r\n") } else { text }
    }

    /// The file that was sent.
    pub fn file(&self, limit: usize) -> Result<Bytes, ApiError> {
        match &self.0.file {
            Some(file) if file.len() > limit => Err(ApiError::too_large("the file", limit)),
            Some(file) if !file.is_empty() => Ok(file.clone()),
            _ => Err(ApiError::bad_request("no file was sent; choose one")),
        }
    }
}

/// A form of someone who may change connectors.
pub struct Submitted {
    /// How they look at it.
    pub view: Arc<View>,
    /// Who they are.
    pub caller: Caller,
    /// What they sent.
    pub form: PostedForm,
}

impl FromRequest<Arc<Console>> for Submitted {
    type Rejection = Response;

    async fn from_request(request: Request, console: &Arc<Console>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let signed_in = SignedIn::from_request_parts(&mut parts, console).await;
        let SignedIn { view, caller } = match signed_in {
            Ok(signed_in) => signed_in,
            Err(response) => {
                drain(body).await;
                return Err(response);
            }
        };
        let read = async {
            let form = PostedForm::read(console, &parts.headers, body).await?;
            let header = parts.headers.get("x-csrf-token").and_then(|token| token.to_str().ok());
            if !view.is_csrf_token(header.unwrap_or_else(|| form.get("csrf"))) {
                return Err(ApiError::forbidden("the form is not of this session; open its page again"));
            }
            caller.has(Permission::Write)?;
            Ok(form)
        };
        let form = read.await.map_err(IntoResponse::into_response)?;
        Ok(Self { view, caller, form })
    }
}
