//! Sessions of those who are signed in. They are in memory, under a random id that the browser has in a cookie.
//!
//! A session has the rights that its client has now: the client is read again every few seconds, as for tokens. So a
//! client that is deleted or gets fewer rights loses its sessions or their rights. Sessions end with the process (D30):
//! after a restart administrators sign in again, and no session is on disk.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use connectory_model::access::{Scopes, UserLevel};
use connectory_server::auth::{Auth, Caller, Principal, secret};
use connectory_server::version::VersionName;
use connectory_store::{Author, AuthorKind, Store, StoreError};
use http::{HeaderMap, HeaderValue};
use subtle::ConstantTimeEq;

use super::cookie::{Cookies, cookie_value};
use crate::frame::error::PageError;
use crate::frame::texts::Message;

/// The time without a request after which a session ends (D30).
const IDLE: Duration = Duration::from_hours(1);
/// The longest time that a session lasts (D30).
const LIFETIME: Duration = Duration::from_hours(12);
/// The largest number of sessions. A new one then replaces the one that was unused for the longest time.
const MAX_SESSIONS: usize = 10_000;
/// The name of the cookie.
const COOKIE: &str = "connectory_session";

/// The sessions of a server.
pub struct Sessions {
    auth: Arc<Auth>,
    store: Store,
    cookies: Cookies,
    open: Mutex<HashMap<String, OpenSession>>,
}

struct OpenSession {
    session: Arc<Session>,
    used: Instant,
}

/// A session.
pub struct Session {
    identity: Identity,
    csrf: String,
    began: Instant,
    principal: ArcSwap<Principal>,
}

/// The identity with which someone signed in.
#[derive(Debug, Clone)]
pub enum Identity {
    /// An API client, with its id and secret.
    Client(String),
    /// A person, at an OpenID provider.
    Person(Person),
}

/// A person whom an OpenID provider knows.
#[derive(Debug, Clone)]
pub struct Person {
    /// The author of their changes.
    pub author: Author,
    /// The user level.
    pub level: UserLevel,
    /// The scopes.
    pub scopes: Scopes,
    /// The tenant.
    pub tenant: connectory_store::Tenant,
}

impl Session {
    /// The token that every form of the session has.
    pub fn csrf(&self) -> &str {
        &self.csrf
    }

    /// Whether a token is the one of the session. Takes the same time for every token of the same length.
    pub fn is_csrf_token(&self, token: &str) -> bool {
        self.csrf.as_bytes().ct_eq(token.as_bytes()).into()
    }
}

impl Sessions {
    /// No sessions yet.
    pub fn new(auth: Arc<Auth>, store: Store, cookies: Cookies) -> Self {
        Self { auth, store, cookies, open: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, OpenSession>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a session. Returns the header that sets its cookie.
    pub async fn begin(&self, identity: Identity) -> Result<HeaderValue, PageError> {
        let principal = self.principal(&identity).await?;
        let principal = principal.ok_or_else(|| PageError::forbidden(Message::new("error.no_client")))?;
        let now = self.auth.clock().now();
        let session = Session { identity, csrf: secret::new_secret(), began: now, principal: ArcSwap::new(principal) };
        let id = secret::new_secret();
        let mut sessions = self.lock();
        sessions.retain(|_, entry| entry.is_alive(now));
        if sessions.len() >= MAX_SESSIONS
            && let Some(oldest) = sessions.iter().min_by_key(|(_, entry)| entry.used).map(|(id, _)| id.clone())
        {
            sessions.remove(&oldest);
        }
        sessions.insert(id.clone(), OpenSession { session: Arc::new(session), used: now });
        Ok(self.cookies.set(COOKIE, id, "/", LIFETIME))
    }

    /// The session of a request, with a caller who has the rights of now.
    pub async fn find(&self, headers: &HeaderMap) -> Result<Option<(Arc<Session>, Caller)>, StoreError> {
        let Some(id) = cookie_value(headers, COOKIE) else { return Ok(None) };
        let now = self.auth.clock().now();
        let session = {
            let mut sessions = self.lock();
            match sessions.get_mut(&id) {
                Some(entry) if entry.is_alive(now) => {
                    entry.used = now;
                    Arc::clone(&entry.session)
                }
                _ => return Ok(None),
            }
        };
        if !session.principal.load().is_current(self.auth.clock()) {
            let Some(current) = self.principal(&session.identity).await? else {
                self.lock().remove(&id);
                return Ok(None);
            };
            session.principal.store(current);
        }
        let caller = Caller::new(session.principal.load_full(), VersionName::ConnectorsV1.version());
        Ok(Some((session, caller)))
    }

    /// Ends a session. Returns the header that removes its cookie.
    pub fn end(&self, headers: &HeaderMap) -> HeaderValue {
        if let Some(id) = cookie_value(headers, COOKIE) {
            self.lock().remove(&id);
        }
        self.cookies.remove(COOKIE, "/")
    }

    /// The rights that an identity has now.
    async fn principal(&self, identity: &Identity) -> Result<Option<Arc<Principal>>, StoreError> {
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
        // It ends with the session, not with a token.
        Ok(Some(self.auth.principal_until(author, level, scopes, tenant, u64::MAX).await?))
    }
}

impl OpenSession {
    fn is_alive(&self, now: Instant) -> bool {
        now - self.used < IDLE && now - self.session.began < LIFETIME
    }
}
