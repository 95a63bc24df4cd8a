//! A server for tests. Its data is in a private temporary folder, is never synced to the disk, and is removed at the end.
//!
//! A reset brings the server back to what it was started with: it opens a copy of the database as it was then, makes a
//! new service on the copy, and answers further requests with this service. So nothing can be forgotten: connectors,
//! revisions, clients, sessions, caches, rate limits and faults begin anew. Tokens stay valid, because the copy has the
//! same signing key. Requests in flight end on the service that they began on.

mod folder;

use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use arc_swap::ArcSwap;
use axum::BoxError;
use axum::response::Response;
use bytes::Bytes;
use connectory_folder::lint::Limits;
use connectory_model::access::{Scope, UserLevel};
use connectory_model::limits::RESETS_WAITING;
use connectory_store::{AccessOrigin, NewClient, Store, StoreError, Unavailable};
use http::Request;
use tempfile::TempDir;
use tokio::sync::mpsc;

pub use self::folder::Folder;
use self::folder::path_in;
use crate::catalog::builtin::{self, CatalogError};
use crate::options::{Options, ResetRequest, Resets};
use crate::registry::LoadError;
use crate::service::Service;
use crate::state::{ServerState, StartError};

/// The name of the tenant.
const TENANT: &str = "default";

/// What a server for tests starts with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The id of the client, an administrator with every right.
    pub client_id: String,
    /// The secret of the client. It needs no protection.
    pub client_secret: String,
    /// Folders of connector folders, and JSON files of connectors, whose connectors are custom connectors of the tenant.
    pub load: Vec<PathBuf>,
    /// The options of the server.
    pub options: Options,
}

impl Default for Setup {
    /// A client whose id and secret are both `test`, no custom connectors, and the default options.
    fn default() -> Self {
        let [client_id, client_secret] = ["test"; 2].map(str::to_owned);
        Self { client_id, client_secret, load: Vec::new(), options: Options::default() }
    }
}

/// The reason why a server for tests cannot start, or cannot be reset.
#[derive(Debug, thiserror::Error)]
pub enum EphemeralError {
    /// The temporary folder failed.
    #[error("the temporary folder: {0}")]
    Folder(#[from] std::io::Error),
    /// The server cannot start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A folder or file with connectors cannot be read.
    #[error(transparent)]
    Read(#[from] CatalogError),
    /// A connector cannot be loaded.
    #[error("{}: {error}", .path.display())]
    Load {
        /// The folder or file with the connector.
        path: PathBuf,
        /// Why it cannot be loaded.
        error: Box<LoadError>,
    },
    /// The service cannot be made.
    #[error(transparent)]
    Service(BoxError),
}

impl From<StoreError> for EphemeralError {
    fn from(error: StoreError) -> Self {
        Self::Start(error.into())
    }
}

impl From<EphemeralError> for StoreError {
    fn from(error: EphemeralError) -> Self {
        match error {
            EphemeralError::Start(StartError::Store(error)) => error,
            EphemeralError::Folder(error)
                if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) =>
            {
                Unavailable::Full.into()
            }
            other => Self::Commit(other.to_string()),
        }
    }
}

/// Makes the service on the state of a server.
type MakeService = dyn Fn(Arc<ServerState>) -> Result<Service, BoxError> + Send + Sync;

/// A server for tests.
pub struct Ephemeral {
    current: Arc<ArcSwap<Service>>,
    /// The service before the last reset, which requests in flight may still use.
    previous: Mutex<Option<Arc<Service>>>,
    options: Options,
    /// Takes the requests to reset this server. The services have senders, so that it is closed with the last of them.
    requests: mpsc::WeakSender<ResetRequest>,
    make: Box<MakeService>,
    // Removed after the databases in it are closed.
    folder: Arc<Folder>,
}

impl Ephemeral {
    /// Starts a server with the API alone.
    pub async fn start(setup: Setup) -> Result<Arc<Self>, EphemeralError> {
        Self::start_in(Arc::new(Folder::new()?), setup, |server| Ok(Service::new(server))).await
    }

    /// Starts a server in a folder. `make` makes its service, now and at each reset.
    pub async fn start_in(
        folder: Arc<Folder>,
        setup: Setup,
        make: impl Fn(Arc<ServerState>) -> Result<Service, BoxError> + Send + Sync + 'static,
    ) -> Result<Arc<Self>, EphemeralError> {
        let (sender, receiver) = mpsc::channel(RESETS_WAITING);
        let Setup { client_id, client_secret, load, options } = setup;
        let database = folder.new_database()?;
        let store = Store::open_without_syncs(&path_in(&database))?;
        let name = "first client".to_owned();
        let scopes = [Scope::All].into();
        let client = NewClient::with_known_secret(client_id, &client_secret, name, UserLevel::OrgAdmin, scopes);
        let origin = AccessOrigin::operator("--ephemeral".to_owned());
        store.bootstrap(TENANT.to_owned(), client, origin.clone()).await?;
        store.note_address(options.public_url.clone()).await?;
        let options_here = with_resets(&options, &sender, &database);
        let server = ServerState::new(store, options_here).await?;
        let tenant = server.store.tenant(None).await?.ok_or(StoreError::Closed)?;
        let tenant = server.catalog.tenant(tenant.id).await?;
        for path in load {
            let limits = Limits { document: options.max_document, connector: options.max_connector };
            let connectors = builtin::read(&path, limits)?;
            let loaded = server.registry.load(&tenant, &origin.origin, connectors).await;
            loaded.map_err(|error| EphemeralError::Load { path, error: error.into() })?;
        }
        server.store.copy_to(folder.loaded()).await?;
        folder.point_to(&path_in(&database))?;
        let service = make(server).map_err(EphemeralError::Service)?;
        let current = Arc::new(ArcSwap::from_pointee(service));
        let (previous, make) = (Mutex::default(), Box::new(make));
        let this = Arc::new(Self { current, previous, options, requests: sender.downgrade(), make, folder });
        tokio::spawn(reset_on_request(Arc::downgrade(&this), receiver));
        Ok(this)
    }

    /// The service that answers at the moment. A reset replaces it.
    pub fn service(&self) -> Arc<ArcSwap<Service>> {
        Arc::clone(&self.current)
    }

    /// Responds to a request, without a network.
    pub async fn answer<B>(&self, request: Request<B>, peer: IpAddr) -> Response
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        self.current.load_full().answer(request, peer).await
    }

    /// Makes a service on a copy of the database as it was at the start.
    async fn reset(&self) -> Result<(), EphemeralError> {
        let folder = Arc::clone(&self.folder);
        let opened = tokio::task::spawn_blocking(move || {
            let database = folder.new_database()?;
            std::fs::copy(folder.loaded(), path_in(&database))?;
            let store = Store::open_without_syncs(&path_in(&database))?;
            Ok::<_, EphemeralError>((store, database))
        });
        let (store, database) = opened.await.map_err(|_| StoreError::Closed)??;
        let requests = self.requests.upgrade().ok_or(StoreError::Closed)?;
        let server = ServerState::new(store, with_resets(&self.options, &requests, &database)).await?;
        let service = (self.make)(server).map_err(EphemeralError::Service)?;
        self.folder.point_to(&path_in(&database))?;
        let replaced = self.current.swap(Arc::new(service));
        let unused = self.previous.lock().unwrap_or_else(PoisonError::into_inner).replace(replaced);
        // Closing a database takes a while.
        tokio::task::spawn_blocking(|| drop(unused));
        Ok(())
    }
}

/// Resets the server, one request after the other, until the server is dropped.
async fn reset_on_request(server: Weak<Ephemeral>, mut requests: mpsc::Receiver<ResetRequest>) {
    while let Some(request) = requests.recv().await {
        let Some(server) = server.upgrade() else { return };
        let done = server.reset().await;
        let _nobody_waits = request.0.send(done.map_err(StoreError::from));
    }
}

/// The options of a service whose database is in a folder.
fn with_resets(options: &Options, requests: &mpsc::Sender<ResetRequest>, folder: &Arc<TempDir>) -> Options {
    let resets = Resets { requests: requests.clone(), _folder: Arc::clone(folder) };
    Options { resets: Some(resets), ..options.clone() }
}
