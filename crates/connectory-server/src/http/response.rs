//! Common parts of responses: JSON responses, the facts for the outermost layer, and the counting of large responses.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use connectory_model::limits::UNCOUNTED_BYTES;
use connectory_model::wire;
use connectory_store::Author;
use http::{HeaderName, HeaderValue, StatusCode, header};
use http_body::Body as _;
use serde::Serialize;

use super::coding::{Coding, name_coding};
use super::error::ApiError;
use super::etag::ETag;
use super::holding::holding;
use crate::budget::{Budget, Charge};
use crate::faults::Fate;
use crate::share::Share;

/// The header with the revision up to which the server knew the tenant.
pub const REVISION: HeaderName = HeaderName::from_static(wire::REVISION);

/// The facts about a request that the outermost layer needs besides the response. Layers and handlers store them in the
/// response's extensions.
#[derive(Clone, Default)]
pub struct ResponseFacts {
    /// The route of the request, as the router defines it.
    pub route: Option<Cow<'static, str>>,
    /// The caller, if the request was authenticated.
    pub author: Option<Arc<Author>>,
    /// The id of the client that a token request or a sign-in is for, for the log. If the request is refused, anyone may
    /// have sent it.
    pub applicant: Option<String>,
    /// The error to render.
    pub error: Option<ApiError>,
    /// The reason for the log, of a response that renders its error itself.
    pub reason: Option<Cow<'static, str>>,
    /// Whether a 5xx is no failure, because the server stops as it was asked to, or fails as it was asked to.
    pub is_planned: bool,
    /// The renderer of an error page. None means that errors are rendered as JSON.
    pub error_page: Option<Arc<dyn ErrorPage>>,
    /// The fault that the request gets.
    pub fault: Option<Box<Fate>>,
}

/// Renders an error as a page for people.
pub trait ErrorPage: Send + Sync {
    /// Renders the page, with the tracking id of the request.
    fn render(&self, error: &ApiError, tracking_id: &str) -> Response;
}

/// Returns the facts in the extensions of a response.
pub fn facts_of(response: &mut Response) -> &mut ResponseFacts {
    response.extensions_mut().get_or_insert_default()
}

/// Removes the facts from a response and returns them.
pub fn take_facts(response: &mut Response) -> ResponseFacts {
    response.extensions_mut().remove().unwrap_or_default()
}

impl IntoResponse for ApiError {
    /// Makes an empty response with the status and the error, which the outermost layer renders.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        facts_of(&mut response).error = Some(self);
        response
    }
}

/// Makes a JSON response from bytes.
pub fn json_response(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = (status, body.into()).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Makes a JSON response from bytes that have an entity tag.
pub fn tagged_json(body: impl Into<Body>, etag: ETag) -> Response {
    let mut response = json_response(StatusCode::OK, body);
    response.headers_mut().insert(header::ETAG, etag.into());
    response
}

/// Makes a JSON response from bytes in a content coding, with the entity tag of that coding.
pub fn coded_json(body: Bytes, etag: ETag, coding: Coding) -> Response {
    let mut response = tagged_json(body, etag);
    name_coding(response.headers_mut(), coding);
    response
}

/// Makes a JSON response from a value.
pub fn json_of(value: &impl Serialize) -> Response {
    json_response(StatusCode::OK, serde_json::to_vec(value).expect("answers are JSON"))
}

/// The header that makes a browser save a response under a file name, which has no `"`.
pub fn attachment(name: &str) -> HeaderValue {
    let value = format!("attachment; filename=\"{name}\"");
    HeaderValue::try_from(value).expect("names of folders, script names, locales and our file names are plain")
}

/// Makes a response with a zip file that a browser saves under a name. The name has no `"`.
pub fn zip_response(body: Body, name: &str) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(wire::ZIP_TYPE));
    headers.insert(header::CONTENT_DISPOSITION, attachment(name));
    // It is compressed already.
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    response
}

/// Counts a response until its bytes are passed to the system, in the budget and in the caller's share, or refuses it. A
/// response that is counted already is not refused. If other responses wait on its connection, the response counts from
/// its first byte.
pub fn count_answer(
    budget: &Budget,
    share: Option<&Arc<Share>>,
    response: Response,
    counted: Option<Charge>,
    others_wait: bool,
) -> Result<Response, ApiError> {
    let bytes = usize::try_from(response.body().size_hint().lower()).unwrap_or(usize::MAX);
    if bytes <= UNCOUNTED_BYTES && !(others_wait && bytes > 0) {
        return Ok(response);
    }
    let is_counted = counted.is_some();
    let mut charge = counted.unwrap_or_else(|| budget.charge(share));
    let more = bytes.saturating_sub(charge.total());
    if others_wait && !is_counted {
        charge.count_from_first_byte();
    }
    if !charge.add(more) && !is_counted {
        return Err(ApiError::unavailable(
            "too many large answers, to this client or to all, are on the way at the moment; try again",
        ));
    }
    Ok(response.map(|body| holding(body, charge)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::budget::UNIT;
    use crate::share::Pool;

    #[tokio::test]
    async fn an_answer_counts_until_its_bytes_are_gone() {
        let budget = Budget::new(Pool::Answers, 100 * UNIT);
        let large = || vec![0_u8; 80 * UNIT].into_response();
        let mut first = count_answer(&budget, None, large(), None, false).unwrap();
        let _second = count_answer(&budget, None, large(), None, false).unwrap();
        assert_eq!(count_answer(&budget, None, large(), None, false).unwrap_err().retry_after, Some(2));
        assert!(count_answer(&budget, None, vec![0_u8; UNIT].into_response(), None, false).is_ok(), "small ones pass");
        let bytes = first.body_mut().frame().await.unwrap().unwrap().into_data().unwrap();
        drop(first);
        assert!(count_answer(&budget, None, large(), None, false).is_err(), "the connection still holds the bytes");
        drop(bytes);
        assert!(count_answer(&budget, None, large(), None, false).is_ok());
        assert!(
            count_answer(&budget, None, vec![0_u8; 200 * UNIT].into_response(), None, false).is_ok(),
            "one that is larger passes alone"
        );
    }

    #[test]
    fn a_client_that_does_not_read_leaves_room_for_the_answers_of_others() {
        let budget = Budget::new(Pool::Answers, 100 * UNIT);
        let large = || vec![0_u8; 36 * UNIT].into_response();
        let [greedy, other] = [(); 2].map(|()| Arc::new(Share::of_client(Some(Arc::new(Share::of_tenant())))));
        let answered: Vec<_> = (0..5).map(|_| count_answer(&budget, Some(&greedy), large(), None, false)).collect();
        assert_eq!(answered.iter().filter(|answer| answer.is_ok()).count(), 1, "it counts for 20 units");
        assert_eq!(answered[4].as_ref().unwrap_err().retry_after, Some(2));
        assert!(count_answer(&budget, Some(&other), large(), None, false).is_ok());
        drop(answered);
        assert!(count_answer(&budget, Some(&greedy), large(), None, false).is_ok());
    }
}
