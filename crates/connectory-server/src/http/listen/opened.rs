//! The open connections, and the order in which they end if a limit is reached.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use connectory_model::limits::HTTP2_ANSWERS_PER_CONNECTION;

use super::traffic::Traffic;
use crate::share::Share;

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

/// Identifies the caller of a connection by its share. All unknown callers together are none.
fn caller(connection: &Traffic) -> Option<*const Share> {
    connection.caller().map(Arc::as_ptr)
}

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
    /// a known caller uses may not, unless it has more than half of all, nor one of an unknown caller whose request
    /// has just begun.
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
        let at = first.map(|(_, _, at)| at).or_else(|| self.crowding(second));
        let ended = at.and_then(|at| self.connections.remove(at));
        ended.inspect(|connection| connection.end()).is_some()
    }

    /// Returns the connection that makes room if known callers use all: of a client that has more than half of them, the
    /// one with the oldest request, which is idle or whose request has been in flight for [`STALLED_SECONDS`].
    fn crowding(&self, second: u64) -> Option<usize> {
        let callers = || self.connections.iter().filter_map(|connection| caller(connection));
        // The vote of Boyer and Moore finds the client with the majority without counting the connections of each client.
        let (majority, _) = callers().fold((None, 0_usize), |(client, lead), caller| match lead {
            lead if client == Some(caller) => (client, lead + 1),
            0 => (Some(caller), 1),
            lead => (client, lead - 1),
        });
        if callers().filter(|caller| Some(*caller) == majority).count() <= self.most / 2 {
            return None;
        }
        let may_end =
            |connection: &Traffic| !connection.is_busy() || second.saturating_sub(connection.last()) >= STALLED_SECONDS;
        let own = self.connections.iter().enumerate().filter(|(_, of)| caller(of) == majority && may_end(of));
        own.min_by_key(|(_, connection)| connection.last()).map(|(at, _)| at)
    }

    /// Ends connections with many responses that wait for their readers, until at most `most` responses wait: first those
    /// of unknown callers, and then those of the caller with the most. Returns the number of ended connections.
    pub fn end_unread(&mut self, most: usize) -> usize {
        self.connections.retain(|connection| !connection.has_ended());
        let mut counts = HashMap::<_, usize>::new();
        for connection in &self.connections {
            *counts.entry(caller(connection)).or_default() += connection.waiting();
        }
        let mut all: usize = counts.values().sum();
        let many = self.connections.iter().filter(|of| of.waiting() > HTTP2_ANSWERS_PER_CONNECTION);
        let mut many: Vec<_> = many.map(|of| (of.is_known(), Reverse(counts[&caller(of)]), of)).collect();
        many.sort_unstable_by_key(|(is_known, of_caller, _)| (*is_known, *of_caller));
        let ended = many.iter().take_while(|(_, _, connection)| {
            let is_over = all > most;
            if is_over {
                all = all.saturating_sub(connection.waiting());
                connection.end();
            }
            is_over
        });
        ended.count()
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
    use axum::body::Body;
    use axum::response::Response;
    use connectory_model::limits::{HEAD_BYTES, REQUEST_OVERHEAD};

    use super::*;

    /// Opens a connection whose last request began in a second. Its task never ends by itself.
    fn open(opened: &mut Opened) -> Arc<Traffic> {
        let traffic = Arc::new(Traffic::new(Arc::default()));
        traffic.runs_as(tokio::spawn(std::future::pending::<()>()).abort_handle());
        opened.push(Arc::clone(&traffic));
        traffic
    }

    fn someone() -> Arc<Share> {
        Arc::new(Share::of_client(None))
    }

    #[tokio::test]
    async fn a_client_with_more_than_half_of_the_connections_makes_room_itself() {
        let mut opened = Opened::new(4);
        let (greedy, other) = (someone(), someone());
        let [first, second, stalled, used] = std::array::from_fn(|_| open(&mut opened));
        for connection in [&first, &second, &stalled] {
            drop(connection.begin(10));
            connection.know(&greedy);
        }
        drop(used.begin(9));
        used.know(&other);
        let _request = stalled.begin(6);
        assert!(opened.make_room(11));
        tokio::task::yield_now().await;
        assert!(stalled.has_ended(), "its request has been in flight for long");
        assert!(!opened.make_room(11), "it has half");
        assert!(!first.has_ended() && !second.has_ended() && !used.has_ended());
    }

    #[tokio::test]
    async fn unread_answers_end_the_connections_of_the_caller_with_the_most() {
        let response = || Response::new(Body::from("answer"));
        let mut opened = Opened::new(10);
        let greedy = someone();
        let connections: [_; 4] = std::array::from_fn(|_| open(&mut opened));
        let [one, two, other, unknown] = &connections;
        one.know(&greedy);
        two.know(&greedy);
        other.know(&someone());
        let _unread: Vec<_> = [(one, 8), (two, 8), (other, 12), (unknown, 6)]
            .into_iter()
            .flat_map(|(connection, count)| (0..count).map(move |_| connection.follow(response())))
            .collect();
        assert_eq!(opened.end_unread(34), 0);
        assert_eq!(opened.end_unread(20), 2);
        tokio::task::yield_now().await;
        assert!(unknown.has_ended() && (one.has_ended() != two.has_ended()) && !other.has_ended());
    }

    #[tokio::test]
    async fn room_is_made_by_those_that_look_most_like_an_attack() {
        let mut opened = Opened::new(10);
        let [used, idle, stalled, silent, fresh] = std::array::from_fn(|_| open(&mut opened));
        for (known, second) in [(&used, 10), (&idle, 4)] {
            drop(known.begin(second));
            known.know(&someone());
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
        known.know(&someone());
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
