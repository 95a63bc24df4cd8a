//! Exports whole connectors: all that a tenant has at one revision, or a selection of it.
//!
//! Revisions never change. So the connectors are read one after the other while the client reads, and are all true as of
//! the revision at which the export began.

use std::collections::HashSet;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use bytes::Bytes;
use connectory_folder::folder_name::folder_name;
use connectory_folder::packed::Packed;
use connectory_model::limits::{EXPORT_PART_BYTES, EXPORT_TIMEOUT, ZIP_CONNECTORS, ZSTD_WINDOW_LOG};
use connectory_model::wire::{ConnectorDetail, ConnectorLine, DetailShape, ExportEnd, ExportHead};
use connectory_model::{Connector, ScriptName};
use connectory_store::{RevisionId, RevisionNumber, StoreError};
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::{Registry, RegistryError};
use crate::catalog::{Catalog, Entry, Selection, Source, TenantCatalog};
use crate::http::coding::{Coding, gzip};
use crate::work::{Stop, WorkError, detached};

/// The parts of an export on their way to the connection.
const PARTS: usize = 2;

/// The connectors to export.
pub enum Exported {
    /// Those that a list would have.
    Selected(Selection),
    /// Those with these script names, as far as they exist.
    Named(HashSet<ScriptName>),
    /// The custom ones as they were, in the order of their script names.
    At(Moment),
}

/// How connectors are exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As lines of JSON.
    Lines(Coding),
    /// As a zip file of connector folders.
    Zip,
}

/// The parts of an export. One that is an error means that the export broke off.
pub type ExportParts = mpsc::Receiver<io::Result<Bytes>>;

/// A moment of a tenant that is not now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// After the change that holds this revision.
    Revision(RevisionNumber),
    /// At this time, in milliseconds since 1970-01-01 UTC.
    Time(i64),
}

/// A connector to export: its script name, and where it is.
type Place = (ScriptName, Source);

impl Registry {
    /// Exports connectors, in the order of their names. Lines have a head and an end, too.
    pub async fn export(
        &self,
        tenant: &Arc<TenantCatalog>,
        exported: Exported,
        form: Form,
    ) -> Result<ExportParts, RegistryError> {
        let turn = self.work.export_turn().await?;
        let (revision, places) = match exported {
            Exported::At(past) => self.places_at(tenant, past).await?,
            now => self.places(tenant, now).await?,
        };
        if form == Form::Zip {
            expect_folders(&places)?;
        }
        let (sender, parts) = mpsc::channel(PARTS);
        let source = Lines { catalog: Arc::clone(&self.catalog), runtime: Handle::current() };
        detached(turn, move || {
            let stop = Stop::after(EXPORT_TIMEOUT);
            let head = ExportHead {
                revision: revision.get().unsigned_abs(),
                built_in_catalog: source.catalog.builtin_digest().to_owned(),
            };
            let parts = BufWriter::with_capacity(EXPORT_PART_BYTES, Parts { sender: &sender, stop: &stop });
            let written = match form {
                Form::Zip => source.pack(&places, parts).and_then(|mut parts| parts.flush()),
                Form::Lines(Coding::Zstd) => compressed(parts).and_then(|mut lines| {
                    source.write(&head, &places, &mut lines)?;
                    lines.finish()?.flush()
                }),
                Form::Lines(Coding::Gzip) => {
                    let mut lines = gzip(parts);
                    source.write(&head, &places, &mut lines).and_then(|()| lines.finish()?.flush())
                }
                Form::Lines(Coding::Identity) => {
                    let mut lines = parts;
                    source.write(&head, &places, &mut lines).and_then(|()| lines.flush())
                }
            };
            if let Err(error) = written {
                tracing::debug!(%error, "an export broke off");
                // If the client has left, nobody receives this.
                let _client_left = sender.blocking_send(Err(error));
            }
        })?;
        Ok(parts)
    }

    /// The connectors as they are now, and the newest revision.
    async fn places(
        &self,
        tenant: &TenantCatalog,
        exported: Exported,
    ) -> Result<(RevisionNumber, Vec<Place>), RegistryError> {
        let snapshot = tenant.snapshot();
        let revision = snapshot.number();
        let place = |entry: &Arc<Entry>| (entry.script_name.clone(), entry.source);
        let places = match exported {
            Exported::Selected(selection) => {
                let select = move |stop: &Stop| Some(snapshot.selected(&selection, stop)?.iter().map(place).collect());
                self.work.search(select).await?.ok_or(WorkError::Late)?
            }
            // One of them may be newer than the revision. Whoever applies it as of the revision is then refused.
            Exported::Named(names) => {
                let mut named: Vec<_> = names.iter().filter_map(|name| tenant.entry(name)).collect();
                named.sort_unstable_by(|one, other| one.order().cmp(&other.order()));
                named.iter().map(place).collect()
            }
            Exported::At(_) => Vec::new(),
        };
        Ok((revision, places))
    }

    /// The custom connectors as they were at a moment, and the last revision of the change before it.
    async fn places_at(
        &self,
        tenant: &TenantCatalog,
        past: Moment,
    ) -> Result<(RevisionNumber, Vec<Place>), RegistryError> {
        let snapshot = tenant.snapshot();
        let id = tenant.id();
        let moment = match past {
            Moment::Revision(number) if number > snapshot.number() => return Err(RegistryError::NotYet(number)),
            Moment::Revision(number) => self.store.moment_of(RevisionId { tenant: id, number }).await?,
            Moment::Time(time) => self.store.moment_at(id, time).await?,
        };
        let at = moment.map_or(RevisionNumber::ZERO, |moment| moment.change);
        // Read after the snapshot was taken: so what changed since is here, whatever else is committed meanwhile.
        let left = self.store.left_at(RevisionId { tenant: id, number: at }).await?;
        if let Some(removed) = left.iter().find(|left| left.number.is_some() && !left.has_body) {
            return Err(RegistryError::PastRemoved { script_name: removed.script_name.clone(), at });
        }
        let select = move |_: &Stop| {
            let stored = |number| Source::Stored(RevisionId { tenant: id, number });
            let changed: HashSet<_> = left.iter().map(|left| left.script_name.clone()).collect();
            let unchanged = snapshot.entries().filter(|entry| matches!(entry.source, Source::Stored(_)));
            let unchanged = unchanged.filter(|entry| !changed.contains(&entry.script_name));
            let unchanged = unchanged.map(|entry| (entry.script_name.clone(), entry.source));
            let changed = left.into_iter().filter_map(|left| Some((left.script_name, stored(left.number?))));
            let mut places: Vec<_> = unchanged.chain(changed).collect();
            places.sort_unstable_by(|a, b| a.0.as_str().cmp(b.0.as_str()));
            places
        };
        Ok((at, self.work.search(select).await?))
    }
}

/// Checks that a zip file can have a folder for each connector.
fn expect_folders(places: &[Place]) -> Result<(), RegistryError> {
    if places.len() > ZIP_CONNECTORS {
        return Err(RegistryError::TooManyFolders(places.len()));
    }
    let refused = places.iter().find_map(|(script_name, _)| folder_name(script_name).err());
    refused.map_or(Ok(()), |error| Err(RegistryError::NoFolder(error)))
}

/// A compressor of lines with a window that every decoder takes.
fn compressed<W: Write>(parts: W) -> io::Result<zstd::Encoder<'static, W>> {
    let mut encoder = zstd::Encoder::new(parts, zstd::DEFAULT_COMPRESSION_LEVEL)?;
    encoder.window_log(ZSTD_WINDOW_LOG)?;
    Ok(encoder)
}

/// Reads the connectors of an export.
struct Lines {
    catalog: Arc<Catalog>,
    runtime: Handle,
}

impl Lines {
    fn write(&self, head: &ExportHead, places: &[Place], lines: &mut impl Write) -> io::Result<()> {
        line(lines, head)?;
        for place in places {
            line(lines, &self.read(place).map_err(io::Error::other)?)?;
        }
        line(lines, &ExportEnd { count: places.len() as u64 })
    }

    fn pack<W: Write>(&self, places: &[Place], into: W) -> io::Result<W> {
        let mut packed = Packed::new(into);
        for (_, source) in places {
            packed.add(self.connector(*source).map_err(io::Error::other)?)?;
        }
        packed.finish()
    }

    fn connector(&self, source: Source) -> Result<Connector, StoreError> {
        Ok(Arc::unwrap_or_clone(self.runtime.block_on(self.catalog.whole(source))?))
    }

    fn read(&self, (script_name, source): &Place) -> Result<ConnectorLine, StoreError> {
        let connector = self.connector(*source)?;
        let revision = match source {
            Source::Stored(id) => id.number.get().unsigned_abs(),
            Source::BuiltIn(_) => 0,
        };
        let detail = ConnectorDetail::with_bytes(connector, source.origin(), DetailShape::WithPolicies);
        Ok(ConnectorLine { script_name: script_name.clone(), revision, connector: Some(detail) })
    }
}

fn line(lines: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *lines, value)?;
    lines.write_all(b"\n")
}

/// Sends what is written to the connection, and waits until there is room for it.
struct Parts<'a> {
    sender: &'a mpsc::Sender<io::Result<Bytes>>,
    stop: &'a Stop,
}

impl Write for Parts<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.stop.is_due() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the export took too long"));
        }
        let part = &bytes[..bytes.len().min(EXPORT_PART_BYTES)];
        let gone = |_| io::Error::new(io::ErrorKind::BrokenPipe, "the client has left");
        self.sender.blocking_send(Ok(Bytes::copy_from_slice(part))).map_err(gone)?;
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn parts_are_small_and_end_when_the_time_is_over_or_the_client_has_left() {
        let (sender, mut parts) = mpsc::channel(PARTS);
        let stop = Stop::after(Duration::from_secs(9));
        let mut writer = Parts { sender: &sender, stop: &stop };
        assert_eq!(writer.write(&vec![0; 3 * EXPORT_PART_BYTES]).unwrap(), EXPORT_PART_BYTES);
        assert_eq!(parts.blocking_recv().unwrap().unwrap().len(), EXPORT_PART_BYTES);
        let late = Parts { sender: &sender, stop: &Stop::after(Duration::ZERO) }.write(b"x");
        assert_eq!(late.unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(parts);
        assert_eq!(writer.write(b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
