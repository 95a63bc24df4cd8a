//! Takes a whole change back, in one commit: what it created is deleted, what it changed is as it was, and what it deleted
//! is there again.

use std::sync::Arc;

use connectory_model::limits::{APPLY_TIMEOUT, UNDO_REVISIONS};
use connectory_store::{Action, Revision, RevisionNumber, Store};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::runtime::Handle;

use super::check::{Checker, Wanted};
use super::{ApplyError, Changes, Counts, RefusalReason, TooMuch, Unit};
use crate::catalog::TenantCatalog;
use crate::registry::history::readable;
use crate::registry::{Registry, RegistryError, RevisionsWanted};
use crate::work::{Stop, Turn, WorkError, apart};

/// Reads of a change's previous revisions at a time.
const READS: usize = 4;

/// A change that can be taken back.
pub struct Undoable {
    /// Its revisions, each with the one before it, if the connector was there then.
    revisions: Vec<(Revision, Option<Revision>)>,
}

impl Undoable {
    /// How many connectors the undo makes of each kind.
    pub fn counts(&self) -> Counts {
        let count = |is_it: fn(&(Revision, Option<Revision>)) -> bool| {
            self.revisions.iter().filter(|revision| is_it(revision)).count() as u64
        };
        Counts {
            lines: self.revisions.len() as u64,
            creates: count(|(revision, _)| revision.action == Action::Delete),
            deletes: count(|(revision, before)| revision.action != Action::Delete && before.is_none()),
        }
    }
}

impl Registry {
    /// Reads what a change did, for its undo.
    pub async fn undoable(&self, tenant: &TenantCatalog, change: RevisionNumber) -> Result<Undoable, ApplyError> {
        let wanted = RevisionsWanted { change: Some(change), ..RevisionsWanted::default() };
        let page = self.revisions(tenant, &wanted, None, UNDO_REVISIONS).await?;
        if page.next.is_some() {
            return Err(TooMuch::Undone.into());
        }
        // A number within a change ends none.
        if page.revisions.is_empty() {
            return Err(RegistryError::NoChange(change).into());
        }
        let before = |revision: Revision| async {
            let previous = match revision.previous.filter(|_| revision.action != Action::Delete) {
                Some(number) => self.store.revision(tenant.id(), revision.script_name.clone(), number).await?,
                None => None,
            };
            Ok::<_, ApplyError>((revision, previous.filter(|previous| previous.action != Action::Delete)))
        };
        let mut revisions: Vec<_> =
            stream::iter(page.revisions).map(before).buffered(READS).try_collect::<Vec<_>>().await?;
        revisions.reverse();
        Ok(Undoable { revisions })
    }

    /// Checks the undo of a change. A connector that was changed since then is refused.
    pub async fn check_undo(
        &self,
        turn: Turn,
        tenant: &Arc<TenantCatalog>,
        undoable: Undoable,
    ) -> Result<Changes, ApplyError> {
        let mut checker = Checker::new(self, tenant, Unit::Connectors, turn).restoring();
        let (store, runtime, of) = (self.store.clone(), Handle::current(), Arc::clone(tenant));
        let check = move |stop: &Stop| {
            let mut bytes = 0;
            for (at, (revision, before)) in undoable.revisions.into_iter().enumerate() {
                if stop.is_due() {
                    return Err(WorkError::Late.into());
                }
                let changed = runtime.block_on(changed_since(&store, &of, &revision))?;
                let script_name = revision.script_name.clone();
                let wanted = if let Some(now) = changed {
                    Err(Box::new((Some(script_name.as_str().to_owned()), RefusalReason::Since(now))))
                } else {
                    let is_deletion = revision.action == Action::Delete;
                    let before = if is_deletion { Some(&revision) } else { before.as_ref() };
                    let source = before.map(|before| readable(&of, before)).transpose()?;
                    let connector = source.map(|source| checker.read(source, &mut bytes)).transpose()?;
                    Ok(Wanted {
                        script_name,
                        revision: if is_deletion { 0 } else { revision.number.get().unsigned_abs() },
                        connector: connector.map(Arc::unwrap_or_clone),
                        is_text: false,
                    })
                };
                checker.add(at + 1, wanted)?;
            }
            Ok(checker.finish())
        };
        apart((), APPLY_TIMEOUT, check).await?
    }
}

/// The newest revision of a connector, if it is another one.
async fn changed_since(
    store: &Store,
    tenant: &TenantCatalog,
    revision: &Revision,
) -> Result<Option<RevisionNumber>, ApplyError> {
    let newest = store.revisions(tenant.id(), Some(revision.script_name.clone()), None, 1).await?;
    Ok(newest.first().map(|newest| newest.number).filter(|newest| *newest != revision.number))
}
