//! Connecting to the hosts of an address, one after the other.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::poll_fn;
use rand::seq::SliceRandom as _;
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{AsyncMessage, Client, Config, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::Address;
use super::target::{Place, Target};
use super::tls;

/// The most IP addresses of one name that are tried.
const IPS: usize = 16;

/// The messages of a connection that answer no query, such as notices. The connection works only while someone polls
/// this. It ends with the connection.
pub(super) type Messages = Box<dyn Stream<Item = Result<AsyncMessage, tokio_postgres::Error>> + Send + Unpin>;

/// The TLS of a connection, with which its server can be asked to cancel a statement.
pub(super) type Tls = Option<MakeRustlsConnect>;

/// Why no host of an address could be used.
#[derive(Debug)]
pub(super) struct ConnectError {
    /// The last failure of each host that was tried. There is at least one.
    failures: Vec<Failure>,
}

#[derive(Debug)]
struct Failure {
    host: String,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    /// There was no answer in time.
    Slow(Duration),
    /// The name was not found.
    Name(io::Error),
    /// The name has no IP address that may be used.
    NoIp,
    Driver(tokio_postgres::Error),
}

impl ConnectError {
    /// The driver's error for the last host, if the driver reached it.
    pub fn driver(&self) -> Option<&tokio_postgres::Error> {
        match &self.failures.last()?.cause {
            Cause::Driver(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Failure { host, cause }) in self.failures.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(formatter, "{separator}{host}: {cause}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConnectError {}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slow(limit) => write!(formatter, "no answer within {} s", limit.as_secs()),
            Self::Name(error) => write!(formatter, "the name was not found: {error}"),
            Self::NoIp => formatter.write_str("the name has no IP address; that of localhost must be of this machine"),
            Self::Driver(error) if is_password_missing(error) => formatter.write_str(
                "the server asks for a password, but neither the address nor PGPASSWORD nor the password file has one \
                 for this host",
            ),
            Self::Driver(error) => {
                write!(formatter, "{error}")?;
                let mut source = error.source();
                while let Some(error) = source {
                    write!(formatter, ": {error}")?;
                    source = error.source();
                }
                match tls_error(error).and_then(tls::advice) {
                    Some(advice) => write!(formatter, "; {advice}"),
                    None => Ok(()),
                }
            }
        }
    }
}

impl Address {
    /// Connects to the first host that answers and, if there are several, accepts writes. Tries the hosts in order. The
    /// time limit of the address is for each of its hosts' IP addresses. As in libpq, no host is tried after one that
    /// refused the user or has no such database.
    pub(super) async fn connect(&self) -> Result<(Client, Messages, Tls), ConnectError> {
        let mut targets: Vec<&Target> = self.targets.iter().collect();
        if self.is_shuffled {
            targets.shuffle(&mut rand::rng());
        }
        let mut failures = Vec::new();
        for target in targets {
            match self.connect_to(target).await {
                Ok(connected) => return Ok(connected),
                Err(cause) => {
                    let is_final = is_final(&cause);
                    failures.push(Failure { host: target.shown.clone(), cause });
                    if is_final {
                        break;
                    }
                }
            }
        }
        Err(ConnectError { failures })
    }

    async fn connect_to(&self, target: &Target) -> Result<(Client, Messages, Tls), Cause> {
        let mut ips = match &target.place {
            Place::Socket => return self.attempt(target, target.config.clone()).await,
            Place::Ip(ip) => vec![*ip],
            // The port is not used.
            Place::Name(name) => match timeout(self.timeout, tokio::net::lookup_host((name.as_str(), 0))).await {
                Err(_) => return Err(Cause::Slow(self.timeout)),
                Ok(Err(error)) => return Err(Cause::Name(error)),
                Ok(Ok(found)) => found.map(|address| address.ip()).collect(),
            },
        };
        target.place.keep_usable(&mut ips);
        if self.is_shuffled {
            ips.shuffle(&mut rand::rng());
        }
        let mut last = Cause::NoIp;
        for ip in ips.into_iter().take(IPS) {
            let mut config = target.config.clone();
            config.hostaddr(ip);
            match self.attempt(target, config).await {
                Ok(connected) => return Ok(connected),
                Err(cause) if is_final(&cause) => return Err(cause),
                Err(cause) => last = cause,
            }
        }
        Err(last)
    }

    /// Connects in the first mode that the server accepts.
    async fn attempt(&self, target: &Target, mut config: Config) -> Result<(Client, Messages, Tls), Cause> {
        let (last, first) = (target.protection.last, target.protection.first);
        let mut mode = first.unwrap_or(last);
        loop {
            config.ssl_mode(mode);
            let connected = async {
                match target.protection.tls.clone() {
                    Some(tls) => connect(&config, tls).await,
                    None => connect(&config, NoTls).await,
                }
            };
            match timeout(self.timeout, connected).await {
                Err(_) => return Err(Cause::Slow(self.timeout)),
                Ok(Ok((client, messages))) => return Ok((client, messages, target.protection.tls.clone())),
                Ok(Err(error)) if mode != last && is_about_tls(&error) => mode = last,
                Ok(Err(error)) => return Err(Cause::Driver(error)),
            }
        }
    }
}

async fn connect<T>(config: &Config, tls: T) -> Result<(Client, Messages), tokio_postgres::Error>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: Send + 'static,
{
    let (client, mut connection) = config.connect(tls).await?;
    Ok((client, Box::new(poll_fn(move |context| connection.poll_message(context)))))
}

/// Whether another mode may succeed: TLS failed, or the server has no rule for a connection with or without TLS. libpq
/// also repeats a password that was wrong, which a server may count twice.
fn is_about_tls(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION) || tls_error(error).is_some()
}

fn tls_error(error: &tokio_postgres::Error) -> Option<&rustls::Error> {
    error.source()?.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref()
}

/// Whether another host would refuse in the same way.
fn is_final(cause: &Cause) -> bool {
    let Cause::Driver(error) = cause else { return false };
    error.code().is_some_and(|code| code.code().starts_with("28") || *code == SqlState::INVALID_CATALOG_NAME)
}

/// The driver has no code for this error.
fn is_password_missing(error: &tokio_postgres::Error) -> bool {
    error.source().is_some_and(|source| source.to_string() == "password missing")
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn no_name_service_leads_localhost_to_another_machine() {
        let found: Vec<IpAddr> = ["10.0.0.1", "127.0.0.1", "::1"].map(|ip| ip.parse().unwrap()).into();
        let usable = |name: &str| {
            let mut ips = found.clone();
            Place::Name(name.to_owned()).keep_usable(&mut ips);
            ips
        };
        assert_eq!(usable("localhost"), found[1..]);
        assert_eq!(usable("db"), found);
    }
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod servers;
#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
pub(super) mod tls_cluster;
