//! The settings of `connectory serve`: the command line option, else its environment variable, else the TOML file, else
//! the default.

use std::fmt;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use connectory_model::limits::{CONNECTIONS, CONNECTIONS_PER_PEER, DRAIN, STALENESS};
use connectory_server::clock::Clock;
use connectory_server::options::{
    BackupMetrics, Environment, EnvironmentColour, OidcOptions, Options, Reads, RetentionMetrics,
};
use connectory_server::trusted_proxies::TrustedProxies;
use connectory_store::Retention;
use directories::ProjectDirs;
use http::HeaderValue;

use super::backup_options::BackupArguments;
use super::backups::Schedule;
use super::ephemeral_options::EphemeralArguments;
use super::file;
use super::values::{
    ClockOffset, Database, Drain, HOST, Issuer, KeepRevisions, LogFilter, PORT, PublicUrl, RateLimitSetting,
    ReadsSetting, Staleness, address, at_least_one, connector_bytes, environment_colour, environment_name, origin,
    proxy, seconds,
};

/// The options of `connectory serve`.
#[derive(Args)]
pub struct ServeCommand {
    #[command(flatten)]
    settings: ServeArguments,

    #[command(flatten)]
    ephemeral: EphemeralArguments,
}

impl ServeCommand {
    /// Adds the values of the file and the defaults.
    pub fn settings(self) -> Result<Settings> {
        self.settings.settings(self.ephemeral)
    }
}

/// The settings of `connectory serve`. In the TOML file they have the same names, with `_` for `-`.
#[derive(Args, Default)]
pub struct ServeArguments {
    /// The address and port to listen on [default: 127.0.0.1:8080]
    #[arg(long, env = "CONNECTORY_LISTEN", value_name = "ADDRESS:PORT", value_parser = address)]
    listen: Option<SocketAddr>,

    /// The address and port of `/metrics`, which a collector such as Prometheus reads without a token [default: none]
    #[arg(long, env = "CONNECTORY_METRICS_LISTEN", value_name = "ADDRESS:PORT", value_parser = address)]
    metrics_listen: Option<SocketAddr>,

    #[command(flatten)]
    database: DatabaseArgument,

    /// A file to write the port to when the server is ready, for example if it listens on a free port (port 0). It is removed
    /// at the end
    #[arg(long, env = "CONNECTORY_PORT_FILE", value_name = "FILE")]
    port_file: Option<PathBuf>,

    /// The only built-in connectors, in the place of those of this program: a folder or file as for --catalog
    #[arg(long, env = "CONNECTORY_CATALOG_ONLY", value_name = "DIR|FILE.json")]
    catalog_only: Option<PathBuf>,

    /// More built-in connectors: a folder of connector folders, or a JSON array of connectors in the form of the API's
    /// answers; may be given several times
    #[arg(long, env = "CONNECTORY_CATALOG", value_name = "DIR|FILE.json", value_delimiter = ',')]
    catalog: Vec<PathBuf>,

    /// Rate limit per client and API version, for example `100/10s`, or `off` [default: 100/10s]
    #[arg(long, env = "CONNECTORY_RATE_LIMIT", value_name = "REQUESTS/TIME|off")]
    rate_limit: Option<RateLimitSetting>,

    /// Lifetime of a token in seconds [default: 720]
    #[arg(long, env = "CONNECTORY_TOKEN_LIFETIME", value_name = "SECONDS", value_parser = seconds)]
    token_lifetime: Option<NonZeroU32>,

    /// Maximum size of a request in bytes [default: 10485760]
    #[arg(long, env = "CONNECTORY_MAX_REQUEST", value_name = "BYTES", value_parser = at_least_one)]
    max_request: Option<NonZeroUsize>,

    /// Maximum size of a document in bytes [default: 5242880]
    #[arg(long, env = "CONNECTORY_MAX_DOCUMENT", value_name = "BYTES", value_parser = at_least_one)]
    max_document: Option<NonZeroUsize>,

    /// Maximum size of a whole connector in bytes, 25165824 at most [default: 16777216]
    #[arg(long, env = "CONNECTORY_MAX_CONNECTOR", value_name = "BYTES", value_parser = connector_bytes)]
    max_connector: Option<NonZeroUsize>,

    /// Maximum size of the changes that are applied at once, in bytes before compression [default: 268435456]
    #[arg(long, env = "CONNECTORY_MAX_APPLY", value_name = "BYTES", value_parser = at_least_one)]
    max_apply: Option<NonZeroUsize>,

    /// Maximum size of the bodies of all requests together, in bytes; further requests get 503 [default: 25165824]
    #[arg(long, env = "CONNECTORY_MAX_BODIES", value_name = "BYTES", value_parser = at_least_one)]
    max_bodies: Option<NonZeroUsize>,

    /// Maximum size of all answers that are being sent, in bytes; further requests get 503 [default: 25165824]
    #[arg(long, env = "CONNECTORY_MAX_ANSWERS", value_name = "BYTES", value_parser = at_least_one)]
    max_answers: Option<NonZeroUsize>,

    /// Maximum memory for the lists of all tenants, in bytes: those that were not asked for the longest are dropped from
    /// memory, and loaded again on their next use [default: 1073741824]
    #[arg(long, env = "CONNECTORY_CATALOG_MEMORY", value_name = "BYTES", value_parser = at_least_one)]
    catalog_memory: Option<NonZeroUsize>,

    /// Load the lists of all tenants before the server is ready, as far as --catalog-memory allows; otherwise, each is
    /// loaded on its first use
    #[arg(long, env = "CONNECTORY_PRELOAD", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    preload: Option<bool>,

    /// Maximum number of connections; at most the system's limit on descriptors minus 64 [default: 4096]
    #[arg(long, env = "CONNECTORY_MAX_CONNECTIONS", value_name = "NUMBER", value_parser = at_least_one)]
    max_connections: Option<NonZeroUsize>,

    /// Maximum number of connections of one peer, which is an IPv4 address or an IPv6 network of 64 bits [default: 512]
    #[arg(long, env = "CONNECTORY_MAX_CONNECTIONS_PER_PEER", value_name = "NUMBER", value_parser = at_least_one)]
    max_connections_per_peer: Option<NonZeroUsize>,

    /// If several servers commit to one database: `fresh` reads see what every server acknowledged before; `local` reads are
    /// answered from memory [default: fresh]
    #[arg(long, env = "CONNECTORY_READS", value_name = "fresh|local")]
    reads: Option<ReadsSetting>,

    /// How old the answer to a local read may be, such as `500ms`: from `100ms` to `1m`; only with --reads local
    /// [default: 1s]
    #[arg(long, env = "CONNECTORY_MAX_STALENESS", value_name = "TIME")]
    max_staleness: Option<Staleness>,

    /// The address or network of a proxy in front of the server. It may open any number of connections, and the server
    /// believes its X-Forwarded-For header; may be given several times
    #[arg(long, env = "CONNECTORY_TRUSTED_PROXY", value_name = "ADDRESS|CIDR", value_delimiter = ',', value_parser = proxy)]
    trusted_proxy: Vec<String>,

    /// An origin whose programs in browsers may use the API, such as `http://localhost:4200`, or `*` for all; may be given
    /// several times [default: none]
    #[arg(long, env = "CONNECTORY_CORS_ORIGIN", value_name = "ORIGIN|*", value_delimiter = ',', value_parser = origin)]
    cors_origin: Vec<String>,

    /// How long the server goes on after SIGTERM while `/health/ready` is 503, so that a load balancer takes it out first:
    /// from `0s` to `8s` [default: 5s]
    #[arg(long, env = "CONNECTORY_DRAIN", value_name = "TIME")]
    drain: Option<Drain>,

    /// The address at which clients reach the server: scheme, host and port, such as `https://connectors.example.com`
    /// [default: http:// and the listen address]
    #[arg(long, env = "CONNECTORY_PUBLIC_URL", value_name = "URL")]
    public_url: Option<PublicUrl>,

    #[command(flatten)]
    environment: EnvironmentArguments,

    #[command(flatten)]
    backups: BackupArguments,

    /// How long old revisions of connectors can be read: an age, and how many of each connector at least, such as
    /// `2y,min=20`. What is older is removed, but who changed what and when stays [default: everything is kept]
    #[arg(long, env = "CONNECTORY_KEEP_REVISIONS", value_name = "AGE[,min=NUMBER]")]
    keep_revisions: Option<KeepRevisions>,

    #[command(flatten)]
    oidc: OidcArguments,

    /// What to log: `info` for failures, refusals and sign-ins, `debug` for every request, or a level for each target,
    /// such as `warn,connectory_server=debug` [default: info]
    #[arg(long, env = "CONNECTORY_LOG", value_name = "FILTER")]
    log: Option<LogFilter>,
}

/// The environment, as the console shows it.
#[derive(Args, Default)]
struct EnvironmentArguments {
    /// What people call this environment, such as `Production`: the console shows it on every page [default: none]
    #[arg(long, env = "CONNECTORY_ENVIRONMENT_NAME", value_name = "NAME", value_parser = environment_name)]
    environment_name: Option<String>,

    /// The colour of the environment in the console; only with --environment-name [default: grey]
    #[arg(
        long,
        env = "CONNECTORY_ENVIRONMENT_COLOUR",
        value_name = "grey|blue|green|amber|red",
        value_parser = environment_colour
    )]
    environment_colour: Option<EnvironmentColour>,
}

impl EnvironmentArguments {
    /// The environment. It has a colour only if it has a name.
    fn environment(self) -> Result<Option<Arc<Environment>>> {
        let Self { environment_name, environment_colour } = self;
        if environment_name.is_none() && environment_colour.is_some() {
            bail!("--environment-colour is given, but --environment-name is not; give both or neither");
        }
        let colour = environment_colour.unwrap_or_default();
        Ok(environment_name.map(|name| Arc::new(Environment { name, colour })))
    }

    fn or(self, file: Self) -> Self {
        Self {
            environment_name: self.environment_name.or(file.environment_name),
            environment_colour: self.environment_colour.or(file.environment_colour),
        }
    }
}

/// The OpenID provider of the console.
#[derive(Args, Default)]
#[expect(clippy::struct_field_names, reason = "the fields are the names of the options")]
struct OidcArguments {
    /// The OpenID provider for signing in to the console; API clients can sign in as well
    #[arg(long, env = "CONNECTORY_OIDC_ISSUER", value_name = "URL")]
    oidc_issuer: Option<Issuer>,

    /// The server's client id at the OpenID provider; the redirect URI there is PUBLIC-URL/console/oidc/callback
    #[arg(long, env = "CONNECTORY_OIDC_CLIENT_ID", value_name = "ID")]
    oidc_client_id: Option<String>,

    /// The server's client secret at the OpenID provider; set it in the environment, because other users of the machine
    /// can see command lines
    #[arg(long, env = "CONNECTORY_OIDC_CLIENT_SECRET", value_name = "SECRET", hide_env_values = true)]
    oidc_client_secret: Option<String>,

    /// The claim of the ID token with the user's groups [default: groups]
    #[arg(long, env = "CONNECTORY_OIDC_GROUPS_CLAIM", value_name = "CLAIM")]
    oidc_groups_claim: Option<String>,

    /// The group whose members manage connectors and API clients
    #[arg(long, env = "CONNECTORY_OIDC_ADMIN_GROUP", value_name = "GROUP")]
    oidc_admin_group: Option<String>,

    /// The group whose members can read connectors; users in neither group cannot sign in
    #[arg(long, env = "CONNECTORY_OIDC_READER_GROUP", value_name = "GROUP")]
    oidc_reader_group: Option<String>,

    /// The tenant of users who sign in at the OpenID provider [default: default]
    #[arg(long, env = "CONNECTORY_OIDC_TENANT", value_name = "NAME")]
    oidc_tenant: Option<String>,
}

impl OidcArguments {
    fn options(self) -> Result<Option<OidcOptions>> {
        let Self {
            oidc_issuer,
            oidc_client_id,
            oidc_client_secret,
            oidc_groups_claim,
            oidc_admin_group,
            oidc_reader_group,
            oidc_tenant,
        } = self;
        match oidc_issuer {
            None => {
                let others = [
                    ("--oidc-client-id", &oidc_client_id),
                    ("--oidc-client-secret", &oidc_client_secret),
                    ("--oidc-groups-claim", &oidc_groups_claim),
                    ("--oidc-admin-group", &oidc_admin_group),
                    ("--oidc-reader-group", &oidc_reader_group),
                    ("--oidc-tenant", &oidc_tenant),
                ];
                if let Some((name, _)) = others.iter().find(|(_, value)| value.is_some()) {
                    bail!("{name} is given, but --oidc-issuer is not; give both or neither");
                }
                Ok(None)
            }
            Some(_) if oidc_admin_group.is_none() && oidc_reader_group.is_none() => {
                bail!(
                    "--oidc-issuer needs --oidc-admin-group or --oidc-reader-group, because other users cannot sign in"
                )
            }
            Some(Issuer(issuer)) => Ok(Some(OidcOptions {
                issuer,
                client_id: oidc_client_id.context("--oidc-issuer needs --oidc-client-id")?,
                client_secret: oidc_client_secret,
                groups_claim: oidc_groups_claim.unwrap_or_else(|| "groups".to_owned()),
                admin_group: oidc_admin_group,
                reader_group: oidc_reader_group,
                tenant: oidc_tenant.unwrap_or_else(|| "default".to_owned()),
            })),
        }
    }

    fn or(self, file: Self) -> Self {
        Self {
            oidc_issuer: self.oidc_issuer.or(file.oidc_issuer),
            oidc_client_id: self.oidc_client_id.or(file.oidc_client_id),
            oidc_client_secret: self.oidc_client_secret.or(file.oidc_client_secret),
            oidc_groups_claim: self.oidc_groups_claim.or(file.oidc_groups_claim),
            oidc_admin_group: self.oidc_admin_group.or(file.oidc_admin_group),
            oidc_reader_group: self.oidc_reader_group.or(file.oidc_reader_group),
            oidc_tenant: self.oidc_tenant.or(file.oidc_tenant),
        }
    }
}

/// The database. Every command that opens one has these options. In the TOML file it is `database = "sqlite:PATH"` or
/// `database = "postgres://…"`.
#[derive(Args, Default)]
pub struct DatabaseArgument {
    /// The database: a file, or a PostgreSQL server that many nodes may use [default: sqlite: and connectory.db in the
    /// platform's data directory]
    #[arg(long, env = "CONNECTORY_DATABASE", value_name = "sqlite:PATH|postgres://…", hide_env_values = true)]
    database: Option<Database>,

    /// A TOML file with options of `connectory serve` [default: connectory.toml in the platform's configuration
    /// directory, where it exists]
    #[arg(long, env = "CONNECTORY_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

impl DatabaseArgument {
    /// The database that the options, the variables, the file or the defaults name.
    pub fn database(self) -> Result<Database> {
        let file = read_file(self.config.as_deref())?;
        self.or(file.database).database_or_default()
    }

    fn or(self, file: Self) -> Self {
        Self { database: self.database.or(file.database), config: self.config.or(file.config) }
    }

    fn database_or_default(self) -> Result<Database> {
        match self.database {
            Some(database) => Ok(database),
            None => Ok(Database::Sqlite(directories()?.data_dir().join("connectory.db"))),
        }
    }
}

/// Where the data of the server is.
pub enum Place {
    /// In this database.
    Database(Database),
    /// In a temporary folder, with custom connectors from these folders and files at the start.
    Ephemeral {
        /// The folders and files.
        load: Vec<PathBuf>,
    },
}

/// The merged settings of `connectory serve`.
pub struct Settings {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The address of the metrics.
    pub metrics_listen: Option<SocketAddr>,
    /// Where the data is.
    pub place: Place,
    /// The file to write the port to.
    pub port_file: Option<PathBuf>,
    /// The file to record requests and answers to.
    pub record: Option<PathBuf>,
    /// The address at which clients reach the server, if it is not the one to listen on.
    pub public_url: Option<String>,
    /// What to log.
    pub log: LogFilter,
    /// When backups of the database are made.
    pub backups: Option<Schedule>,
    /// Which revisions keep their bodies. None means all.
    pub keep_revisions: Option<Retention>,
    /// The time for which the server goes on after SIGTERM.
    pub drain: Duration,
    /// The maximum number of connections.
    pub max_connections: usize,
    /// The maximum number of connections of one peer.
    pub per_peer: usize,
    /// The server's options.
    pub options: Options,
    /// The OpenID provider of the console.
    pub oidc: Option<OidcOptions>,
}

impl ServeArguments {
    fn settings(self, ephemeral: EphemeralArguments) -> Result<Settings> {
        let EphemeralArguments { ephemeral, load, clock_offset, fault, seed, record } = ephemeral;
        // The settings of the server that keeps data on this machine are not those of the tests.
        let file = if ephemeral && self.database.config.is_none() {
            Self::default()
        } else {
            read_file(self.database.config.as_deref())?
        };
        let Self {
            listen,
            metrics_listen,
            database,
            port_file,
            catalog_only,
            catalog: more_catalogs,
            rate_limit,
            token_lifetime,
            max_request,
            max_document,
            max_connector,
            max_apply,
            max_bodies,
            max_answers,
            catalog_memory,
            preload,
            max_connections,
            max_connections_per_peer,
            reads,
            max_staleness,
            trusted_proxy,
            cors_origin,
            drain,
            public_url,
            environment,
            backups,
            keep_revisions,
            oidc,
            log,
        } = self.or(file);
        let defaults = Options::default();
        let place = match database.database {
            Some(_) if ephemeral => bail!(
                "--ephemeral has a database of its own; leave out --database, CONNECTORY_DATABASE and `database` in the \
                 settings file"
            ),
            _ if ephemeral => Place::Ephemeral { load },
            _ => Place::Database(database.database_or_default()?),
        };
        let reads = match (reads.unwrap_or_default(), max_staleness) {
            (ReadsSetting::Fresh, None) => Reads::Fresh,
            (ReadsSetting::Fresh, Some(_)) => {
                bail!("--max-staleness is given, but --reads is not `local`; fresh reads are never old")
            }
            (ReadsSetting::Local, time) => {
                Reads::Local { max_staleness: time.map_or(STALENESS, |Staleness(time)| time) }
            }
        };
        let backups = backups.schedule(ephemeral)?;
        let keep_revisions = retention(keep_revisions, ephemeral)?;
        let default_drain = if ephemeral { Duration::ZERO } else { DRAIN };
        Ok(Settings {
            listen: listen.unwrap_or(SocketAddr::new(HOST, PORT)),
            metrics_listen,
            place,
            port_file,
            record,
            public_url: public_url.map(|PublicUrl(url)| url),
            log: log.unwrap_or_default(),
            drain: drain.map_or(default_drain, |Drain(time)| time),
            max_connections: max_connections.map_or(CONNECTIONS, NonZeroUsize::get),
            per_peer: max_connections_per_peer.map_or(CONNECTIONS_PER_PEER, NonZeroUsize::get),
            options: Options {
                trusted_proxies: Arc::new(TrustedProxies::new(&trusted_proxy).context("--trusted-proxy")?),
                cors_origins: cors_origin.into_iter().filter_map(|origin| HeaderValue::try_from(origin).ok()).collect(),
                max_apply: max_apply.map_or(defaults.max_apply, NonZeroUsize::get),
                max_bodies: max_bodies.map_or(defaults.max_bodies, NonZeroUsize::get),
                reads,
                played_nodes: defaults.played_nodes,
                max_answers: max_answers.map_or(defaults.max_answers, NonZeroUsize::get),
                catalog_memory: catalog_memory.map_or(defaults.catalog_memory, NonZeroUsize::get),
                preload: preload.unwrap_or(defaults.preload),
                max_connector: max_connector.map_or(defaults.max_connector, NonZeroUsize::get),
                embedded_catalog: catalog_only.is_none(),
                catalogs: catalog_only.into_iter().chain(more_catalogs).collect(),
                rate_limit: rate_limit.map_or(defaults.rate_limit, |RateLimitSetting(limit)| limit),
                token_lifetime: token_lifetime.map_or(defaults.token_lifetime, |s| Duration::from_secs(s.get().into())),
                max_request: max_request.map_or(defaults.max_request, NonZeroUsize::get),
                max_document: max_document.map_or(defaults.max_document, NonZeroUsize::get),
                public_url: defaults.public_url,
                pages: defaults.pages,
                environment: environment.environment()?,
                backups: backups.as_ref().map(|_| BackupMetrics::default()),
                retention: keep_revisions.map(|_| RetentionMetrics::default()),
                clock: clock_offset.map_or(defaults.clock, |ClockOffset(seconds)| Clock::with_offset(seconds)),
                resets: None,
                stopping: defaults.stopping,
                faults: EphemeralArguments::faults(fault, seed)?,
            },
            backups,
            keep_revisions,
            oidc: oidc.options()?,
        })
    }

    /// Takes each value that is missing from the file. There is no `..`, so a forgotten field does not compile.
    fn or(self, file: Self) -> Self {
        Self {
            listen: self.listen.or(file.listen),
            metrics_listen: self.metrics_listen.or(file.metrics_listen),
            database: self.database.or(file.database),
            port_file: self.port_file.or(file.port_file),
            catalog_only: self.catalog_only.or(file.catalog_only),
            catalog: if self.catalog.is_empty() { file.catalog } else { self.catalog },
            rate_limit: self.rate_limit.or(file.rate_limit),
            token_lifetime: self.token_lifetime.or(file.token_lifetime),
            max_request: self.max_request.or(file.max_request),
            max_document: self.max_document.or(file.max_document),
            max_connector: self.max_connector.or(file.max_connector),
            max_apply: self.max_apply.or(file.max_apply),
            max_bodies: self.max_bodies.or(file.max_bodies),
            max_answers: self.max_answers.or(file.max_answers),
            catalog_memory: self.catalog_memory.or(file.catalog_memory),
            preload: self.preload.or(file.preload),
            max_connections: self.max_connections.or(file.max_connections),
            max_connections_per_peer: self.max_connections_per_peer.or(file.max_connections_per_peer),
            reads: self.reads.or(file.reads),
            max_staleness: self.max_staleness.or(file.max_staleness),
            trusted_proxy: if self.trusted_proxy.is_empty() { file.trusted_proxy } else { self.trusted_proxy },
            cors_origin: if self.cors_origin.is_empty() { file.cors_origin } else { self.cors_origin },
            drain: self.drain.or(file.drain),
            public_url: self.public_url.or(file.public_url),
            environment: self.environment.or(file.environment),
            backups: self.backups.or(file.backups),
            keep_revisions: self.keep_revisions.or(file.keep_revisions),
            oidc: self.oidc.or(file.oidc),
            log: self.log.or(file.log),
        }
    }
}

/// How long bodies are kept. A server for tests keeps none.
fn retention(keep_revisions: Option<KeepRevisions>, ephemeral: bool) -> Result<Option<Retention>> {
    if keep_revisions.is_some() && ephemeral {
        bail!(
            "--ephemeral keeps nothing; leave out --keep-revisions, CONNECTORY_KEEP_REVISIONS and `keep_revisions` in the \
             settings file"
        );
    }
    Ok(keep_revisions.map(|KeepRevisions(retention)| retention))
}

fn read_file(path: Option<&Path>) -> Result<ServeArguments> {
    let (path, source) = match path {
        Some(path) => (path.to_owned(), " (--config or CONNECTORY_CONFIG)"),
        None => match directories().map(|directories| directories.config_dir().join("connectory.toml")) {
            Ok(path) if path.is_file() => (path, ""),
            _ => return Ok(ServeArguments::default()),
        },
    };
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read the settings file {}{source}", path.display()))?;
    file::options(&path, &text)
}

fn directories() -> Result<ProjectDirs> {
    ProjectDirs::from("", "", "connectory").context("there is no home directory; give --database sqlite:PATH")
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("listen", &self.listen).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(settings: &Settings) -> Option<&str> {
        match &settings.place {
            Place::Database(Database::Sqlite(path)) => path.to_str(),
            Place::Database(Database::Postgres(_)) | Place::Ephemeral { .. } => None,
        }
    }

    #[test]
    fn a_server_for_tests_has_no_database_and_reads_no_file_that_is_not_named() {
        let ephemeral = || EphemeralArguments { ephemeral: true, ..Default::default() };
        let settings = ServeArguments::default().settings(ephemeral()).unwrap();
        assert_eq!((database(&settings), settings.drain), (None, Duration::ZERO));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("c.toml");
        std::fs::write(&file, "listen = \"127.0.0.1:1\"\n").unwrap();
        let named = || ServeArguments { database: from_file(&file), ..Default::default() };
        assert_eq!(named().settings(ephemeral()).unwrap().listen.port(), 1);
        std::fs::write(&file, "database = \"sqlite:a.db\"\n").unwrap();
        let error = named().settings(ephemeral()).unwrap_err().to_string();
        assert!(error.starts_with("--ephemeral has a database of its own; leave out --database"), "{error}");
    }

    fn from_file(file: &Path) -> DatabaseArgument {
        DatabaseArgument { database: None, config: Some(file.to_owned()) }
    }

    #[test]
    fn options_override_the_file_and_the_file_overrides_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("connectory.toml");
        std::fs::write(&file, "listen = \"127.0.0.1:1\"\nrate_limit = \"off\"\ndatabase = \"sqlite:a.db\"\n").unwrap();
        let arguments = ServeArguments {
            listen: Some("127.0.0.1:2".parse().unwrap()),
            database: from_file(&file),
            ..Default::default()
        };
        let settings = arguments.settings(EphemeralArguments::default()).unwrap();
        let found = from_file(&file).database().unwrap();
        assert!(matches!(found, Database::Sqlite(path) if path == Path::new("a.db")), "other commands find it too");
        assert_eq!((settings.listen.port(), database(&settings)), (2, Some("a.db")));
        assert_eq!((settings.options.rate_limit, settings.options.max_request), (None, 10 * 1024 * 1024));

        std::fs::write(&file, "drain = \"8s\"\ncatalog = [\"a,b\", \"c\"]\ntoken_lifetime = 60\n").unwrap();
        let from_file = |drain| ServeArguments { drain, database: from_file(&file), ..Default::default() };
        let settings = from_file(None).settings(EphemeralArguments::default()).unwrap();
        assert_eq!((settings.drain.as_secs(), settings.options.token_lifetime.as_secs()), (8, 60));
        assert_eq!(settings.options.catalogs, [Path::new("a,b"), Path::new("c")]);
        assert_eq!(from_file("0s".parse().ok()).settings(EphemeralArguments::default()).unwrap().drain.as_secs(), 0);
    }

    #[test]
    fn only_local_reads_may_be_old() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("c.toml");
        let settings = |text: &str| {
            std::fs::write(&file, text).unwrap();
            let arguments = ServeArguments { database: from_file(&file), ..Default::default() };
            arguments.settings(EphemeralArguments::default()).map(|settings| settings.options.reads)
        };
        let local = |milliseconds| Reads::Local { max_staleness: Duration::from_millis(milliseconds) };
        assert_eq!(settings("").unwrap(), Reads::Fresh);
        assert_eq!(settings("reads = \"local\"").unwrap(), local(1000));
        assert_eq!(settings("reads = \"local\"\nmax_staleness = \"250ms\"").unwrap(), local(250));
        for fresh in ["", "reads = \"fresh\"\n"] {
            let error = settings(&format!("{fresh}max_staleness = \"250ms\"")).unwrap_err().to_string();
            assert!(error.starts_with("--max-staleness is given, but --reads is not `local`"), "{error}");
        }
    }

    #[test]
    fn backups_have_a_folder_and_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("c.toml");
        let settings = |text: &str| {
            std::fs::write(&file, text).unwrap();
            let arguments = ServeArguments { database: from_file(&file), ..Default::default() };
            arguments.settings(EphemeralArguments::default()).map(|settings| settings.backups)
        };
        let schedule = |hours, keep| Schedule { to: "b".into(), every: Duration::from_hours(hours), keep };
        assert_eq!(settings("").unwrap(), None);
        assert_eq!(settings("backup_to = \"b\"").unwrap(), Some(schedule(24, 7)));
        let all = "backup_to = \"b\"\nbackup_every = \"12h\"\nbackup_keep = 3";
        assert_eq!(settings(all).unwrap(), Some(schedule(12, 3)));
        for text in ["backup_every = \"12h\"", "backup_keep = 3"] {
            let error = settings(text).unwrap_err().to_string();
            assert!(error.contains("is given, but --backup-to is not; give both or neither"), "{error}");
        }
        let ephemeral = EphemeralArguments { ephemeral: true, ..Default::default() };
        let arguments = ServeArguments {
            backups: BackupArguments { backup_to: Some("b".into()), ..Default::default() },
            ..Default::default()
        };
        let error = arguments.settings(ephemeral).unwrap_err().to_string();
        assert!(error.starts_with("--ephemeral keeps nothing; leave out --backup-to"), "{error}");
    }

    #[test]
    fn an_environment_with_a_colour_has_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("c.toml");
        let settings = |text: &str| {
            std::fs::write(&file, text).unwrap();
            let arguments = ServeArguments { database: from_file(&file), ..Default::default() };
            arguments.settings(EphemeralArguments::default()).map(|settings| settings.options.environment)
        };
        let environment = |colour| Some(Arc::new(Environment { name: "Production".to_owned(), colour }));
        assert_eq!(settings("").unwrap(), None);
        assert_eq!(settings("environment_name = \"Production\"").unwrap(), environment(EnvironmentColour::Grey));
        let both = "environment_name = \"Production\"\nenvironment_colour = \"red\"";
        assert_eq!(settings(both).unwrap(), environment(EnvironmentColour::Red));
        let error = settings("environment_colour = \"red\"").unwrap_err().to_string();
        assert!(error.starts_with("--environment-colour is given, but --environment-name is not"), "{error}");
    }

    #[test]
    fn everything_is_kept_unless_an_age_is_given() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("c.toml");
        let settings = |text: &str, ephemeral| {
            std::fs::write(&file, text).unwrap();
            let arguments = ServeArguments { database: from_file(&file), ..Default::default() };
            arguments.settings(EphemeralArguments { ephemeral, ..Default::default() })
        };
        let kept = settings("", false).unwrap();
        assert!(kept.keep_revisions.is_none() && kept.options.retention.is_none());
        let settled = settings("keep_revisions = \"1d,min=3\"", false).unwrap();
        let expected = Retention { age: Duration::from_hours(24), min: 3 };
        assert!(settled.keep_revisions == Some(expected) && settled.options.retention.is_some());
        let error = settings("keep_revisions = \"1d\"", true).unwrap_err().to_string();
        assert!(error.starts_with("--ephemeral keeps nothing; leave out --keep-revisions"), "{error}");
    }

    #[test]
    fn an_error_of_the_file_names_the_line_and_what_is_right() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("c.toml");
        for (text, error) in [
            ("\nlisssten = 1", "line 2: `lisssten` is not a setting; did you mean `listen`?"),
            ("rate-limit = \"off\"", "line 1: `rate-limit` is not a setting; did you mean `rate_limit`?"),
            ("config = \"x\"", "line 1: `config` is not a setting; `connectory serve --help` lists"),
            ("[server]\nlisten = 1", "line 1: `server` is not a setting; `connectory serve --help` lists"),
            ("reads = \"stale\"", "line 1: `reads`: `stale` is not a kind of reads; expected `fresh` or `local`"),
            ("max_staleness = 1", "line 1: `max_staleness`: `1` is not a time from `100ms` to `1m`"),
            ("drain = 5", "line 1: `drain`: `5` is not a time from `0s` to `8s`"),
            ("drain = 1979-05-27", "line 1: `drain`: `1979-05-27` is not a time"),
            ("token_lifetime = 0", "line 1: `token_lifetime`: `0` is not a whole number of seconds from 1 to"),
            ("max_request = -1", "line 1: `max_request`: `-1` is not a whole number of 1 or more"),
            ("max_request = [1]", "line 1: `max_request` has one value, not a list"),
            ("max_request = {a = 1}", "line 1: `max_request` has a text or a number as its value"),
            ("catalog = [[\"a\"]]", "line 1: `catalog` has a text or a number as its value"),
            ("catalog = \"\"", "line 1: `catalog` has no value"),
            (
                "listen = 7102",
                "line 1: `listen`: `7102` is not an IP address with a port; expected one such as `127.0.0.1:7102`",
            ),
            ("log = true", "line 1: `log`: `true` is no log filter"),
            ("database = \"z.db\"", "line 1: `database`: `z.db` is not a database; did you mean `sqlite:z.db`?"),
            ("a = \n", "line 1: it is no TOML: string values must be quoted"),
            ("drain = \"1s\"\ndrain = \"2s\"", "line 2: it is no TOML: duplicate key"),
        ] {
            std::fs::write(&file, text).unwrap();
            let arguments = ServeArguments { database: from_file(&file), ..Default::default() };
            let found = format!("{:#}", arguments.settings(EphemeralArguments::default()).unwrap_err());
            assert!(found.starts_with(file.to_str().unwrap()) && found.contains(error), "{text}: {found}");
        }
        std::fs::write(&file, "catalog = []\ntrusted_proxy = \"10.0.0.1\"\nlog = \"off\"").unwrap();
        ServeArguments { database: from_file(&file), ..Default::default() }
            .settings(EphemeralArguments::default())
            .unwrap();
    }
}
