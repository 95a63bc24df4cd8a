//! Applies changes to several connectors in one commit: all or none.
//!
//! The changes arrive as lines. A thread reads and checks one after the other while they arrive, and keeps each as a
//! compressed edit. So a set takes little more memory than what it adds to the database, and long work never runs on an
//! async worker.

mod lines;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use connectory_model::import::ObjectError;
use connectory_model::limits::{APPLY_BYTES_PER_SECOND, APPLY_REFUSALS, APPLY_TIMEOUT, QUOTED_CHARS};
use connectory_model::wire::Applied;
use connectory_model::{InvalidScriptName, ScriptName, json, shown};
use connectory_store::{Edit, Once, Origin, Refusal, RevisionNumber, StoreError};
use tokio::sync::mpsc;

use self::lines::Reader;
use super::{Registry, RegistryError};
use crate::catalog::{Source, TenantCatalog};
use crate::work::{Turn, WorkError, apart};

/// The parts of a request's body, as they arrive. An error ends them.
pub type Parts = mpsc::Receiver<Result<Bytes, ApplyError>>;

/// The reason why changes are not applied. None of them is.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The lines cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// There is too much to read.
    #[error("{0}")]
    TooLarge(String),
    /// The lines did not arrive in time.
    #[error(
        "the changes did not arrive in time: at least {} KiB a second, and all of them within {} seconds",
        APPLY_BYTES_PER_SECOND / 1024, APPLY_TIMEOUT.as_secs()
    )]
    Late,
    /// Some lines are refused.
    #[error("{} of {lines} lines are refused, and nothing was changed", .refusals.count)]
    Refused {
        /// Why.
        refusals: Refusals,
        /// The number of lines.
        lines: u64,
    },
    /// The commit is refused, or fails.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl From<StoreError> for ApplyError {
    fn from(error: StoreError) -> Self {
        Self::Registry(error.into())
    }
}

impl From<WorkError> for ApplyError {
    fn from(error: WorkError) -> Self {
        Self::Registry(error.into())
    }
}

/// Why lines are refused.
#[derive(Debug, Default)]
pub struct Refusals {
    /// A sentence for each refused line, by its number. There are as many as an answer may have.
    pub sentences: BTreeMap<usize, String>,
    /// The number of refused lines.
    pub count: usize,
    /// Whether a line is refused because someone else changed its connector.
    pub has_moved: bool,
}

impl Refusals {
    fn add(&mut self, line: usize, script_name: Option<&str>, reason: &LineError) {
        self.count += 1;
        self.has_moved |= matches!(reason, LineError::Moved { .. } | LineError::Gone);
        if self.sentences.len() < APPLY_REFUSALS {
            let of = script_name.map(|name| format!(", `{}`", shown(name, QUOTED_CHARS))).unwrap_or_default();
            self.sentences.insert(line, format!("line {line}{of}: {reason}"));
        }
    }
}

/// Why a line is refused.
#[derive(Debug, thiserror::Error)]
enum LineError {
    #[error("it is {0}")]
    Json(json::JsonError),
    #[error("{0}")]
    Digits(json::JsonError),
    #[error("{0}")]
    Shape(String),
    #[error(transparent)]
    ScriptName(#[from] InvalidScriptName),
    #[error("its connector is changed in line {0} already")]
    Repeated(usize),
    #[error("`connector`: {0}")]
    Object(#[from] ObjectError),
    #[error(
        "the server has a connector with this script name; to change it, give the revision as of which it was read"
    )]
    Exists,
    #[error("`name` is taken: a connector of this name exists already")]
    NameTaken,
    #[error("`name` is the name of the connector in line {0}")]
    NameTwice(usize),
    #[error("revision {given} is not there yet; the newest is {newest}")]
    NotYet { given: u64, newest: RevisionNumber },
    #[error("someone else changed it in revision {now}, after revision {given}; read it again")]
    Moved { given: u64, now: RevisionNumber },
    #[error("it is not there any more")]
    Gone,
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl From<StoreError> for LineError {
    fn from(error: StoreError) -> Self {
        Self::Registry(error.into())
    }
}

/// The changes of a request, as they were checked.
pub struct Changes {
    /// The SHA-256 of the lines.
    pub digest: [u8; 32],
    counts: Counts,
    newest: RevisionNumber,
    refusals: Refusals,
    edits: Vec<Edit>,
    /// The line of each edit.
    line_of: Vec<usize>,
    /// The lines that change nothing, with the connector and its revision.
    unchanged: Vec<(usize, ScriptName, RevisionNumber)>,
    _turn: Turn,
}

/// How many lines there are of each kind.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    lines: u64,
    creates: u64,
    deletes: u64,
}

impl Counts {
    /// The answer, if so many revisions were made after a revision.
    pub fn applied(&self, before: u64, revisions: usize) -> Applied {
        let revisions = revisions as u64;
        Applied {
            before,
            revision: before + revisions,
            created: self.creates,
            changed: revisions.saturating_sub(self.creates + self.deletes),
            deleted: self.deletes,
            unchanged: self.lines.saturating_sub(revisions),
        }
    }
}

impl Changes {
    /// How many lines there are of each kind.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The answer to a dry run.
    pub fn dry_run(self) -> Result<Applied, ApplyError> {
        let before = self.newest.get().unsigned_abs();
        let checked = self.checked()?;
        Ok(Applied { revision: before, ..checked.counts.applied(before, checked.edits.len()) })
    }

    /// Fails if a connector that was as its line has it is another one by now.
    fn expect_unchanged(&self, tenant: &TenantCatalog) -> Result<(), ApplyError> {
        let mut refusals = Refusals::default();
        for (line, script_name, number) in &self.unchanged {
            let given = number.get().unsigned_abs();
            let reason = match tenant.entry(script_name).map(|entry| entry.source) {
                Some(Source::Stored(id)) if id.number == *number => continue,
                Some(Source::Stored(id)) => LineError::Moved { given, now: id.number },
                _ => LineError::Gone,
            };
            refusals.add(*line, Some(script_name.as_str()), &reason);
        }
        if refusals.count == 0 { Ok(()) } else { Err(ApplyError::Refused { refusals, lines: self.counts.lines }) }
    }

    fn checked(mut self) -> Result<Self, ApplyError> {
        if self.refusals.count == 0 {
            return Ok(self);
        }
        Err(ApplyError::Refused { refusals: std::mem::take(&mut self.refusals), lines: self.counts.lines })
    }
}

impl Registry {
    /// Waits for a turn to apply, or only to check changes.
    pub async fn apply_turn(&self, is_dry_run: bool) -> Result<Turn, WorkError> {
        self.work.apply_turn(is_dry_run).await
    }

    /// Reads and checks changes while they arrive.
    pub async fn read_changes(
        &self,
        turn: Turn,
        tenant: &Arc<TenantCatalog>,
        parts: Parts,
        is_compressed: bool,
    ) -> Result<Changes, ApplyError> {
        let reader = Reader::new(Arc::clone(&self.catalog), tenant, self.bounds);
        apart((), APPLY_TIMEOUT, move |stop| reader.read(turn, parts, is_compressed, stop)).await?
    }

    /// Commits changes, unless the same request did so before.
    pub async fn apply(
        &self,
        tenant: &Arc<TenantCatalog>,
        origin: &Origin,
        once: Option<Once>,
        mut changes: Changes,
    ) -> Result<Applied, ApplyError> {
        self.catalog.fresh(tenant).await.map_err(RegistryError::from)?;
        if changes.refusals.count > 0 && tenant.snapshot().number() != changes.newest {
            // What others changed while the lines arrived may be the reason.
            changes.refusals.has_moved = true;
        }
        let mut changes = changes.checked()?;
        changes.expect_unchanged(tenant)?;
        let edits = std::mem::take(&mut changes.edits);
        if edits.is_empty() {
            self.store.confirm(tenant.id()).await.map_err(RegistryError::from)?;
            let before = tenant.snapshot().number().get().unsigned_abs();
            return Ok(changes.counts.applied(before, 0));
        }
        let names: Vec<_> = edits.iter().map(|edit| edit.script_name().clone()).collect();
        let refused = |at: usize, reason: &LineError| {
            let mut refusals = Refusals { has_moved: true, ..Refusals::default() };
            refusals.add(changes.line_of[at], Some(names[at].as_str()), reason);
            ApplyError::Refused { refusals, lines: changes.counts.lines }
        };
        // Only another caller's commit after the lines were checked can be the reason for a refusal of an edit.
        match self.catalog.commit_all(tenant, edits, origin.clone(), once).await {
            Ok(numbers) => {
                let first = numbers[0].get().unsigned_abs();
                Ok(changes.counts.applied(first - 1, numbers.len()))
            }
            Err(Refusal::NameTaken { edit }) => Err(refused(edit, &LineError::NameTaken)),
            Err(Refusal::ScriptNameTaken { edit }) => Err(refused(edit, &LineError::Exists)),
            Err(Refusal::Conflict { edit, current: Some(now) }) => {
                let given = changes.newest.get().unsigned_abs();
                Err(refused(edit, &LineError::Moved { given, now }))
            }
            Err(Refusal::Conflict { edit, current: None }) => Err(refused(edit, &LineError::Gone)),
            Err(other) => Err(RegistryError::from(other).into()),
        }
    }
}
