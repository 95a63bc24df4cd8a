//! Edits a connector: reads it, makes the next revision, and commits it. Starts again if another caller changed the
//! connector meanwhile.

use std::sync::Arc;

use connectory_model::limits::EDIT_ATTEMPTS;
use connectory_model::{Connector, ScriptName, name_key};
use connectory_store::{Change, Edit, Once, Origin, Refusal, StoreError, Unavailable};

use super::changed::changed_members;
use super::{Expected, Registry, RegistryError};
use crate::catalog::{Source, TenantCatalog};

/// The result of an edit.
pub enum Edited {
    /// The new place of the connector, and the committed connector.
    Changed(Source, Arc<Connector>),
    /// The edit changed nothing. The source is the place of the connector.
    Unchanged(Source),
}

/// The size of an edit's input, and the kind of its response, which both determine how much memory the edit needs; and what
/// the edit expects.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// The size of the edit's input in bytes.
    pub bytes: usize,
    /// Whether the response contains the whole connector. Memory for it is reserved before the connector is changed.
    pub answers_detail: bool,
    /// The condition of the edit.
    pub expected: Expected,
}

impl Given {
    /// An input of so many bytes, with a short response.
    pub fn bytes(bytes: usize) -> Self {
        Self { bytes, ..Self::default() }
    }

    /// The same, on a condition.
    #[must_use]
    pub fn expecting(self, expected: Expected) -> Self {
        Self { expected, ..self }
    }
}

impl Registry {
    /// Commits the connector that `next` makes from the current one. `next` may return none if it changes nothing.
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
        self.edit_as(tenant, origin, script_name, given, None, (next, |edit| edit)).await
    }

    /// Like [`Self::edit`]. `finish` can set the action of the edit. A request that is done once and was done meanwhile is
    /// refused.
    pub(super) async fn edit_as<F>(
        &self,
        tenant: &Arc<TenantCatalog>,
        origin: &Origin,
        script_name: &ScriptName,
        Given { bytes, answers_detail, expected }: Given,
        once: Option<Once>,
        (next, finish): (F, fn(Edit) -> Edit),
    ) -> Result<Edited, RegistryError>
    where
        F: Fn(&Connector) -> Result<Option<Connector>, RegistryError> + Send + Sync + 'static,
    {
        let next = Arc::new((expected, next));
        let _turn = self.queues.turn(tenant.id(), script_name).await.map_err(StoreError::from)?;
        for _ in 0..EDIT_ATTEMPTS {
            let read = self.custom(tenant, script_name)?;
            let source = Source::Stored(read);
            let connector = self.catalog.connector(tenant, source).await?;
            let size = connector.size() + bytes;
            if answers_detail {
                self.catalog.reserve_detail(size)?;
            }
            let holders = self.catalog.holders(read, &connector).await?;
            let next = Arc::clone(&next);
            let (bounds, names) = (self.bounds, Arc::clone(tenant));
            // This closure also serializes and compresses the result, because for a large connector that takes as long
            // as the change.
            let make = move |_: &_| -> Result<Option<(Edit, Arc<Connector>)>, RegistryError> {
                let (expected, next) = &*next;
                expected.check(read, &connector)?;
                let Some(changed) = next(&connector)? else { return Ok(None) };
                // The store knows the names of custom connectors.
                let is_renamed = changed.name != connector.name && name_key(&changed.name) != name_key(&connector.name);
                if is_renamed && names.has_builtin_name(&changed.name) {
                    return Err(RegistryError::NameTaken);
                }
                let members = changed_members(Some(&connector), &changed);
                if members.is_empty() {
                    return Ok(None);
                }
                if !is_renamed && let Some(other) = names.snapshot().namesake(&connector.name, &connector.script_name) {
                    return Err(RegistryError::NameShared { script_name: connector.script_name.clone(), other });
                }
                changed.check_growth(&connector, bounds.connector)?;
                let change = Change::Update { expected: read.number };
                let edit = finish(Edit::new(change, &changed, &members, Some((&connector, &holders))));
                Ok(Some((edit, Arc::new(changed))))
            };
            let Some((edit, changed)) = self.work.run(size, make).await?? else {
                // What the connector is already may be the change of another process that does not know its result yet.
                self.store.confirm(tenant.id()).await?;
                return Ok(Edited::Unchanged(source));
            };
            match self.catalog.commit(tenant, (edit, &changed), origin.clone(), once).await {
                Ok(source) => return Ok(Edited::Changed(source, changed)),
                // Another caller was faster. Every round starts from a newer revision.
                Err(Refusal::Conflict { .. }) => self.refused(tenant).await?,
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::from(Unavailable::Busy).into())
    }
}
