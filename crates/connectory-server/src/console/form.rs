//! What a form sends: read, bounded, and only with the session's token and the right to change something.

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use connectory_model::access::Permission;
use http::HeaderMap;

use super::page::{SignedIn, View};
use crate::api::body;
use crate::app::App;
use crate::auth::Caller;
use crate::error::ApiError;

/// A form's fields, and its file if it has one.
#[derive(Debug, Default)]
pub struct Form {
    fields: Vec<(String, String)>,
    file: Option<Bytes>,
}

impl Form {
    /// Reads the body of a request, a form of either kind.
    pub async fn read(app: &App, headers: &HeaderMap, body: axum::body::Body) -> Result<Self, ApiError> {
        let bytes = body::read(body, app.options.max_request).await?;
        let content_type = headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let mut form = Self::default();
        let Ok(boundary) = multer::parse_boundary(content_type.unwrap_or_default()) else {
            form.fields = form_urlencoded::parse(&bytes).into_owned().collect();
            return Ok(form);
        };
        let wrong = |error: multer::Error| ApiError::bad_request(format!("the form cannot be read: {error}"));
        let stream = futures_util::stream::once(async { Ok::<_, std::io::Error>(bytes) });
        let mut parts = multer::Multipart::new(stream, boundary);
        while let Some(part) = parts.next_field().await.map_err(wrong)? {
            let name = part.name().unwrap_or_default().to_owned();
            if name == "file" {
                form.file = Some(part.bytes().await.map_err(wrong)?);
            } else {
                form.fields.push((name, part.text().await.map_err(wrong)?));
            }
        }
        Ok(form)
    }

    /// A field's value, or nothing.
    pub fn get(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or_default()
    }

    /// Every value of a field.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.fields.iter().filter(move |(of, _)| of == name).map(|(_, value)| value.as_str())
    }

    /// A text of several lines as it was before the browser ended each with CR LF (HTML, section 4.10.22.7). Where the
    /// text that it replaces has such ends, it keeps them.
    pub fn lines(&self, name: &str, before: &str) -> String {
        let text = self.get(name).replace("\r\n", "\n");
        if before.contains("\r\n") { text.replace('\n', "\r\n") } else { text }
    }

    /// The file that was sent.
    pub fn file(&self, limit: usize) -> Result<Bytes, ApiError> {
        match &self.file {
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
    pub form: Form,
}

impl FromRequest<Arc<App>> for Submitted {
    type Rejection = Response;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let signed_in = SignedIn::from_request_parts(&mut parts, app).await;
        let SignedIn { view, caller } = match signed_in {
            Ok(signed_in) => signed_in,
            Err(refusal) => {
                body::drain(body).await;
                return Err(refusal);
            }
        };
        let read = async {
            let form = Form::read(app, &parts.headers, body).await?;
            let header = parts.headers.get("x-csrf-token").and_then(|token| token.to_str().ok());
            if !view.is_own_token(header.unwrap_or_else(|| form.get("csrf"))) {
                return Err(ApiError::forbidden("the form is not of this session; open its page again"));
            }
            caller.has(Permission::Write)?;
            Ok(form)
        };
        let form = read.await.map_err(IntoResponse::into_response)?;
        Ok(Self { view, caller, form })
    }
}
