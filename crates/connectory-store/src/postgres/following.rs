//! What the follower of this node has received, for each tenant.
//!
//! Whoever reads what others committed, publishes it: fresh reads, and the commits of this node. They do not wait for
//! each other. Each says from which head it read. What the follower has already is left out, and what would leave a gap
//! is read again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::access::TenantId;
use crate::changes::{Changed, Committed, Follow, Head};
use crate::revision::RevisionNumber;

/// The head before a tenant's first revision.
pub(super) const NOTHING: Head = Head { number: RevisionNumber::ZERO, commit: None };

/// The heads that the follower knows.
#[derive(Default)]
pub(super) struct Following {
    follower: OnceLock<Arc<dyn Follow>>,
    tenants: Mutex<HashMap<TenantId, Arc<Mutex<Option<Head>>>>>,
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
        *lock(&self.of(tenant))
    }

    /// Follows a tenant from a head on, whatever was followed before.
    pub fn begin(&self, tenant: TenantId, head: Head) {
        *lock(&self.of(tenant)) = Some(head);
    }

    /// Hands commits to the follower. A tenant that was not followed is followed from now on.
    pub fn publish(&self, tenant: TenantId, mut news: News) -> Published {
        let of = self.of(tenant);
        let mut followed = lock(&of);
        if let Some(head) = *followed {
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
        *followed = Some(news.to);
        Published::Done
    }

    /// Stops to follow a tenant whose history is another one than was followed, if it still is followed from there.
    pub fn lose(&self, tenant: TenantId, known: Head) {
        let of = self.of(tenant);
        let mut followed = lock(&of);
        if *followed == Some(known) {
            *followed = None;
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

    fn of(&self, tenant: TenantId) -> Arc<Mutex<Option<Head>>> {
        Arc::clone(self.tenants.lock().unwrap_or_else(PoisonError::into_inner).entry(tenant).or_default())
    }
}

fn lock(followed: &Mutex<Option<Head>>) -> MutexGuard<'_, Option<Head>> {
    followed.lock().unwrap_or_else(PoisonError::into_inner)
}
