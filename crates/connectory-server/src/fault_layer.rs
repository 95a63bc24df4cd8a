//! The layer that gives requests their faults, in front of all operations of the API and of their authorization.
//!
//! The layer decides, and makes the answers of faults. The delay is in [`Service`](crate::Service), so that a request
//! that waits holds no turn. `http::broken` ends connections.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode, header};

use crate::api::oauth;
use crate::auth::AuthError;
use crate::faults::{Fate, Faults, Outcome};
use crate::http::drain::drain;
use crate::http::error::ApiError;
use crate::http::response::facts_of;

/// The message of a fault, for whoever takes it for a failure.
const MESSAGE: &str = "a fault of this test server, which `--fault` asked for; nothing was done";

/// The page that a gateway shows if it gets no answer, with its line ends.
const GATEWAY_PAGE: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n\
     <center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n";

/// The status in the log and in the metrics of a request whose connection ends without an answer, as in those of nginx.
const NO_ANSWER: u16 = 444;

/// The faults of a running service, and the number of requests of each route.
pub struct Injector {
    faults: Arc<Faults>,
    /// The number of requests so far, of each route that can have faults.
    requests: BTreeMap<String, AtomicU64>,
}

impl Injector {
    /// Makes the injector of a service that has had no request yet.
    pub fn new(faults: Arc<Faults>, routes: impl IntoIterator<Item = String>) -> Self {
        Self { faults, requests: routes.into_iter().map(|route| (route, AtomicU64::new(0))).collect() }
    }

    /// Counts a request, and returns its fate. A path's 405 and a route without faults have none.
    fn fate(&self, method: &Method, path: &str) -> Option<Fate> {
        // The router answers HEAD by the route of GET.
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let route = format!("{method} {path}");
        let n = self.requests.get(&route)?.fetch_add(1, Ordering::Relaxed) + 1;
        self.faults.fate(&route, n)
    }
}

/// Passes a request on, or answers with its fault.
pub async fn inject(
    State(injector): State<Arc<Injector>>,
    path: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let path = path.as_ref().map_or("", MatchedPath::as_str);
    let Some(fate) = injector.fate(request.method(), path) else { return next.run(request).await };
    let mut response = match fate.outcome {
        Some(outcome) if !outcome.reaches_the_handler() => {
            drain(request.into_body()).await;
            let mut response = answer(outcome, path, fate.retry_after);
            let facts = facts_of(&mut response);
            facts.is_planned = true;
            facts.route = Some(path.to_owned().into());
            response
        }
        _ => next.run(request).await,
    };
    facts_of(&mut response).fault = Some(Box::new(fate));
    response
}

/// Makes the answer of a fault, in the shape that the operation has for this status.
fn answer(outcome: Outcome, path: &str, retry_after: u64) -> Response {
    match outcome {
        Outcome::Html => (StatusCode::BAD_GATEWAY, [(header::CONTENT_TYPE, "text/html")], GATEWAY_PAGE).into_response(),
        Outcome::Status(status) if path == oauth::TOKEN_PATH => oauth::fault(status, MESSAGE, retry_after),
        Outcome::Status(StatusCode::UNAUTHORIZED) => AuthError::Token(MESSAGE.into()).into_response(),
        Outcome::Status(StatusCode::TOO_MANY_REQUESTS) => AuthError::RateLimit(retry_after).into_response(),
        Outcome::Status(status) => {
            let retry_after = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(retry_after);
            ApiError {
                status,
                text: MESSAGE.to_owned(),
                causes: Box::default(),
                internal: None,
                retry_after,
                etag: None,
            }
            .into_response()
        }
        // `http::broken` ends the connection of the first, and this status is for the log. The other has the answer of
        // its handler.
        Outcome::Drop | Outcome::Truncate => {
            StatusCode::from_u16(NO_ANSWER).expect("three digits are a status").into_response()
        }
    }
}
