//! What an import would do: for each folder its step, what the linter finds in it, and the stored connector.

use std::collections::HashMap;
use std::sync::Arc;

use connectory_folder::lint::rules::Rule;
use connectory_folder::lint::{Level, Limits, Text};
use connectory_folder::local::{LocalFinding, LocalFolders};
use connectory_model::Connector;
use connectory_model::limits::{CONNECTOR_BYTES, IMPORT_DIFFERENCES, IMPORT_FINDINGS};
use connectory_model::lines::Lines;
use connectory_server::auth::Caller;
use connectory_server::registry::{Import, StepKind};
use connectory_server::work::Stop;
use connectory_store::RevisionNumber;

use crate::frame::error::{PageError, refusal_message};
use crate::frame::texts::Message;
use crate::state::Console;

/// A finding of the linter.
pub struct Note {
    /// The rule.
    pub rule: &'static Rule,
    /// The path of the file.
    pub file: String,
    /// The line, from 1. None of a finding about the whole file.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
}

/// The findings in a folder. There are as many notes as a page shows.
#[derive(Default)]
pub struct Notes {
    /// The errors first.
    pub shown: Vec<Note>,
    /// How many errors there are.
    pub errors: usize,
    /// How many warnings there are.
    pub warnings: usize,
}

/// What the linter found.
#[derive(Default)]
pub struct Noted {
    /// Beside the folders.
    pub beside: Notes,
    /// In each folder, by its name.
    pub within: HashMap<String, Notes>,
    /// Whether not all folders were checked, because that would take too long.
    pub is_cut: bool,
}

impl Noted {
    /// Checks folders, until there is no more time.
    pub fn of(folders: &LocalFolders, limits: Limits, stop: &Stop) -> Self {
        let mut noted = Self::default();
        for LocalFinding { folder, finding } in folders.checked(limits) {
            if stop.is_due() {
                noted.is_cut = true;
                break;
            }
            let notes = match folder {
                Some(folder) => noted.within.entry(folder.name.clone()).or_default(),
                None => &mut noted.beside,
            };
            let is_error = finding.rule.level == Level::Error;
            *(if is_error { &mut notes.errors } else { &mut notes.warnings }) += 1;
            if notes.shown.len() == IMPORT_FINDINGS {
                // An error is worth more than a warning.
                let warning = notes.shown.iter().rposition(|note| note.rule.level == Level::Warning);
                let Some(warning) = warning.filter(|_| is_error) else { continue };
                notes.shown.remove(warning);
            }
            let bytes = folder.and_then(|folder| folder.files.get(&finding.file));
            let line = bytes.filter(|_| !finding.span.is_empty()).map(|bytes| {
                let text = Text::decode(bytes).text;
                Lines::of(&text).number(finding.span.start.min(text.len()))
            });
            let note = Note { rule: finding.rule, file: finding.file, line, message: finding.message };
            let place = notes.shown.partition_point(|other| other.rule.level <= note.rule.level);
            notes.shown.insert(place, note);
        }
        noted
    }
}

/// What happens to a connector.
pub enum What {
    /// It is created.
    New,
    /// It is changed, in these members.
    Changed(Vec<String>),
    /// It is as it is wanted already.
    Unchanged,
    /// It is refused.
    Refused(Message),
}

/// A row of the plan.
pub struct Row {
    /// The name of the folder.
    pub folder: String,
    /// What happens.
    pub what: What,
    /// The connector as it is wanted. None if the folder is no connector.
    pub wanted: Option<Connector>,
    /// The connector as it is stored, if its differences are shown.
    pub stored: Option<Arc<Connector>>,
    /// What the linter finds.
    pub notes: Notes,
}

/// The plan of an import.
pub struct Plan {
    /// The revision as of which it is made.
    pub revision: RevisionNumber,
    /// The rows, in the order of the folders.
    pub rows: Vec<Row>,
    /// What is wrong beside the folders.
    pub beside: Notes,
    /// Whether the linter did not check all folders.
    pub is_cut: bool,
}

impl Plan {
    /// Joins what was found.
    pub fn new(names: Vec<String>, mut noted: Noted, Import { changes, connectors }: Import) -> Self {
        let mut steps: HashMap<_, _> = changes.steps().iter().map(|step| (step.line, step)).collect();
        let refused = &changes.refusals().refused;
        let rows = names.into_iter().zip(connectors).enumerate().map(|(at, (folder, wanted))| {
            let what = match (refused.get(&(at + 1)), steps.remove(&(at + 1))) {
                (Some(refused), _) => What::Refused(refusal_message(&refused.reason)),
                (None, Some(step)) => match step.kind {
                    StepKind::Created => What::New,
                    StepKind::Changed | StepKind::Deleted => What::Changed(step.changed.clone()),
                    StepKind::Unchanged(_) => What::Unchanged,
                },
                // There are as many refusals as an import has connectors.
                (None, None) => What::Refused(Message::new("import.refused")),
            };
            let notes = noted.within.remove(&folder).unwrap_or_default();
            Row { folder, what, wanted, stored: None, notes }
        });
        let rows = rows.collect();
        Self { revision: changes.newest(), rows, beside: noted.beside, is_cut: noted.is_cut }
    }

    /// The plan with the stored connectors whose differences are shown: the first ones, as far as a page may have them.
    pub async fn with_stored(mut self, console: &Console, caller: &Caller) -> Result<Self, PageError> {
        let mut left = 2 * CONNECTOR_BYTES;
        let changed = self.rows.iter_mut().filter(|row| matches!(row.what, What::Changed(_)));
        for row in changed.take(IMPORT_DIFFERENCES) {
            let Some(wanted) = &row.wanted else { continue };
            let Some(entry) = caller.tenant().entry(&wanted.script_name) else { continue };
            let stored = console.server.catalog.connector(caller.tenant(), entry.source).await?;
            let Some(rest) = left.checked_sub(stored.size()) else { break };
            left = rest;
            row.stored = Some(stored);
        }
        Ok(self)
    }

    /// How many connectors are created, changed, as they are, and refused.
    pub fn totals(&self) -> [usize; 4] {
        let mut totals = [0; 4];
        for row in &self.rows {
            let at = match row.what {
                What::New => 0,
                What::Changed(_) => 1,
                What::Unchanged => 2,
                What::Refused(_) => 3,
            };
            totals[at] += 1;
        }
        totals
    }

    /// The connectors that may be applied.
    pub fn applicable(&self) -> impl Iterator<Item = &Connector> {
        let rows = self.rows.iter().filter(|row| matches!(row.what, What::New | What::Changed(_)));
        rows.filter_map(|row| row.wanted.as_ref())
    }
}
