//! Checks changes one after the other against the connectors of the tenant.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use connectory_model::document::{Document, DocumentKind};
use connectory_model::limits::APPLY_LINES;
use connectory_model::{Connector, ScriptName, name_key};
use connectory_store::{Change, Edit, Holders, RevisionId};
use tokio::runtime::Handle;

use super::super::changed::changed_members;
use super::super::{Bounds, Registry, RegistryError};
use super::{ApplyError, Changes, Counts, RefusalReason, Refusals, Step, StepKind, TooMuch, Unit};
use crate::catalog::{Catalog, Snapshot, Source, TenantCatalog};
use crate::work::Turn;

/// A change that is wanted.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The script name of the connector.
    pub script_name: ScriptName,
    /// The revision as of which the connector was read: its own, or any later one of the tenant. 0 creates it.
    pub revision: u64,
    /// The connector as it is wanted. None deletes it.
    pub connector: Option<Connector>,
    /// Whether the caller knows texts and no bytes. A document or translations with the same text then keep their bytes,
    /// whatever their encoding.
    pub is_text: bool,
}

/// A change that cannot be read: its script name, as it was sent, and why.
pub(super) type Unread = Box<(Option<String>, RefusalReason)>;

/// Checks the changes of a request.
pub(super) struct Checker {
    pub(super) catalog: Arc<Catalog>,
    pub(super) tenant: Arc<TenantCatalog>,
    snapshot: Arc<Snapshot>,
    pub(super) bounds: Bounds,
    pub(super) runtime: Handle,
    /// The line of each script name.
    lines: HashMap<ScriptName, usize>,
    /// The connector of each new name.
    names: HashMap<String, ScriptName>,
    /// Of these, the ones that connectors of the tenant have: the line, its script name, and the key of the name.
    taken: Vec<(usize, ScriptName, String)>,
    /// The keys of names that connectors do not have any more.
    freed: HashSet<String>,
    /// Whether connectors get the state of an earlier revision.
    is_restore: bool,
    changes: Changes,
}

/// What a change does, and the edit that does it. None leaves the connector as it is.
struct Checked {
    kind: StepKind,
    changed: Vec<String>,
    edit: Option<Edit>,
}

impl Checker {
    /// Makes a checker for a tenant as it is now. It must be made in the runtime, and used on a thread that may block.
    pub fn new(registry: &Registry, tenant: &Arc<TenantCatalog>, unit: Unit, turn: Turn) -> Self {
        let snapshot = tenant.snapshot();
        let changes = Changes {
            counts: Counts::default(),
            newest: snapshot.number(),
            refusals: Refusals::of(unit),
            edits: Vec::new(),
            steps: Vec::new(),
            _turn: turn,
        };
        Self {
            catalog: Arc::clone(&registry.catalog),
            tenant: Arc::clone(tenant),
            snapshot,
            bounds: registry.bounds,
            runtime: Handle::current(),
            lines: HashMap::new(),
            names: HashMap::new(),
            taken: Vec::new(),
            freed: HashSet::new(),
            is_restore: false,
            changes,
        }
    }

    /// The same for changes that give connectors the state of an earlier revision.
    pub fn restoring(self) -> Self {
        Self { is_restore: true, ..self }
    }

    /// Checks a change. What is refused is kept in the result; an error ends everything.
    pub fn add(&mut self, number: usize, wanted: Result<Wanted, Unread>) -> Result<(), ApplyError> {
        self.changes.counts.lines += 1;
        if self.changes.counts.lines > APPLY_LINES as u64 {
            return Err(TooMuch::Changes.into());
        }
        let wanted = match wanted {
            Ok(wanted) => wanted,
            Err(unread) => {
                let (script_name, error) = *unread;
                self.refuse(number, script_name.as_deref(), error);
                return Ok(());
            }
        };
        // A request that is sent again is refused, and yet it is answered by what it did.
        self.changes.counts.creates += u64::from(wanted.revision == 0);
        self.changes.counts.deletes += u64::from(wanted.connector.is_none());
        let script_name = wanted.script_name.clone();
        match self.check(number, wanted) {
            Ok(Checked { kind, changed, edit }) => {
                self.changes.steps.push(Step { line: number, script_name, kind, changed });
                // What is refused already is not committed, but every line is checked.
                if let Some(edit) = edit.filter(|_| self.changes.refusals.count == 0) {
                    self.changes.edits.push(self.tenant.rendered(edit));
                }
            }
            Err(RefusalReason::Registry(error @ RegistryError::Store(_))) => return Err(error.into()),
            Err(error) => self.refuse(number, Some(script_name.as_str()), error),
        }
        Ok(())
    }

    /// Ends the checks: only after the last change is known which names are free.
    pub fn finish(mut self) -> Changes {
        for (line, script_name, key) in std::mem::take(&mut self.taken) {
            if !self.freed.contains(&key) {
                self.refuse(line, Some(script_name.as_str()), RefusalReason::NameTaken);
            }
        }
        self.changes
    }

    /// How many changes were checked.
    pub fn count(&self) -> u64 {
        self.changes.counts.lines
    }

    fn refuse(&mut self, number: usize, script_name: Option<&str>, reason: RefusalReason) {
        self.changes.edits.clear();
        self.changes.refusals.add(number, script_name, reason);
    }

    /// Checks a change.
    fn check(
        &mut self,
        number: usize,
        Wanted { script_name, revision, connector, is_text }: Wanted,
    ) -> Result<Checked, RefusalReason> {
        let first = *self.lines.entry(script_name.clone()).or_insert(number);
        if first != number {
            return Err(RefusalReason::Repeated(first));
        }
        let entry = self.tenant.entry(&script_name);
        match (entry.map(|entry| entry.source), connector) {
            (_, None) if revision == 0 => {
                Err(RefusalReason::Shape("revision 0 is a new connector, so it needs `connector`".to_owned()))
            }
            (Some(_), Some(_)) if revision == 0 => Err(RefusalReason::Exists),
            (Some(Source::BuiltIn(_)), _) => Err(RegistryError::BuiltIn(script_name).into()),
            (None, Some(wanted)) if revision == 0 => self.create(number, &wanted),
            (None, _) => Err(RefusalReason::Gone),
            (Some(Source::Stored(id)), wanted) => {
                self.expect(revision, id)?;
                let before = self.runtime.block_on(self.catalog.whole(Source::Stored(id)))?;
                let holders = self.runtime.block_on(self.catalog.holders(id, &before))?;
                let Some(mut wanted) = wanted else {
                    self.freed.insert(name_key(&before.name));
                    let change = Change::Delete { expected: id.number };
                    let edit = Edit::new(change, &before, &[], Some((&before, &holders)));
                    return Ok(Checked { kind: StepKind::Deleted, changed: Vec::new(), edit: Some(edit) });
                };
                if is_text {
                    keep_encodings(&before, &mut wanted);
                }
                self.change(number, id, (&before, &holders), &wanted)
            }
        }
    }

    /// Checks that a connector is as it was as of a revision.
    pub(super) fn expect(&self, given: u64, id: RevisionId) -> Result<(), RefusalReason> {
        let newest = self.snapshot.number().max(id.number);
        if given > newest.get().unsigned_abs() {
            return Err(RefusalReason::NotYet { given, newest });
        }
        if given < id.number.get().unsigned_abs() {
            return Err(RefusalReason::Moved { given, now: id.number });
        }
        Ok(())
    }

    fn create(&mut self, number: usize, wanted: &Connector) -> Result<Checked, RefusalReason> {
        self.take_name(number, wanted)?;
        self.check_documents(None, wanted)?;
        wanted.check_bounds(self.bounds.connector).map_err(RegistryError::from)?;
        // The history says of a restored connector what it has.
        let members = if self.is_restore { changed_members(None, wanted) } else { Vec::new() };
        let edit = self.finished(Edit::new(Change::Create, wanted, &members, None));
        Ok(Checked { kind: StepKind::Created, changed: Vec::new(), edit: Some(edit) })
    }

    fn change(
        &mut self,
        number: usize,
        id: RevisionId,
        (before, holders): (&Connector, &Holders),
        wanted: &Connector,
    ) -> Result<Checked, RefusalReason> {
        let changed = changed_members(Some(before), wanted);
        if changed.is_empty() {
            return Ok(Checked { kind: StepKind::Unchanged(id.number), changed, edit: None });
        }
        let name_before = name_key(&before.name);
        if name_before != name_key(&wanted.name) {
            self.take_name(number, wanted)?;
            self.freed.insert(name_before);
        } else if let Some(other) = self.snapshot.namesake(&before.name, &before.script_name) {
            return Err(RegistryError::NameShared { script_name: before.script_name.clone(), other }.into());
        }
        self.check_documents(Some(before), wanted)?;
        wanted.check_growth(before, self.bounds.connector).map_err(RegistryError::from)?;
        let change = Change::Update { expected: id.number };
        let edit = self.finished(Edit::new(change, wanted, &changed, Some((before, holders))));
        Ok(Checked { kind: StepKind::Changed, changed, edit: Some(edit) })
    }

    fn finished(&self, edit: Edit) -> Edit {
        if self.is_restore { edit.restoring() } else { edit }
    }

    /// Checks that no other connector gets the name. Whether one has it then is known after the last line.
    fn take_name(&mut self, number: usize, wanted: &Connector) -> Result<(), RefusalReason> {
        let key = name_key(&wanted.name);
        let first = self.names.entry(key.clone()).or_insert_with(|| wanted.script_name.clone());
        if *first != wanted.script_name {
            return Err(RefusalReason::NameTwice(first.clone()));
        }
        if self.snapshot.has_name(&wanted.name) {
            self.taken.push((number, wanted.script_name.clone(), key));
        }
        Ok(())
    }

    /// Checks that no document that changes is larger than it may be.
    fn check_documents(&self, before: Option<&Connector>, wanted: &Connector) -> Result<(), RefusalReason> {
        let limit = self.bounds.document;
        let is_too_large = |kind: &DocumentKind| {
            let document = wanted.document_text(*kind);
            document.measure() > limit && before.is_none_or(|before| before.document_text(*kind) != document)
        };
        match DocumentKind::ALL.into_iter().find(is_too_large) {
            Some(kind) => Err(RegistryError::DocumentTooLarge { kind, limit }.into()),
            None => Ok(()),
        }
    }
}

/// Gives a connector the bytes of each document and of each locale's texts that have the same text.
fn keep_encodings(before: &Connector, wanted: &mut Connector) {
    for kind in DocumentKind::ALL {
        let (there, given) = (before.document_text(kind), wanted.document_text(kind));
        if given.own_bytes().is_none() && given.as_str() == there.as_str() {
            wanted.set_document(Document::stored(kind, there.clone()));
        }
    }
    for (locale, given) in &mut wanted.translations.0 {
        if let Some(there) = before.translations.0.get(locale).filter(|there| there.text() == given.text()) {
            given.clone_from(there);
        }
    }
}
