//! Commits a change to a connector.

use std::sync::Arc;

use connectory_store::{Change, Edit, Once, Origin, Refusal, RevisionId, RevisionNumber};

use super::Catalog;
use super::entry::{Entry, Source};
use super::tenant::TenantCatalog;

impl Catalog {
    /// Commits a change to a tenant's connector and makes it visible, unless the same request did so before. Returns the
    /// new place of the connector.
    pub async fn commit(
        &self,
        tenant: &Arc<TenantCatalog>,
        edit: Edit,
        origin: Origin,
        once: Option<Once>,
    ) -> Result<Source, Refusal> {
        let (change, connector) = (edit.change(), Arc::clone(edit.connector()));
        let at = |number| RevisionId { tenant: tenant.id, number };
        let is_there = !matches!(change, Change::Delete { .. });
        let edit = if is_there {
            // Render here and not on the writer thread, because every other write waits for that thread.
            let entry = Entry::new(edit.summary(), Source::Stored(at(RevisionNumber::ZERO)));
            edit.preparing(entry)
        } else {
            edit
        };
        let numbers = match once {
            Some(once) => self.store.commit_once(tenant.id, vec![edit], origin, once).await?,
            None => self.store.commit(tenant.id, vec![edit], origin).await?,
        };
        let number = numbers[0];
        // Drop the old revision: it is not requested again, and it would evict useful entries.
        if let Change::Update { expected } | Change::Delete { expected } = change {
            tenant.drop_kept(&at(expected));
        }
        if is_there {
            tenant.keep(at(number), &connector);
        }
        Ok(Source::Stored(at(number)))
    }
}
