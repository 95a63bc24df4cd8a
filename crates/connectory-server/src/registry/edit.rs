//! Editing a connector: read it, make the next revision, commit it if nobody else did meanwhile, and start over
//! otherwise.

use std::sync::Arc;

use connectory_model::{Connector, ScriptName};
use connectory_store::{Change, Edit, Origin, Refusal};

use super::changed::changed_members;
use super::{Registry, RegistryError};
use crate::catalog::{Source, TenantCatalog};

/// The result of an edit.
pub enum Edited {
    /// The connector that was committed, and where it is now.
    Changed(Source, Arc<Connector>),
    /// There was nothing to change; the connector is still there.
    Unchanged(Source),
}

/// What an edit is given, and what it is answered with: this decides how much memory it takes.
#[derive(Debug, Clone, Copy)]
pub struct Given {
    /// The bytes that the edit brings along.
    pub bytes: usize,
    /// Whether the whole connector is answered. There has to be room for that before anything is changed.
    pub answers_detail: bool,
}

impl Given {
    /// So many bytes, answered with something short.
    pub const fn bytes(bytes: usize) -> Self {
        Self { bytes, answers_detail: false }
    }
}

impl Registry {
    /// Commits what `next` makes of a connector; `next` may return nothing where it changes nothing.
    pub async fn edit<F>(
        &self,
        tenant: &Arc<TenantCatalog>,
        origin: &Origin,
        script_name: &ScriptName,
        given: Given,
        next: F,
    ) -> Result<Edited, RegistryError>
    where
        F: Fn(&Connector) -> Result<Option<Connector>, RegistryError> + Send + Sync + 'static,
    {
        self.edit_as(tenant, origin, script_name, given, (next, |edit| edit)).await
    }

    /// The same; `finish` says what kind of action the edit is.
    pub(super) async fn edit_as<F>(
        &self,
        tenant: &Arc<TenantCatalog>,
        origin: &Origin,
        script_name: &ScriptName,
        Given { bytes, answers_detail }: Given,
        (next, finish): (F, fn(Edit) -> Edit),
    ) -> Result<Edited, RegistryError>
    where
        F: Fn(&Connector) -> Result<Option<Connector>, RegistryError> + Send + Sync + 'static,
    {
        let next = Arc::new(next);
        loop {
            let read = self.custom(tenant, script_name)?;
            let source = Source::Stored(read);
            let connector = self.catalog.connector(source).await?;
            let size = connector.size() + bytes;
            if answers_detail {
                self.catalog.reserve_detail(size)?;
            }
            let holders = self.catalog.holders(read, &connector).await?;
            let next = Arc::clone(&next);
            let bounds = self.bounds;
            // What is written is made here, too: of a large connector it takes as long as the change.
            let make = move |_: &_| -> Result<Option<Edit>, RegistryError> {
                let Some(changed) = next(&connector)? else { return Ok(None) };
                let members = changed_members(Some(&connector), &changed);
                if members.is_empty() {
                    return Ok(None);
                }
                changed.check_growth(&connector, bounds.connector)?;
                let change = Change::Update { expected: read.number };
                Ok(Some(finish(Edit::new(change, Arc::new(changed), &members, Some((&connector, &holders))))))
            };
            let Some(edit) = self.work.run(size, make).await?? else { return Ok(Edited::Unchanged(source)) };
            let changed = Arc::clone(edit.connector());
            match self.catalog.commit(tenant, edit, origin.clone()).await {
                Ok(source) => return Ok(Edited::Changed(source, changed)),
                // Someone was faster. Their change is published by now, so every round builds on a newer revision.
                Err(Refusal::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
