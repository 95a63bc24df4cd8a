//! An error as a page.

use std::sync::Arc;

use axum::response::Response;
use connectory_server::http::error::ApiError;
use connectory_server::http::response;
use http::StatusCode;
use maud::html;

use super::layout::{Place, protect};
use super::view::View;

/// An error as a page, in the language of the view. The outermost layer renders it, with the request's tracking id.
pub struct ErrorPage(pub Arc<View>);

impl response::ErrorPage for ErrorPage {
    fn render(&self, error: &ApiError, tracking_id: &str) -> Response {
        let view = &self.0;
        let key = match error.status {
            StatusCode::FORBIDDEN => "error.forbidden",
            StatusCode::NOT_FOUND => "error.not_found",
            status if status.is_server_error() => "error.internal",
            _ => "error.refused",
        };
        let title = view.text(key);
        let content = html! {
            h1 { (title) }
            p.problem role="alert" { (error.text) }
            p { a.button href="/" { (view.text("error.home")) } }
            p.faint { (view.text("error.tracking")) " " code { (tracking_id) } }
        };
        let mut response = view.render_with_status(error.status, Place::Elsewhere, title, &content);
        protect(response.headers_mut());
        response
    }
}
