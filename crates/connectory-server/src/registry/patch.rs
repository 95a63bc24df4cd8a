//! Patches a connector.

use std::sync::Arc;

use connectory_model::document::DocumentKind;
use connectory_model::patch::PatchSet;
use connectory_model::wire::{ConnectorDetail, DetailShape, Origin as Provenance};
use connectory_model::{Connector, Locale, ScriptName};
use connectory_store::{Once, Origin};

use super::{Edited, Expected, Given, Registry, RegistryError};
use crate::catalog::TenantCatalog;
use crate::http::conditional::Condition;

impl Registry {
    /// Applies all operations of a patch to a connector or none. The operations see the detail in this shape. A request
    /// that is done once and was done meanwhile is refused.
    pub async fn patch(
        &self,
        tenant: &Arc<TenantCatalog>,
        origin: &Origin,
        once: Option<Once>,
        script_name: &ScriptName,
        (patch, shape): (PatchSet, DetailShape),
        condition: Condition,
    ) -> Result<Edited, RegistryError> {
        let expected = Expected { condition, part: None };
        let given = Given { bytes: patch.size(), answers_detail: true, expected };
        let limit = self.bounds.document;
        let next = move |connector: &Connector| patched(&patch, connector, shape, limit).map(Some);
        self.edit_as(tenant, origin, script_name, given, once, (next, |edit| edit)).await
    }
}

/// Makes the patched connector. Fails if a changed document is larger than the limit.
pub fn patched(
    patch: &PatchSet,
    connector: &Connector,
    shape: DetailShape,
    limit: usize,
) -> Result<Connector, RegistryError> {
    let detail = |connector: &_| ConnectorDetail::new(connector, Provenance::Custom, Locale::En, shape);
    let next = patch.apply(connector, detail, limit)?;
    let is_too_large = |kind: &DocumentKind| {
        next.document_text(*kind).measure() > limit && next.document(*kind) != connector.document(*kind)
    };
    match DocumentKind::ALL.into_iter().find(is_too_large) {
        Some(kind) => Err(RegistryError::DocumentTooLarge { kind, limit }),
        None => Ok(next),
    }
}
