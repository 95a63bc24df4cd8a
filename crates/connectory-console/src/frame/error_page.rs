//! The page of an error.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use connectory_server::http::error::ApiError;
use connectory_server::http::response;
use http::{HeaderValue, StatusCode, header};
use maud::html;

use super::copy::copy_button;
use super::error::server_message;
use super::layout::{Place, protect};
use super::texts::Message;
use super::view::View;

/// Renders an error as a page, or as a text for a script. The outermost layer calls it with the request's tracking id.
pub struct ErrorPage {
    /// How the page is shown.
    pub view: Arc<View>,
    /// The message for the reader, if the error came from a page.
    pub message: Option<Message>,
    /// The header that sets a cookie, if the response has one.
    pub cookie: Option<HeaderValue>,
}

impl response::ErrorPage for ErrorPage {
    fn render(&self, error: &ApiError, tracking_id: &str) -> Response {
        let view = &self.view;
        let message = self.message.clone().unwrap_or_else(|| server_message(error)).text(view.language);
        let mut response = if view.is_from_script {
            (error.status, message).into_response()
        } else {
            self.page(error, &message, tracking_id)
        };
        protect(response.headers_mut());
        if let Some(cookie) = &self.cookie {
            response.headers_mut().insert(header::SET_COOKIE, cookie.clone());
        }
        response
    }
}

impl ErrorPage {
    fn page(&self, error: &ApiError, message: &str, tracking_id: &str) -> Response {
        let view = &self.view;
        // Who signed in again may do it.
        let is_old_form = self.message.as_ref().is_some_and(|message| message.is("error.form_token"));
        let title = view.text(match error.status {
            StatusCode::FORBIDDEN if !is_old_form => "error.forbidden",
            StatusCode::NOT_FOUND => "error.not_found",
            status if status.is_server_error() => "error.internal",
            _ => "error.refused",
        });
        let content = html! {
            div.top { h1 { (title) } }
            p.problem role="alert" { (message) }
            p.actions {
                @if let Some(page) = view.form_page.as_deref().filter(|page| *page != "/") {
                    a.button.primary href=(page) { (view.text("error.form")) }
                }
                a.button href="/" { (view.text("error.home")) }
            }
            p.small.muted.after { (view.text("error.tracking")) " " code { (tracking_id) } " " (copy_button(view, tracking_id)) }
        };
        view.render_with_status(error.status, Place::Elsewhere, title, &content)
    }
}
