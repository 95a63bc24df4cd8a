//! The hosts of an address, ready to connect to.

use std::net::IpAddr;

use tokio_postgres::Config;

use super::tls::Protection;

/// A host to connect to.
#[derive(Clone)]
pub(super) struct Target {
    /// The driver's configuration, with this host as its only one.
    pub(super) config: Config,
    /// The host and port, as errors show them.
    pub(super) shown: String,
    pub(super) place: Place,
    pub(super) protection: Protection,
}

/// Where a host is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A socket of this machine.
    Socket,
    Ip(IpAddr),
    Name(String),
}

impl Place {
    /// Whether no network is between here and the host. No other name than `localhost` is local, wherever it leads to.
    pub(super) fn is_local(&self) -> bool {
        match self {
            Self::Socket => true,
            Self::Ip(ip) => ip.to_canonical().is_loopback(),
            Self::Name(name) => name.eq_ignore_ascii_case("localhost"),
        }
    }

    /// Removes the IP addresses of other machines if the place is local: the connection may be unprotected, so no name
    /// service may lead it elsewhere.
    pub(super) fn keep_usable(&self, ips: &mut Vec<IpAddr>) {
        if self.is_local() {
            ips.retain(|ip| ip.to_canonical().is_loopback());
        }
    }
}
