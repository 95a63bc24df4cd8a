//! Commits changes to connectors.

use std::sync::Arc;

use connectory_model::Connector;
use connectory_store::{Change, Edit, Once, Origin, Refusal, RevisionId, RevisionNumber};

use super::Catalog;
use super::entry::{Entry, Source};
use super::tenant::TenantCatalog;

impl Catalog {
    /// Commits a change to a tenant's connector, which is as it was given to the edit, and makes it visible, unless the
    /// same request did so before. Returns the new place of the connector.
    pub async fn commit(
        &self,
        tenant: &Arc<TenantCatalog>,
        (edit, connector): (Edit, &Arc<Connector>),
        origin: Origin,
        once: Option<Once>,
    ) -> Result<Source, Refusal> {
        let is_there = !matches!(edit.change(), Change::Delete { .. });
        let numbers = self.commit_all(tenant, vec![tenant.rendered(edit)], origin, once).await?;
        let id = RevisionId { tenant: tenant.id, number: numbers[0] };
        if is_there {
            tenant.keep(id, connector);
        }
        Ok(Source::Stored(id))
    }

    /// Commits changes to a tenant's connectors, all or none, and makes them visible, unless the same request did so
    /// before. Returns their revision numbers.
    pub async fn commit_all(
        &self,
        tenant: &Arc<TenantCatalog>,
        edits: Vec<Edit>,
        origin: Origin,
        once: Option<Once>,
    ) -> Result<Vec<RevisionNumber>, Refusal> {
        let old = edits.iter().filter_map(|edit| match edit.change() {
            Change::Update { expected } | Change::Delete { expected } => Some(expected),
            Change::Create => None,
        });
        let old: Vec<_> = old.collect();
        let numbers = match once {
            Some(once) => self.store.commit_once(tenant.id, edits, origin, once).await?,
            None => self.store.commit(tenant.id, edits, origin).await?,
        };
        // Drop the old revisions: they are not requested again, and they would evict useful entries.
        for number in old {
            tenant.drop_kept(&RevisionId { tenant: tenant.id, number });
        }
        Ok(numbers)
    }
}

impl TenantCatalog {
    /// Renders the list item of an edit's connector here and not on the writer thread, because every other write waits for
    /// that thread.
    pub fn rendered(&self, edit: Edit) -> Edit {
        if matches!(edit.change(), Change::Delete { .. }) {
            return edit;
        }
        let source = Source::Stored(RevisionId { tenant: self.id, number: RevisionNumber::ZERO });
        let entry = Entry::new(edit.summary(), source);
        edit.preparing(entry)
    }
}
