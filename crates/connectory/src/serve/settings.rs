//! The settings of `connectory serve`: the command line option, else its environment variable, else the TOML file, else
//! the default.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use connectory_model::limits::{CONNECTIONS, CONNECTIONS_PER_PEER, DRAIN, MOST_DRAIN};
use connectory_server::options::{OidcOptions, Options};
use connectory_server::rate_limit::RateLimit;
use connectory_server::trusted_proxies::TrustedProxies;
use directories::ProjectDirs;
use serde::Deserialize;

/// The options of `connectory serve`. In the TOML file they have the same names, with `_` for `-`.
///
/// Plain fields, because `serde` does not support `flatten` together with `deny_unknown_fields`.
#[derive(Args, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct ServeArguments {
    /// The address and port to listen on [default: 127.0.0.1:8080]
    #[arg(long, env = "CONNECTORY_LISTEN", value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,

    /// The address and port of `/metrics`, which a collector such as Prometheus reads without a token [default: none]
    #[arg(long, env = "CONNECTORY_METRICS_LISTEN", value_name = "ADDRESS:PORT")]
    metrics_listen: Option<SocketAddr>,

    #[command(flatten)]
    #[serde(default)]
    database: DatabaseArgument,

    /// More built-in connectors: a folder of connector folders, or a JSON array of connectors in the form of the API's
    /// answers; may be given several times
    #[arg(long, env = "CONNECTORY_CATALOG", value_name = "DIR|FILE.json", value_delimiter = ',')]
    #[serde(default)]
    catalog: Vec<PathBuf>,

    /// Rate limit per client and API version, for example `100/10s`, or `off` [default: 100/10s]
    #[arg(long, env = "CONNECTORY_RATE_LIMIT", value_name = "REQUESTS/SECONDSs|off")]
    rate_limit: Option<RateLimitSetting>,

    /// Lifetime of a token in seconds [default: 720]
    #[arg(long, env = "CONNECTORY_TOKEN_LIFETIME", value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    token_lifetime: Option<u32>,

    /// Maximum size of a request in bytes [default: 10485760]
    #[arg(long, env = "CONNECTORY_MAX_REQUEST", value_name = "BYTES", value_parser = at_least_one)]
    max_request: Option<NonZeroUsize>,

    /// Maximum size of a document in bytes [default: 5242880]
    #[arg(long, env = "CONNECTORY_MAX_DOCUMENT", value_name = "BYTES", value_parser = at_least_one)]
    max_document: Option<NonZeroUsize>,

    /// Maximum size of a whole connector in bytes [default: 16777216]
    #[arg(long, env = "CONNECTORY_MAX_CONNECTOR", value_name = "BYTES", value_parser = at_least_one)]
    max_connector: Option<NonZeroUsize>,

    /// Maximum size of the bodies of all requests together, in bytes; further requests get 503 [default: 25165824]
    #[arg(long, env = "CONNECTORY_MAX_BODIES", value_name = "BYTES", value_parser = at_least_one)]
    max_bodies: Option<NonZeroUsize>,

    /// Maximum size of all answers that are being sent, in bytes; further requests get 503 [default: 25165824]
    #[arg(long, env = "CONNECTORY_MAX_ANSWERS", value_name = "BYTES", value_parser = at_least_one)]
    max_answers: Option<NonZeroUsize>,

    /// Maximum number of connections; at most the system's limit on descriptors minus 64 [default: 4096]
    #[arg(long, env = "CONNECTORY_MAX_CONNECTIONS", value_name = "NUMBER", value_parser = at_least_one)]
    max_connections: Option<NonZeroUsize>,

    /// Maximum number of connections of one peer, which is an IPv4 address or an IPv6 network of 64 bits [default: 512]
    #[arg(long, env = "CONNECTORY_MAX_CONNECTIONS_PER_PEER", value_name = "NUMBER", value_parser = at_least_one)]
    max_connections_per_peer: Option<NonZeroUsize>,

    /// The address or network of a proxy in front of the server. It may open any number of connections, and the server
    /// believes its X-Forwarded-For header; may be given several times
    #[arg(long, env = "CONNECTORY_TRUSTED_PROXY", value_name = "ADDRESS|CIDR", value_delimiter = ',')]
    #[serde(default)]
    trusted_proxy: Vec<String>,

    /// How long the server goes on after SIGTERM while `/health/ready` is 503, so that a load balancer takes it out first:
    /// from `0s` to `8s` [default: 5s]
    #[arg(long, env = "CONNECTORY_DRAIN", value_name = "SECONDSs")]
    drain: Option<Drain>,

    /// The address at which clients reach the server [default: http:// and the listen address]
    #[arg(long, env = "CONNECTORY_PUBLIC_URL", value_name = "URL")]
    public_url: Option<String>,

    /// The OpenID provider for signing in to the console; API clients can sign in as well
    #[arg(long, env = "CONNECTORY_OIDC_ISSUER", value_name = "URL")]
    oidc_issuer: Option<String>,

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

    /// What to log: `info` for failures, refusals and sign-ins, `debug` for every request, or a filter in the syntax of
    /// `tracing` [default: info]
    #[arg(long, env = "CONNECTORY_LOG", value_name = "FILTER")]
    log: Option<String>,
}

/// The database. Every command that opens one has these options. In the TOML file it is `database = "sqlite:PATH"`.
#[derive(Args, Deserialize, Default)]
#[serde(from = "Database")]
pub struct DatabaseArgument {
    /// The database [default: sqlite: and connectory.db in the platform's data directory]
    #[arg(long, env = "CONNECTORY_DATABASE", value_name = "sqlite:PATH")]
    database: Option<Database>,

    /// A TOML file with options of `connectory serve` [default: connectory.toml in the platform's configuration
    /// directory, where it exists]
    #[arg(long, env = "CONNECTORY_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

impl From<Database> for DatabaseArgument {
    fn from(database: Database) -> Self {
        Self { database: Some(database), config: None }
    }
}

impl DatabaseArgument {
    /// The path of the database.
    pub fn path(self) -> Result<PathBuf> {
        let file = read_file(self.config.as_deref())?;
        self.or(file.database).path_or_default()
    }

    fn or(self, file: Self) -> Self {
        Self { database: self.database.or(file.database), config: self.config.or(file.config) }
    }

    fn path_or_default(self) -> Result<PathBuf> {
        match self.database {
            Some(Database(path)) => Ok(path),
            None => Ok(directories()?.data_dir().join("connectory.db")),
        }
    }
}

/// A database, written as `sqlite:PATH`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Database(PathBuf);

impl FromStr for Database {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("sqlite:") {
            Some(path) if !path.is_empty() => Ok(Self(path.into())),
            _ => Err(format!("`{text}` is not a database; expected sqlite:PATH")),
        }
    }
}

impl TryFrom<String> for Database {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// A rate limit, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct RateLimitSetting(Option<RateLimit>);

impl FromStr for RateLimitSetting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("off") {
            return Ok(Self(None));
        }
        text.parse().map(|limit| Self(Some(limit))).map_err(|error| format!("{error}, or `off`"))
    }
}

impl TryFrom<String> for RateLimitSetting {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// The time for which the server goes on after SIGTERM, written as `5s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Drain(Duration);

impl FromStr for Drain {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let seconds = text.strip_suffix('s').and_then(|seconds| seconds.parse().ok());
        let time = seconds.map(Duration::from_secs).filter(|time| *time <= MOST_DRAIN);
        time.map(Self).ok_or_else(|| format!("`{text}` is not a time from `0s` to `{}s`", MOST_DRAIN.as_secs()))
    }
}

impl TryFrom<String> for Drain {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// The merged settings of `connectory serve`.
pub struct Settings {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The address of the metrics.
    pub metrics_listen: Option<SocketAddr>,
    /// The database's file.
    pub database: PathBuf,
    /// The address at which clients reach the server, if it is not the one to listen on.
    pub public_url: Option<String>,
    /// What to log.
    pub log: String,
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
    /// Adds the values of the file and the defaults.
    pub fn settings(self) -> Result<Settings> {
        let file = read_file(self.database.config.as_deref())?;
        let Self {
            listen,
            metrics_listen,
            database,
            catalog,
            rate_limit,
            token_lifetime,
            max_request,
            max_document,
            max_connector,
            max_bodies,
            max_answers,
            max_connections,
            max_connections_per_peer,
            trusted_proxy,
            drain,
            public_url,
            oidc_issuer,
            oidc_client_id,
            oidc_client_secret,
            oidc_groups_claim,
            oidc_admin_group,
            oidc_reader_group,
            oidc_tenant,
            log,
        } = self.or(file);
        let defaults = Options::default();
        let oidc = match oidc_issuer {
            None => None,
            Some(_) if oidc_admin_group.is_none() && oidc_reader_group.is_none() => {
                bail!(
                    "--oidc-issuer needs --oidc-admin-group or --oidc-reader-group, because other users cannot sign in"
                )
            }
            Some(issuer) => Some(OidcOptions {
                issuer,
                client_id: oidc_client_id.context("--oidc-issuer needs --oidc-client-id")?,
                client_secret: oidc_client_secret,
                groups_claim: oidc_groups_claim.unwrap_or_else(|| "groups".to_owned()),
                admin_group: oidc_admin_group,
                reader_group: oidc_reader_group,
                tenant: oidc_tenant.unwrap_or_else(|| "default".to_owned()),
            }),
        };
        Ok(Settings {
            listen: listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080))),
            metrics_listen,
            database: database.path_or_default()?,
            public_url: public_url.map(|url| url.trim_end_matches('/').to_owned()),
            log: log.unwrap_or_else(|| "info".to_owned()),
            drain: drain.map_or(DRAIN, |Drain(time)| time),
            max_connections: max_connections.map_or(CONNECTIONS, NonZeroUsize::get),
            per_peer: max_connections_per_peer.map_or(CONNECTIONS_PER_PEER, NonZeroUsize::get),
            options: Options {
                trusted_proxies: Arc::new(TrustedProxies::new(&trusted_proxy).context("--trusted-proxy")?),
                max_bodies: max_bodies.map_or(defaults.max_bodies, NonZeroUsize::get),
                max_answers: max_answers.map_or(defaults.max_answers, NonZeroUsize::get),
                max_connector: max_connector.map_or(defaults.max_connector, NonZeroUsize::get),
                catalogs: catalog,
                rate_limit: rate_limit.map_or(defaults.rate_limit, |RateLimitSetting(limit)| limit),
                token_lifetime: token_lifetime.map_or(defaults.token_lifetime, |s| Duration::from_secs(s.into())),
                max_request: max_request.map_or(defaults.max_request, NonZeroUsize::get),
                max_document: max_document.map_or(defaults.max_document, NonZeroUsize::get),
                public_url: defaults.public_url,
                clock: defaults.clock,
            },
            oidc,
        })
    }

    /// Takes each value that is missing from the file. There is no `..`, so a forgotten field does not compile.
    fn or(self, file: Self) -> Self {
        Self {
            listen: self.listen.or(file.listen),
            metrics_listen: self.metrics_listen.or(file.metrics_listen),
            database: self.database.or(file.database),
            catalog: if self.catalog.is_empty() { file.catalog } else { self.catalog },
            rate_limit: self.rate_limit.or(file.rate_limit),
            token_lifetime: self.token_lifetime.or(file.token_lifetime),
            max_request: self.max_request.or(file.max_request),
            max_document: self.max_document.or(file.max_document),
            max_connector: self.max_connector.or(file.max_connector),
            max_bodies: self.max_bodies.or(file.max_bodies),
            max_answers: self.max_answers.or(file.max_answers),
            max_connections: self.max_connections.or(file.max_connections),
            max_connections_per_peer: self.max_connections_per_peer.or(file.max_connections_per_peer),
            trusted_proxy: if self.trusted_proxy.is_empty() { file.trusted_proxy } else { self.trusted_proxy },
            drain: self.drain.or(file.drain),
            public_url: self.public_url.or(file.public_url),
            oidc_issuer: self.oidc_issuer.or(file.oidc_issuer),
            oidc_client_id: self.oidc_client_id.or(file.oidc_client_id),
            oidc_client_secret: self.oidc_client_secret.or(file.oidc_client_secret),
            oidc_groups_claim: self.oidc_groups_claim.or(file.oidc_groups_claim),
            oidc_admin_group: self.oidc_admin_group.or(file.oidc_admin_group),
            oidc_reader_group: self.oidc_reader_group.or(file.oidc_reader_group),
            oidc_tenant: self.oidc_tenant.or(file.oidc_tenant),
            log: self.log.or(file.log),
        }
    }
}

fn at_least_one(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| format!("`{text}` is not a number of 1 or more"))
}

fn read_file(path: Option<&Path>) -> Result<ServeArguments> {
    let path = match path {
        Some(path) => path.to_owned(),
        None => match directories().map(|directories| directories.config_dir().join("connectory.toml")) {
            Ok(path) if path.is_file() => path,
            _ => return Ok(ServeArguments::default()),
        },
    };
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("{} is not a settings file", path.display()))
}

fn directories() -> Result<ProjectDirs> {
    ProjectDirs::from("", "", "connectory").context("there is no home directory; give --database sqlite:PATH")
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("listen", &self.listen)
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let settings = arguments.settings().unwrap();
        assert_eq!(from_file(&file).path().unwrap().to_str(), Some("a.db"), "other commands find the database too");
        assert_eq!((settings.listen.port(), settings.database.to_str()), (2, Some("a.db")));
        assert_eq!((settings.options.rate_limit, settings.options.max_request), (None, 10 * 1024 * 1024));

        std::fs::write(&file, "drain = \"8s\"\n").unwrap();
        let drain = |drain| ServeArguments { drain, database: from_file(&file), ..Default::default() }.settings();
        assert_eq!(drain(None).unwrap().drain.as_secs(), 8);
        assert_eq!(drain("0s".parse().ok()).unwrap().drain.as_secs(), 0);
        std::fs::write(&file, "drain = \"9s\"\n").unwrap();
        assert!(format!("{:#}", drain(None).unwrap_err()).contains("`9s` is not a time from `0s` to `8s`"));
        for wrong in ["5", "-1s", "1m", "s", "1.5s"] {
            assert!(wrong.parse::<Drain>().is_err(), "{wrong}");
        }

        std::fs::write(&file, "lisssten = 1\n").unwrap();
        let error = ServeArguments { database: from_file(&file), ..Default::default() }.settings().unwrap_err();
        assert!(format!("{error:#}").contains("unknown field `lisssten`"), "{error:#}");
    }
}
