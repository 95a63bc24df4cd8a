//! The whole API on one page. Operations are registered through their OpenAPI description, so that the document
//! cannot drift from what is served.

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::MatchedPath;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{BoxError, Router};
use bytes::Bytes;
use futures_util::FutureExt;
use http::Request;
use tower::ServiceExt;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::SwaggerUi;

use crate::api::{connectors, documents, frequent, health, translations};
use crate::app::App;
use crate::auth::{authorize, oauth};
use crate::console;
use crate::error::ApiError;
use crate::listen::Traffic;
use crate::openapi;
use crate::telemetry::{Asked, Trace};
use crate::version::{ApiVersion, VERSIONS};
use crate::work::Work;

/// What answers requests.
pub struct Service {
    app: Arc<App>,
    routes: Router,
}

impl Service {
    /// The service on a state.
    pub fn new(app: Arc<App>) -> Self {
        Self { routes: routes(&app), app }
    }

    /// Answers a request of a peer. A panic is a bug of ours; it must not look like a broken network to the client.
    pub async fn answer<B>(self: Arc<Self>, mut request: Request<B>, peer: IpAddr) -> Response
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let trace = Trace::start();
        let app = &*self.app;
        let client = app.options.trusted_proxies.client(peer, request.headers());
        let waits = request.extensions().get::<Arc<Traffic>>().is_some_and(|traffic| traffic.has_waiting());
        let panicked = |_| ApiError::internal("the handler panicked").into_response();
        let frequent = catch_unwind(AssertUnwindSafe(|| frequent::answer(app, &mut request)));
        let frequent = frequent
            .unwrap_or_else(|panic| Some(frequent::Answer { route: "", response: panicked(panic), counted: None }));
        if let Some(frequent::Answer { route, response, counted }) = frequent {
            let asked = Asked { method: request.method(), path: request.uri().path(), client, waits, is_known: true };
            return trace.finish(app, &asked, route.into(), response, counted);
        }
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let routed = self.routes.clone().oneshot(request.map(Body::new));
        let answered = AssertUnwindSafe(Work::request(trace.tracking_id(), routed)).catch_unwind().await;
        let (response, counted) = answered.unwrap_or_else(|panic| (Ok(panicked(panic)), None));
        let mut response = response.unwrap_or_else(|never| match never {});
        let route = response.extensions_mut().remove::<MatchedPath>();
        let route = route.map(|route| route.as_str().to_owned()).unwrap_or_default();
        let asked = Asked { method: &method, path: uri.path(), client, waits, is_known: false };
        trace.finish(app, &asked, route.into(), response, counted)
    }
}

fn routes(app: &Arc<App>) -> Router {
    let mut api = OpenApiRouter::from(console::routes(app))
        .routes(routes!(oauth::token))
        .routes(routes!(oauth::info))
        .routes(routes!(oauth::jwks))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .layer(from_fn(tell_route));
    for version in &VERSIONS {
        api = api.nest(version.base, operations(app, version));
    }
    let (routes, document) = api.split_for_parts();
    let docs = Router::from(SwaggerUi::new("/docs").url("/openapi.json", openapi::complete(document)));
    routes.fallback(not_found).with_state(Arc::clone(app)).merge(docs.layer(from_fn(tell_route)))
}

/// Leaves the route with the response, for the metrics. `authorize` does so for its operations.
async fn tell_route(route: Option<MatchedPath>, request: Request<Body>, next: Next) -> Response {
    let mut response = next.run(request).await;
    if let Some(route) = route {
        response.extensions_mut().insert(route);
    }
    response
}

/// The operations of the Connectors API.
fn operations(app: &Arc<App>, version: &'static ApiVersion) -> OpenApiRouter<Arc<App>> {
    let routes = if version.is_complete {
        OpenApiRouter::new()
            .routes(routes!(connectors::list, connectors::create))
            .routes(routes!(connectors::get, connectors::delete, connectors::patch))
            .routes(routes!(documents::source_config::get, documents::source_config::put))
            .routes(routes!(documents::source_template::get, documents::source_template::put))
            .routes(routes!(documents::correlation_config::get, documents::correlation_config::put))
            .routes(routes!(translations::get, translations::put))
    } else {
        OpenApiRouter::new().routes(routes!(connectors::list))
    };
    routes.layer(from_fn_with_state((Arc::clone(app), version), authorize))
}

async fn not_found(request: Request<Body>) -> ApiError {
    let path: String = request.uri().path().chars().take(200).collect();
    ApiError::not_found(format!("there is nothing at `{path}`; /docs lists every path"))
}
