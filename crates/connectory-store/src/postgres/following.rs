//! What the follower of this node has received, for each tenant.
//!
//! Whoever reads what others committed, publishes it: fresh reads, and the commits of this node. They do not wait for
//! each other. Each says from which head it read. What the follower has already is left out, and what would leave a gap
//! is read again.
//!
//! Only the one who commits publishes its own commit, and only when it is known to be made. A read may find it in the
//! database before, and then waits: it may not be where the database promises it to be, for example on a standby.

use std::collections::HashMap;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use super::limits::INLINE;
use crate::access::TenantId;
use crate::changes::{Changed, Committed, Follow, Head};
use crate::error::Unavailable;
use crate::process::end_process;
use crate::revision::RevisionNumber;

/// The head before a tenant's first revision.
pub(super) const NOTHING: Head = Head { number: RevisionNumber::ZERO, commit: None };

/// The channel for the result of a read. If it is dropped, the read asks again.
pub(super) type Reply = oneshot::Sender<Result<(), Unavailable>>;

/// The heads that the follower knows.
#[derive(Default)]
pub(super) struct Following {
    follower: OnceLock<Arc<dyn Follow>>,
    tenants: Mutex<HashMap<TenantId, Arc<FollowedTenant>>>,
}

/// A tenant that is followed, or was asked for.
#[derive(Default)]
struct FollowedTenant {
    /// Held by the one who changes what the follower has. The follower may take long, so nobody else waits for it.
    order: tokio::sync::Mutex<()>,
    followed: Mutex<Followed>,
}

impl FollowedTenant {
    /// Locks what is known, for a moment.
    fn known(&self) -> MutexGuard<'_, Followed> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is followed of a tenant.
#[derive(Default)]
struct Followed {
    /// The newest revision that the follower has received. None for a tenant that is not followed.
    head: Option<Head>,
    /// The newest revision before a commit of this node that is on its way.
    before_commit: Option<Head>,
    /// Whether a task reads what others committed.
    is_catching_up: bool,
    /// The reads that wait for one of the two, and the number that each needs.
    waiting: Vec<(RevisionNumber, Reply)>,
}

impl Followed {
    /// Answers the reads that wait: those whose number is published, and the others if there is an error. Without one,
    /// they ask again.
    fn answer(&mut self, error: Option<Unavailable>) {
        let published = self.head.map_or(RevisionNumber::ZERO, |head| head.number);
        for (number, reply) in self.waiting.drain(..) {
            let answer = if number <= published { Some(Ok(())) } else { error.map(Err) };
            if let Some(answer) = answer {
                let _gone = reply.send(answer);
            }
        }
    }
}

/// Why a tenant is loaded anew whose history is not the one that was followed.
pub(super) const ANOTHER_HISTORY: &str = "the database has another history than before, or the tenant was deleted";

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
    /// A commit of this node that is on its way is among these. It is published first.
    InCommit,
}

impl Following {
    pub fn follow(&self, follower: Arc<dyn Follow>) {
        assert!(self.follower.set(follower).is_ok(), "a store has one follower");
    }

    /// The newest revision that the follower has received. None for a tenant that is not followed.
    pub fn head(&self, tenant: TenantId) -> Option<Head> {
        self.of(tenant).known().head
    }

    /// Follows a tenant from a head on, whatever was followed before.
    pub async fn begin(&self, tenant: TenantId, head: Head) {
        let of = self.of(tenant);
        let _order = of.order.lock().await;
        of.known().head = Some(head);
    }

    /// Hands commits to the follower. A tenant that was not followed is followed from now on.
    pub async fn publish(&self, tenant: TenantId, mut news: News) -> Published {
        let of = self.of(tenant);
        let _order = of.order.lock().await;
        let (before_commit, head) = {
            let followed = of.known();
            (followed.before_commit, followed.head)
        };
        if before_commit.is_some_and(|before| before.number < news.to.number) {
            // A part of them would not do: a connector that the commit changes is only there as the commit leaves it.
            return Published::InCommit;
        }
        if let Some(head) = head {
            if head.number >= news.to.number {
                return Published::Done;
            }
            if head.number < news.from.number || (head.number == news.from.number && head != news.from) {
                return Published::Gap;
            }
            news.commits.retain(|commit| commit.changed.number > head.number);
        }
        if let Some(follower) = self.follower.get().filter(|_| !news.commits.is_empty()) {
            hand_over(follower, news.commits).await;
        }
        of.known().head = Some(news.to);
        Published::Done
    }

    /// Keeps what is after a head from being published until the commit that begins there is made or not.
    pub fn commit(&self, tenant: TenantId, before: Head) -> Committing {
        let of = self.of(tenant);
        of.known().before_commit = Some(before);
        Committing(of)
    }

    /// Whether a number may be of a commit of this node that is on its way.
    pub fn is_in_commit(&self, tenant: TenantId, number: RevisionNumber) -> bool {
        self.of(tenant).known().before_commit.is_some_and(|before| before.number < number)
    }

    /// Begins to read what others committed, unless a task does already.
    pub fn catch_up(&self, tenant: TenantId) -> Option<CatchingUp> {
        let of = self.of(tenant);
        let was_catching_up = mem::replace(&mut of.known().is_catching_up, true);
        (!was_catching_up).then_some(CatchingUp { of, error: None })
    }

    /// How many tenants miss what others committed, and get it at the moment.
    pub fn behind(&self) -> usize {
        let tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        tenants.values().filter(|tenant| tenant.known().is_catching_up).count()
    }

    /// Answers a read when a number is published. Without an answer, the read asks again.
    pub fn answer_after(&self, tenant: TenantId, number: RevisionNumber, reply: Reply) {
        let of = self.of(tenant);
        let mut followed = of.known();
        if followed.before_commit.is_some() || followed.is_catching_up {
            followed.waiting.push((number, reply));
        }
    }

    /// Stops to follow a tenant that must be loaded anew, if it still is followed from there.
    pub async fn lose(&self, tenant: TenantId, known: Head, why: &str) {
        let of = self.of(tenant);
        let _order = of.order.lock().await;
        let is_followed_from_there = of.known().head.take_if(|head| *head == known).is_some();
        if is_followed_from_there {
            tracing::warn!(tenant = tenant.get(), number = known.number.get(), why, "the tenant is loaded anew");
            if let Some(follower) = self.follower.get() {
                follower.lost(tenant);
            }
        }
    }

    fn of(&self, tenant: TenantId) -> Arc<FollowedTenant> {
        Arc::clone(self.tenants.lock().unwrap_or_else(PoisonError::into_inner).entry(tenant).or_default())
    }
}

/// Hands commits to the follower: many on a thread where that may take long.
async fn hand_over(follower: &Arc<dyn Follow>, commits: Vec<Committed>) {
    let is_long = commits.len() > INLINE;
    let follower = Arc::clone(follower);
    let hand_over = move || {
        if catch_unwind(AssertUnwindSafe(|| follower.committed(commits))).is_err() {
            // The lists in memory may be half done.
            end_process("what was committed could not be followed; what was acknowledged is kept; start again");
        }
    };
    if !is_long {
        hand_over();
    } else if spawn_blocking(hand_over).await.is_err() {
        tracing::debug!("the runtime ends before the follower has everything");
    }
}

/// A commit of this node that is on its way. When this is dropped, the reads that wait for it go on.
pub(super) struct Committing(Arc<FollowedTenant>);

impl Committing {
    /// The commit is made, and can be published.
    pub fn made(&self) {
        self.0.known().before_commit = None;
    }
}

impl Drop for Committing {
    fn drop(&mut self) {
        let mut followed = self.0.known();
        followed.before_commit = None;
        followed.answer(None);
    }
}

/// The task that reads what others committed. When this is dropped, the reads that wait for it go on.
pub(super) struct CatchingUp {
    of: Arc<FollowedTenant>,
    error: Option<Unavailable>,
}

impl CatchingUp {
    pub fn end(mut self, result: Result<(), Unavailable>) {
        self.error = result.err();
    }
}

impl Drop for CatchingUp {
    fn drop(&mut self) {
        let mut followed = self.of.known();
        followed.is_catching_up = false;
        followed.answer(self.error);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use tokio::sync::oneshot;
    use uuid::Uuid;

    use super::*;

    /// The numbers that were handed over.
    #[derive(Default)]
    struct Numbers(Mutex<Vec<i64>>);

    impl Follow for Numbers {
        fn committed(&self, batch: Vec<Committed>) {
            self.0.lock().unwrap().extend(batch.into_iter().map(|commit| commit.changed.number.get()));
        }

        fn lost(&self, _: TenantId) {}
    }

    fn head(number: i64) -> Head {
        Head {
            number: RevisionNumber::new(number).unwrap(),
            commit: Some(Uuid::from_u128(number.unsigned_abs().into())),
        }
    }

    /// What a read finds of connectors that all were deleted.
    fn read(tenant: TenantId, from: i64, to: i64, changed: &[(&str, i64)]) -> News {
        let changed = changed.iter().map(|(name, number)| Changed {
            number: head(*number).number,
            script_name: name.parse().unwrap(),
            summary: None,
        });
        News::read(tenant, head(from), head(to), changed.collect())
    }

    #[tokio::test]
    async fn what_is_read_together_with_a_commit_on_its_way_waits_for_it() {
        let (following, numbers) = (Following::default(), Arc::<Numbers>::default());
        following.follow(Arc::clone(&numbers) as Arc<dyn Follow>);
        let tenant = TenantId::new(1).unwrap();
        following.begin(tenant, head(5)).await;
        let committing = following.commit(tenant, head(7));
        assert!(following.is_in_commit(tenant, head(8).number) && !following.is_in_commit(tenant, head(7).number));
        // Others changed `hr` with 6, and the commit with 8. A read shows only the second change.
        let news = || read(tenant, 5, 8, &[("crm", 7), ("hr", 8)]);
        assert_eq!(following.publish(tenant, news()).await, Published::InCommit);
        assert_eq!((following.head(tenant), numbers.0.lock().unwrap().len()), (Some(head(5)), 0));
        let ([first, second], [mut answered, mut again]) = {
            let (one, other) = (oneshot::channel(), oneshot::channel());
            ([one.0, other.0], [one.1, other.1])
        };
        following.answer_after(tenant, head(7).number, first);
        following.answer_after(tenant, head(9).number, second);
        committing.made();
        assert_eq!(following.publish(tenant, news()).await, Published::Done);
        drop(committing);
        assert_eq!(*numbers.0.lock().unwrap(), [7, 8]);
        assert!(answered.try_recv().unwrap().is_ok());
        assert!(again.try_recv().is_err(), "it asks again");
    }
}
