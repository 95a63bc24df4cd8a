//! The reference page at `/docs`, and the OpenAPI document that it shows.

use axum::Router;
use axum::middleware::map_response;
use axum::response::Response;
use http::{HeaderName, HeaderValue, header};
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::{Config, SwaggerUi};

/// The headers of the page and of everything that it loads. The policy allows what the page needs: files of this server,
/// requests to it, and the style in the page's logo, by its hash.
const PROTECTION: [(HeaderName, HeaderValue); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; script-src 'self'; \
             style-src 'self' 'sha256-RL3ie0nH+Lzz2YNqQN83mnU0J1ot4QL7b99vMdIX99w='; img-src 'self' data:; \
             connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'",
        ),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
];

/// Makes the routes of the page and the document.
pub fn routes(document: OpenApi) -> Router {
    // Otherwise the page would send its address to a validator on the internet.
    let config = Config::default().validator_url("none");
    let page = SwaggerUi::new("/docs").config(config).url("/openapi.json", document);
    Router::from(page).layer(map_response(protect))
}

async fn protect(mut response: Response) -> Response {
    response.headers_mut().extend(PROTECTION);
    response
}
