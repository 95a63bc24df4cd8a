//! Sessions of those who are signed in. The browser has the random id of a session in a cookie. The database has the
//! session under the hash of its id, so that a restart signs nobody out and a copy of the database lets nobody in (D30).
//!
//! A session has the rights that its client has now: client and session are read again every few seconds, as for tokens.
//! So a client that is deleted or gets fewer rights loses its sessions or their rights. In between, the session is in
//! memory. That a session does not exist is never remembered.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use connectory_model::access::{Scopes, UserLevel};
use connectory_model::limits::{SESSION_IDLE, SESSION_LIFETIME, SESSION_TOUCH, SESSIONS_CACHED};
use connectory_server::auth::{Auth, Caller, Present, Principal, secret};
use connectory_server::version::VersionName;
use connectory_server::work::{address, tracking_id};
use connectory_store::{
    AccessOrigin, Author, AuthorKind, Ended, NewSession, Origin, SessionHash, Store, StoreError, TenantId,
};
use http::{HeaderMap, HeaderValue};
use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::cookie::{Cookies, SESSION};

/// The sessions of a server.
pub struct Sessions {
    auth: Arc<Auth>,
    store: Store,
    cookies: Cookies,
    /// The sessions that were used last.
    current: Cache<SessionHash, Arc<Session>>,
    /// The number of sessions that were ended. A session that was read before it ended is not kept.
    ended: AtomicU64,
}

/// A session.
pub struct Session {
    hash: SessionHash,
    csrf: String,
    principal: ArcSwap<Principal>,
    /// The time of the last use that is known, in milliseconds since 1970-01-01 UTC. The database may have an earlier one.
    used_at: AtomicI64,
    /// The time of the use that was last written, or should have been.
    touched_at: AtomicI64,
}

/// Someone who has proved who they are, and begins a session.
pub struct Arrival {
    /// The client or person.
    pub author: Author,
    /// The tenant.
    pub tenant: TenantId,
    /// The rights of a person. None for a client, whose rights are those of its row.
    pub rights: Option<(UserLevel, Scopes)>,
}

impl Session {
    /// The token that every form of the session has. It is made of the session's id, so it is nowhere stored.
    pub fn csrf(&self) -> &str {
        &self.csrf
    }

    /// Whether a token is the one of the session. Takes the same time for every token of the same length.
    pub fn is_csrf_token(&self, token: &str) -> bool {
        self.csrf.as_bytes().ct_eq(token.as_bytes()).into()
    }
}

impl Sessions {
    /// The sessions that a store has.
    pub fn new(auth: Arc<Auth>, store: Store, cookies: Cookies) -> Self {
        Self { auth, store, cookies, current: Cache::new(SESSIONS_CACHED), ended: AtomicU64::new(0) }
    }

    /// Begins a session, and ends the one that the request has. Returns the header that sets the cookie.
    pub async fn begin(&self, headers: &HeaderMap, arrival: Arrival) -> Result<HeaderValue, StoreError> {
        let Arrival { author, tenant, rights } = arrival;
        let (id, now) = (secret::new_secret(), self.now());
        let replaces = self.cookies.value(headers, SESSION).map(|id| hash_of(&id));
        let new = NewSession { hash: hash_of(&id), tenant, rights, created_at: now, replaces };
        let ended = Ended { created_before: before(now, SESSION_LIFETIME), used_before: before(now, SESSION_IDLE) };
        let by = AccessOrigin { origin: Origin { author, tracking_id: tracking_id() }, address: Some(address()) };
        self.store.begin_session(new, ended, by).await?;
        if let Some(replaced) = replaces {
            self.forget(&replaced);
        }
        Ok(self.cookies.set(SESSION, id, SESSION_LIFETIME))
    }

    /// The session of a request, with a caller who has the rights of now.
    pub async fn find(&self, headers: &HeaderMap) -> Result<Option<(Arc<Session>, Caller)>, StoreError> {
        let Some(id) = self.cookies.value(headers, SESSION) else { return Ok(None) };
        let (hash, now) = (hash_of(&id), self.now());
        let known = self.current.get(&hash);
        let present = known.as_ref().and_then(|session| {
            let principal = session.principal.load_full();
            let tenant = principal.current(self.auth.clock())?;
            Some((Arc::clone(session), (principal, tenant)))
        });
        let found = match present {
            Some(present) => Some(present),
            None => self.read(&id, hash, known, now).await?,
        };
        let Some((session, present)) = found else {
            self.current.remove(&hash);
            return Ok(None);
        };
        session.used_at.fetch_max(now, Ordering::Relaxed);
        self.touch(&session, now);
        let caller = Caller::new(present, VersionName::ConnectorsV1.version());
        Ok(Some((session, caller)))
    }

    /// Reads a session and the rights of its client. `known` is what this process knows of it.
    async fn read(
        &self,
        id: &str,
        hash: SessionHash,
        known: Option<Arc<Session>>,
        now: i64,
    ) -> Result<Option<(Arc<Session>, Present)>, StoreError> {
        let ended = self.ended.load(Ordering::SeqCst);
        // If a use could not be written, the database has an earlier one. So the session is found by its beginning.
        let alive = Ended { created_before: before(now, SESSION_LIFETIME), used_before: i64::MIN };
        let Some(stored) = self.store.session(hash, alive).await? else { return Ok(None) };
        let known_use = known.as_ref().map_or(i64::MIN, |known| known.used_at.load(Ordering::Relaxed));
        if stored.used_at.max(known_use) <= before(now, SESSION_IDLE) {
            return Ok(None);
        }
        let (author, (level, scopes)) = match stored.rights {
            Some(rights) => (stored.author, rights),
            None => match self.store.client(stored.author.id).await? {
                Some(client) if client.tenant.id == stored.tenant.id => {
                    let author = Author { kind: AuthorKind::Client, id: client.id, name: Some(client.name) };
                    (author, (client.level, client.scopes))
                }
                _ => return Ok(None),
            },
        };
        let ends_at = u64::try_from(stored.created_at).unwrap_or_default() / 1000 + SESSION_LIFETIME.as_secs();
        let present = self.auth.principal_until(author, level, scopes, stored.tenant, ends_at).await?;
        let principal = Arc::clone(&present.0);
        if let Some(known) = known {
            known.principal.store(principal);
            return Ok(Some((known, present)));
        }
        let session = Arc::new(Session {
            hash,
            csrf: csrf_of(id),
            principal: ArcSwap::new(principal),
            used_at: AtomicI64::new(stored.used_at),
            touched_at: AtomicI64::new(stored.used_at),
        });
        self.current.insert(hash, Arc::clone(&session));
        if self.ended.load(Ordering::SeqCst) != ended {
            self.current.remove(&hash);
        }
        Ok(Some((session, present)))
    }

    /// Writes the use of a session, once in a minute at most. The page does not wait for it. If it fails, the session goes
    /// on, and the next minute tries again.
    fn touch(&self, session: &Session, now: i64) {
        let touched_at = session.touched_at.load(Ordering::Relaxed);
        let is_due = touched_at <= before(now, SESSION_TOUCH);
        // Of several pages at a time, one writes.
        if is_due && session.touched_at.compare_exchange(touched_at, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            let (store, hash) = (self.store.clone(), session.hash);
            tokio::spawn(async move {
                if let Err(error) = store.touch_session(hash, now).await {
                    tracing::warn!(%error, "could not note that a session was used");
                }
            });
        }
    }

    /// Ends the session of a caller. Returns the header that removes its cookie.
    pub async fn end(&self, session: &Session, caller: &Caller) -> Result<HeaderValue, StoreError> {
        self.store.end_session(session.hash, caller.access_origin()).await?;
        self.forget(&session.hash);
        Ok(self.cookies.remove(SESSION))
    }

    /// Removes a session from memory that is not in the database any more.
    fn forget(&self, hash: &SessionHash) {
        self.ended.fetch_add(1, Ordering::SeqCst);
        self.current.remove(hash);
    }

    /// The time of the server's clock, in milliseconds since 1970-01-01 UTC.
    fn now(&self) -> i64 {
        i64::try_from(self.auth.clock().unix_seconds()).unwrap_or(i64::MAX).saturating_mul(1000)
    }
}

/// The time before another one.
fn before(now: i64, by: Duration) -> i64 {
    now.saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX))
}

/// What the database has instead of the id of a session.
fn hash_of(id: &str) -> SessionHash {
    Sha256::digest(id).into()
}

/// The token of the forms of a session. No one can compute it or the id from the other hash.
fn csrf_of(id: &str) -> String {
    let digest = Sha256::new().chain_update("connectory csrf token of ").chain_update(id).finalize();
    BASE64_URL_SAFE_NO_PAD.encode(digest)
}
