//! The whole API on one page. Operations are registered through their OpenAPI description, so that the document
//! cannot drift from what is served.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use http::StatusCode;
use tower::ServiceExt;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::SwaggerUi;

use crate::api::{connectors, documents, frequent, translations};
use crate::app::App;
use crate::auth::{authorize, oauth};
use crate::error::{ApiError, json};
use crate::version::{ApiVersion, VERSIONS};
use crate::{openapi, telemetry};

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

    /// Answers a request.
    pub async fn answer(&self, request: Request) -> Response {
        telemetry::trace(request, async |request| match frequent::answer(&self.app, &request) {
            Some(response) => response,
            None => self.routes.clone().oneshot(request).await.unwrap_or_else(|never| match never {}),
        })
        .await
    }
}

fn routes(app: &Arc<App>) -> Router {
    let mut api =
        OpenApiRouter::new().routes(routes!(oauth::token)).routes(routes!(oauth::info)).routes(routes!(oauth::jwks));
    for version in &VERSIONS {
        api = api.nest(version.base, operations(app, version));
    }
    let (routes, document) = api.split_for_parts();
    routes
        .route("/", get(|| async { Redirect::temporary("/docs/") }))
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .fallback(not_found)
        .with_state(Arc::clone(app))
        .merge(SwaggerUi::new("/docs").url("/openapi.json", openapi::complete(document)))
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

async fn not_found(request: Request) -> ApiError {
    let path: String = request.uri().path().chars().take(200).collect();
    ApiError::not_found(format!("there is nothing at `{path}`; /docs lists every path"))
}

/// Whether the process answers.
async fn live() -> Response {
    json(StatusCode::OK, r#"{"status":"live"}"#)
}

/// Whether requests can be served: the database answers.
async fn ready(State(app): State<Arc<App>>) -> Response {
    match app.store.ping().await {
        Ok(()) => json(StatusCode::OK, r#"{"status":"ready"}"#),
        Err(error) => {
            tracing::error!(%error, "not ready");
            json(StatusCode::SERVICE_UNAVAILABLE, r#"{"status":"not ready"}"#).into_response()
        }
    }
}
