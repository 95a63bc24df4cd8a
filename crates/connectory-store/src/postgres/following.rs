//! What the follower of this node has received, for each tenant.
//!
//! Whoever reads what others committed, publishes it: fresh reads, and the commits of this node. They do not wait for
//! each other. Each says from which head it read. What the follower has already is left out, and what would leave a gap
//! is read again.
//!
//! Only the one who commits publishes its own commit, and only when it is known to be made. A read may find it in the
//! database before, and then waits: it may not be where the database promises it to be, for example on a standby.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::heads::Reply;
use crate::access::TenantId;
use crate::changes::{Changed, Committed, Follow, Head};
use crate::revision::RevisionNumber;

/// The head before a tenant's first revision.
pub(super) const NOTHING: Head = Head { number: RevisionNumber::ZERO, commit: None };

/// The heads that the follower knows.
#[derive(Default)]
pub(super) struct Following {
    follower: OnceLock<Arc<dyn Follow>>,
    tenants: Mutex<HashMap<TenantId, Arc<Mutex<Followed>>>>,
}

/// What is followed of a tenant.
#[derive(Default)]
struct Followed {
    /// The newest revision that the follower has received. None for a tenant that is not followed.
    head: Option<Head>,
    /// The newest revision before a commit of this node that is on its way.
    before_commit: Option<Head>,
    /// The reads that need what is after it, and up to which number.
    waiting: Vec<(RevisionNumber, Reply)>,
}

/// The commits of a tenant after a head, up to another one.
pub(super) struct News {
    pub from: Head,
    pub to: Head,
    /// In the order of their numbers.
    pub commits: Vec<Committed>,
}

impl News {
    /// What a read found.
    pub fn read(tenant: TenantId, from: Head, to: Head, changed: Vec<Changed>) -> Self {
        let committed = |changed| Committed { tenant, changed, prepared: None };
        Self { from, to, commits: changed.into_iter().map(committed).collect() }
    }

    /// Adds what came directly after it.
    pub fn then(mut self, later: Self) -> Self {
        self.commits.extend(later.commits);
        Self { to: later.to, ..self }
    }
}

/// The result of [`Following::publish`].
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Published {
    /// The follower has everything up to the news' last commit.
    Done,
    /// There are commits between what the follower has and these. They must be read from there.
    Gap,
}

impl Following {
    pub fn follow(&self, follower: Arc<dyn Follow>) {
        assert!(self.follower.set(follower).is_ok(), "a store has one follower");
    }

    /// The newest revision that the follower has received. None for a tenant that is not followed.
    pub fn head(&self, tenant: TenantId) -> Option<Head> {
        lock(&self.of(tenant)).head
    }

    /// Follows a tenant from a head on, whatever was followed before.
    pub fn begin(&self, tenant: TenantId, head: Head) {
        lock(&self.of(tenant)).head = Some(head);
    }

    /// Hands commits to the follower. A tenant that was not followed is followed from now on.
    pub fn publish(&self, tenant: TenantId, mut news: News) -> Published {
        let of = self.of(tenant);
        let mut followed = lock(&of);
        if let Some(before) = followed.before_commit.filter(|before| before.number < news.to.number) {
            news.commits.retain(|commit| commit.changed.number <= before.number);
            news.to = before;
        }
        if let Some(head) = followed.head {
            if head.number >= news.to.number {
                return Published::Done;
            }
            if head.number < news.from.number || (head.number == news.from.number && head != news.from) {
                return Published::Gap;
            }
            news.commits.retain(|commit| commit.changed.number > head.number);
        }
        if let Some(follower) = self.follower.get().filter(|_| !news.commits.is_empty()) {
            follower.committed(news.commits);
        }
        followed.head = Some(news.to);
        Published::Done
    }

    /// Keeps what is after a head from being published until the commit that begins there is made or not.
    pub fn commit(&self, tenant: TenantId, before: Head) -> Committing {
        let of = self.of(tenant);
        lock(&of).before_commit = Some(before);
        Committing(of)
    }

    /// Whether a number may be of a commit of this node that is on its way.
    pub fn is_in_commit(&self, tenant: TenantId, number: RevisionNumber) -> bool {
        lock(&self.of(tenant)).before_commit.is_some_and(|before| before.number < number)
    }

    /// Answers a read when a number is published. Without an answer, the read asks again.
    pub fn answer_after(&self, tenant: TenantId, number: RevisionNumber, reply: Reply) {
        let of = self.of(tenant);
        let mut followed = lock(&of);
        if followed.before_commit.is_some() {
            followed.waiting.push((number, reply));
        }
    }

    /// Stops to follow a tenant whose history is another one than was followed, if it still is followed from there.
    pub fn lose(&self, tenant: TenantId, known: Head) {
        let of = self.of(tenant);
        let mut followed = lock(&of);
        if followed.head == Some(known) {
            followed.head = None;
            tracing::warn!(
                tenant = tenant.get(),
                number = known.number.get(),
                "the database has another history than before; the tenant is loaded anew"
            );
            if let Some(follower) = self.follower.get() {
                follower.lost(tenant);
            }
        }
    }

    fn of(&self, tenant: TenantId) -> Arc<Mutex<Followed>> {
        Arc::clone(self.tenants.lock().unwrap_or_else(PoisonError::into_inner).entry(tenant).or_default())
    }
}

/// A commit of this node that is on its way. When this is dropped, the reads that wait for it go on.
pub(super) struct Committing(Arc<Mutex<Followed>>);

impl Committing {
    /// The commit is made, and can be published.
    pub fn made(&self) {
        lock(&self.0).before_commit = None;
    }
}

impl Drop for Committing {
    fn drop(&mut self) {
        let mut followed = lock(&self.0);
        followed.before_commit = None;
        let published = followed.head.map_or(RevisionNumber::ZERO, |head| head.number);
        let answered = followed.waiting.drain(..).filter(|(number, _)| *number <= published);
        for (_, reply) in answered {
            let _gone = reply.send(Ok(()));
        }
    }
}

fn lock(followed: &Mutex<Followed>) -> MutexGuard<'_, Followed> {
    followed.lock().unwrap_or_else(PoisonError::into_inner)
}
