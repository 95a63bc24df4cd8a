//! Retention: which revisions lose their bodies, and which parts go with them. The engines read and write for it.
//!
//! A revision stays with who made it and when. Only its body becomes empty. The bodies of a connector go from the oldest
//! on, so at any moment the revisions without a body are the oldest of their connector.
//!
//! **Parts.** A part of a large connector is stored with the revision that changed it, its *holder*, and later revisions
//! name the holder. An edit takes the holder of an unchanged part from the revision before it, so the revisions that name a
//! part of a holder follow each other in the history of the connector, from the holder on. When the body of a revision goes,
//! no older one has a body. So a part that it names is needed by others only if the next revision names it too. If the next
//! one does not, no later one does, and the part goes.
//!
//! **Edits at the same time.** An edit is made of the newest revision of its connector, before the commit, and is refused if
//! that is not the newest any more. It names parts that this newest revision names, and new ones. The body of the newest
//! revision is never removed, and neither is a part that it names, as above. So no edit names a part that is removed,
//! whichever process makes it, and whether a step comes before its commit or after it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use connectory_model::Part;
use connectory_model::limits::{
    RETENTION_BODIES, RETENTION_BYTES, RETENTION_CONNECTORS, RETENTION_LOOK, RETENTION_RECENT, RETENTION_WINDOW,
};

use crate::Store;
use crate::access::TenantId;
use crate::body::{self, Holders};
use crate::error::{Result, unreadable};
use crate::lease::Lease;
use crate::revision::{RevisionId, RevisionNumber};

/// Which revisions keep their bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// The age up to which all do.
    pub age: Duration,
    /// How many of each connector do, whatever their age: the newest, and at least one.
    pub min: usize,
}

/// What a step removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    /// How many revisions have no body any more.
    pub bodies: u64,
    /// The bytes of their bodies and parts, as they were stored.
    pub bytes: u64,
    /// Whether the lease is not held any more, so that this step removed none.
    pub is_elsewhere: bool,
}

/// The newest revision of a connector.
pub(crate) struct Newest {
    pub script_name: String,
    pub number: RevisionNumber,
    /// Whether the revision before it has a body.
    pub has_more: bool,
}

/// A revision in the history of its connector.
pub(crate) struct Link {
    pub number: RevisionNumber,
    pub previous: Option<RevisionNumber>,
    pub created_at: i64,
    pub has_body: bool,
}

/// Revisions of a connector whose bodies are to be removed.
pub(crate) struct Run {
    pub script_name: String,
    /// The revisions, the oldest first, without gaps. Those before them have no bodies.
    pub numbers: Vec<RevisionNumber>,
    /// The revision after them, which keeps its body for now.
    pub next: RevisionNumber,
}

/// A pass through the histories of all connectors of all tenants. It goes on where its last step ended.
#[derive(Default)]
pub struct RetentionPass {
    retention: Option<Retention>,
    tenants: VecDeque<TenantId>,
    /// The script name of the last connector of the first tenant that was read.
    after: String,
    /// Whether all connectors of that tenant were read.
    is_read: bool,
    /// The connectors that were read and are to be walked.
    connectors: VecDeque<Newest>,
    walk: Option<Walk>,
}

/// A walk through the history of a connector, from the newest revision to older ones.
struct Walk {
    newest: Newest,
    /// The next revision to look at. None at the end.
    from: Option<RevisionNumber>,
    /// How many were looked at.
    seen: usize,
    /// The time of the last one. A revision is at least as old as those after it, whatever the clock said.
    time: i64,
    /// The oldest ones whose bodies can go, the newest first.
    window: VecDeque<RevisionNumber>,
    /// The revision after the window.
    next: RevisionNumber,
    /// Whether the window had no room for all.
    is_full: bool,
}

impl Retention {
    /// Begins a pass.
    pub async fn begin(self, store: &Store) -> Result<RetentionPass> {
        let tenants = store.tenants().await?.into_iter().map(|tenant| tenant.id).collect();
        Ok(RetentionPass { retention: Some(self), tenants, ..RetentionPass::default() })
    }
}

impl RetentionPass {
    /// Whether all was looked at.
    pub fn is_done(&self) -> bool {
        self.tenants.is_empty()
    }

    /// Looks at some revisions, or removes some bodies.
    pub(crate) async fn step(&mut self, store: &Store, lease: &Lease, now: i64) -> Result<Removed> {
        let mut looked = 0;
        let Some(retention) = self.retention else { return Ok(Removed::default()) };
        while let Some(tenant) = self.tenants.front().copied()
            && looked < RETENTION_LOOK
        {
            if let Some(mut walk) = self.walk.take() {
                // If this fails, the connector is left out.
                if walk.from.is_some() {
                    looked += walk.look(store, tenant, retention, now).await?;
                    self.walk = Some(walk);
                } else if let Some(run) = walk.run() {
                    let removed = store.remove_bodies(tenant, run, lease).await?;
                    if let Some(removed) = removed {
                        let rest =
                            walk.window.len().saturating_sub(usize::try_from(removed.bodies).unwrap_or(usize::MAX));
                        walk.window.truncate(rest);
                        // What others removed before.
                        if removed.bodies > 0 {
                            self.walk = Some(walk);
                        }
                        return Ok(removed);
                    }
                    self.walk = Some(walk);
                    return Ok(Removed { is_elsewhere: true, ..Removed::default() });
                } else if walk.is_full {
                    self.walk = Some(Walk::new(walk.newest));
                }
            } else if let Some(newest) = self.connectors.pop_front() {
                self.walk = Some(Walk::new(newest));
            } else if self.is_read {
                self.tenants.pop_front();
                self.is_read = false;
                self.after.clear();
            } else {
                let read = store.newest(tenant, self.after.clone(), RETENTION_CONNECTORS).await?;
                looked += RETENTION_CONNECTORS;
                match read.last() {
                    Some(last) => self.after.clone_from(&last.script_name),
                    None => self.is_read = true,
                }
                self.connectors.extend(read.into_iter().filter(|newest| newest.has_more));
            }
        }
        Ok(Removed::default())
    }
}

impl Walk {
    fn new(newest: Newest) -> Self {
        let (window, number) = (VecDeque::new(), newest.number);
        Self { newest, from: Some(number), seen: 0, time: i64::MAX, window, next: number, is_full: false }
    }

    /// Looks at the next revisions. Returns how many.
    async fn look(&mut self, store: &Store, tenant: TenantId, retention: Retention, now: i64) -> Result<u32> {
        let Some(from) = self.from else { return Ok(0) };
        let links = store.links(RevisionId { tenant, number: from }, RETENTION_LOOK).await?;
        self.from = None;
        for link in &links {
            // Those before have none either.
            if !link.has_body {
                self.from = None;
                break;
            }
            self.take(link, retention, now);
            self.from = link.previous;
        }
        Ok(u32::try_from(links.len()).unwrap_or(u32::MAX).max(1))
    }

    /// Takes the next older revision.
    fn take(&mut self, link: &Link, Retention { age, min }: Retention, now: i64) {
        let before = |time: Duration| now.saturating_sub(i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
        let next_time = self.time;
        self.time = link.created_at.min(next_time);
        self.seen += 1;
        let can_go = self.seen > min.max(1) && self.time < before(age) && next_time < before(RETENTION_RECENT);
        if !can_go {
            self.next = link.number;
            return;
        }
        self.window.push_back(link.number);
        if self.window.len() > RETENTION_WINDOW
            && let Some(next) = self.window.pop_front()
        {
            self.next = next;
            self.is_full = true;
        }
    }

    /// The oldest revisions that are removed in one transaction.
    fn run(&self) -> Option<Run> {
        let count = self.window.len().min(RETENTION_BODIES);
        let numbers: Vec<_> = self.window.iter().rev().take(count).copied().collect();
        let next = self.window.iter().rev().nth(count).copied().unwrap_or(self.next);
        (count > 0).then(|| Run { script_name: self.newest.script_name.clone(), numbers, next })
    }
}

/// A row of a revision, as [`removal`] needs it.
pub(crate) struct Row {
    pub number: RevisionNumber,
    pub format: i64,
    /// The length of the body.
    pub bytes: u64,
    /// The body, if it names parts.
    pub head: Option<Vec<u8>>,
}

/// What is removed in one transaction.
pub(crate) struct Removal {
    /// The revisions whose bodies become empty, the oldest first.
    pub bodies: Vec<RevisionNumber>,
    /// The bytes of these bodies.
    pub bytes: u64,
    /// The parts that go with them, with their holders.
    pub parts: Vec<(Part, RevisionNumber)>,
}

impl Run {
    /// The revisions whose rows [`removal`] needs, with the newest of the connector.
    pub fn rows(&self) -> impl Iterator<Item = RevisionNumber> {
        self.numbers.iter().copied().chain([self.next])
    }
}

/// Decides what is removed, given the rows of [`Run::rows`] and that of the connector's newest revision, read in the transaction that removes it. What other processes
/// removed since the run was found is left out.
pub(crate) fn removal(run: &Run, rows: Vec<Row>) -> Result<Removal> {
    let rows: HashMap<_, _> = rows.into_iter().map(|row| (row.number, row)).collect();
    let mut removal = Removal { bodies: Vec::new(), bytes: 0, parts: Vec::new() };
    let newest = names(rows.keys().max().and_then(|newest| rows.get(newest)))?;
    let mut parts_bytes = 0;
    let nexts = run.numbers.iter().skip(1).chain([&run.next]);
    for (number, next) in run.numbers.iter().zip(nexts) {
        let Some(row) = rows.get(number).filter(|row| row.bytes > 0) else { continue };
        let Some(next) = rows.get(next).filter(|row| row.bytes > 0) else {
            return Err(unreadable(format_args!(
                "revision {next} has no body, and revision {number} before it has one"
            )));
        };
        let named = match &row.head {
            Some(head) => body::outline(row.format, head)?.parts,
            None => Vec::new(),
        };
        let next = names(Some(next))?;
        // The newest revision comes after the next one, so it names no other. This holds even if the history does not.
        let is_needed = |part: &(Part, RevisionNumber)| next.contains(part) || newest.contains(part);
        let gone = named.iter().map(|named| (named, (named.part, named.holder.unwrap_or(*number))));
        let gone: Vec<_> = gone.filter(|(_, part)| !is_needed(part)).collect();
        parts_bytes += gone.iter().filter_map(|(named, _)| named.bytes).sum::<usize>();
        if parts_bytes > RETENTION_BYTES && !removal.bodies.is_empty() {
            break;
        }
        removal.bodies.push(*number);
        removal.bytes += row.bytes;
        removal.parts.extend(gone.into_iter().map(|(_, part)| part));
    }
    Ok(removal)
}

/// The parts that a revision names, with their holders.
fn names(row: Option<&Row>) -> Result<HashSet<(Part, RevisionNumber)>> {
    let holders = match row {
        Some(Row { number, format, head: Some(head), .. }) => body::holders(*format, head, *number)?,
        _ => Holders::default(),
    };
    Ok(holders.iter().copied().collect())
}
