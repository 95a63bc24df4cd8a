//! The peers of connections, and the number of connections of each peer.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Counts the connections of each peer.
pub struct Peers {
    most: usize,
    counts: Arc<Counts>,
}

type Counts = Mutex<HashMap<IpAddr, usize>>;

/// A counted connection of a peer. It is counted until this is dropped.
pub struct Share(Option<(IpAddr, Arc<Counts>)>);

impl Peers {
    /// Makes a counter that allows each peer at most `most` connections.
    pub fn new(most: usize) -> Self {
        Self { most, counts: Arc::default() }
    }

    /// Counts a connection of a peer. Returns none if the peer has reached its limit. A trusted peer has no limit.
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

/// Returns the part of an address that identifies a machine: the whole IPv4 address, or the 64-bit network of an IPv6
/// address.
pub fn network(address: IpAddr) -> IpAddr {
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
}
