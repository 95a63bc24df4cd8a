//! The reader of a page, as handlers ask for it.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Redirect, Response};
use connectory_model::access::Permission;
use connectory_server::auth::Caller;
use http::StatusCode;
use http::request::Parts;

use super::error::PageError;
use super::view::View;
use crate::sign_in::back::sign_in_url;

/// A reader, signed in or not.
pub struct Visitor(pub Arc<View>);

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, PageError> {
        let view = parts.extensions.get().cloned();
        view.map(Self).ok_or_else(|| PageError::internal("a page outside of its layer"))
    }
}

/// A reader who is signed in and may read connectors.
#[derive(Clone)]
pub struct SignedIn {
    /// How the page is shown.
    pub view: Arc<View>,
    /// The caller.
    pub caller: Caller,
}

impl<S: Sync> FromRequestParts<S> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let Visitor(view) = Visitor::from_request_parts(parts, state).await.map_err(IntoResponse::into_response)?;
        let Some((_, caller)) = view.signed_in.clone() else {
            // A script tells its reader, and leaves what they typed where it is.
            if view.is_from_script {
                return Err(StatusCode::UNAUTHORIZED.into_response());
            }
            return Err(Redirect::to(&sign_in_url(view.back(), false)).into_response());
        };
        caller.has(Permission::Read).map_err(|denied| PageError::from(denied).into_response())?;
        Ok(Self { view, caller })
    }
}
