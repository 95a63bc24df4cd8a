//! Replaces a document or the texts of a locale.

use std::sync::Arc;

use connectory_model::document::Document;
use connectory_model::translations::Properties;
use connectory_model::{Connector, Locale, ScriptName};
use connectory_store::Origin;

use super::{Edited, Expected, Given, Registry, RegistryError};
use crate::catalog::{Tagged, TenantCatalog};
use crate::http::conditional::Condition;

impl Registry {
    /// Replaces a document. `bytes` is the size of the new document.
    pub async fn replace_document(
        &self,
        tenant: &Arc<TenantCatalog>,
        origin: &Origin,
        script_name: &ScriptName,
        document: Document,
        bytes: usize,
        condition: Condition,
    ) -> Result<Edited, RegistryError> {
        let expected = Expected::of_part(condition, Tagged::Document(document.kind()));
        let given = Given::bytes(bytes).expecting(expected);
        let next = move |connector: &Connector| {
            let mut next = connector.clone();
            next.set_document(document.clone());
            Ok(Some(next))
        };
        self.edit(tenant, origin, script_name, given, next).await
    }

    /// Replaces the texts of a locale. Removes them if `properties` is none.
    pub async fn replace_translations(
        &self,
        tenant: &Arc<TenantCatalog>,
        origin: &Origin,
        script_name: &ScriptName,
        locale: Locale,
        properties: Option<Properties>,
        condition: Condition,
    ) -> Result<Edited, RegistryError> {
        let given = Given::bytes(properties.as_ref().map_or(0, |properties| properties.text().len()))
            .expecting(Expected::of_part(condition, Tagged::Translations(locale)));
        let next = move |connector: &Connector| {
            let mut next = connector.clone();
            match properties.clone() {
                Some(properties) => next.translations.0.insert(locale, properties),
                None => next.translations.0.remove(&locale),
            };
            Ok(Some(next))
        };
        self.edit(tenant, origin, script_name, given, next).await
    }
}
