//! One change to each of several connectors, in one commit.

use std::sync::Arc;

use connectory_model::limits::APPLY_TIMEOUT;
use connectory_model::{Connector, ScriptName};

use super::check::{Checker, Wanted};
use super::{ApplyError, Changes, Counts, RefusalReason, TooMuch, Unit};
use crate::catalog::{Source, TenantCatalog};
use crate::registry::{Registry, RegistryError};
use crate::work::{Stop, Turn, WorkError, apart};

/// A connector that a change to several of them is for.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// The script name.
    pub script_name: ScriptName,
    /// The revision as of which the caller knows the connector. None changes it as it is now.
    pub revision: Option<u64>,
}

impl From<ScriptName> for Chosen {
    fn from(script_name: ScriptName) -> Self {
        Self { script_name, revision: None }
    }
}

impl Counts {
    /// Those of a change to so many connectors, which creates none.
    pub fn of(connectors: usize, is_delete: bool) -> Self {
        let lines = connectors as u64;
        Self { lines, creates: 0, deletes: if is_delete { lines } else { 0 } }
    }
}

impl Registry {
    /// Checks a change to each of several custom connectors. `next` makes each connector as it is wanted; none deletes it. It
    /// runs on a thread of its own. The connectors may have as many bytes together as an apply.
    pub async fn check_each<F>(
        &self,
        turn: Turn,
        tenant: &Arc<TenantCatalog>,
        chosen: Vec<Chosen>,
        next: F,
    ) -> Result<Changes, ApplyError>
    where
        F: Fn(&Connector) -> Result<Option<Connector>, RegistryError> + Send + 'static,
    {
        let mut checker = Checker::new(self, tenant, Unit::Connectors, turn);
        let check = move |stop: &Stop| {
            let mut bytes = 0;
            for (at, chosen) in chosen.into_iter().enumerate() {
                if stop.is_due() {
                    return Err(WorkError::Late.into());
                }
                let wanted = match checker.current(&chosen) {
                    Ok((source, revision)) => {
                        let before = checker.read(source, &mut bytes)?;
                        next(&before).map_err(RefusalReason::from).map(|connector| Wanted {
                            script_name: chosen.script_name.clone(),
                            revision,
                            connector,
                            is_text: false,
                        })
                    }
                    Err(error) => Err(error),
                };
                let unread = |error| Box::new((Some(chosen.script_name.as_str().to_owned()), error));
                checker.add(at + 1, wanted.map_err(unread))?;
            }
            Ok(checker.finish())
        };
        apart((), APPLY_TIMEOUT, check).await?
    }
}

impl Checker {
    /// Where a chosen connector is, and the revision as of which it is changed.
    fn current(&self, chosen: &Chosen) -> Result<(Source, u64), RefusalReason> {
        let script_name = &chosen.script_name;
        match (self.tenant.entry(script_name).map(|entry| entry.source), chosen.revision) {
            (Some(Source::Stored(id)), given) => {
                let given = given.unwrap_or(id.number.get().unsigned_abs());
                self.expect(given, id)?;
                Ok((Source::Stored(id), given))
            }
            (Some(Source::BuiltIn(_)), _) => Err(RegistryError::BuiltIn(script_name.clone()).into()),
            (None, None) => Err(RegistryError::NotFound(script_name.clone()).into()),
            (None, Some(_)) => Err(RefusalReason::Gone),
        }
    }

    /// Reads a connector, if it and those before it are no larger than they may be.
    pub(super) fn read(&self, source: Source, bytes: &mut usize) -> Result<Arc<Connector>, ApplyError> {
        let connector = self.runtime.block_on(self.catalog.whole(source))?;
        *bytes += connector.size();
        let most = self.bounds.apply;
        if *bytes > most {
            return Err(TooMuch::Stored(most).into());
        }
        Ok(connector)
    }
}
