//! Sessions: who is signed in, kept in memory under a random id that the browser has in a cookie.
//!
//! A session has what its client has at the moment: the client is read again every few seconds, as for tokens, so that
//! one that was deleted or narrowed loses its sessions too. Sessions end with the process (our decision): a restart
//! asks administrators to sign in again, and nothing that lets anyone in is on disk.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use connectory_model::access::{Scope, UserLevel};
use connectory_server::auth::{Auth, Caller, Principal, secret};
use connectory_server::http::error::ApiError;
use connectory_server::version::NEWEST;
use connectory_store::{Author, AuthorKind, Store};
use http::{HeaderMap, HeaderValue};
use subtle::ConstantTimeEq;

use super::cookie::{cookie, cookie_value};

/// For how long a session without a request lives (our decision).
const IDLE: Duration = Duration::from_hours(1);
/// For how long a session lives at most (our decision).
const LIFETIME: Duration = Duration::from_hours(12);
/// How many sessions there are at most; the one unused for longest makes room.
const MAX_SESSIONS: usize = 10_000;
/// The cookie's name.
const COOKIE: &str = "connectory_session";

/// The sessions of a server.
pub struct Sessions {
    auth: Arc<Auth>,
    store: Store,
    cookies_are_secure: bool,
    open: Mutex<HashMap<String, OpenSession>>,
}

struct OpenSession {
    session: Arc<Session>,
    used: Instant,
}

/// Someone who is signed in.
pub struct Session {
    identity: Identity,
    csrf: String,
    began: Instant,
    principal: ArcSwap<Principal>,
}

/// As whom someone signed in.
#[derive(Debug, Clone)]
pub enum Identity {
    /// As an API client, with its id and secret.
    Client(String),
    /// At an OpenID provider.
    Person(Person),
}

/// Someone whom an OpenID provider knows.
#[derive(Debug, Clone)]
pub struct Person {
    /// Who they are in the history.
    pub author: Author,
    /// Their level.
    pub level: UserLevel,
    /// Their scopes.
    pub scopes: Vec<Scope>,
    /// The tenant they manage.
    pub tenant: connectory_store::Tenant,
}

impl Session {
    /// The token that every form of the session carries.
    pub fn csrf(&self) -> &str {
        &self.csrf
    }

    /// Whether a form carries the session's token.
    pub fn is_csrf_token(&self, token: &str) -> bool {
        self.csrf.as_bytes().ct_eq(token.as_bytes()).into()
    }
}

impl Sessions {
    /// No sessions yet. Cookies are secure where clients reach the server over HTTPS.
    pub fn new(auth: Arc<Auth>, store: Store, cookies_are_secure: bool) -> Self {
        Self { auth, store, cookies_are_secure, open: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, OpenSession>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Signs in. Returns the cookie to set.
    pub async fn begin(&self, identity: Identity) -> Result<HeaderValue, ApiError> {
        let principal =
            self.principal(&identity).await?.ok_or_else(|| ApiError::forbidden("the client does not exist"))?;
        let session =
            Session { identity, csrf: secret::new_secret(), began: Instant::now(), principal: ArcSwap::new(principal) };
        let id = secret::new_secret();
        let mut sessions = self.lock();
        sessions.retain(|_, entry| entry.is_alive());
        if sessions.len() >= MAX_SESSIONS
            && let Some(oldest) = sessions.iter().min_by_key(|(_, entry)| entry.used).map(|(id, _)| id.clone())
        {
            sessions.remove(&oldest);
        }
        sessions.insert(id.clone(), OpenSession { session: Arc::new(session), used: Instant::now() });
        Ok(cookie(self.cookies_are_secure, COOKIE, id, "/", LIFETIME))
    }

    /// The session of a request, with what its client may do now.
    pub async fn find(&self, headers: &HeaderMap) -> Result<Option<(Arc<Session>, Caller)>, ApiError> {
        let Some(id) = cookie_value(headers, COOKIE) else { return Ok(None) };
        let session = {
            let mut sessions = self.lock();
            match sessions.get_mut(&id) {
                Some(entry) if entry.is_alive() => {
                    entry.used = Instant::now();
                    Arc::clone(&entry.session)
                }
                _ => return Ok(None),
            }
        };
        if !session.principal.load().is_current() {
            let Some(current) = self.principal(&session.identity).await? else {
                self.lock().remove(&id);
                return Ok(None);
            };
            session.principal.store(current);
        }
        let caller = Caller::new(session.principal.load_full(), NEWEST);
        Ok(Some((session, caller)))
    }

    /// Signs out. Returns the cookie to set.
    pub fn end(&self, headers: &HeaderMap) -> HeaderValue {
        if let Some(id) = cookie_value(headers, COOKIE) {
            self.lock().remove(&id);
        }
        cookie(self.cookies_are_secure, COOKIE, String::new(), "/", Duration::ZERO)
    }

    /// What someone may do now.
    async fn principal(&self, identity: &Identity) -> Result<Option<Arc<Principal>>, ApiError> {
        let (author, level, scopes, tenant) = match identity {
            Identity::Client(id) => {
                let Some(client) = self.store.client(id.clone()).await? else { return Ok(None) };
                let author = Author { kind: AuthorKind::Client, id: client.id, name: Some(client.name) };
                (author, client.level, client.scopes, client.tenant)
            }
            Identity::Person(person) => {
                (person.author.clone(), person.level, person.scopes.clone(), person.tenant.clone())
            }
        };
        // The session ends it, not a token.
        Ok(Some(self.auth.principal_until(author, level, scopes, tenant, u64::MAX).await?))
    }
}

impl OpenSession {
    fn is_alive(&self) -> bool {
        self.used.elapsed() < IDLE && self.session.began.elapsed() < LIFETIME
    }
}
