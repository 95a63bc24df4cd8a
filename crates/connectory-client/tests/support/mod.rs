//! A real server, in this process.

use std::sync::Arc;

use connectory_client::{Client, Environment};
use connectory_model::access::{Scope, UserLevel};
use connectory_server::http::listen::{self, Connections};
use connectory_server::{Options, ServerState, Service};
use connectory_store::{AccessOrigin, NewClient, Store};
use tempfile::TempDir;

/// A server on a new database, with one API client.
pub struct Server {
    pub environment: Environment,
    #[allow(dead_code, reason = "not every test looks at what is stored")]
    pub state: Arc<ServerState>,
    _folder: TempDir,
}

impl Server {
    /// Starts a server on a free port.
    pub async fn start(options: Options) -> Self {
        let folder = TempDir::new().unwrap();
        let store = Store::open_without_syncs(&folder.path().join("c.db")).unwrap();
        let (id, name) = ("id".to_owned(), "test".to_owned());
        let client = NewClient::with_known_secret(id, "secret", name, UserLevel::OrgAdmin, [Scope::All].into());
        store.bootstrap("default".to_owned(), client, AccessOrigin::operator("test".to_owned())).await.unwrap();
        let app = ServerState::new(store, options).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let environment = Environment {
            base_url: format!("http://{}", listener.local_addr().unwrap()),
            client_id: "id".to_owned(),
            client_secret: "secret".to_owned(),
        };
        let service = Arc::new(Service::new(Arc::clone(&app)));
        let answer = move |request, peer| Arc::clone(&service).answer(request, peer);
        tokio::spawn(listen::serve(listener, Connections::default(), answer, std::future::pending()));
        Self { environment, state: app, _folder: folder }
    }

    /// A client with the defaults of the SDK.
    #[allow(dead_code, reason = "not every test needs one")]
    pub fn client(&self) -> Client {
        Client::builder(self.environment.clone()).build().unwrap()
    }
}

/// The default options without a rate limit.
pub fn unlimited() -> Options {
    Options { rate_limit: None, ..Options::default() }
}
