//! Creates connectors with all that they have, in one commit.

use std::sync::Arc;

use connectory_model::{Connector, ScriptName};
use connectory_store::{Change, Edit, Origin, Refusal};

use super::{Registry, RegistryError};
use crate::catalog::TenantCatalog;

/// The reason why connectors are not loaded. None of them is.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A connector is not accepted.
    #[error("`{script_name}`: {error}")]
    Connector {
        /// The script name of the connector.
        script_name: ScriptName,
        /// Why it is not accepted.
        error: RegistryError,
    },
    /// The script name is that of another connector.
    #[error(
        "`{0}`: there is a connector with this script name already; script names are unique, also among the built-in connectors"
    )]
    ScriptNameTaken(ScriptName),
    /// The commit as a whole is refused.
    #[error(transparent)]
    Commit(RegistryError),
}

impl Registry {
    /// Creates connectors with their documents and translations, under the script names that they have: all or none.
    pub async fn load(
        &self,
        tenant: &Arc<TenantCatalog>,
        origin: &Origin,
        connectors: Vec<Connector>,
    ) -> Result<(), LoadError> {
        let of = |script_name: &ScriptName, error| LoadError::Connector { script_name: script_name.clone(), error };
        let mut names = Vec::with_capacity(connectors.len());
        let mut edits = Vec::with_capacity(connectors.len());
        for connector in connectors {
            let script_name = connector.script_name.clone();
            if tenant.entry(&script_name).is_some() {
                return Err(LoadError::ScriptNameTaken(script_name));
            }
            if tenant.snapshot().has_name(&connector.name) {
                return Err(of(&script_name, RegistryError::NameTaken));
            }
            connector.check_bounds(self.bounds.connector).map_err(|error| of(&script_name, error.into()))?;
            edits.push(Edit::new(Change::Create, &connector, &[], None));
            names.push(script_name);
        }
        let committed = self.store.commit(tenant.id(), edits, origin.clone()).await;
        committed.map(drop).map_err(|refusal| match refusal {
            Refusal::NameTaken { edit } => of(&names[edit], RegistryError::NameTaken),
            Refusal::ScriptNameTaken { edit } | Refusal::Repeated { edit } => {
                LoadError::ScriptNameTaken(names[edit].clone())
            }
            other => LoadError::Commit(other.into()),
        })
    }
}
