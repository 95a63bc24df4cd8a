//! The options of a server.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use connectory_folder::lint::Limits;
use connectory_model::limits;
use connectory_store::{StoreError, TenantId};
use futures_util::future::BoxFuture;
use http::HeaderValue;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};

use crate::clock::Clock;
use crate::faults::Faults;
use crate::rate_limit::RateLimit;
use crate::trusted_proxies::TrustedProxies;

/// The options of a server.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether the connectors in this program are built-in connectors.
    pub embedded_catalog: bool,
    /// The paths of additional catalogs of built-in connectors.
    pub catalogs: Vec<PathBuf>,
    /// The rate limit per client and API version. None means no limit.
    pub rate_limit: Option<RateLimit>,
    /// The lifetime of issued tokens.
    pub token_lifetime: Duration,
    /// The largest request body, in bytes.
    pub max_request: usize,
    /// The largest document, in bytes.
    pub max_document: usize,
    /// The largest connector, in bytes of JSON.
    pub max_connector: usize,
    /// The largest set of changes that is applied at once, in bytes before compression.
    pub max_apply: usize,
    /// The memory limit for all request bodies together, in bytes.
    pub max_bodies: usize,
    /// The memory limit for all responses that are being sent, together, in bytes.
    pub max_answers: usize,
    /// The memory limit for the lists of all tenants together, in bytes. A tenant that is asked for stays, however large.
    pub catalog_memory: usize,
    /// Whether all tenants are loaded at the start, as far as their memory allows.
    pub preload: bool,
    /// How current reads are, if other processes commit to the database.
    pub reads: Reads,
    /// Makes the server believe that other processes commit to the database. Only tests set it.
    pub played_nodes: Option<PlayedNodes>,
    /// The proxies whose forwarded client addresses are trusted.
    pub trusted_proxies: Arc<TrustedProxies>,
    /// The origins whose programs in browsers may use the API, or `*`. None may by default (D83).
    pub cors_origins: Arc<[HeaderValue]>,
    /// The clock of the server. Only tests turn it.
    pub clock: Clock,
    /// Takes the requests to reset the server. Only a server for tests can be reset.
    pub resets: Option<Resets>,
    /// Whether the server stops, so that it is not ready. A reset does not change that.
    pub stopping: Arc<AtomicBool>,
    /// The address at which clients reach the server, without a slash at its end.
    pub public_url: String,
    /// The pages for people that `/oauth/info` names.
    pub pages: Pages,
    /// What people call the environment of this server, if they have several.
    pub environment: Option<Arc<Environment>>,
    /// What is measured of the backups that are made of the database. None if none are made.
    pub backups: Option<BackupMetrics>,
    /// What is measured of retention. None if every body is kept.
    pub retention: Option<RetentionMetrics>,
    /// The faults that requests get. None means that nothing goes wrong on purpose.
    pub faults: Option<Arc<Faults>>,
}

impl Options {
    /// The limits of connector folders that this server takes.
    pub fn folder_limits(&self) -> Limits {
        Limits { document: self.max_document, connector: self.max_connector }
    }
}

/// An environment, such as production, as the console shows it on every page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// Its name.
    pub name: String,
    /// The colour of its badge.
    pub colour: EnvironmentColour,
}

/// The colour of an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EnvironmentColour {
    /// Grey.
    #[default]
    Grey,
    /// Blue.
    Blue,
    /// Green.
    Green,
    /// Amber.
    Amber,
    /// Red.
    Red,
}

impl EnvironmentColour {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Grey, Self::Blue, Self::Green, Self::Amber, Self::Red];

    /// The colour's word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Grey => "grey",
            Self::Blue => "blue",
            Self::Green => "green",
            Self::Amber => "amber",
            Self::Red => "red",
        }
    }
}

/// What is measured of the backups of a database. Clones share the values.
#[derive(Debug, Clone, Default)]
pub struct BackupMetrics {
    /// The time of the newest backup, in seconds since 1970-01-01 UTC. 0 if there is none.
    pub last_success: Gauge,
    /// The bytes of the newest backup.
    pub last_bytes: Gauge,
    /// The attempts that failed.
    pub failures: Counter,
}

/// What is measured of retention, by this server. Clones share the values.
#[derive(Debug, Clone, Default)]
pub struct RetentionMetrics {
    /// The revisions whose bodies were removed.
    pub bodies: Counter,
    /// The bytes that their bodies and parts had.
    pub bytes: Counter,
    /// The time at which the last pass ended, in seconds since 1970-01-01 UTC. 0 if none has.
    pub last_pass: Gauge,
    /// The steps that failed.
    pub failures: Counter,
}

/// How current the answers to reads are, if other processes commit to the database (D45).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reads {
    /// A read sees everything that was acknowledged before it, by whichever process.
    #[default]
    Fresh,
    /// A read is answered from memory.
    Local {
        /// The most time that an answer may be behind.
        max_staleness: Duration,
    },
}

/// The other processes of a database, as a test plays them.
#[derive(Clone)]
pub struct PlayedNodes {
    /// Takes the place of [`Store::fresh`](connectory_store::Store::fresh).
    pub fresh: Arc<dyn Fn(TenantId) -> BoxFuture<'static, Result<(), StoreError>> + Send + Sync>,
    /// Takes the place of [`Store::lag`](connectory_store::Store::lag).
    pub lag: Duration,
}

impl fmt::Debug for PlayedNodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlayedNodes").field("lag", &self.lag).finish_non_exhaustive()
    }
}

/// Takes the requests to reset a server for tests.
#[derive(Debug, Clone)]
pub struct Resets {
    pub(crate) requests: mpsc::Sender<ResetRequest>,
    /// The folder of the database. It is removed when the last request of the service on it has ended.
    pub(crate) _folder: Arc<TempDir>,
}

/// The sender of the result of a reset.
#[derive(Debug)]
pub(crate) struct ResetRequest(pub oneshot::Sender<Result<(), StoreError>>);

impl Resets {
    /// Requests a reset. Returns the receiver of its result, or none if too many wait.
    pub(crate) fn request(&self) -> Option<oneshot::Receiver<Result<(), StoreError>>> {
        let (done, result) = oneshot::channel();
        self.requests.try_send(ResetRequest(done)).ok().map(|()| result)
    }
}

/// The paths of the pages on which people sign in and out.
#[derive(Debug, Clone, Copy)]
pub struct Pages {
    /// The page for signing in.
    pub sign_in: &'static str,
    /// The page for signing out.
    pub sign_out: &'static str,
}

impl Pages {
    /// The page that a server without a console has in their place: the reference page, which says how programs sign in.
    pub const REFERENCE: Self = Self { sign_in: "/docs/", sign_out: "/docs/" };
}

impl Default for Options {
    fn default() -> Self {
        Self {
            embedded_catalog: true,
            catalogs: Vec::new(),
            rate_limit: Some(RateLimit::STANDARD),
            token_lifetime: Duration::from_mins(12),
            max_request: limits::REQUEST_BYTES,
            max_document: limits::DOCUMENT_BYTES,
            max_connector: limits::CONNECTOR_BYTES,
            max_apply: limits::APPLY_BYTES,
            max_bodies: limits::BODIES_BYTES,
            max_answers: limits::ANSWERS_BYTES,
            catalog_memory: limits::CATALOG_BYTES,
            preload: false,
            reads: Reads::default(),
            played_nodes: None,
            trusted_proxies: Arc::default(),
            cors_origins: Arc::default(),
            clock: Clock::default(),
            resets: None,
            stopping: Arc::default(),
            public_url: "http://127.0.0.1:8080".to_owned(),
            pages: Pages::REFERENCE,
            environment: None,
            backups: None,
            retention: None,
            faults: None,
        }
    }
}

/// The OpenID provider for signing in to the console, and the groups that may sign in.
#[derive(Debug, Clone)]
pub struct OidcOptions {
    /// The provider's issuer.
    pub issuer: String,
    /// The client id of this server at the provider.
    pub client_id: String,
    /// The client secret of this server at the provider. A public client has none.
    pub client_secret: Option<String>,
    /// The name of the claim that contains a person's groups.
    pub groups_claim: String,
    /// The group whose members can manage connectors and API clients.
    pub admin_group: Option<String>,
    /// The group whose members can see connectors.
    pub reader_group: Option<String>,
    /// The name of the tenant of all people who sign in.
    pub tenant: String,
}
