//! Reads the lines of an apply, and checks each of them against the connectors of the tenant.

use std::collections::{HashMap, HashSet};
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use connectory_model::document::{Document, DocumentKind};
use connectory_model::json::JsonError;
use connectory_model::limits::{APPLY_LINE_TIMES, APPLY_LINES, JSON_VALUES, QUOTED_CHARS, ZSTD_WINDOW_LOG};
use connectory_model::{Connector, ScriptName, import, json, name_key, shown};
use connectory_store::{Change, Edit, Holders, RevisionId, RevisionNumber};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;

use super::super::changed::changed_members;
use super::super::{Bounds, RegistryError};
use super::{ApplyError, Changes, Counts, LineError, Parts, Refusals};
use crate::catalog::{Catalog, Snapshot, Source, TenantCatalog};
use crate::work::{Stop, Turn};

/// Reads the changes of a request.
pub(super) struct Reader {
    catalog: Arc<Catalog>,
    tenant: Arc<TenantCatalog>,
    snapshot: Arc<Snapshot>,
    bounds: Bounds,
    runtime: Handle,
    /// The line of each script name.
    lines: HashMap<ScriptName, usize>,
    /// The line of each new name.
    names: HashMap<String, usize>,
    /// Of these, the ones that connectors of the tenant have: the line, its script name, and the key of the name.
    taken: Vec<(usize, ScriptName, String)>,
    /// The keys of names that connectors do not have any more.
    freed: HashSet<String>,
    /// The revision of each connector that was read.
    read: HashMap<ScriptName, RevisionNumber>,
}

/// A line, as its client sent it.
struct Line {
    script_name: String,
    revision: u64,
    /// None deletes the connector.
    connector: Option<Value>,
}

impl Reader {
    /// Makes a reader for a tenant as it is now.
    pub fn new(catalog: Arc<Catalog>, tenant: &Arc<TenantCatalog>, bounds: Bounds) -> Self {
        let (snapshot, runtime) = (tenant.snapshot(), Handle::current());
        Self {
            catalog,
            tenant: Arc::clone(tenant),
            snapshot,
            bounds,
            runtime,
            lines: HashMap::new(),
            names: HashMap::new(),
            taken: Vec::new(),
            freed: HashSet::new(),
            read: HashMap::new(),
        }
    }

    /// Reads and checks all lines.
    pub fn read(mut self, turn: Turn, parts: Parts, is_compressed: bool, stop: &Stop) -> Result<Changes, ApplyError> {
        let mut changes = Changes {
            digest: [0; 32],
            counts: Counts::default(),
            newest: self.snapshot.number(),
            refusals: Refusals::default(),
            edits: Vec::new(),
            line_of: Vec::new(),
            unchanged: Vec::new(),
            _turn: turn,
        };
        let mut body = Body { parts, part: Bytes::new(), failed: None };
        let read = if is_compressed {
            zstd::Decoder::new(&mut body).and_then(|mut decoder| {
                decoder.window_log_max(ZSTD_WINDOW_LOG)?;
                self.read_lines(BufReader::new(decoder), &mut changes, stop)
            })
        } else {
            self.read_lines(BufReader::new(&mut body), &mut changes, stop)
        };
        match (body.failed, read) {
            (Some(error), _) | (None, Ok(Err(error))) => Err(error),
            (None, Ok(Ok(()))) => Ok(changes),
            (None, Err(error)) => Err(ApplyError::Unreadable(format!("the body cannot be decompressed: {error}"))),
        }
    }

    fn read_lines(
        &mut self,
        lines: impl BufRead,
        changes: &mut Changes,
        stop: &Stop,
    ) -> io::Result<Result<(), ApplyError>> {
        let most = self.bounds.apply as u64;
        let longest = APPLY_LINE_TIMES * self.bounds.connector;
        let mut lines = lines.take(most + 1);
        let mut digest = Sha256::new();
        let mut text = Vec::new();
        for number in 1.. {
            if stop.is_due() {
                return Ok(Err(ApplyError::Late));
            }
            text.clear();
            let read = (&mut lines).take(longest as u64 + 1).read_until(b'\n', &mut text)?;
            if lines.limit() == 0 {
                let reason = format!("the changes have more than {most} bytes; apply a part of them at a time");
                return Ok(Err(ApplyError::TooLarge(reason)));
            }
            if read == 0 {
                break;
            }
            if read > longest {
                return Ok(Err(ApplyError::TooLarge(format!("line {number} has more than {longest} bytes"))));
            }
            digest.update(&text);
            let line = text.trim_ascii();
            if line.is_empty() {
                // Reading them costs time too.
                if number > 2 * APPLY_LINES {
                    return Ok(Err(ApplyError::TooLarge("there are too many blank lines".to_owned())));
                }
                continue;
            }
            changes.counts.lines += 1;
            if changes.counts.lines > APPLY_LINES as u64 {
                let reason = format!("there are more than {APPLY_LINES} changes; apply a part of them at a time");
                return Ok(Err(ApplyError::TooLarge(reason)));
            }
            let line = match Line::parse(line) {
                Ok(line) => line,
                Err(error) => {
                    changes.refusals.add(number, None, &error);
                    continue;
                }
            };
            changes.counts.creates += u64::from(line.revision == 0);
            changes.counts.deletes += u64::from(line.connector.is_none());
            match self.check(number, &line) {
                // What is refused already is not committed, but every line is checked.
                Ok(Some(edit)) if changes.refusals.count == 0 => {
                    changes.edits.push(self.tenant.rendered(edit));
                    changes.line_of.push(number);
                }
                Ok(None) => changes.unchanged.extend(self.place(number, &line.script_name)),
                Ok(Some(_)) => {}
                Err(LineError::Registry(error @ RegistryError::Store(_))) => return Ok(Err(error.into())),
                Err(error) => {
                    changes.edits.clear();
                    changes.refusals.add(number, Some(&line.script_name), &error);
                }
            }
        }
        if changes.counts.lines == 0 {
            let reason = "the body is empty; it must have a line of JSON for each change".to_owned();
            return Ok(Err(ApplyError::Unreadable(reason)));
        }
        for (line, script_name, _) in self.taken.iter().filter(|(.., key)| !self.freed.contains(key)) {
            changes.edits.clear();
            changes.refusals.add(*line, Some(script_name.as_str()), &LineError::NameTaken);
        }
        changes.digest = digest.finalize().into();
        Ok(Ok(()))
    }

    /// The place of a connector that a line leaves as it is.
    fn place(&self, number: usize, script_name: &str) -> Option<(usize, ScriptName, RevisionNumber)> {
        let script_name: ScriptName = script_name.parse().ok()?;
        let read = self.read.get(&script_name).copied()?;
        Some((number, script_name, read))
    }

    /// Checks a line. Returns none if the connector is as the line has it.
    fn check(&mut self, number: usize, line: &Line) -> Result<Option<Edit>, LineError> {
        let script_name = line.script_name.parse();
        let script_name: ScriptName =
            script_name.map_err(|error| LineError::Shape(format!("`scriptName`: {error}")))?;
        let first = *self.lines.entry(script_name.clone()).or_insert(number);
        if first != number {
            return Err(LineError::Repeated(first));
        }
        let wanted = match &line.connector {
            Some(connector) => Some(import::whole(connector, &script_name)?),
            None => None,
        };
        let entry = self.tenant.entry(&script_name);
        match (entry.map(|entry| entry.source), wanted) {
            (_, None) if line.revision == 0 => {
                Err(LineError::Shape("revision 0 is a new connector, so it needs `connector`".to_owned()))
            }
            (Some(_), Some(_)) if line.revision == 0 => Err(LineError::Exists),
            (Some(Source::BuiltIn(_)), _) => Err(RegistryError::BuiltIn(script_name).into()),
            (None, Some(wanted)) if line.revision == 0 => self.create(number, &wanted).map(Some),
            (None, _) => Err(LineError::Gone),
            (Some(Source::Stored(id)), wanted) => {
                self.expect(line.revision, id)?;
                self.read.insert(script_name, id.number);
                let before = self.runtime.block_on(self.catalog.whole(Source::Stored(id)))?;
                let holders = self.runtime.block_on(self.catalog.holders(id, &before))?;
                let Some(mut wanted) = wanted else {
                    self.freed.insert(name_key(&before.name));
                    let change = Change::Delete { expected: id.number };
                    return Ok(Some(Edit::new(change, &before, &[], Some((&before, &holders)))));
                };
                // A client that knows texts only means no other encoding.
                for kind in DocumentKind::ALL {
                    let (there, given) = (before.document_text(kind), wanted.document_text(kind));
                    if given.own_bytes().is_none() && given.as_str() == there.as_str() {
                        wanted.set_document(Document::stored(kind, there.clone()));
                    }
                }
                for (locale, given) in &mut wanted.translations.0 {
                    if let Some(there) = before.translations.0.get(locale).filter(|there| there.text() == given.text())
                    {
                        given.clone_from(there);
                    }
                }
                self.change(number, id, (&before, &holders), &wanted)
            }
        }
    }

    /// Checks that a connector is as it was as of a revision.
    fn expect(&self, given: u64, id: RevisionId) -> Result<(), LineError> {
        let newest = self.snapshot.number().max(id.number);
        if given > newest.get().unsigned_abs() {
            return Err(LineError::NotYet { given, newest });
        }
        if given < id.number.get().unsigned_abs() {
            return Err(LineError::Moved { given, now: id.number });
        }
        Ok(())
    }

    fn create(&mut self, number: usize, wanted: &Connector) -> Result<Edit, LineError> {
        self.take_name(number, wanted)?;
        self.check_documents(None, wanted)?;
        wanted.check_bounds(self.bounds.connector).map_err(RegistryError::from)?;
        Ok(Edit::new(Change::Create, wanted, &[], None))
    }

    fn change(
        &mut self,
        number: usize,
        id: RevisionId,
        (before, holders): (&Connector, &Holders),
        wanted: &Connector,
    ) -> Result<Option<Edit>, LineError> {
        let members = changed_members(Some(before), wanted);
        if members.is_empty() {
            return Ok(None);
        }
        let name_before = name_key(&before.name);
        if name_before != name_key(&wanted.name) {
            self.take_name(number, wanted)?;
            self.freed.insert(name_before);
        } else if let Some(other) = self.snapshot.namesake(&before.name, &before.script_name) {
            return Err(RegistryError::NameShared { script_name: before.script_name.clone(), other }.into());
        }
        self.check_documents(Some(before), wanted)?;
        wanted.check_growth(before, self.bounds.connector).map_err(RegistryError::from)?;
        let change = Change::Update { expected: id.number };
        Ok(Some(Edit::new(change, wanted, &members, Some((before, holders)))))
    }

    /// Checks that no other connector gets the name. Whether one has it then is known after the last line.
    fn take_name(&mut self, number: usize, wanted: &Connector) -> Result<(), LineError> {
        let key = name_key(&wanted.name);
        let first = *self.names.entry(key.clone()).or_insert(number);
        if first != number {
            return Err(LineError::NameTwice(first));
        }
        if self.snapshot.has_name(&wanted.name) {
            self.taken.push((number, wanted.script_name.clone(), key));
        }
        Ok(())
    }

    /// Checks that no document that changes is larger than it may be.
    fn check_documents(&self, before: Option<&Connector>, wanted: &Connector) -> Result<(), LineError> {
        let limit = self.bounds.document;
        let is_too_large = |kind: &DocumentKind| {
            let document = wanted.document_text(*kind);
            document.measure() > limit && before.is_none_or(|before| before.document_text(*kind) != document)
        };
        match DocumentKind::ALL.into_iter().find(is_too_large) {
            Some(kind) => Err(RegistryError::DocumentTooLarge { kind, limit }.into()),
            None => Ok(()),
        }
    }
}

impl Line {
    fn parse(text: &[u8]) -> Result<Self, LineError> {
        let shape = |reason: &str| {
            LineError::Shape(format!("{reason}; a line is {{\"scriptName\": …, \"revision\": …, \"connector\": …}}"))
        };
        let unread = |error| match error {
            JsonError::Digits { .. } => LineError::Digits(error),
            _ => LineError::Json(error),
        };
        let Value::Object(mut members) = json::from_slice(text, JSON_VALUES).map_err(unread)? else {
            return Err(shape("it is not an object"));
        };
        let script_name = members.remove("scriptName");
        let Some(Value::String(script_name)) = script_name else { return Err(shape("`scriptName` is not a string")) };
        let revision = members.remove("revision");
        let Some(revision) = revision.as_ref().and_then(Value::as_u64) else {
            return Err(shape("`revision` is not a whole number of 0 or more"));
        };
        let connector = match members.remove("connector") {
            None => return Err(shape("`connector` is missing; null deletes")),
            Some(Value::Null) => None,
            Some(connector) => Some(connector),
        };
        match members.keys().next() {
            Some(member) => Err(shape(&format!("the member `{}` is unknown", shown(member, QUOTED_CHARS)))),
            None => Ok(Self { script_name, revision, connector }),
        }
    }
}

/// The body of a request, as it arrives.
struct Body {
    parts: Parts,
    part: Bytes,
    failed: Option<ApplyError>,
}

impl Read for Body {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.part.is_empty() {
            match self.parts.blocking_recv() {
                Some(Ok(part)) => self.part = part,
                Some(Err(error)) => {
                    self.failed = Some(error);
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
                None => return Ok(0),
            }
        }
        let bytes = self.part.len().min(into.len());
        self.part.copy_to_slice(&mut into[..bytes]);
        Ok(bytes)
    }
}
