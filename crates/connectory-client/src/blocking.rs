//! The same client for code without async. Do not use it inside an async runtime.

use std::ops::ControlFlow;
use std::pin::pin;

use connectory_model::create::NewConnector;
use connectory_model::document::DocumentKind;
use connectory_model::wire::{
    Applied, ConnectorDetail, ConnectorItem, ConnectorRevision, Imported, ServiceInfo, UpdateDetail,
};
use connectory_model::{Locale, ScriptName};
use futures_util::TryStreamExt;
use json_patch::Patch;
use tokio::runtime::{Builder, Runtime};

use crate::{
    Activity, ActivityEntry, Change, DeletedConnector, DeletedConnectors, Duplicate, Error, Event, Events, Export,
    List, Listed, Revisions,
};

/// A client whose methods wait for the answer.
///
/// ```no_run
/// use connectory_client::blocking::Client;
///
/// let client = Client::new(connectory_client::Client::from_env()?);
/// println!("{} connectors", client.list(|list| list)?.len());
/// # Ok::<(), connectory_client::Error>(())
/// ```
#[derive(Debug)]
pub struct Client {
    client: crate::Client,
    runtime: Runtime,
}

impl Client {
    /// Wraps an async client.
    pub fn new(client: crate::Client) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("the system can wait for events");
        Self { client, runtime }
    }

    /// Makes calls of the async client, such as those of [`Client::if_match`](crate::Client::if_match), and waits for their end.
    ///
    /// ```no_run
    /// # fn example(client: connectory_client::blocking::Client, etag: connectory_client::ETag) {
    /// let deleted = client.wait(async |client| client.if_match(&etag).delete("hr-system").await);
    /// # }
    /// ```
    pub fn wait<T>(&self, calls: impl AsyncFnOnce(&crate::Client) -> T) -> T {
        self.runtime.block_on(calls(&self.client))
    }

    /// What the service says about itself. None if it is another service than connectory.
    pub fn service_info(&self) -> Result<Option<ServiceInfo>, Error> {
        self.runtime.block_on(self.client.service_info())
    }

    /// All connectors of a list. `select` narrows the list down.
    pub fn list(&self, select: impl FnOnce(List) -> List) -> Result<Listed, Error> {
        self.runtime.block_on(select(self.client.list()).all())
    }

    /// The number of connectors in a list. `select` narrows the list down.
    pub fn count(&self, select: impl FnOnce(List) -> List) -> Result<u64, Error> {
        self.runtime.block_on(select(self.client.list()).count())
    }

    /// Creates a custom connector.
    pub fn create(&self, new: &NewConnector) -> Result<ConnectorItem, Error> {
        self.runtime.block_on(self.client.create(new))
    }

    /// A connector with its documents.
    pub fn get(&self, script_name: &str, locale: Option<Locale>) -> Result<ConnectorDetail, Error> {
        self.runtime.block_on(self.client.get(script_name, locale))
    }

    /// Deletes a custom connector.
    pub fn delete(&self, script_name: &str) -> Result<(), Error> {
        self.runtime.block_on(self.client.delete(script_name))
    }

    /// Changes a custom connector with a JSON Patch (RFC 6902).
    pub fn patch(&self, script_name: &str, patch: &Patch) -> Result<ConnectorDetail, Error> {
        self.runtime.block_on(self.client.patch(script_name, patch))
    }

    /// As [`Client::update_in_place`](crate::Client::update_in_place).
    pub fn update_in_place(&self, script_name: &str, patch: &Patch) -> Result<ConnectorDetail, Error> {
        self.runtime.block_on(self.client.update_in_place(script_name, patch))
    }

    /// The whole connectors of a list, all as of one revision. `select` narrows the list down.
    pub fn export(&self, select: impl FnOnce(List) -> List) -> Result<Export, Error> {
        self.runtime.block_on(async { select(self.client.list()).export().await })
    }

    /// As [`Client::export_named`](crate::Client::export_named).
    pub fn export_named(&self, names: &[ScriptName]) -> Result<Export, Error> {
        self.runtime.block_on(self.client.export_named(names))
    }

    /// As [`Client::export_at`](crate::Client::export_at).
    pub fn export_at(&self, moment: &str) -> Result<Export, Error> {
        self.runtime.block_on(self.client.export_at(moment))
    }

    /// All revisions of a connector, the newest first.
    pub fn history(&self, script_name: &str) -> Result<Vec<ConnectorRevision>, Error> {
        self.runtime.block_on(self.client.history(script_name).all())
    }

    /// All revisions of the tenant, the newest first. `select` narrows them down.
    pub fn revisions(&self, select: impl FnOnce(Revisions) -> Revisions) -> Result<Vec<ConnectorRevision>, Error> {
        self.runtime.block_on(select(self.client.revisions()).all())
    }

    /// As [`Client::revision`](crate::Client::revision).
    pub fn revision(&self, script_name: &str, revision: u64) -> Result<ConnectorDetail, Error> {
        self.runtime.block_on(self.client.revision(script_name, revision))
    }

    /// As [`Client::diff`](crate::Client::diff).
    pub fn diff(&self, script_name: &str, from: Option<u64>, to: Option<u64>) -> Result<String, Error> {
        self.runtime.block_on(self.client.diff(script_name, from, to))
    }

    /// As [`Client::restore`](crate::Client::restore).
    pub fn restore(&self, script_name: &str, revision: u64) -> Result<ConnectorDetail, Error> {
        self.runtime.block_on(self.client.restore(script_name, revision))
    }

    /// All deleted connectors that are not there again, the last deleted first. `select` narrows them down.
    pub fn deleted_connectors(
        &self,
        select: impl FnOnce(DeletedConnectors) -> DeletedConnectors,
    ) -> Result<Vec<DeletedConnector>, Error> {
        self.runtime.block_on(select(self.client.deleted_connectors()).all())
    }

    /// All activity, the newest first. `select` narrows it down.
    pub fn activity(&self, select: impl FnOnce(Activity) -> Activity) -> Result<Vec<ActivityEntry>, Error> {
        self.runtime.block_on(select(self.client.activity()).all())
    }

    /// Calls `each` with each event until it breaks. `select` says where to begin.
    pub fn events(
        &self,
        select: impl FnOnce(Events) -> Events,
        mut each: impl FnMut(Event) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        self.runtime.block_on(async {
            let mut events = pin!(select(self.client.events()).stream());
            while let Some(event) = events.try_next().await? {
                if each(event).is_break() {
                    break;
                }
            }
            Ok(())
        })
    }

    /// As [`Client::apply`](crate::Client::apply).
    pub fn apply(&self, changes: &[Change]) -> Result<Applied, Error> {
        self.runtime.block_on(self.client.apply(changes))
    }

    /// As [`Client::check`](crate::Client::check).
    pub fn check(&self, changes: &[Change]) -> Result<Applied, Error> {
        self.runtime.block_on(self.client.check(changes))
    }

    /// As [`Client::patch_each`](crate::Client::patch_each).
    pub fn patch_each(&self, names: &[ScriptName], patch: &Patch) -> Result<Applied, Error> {
        self.runtime.block_on(self.client.patch_each(names, patch))
    }

    /// As [`Client::delete_each`](crate::Client::delete_each).
    pub fn delete_each(&self, names: &[ScriptName]) -> Result<Applied, Error> {
        self.runtime.block_on(self.client.delete_each(names))
    }

    /// As [`Client::undo`](crate::Client::undo).
    pub fn undo(&self, change: u64) -> Result<Applied, Error> {
        self.runtime.block_on(self.client.undo(change))
    }

    /// As [`Client::duplicate`](crate::Client::duplicate).
    pub fn duplicate(&self, script_name: &str, duplicate: &Duplicate) -> Result<ConnectorItem, Error> {
        self.runtime.block_on(self.client.duplicate(script_name, duplicate))
    }

    /// As [`Client::compare`](crate::Client::compare).
    pub fn compare(&self, from: (&str, Option<u64>), to: (&str, Option<u64>)) -> Result<String, Error> {
        self.runtime.block_on(self.client.compare(from, to))
    }

    /// As [`Client::export_zip`](crate::Client::export_zip).
    pub fn export_zip(&self, names: &[ScriptName]) -> Result<Vec<u8>, Error> {
        self.runtime.block_on(self.client.export_zip(names))
    }

    /// As [`Client::import_zip`](crate::Client::import_zip).
    pub fn import_zip(&self, zip: &[u8]) -> Result<Imported, Error> {
        self.runtime.block_on(self.client.import_zip(zip))
    }

    /// As [`Client::check_zip`](crate::Client::check_zip).
    pub fn check_zip(&self, zip: &[u8]) -> Result<Imported, Error> {
        self.runtime.block_on(self.client.check_zip(zip))
    }

    /// A document as it is stored.
    pub fn document(&self, script_name: &str, kind: DocumentKind) -> Result<Vec<u8>, Error> {
        self.runtime.block_on(self.client.document(script_name, kind))
    }

    /// Uploads a document.
    pub fn set_document(&self, script_name: &str, kind: DocumentKind, document: &[u8]) -> Result<UpdateDetail, Error> {
        self.runtime.block_on(self.client.set_document(script_name, kind, document))
    }

    /// The properties text of a locale, or the English one if the locale has none.
    pub fn translations(&self, script_name: &str, locale: Locale) -> Result<Vec<u8>, Error> {
        self.runtime.block_on(self.client.translations(script_name, locale))
    }

    /// Uploads the properties text of a locale; an empty one deletes it.
    pub fn set_translations(
        &self,
        script_name: &str,
        locale: Locale,
        properties: &[u8],
    ) -> Result<UpdateDetail, Error> {
        self.runtime.block_on(self.client.set_translations(script_name, locale, properties))
    }
}
