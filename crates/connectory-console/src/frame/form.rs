//! Reading forms. A form has limits, the session's token, and a caller who may change connectors.

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use connectory_model::access::Permission;
use connectory_model::limits::{ANONYMOUS_BYTES, ANONYMOUS_FIELDS, FORM_FIELDS};
use connectory_server::auth::Caller;
use connectory_server::http::body::drain;
use connectory_server::http::form::{FormBody, FormLimits};
use http::HeaderMap;
use http::header::CONTENT_TYPE;

use super::error::PageError;
use super::texts::Message;
use super::view::View;
use super::visitor::SignedIn;
use crate::state::Console;

/// The fields of a form, and its file if it has one. There may be a secret among them, so it has no `Debug`.
#[derive(Default)]
pub struct PostedForm(FormBody);

impl PostedForm {
    /// Reads the form of a caller.
    async fn read(console: &Console, headers: &HeaderMap, body: axum::body::Body) -> Result<Self, PageError> {
        let limits = FormLimits { bytes: console.server.options.max_request, fields: FORM_FIELDS };
        Self::read_within(limits, console, headers, body).await
    }

    /// Reads a form before the caller is known, with low limits.
    pub async fn read_anonymous(
        console: &Console,
        headers: &HeaderMap,
        body: axum::body::Body,
    ) -> Result<Self, PageError> {
        let limits = FormLimits { bytes: ANONYMOUS_BYTES, fields: ANONYMOUS_FIELDS };
        Self::read_within(limits, console, headers, body).await
    }

    async fn read_within(
        limits: FormLimits,
        console: &Console,
        headers: &HeaderMap,
        body: axum::body::Body,
    ) -> Result<Self, PageError> {
        let form = console.server.bodies.form(headers.get(CONTENT_TYPE), body, limits).await?;
        Ok(Self(form.unwrap_or_default()))
    }

    /// The first value of a field, or an empty text.
    pub fn get(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or_default()
    }

    /// All values of a field.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.fields.iter().filter(move |(of, _)| of == name).map(|(_, value)| value.as_str())
    }

    /// A text of several lines. Browsers end each line with CR LF (HTML, section 4.10.22.7); they stay only if the text
    /// before the edit has them.
    pub fn lines(&self, name: &str, before: &str) -> String {
        let text = self.get(name).replace("\r\n", "\n");
        if before.contains("\r\n") { text.replace('\n', "\r\n") } else { text }
    }

    /// The file of the form.
    pub fn file(&self, limit: usize) -> Result<Bytes, PageError> {
        match &self.0.file {
            Some(file) if file.len() > limit => {
                Err(PageError::too_large(Message::new("error.file_too_large").with(&limit)))
            }
            Some(file) if !file.is_empty() => Ok(file.clone()),
            _ => Err(PageError::bad_request(Message::new("error.no_file"))),
        }
    }
}

/// A form, and the caller who sent it and may change connectors.
pub struct Submitted {
    /// How the page is shown.
    pub view: Arc<View>,
    /// The caller.
    pub caller: Caller,
    /// The form.
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
                return Err(PageError::forbidden(Message::new("error.form_token")));
            }
            caller.has(Permission::Write)?;
            Ok(form)
        };
        let form = read.await.map_err(IntoResponse::into_response)?;
        Ok(Self { view, caller, form })
    }
}
