//! `connectory serve`: start, tell where and as whom to connect, serve until told to stop.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use connectory_model::access::{Scope, UserLevel};
use connectory_model::limits::{BLOCKING_THREADS, LOG_LINES, METRICS_CONNECTIONS, OWN_DESCRIPTORS};
use connectory_server::auth::secret;
use connectory_server::listen::Connections;
use connectory_server::router::Service;
use connectory_server::{App, listen};
use connectory_store::{NewClient, Store};
use http::Request;
use hyper::body::Incoming;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder};
use tracing_subscriber::EnvFilter;

use crate::settings::{ServeArguments, Settings};

const TENANT: &str = "default";
const CLIENT_ID: &str = "CONNECTORY_CLIENT_ID";
const CLIENT_SECRET: &str = "CONNECTORY_CLIENT_SECRET";

/// Runs the server.
pub fn run(arguments: ServeArguments) -> Result<()> {
    connectory_memory::give_back_soon();
    let settings = arguments.settings()?;
    let filter = EnvFilter::try_new(&settings.log).with_context(|| format!("`{}` is no log filter", settings.log))?;
    // Nobody may read the log. So it is written by a thread of its own, and what waits too long for that is dropped.
    let (writer, written) =
        NonBlockingBuilder::default().lossy(true).buffered_lines_limit(LOG_LINES).finish(std::io::stderr());
    let dropped = writer.error_counter();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
        .context("cannot start the runtime")?;
    let served = runtime.block_on(serve(settings, &dropped));
    // What is still to be logged is, if it is read within a second.
    drop(written);
    served
}

/// Raises the limit on descriptors as far as it goes. Returns how many connections there may be of those that are wanted.
fn connections(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let granted = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    let most = granted.map_or(usize::MAX, |granted| usize::try_from(granted).unwrap_or(usize::MAX));
    let most = most.saturating_sub(OWN_DESCRIPTORS).max(1);
    if wanted > most {
        tracing::warn!(wanted, most, "fewer connections than wanted: the system grants no more descriptors");
    }
    wanted.min(most)
}

async fn serve(settings: Settings, dropped: &ErrorCounter) -> Result<()> {
    let Settings { listen, metrics_listen, database, public_url, max_connections, per_peer, mut options, .. } =
        settings;
    let connections =
        Connections { most: connections(max_connections), per_peer, trusted: Arc::clone(&options.trusted_proxies) };
    let store = Store::open(&database)?;
    let bind = async |address: SocketAddr| {
        TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
    };
    let listener = bind(listen).await?;
    let metrics_listener = match metrics_listen {
        Some(address) => Some(bind(address).await?),
        None => None,
    };
    options.public_url = match public_url {
        Some(url) => url,
        None => local_url(&listener)?,
    };
    let base_url = options.public_url.clone();
    let first = first_client(&store).await?;
    let app = App::new(store, options).await?;
    println!(
        "connectory {} is ready at {base_url}: {} built-in connectors, database {}",
        env!("CARGO_PKG_VERSION"),
        app.builtin_count(),
        database.display()
    );
    if let Some(client) = first {
        print_first_client(&base_url, &database, &client);
    }
    if let Some(listener) = metrics_listener {
        println!("Metrics are at {}/metrics", local_url(&listener)?);
        let app = Arc::clone(&app);
        let dropped = dropped.clone();
        let answer = move |request: Request<Incoming>, _| {
            std::future::ready(app.metrics.answer(&request, dropped.dropped_lines() as u64))
        };
        // A collector has one connection, and another one where it is made new.
        let connections = Connections { most: METRICS_CONNECTIONS, ..connections.clone() };
        tokio::spawn(listen::serve(listener, connections, answer, std::future::pending()));
    }
    let stop = stop_signal()?;
    let service = Arc::new(Service::new(app));
    let answer = move |request, peer| Arc::clone(&service).answer(request, peer);
    listen::serve(listener, connections, answer, stop).await;
    Ok(())
}

/// The client that the first start created.
struct FirstClient {
    id: String,
    secret: Option<String>,
}

/// Creates the tenant and its client, if there is no tenant yet. A generated secret is returned, a given one is not.
async fn first_client(store: &Store) -> Result<Option<FirstClient>> {
    let given = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let (given_id, given_secret) = (given(CLIENT_ID), given(CLIENT_SECRET));
    if !store.tenants().await?.is_empty() {
        if let Some(id) = given_id
            && store.client(id).await?.is_none()
        {
            tracing::warn!("{CLIENT_ID} names no client; it is used on the first start only: see `connectory client`");
        }
        return Ok(None);
    }
    let id = given_id.unwrap_or_else(secret::new_id);
    let generated = given_secret.is_none().then(secret::new_secret);
    let secret = given_secret.or_else(|| generated.clone()).unwrap_or_default();
    let (name, new_id) = ("first client".to_owned(), id.clone());
    let client = tokio::task::spawn_blocking(move || {
        NewClient::with_secret(new_id, &secret, name, UserLevel::OrgAdmin, vec![Scope::All])
    });
    let created = store.bootstrap(TENANT.to_owned(), client.await?).await?;
    Ok(created.then_some(FirstClient { id, secret: generated }))
}

fn print_first_client(base_url: &str, database: &Path, client: &FirstClient) {
    println!(
        "\nThis is the first start with {}: the tenant `{TENANT}` and an API client were created.",
        database.display()
    );
    match &client.secret {
        Some(secret) => println!(
            "Its secret is not shown again. For the official SDKs:\n\n\
             export SAIL_BASE_URL={base_url}\nexport SAIL_CLIENT_ID={}\nexport SAIL_CLIENT_SECRET={secret}\n",
            client.id
        ),
        None => println!("Its id is {}, its secret the one in {CLIENT_SECRET}.\n", client.id),
    }
}

/// The address to reach the listener from this machine.
fn local_url(listener: &TcpListener) -> Result<String> {
    let address = listener.local_addr().context("the listener has no address")?;
    Ok(if address.ip().is_unspecified() {
        format!("http://localhost:{}", address.port())
    } else {
        format!("http://{address}")
    })
}

/// Resolves on Ctrl-C and, where there is one, on SIGTERM.
fn stop_signal() -> Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    let mut terminate =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    Ok(async move {
        #[cfg(unix)]
        let terminated = terminate.recv();
        #[cfg(not(unix))]
        let terminated = std::future::pending::<Option<()>>();
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminated => {}
        }
    })
}
