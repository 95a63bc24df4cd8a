//! Signing in as an API client or at an OpenID provider, sessions, and signing out.

pub mod arrival;
pub mod attempt;
pub mod back;
pub mod client;
pub mod cookie;
pub mod oidc;
pub mod oidc_pages;
pub mod session;
