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

/// The address of a font, as the style sheets have it: its version is in its name.
pub fn font(name: &str) -> String {
    format!("/console/assets/{name}")
}

/// Serves an asset.
pub async fn serve(Path(name): Path<String>) -> Result<Response, ApiError> {
    let asset = ASSETS.get(&name).ok_or_else(|| ApiError::not_found("there is no such asset"))?;
    let content_type = match name.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("woff2") => "font/woff2",
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What stands after each opening in a style sheet, up to its end.
    fn all<'a>(text: &'a str, opening: &str, end: char) -> BTreeSet<&'a str> {
        let found = text.match_indices(opening).map(|(at, _)| &text[at + opening.len()..]);
        found.filter_map(|rest| rest.split(end).next()).collect()
    }

    fn sheet(name: &str) -> String {
        String::from_utf8(Assets::get(name).expect("a style sheet").data.into_owned()).expect("a text")
    }

    #[test]
    fn style_sheets_take_their_colours_from_the_tokens() {
        let tokens = sheet("tokens.css");
        let known: BTreeSet<_> =
            tokens.lines().filter_map(|line| line.trim().split_once(':')).map(|(name, _)| name).collect();
        let own = Assets::iter().filter(|name| name.ends_with(".css") && !name.starts_with("codemirror"));
        for name in own.filter(|name| name != "tokens.css") {
            let text = sheet(&name);
            for used in all(&text, "var(", ')') {
                let is_own = text.contains(&format!("{used}:"));
                assert!(is_own || known.contains(used), "{name} uses {used}, which tokens.css does not have");
            }
            for literal in ["light-dark(", "rgb(", "hsl(", "px #", " #0", " #f", "system-ui"] {
                assert!(!text.contains(literal), "{name} has {literal}");
            }
        }
    }

    #[test]
    fn every_font_of_the_tokens_is_embedded_and_has_its_licence() {
        let tokens = sheet("tokens.css");
        let fonts = all(&tokens, "url(", ')');
        assert_eq!(fonts.len(), 6);
        for font in fonts {
            assert!(Assets::get(font).is_some(), "{font}");
        }
        assert!(
            sheet("inter.LICENSE").contains("Open Font License")
                && sheet("jetbrains-mono.LICENSE").contains("Open Font")
        );
    }
}
