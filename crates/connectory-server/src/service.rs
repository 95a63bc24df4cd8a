//! The whole path of a request and every route of the API, on one page.
//!
//! Operations are registered through their OpenAPI descriptions, so the document always matches the served routes.

use connectory_model::limits::FAULT_LOOK;
use connectory_model::shown;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::MatchedPath;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{BoxError, Router};
use bytes::Bytes;
use futures_util::FutureExt;
use http::Request;
use tokio::time::{Instant, sleep_until};
use tower::ServiceExt;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::fast_path::Attempt;
use crate::api::{
    activity, compare, connectors, documents, duplicate, events, extensions, fast_path, health, history, import, many,
    oauth, openapi, reference, reset, service_info, translations,
};
use crate::auth::Caller;
use crate::auth::layer::authorize;
use crate::fault_layer::{Injector, inject};
use crate::faults::{Faults, UNFAULTED};
use crate::http::compress::encode;
use crate::http::conditional::Condition;
use crate::http::cors::CrossOrigin;
use crate::http::decode::{Decoding, decode};
use crate::http::error::ApiError;
use crate::http::host;
use crate::http::listen::Traffic;
use crate::http::path::join;
use crate::http::response::{ResponseFacts, facts_of};
use crate::http::telemetry::{RequestFacts, Trace};
use crate::share::Share;
use crate::state::ServerState;
use crate::version::{ApiVersion, Operations, VERSIONS, VersionName, is_of_api};
use crate::work::{Left, Work};

/// The service that responds to requests.
pub struct Service {
    server: Arc<ServerState>,
    routes: Router,
}

impl Service {
    /// Makes the service with the API alone.
    pub fn new(server: Arc<ServerState>) -> Self {
        Self::with_pages(server, Router::new())
    }

    /// Makes the service with the API and additional pages, such as the console.
    pub fn with_pages(server: Arc<ServerState>, pages: Router) -> Self {
        Self { routes: routes(&server, pages), server }
    }

    /// The state of the server.
    pub fn server(&self) -> &Arc<ServerState> {
        &self.server
    }

    /// Checks that the routes of faults are routes of the API. The error has the most similar one.
    pub fn check_faults(faults: &Faults) -> Result<(), String> {
        let others = services().merge(changes());
        let api = VERSIONS.values().fold(others, |api, version| api.nest(version.base, operations(version)));
        faults.check(&faulted(&api.into_openapi()))
    }

    /// Responds to a request of a peer. A panic is a bug in this program: the client gets an error response, so that
    /// the panic does not look like a network failure. A response that must not be sent because of a fault has the
    /// extension [`Dropped`](crate::http::broken::Dropped).
    pub async fn answer<B>(self: Arc<Self>, mut request: Request<B>, peer: IpAddr) -> Response
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        join(&mut request, |path| is_of_api(path) || path.starts_with("/health/") || path == "/openapi.json");
        let origins = &self.server.options.cors_origins;
        if origins.is_empty() || !is_of_api(request.uri().path()) {
            return self.answer_clean(request, peer).await;
        }
        let cross_origin = CrossOrigin::of(origins, &request);
        let response = match cross_origin.preflight(&request).filter(|_| host::check(&request).is_ok()) {
            Some(response) => {
                let client = self.server.options.trusted_proxies.client(peer, request.headers());
                let (method, path) = (request.method(), request.uri().path());
                let facts = RequestFacts { method, path, client, waits: false, share: None };
                Trace::start().finish(&self.server.telemetry, &facts, response, None)
            }
            None => Box::pin(self.answer_clean(request, peer)).await,
        };
        cross_origin.allow(response)
    }

    /// Responds to a request whose path is as the routes have it.
    async fn answer_clean<B>(self: Arc<Self>, mut request: Request<B>, peer: IpAddr) -> Response
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let trace = Trace::start();
        let server = &*self.server;
        let client = server.options.trusted_proxies.client(peer, request.headers());
        let condition = Condition::of_read(request.method(), request.headers());
        let traffic = request.extensions().get::<Arc<Traffic>>().cloned();
        let waits = traffic.as_ref().is_some_and(|traffic| traffic.has_waiting());
        let know = |caller: Option<&Arc<Share>>| {
            if let (Some(traffic), Some(caller)) = (&traffic, caller) {
                traffic.know(caller);
            }
        };
        let panicked = |_| ApiError::internal("the handler panicked");
        let failed = |error| {
            let facts = ResponseFacts { error: Some(error), ..ResponseFacts::default() };
            Some(fast_path::Answer { facts, response: Response::default(), counted: None, caller: None })
        };
        let attempt = match host::check(&request) {
            // Each request gets its fault from the router's layer.
            Ok(()) if server.options.faults.is_some() => Attempt::Answered(None),
            Ok(()) => catch_unwind(AssertUnwindSafe(|| fast_path::answer(server, &mut request)))
                .unwrap_or_else(|panic| Attempt::Answered(failed(panicked(panic)))),
            Err(error) => Attempt::Answered(failed(error)),
        };
        let cached = match attempt {
            Attempt::Answered(cached) => cached,
            Attempt::Waits(asked, need) => {
                // In a box, so that the futures of requests that do not wait have no room for this.
                let waited = AssertUnwindSafe(Box::pin(asked.wait(server, need))).catch_unwind().await;
                waited
                    .and_then(|waited| {
                        catch_unwind(AssertUnwindSafe(|| asked.answer_after(server, &mut request, waited)))
                    })
                    .unwrap_or_else(|panic| failed(panicked(panic)))
            }
        };
        if let Some(fast_path::Answer { mut facts, mut response, counted, caller }) = cached {
            if let Some(condition) = condition
                && let Some(error) = condition.check_read(&mut response)
            {
                facts.error = Some(error);
            }
            let (method, path, share) = (request.method(), request.uri().path(), caller.as_ref().map(Caller::share));
            know(share);
            let request = RequestFacts { method, path, client, waits, share };
            return trace.finish_with(&server.telemetry, &request, facts, response, counted);
        }
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let routed = self.routes.clone().oneshot(request.map(Body::new));
        let answered = AssertUnwindSafe(Work::request(trace.tracking_id(), client, routed)).catch_unwind().await;
        let (response, left) = answered.unwrap_or_else(|panic| (Ok(panicked(panic).into_response()), Left::default()));
        let mut response = response.unwrap_or_else(|never| match never {});
        if let Some(condition) = condition
            && let Some(error) = condition.check_read(&mut response)
        {
            facts_of(&mut response).error = Some(error);
        }
        if server.options.faults.is_some()
            && let Some(latency) = facts_of(&mut response).fault.as_ref().and_then(|fate| fate.latency)
        {
            // In a box, so that the futures of all other requests have no room for the timer.
            Box::pin(delay(latency, &server.options.stopping)).await;
        }
        let share = left.share.as_ref();
        know(share);
        let request = RequestFacts { method: &method, path: uri.path(), client, waits, share };
        trace.finish(&server.telemetry, &request, response, left.counted)
    }
}

/// Waits, but no longer than until the server stops.
async fn delay(latency: Duration, stopping: &AtomicBool) {
    let end = Instant::now() + latency;
    while Instant::now() < end && !stopping.load(Ordering::Relaxed) {
        sleep_until(end.min(Instant::now() + FAULT_LOOK)).await;
    }
}

fn routes(server: &Arc<ServerState>, pages: Router) -> Router {
    let decoded = from_fn_with_state(Decoding { most: server.options.max_request, leaves_zstd: false }, decode);
    let encoded = from_fn_with_state(server.work.clone(), encode);
    let mut api = services().layer(decoded.clone()).layer(from_fn(note_route));
    for version in VERSIONS.values() {
        let authorized = from_fn_with_state((Arc::clone(&server.auth), version), authorize);
        let operations = operations(version).layer(decoded.clone()).layer(encoded.clone()).layer(authorized);
        api = api.nest(version.base, operations);
    }
    let authorized = from_fn_with_state((Arc::clone(&server.auth), VersionName::Connectory.version()), authorize);
    let most = server.options.max_apply.max(server.options.max_request);
    let lines = from_fn_with_state(Decoding { most, leaves_zstd: true }, decode);
    let imports = OpenApiRouter::new().routes(routes!(import::import)).layer(decoded.clone());
    api = api.merge(changes().layer(lines).merge(imports).layer(encoded).layer(authorized));
    let (mut routes, document) = api.split_for_parts();
    if let Some(faults) = &server.options.faults {
        let injector = Injector::new(Arc::clone(faults), faulted(&document));
        routes = routes.layer(from_fn_with_state(Arc::new(injector), inject));
    }
    let others = reference::routes(openapi::complete(document)).merge(pages).layer(decoded).layer(from_fn(note_route));
    routes.fallback(not_found).with_state(Arc::clone(server)).merge(others)
}

/// Makes the routes beside the Connectors API.
fn services() -> OpenApiRouter<Arc<ServerState>> {
    OpenApiRouter::new()
        .routes(routes!(oauth::token))
        .routes(routes!(oauth::info))
        .routes(routes!(oauth::jwks))
        .routes(routes!(service_info::get))
        .routes(routes!(reset::reset))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
}

/// Makes the routes about all connectors of a tenant.
fn changes() -> OpenApiRouter<Arc<ServerState>> {
    OpenApiRouter::new()
        .routes(routes!(extensions::apply))
        .routes(routes!(many::undo))
        .routes(routes!(history::of_tenant))
        .routes(routes!(history::deleted))
        .routes(routes!(compare::compare))
        .routes(routes!(activity::list))
        .routes(routes!(events::stream))
}

/// Returns the routes that can have faults: the operations of the document. The health checks are not in it.
fn faulted(document: &OpenApi) -> BTreeSet<String> {
    openapi::operations(document).filter(|route| !UNFAULTED.contains(&route.as_str())).collect()
}

/// Stores the route in the facts of the response, for the metrics. `authorize` does this for its operations.
async fn note_route(route: Option<MatchedPath>, request: Request<Body>, next: Next) -> Response {
    let mut response = next.run(request).await;
    if let Some(route) = route {
        facts_of(&mut response).route = Some(route.as_str().to_owned().into());
    }
    response
}

/// Makes the routes of the Connectors API at one version.
fn operations(version: &ApiVersion) -> OpenApiRouter<Arc<ServerState>> {
    match version.operations {
        Operations::All => OpenApiRouter::new()
            .routes(routes!(connectors::list, connectors::create))
            .routes(routes!(connectors::get, connectors::delete, connectors::patch))
            .routes(routes!(documents::source_config::get, documents::source_config::put))
            .routes(routes!(documents::source_template::get, documents::source_template::put))
            .routes(routes!(documents::correlation_config::get, documents::correlation_config::put))
            .routes(routes!(translations::get, translations::put)),
        Operations::List => OpenApiRouter::new().routes(routes!(connectors::list)),
        Operations::Extensions => OpenApiRouter::new()
            .routes(routes!(extensions::export, many::patch, many::delete))
            .routes(routes!(extensions::patch))
            .routes(routes!(duplicate::duplicate))
            .routes(routes!(history::of_connector))
            .routes(routes!(history::get))
            .routes(routes!(history::diff))
            .routes(routes!(history::restore)),
    }
}

async fn not_found(request: Request<Body>) -> ApiError {
    let path = shown(request.uri().path(), 200);
    ApiError::not_found(format!("there is nothing at `{path}`; /docs lists every path"))
}
