//! HTTP proxies in front of a server that do what no server may do. The checker must find each of them out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderMap, Method, StatusCode, header};
use reqwest::Client;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::client::local_http;

/// What a front does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// Nothing. The checker must find nothing.
    Nothing,
    /// It answers a detail as it was up to 200 ms ago.
    StaleDetails,
    /// It answers a list as it was up to 200 ms ago.
    StaleLists,
    /// It answers some patches with the connector as it is, and does not patch it.
    LostPatches,
    /// It sends some writes again, 30 ms later.
    RepeatedWrites,
    /// It answers some writes with 503 that were done.
    DeniedWrites,
}

const STALE: Duration = Duration::from_millis(200);
const LATER: Duration = Duration::from_millis(30);

struct Front {
    wrong: Wrong,
    url: String,
    http: Client,
    cache: Mutex<HashMap<String, (Instant, Answer)>>,
    count: Mutex<u32>,
}

#[derive(Clone)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: bytes::Bytes,
}

/// Starts a front of a server. Returns its URL, and the task that serves it until it is aborted.
pub async fn start(wrong: Wrong, url: String) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let front = format!("http://{}", listener.local_addr().unwrap());
    let http = local_http().build().unwrap();
    let state = Front { wrong, url, http, cache: Mutex::default(), count: Mutex::default() };
    let router = Router::new().fallback(serve).with_state(Arc::new(state));
    let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (front, task)
}

async fn serve(State(front): State<Arc<Front>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let path = head.uri.path_and_query().unwrap().as_str().to_owned();
    let forward = |method: Method| {
        let mut headers = head.headers.clone();
        headers.remove(header::HOST);
        if method == Method::GET {
            headers.remove(header::CONTENT_LENGTH);
        }
        let body = if method == Method::GET { bytes::Bytes::new() } else { body.clone() };
        let request = front.http.request(method, format!("{}{path}", front.url)).headers(headers).body(body);
        async move {
            // The server may have ended, with the run.
            let Ok(answer) = request.send().await else {
                return Answer {
                    status: StatusCode::BAD_GATEWAY,
                    headers: HeaderMap::new(),
                    body: bytes::Bytes::new(),
                };
            };
            let (status, mut headers) = (answer.status(), answer.headers().clone());
            headers.remove(header::TRANSFER_ENCODING);
            headers.remove(header::CONTENT_LENGTH);
            Answer { status, headers, body: answer.bytes().await.unwrap_or_default() }
        }
    };
    let is_read = head.method == Method::GET;
    let is_list = head.uri.path().ends_with("/connectors");
    let is_write = !is_read && head.uri.path().contains("/connectors");
    // One of five.
    let chosen = || {
        let mut count = front.count.lock().unwrap();
        *count += 1;
        count.is_multiple_of(5)
    };
    let answer = match front.wrong {
        Wrong::StaleDetails | Wrong::StaleLists if is_read && is_list == (front.wrong == Wrong::StaleLists) => {
            let cached = front.cache.lock().unwrap().get(&path).cloned();
            if let Some((_, answer)) = cached.filter(|(since, _)| since.elapsed() < STALE) {
                answer
            } else {
                let since = Instant::now();
                let answer = forward(Method::GET).await;
                front.cache.lock().unwrap().insert(path.clone(), (since, answer.clone()));
                answer
            }
        }
        Wrong::LostPatches if head.method == Method::PATCH && chosen() => forward(Method::GET).await,
        Wrong::RepeatedWrites if is_write && chosen() => {
            let (first, again) = (forward(head.method.clone()).await, forward(head.method.clone()));
            tokio::spawn(async move {
                sleep(LATER).await;
                again.await;
            });
            first
        }
        Wrong::DeniedWrites if is_write && chosen() => {
            Answer { status: StatusCode::SERVICE_UNAVAILABLE, ..forward(head.method.clone()).await }
        }
        _ => forward(head.method.clone()).await,
    };
    let mut response = Response::new(Body::from(answer.body));
    (*response.status_mut(), *response.headers_mut()) = (answer.status, answer.headers);
    response
}
