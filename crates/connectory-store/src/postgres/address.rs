//! Addresses of PostgreSQL as operators paste them: libpq's URLs, variables and password file, read before the driver,
//! which knows a part of them only. A connection to a host that is not this machine must be protected, or the address
//! must say that it need not be.

pub(super) mod error;
mod hosts;
pub(super) mod options;
pub(super) mod settings;
mod text;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use percent_encoding::utf8_percent_encode;
use tokio_postgres::Config;
use tokio_postgres::config::{ChannelBinding, TargetSessionAttrs};

use self::error::AddressError;
use self::hosts::{Host, is_socket};
use self::options::{MODES, Name, PLAIN, SslMode};
use self::settings::Settings;
use super::password_file::{Login, PasswordFile};
use super::target::{Place, Target};
use super::tls::{Files, Protection};

/// The address of a database: where it is, who asks, and how the connection is protected. It is shown without its
/// password and options.
#[derive(Clone)]
pub struct Address {
    pub(super) targets: Vec<Target>,
    /// The time limit of one attempt to connect.
    pub(super) timeout: Duration,
    /// Whether hosts and their IP addresses are tried in random order.
    pub(super) is_shuffled: bool,
    shown: String,
}

impl Address {
    /// Reads an address, and the files that it names. What the text does not say, libpq's variables say, which
    /// `environment` finds.
    pub fn parse(text: &str, environment: impl Fn(&str) -> Option<OsString>) -> Result<Self, AddressError> {
        let settings = Settings::read(text, &environment)?;
        let hosts = hosts::read(&settings)?;
        let user = match settings.value("user") {
            Some(user) => user.to_owned(),
            None => whoami::username().map_err(|_| AddressError::NoUser)?,
        };
        let database = settings.value("dbname").unwrap_or(&user);
        let config = config(&settings, &user, database, hosts.len())?;
        let passwords = passwords(&settings, &environment)?;
        let mut protections = Protections::new(&settings)?;

        let mut targets = Vec::with_capacity(hosts.len());
        for Host { name, ip, port } in &hosts {
            let place = match ip {
                _ if is_socket(name) => Place::Socket,
                Some(ip) => Place::Ip(*ip),
                None => name.parse().map_or_else(|_| Place::Name(name.clone()), Place::Ip),
            };
            let mut config = config.clone();
            config.host(name.as_str()).port(*port);
            let login = Login { host: name, is_socket: is_socket(name), port: *port, database, user: &user };
            if let Some(password) = passwords.as_ref().and_then(|file| file.password(&login)) {
                config.password(password);
            }
            let protection = protections.of(name, &place)?;
            targets.push(Target { config, shown: hosts::shown(name, *port), place, protection });
        }

        let hosts: Vec<&str> = targets.iter().map(|target| target.shown.as_str()).collect();
        let encode = |text| utf8_percent_encode(text, PLAIN);
        let shown = format!("postgres://{}@{}/{}", encode(&user), hosts.join(","), encode(database));
        let timeout = settings.get("connect_timeout").map_or(Ok(5), |setting| setting.number(1, 600))?;
        let is_shuffled = settings
            .get("load_balance_hosts")
            .map_or(Ok(false), |setting| setting.word(&[("disable", false), ("random", true)]))?;
        Ok(Self { targets, timeout: Duration::from_secs(timeout.into()), is_shuffled, shown })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.shown)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Address({})", self.shown)
    }
}

/// Makes the part of the driver's configuration that all hosts share.
fn config(settings: &Settings, user: &str, database: &str, hosts: usize) -> Result<Config, AddressError> {
    let number = |name, default, most| settings.get(name).map_or(Ok(default), |setting| setting.number(0, most));
    let seconds = |name, default: u32| {
        let seconds = number(name, default, 24 * 3600)?;
        // libpq's 0 is the system's default, which is hours.
        Ok::<_, AddressError>(Duration::from_secs(if seconds == 0 { default } else { seconds }.into()))
    };
    let application = settings.value("application_name").or_else(|| settings.value("fallback_application_name"));
    let mut config = Config::new();
    config
        .user(user)
        .dbname(database)
        .application_name(application.unwrap_or("connectory"))
        .keepalives(number("keepalives", 1, 1)? == 1)
        .keepalives_idle(seconds("keepalives_idle", 10)?)
        .keepalives_interval(seconds("keepalives_interval", 5)?)
        .keepalives_retries(match number("keepalives_count", 3, 100)? {
            0 => 3,
            count => count,
        });
    // In milliseconds, as in libpq. The driver's own parser takes seconds.
    let user_timeout = number("tcp_user_timeout", 10_000, 24 * 3_600_000)?;
    if user_timeout > 0 {
        config.tcp_user_timeout(Duration::from_millis(user_timeout.into()));
    }
    if let Some(options) = settings.value("options") {
        config.options(options);
    }
    if let Some(password) = settings.value("password") {
        config.password(password);
    }
    if let Some(setting) = settings.get("channel_binding") {
        config.channel_binding(setting.word(&[
            ("disable", ChannelBinding::Disable),
            ("prefer", ChannelBinding::Prefer),
            ("require", ChannelBinding::Require),
        ])?);
    }
    config.target_session_attrs(match settings.get("target_session_attrs") {
        // The server writes, so of several hosts it needs the one that is the primary now.
        None if hosts > 1 => TargetSessionAttrs::ReadWrite,
        None => TargetSessionAttrs::Any,
        Some(setting) => setting.word(&[
            ("read-write", TargetSessionAttrs::ReadWrite),
            ("primary", TargetSessionAttrs::ReadWrite),
            ("any", TargetSessionAttrs::Any),
        ])?,
    });
    Ok(config)
}

/// Reads the password file, unless a password is given.
fn passwords(
    settings: &Settings,
    environment: &impl Fn(&str) -> Option<OsString>,
) -> Result<Option<PasswordFile>, AddressError> {
    if settings.get("password").is_some() {
        return Ok(None);
    }
    if let Some(setting) = settings.get("passfile") {
        let path = PathBuf::from(&setting.value);
        let file = PasswordFile::read(setting.name, &path)?;
        let why = "which does not exist".to_owned();
        return file.map(Some).ok_or(AddressError::File { setting: setting.name, path, why });
    }
    let home = environment("HOME").filter(|home| !home.is_empty());
    home.map_or(Ok(None), |home| PasswordFile::read(Name::Default("password file"), &Path::new(&home).join(".pgpass")))
}

/// How the hosts of an address are protected.
struct Protections {
    mode: Option<SslMode>,
    /// Whether connections to other machines need no protection.
    is_insecure: bool,
    files: Files,
    /// Those that were made, because hosts share them.
    made: BTreeMap<SslMode, Protection>,
}

impl Protections {
    fn new(settings: &Settings) -> Result<Self, AddressError> {
        let mode = settings.get("sslmode").map(|setting| setting.word(&MODES)).transpose()?;
        let insecure = settings.get("connectory_insecure");
        let is_insecure = insecure.map_or(Ok(false), |setting| setting.word(&[("yes", true), ("no", false)]))?;
        Ok(Self { mode, is_insecure, files: Files::read(settings)?, made: BTreeMap::new() })
    }

    fn of(&mut self, host: &str, place: &Place) -> Result<Protection, AddressError> {
        let is_local = place.is_local();
        let default = if is_local && !self.files.are_systems() { SslMode::Prefer } else { SslMode::VerifyFull };
        // There is no TLS on sockets.
        let mode = if matches!(place, Place::Socket) { SslMode::Disable } else { self.mode.unwrap_or(default) };
        let is_checked = mode > SslMode::Require || (mode == SslMode::Require && self.files.have_roots());
        if !is_local && !is_checked && !self.is_insecure {
            return Err(AddressError::Insecure { host: host.to_owned(), mode });
        }
        if let Some(made) = self.made.get(&mode) {
            return Ok(made.clone());
        }
        let made = Protection::new(mode, &self.files)?;
        self.made.insert(mode, made.clone());
        Ok(made)
    }
}

#[cfg(test)]
mod tests;
