//! What the pages share: the server whose connectors they show, the sessions, and the OpenID provider.

use std::sync::Arc;

use connectory_model::limits::HELD_FORMS;
use connectory_server::ServerState;
use connectory_server::options::OidcOptions;
use tokio::sync::Semaphore;

use crate::sign_in::cookie::Cookies;
use crate::sign_in::oidc::{NoCertificates, Oidc};
use crate::sign_in::session::Sessions;

/// The state of the console.
pub struct Console {
    /// The server.
    pub server: Arc<ServerState>,
    /// Those who are signed in.
    pub sessions: Sessions,
    /// How cookies are set.
    pub cookies: Cookies,
    /// The OpenID provider, if there is one.
    pub oidc: Option<Oidc>,
    /// Turns to hold a form of someone who is not signed in.
    pub held_forms: Semaphore,
}

impl Console {
    /// The console of a server. Only an OpenID provider may fail.
    pub fn new(server: Arc<ServerState>, oidc: Option<OidcOptions>) -> Result<Arc<Self>, NoCertificates> {
        let public_url = &server.options.public_url;
        let cookies = Cookies::at(public_url);
        let oidc = oidc.map(|options| Oidc::new(options, public_url.clone(), server.auth.keys())).transpose()?;
        let sessions = Sessions::new(Arc::clone(&server.auth), server.store.clone(), cookies);
        let held_forms = Semaphore::new(HELD_FORMS);
        Ok(Arc::new(Self { server, sessions, cookies, oidc, held_forms }))
    }
}
