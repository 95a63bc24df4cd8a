//! Entity tags: reads that are answered only if there is something new, and changes that are made only of what was read.

use connectory_model::Locale;
use connectory_model::document::DocumentKind;
use connectory_model::wire::{CONNECTORS_PATH, ConnectorDetail, UpdateDetail};
use json_patch::Patch;
use reqwest::header::{CONTENT_TYPE, HeaderMap, IF_MATCH, IF_NONE_MATCH};
use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder, StatusCode};

use crate::error::{ApiError, Error};
use crate::etag::ETag;
use crate::http::Answer;
use crate::items;
use crate::transport::Transport;

/// Something that was read, and its entity tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tagged<T> {
    /// What was read.
    pub value: T,
    /// Its tag. None if the service has no tags, as the vendor's.
    pub etag: Option<ETag>,
}

/// Reads that are answered only if the entity tag is another one by now ([`Client::if_none_match`]). Each returns none if
/// it is the same.
///
/// [`Client::if_none_match`]: crate::Client::if_none_match
#[derive(Clone, Copy)]
pub struct IfNoneMatch<'a> {
    pub(crate) transport: &'a Transport,
    pub(crate) etag: Option<&'a ETag>,
}

impl IfNoneMatch<'_> {
    /// As [`Client::get`](crate::Client::get).
    pub async fn get(
        self,
        script_name: &str,
        locale: Option<Locale>,
    ) -> Result<Option<Tagged<ConnectorDetail>>, Error> {
        let locale = locale.map(|locale| ("locale", locale.tag()));
        let with = |request: RequestBuilder| request.query(locale.as_slice());
        self.read(&[script_name], &with, |answer| items::one(&answer)).await
    }

    /// As [`Client::document`](crate::Client::document).
    pub async fn document(self, script_name: &str, kind: DocumentKind) -> Result<Option<Tagged<Vec<u8>>>, Error> {
        self.read(&[script_name, kind.name()], &|request| request, |answer| Ok(answer.body)).await
    }

    /// As [`Client::translations`](crate::Client::translations).
    pub async fn translations(self, script_name: &str, locale: Locale) -> Result<Option<Tagged<Vec<u8>>>, Error> {
        let segments = [script_name, "translations", locale.tag()];
        self.read(&segments, &|request| request, |answer| Ok(answer.body)).await
    }

    pub(crate) async fn read<T>(
        self,
        segments: &[&str],
        with: &(dyn Fn(RequestBuilder) -> RequestBuilder + Sync),
        value: impl FnOnce(Answer) -> Result<T, Error>,
    ) -> Result<Option<Tagged<T>>, Error> {
        let condition = self.etag.map(|etag| (IF_NONE_MATCH, etag));
        let path = &self.transport.api_path;
        let answer = self.transport.call_if(path, Method::GET, segments, condition, with).await?;
        if answer.status == StatusCode::NOT_MODIFIED {
            return Ok(None);
        }
        let etag = ETag::of(&answer.headers);
        value(answer).map(|value| Some(Tagged { value, etag }))
    }
}

/// Changes that are made only if the entity tag is still the same ([`Client::if_match`]). Otherwise the error is
/// [`Error::Changed`], and nothing was changed.
///
/// [`Client::if_match`]: crate::Client::if_match
#[derive(Clone, Copy)]
pub struct IfMatch<'a> {
    pub(crate) transport: &'a Transport,
    pub(crate) etag: Option<&'a ETag>,
}

impl IfMatch<'_> {
    /// As [`Client::delete`](crate::Client::delete).
    pub async fn delete(self, script_name: &str) -> Result<(), Error> {
        self.change(Method::DELETE, &[script_name], &|request| request).await.map(drop)
    }

    /// As [`Client::patch`](crate::Client::patch).
    pub async fn patch(self, script_name: &str, patch: &Patch) -> Result<ConnectorDetail, Error> {
        self.change(Method::PATCH, &[script_name], &patch_request(patch)).await?.json()
    }

    /// As [`Client::update_in_place`](crate::Client::update_in_place).
    pub async fn update_in_place(self, script_name: &str, patch: &Patch) -> Result<ConnectorDetail, Error> {
        let with = patch_request(patch);
        self.change_below(CONNECTORS_PATH, Method::PATCH, &[script_name], &with).await?.json()
    }

    /// As [`Client::set_document`](crate::Client::set_document). The tag is that of the document, or of the connector.
    pub async fn set_document(
        self,
        script_name: &str,
        kind: DocumentKind,
        document: &[u8],
    ) -> Result<UpdateDetail, Error> {
        self.upload(&[script_name, kind.name()], kind.file_name(), document).await
    }

    /// As [`Client::set_translations`](crate::Client::set_translations). The tag is that of the texts, or of the connector.
    pub async fn set_translations(
        self,
        script_name: &str,
        locale: Locale,
        properties: &[u8],
    ) -> Result<UpdateDetail, Error> {
        let file = format!("{locale}.properties");
        self.upload(&[script_name, "translations", locale.tag()], &file, properties).await
    }

    async fn upload(self, segments: &[&str], file: &str, content: &[u8]) -> Result<UpdateDetail, Error> {
        let with = |request: RequestBuilder| {
            let part = Part::bytes(content.to_vec()).file_name(file.to_owned());
            request.multipart(Form::new().part("file", part))
        };
        self.change(Method::PUT, segments, &with).await?.json()
    }

    async fn change(
        self,
        method: Method,
        segments: &[&str],
        with: &(dyn Fn(RequestBuilder) -> RequestBuilder + Sync),
    ) -> Result<Answer, Error> {
        self.change_below(&self.transport.api_path, method, segments, with).await
    }

    async fn change_below(
        self,
        path: &str,
        method: Method,
        segments: &[&str],
        with: &(dyn Fn(RequestBuilder) -> RequestBuilder + Sync),
    ) -> Result<Answer, Error> {
        let condition = self.etag.map(|etag| (IF_MATCH, etag));
        self.transport.call_if(path, method, segments, condition, with).await
    }
}

/// Adds the body of a patch to a request.
fn patch_request(patch: &Patch) -> impl Fn(RequestBuilder) -> RequestBuilder + Sync + use<> {
    let body = serde_json::to_vec(patch).expect("a patch is JSON");
    move |request| request.header(CONTENT_TYPE, "application/json-patch+json").body(body.clone())
}

/// What a read without a condition answers.
pub(crate) fn whole<T>(read: Option<Tagged<T>>) -> Result<Tagged<T>, Error> {
    // Nobody asked for a 304, so it is no answer of the API.
    read.ok_or_else(|| ApiError::new(StatusCode::NOT_MODIFIED, None, &HeaderMap::new(), b"").into())
}
