//! The open connections, and the order in which they end if a limit is reached.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::sync::Arc;

use super::traffic::Traffic;

/// The order in which connections make room for new ones. Of the same rank, the one with the oldest request is first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// It has sent no request.
    Silent,
    /// Its caller is unknown, and its request has been in flight for [`STALLED_SECONDS`].
    Stalled,
    /// Its caller is unknown, and it is idle.
    IdleUnknown,
    /// Its caller is unknown, and its request has been in flight for a second.
    BusyUnknown,
    /// Its caller is known, and it is idle.
    IdleKnown,
}

/// The seconds after which a request of an unknown caller is stalled. A token request takes less.
const STALLED_SECONDS: u64 = 5;

/// The open connections, the oldest first. Some of them may have ended.
pub struct Opened {
    connections: VecDeque<Arc<Traffic>>,
    most: usize,
}

impl Opened {
    pub fn new(most: usize) -> Self {
        Self { connections: VecDeque::new(), most }
    }

    pub fn push(&mut self, connection: Arc<Traffic>) {
        while self.connections.front().is_some_and(|connection| connection.has_ended()) {
            self.connections.pop_front();
        }
        if self.connections.len() >= 2 * self.most {
            self.connections.retain(|connection| !connection.has_ended());
        }
        self.connections.push_back(connection);
    }

    /// Ends one connection to make room for a new one. Returns whether there was one that may be ended: a busy connection
    /// of a known caller may not, nor one of an unknown caller whose request has just begun.
    pub fn make_room(&mut self, second: u64) -> bool {
        self.connections.retain(|connection| !connection.has_ended());
        let rank = |connection: &Traffic| {
            let age = second.saturating_sub(connection.last());
            Some(match (connection.has_begun(), connection.is_known(), connection.is_busy()) {
                (false, _, _) => Rank::Silent,
                (true, false, true) if age >= STALLED_SECONDS => Rank::Stalled,
                (true, false, false) => Rank::IdleUnknown,
                (true, false, true) if age > 0 => Rank::BusyUnknown,
                (true, true, false) => Rank::IdleKnown,
                (true, _, true) => return None,
            })
        };
        let ranked = self.connections.iter().enumerate();
        let first = ranked.filter_map(|(at, connection)| Some((rank(connection)?, connection.last(), at))).min();
        let ended = first.and_then(|(_, _, at)| self.connections.remove(at));
        ended.inspect(|connection| connection.end()).is_some()
    }

    /// Ends connections until the requests of the others need at most `most` bytes: first those of unknown callers, and
    /// of these the largest. Returns the number of ended connections.
    pub fn shrink(&mut self, most: usize) -> usize {
        let mut all: usize = self.connections.iter().map(|connection| connection.requests()).sum();
        if all <= most {
            return 0;
        }
        self.connections.retain(|connection| !connection.has_ended());
        all = self.connections.iter().map(|connection| connection.requests()).sum();
        let mut by_size: Vec<_> =
            self.connections.iter().map(|of| (of.is_known(), Reverse(of.requests()), of)).collect();
        by_size.sort_unstable_by_key(|(is_known, size, _)| (*is_known, *size));
        let ended = by_size.iter().take_while(|(_, Reverse(size), connection)| {
            let is_over = all > most;
            if is_over {
                connection.end();
                all = all.saturating_sub(*size);
            }
            is_over
        });
        ended.count()
    }
}
