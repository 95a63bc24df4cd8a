//! Trusted proxies: the server uses the client addresses that they forward.

use connectory_model::shown;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use http::HeaderMap;
use ipnet::IpNet;

/// The addresses and networks of trusted proxies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

/// The error for a text that is neither an address nor a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no address and no network; expected one such as 10.0.0.7 or 10.0.0.0/8")]
pub struct InvalidProxy(String);

impl TrustedProxies {
    /// Parses addresses and networks.
    pub fn new(texts: &[String]) -> Result<Self, InvalidProxy> {
        let parse = |text: &String| {
            let address = IpAddr::from_str(text).map(IpNet::from).or_else(|_| text.parse());
            address.map_err(|_| InvalidProxy(shown(text, 100).to_owned()))
        };
        texts.iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// Whether an address belongs to a trusted proxy.
    pub fn has(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Returns the address of the client that sent a request. This is the peer's address, unless the peer is a trusted
    /// proxy. Then it is the last forwarded address that does not belong to a trusted proxy. The addresses before it
    /// may be forged.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.has(peer) {
            return peer;
        }
        let lines = headers.get_all("x-forwarded-for").iter().rev().filter_map(|value| value.to_str().ok());
        let forwarded = lines.flat_map(|line| line.rsplit(','));
        let mut client = peer;
        for address in forwarded.map_while(|text| forwarded_address(text.trim())) {
            client = address.to_canonical();
            if !self.has(client) {
                break;
            }
        }
        client
    }
}

/// Reads an address. Some proxies add the port, or write brackets around an IPv6 address.
fn forwarded_address(text: &str) -> Option<IpAddr> {
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    text.parse().ok().or_else(with_port).or_else(in_brackets)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn only_a_trusted_proxy_says_whom_it_speaks_for() {
        let proxies = TrustedProxies::new(&["127.0.0.1".to_owned(), "10.0.0.0/8".to_owned()]).unwrap();
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "6.6.6.6, 192.0.2.7, 10.1.1.1".parse().unwrap());
        assert_eq!(proxies.client(ip("127.0.0.1"), &headers), ip("192.0.2.7"));
        assert_eq!(proxies.client(ip("192.0.2.1"), &headers), ip("192.0.2.1"));
        for (written, expected) in
            [("192.0.2.8:4444", "192.0.2.8"), ("[2001:db8::1]:99", "2001:db8::1"), ("[2001:db8::2]", "2001:db8::2")]
        {
            headers.append("x-forwarded-for", written.parse().unwrap());
            assert_eq!(proxies.client(ip("127.0.0.1"), &headers), ip(expected));
        }
        headers.append("x-forwarded-for", "unknown".parse().unwrap());
        assert_eq!(proxies.client(ip("127.0.0.1"), &headers), ip("127.0.0.1"));
        assert!(TrustedProxies::new(&["example.com".to_owned()]).is_err());
    }
}
