//! Fresh reads: what was acknowledged before a read arrived, is published before the read is answered.
//!
//! A read waits for a query of the heads that is sent after it arrived. At most one query is on its way, and one is
//! waiting that all later reads share. So the number of queries does not grow with the number of reads.

use std::collections::{HashMap, HashSet};
use std::mem::take;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;
use uuid::Uuid;

use super::following::{ANOTHER_HISTORY, NOTHING, News, Published, Reply};
use super::limits::{FAR, FRESH};
use super::reads::{self, Since};
use super::value::{column, tenant_id};
use super::{Engine, is_planted, schema};
use crate::access::TenantId;
use crate::changes::Head;
use crate::error::{Result, StoreError, Unavailable};
use crate::revision::RevisionNumber;

/// The reads that wait for the next query.
#[derive(Default)]
pub(super) struct Heads {
    next: Mutex<Vec<Waiting>>,
    wanted: Arc<Notify>,
    /// When the heads were last known.
    known_at: Mutex<Option<Instant>>,
}

/// A read that waits for a query.
type Waiting = (TenantId, Reply);

impl Heads {
    fn next(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known_at(&self) -> MutexGuard<'_, Option<Instant>> {
        self.known_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The head of each tenant in the database, the commit at the number that this node knows, the timeline of the server, and
/// the version of the schema.
const HEADS: &str = "SELECT tenant, head_number, head_commit_id, known_commit_id, timeline,
                            (SELECT version FROM connectory_schema)
                         FROM heads($1, $2)";

/// What a round found of a tenant.
pub(super) enum Found {
    /// The follower has everything.
    Published,
    /// The number is of a commit of this node, or read together with one. It publishes them.
    InCommit(RevisionNumber),
    /// The follower does not have everything up to this head.
    Behind(Head),
    /// The tenant must be loaded anew.
    Lost,
}

impl Engine {
    /// Returns when the follower has every commit of a tenant that was acknowledged before this call.
    pub async fn fresh(&self, tenant: TenantId) -> Result<()> {
        if is_planted("wait") {
            return Ok(());
        }
        let fresh = async {
            loop {
                let (reply, answer) = oneshot::channel();
                self.heads.next().push((tenant, reply));
                self.heads.wanted.notify_one();
                if let Ok(fresh) = answer.await {
                    return fresh;
                }
            }
        };
        Ok(timeout(FRESH, fresh).await.map_err(|_| Unavailable::Slow)??)
    }

    /// The time since the heads were last known.
    pub fn lag(&self) -> Option<Duration> {
        self.heads.known_at().map(|at| at.elapsed())
    }

    /// Asks for the heads once, and publishes what the follower does not have.
    async fn round(self: &Arc<Self>, waiting: Vec<Waiting>) {
        let asked = Instant::now();
        let tenants = waiting.iter().map(|(tenant, _)| *tenant).collect();
        let result = match timeout(FRESH, self.ask(tenants)).await {
            Ok(result) => result,
            Err(_) => Err(Unavailable::Slow.into()),
        };
        let found = match result {
            Ok(found) => {
                *self.heads.known_at() = Some(asked);
                Ok(found)
            }
            Err(StoreError::Unavailable(why)) => Err(why),
            Err(error) => {
                tracing::error!(%error, "could not ask for the newest revisions");
                Err(Unavailable::Disconnected)
            }
        };
        for (tenant, reply) in waiting {
            let fresh = match &found {
                Err(why) => Err(*why),
                Ok(found) => match found.get(&tenant) {
                    Some(Found::Published) => Ok(()),
                    Some(Found::InCommit(number)) => {
                        self.following.answer_after(tenant, *number, reply);
                        continue;
                    }
                    Some(Found::Behind(head)) => {
                        self.catch_up_beside(tenant, *head);
                        self.following.answer_after(tenant, head.number, reply);
                        continue;
                    }
                    Some(Found::Lost) | None => Err(Unavailable::Lost),
                },
            };
            let _gone = reply.send(fresh);
        }
    }

    /// Asks what there is of these tenants.
    async fn ask(&self, tenants: HashSet<TenantId>) -> Result<HashMap<TenantId, Found>> {
        let known: HashMap<TenantId, Head> =
            tenants.into_iter().map(|tenant| (tenant, self.following.head(tenant).unwrap_or(NOTHING))).collect();
        let (ids, numbers): (Vec<_>, Vec<_>) =
            known.iter().map(|(tenant, head)| (tenant.get(), head.number.get())).unzip();
        let mut rows = self.heads_reads.query(HEADS, &[&ids, &numbers]).await?;
        let timeline = rows.first().map(|row| column::<Option<String>>(row, 4)).transpose()?.flatten();
        if self.is_another(timeline) {
            // Others may still lead to the server that was the primary before.
            self.close_all();
            rows = self.heads_reads.query(HEADS, &[&ids, &numbers]).await?;
        }
        if rows.first().is_some_and(|row| column::<Option<&str>>(row, 4).is_ok_and(|timeline| timeline.is_none())) {
            self.close_all();
            return Err(Unavailable::ReadOnly.into());
        }
        let mut found = HashMap::new();
        if let Some(row) = rows.first() {
            schema::expect_known(column(row, 5)?)?;
        }
        for row in rows {
            let tenant = tenant_id(&row, 0)?;
            let Some(&known) = known.get(&tenant) else { continue };
            let head = reads::head(&row, 1)?;
            let is_rewound = known != NOTHING && column::<Option<Uuid>>(&row, 3)? != known.commit;
            if is_rewound {
                self.following.lose(tenant, known, ANOTHER_HISTORY).await;
            }
            let of_tenant = if is_rewound {
                Found::Lost
            } else if head == known {
                Found::Published
            } else if self.following.is_in_commit(tenant, head.number) {
                Found::InCommit(head.number)
            } else {
                Found::Behind(head)
            };
            let is_followed = self.following.head(tenant).is_some();
            found.insert(tenant, if is_followed { of_tenant } else { Found::Lost });
        }
        Ok(found)
    }

    /// Publishes the commits of a tenant up to a head in a task of its own, and answers the reads that wait for them. It
    /// may take longer than a read waits, and other tenants do not wait for it.
    fn catch_up_beside(self: &Arc<Self>, tenant: TenantId, head: Head) {
        let Some(catching_up) = self.following.catch_up(tenant) else { return };
        let engine = Arc::clone(self);
        tokio::spawn(async move {
            let ended = match engine.catch_up(tenant, head).await {
                Ok(Found::Lost) => Err(Unavailable::Lost),
                // Those who still wait ask again.
                Ok(_) => Ok(()),
                Err(StoreError::Unavailable(why)) => Err(why),
                Err(error) => {
                    tracing::error!(%error, "could not read what other servers committed");
                    Err(Unavailable::Disconnected)
                }
            };
            catching_up.end(ended);
        });
    }

    /// Publishes the commits of a tenant up to a head.
    pub async fn catch_up(&self, tenant: TenantId, to: Head) -> Result<Found> {
        loop {
            let Some(known) = self.following.head(tenant) else { return Ok(Found::Lost) };
            if known.number >= to.number {
                return Ok(Found::Published);
            }
            if to.number.get() - known.number.get() > FAR {
                self.following.lose(tenant, known, "others committed much since").await;
                return Ok(Found::Lost);
            }
            let since = reads::changes_since(&self.reads, tenant, known).await;
            if matches!(since, Err(StoreError::Unavailable(Unavailable::Slow))) {
                // It would be as late again. A load has no limit of time as a whole.
                self.following.lose(tenant, known, "what others committed takes too long to read").await;
                return Ok(Found::Lost);
            }
            let Since { from, to: since_to, is_rewound, changed, .. } = since?;
            if is_rewound {
                self.following.lose(tenant, known, ANOTHER_HISTORY).await;
                return Ok(Found::Lost);
            }
            match self.following.publish(tenant, News::read(tenant, from, since_to, changed)).await {
                Published::Done => return Ok(Found::Published),
                Published::InCommit => return Ok(Found::InCommit(to.number)),
                Published::Gap => {}
            }
        }
    }
}

/// Answers reads until the store is closed.
pub(super) async fn run(engine: Weak<Engine>, wanted: Arc<Notify>) {
    loop {
        wanted.notified().await;
        let Some(engine) = engine.upgrade() else { return };
        let waiting = take(&mut *engine.heads.next());
        if !waiting.is_empty() {
            engine.round(waiting).await;
        }
    }
}

impl Heads {
    /// What wakes the task that answers reads.
    pub fn wanted(&self) -> Arc<Notify> {
        Arc::clone(&self.wanted)
    }
}
