//! Settings: a command line option, else its environment variable, else the TOML file, else the default.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use connectory_model::limits::{CONNECTIONS, CONNECTIONS_PER_PEER};
use connectory_server::auth::rate_limit::RateLimit;
use connectory_server::listen::TrustedProxies;
use connectory_server::{OidcOptions, Options};
use directories::ProjectDirs;
use serde::Deserialize;

/// The options of `connectory serve`. In the TOML file they have the same names, with `_` for `-`.
#[derive(Args, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct ServeArguments {
    /// The address and port to listen on [default: 127.0.0.1:8080]
    #[arg(long, env = "CONNECTORY_LISTEN", value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,

    /// Another address and port, at which a collector such as Prometheus reads `/metrics`, without a token [default:
    /// none]
    #[arg(long, env = "CONNECTORY_METRICS_LISTEN", value_name = "ADDRESS:PORT")]
    pub metrics_listen: Option<SocketAddr>,

    #[command(flatten)]
    #[serde(flatten)]
    pub database: DatabaseArgument,

    /// More built-in connectors: a folder of connector folders, or a JSON array of connectors as the API answers
    /// them; may be given several times
    #[arg(long, env = "CONNECTORY_CATALOG", value_name = "DIR|FILE.json", value_delimiter = ',')]
    #[serde(default)]
    pub catalog: Vec<PathBuf>,

    /// How many requests a client may make to an API version in a time, or `off` [default: 100/10s]
    #[arg(long, env = "CONNECTORY_RATE_LIMIT", value_name = "REQUESTS/SECONDSs|off")]
    pub rate_limit: Option<RateLimitSetting>,

    /// For how many seconds a token is valid [default: 720]
    #[arg(long, env = "CONNECTORY_TOKEN_LIFETIME", value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub token_lifetime: Option<u32>,

    /// How many bytes a request may have [default: 10485760]
    #[arg(long, env = "CONNECTORY_MAX_REQUEST", value_name = "BYTES", value_parser = at_least_one)]
    pub max_request: Option<NonZeroUsize>,

    /// How many bytes a document may have [default: 5242880]
    #[arg(long, env = "CONNECTORY_MAX_DOCUMENT", value_name = "BYTES", value_parser = at_least_one)]
    pub max_document: Option<NonZeroUsize>,

    /// How many bytes a whole connector may have [default: 16777216]
    #[arg(long, env = "CONNECTORY_MAX_CONNECTOR", value_name = "BYTES", value_parser = at_least_one)]
    pub max_connector: Option<NonZeroUsize>,

    /// How many bytes the bodies of all requests may have together; more are refused with 503 [default: 12582912]
    #[arg(long, env = "CONNECTORY_MAX_BODIES", value_name = "BYTES", value_parser = at_least_one)]
    pub max_bodies: Option<NonZeroUsize>,

    /// How many bytes the answers that wait for their readers may have together; more are refused with 503 [default:
    /// 16777216]
    #[arg(long, env = "CONNECTORY_MAX_ANSWERS", value_name = "BYTES", value_parser = at_least_one)]
    pub max_answers: Option<NonZeroUsize>,

    /// How many connections there may be at a time; at most the system's limit on descriptors less 64 [default: 4096]
    #[arg(long, env = "CONNECTORY_MAX_CONNECTIONS", value_name = "NUMBER", value_parser = at_least_one)]
    pub max_connections: Option<NonZeroUsize>,

    /// How many connections one peer may have at a time: an IPv4 address, or an IPv6 network of 64 bits [default: 512]
    #[arg(long, env = "CONNECTORY_MAX_CONNECTIONS_PER_PEER", value_name = "NUMBER", value_parser = at_least_one)]
    pub max_connections_per_peer: Option<NonZeroUsize>,

    /// A proxy in front of the server, by its address or network: it may have any number of connections, and its
    /// X-Forwarded-For header is believed; may be given several times
    #[arg(long, env = "CONNECTORY_TRUSTED_PROXY", value_name = "ADDRESS|CIDR", value_delimiter = ',')]
    #[serde(default)]
    pub trusted_proxy: Vec<String>,

    /// The address under which clients reach the server [default: http:// and the listen address]
    #[arg(long, env = "CONNECTORY_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,

    #[command(flatten)]
    #[serde(flatten)]
    pub oidc: OidcArguments,

    /// What to log: `info` for refusals, failures and sign-ins, `debug` for every request, or in tracing's filter syntax
    /// [default: info]
    #[arg(long, env = "CONNECTORY_LOG", value_name = "FILTER")]
    pub log: Option<String>,
}

/// The OpenID provider at which administrators may sign in to the console.
#[derive(Args, Deserialize, Default)]
#[expect(clippy::struct_field_names, reason = "they are the names of options")]
pub struct OidcArguments {
    /// The OpenID provider at which administrators may sign in to the console, beside API clients
    #[arg(long, env = "CONNECTORY_OIDC_ISSUER", value_name = "URL")]
    pub oidc_issuer: Option<String>,

    /// The server's client id at the OpenID provider, whose redirect URI is PUBLIC-URL/console/oidc/callback
    #[arg(long, env = "CONNECTORY_OIDC_CLIENT_ID", value_name = "ID")]
    pub oidc_client_id: Option<String>,

    /// The server's client secret there; better given in the environment, where no process list shows it
    #[arg(long, env = "CONNECTORY_OIDC_CLIENT_SECRET", value_name = "SECRET", hide_env_values = true)]
    pub oidc_client_secret: Option<String>,

    /// The claim of the ID token that holds someone's groups [default: groups]
    #[arg(long, env = "CONNECTORY_OIDC_GROUPS_CLAIM", value_name = "CLAIM")]
    pub oidc_groups_claim: Option<String>,

    /// The group whose members manage connectors and API clients
    #[arg(long, env = "CONNECTORY_OIDC_ADMIN_GROUP", value_name = "GROUP")]
    pub oidc_admin_group: Option<String>,

    /// The group whose members see connectors; whoever is in neither group does not get in
    #[arg(long, env = "CONNECTORY_OIDC_READER_GROUP", value_name = "GROUP")]
    pub oidc_reader_group: Option<String>,

    /// The tenant that they see [default: default]
    #[arg(long, env = "CONNECTORY_OIDC_TENANT", value_name = "NAME")]
    pub oidc_tenant: Option<String>,
}

impl OidcArguments {
    /// The options, if there is a provider.
    fn options(self, file: Self) -> Result<Option<OidcOptions>> {
        let Some(issuer) = self.oidc_issuer.or(file.oidc_issuer) else { return Ok(None) };
        let admin_group = self.oidc_admin_group.or(file.oidc_admin_group);
        let reader_group = self.oidc_reader_group.or(file.oidc_reader_group);
        if admin_group.is_none() && reader_group.is_none() {
            bail!("with --oidc-issuer, nobody gets in without --oidc-admin-group or --oidc-reader-group; give one");
        }
        Ok(Some(OidcOptions {
            issuer,
            client_id: self.oidc_client_id.or(file.oidc_client_id).context("--oidc-issuer needs --oidc-client-id")?,
            client_secret: self.oidc_client_secret.or(file.oidc_client_secret),
            groups_claim: self.oidc_groups_claim.or(file.oidc_groups_claim).unwrap_or_else(|| "groups".to_owned()),
            admin_group,
            reader_group,
            tenant: self.oidc_tenant.or(file.oidc_tenant).unwrap_or_else(|| "default".to_owned()),
        }))
    }
}

/// The database, which every command that needs one takes the same way.
#[derive(Args, Deserialize, Default)]
pub struct DatabaseArgument {
    /// The database [default: sqlite: and connectory.db in the platform's data directory]
    #[arg(long, env = "CONNECTORY_DATABASE", value_name = "sqlite:PATH")]
    pub database: Option<Database>,

    /// The TOML file with any of the options of `connectory serve` [default: connectory.toml in the platform's
    /// configuration directory, where it exists]
    #[arg(long, env = "CONNECTORY_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
}

impl DatabaseArgument {
    /// The database's file.
    pub fn path(self) -> Result<PathBuf> {
        let file = read_file(self.config.as_deref())?;
        self.or(file.database)
    }

    fn or(self, file: Self) -> Result<PathBuf> {
        match self.database.or(file.database) {
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

/// What `connectory serve` runs with.
pub struct Settings {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The address of the metrics.
    pub metrics_listen: Option<SocketAddr>,
    /// The database's file.
    pub database: PathBuf,
    /// The address that clients are told, if it is not the one to listen on.
    pub public_url: Option<String>,
    /// What to log.
    pub log: String,
    /// How many connections there may be at a time.
    pub max_connections: usize,
    /// How many of them one peer may have.
    pub per_peer: usize,
    /// The server's options.
    pub options: Options,
}

impl ServeArguments {
    /// Fills what is missing from the file and the defaults.
    pub fn settings(self) -> Result<Settings> {
        let file = read_file(self.database.config.as_deref())?;
        let defaults = Options::default();
        let lifetime = self.token_lifetime.or(file.token_lifetime);
        let limit = self.rate_limit.or(file.rate_limit);
        let proxies = if self.trusted_proxy.is_empty() { file.trusted_proxy } else { self.trusted_proxy };
        Ok(Settings {
            listen: self.listen.or(file.listen).unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080))),
            metrics_listen: self.metrics_listen.or(file.metrics_listen),
            database: self.database.or(file.database)?,
            public_url: self.public_url.or(file.public_url).map(|url| url.trim_end_matches('/').to_owned()),
            log: self.log.or(file.log).unwrap_or_else(|| "info".to_owned()),
            max_connections: self.max_connections.or(file.max_connections).map_or(CONNECTIONS, NonZeroUsize::get),
            per_peer: self
                .max_connections_per_peer
                .or(file.max_connections_per_peer)
                .map_or(CONNECTIONS_PER_PEER, NonZeroUsize::get),
            options: Options {
                trusted_proxies: Arc::new(TrustedProxies::new(&proxies).context("--trusted-proxy")?),
                max_bodies: self.max_bodies.or(file.max_bodies).map_or(defaults.max_bodies, NonZeroUsize::get),
                max_answers: self.max_answers.or(file.max_answers).map_or(defaults.max_answers, NonZeroUsize::get),
                max_connector: self
                    .max_connector
                    .or(file.max_connector)
                    .map_or(defaults.max_connector, NonZeroUsize::get),
                catalogs: if self.catalog.is_empty() { file.catalog } else { self.catalog },
                rate_limit: limit.map_or(defaults.rate_limit, |RateLimitSetting(limit)| limit),
                token_lifetime: lifetime.map_or(defaults.token_lifetime, |s| Duration::from_secs(s.into())),
                max_request: self.max_request.or(file.max_request).map_or(defaults.max_request, NonZeroUsize::get),
                max_document: self.max_document.or(file.max_document).map_or(defaults.max_document, NonZeroUsize::get),
                public_url: defaults.public_url,
                oidc: self.oidc.options(file.oidc)?,
            },
        })
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
    fn options_win_over_the_file_and_the_file_over_defaults() {
        let folder = std::env::temp_dir().join(format!("connectory-settings-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("connectory.toml");
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

        std::fs::write(&file, "lisssten = 1\n").unwrap();
        let error = ServeArguments { database: from_file(&file), ..Default::default() }.settings().unwrap_err();
        assert!(format!("{error:#}").contains("unknown field `lisssten`"), "{error:#}");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
