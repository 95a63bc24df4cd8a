//! Who is at the other end of a connection, and how many connections they have.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderMap;
use ipnet::IpNet;

/// The proxies that are believed when they say whom they speak for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

/// A text that is no address and no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no address and no network; expected one such as 10.0.0.7 or 10.0.0.0/8")]
pub struct InvalidProxy(String);

impl TrustedProxies {
    /// The proxies of these addresses and networks.
    pub fn new(texts: &[String]) -> Result<Self, InvalidProxy> {
        let parse = |text: &String| {
            let address = IpAddr::from_str(text).map(IpNet::from).or_else(|_| text.parse());
            address.map_err(|_| InvalidProxy(text.chars().take(100).collect()))
        };
        texts.iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// Whether an address is a trusted proxy's.
    pub fn has(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The address of whoever a request comes from: the peer's, or the last one that a trusted proxy has forwarded and
    /// that is no trusted proxy's itself. What stands before it may be made up.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.has(peer) {
            return peer;
        }
        let lines = headers.get_all("x-forwarded-for").iter().rev().filter_map(|value| value.to_str().ok());
        let forwarded = lines.flat_map(|line| line.rsplit(','));
        let mut client = peer;
        for address in forwarded.map_while(|text| text.trim().parse::<IpAddr>().ok()) {
            client = address.to_canonical();
            if !self.has(client) {
                break;
            }
        }
        client
    }
}

/// How many connections each peer has.
pub struct Peers {
    most: usize,
    counts: Arc<Counts>,
}

type Counts = Mutex<HashMap<IpAddr, usize>>;

/// A connection of a peer; it is counted until this is dropped.
pub struct Share(Option<(IpAddr, Arc<Counts>)>);

impl Peers {
    /// Peers that may have so many connections each.
    pub fn new(most: usize) -> Self {
        Self { most, counts: Arc::default() }
    }

    /// Counts a connection of a peer, unless it has as many as it may.
    pub fn enter(&self, peer: IpAddr, is_trusted: bool) -> Option<Share> {
        if is_trusted {
            return Some(Share(None));
        }
        let peer = network(peer);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(peer).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Share(Some((peer, Arc::clone(&self.counts)))))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let Some((peer, counts)) = self.0.take() else { return };
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&peer) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&peer);
            }
        }
    }
}

/// What one machine has: an address, or with IPv6 a network of 64 bits.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_peer_has_a_share_and_others_have_theirs() {
        let peers = Peers::new(2);
        let first = peers.enter(ip("10.0.0.1"), false).unwrap();
        let _second = peers.enter(ip("10.0.0.1"), false).unwrap();
        assert!(peers.enter(ip("10.0.0.1"), false).is_none());
        assert!(peers.enter(ip("10.0.0.1"), true).is_some(), "a proxy speaks for many");
        assert!(peers.enter(ip("10.0.0.2"), false).is_some());
        drop(first);
        assert!(peers.enter(ip("10.0.0.1"), false).is_some());
        let _sixth = [peers.enter(ip("2001:db8::1"), false), peers.enter(ip("2001:db8::2"), false)];
        assert!(peers.enter(ip("2001:db8::3"), false).is_none(), "one machine has a network of 64 bits");
        assert!(peers.enter(ip("2001:db8:0:1::3"), false).is_some());
    }

    #[test]
    fn only_a_trusted_proxy_says_whom_it_speaks_for() {
        let proxies = TrustedProxies::new(&["127.0.0.1".to_owned(), "10.0.0.0/8".to_owned()]).unwrap();
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "6.6.6.6, 192.0.2.7, 10.1.1.1".parse().unwrap());
        assert_eq!(proxies.client(ip("127.0.0.1"), &headers), ip("192.0.2.7"));
        assert_eq!(proxies.client(ip("192.0.2.1"), &headers), ip("192.0.2.1"));
        headers.append("x-forwarded-for", "unknown".parse().unwrap());
        assert_eq!(proxies.client(ip("127.0.0.1"), &headers), ip("127.0.0.1"));
        assert!(TrustedProxies::new(&["example.com".to_owned()]).is_err());
    }
}
