//! `connectory serve`: starts the server, prints its address and its first client, and serves until a signal ([`stop`]).

mod backup_options;
mod backups;
mod clean_up;
mod database_clock;
mod ephemeral;
mod ephemeral_options;
mod file;
mod first_start;
mod leases;
mod record;
mod retention;
pub mod settings;
mod stop;
pub mod values;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result};
use arc_swap::ArcSwap;
use connectory_model::limits::{BLOCKING_THREADS, CLOSE_TIMEOUT, LOG_LINES, METRICS_CONNECTIONS, OWN_DESCRIPTORS};
use connectory_server::clock::Clock;
use connectory_server::ephemeral::{Ephemeral, Setup};
use connectory_server::http::listen::{self, Connections};
use connectory_server::options::{BackupMetrics, OidcOptions, Options, Pages, RetentionMetrics};
use connectory_server::{ServerState, Service};
use connectory_store::{Retention, Store};
use futures_util::future::Either;
use http::Request;
use hyper::body::Incoming;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder};

use self::backups::{Backups, Schedule};
use self::clean_up::CleaningUp;
use self::ephemeral::{Around, Opened, PortFile, recorder, remove_files};
use self::first_start::{Clients, client_of_tests, create_first_client, print_clients};
use self::record::Recorder;
use self::retention::Retaining;
use self::settings::{ServeCommand, Settings};
use self::stop::Stop;

/// Runs the server.
pub fn run(command: ServeCommand) -> Result<()> {
    connectory_memory::give_back_soon();
    let settings = command.settings()?;
    // The reader of standard error may be slow. A thread writes the log, and drops lines when too many are waiting.
    let (writer, written) =
        NonBlockingBuilder::default().lossy(true).buffered_lines_limit(LOG_LINES).finish(std::io::stderr());
    let dropped = writer.error_counter();
    tracing_subscriber::fmt()
        .with_env_filter(settings.log.filter())
        .with_writer(writer)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
        .context("cannot start the runtime")?;
    let opened = runtime.block_on(Opened::new(&settings.place))?;
    let record = OnceLock::new();
    let served = runtime.block_on(serve(settings, opened.clone(), &record, &dropped));
    // Drops the connections that are left. Does not wait for threads that block.
    runtime.shutdown_timeout(CLOSE_TIMEOUT / 2);
    if let Some(recorder) = record.get() {
        recorder.finish();
    }
    // The writer writes what it has. A temporary folder is removed.
    drop(opened);
    // Waits up to a second for the last lines of the log.
    drop(written);
    served
}

/// Raises the limit on descriptors to its maximum. Returns how many of the wanted connections it allows.
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

async fn serve(settings: Settings, opened: Opened, record: &OnceLock<Recorder>, dropped: &ErrorCounter) -> Result<()> {
    let Settings {
        listen,
        metrics_listen,
        place: _,
        record: record_file,
        port_file,
        public_url,
        backups,
        keep_revisions,
        drain,
        max_connections,
        per_peer,
        mut options,
        oidc,
        log: _,
    } = settings;
    let connections =
        Connections { most: connections(max_connections), per_peer, trusted: Arc::clone(&options.trusted_proxies) };
    let bind = async |address: SocketAddr| {
        TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
    };
    let listener = bind(listen).await?;
    let metrics_listener = match metrics_listen {
        Some(address) => Some(bind(address).await?),
        None => None,
    };
    let metrics_url = metrics_listener.as_ref().map(local_url).transpose()?;
    let address = listener.local_addr().context("the listener has no address")?;
    let base_url = match public_url {
        Some(url) => url,
        None => local_url(&listener)?,
    };
    options.public_url.clone_from(&base_url);
    options.pages = PAGES;
    let backup_metrics = options.backups.clone();
    let retention = keep_revisions.zip(options.retention.clone());
    let port_file = port_file.map(PortFile::new).transpose()?.map(Arc::new);
    let people = oidc.as_ref().map(|oidc| oidc.tenant.clone());
    let is_stopping = Arc::clone(&options.stopping);
    let clock = options.clock.clone();
    let Started { service, clients, ephemeral: _ephemeral } = start(&opened, options, oidc).await?;
    // A reset replaces the server.
    let server = || Arc::clone(service.load().server());
    // Only now, because a start that fails leaves the record of another server as it is.
    if let Some(file) = record_file {
        let _first = record.set(recorder(&file)?);
    }
    let around = Around::new(record.get().cloned(), &clock);
    let signal = stop::on_signal(drain, remove_files(&opened, port_file.as_ref()))?;
    let database = opened
        .folder()
        .map_or_else(|| server().store.location(), |folder| format!("sqlite:{}", folder.database().display()));
    // A server for tests has noted it, because each of its databases begins with it.
    if let Opened::Database(store) = &opened
        && let Err(error) = store.note_address(base_url.clone()).await
    {
        tracing::warn!(%error, "could not note the address of the server, which `connectory client create` prints");
    }
    let _clock = server().store.is_shared().then(|| database_clock::start(Arc::clone(&service)));
    let _work = OwnWork::start(backups.zip(backup_metrics), retention, &opened, &server().store, clock).await?;
    // Nothing fails after this: the secret is shown once, by the start that succeeds.
    if let Some(file) = &port_file {
        file.write(address)?;
    }
    let clients = match clients {
        Some(clients) => clients,
        None => create_first_client(&server().store).await?,
    };
    tell!(
        "connectory {} is ready at {base_url}: {} built-in connectors, database {}",
        env!("CARGO_PKG_VERSION"),
        server().builtin_count(),
        database.strip_prefix("sqlite:").unwrap_or(&database)
    );
    print_clients(&base_url, &database, &clients);
    warn_of_tenant(people, &server().store).await;
    if let Some((listener, url)) = metrics_listener.zip(metrics_url) {
        tell!("Metrics are at {url}/metrics");
        let connections = Connections { most: METRICS_CONNECTIONS, ..connections.clone() };
        serve_metrics(listener, connections, Arc::clone(&service), dropped.clone());
    }
    let answering = Arc::clone(&service);
    let answer = move |request, peer| match around.clone() {
        None => Either::Left(answering.load_full().answer(request, peer)),
        // In a box, so that the futures of other servers have no room for the record.
        Some(around) => Either::Right(Box::pin(around.answer(answering.load_full(), request, peer))),
    };
    let stopping = async {
        let Stop { drain, deadline } = signal.await.expect("the thread of the signals sends before it ends");
        is_stopping.store(true, Ordering::Relaxed);
        match drain.as_secs() {
            0 => tracing::info!("stopping: no more connections are accepted, and requests in flight are finished"),
            seconds => tracing::info!(
                "stopping: /health/ready is 503 from now on, and in {seconds} s no more connections are accepted"
            ),
        }
        tokio::time::sleep(drain).await;
        deadline
    };
    listen::serve(listener, connections, answer, stopping).await;
    // A locked database must not hold the end up.
    let _locked = tokio::time::timeout(CLOSE_TIMEOUT / 2, server().auth.flush()).await;
    Ok(())
}

/// What a server does by itself. Of several servers, one does each of these. They end when this is dropped.
struct OwnWork {
    _backups: Option<Backups>,
    _retaining: Option<Retaining>,
    _cleaning_up: Option<CleaningUp>,
}

impl OwnWork {
    /// Starts what is wanted.
    async fn start(
        backups: Option<(Schedule, BackupMetrics)>,
        retention: Option<(Retention, RetentionMetrics)>,
        opened: &Opened,
        store: &Store,
        clock: Clock,
    ) -> Result<Self> {
        Ok(Self {
            _backups: backups::start(backups, store).await?,
            _retaining: retention::start(retention, store, clock.clone()).await,
            // A server for tests replaces its store, and ends before there is anything to clean up.
            _cleaning_up: match opened {
                Opened::Database(store) => Some(clean_up::start(store, clock).await),
                Opened::Folder(..) => None,
            },
        })
    }
}

/// Warns if people should sign in to a tenant that does not exist.
async fn warn_of_tenant(people: Option<String>, store: &Store) {
    if let (Some(wanted), Ok(tenants)) = (people, store.tenants().await) {
        let there_are: Vec<_> = tenants.into_iter().map(|tenant| tenant.name).collect();
        if !there_are.contains(&wanted) {
            tracing::warn!(wanted, ?there_are, "--oidc-tenant names no tenant, so no person can sign in");
        }
    }
}

/// What answers requests.
struct Started {
    /// The service. The reset of a server for tests replaces it.
    service: Arc<ArcSwap<Service>>,
    /// The client of a server for tests.
    clients: Option<Clients>,
    /// The server for tests, which is reset as long as this is there.
    ephemeral: Option<Arc<Ephemeral>>,
}

async fn start(opened: &Opened, options: Options, oidc: Option<OidcOptions>) -> Result<Started> {
    let make = move |server| service(server, oidc.clone());
    Ok(match opened {
        Opened::Database(store) => {
            let server = ServerState::new(store.clone(), options).await?;
            Started { service: Arc::new(ArcSwap::from_pointee(make(server)?)), clients: None, ephemeral: None }
        }
        Opened::Folder(folder, load) => {
            let (client_id, client_secret, clients) = client_of_tests();
            let setup = Setup { client_id, client_secret, load: load.clone(), options };
            let make = move |server| make(server).map_err(Into::into);
            let ephemeral = Ephemeral::start_in(Arc::clone(folder), setup, make).await?;
            Started { service: ephemeral.service(), clients: Some(clients), ephemeral: Some(ephemeral) }
        }
    })
}

fn serve_metrics(
    listener: TcpListener,
    connections: Connections,
    service: Arc<ArcSwap<Service>>,
    dropped: ErrorCounter,
) {
    let answer = move |request: Request<Incoming>, _| {
        let dropped = dropped.dropped_lines() as u64;
        std::future::ready(service.load().server().answer_collector(&request, dropped))
    };
    tokio::spawn(listen::serve(listener, connections, answer, std::future::pending()));
}

/// The pages that `/oauth/info` names.
#[cfg(feature = "console")]
const PAGES: Pages = connectory_console::PAGES;
#[cfg(not(feature = "console"))]
const PAGES: Pages = Pages::REFERENCE;

/// The API, and the console's pages.
#[cfg(feature = "console")]
fn service(server: Arc<ServerState>, oidc: Option<OidcOptions>) -> Result<Service> {
    let console = connectory_console::Console::new(Arc::clone(&server), oidc).context("--oidc-issuer")?;
    Ok(Service::with_pages(server, connectory_console::routes(console)))
}

/// The API. This build has no console.
#[cfg(not(feature = "console"))]
#[expect(clippy::unnecessary_wraps, reason = "the console may fail to start")]
fn service(server: Arc<ServerState>, oidc: Option<OidcOptions>) -> Result<Service> {
    if let Some(OidcOptions { issuer, .. }) = oidc {
        tracing::warn!(issuer, "--oidc-issuer has no effect: this build has no console");
    }
    Ok(Service::new(server))
}

/// The address of the listener on this machine.
fn local_url(listener: &TcpListener) -> Result<String> {
    let address = listener.local_addr().context("the listener has no address")?;
    Ok(if address.ip().is_unspecified() {
        format!("http://localhost:{}", address.port())
    } else {
        format!("http://{address}")
    })
}
