//! Applies changes to several connectors in one commit: all or none.
//!
//! The changes arrive as lines, or are made in memory. A thread reads and checks one after the other while they arrive, and
//! keeps each as a compressed edit. So a set takes little more memory than what it adds to the database, and long work never
//! runs on an async worker.

mod check;
mod import;
mod lines;
mod many;
mod undo;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use connectory_folder::folder_name::FolderNameError;
use connectory_folder::lint::Rule;
use connectory_model::import::ObjectError;
use connectory_model::limits::{
    APPLY_BYTES_PER_SECOND, APPLY_LINES, APPLY_REFUSALS, APPLY_TIMEOUT, IMPORT_CONNECTORS, QUOTED_CHARS, UNDO_REVISIONS,
};
use connectory_model::wire::Applied;
use connectory_model::{ScriptName, json, shown};
use connectory_store::{Edit, Once, Origin, Refusal, RevisionNumber, StoreError};
use tokio::sync::mpsc;

use self::check::Checker;
pub use self::import::Import;
use self::lines::Reader;
pub use self::many::Chosen;
pub use self::undo::Undoable;
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
    /// There is no connector to import.
    #[error("there is no connector to import")]
    Nothing,
    /// There is too much of something.
    #[error(transparent)]
    TooMuch(#[from] TooMuch),
    /// The lines did not arrive in time.
    #[error(
        "the changes did not arrive in time: at least {} KiB a second, and all of them within {} seconds",
        APPLY_BYTES_PER_SECOND / 1024, APPLY_TIMEOUT.as_secs()
    )]
    Late,
    /// Some changes are refused.
    #[error("{} of {lines} {} are refused, and nothing was changed", .refusals.count, .refusals.unit.plural())]
    Refused {
        /// Why.
        refusals: Refusals,
        /// The number of changes.
        lines: u64,
    },
    /// The commit is refused, or fails.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// Of what there is too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooMuch {
    /// There are too many changes.
    #[error("there are more than {APPLY_LINES} changes; apply a part of them at a time")]
    Changes,
    /// All lines have more than these bytes.
    #[error("the changes have more than {0} bytes; apply a part of them at a time")]
    Bytes(usize),
    /// A line has too many bytes.
    #[error("line {number} has more than {most} bytes")]
    Line {
        /// The number of the line.
        number: usize,
        /// The bytes that it may have.
        most: usize,
    },
    /// There are too many blank lines.
    #[error("there are too many blank lines")]
    BlankLines,
    /// The connectors that are changed have more than these bytes together.
    #[error("the connectors have more than {0} bytes together; change a part of them at a time")]
    Stored(usize),
    /// There are too many connectors to import.
    #[error("there are more than {IMPORT_CONNECTORS} connectors; import a part of them at a time")]
    Imported,
    /// A change has too many connectors to be taken back.
    #[error(
        "the change has more than {UNDO_REVISIONS} connectors; restore them from an export of the moment before it"
    )]
    Undone,
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

/// What the changes of a set are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// They are lines of a text, counted from 1.
    Lines,
    /// They are made in memory: each is called by its connector.
    Connectors,
}

impl Unit {
    fn plural(self) -> &'static str {
        match self {
            Self::Lines => "lines",
            Self::Connectors => "connectors",
        }
    }
}

/// Why changes are refused.
#[derive(Debug)]
pub struct Refusals {
    /// The refused changes, by their places. There are as many as an answer may have.
    pub refused: BTreeMap<usize, Refused>,
    /// The number of refused changes.
    pub count: usize,
    /// Whether a change is refused because someone else changed its connector.
    pub has_moved: bool,
    unit: Unit,
}

/// A change that is refused.
#[derive(Debug)]
pub struct Refused {
    /// The script name, as far as there is one.
    pub script_name: Option<String>,
    /// Why.
    pub reason: RefusalReason,
}

impl Refusals {
    fn of(unit: Unit) -> Self {
        Self { refused: BTreeMap::new(), count: 0, has_moved: false, unit }
    }

    fn add(&mut self, line: usize, script_name: Option<&str>, reason: RefusalReason) {
        self.count += 1;
        self.has_moved |= matches!(reason, RefusalReason::Moved { .. } | RefusalReason::Since(_) | RefusalReason::Gone);
        if self.refused.len() < APPLY_REFUSALS {
            let script_name = script_name.map(|name| shown(name, QUOTED_CHARS).to_string());
            self.refused.insert(line, Refused { script_name, reason });
        }
    }

    /// A sentence for each refused change.
    pub fn sentences(&self) -> Vec<String> {
        let sentence = |(line, Refused { script_name, reason }): (&usize, &Refused)| {
            let name = script_name.as_ref().map(|name| format!("`{name}`"));
            let line = (self.unit == Unit::Lines).then(|| format!("line {line}"));
            let place: Vec<_> = line.into_iter().chain(name).collect();
            format!("{}: {reason}", place.join(", "))
        };
        self.refused.iter().map(sentence).collect()
    }
}

/// Why a change is refused, with the values that a message needs.
#[derive(Debug, thiserror::Error)]
pub enum RefusalReason {
    /// The line is no JSON.
    #[error("it is {0}")]
    Json(json::JsonError),
    /// A number of the line would lose digits.
    #[error("{0}")]
    Digits(json::JsonError),
    /// The line is JSON, but no change.
    #[error("{0}")]
    Shape(String),
    /// The connector of the line cannot be read.
    #[error("`connector`: {0}")]
    Object(#[from] ObjectError),
    /// The folder's name stands for no script name.
    #[error(transparent)]
    FolderName(#[from] FolderNameError),
    /// A file of the folder is wrong.
    #[error("{file}: {message}")]
    Folder {
        /// The path of the file.
        file: String,
        /// The rule of the linter that it does not follow.
        rule: &'static Rule,
        /// What is wrong.
        message: String,
    },
    /// This folder and those before it lack more documents than are taken from stored connectors.
    #[error(
        "the documents that this folder and those before it lack are too large together; import a part of them at a time"
    )]
    Lacking,
    /// An earlier line has the same connector.
    #[error("its connector is changed in line {0} already")]
    Repeated(usize),
    /// A new connector has the script name of another one.
    #[error(
        "the server has a connector with this script name; to change it, give the revision as of which it was read"
    )]
    Exists,
    /// Another connector of the tenant has the name.
    #[error("`name` is taken: a connector of this name exists already")]
    NameTaken,
    /// Another connector of the request gets the name.
    #[error("`name` is also the name that `{0}` is to have")]
    NameTwice(ScriptName),
    /// The tenant does not have the given revision yet.
    #[error("revision {given} is not there yet; the newest is {newest}")]
    NotYet {
        /// The revision that was given.
        given: u64,
        /// The newest one of the tenant.
        newest: RevisionNumber,
    },
    /// The connector changed after the given revision.
    #[error("someone else changed it in revision {now}, after revision {given}; read it again")]
    Moved {
        /// The revision that was given.
        given: u64,
        /// The revision of the connector.
        now: RevisionNumber,
    },
    /// The connector was deleted.
    #[error("it is not there any more")]
    Gone,
    /// The connector changed after the change that is to be taken back.
    #[error("it was changed since, in revision {0}")]
    Since(RevisionNumber),
    /// The change is refused as a single one would be.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl From<StoreError> for RefusalReason {
    fn from(error: StoreError) -> Self {
        Self::Registry(error.into())
    }
}

/// What a change does to its connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepKind {
    /// It creates it.
    Created,
    /// It changes it.
    Changed,
    /// It deletes it.
    Deleted,
    /// It leaves it as it is at this revision.
    Unchanged(RevisionNumber),
}

/// A change that is not refused.
#[derive(Debug)]
pub struct Step {
    /// The place of the change: the line, or its number among those in memory, from 1 on.
    pub line: usize,
    /// The script name of the connector.
    pub script_name: ScriptName,
    /// What it does.
    pub kind: StepKind,
    /// The members that change, if the connector stays.
    pub changed: Vec<String>,
}

/// The changes of a request, as they were checked.
pub struct Changes {
    counts: Counts,
    newest: RevisionNumber,
    refusals: Refusals,
    /// The edits of the steps that change something, in their order. None if something is refused.
    edits: Vec<Edit>,
    steps: Vec<Step>,
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

    /// The tenant's revision as of which the changes were checked.
    pub fn newest(&self) -> RevisionNumber {
        self.newest
    }

    /// What each change does that is not refused, in their order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Which changes are refused.
    pub fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// Fails if a connector that was as its line has it is another one by now.
    fn expect_unchanged(&self, tenant: &TenantCatalog) -> Result<(), ApplyError> {
        let mut refusals = Refusals::of(self.refusals.unit);
        for Step { line, script_name, kind, .. } in &self.steps {
            let StepKind::Unchanged(number) = kind else { continue };
            let given = number.get().unsigned_abs();
            let reason = match tenant.entry(script_name).map(|entry| entry.source) {
                Some(Source::Stored(id)) if id.number == *number => continue,
                Some(Source::Stored(id)) => RefusalReason::Moved { given, now: id.number },
                _ => RefusalReason::Gone,
            };
            refusals.add(*line, Some(script_name.as_str()), reason);
        }
        if refusals.count == 0 { Ok(()) } else { Err(ApplyError::Refused { refusals, lines: self.counts.lines }) }
    }

    /// The step of an edit.
    fn step_of(&self, edit: usize) -> &Step {
        let mut steps = self.steps.iter().filter(|step| !matches!(step.kind, StepKind::Unchanged(_)));
        steps.nth(edit).expect("each edit has a step")
    }

    fn checked(self) -> Result<Self, ApplyError> {
        if self.refusals.count == 0 {
            return Ok(self);
        }
        Err(ApplyError::Refused { refusals: self.refusals, lines: self.counts.lines })
    }
}

impl Registry {
    /// Waits for a turn to apply, or only to check changes.
    pub async fn apply_turn(&self, is_dry_run: bool) -> Result<Turn, WorkError> {
        self.work.apply_turn(is_dry_run).await
    }

    /// Reads and checks changes while they arrive. Returns the SHA-256 of their lines, too.
    pub async fn read_changes(
        &self,
        turn: Turn,
        tenant: &Arc<TenantCatalog>,
        parts: Parts,
        is_compressed: bool,
    ) -> Result<(Changes, [u8; 32]), ApplyError> {
        let reader = Reader { checker: Checker::new(self, tenant, Unit::Lines, turn), bounds: self.bounds };
        apart((), APPLY_TIMEOUT, move |stop| reader.read(parts, is_compressed, stop)).await?
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
        let refused = |edit: usize, reason: RefusalReason| {
            let Step { line, script_name, .. } = changes.step_of(edit);
            let mut refusals = Refusals { has_moved: true, ..Refusals::of(changes.refusals.unit) };
            refusals.add(*line, Some(script_name.as_str()), reason);
            ApplyError::Refused { refusals, lines: changes.counts.lines }
        };
        // Only another caller's commit after the lines were checked can be the reason for a refusal of an edit.
        match self.catalog.commit_all(tenant, edits, origin.clone(), once).await {
            Ok(numbers) => {
                let first = numbers[0].get().unsigned_abs();
                Ok(changes.counts.applied(first - 1, numbers.len()))
            }
            Err(Refusal::NameTaken { edit }) => Err(refused(edit, RefusalReason::NameTaken)),
            Err(Refusal::ScriptNameTaken { edit }) => Err(refused(edit, RefusalReason::Exists)),
            Err(Refusal::Conflict { edit, current: Some(now) }) => {
                let given = changes.newest.get().unsigned_abs();
                Err(refused(edit, RefusalReason::Moved { given, now }))
            }
            Err(Refusal::Conflict { edit, current: None }) => Err(refused(edit, RefusalReason::Gone)),
            Err(other) => Err(RegistryError::from(other).into()),
        }
    }
}
