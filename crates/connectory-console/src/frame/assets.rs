//! Styles and scripts, embedded in the binary. Their address changes with their content, so browsers cache them for good.

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use connectory_server::http::error::ApiError;
use connectory_server::http::etag::{digest, digest_text};
use http::header;
use rust_embed::{Embed, EmbeddedFile};

/// The logo. It is part of the page, so that it has the color of the text.
pub const LOGO: &str = include_str!("assets/logo.svg");

#[derive(Embed)]
#[folder = "src/frame/assets"]
struct Assets;

struct Asset {
    file: EmbeddedFile,
    url: String,
}

static ASSETS: LazyLock<HashMap<String, Asset>> = LazyLock::new(|| {
    Assets::iter()
        .filter_map(|name| {
            let file = Assets::get(&name)?;
            let url = format!("/console/assets/{name}?v={}", digest_text(digest(&file.data)));
            Some((name.into_owned(), Asset { file, url }))
        })
        .collect()
});

/// The address of an asset.
pub fn url(name: &str) -> &'static str {
    &ASSETS[name].url
}

/// Serves an asset.
pub async fn serve(Path(name): Path<String>) -> Result<Response, ApiError> {
    let asset = ASSETS.get(&name).ok_or_else(|| ApiError::not_found("there is no such asset"))?;
    let content_type = match name.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    };
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"),
    ];
    Ok((headers, asset.file.data.clone()).into_response())
}
