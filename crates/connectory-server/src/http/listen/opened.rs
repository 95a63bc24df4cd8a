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
    /// Its caller is known, and it has been idle for [`IDLE_SECONDS`].
    IdleKnown,
}

/// The seconds after which an idle connection of a known caller may make room.
const IDLE_SECONDS: u64 = 5;
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

    /// Ends one connection to make room for a new one. Returns whether there was one that may be ended: a connection that
    /// a known caller uses may not, nor one of an unknown caller whose request has just begun.
    pub fn make_room(&mut self, second: u64) -> bool {
        self.connections.retain(|connection| !connection.has_ended());
        let rank = |connection: &Traffic| {
            let age = second.saturating_sub(connection.last());
            Some(match (connection.has_begun(), connection.is_known(), connection.is_busy()) {
                (false, _, _) => Rank::Silent,
                (true, false, true) if age >= STALLED_SECONDS => Rank::Stalled,
                (true, false, false) => Rank::IdleUnknown,
                (true, false, true) if age > 0 => Rank::BusyUnknown,
                (true, true, false) if age >= IDLE_SECONDS => Rank::IdleKnown,
                (true, _, _) => return None,
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

#[cfg(test)]
mod tests {
    use connectory_model::limits::{HEAD_BYTES, REQUEST_OVERHEAD};

    use super::*;

    /// Opens a connection whose last request began in a second. Its task never ends by itself.
    fn open(opened: &mut Opened) -> Arc<Traffic> {
        let traffic = Arc::new(Traffic::new(Arc::default()));
        traffic.runs_as(tokio::spawn(std::future::pending::<()>()).abort_handle());
        opened.push(Arc::clone(&traffic));
        traffic
    }

    #[tokio::test]
    async fn room_is_made_by_those_that_look_most_like_an_attack() {
        let mut opened = Opened::new(10);
        let [used, idle, stalled, silent, fresh] = std::array::from_fn(|_| open(&mut opened));
        for (known, second) in [(&used, 10), (&idle, 4)] {
            drop(known.begin(second));
            known.know();
        }
        let _requests = [stalled.begin(5), fresh.begin(10)];
        for expected in [&silent, &stalled, &idle] {
            assert!(opened.make_room(10));
            tokio::task::yield_now().await;
            assert!(expected.has_ended(), "the order is silent, stalled, idle");
        }
        assert!(!opened.make_room(10));
        assert!(!used.has_ended() && !fresh.has_ended());
    }

    #[tokio::test]
    async fn requests_that_do_not_arrive_end_the_largest_of_unknown_callers_first() {
        let mut opened = Opened::new(10);
        let [known, large, small] = std::array::from_fn(|_| open(&mut opened));
        known.know();
        let _requests = [known.begin(1), large.begin(1), small.begin(1)];
        for (connection, bytes) in [(&known, HEAD_BYTES), (&large, HEAD_BYTES), (&small, 1000)] {
            connection.read(bytes);
        }
        assert_eq!(opened.shrink(3 * (HEAD_BYTES + REQUEST_OVERHEAD)), 0);
        assert_eq!(opened.shrink(2 * (HEAD_BYTES + REQUEST_OVERHEAD)), 1);
        tokio::task::yield_now().await;
        assert!(large.has_ended() && !small.has_ended() && !known.has_ended());
    }

    #[tokio::test]
    async fn a_request_counts_until_its_response() {
        let traffic = Arc::new(Traffic::new(Arc::default()));
        traffic.read(1000);
        assert_eq!(traffic.requests(), 1000, "a head that has not arrived");
        let request = traffic.begin(1);
        assert_eq!(traffic.requests(), 1000 + REQUEST_OVERHEAD);
        traffic.read(10 * HEAD_BYTES);
        assert!(traffic.requests() < 4 * HEAD_BYTES, "the budget of bodies counts the rest");
        drop(request);
        assert_eq!(traffic.requests(), 0);
        traffic.read(7);
        assert_eq!(traffic.requests(), 7);
    }
}
