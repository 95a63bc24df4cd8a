//! Imports connectors: each is wanted as it is sent, and all others stay as they are.

use std::sync::Arc;

use connectory_folder::folder_name::script_name;
use connectory_folder::lint::Finding;
use connectory_folder::local::{LocalFolder, LocalFolders};
use connectory_folder::{Folder, FolderError};
use connectory_model::document::DocumentKind;
use connectory_model::limits::{IMPORT_BYTES, IMPORT_CONNECTORS, IMPORT_TIMEOUT};
use connectory_model::{Connector, ScriptName};
use connectory_store::{RevisionId, RevisionNumber, Store};
use tokio::runtime::Handle;

use super::super::{Registry, RegistryError};
use super::check::{Checker, Unread, Wanted};
use super::{ApplyError, Changes, RefusalReason, TooMuch, Unit};
use crate::catalog::{Catalog, Source, TenantCatalog};
use crate::work::{Stop, Turn, WorkError, apart};

/// An import, as it was checked.
pub struct Import {
    /// What it changes. The place of a step or a refusal is that of the folder, from 1 on.
    pub changes: Changes,
    /// The connectors as they are wanted, in the order of the folders. None of a folder that is no connector.
    pub connectors: Vec<Option<Connector>>,
}

impl Registry {
    /// Checks connector folders against the tenant. With a revision, a connector that changed after it is refused.
    pub async fn check_import(
        &self,
        turn: Turn,
        tenant: &Arc<TenantCatalog>,
        folders: LocalFolders,
        as_of: Option<RevisionNumber>,
    ) -> Result<Import, ApplyError> {
        if folders.folders.is_empty() {
            return Err(ApplyError::Nothing);
        }
        if folders.folders.len() > IMPORT_CONNECTORS {
            return Err(TooMuch::Imported.into());
        }
        self.catalog.fresh(tenant).await?;
        let newest = tenant.snapshot().number();
        if let Some(later) = as_of.filter(|as_of| *as_of > newest) {
            return Err(RegistryError::NotYet(later).into());
        }
        let mut importer = Importer {
            catalog: Arc::clone(&self.catalog),
            store: self.store.clone(),
            tenant: Arc::clone(tenant),
            runtime: Handle::current(),
            as_of,
            newest,
            left: IMPORT_BYTES,
        };
        let mut checker = Checker::new(self, tenant, Unit::Connectors, turn);
        let check = move |stop: &Stop| {
            let mut connectors = Vec::with_capacity(folders.folders.len());
            for (at, folder) in folders.folders.iter().enumerate() {
                if stop.is_due() {
                    return Err(WorkError::Late.into());
                }
                let wanted = importer.wanted(folder)?;
                connectors.push(wanted.as_ref().ok().and_then(|wanted| wanted.connector.clone()));
                checker.add(at + 1, wanted)?;
            }
            Ok(Import { changes: checker.finish(), connectors })
        };
        apart((), IMPORT_TIMEOUT, check).await?
    }
}

/// Makes changes of connector folders.
struct Importer {
    catalog: Arc<Catalog>,
    store: Store,
    tenant: Arc<TenantCatalog>,
    runtime: Handle,
    as_of: Option<RevisionNumber>,
    newest: RevisionNumber,
    /// The bytes of documents that may still be taken from stored connectors.
    left: usize,
}

impl Importer {
    /// What a folder wants, or why it is refused. If the store fails, the import ends.
    fn wanted(&mut self, folder: &LocalFolder) -> Result<Result<Wanted, Unread>, ApplyError> {
        match self.try_wanted(folder) {
            Ok(wanted) => Ok(Ok(wanted)),
            Err(RefusalReason::Registry(failed)) => Err(failed.into()),
            Err(refused) => Ok(Err(Box::new((Some(folder.name.clone()), refused)))),
        }
    }

    fn try_wanted(&mut self, folder: &LocalFolder) -> Result<Wanted, RefusalReason> {
        let script_name = script_name(&folder.name)?;
        if let Some((_, Finding { file, rule, message, .. })) = folder.first_error() {
            return Err(RefusalReason::Folder { file: file.clone(), rule, message: message.clone() });
        }
        let mut content = Folder::read(&folder.files).map_err(|FolderError { file, error }| RefusalReason::Folder {
            file,
            rule: error.rule(),
            message: error.to_string(),
        })?;
        let revision = match self.tenant.entry(&script_name).map(|entry| entry.source) {
            Some(Source::Stored(id)) => {
                self.expect(id.number)?;
                if content.documents.len() < DocumentKind::ALL.len() {
                    content = self.completed(&content, id)?;
                }
                self.newest.max(id.number).get().unsigned_abs()
            }
            // Any revision but 0, which means a new connector.
            Some(Source::BuiltIn(_)) => 1,
            None => {
                self.expect_not_deleted(&script_name)?;
                0
            }
        };
        let connector = Some(content.into_connector(script_name.clone()));
        Ok(Wanted { script_name, revision, connector, is_text: true })
    }

    /// Checks that a connector did not change after the revision of the import.
    fn expect(&self, now: RevisionNumber) -> Result<(), RefusalReason> {
        match self.as_of.filter(|as_of| now > *as_of) {
            Some(as_of) => Err(RefusalReason::Moved { given: as_of.get().unsigned_abs(), now }),
            None => Ok(()),
        }
    }

    fn expect_not_deleted(&self, script_name: &ScriptName) -> Result<(), RefusalReason> {
        let Some(as_of) = self.as_of else { return Ok(()) };
        let last = self.store.revisions(self.tenant.id(), Some(script_name.clone()), None, 1);
        let last = self.runtime.block_on(last)?;
        let has_moved = last.first().is_some_and(|last| last.number > as_of);
        if has_moved { Err(RefusalReason::Gone) } else { Ok(()) }
    }

    /// The folder with the documents that it lacks, as the stored connector has them.
    fn completed(&mut self, content: &Folder, id: RevisionId) -> Result<Folder, RefusalReason> {
        let stored = self.runtime.block_on(self.catalog.whole(Source::Stored(id)))?;
        let completed = content.completed_from(&Folder::from(Arc::unwrap_or_clone(stored)));
        let bytes = |folder: &Folder| folder.documents.values().map(|text| text.as_str().len()).sum::<usize>();
        let left = self.left.checked_sub(bytes(&completed) - bytes(content));
        self.left = left.ok_or(RefusalReason::Lacking)?;
        Ok(completed)
    }
}
