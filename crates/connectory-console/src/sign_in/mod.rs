//! Signing in and out: with an API client, or at an OpenID provider.

pub mod back;
pub mod client;
pub mod cookie;
pub mod oidc;
pub mod oidc_pages;
pub mod session;
