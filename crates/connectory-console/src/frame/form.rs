//! Reading forms. A form has limits, the session's token, and a caller who may change connectors.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use connectory_model::access::Permission;
use connectory_model::limits::MEMBER_CHARS;
use connectory_model::shown;
use connectory_server::auth::Caller;
use connectory_server::http::drain::drain;
use connectory_server::http::form::{FormBody, FormFile, FormLimits};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};

use super::error::PageError;
use super::held_form;
use super::texts::Message;
use super::view::{FORM_TOKEN, View};
use super::visitor::SignedIn;
use crate::state::Console;

/// The fields of a form, and its file if it has one. There may be a secret among them, so it has no `Debug`.
#[derive(Default)]
pub struct PostedForm(FormBody);

impl PostedForm {
    /// Reads a form before the caller is known, with low limits.
    pub async fn read_anonymous(console: &Console, headers: &HeaderMap, body: Body) -> Result<Self, PageError> {
        Self::read_within(FormLimits::ANONYMOUS, console, headers, body).await
    }

    /// Reads a form of these limits.
    pub async fn read_within(
        limits: FormLimits,
        console: &Console,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Self, PageError> {
        let form = console.server.bodies.form(headers.get(CONTENT_TYPE), body, limits).await.map_err(|error| {
            if error.status == StatusCode::PAYLOAD_TOO_LARGE {
                return PageError::too_large(Message::new("error.form_too_large").with(&limits.bytes));
            }
            error.into()
        })?;
        Ok(Self(form.unwrap_or_default()))
    }

    /// The first value of a field of one line, or an empty text. Every such field has at most [`MEMBER_CHARS`].
    pub fn get(&self, name: &'static str) -> Result<&str, PageError> {
        self.get_up_to(name, MEMBER_CHARS)
    }

    /// The first value of a field, or an empty text. A value of more characters is an error that does not show it.
    pub fn get_up_to(&self, name: &'static str, max_chars: usize) -> Result<&str, PageError> {
        at_most(name, self.values(name).next().unwrap_or_default(), max_chars)
    }

    /// All values of a field of one line.
    pub fn all(&self, name: &'static str) -> impl Iterator<Item = Result<&str, PageError>> {
        self.all_up_to(name, MEMBER_CHARS)
    }

    /// All values of a field, each of so many characters at most.
    pub fn all_up_to(&self, name: &'static str, max_chars: usize) -> impl Iterator<Item = Result<&str, PageError>> {
        self.values(name).map(move |value| at_most(name, value, max_chars))
    }

    fn values(&self, name: &'static str) -> impl Iterator<Item = &str> {
        self.0.fields.iter().filter(move |(of, _)| of == name).map(|(_, value)| value.as_str())
    }

    /// A text of several lines. Browsers end each line with CR LF (HTML, section 4.10.22.7); they stay only if the text
    /// before the edit has them.
    pub fn lines(&self, name: &'static str, before: &str, max_chars: usize) -> Result<String, PageError> {
        let text = self.get_up_to(name, usize::MAX)?.replace("\r\n", "\n");
        at_most(name, &text, max_chars)?;
        Ok(if before.contains("\r\n") { text.replace('\n', "\r\n") } else { text })
    }

    /// The file of the form.
    pub fn file(&self, limit: usize) -> Result<Bytes, PageError> {
        match self.0.files.last() {
            Some(file) if file.bytes.len() > limit => {
                Err(PageError::too_large(Message::new("error.file_too_large").with(&limit)))
            }
            Some(file) if !file.bytes.is_empty() => Ok(file.bytes.clone()),
            _ => Err(PageError::bad_request(Message::new("error.no_file"))),
        }
    }

    /// All fields, in their order.
    pub fn fields(&self) -> &[(String, String)] {
        &self.0.fields
    }

    /// All files of the form.
    pub fn files(&self) -> &[FormFile] {
        &self.0.files
    }
}

/// The value of a field, if it has no more characters than it may have.
fn at_most<'a>(name: &'static str, value: &'a str, max_chars: usize) -> Result<&'a str, PageError> {
    if shown(value, max_chars).len() < value.len() {
        return Err(PageError::too_large(Message::new("error.field_too_long").with(name).with(&max_chars)));
    }
    Ok(value)
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

/// A form with files to import, or with a choice of connectors, as [`Submitted`] has others.
pub struct SubmittedImport(pub Submitted);

impl FromRequest<Arc<Console>> for Submitted {
    type Rejection = Response;

    async fn from_request(request: Request, console: &Arc<Console>) -> Result<Self, Response> {
        Self::read_within(FormLimits::of_caller(console.server.options.max_request), request, console).await
    }
}

impl FromRequest<Arc<Console>> for SubmittedImport {
    type Rejection = Response;

    async fn from_request(request: Request, console: &Arc<Console>) -> Result<Self, Response> {
        let limits = FormLimits::of_import(console.server.options.max_request);
        Submitted::read_within(limits, request, console).await.map(Self)
    }
}

impl Submitted {
    async fn read_within(limits: FormLimits, request: Request, console: &Arc<Console>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let signed_in = SignedIn::from_request_parts(&mut parts, console).await;
        let SignedIn { view, caller } = match signed_in {
            Ok(signed_in) => signed_in,
            Err(response) => {
                drain(body).await;
                return Err(response);
            }
        };
        let form = PostedForm::read_within(limits, console, &parts.headers, body).await;
        let form = form.map_err(IntoResponse::into_response)?;
        let header = parts.headers.get(FORM_TOKEN).and_then(|token| token.to_str().ok());
        let token = header.map_or_else(|| form.get("csrf"), Ok).map_err(IntoResponse::into_response)?;
        if !view.is_csrf_token(token) {
            let held = held_form::of_earlier_session(console, &view, &parts.headers, form)
                .await
                .map_err(IntoResponse::into_response)?;
            let refused = || PageError::forbidden(Message::new("error.form_token")).into_response();
            return Err(held.unwrap_or_else(refused));
        }
        caller.has(Permission::Write).map_err(|denied| PageError::from(denied).into_response())?;
        Ok(Self { view, caller, form })
    }
}
