//! Checks records: whether every chain, body, part, summary, key of a name and total is what it should be.
//!
//! The same check reads a backup, and the rows of a database. It keeps some 250 bytes for each connector of the current
//! tenant, and no bodies.

use std::collections::HashMap;
use std::fmt;

use connectory_model::access::is_tenant_name;
use connectory_model::document::DocumentKind;
use connectory_model::{Part, Summary, name_key};
use p256::SecretKey;
use p256::pkcs8::DecodePrivateKey as _;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::record::{
    AccessEventRow, ClientRow, ConnectorRow, Counts, DeletedRow, PartRow, Record, RevisionRow, SigningKeyRow, TenantRow,
};
use crate::body::{self, Contribution, OutlinedPart};
use crate::revision::{Action, RevisionNumber};

/// Something that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The tenant, if it is about one.
    pub tenant: Option<String>,
    /// The script name of the connector, if it is about one.
    pub connector: Option<String>,
    /// The revision, if it is about one.
    pub revision: Option<i64>,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub advice: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut place = Vec::new();
        place.extend(self.tenant.as_ref().map(|tenant| format!("tenant `{tenant}`")));
        place.extend(self.connector.as_ref().map(|connector| format!("connector `{connector}`")));
        place.extend(self.revision.map(|revision| format!("revision {revision}")));
        if !place.is_empty() {
            write!(f, "{}: ", place.join(", "))?;
        }
        write!(f, "{}; {}", self.what, self.advice)
    }
}

/// What to do about history that is lost or changed.
pub(crate) const RESTORE: &str = "restore a backup that `connectory backup verify` finds right into a new database";
/// What to do about rows that follow from the history.
const SAVE_AGAIN: &str = "change the connector once, which writes this row again, and start the server again";
/// What to do about a wrong key of a name.
const RENAME: &str = "give the connector another name and then this one, and start the server again";
/// What to do about a name that two connectors have.
const OTHER_NAME: &str =
    "both can be read; give one of them another name, because no other change of them is made before";
/// What to do about totals.
const RENEW: &str = "only quotas use it; to have it right, make a backup and restore it into a new database";
/// What to do about parts that nothing needs.
const RENEW_PARTS: &str = "it only takes space";
/// What to do about a signing key.
const KEY: &str =
    "no server starts with it; make a backup and restore it with `--keys new`, after which clients need new tokens";
/// What to do about a client.
const CLIENT: &str = "delete the client and create another one";

/// Takes what is found.
pub(crate) type Report<'a> = dyn FnMut(Finding) + 'a;

/// The first bytes of a SHA-256: enough to compare what is not made to be equal.
type Sum = [u8; 16];

fn sum(text: &str) -> Sum {
    let mut sum = Sum::default();
    sum.copy_from_slice(&Sha256::digest(text)[..16]);
    sum
}

/// A part of a large connector, as its newest revision names it.
struct Held {
    part: Part,
    holder: i64,
    says: Contribution,
}

/// A part of a large connector that is stored with a revision whose body was removed. Which of its readings is right, the
/// next revision with a body says.
struct Loose {
    part: Part,
    holder: i64,
    bytes: usize,
    /// In UTF-8, and in ISO-8859-1. None if it cannot be read so.
    says: [Option<Contribution>; 2],
}

/// What the newest revision of a connector left.
struct Latest {
    number: i64,
    is_deleted: bool,
    has_body: bool,
    /// Of the summary and of the key of the name. None if the body cannot be read.
    sums: Option<(Sum, Sum)>,
    held: Box<[Held]>,
    loose: Vec<Loose>,
    /// Whether a row says that it exists or is deleted.
    is_listed: bool,
}

/// The newest revision so far, until all its parts are known.
struct Pending {
    number: i64,
    script_name: String,
    is_deleted: bool,
    has_body: bool,
    bytes: i64,
    totals: Option<(i64, i64)>,
    /// None if the body cannot be read.
    summary: Option<Summary>,
    parts: Vec<OutlinedPart>,
    held: Vec<Held>,
    /// The parts of the connector's revision before.
    before: Box<[Held]>,
    /// The parts that are stored with revisions whose bodies were removed.
    loose: Vec<Loose>,
}

/// Checks records in their order.
#[derive(Default)]
pub(crate) struct Checker {
    counts: Counts,
    tenant: Option<String>,
    /// The newest revision: its number, commit, and the last number of the commit.
    head: Option<(i64, Option<Uuid>, i64)>,
    pending: Option<Pending>,
    connectors: HashMap<Box<str>, Latest>,
    /// The connectors that exist, and the bytes that all revisions had when they were written.
    totals: (i64, i64),
    /// How many of these bytes were removed, and how many the tenant says.
    removed: (i64, Option<i64>),
    ended: Option<(i64, i64)>,
    last_name_key: Option<String>,
    /// The name key of the connector before, without a suffix, and the script name of the first connector that has it.
    named: Option<(String, String)>,
    last_event: i64,
}

impl Checker {
    /// The records so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The running totals after the revision that the last record ended, if it ended one.
    pub fn ended(&mut self) -> Option<(i64, i64)> {
        self.ended.take()
    }

    /// Checks a record.
    pub fn check(&mut self, record: &Record, report: &mut Report<'_>) {
        self.counts.add(record);
        if !matches!(record, Record::Part(_)) {
            self.end_revision(report);
        }
        match record {
            Record::SigningKey(key) => self.signing_key(key, report),
            Record::Tenant(tenant) => {
                self.end_tenant(report);
                self.tenant = Some(tenant.name.clone());
                self.tenant(tenant, report);
                self.removed.1 = tenant.removed_bytes;
            }
            Record::Client(client) => self.client(client, report),
            Record::Revision(revision) => self.revision(revision, report),
            Record::Part(part) => self.part(part, report),
            Record::Connector(connector) => self.connector(connector, report),
            Record::Deleted(deleted) => self.deleted(deleted, report),
            Record::AccessEvent(event) => self.access_event(event, report),
            Record::Setting(_) | Record::Request(_) | Record::RefusedSignIns(_) | Record::End(_) => {}
        }
    }

    /// Checks that nothing is missing at the end of the records.
    pub fn end(&mut self, report: &mut Report<'_>) -> Counts {
        self.end_revision(report);
        self.end_tenant(report);
        self.counts
    }

    fn finding(&self, connector: Option<&str>, revision: Option<i64>, what: String, advice: &'static str) -> Finding {
        Finding { tenant: self.tenant.clone(), connector: connector.map(str::to_owned), revision, what, advice }
    }

    fn signing_key(&self, row: &SigningKeyRow, report: &mut Report<'_>) {
        if let Err(error) = SecretKey::from_pkcs8_pem(&row.pem) {
            let what = format!("the signing key `{}` is not a P-256 key in PKCS #8, as PEM: {error}", row.id);
            report(self.finding(None, None, what, KEY));
        }
    }

    fn tenant(&self, row: &TenantRow, report: &mut Report<'_>) {
        let mut found = |what: &str| report(self.finding(None, None, what.to_owned(), RESTORE));
        if !is_tenant_name(&row.name) {
            found("its name is not one of 1 to 100 letters, digits, `-` and `_`");
        }
        if row.max_connectors < 0 || row.max_bytes.is_some_and(|bytes| bytes < 0) {
            found("one of its quotas is less than 0");
        }
    }

    fn client(&self, row: &ClientRow, report: &mut Report<'_>) {
        let level = row.level.parse::<connectory_model::access::UserLevel>().is_ok();
        let scopes = row.scopes.parse::<connectory_model::access::Scopes>().is_ok();
        if !level || !scopes {
            let wrong = if level { "scopes" } else { "level" };
            let what = format!("the API client `{}` has a {wrong} that cannot be read", row.id);
            report(self.finding(None, None, what, CLIENT));
        }
    }

    fn revision(&mut self, row: &RevisionRow, report: &mut Report<'_>) {
        let found = |what: String| self.finding(Some(&row.script_name), Some(row.number), what, RESTORE);
        if RevisionNumber::new(row.number).is_none_or(|number| number == RevisionNumber::ZERO) {
            report(found("it has a number that no revision can have".to_owned()));
        }
        let change = row.change.unwrap_or(row.number);
        if let Some(what) = self.order(row, change) {
            report(found(what));
        }
        let before = self.connectors.get_mut(row.script_name.as_str());
        let previous = before.as_ref().map(|latest| latest.number);
        let was_deleted = before.as_ref().is_none_or(|latest| latest.is_deleted);
        let had_body = before.as_ref().is_some_and(|latest| latest.has_body);
        let (held, loose) = before
            .map(|latest| (std::mem::take(&mut latest.held), std::mem::take(&mut latest.loose)))
            .unwrap_or_default();
        let found = |what: String| self.finding(Some(&row.script_name), Some(row.number), what, RESTORE);
        if row.previous != previous {
            let shown = |number: Option<i64>| number.map_or_else(|| "none".to_owned(), |number| number.to_string());
            let (says, is) = (shown(row.previous), shown(previous));
            report(found(format!("it says that the revision before it is {says}, which is {is}")));
        }
        match row.action {
            Action::Create if !was_deleted => report(found("it creates a connector that exists".to_owned())),
            Action::Update | Action::Delete if was_deleted => {
                report(found("it changes a connector that does not exist".to_owned()));
            }
            Action::Create | Action::Update | Action::Delete | Action::Restore => {}
        }
        let has_body = !row.body.is_empty();
        if !has_body && had_body {
            report(found("its body is missing, and was not removed by retention: an older one is there".to_owned()));
        }
        let (summary, parts) = match body::outline(row.body_format, &row.body) {
            _ if !has_body => (None, Vec::new()),
            Ok(outline) => (Some(outline.summary), outline.parts),
            Err(error) => {
                report(found(format!("its body cannot be read: {error}")));
                (None, Vec::new())
            }
        };
        if let Some(summary) = &summary
            && summary.script_name.as_str() != row.script_name
        {
            report(found(format!("its body is that of the connector `{}`", summary.script_name.as_str())));
        }
        self.head = Some((row.number, row.commit, change));
        self.pending = Some(Pending {
            number: row.number,
            script_name: row.script_name.clone(),
            is_deleted: row.action == Action::Delete,
            has_body,
            bytes: length(&row.body),
            totals: row.totals,
            summary,
            parts,
            held: Vec::new(),
            before: held,
            loose,
        });
    }

    /// What is wrong with the number of a revision and its place in its commit.
    fn order(&self, row: &RevisionRow, change: i64) -> Option<String> {
        if change < row.number {
            return Some(format!("it says that its commit ends with revision {change}, which is before it"));
        }
        let (last, commit, last_change) = self.head.unwrap_or((0, None, 0));
        if row.number <= last {
            return Some(format!("it comes after revision {last}"));
        }
        // Numbers from before schema 5 of SQLite were those of all tenants, and had no commits.
        if row.commit.is_some() && row.number != last + 1 {
            return Some(match row.number - last {
                2 => format!("revision {} is missing", last + 1),
                _ => format!("revisions {} to {} are missing", last + 1, row.number - 1),
            });
        }
        let belongs = row.commit.is_some() && row.commit == commit;
        if belongs != (last_change > last) || (belongs && change != last_change) {
            return Some("it and the revision before do not agree on which commit they belong to".to_owned());
        }
        None
    }

    fn part(&mut self, row: &PartRow, report: &mut Report<'_>) {
        let Some(pending) = self.pending.as_mut().filter(|pending| pending.number == row.number) else {
            let what = format!("there is a part `{}` of a revision that does not exist", row.part);
            return report(self.finding(None, Some(row.number), what, RESTORE));
        };
        pending.bytes += length(&row.body);
        let part = row.part.parse::<Part>().ok();
        if let Some(part) = part.filter(|_| !pending.has_body) {
            let read = |is_latin1| OutlinedPart { part, bytes: None, is_latin1, holder: None }.read(&row.body).ok();
            let bytes = body::length(&row.body).unwrap_or_default();
            pending.loose.push(Loose { part, holder: row.number, bytes, says: [false, true].map(read) });
            return;
        }
        let listed = pending.parts.iter().find(|listed| Some(listed.part) == part && listed.holder.is_none());
        let what = match listed.map(|listed| (listed.part, listed.read(&row.body))) {
            Some((part, Ok(says))) => {
                pending.held.push(Held { part, holder: row.number, says });
                return;
            }
            Some((part, Err(error))) => {
                // The part is there, so it is not reported as missing too.
                pending.held.push(Held { part, holder: row.number, says: Contribution::Document });
                pending.parts.retain(|listed| listed.part != part);
                pending.summary = None;
                format!("its part `{part}` cannot be read: {error}")
            }
            // The body says which parts there are.
            None if pending.summary.is_none() => return,
            None => format!("it has a part `{}` that its body does not name", row.part),
        };
        let (script_name, number) = (pending.script_name.clone(), pending.number);
        report(self.finding(Some(&script_name), Some(number), what, RESTORE));
    }

    /// Ends the newest revision: all its parts are known now.
    fn end_revision(&mut self, report: &mut Report<'_>) {
        let Some(pending) = self.pending.take() else { return };
        let Pending { number, script_name, is_deleted, has_body, bytes, totals, mut summary, parts, .. } = pending;
        let Pending { mut held, before, mut loose, .. } = pending;
        let is_read = summary.is_some();
        for listed in parts {
            let part = listed.part;
            if held.iter().any(|held| held.part == part) {
                continue;
            }
            let holder = listed.holder.map_or(number, RevisionNumber::get);
            // An unchanged part has the holder that the connector's revision before names.
            let same = before.iter().find(|held| (held.part, held.holder) == (part, holder));
            if let Some(Held { says, .. }) = same {
                held.push(Held { part, holder, says: says.clone() });
            } else if let Some(at) = loose.iter().position(|loose| (loose.part, loose.holder) == (part, holder)) {
                let Loose { bytes, says, .. } = loose.swap_remove(at);
                let [utf8, latin1] = says;
                let says = if listed.is_latin1 { latin1 } else { utf8 };
                let is_long = listed.bytes.is_none_or(|expected| expected == bytes);
                if !is_long || says.is_none() {
                    let what = format!("its part `{part}`, which is stored with revision {holder}, cannot be read");
                    report(self.finding(Some(&script_name), Some(number), what, RESTORE));
                    summary = None;
                }
                held.push(Held { part, holder, says: says.unwrap_or(Contribution::Document) });
            } else {
                let what = format!("its part `{part}` should be stored with revision {holder}, and is not");
                report(self.finding(Some(&script_name), Some(number), what, RESTORE));
                summary = None;
            }
        }
        if is_read {
            for Loose { part, holder, .. } in loose.drain(..) {
                let what = format!("the part `{part}` of revision {holder} is still there, and no body names it");
                report(self.finding(Some(&script_name), Some(number), what, RENEW_PARTS));
            }
        }
        if let Some(summary) = &mut summary {
            held.sort_by_key(|held| held.part);
            for Held { part, says, .. } in &held {
                match (part, says) {
                    (_, Contribution::Features(features)) => summary.features.clone_from(features),
                    (Part::Translation(locale), Contribution::ShortDescription(text)) => {
                        summary.locales.push(*locale);
                        summary.short_descriptions.extend(text.as_ref().map(|text| (*locale, text.clone())));
                    }
                    _ => {}
                }
            }
            let is_missing = |kind| !held.iter().any(|held| held.part == Part::Document(kind));
            if !held.is_empty() && DocumentKind::ALL.into_iter().any(is_missing) {
                let what = "its body does not name all three documents".to_owned();
                report(self.finding(Some(&script_name), Some(number), what, RESTORE));
            }
        }
        let existed = self.connectors.get(script_name.as_str()).is_some_and(|latest| !latest.is_deleted);
        self.totals.0 += i64::from(!is_deleted) - i64::from(existed);
        self.totals.1 += bytes;
        // What the revision had when it was written, only its totals say.
        if let Some((_, written)) = totals.filter(|says| !has_body && says.1 > self.totals.1) {
            self.removed.0 += written - self.totals.1;
            self.totals.1 = written;
        }
        self.ended = Some(self.totals);
        if let Some(says) = totals.filter(|says| *says != self.totals) {
            let (is, says) = (shown_totals(self.totals), shown_totals(says));
            let what = format!("its running totals are {says}, and should be {is}");
            report(self.finding(Some(&script_name), Some(number), what, RENEW));
        }
        let sums = summary.map(|summary| (summary_sum(&summary), sum(&name_key(&summary.name))));
        let latest = Latest { number, is_deleted, has_body, sums, held: held.into(), loose, is_listed: false };
        self.connectors.insert(script_name.into(), latest);
    }

    fn connector(&mut self, row: &ConnectorRow, report: &mut Report<'_>) {
        // Of connectors that have one name since before names were compared like this, all but the first have a suffix.
        let key_of_name = row.name_key.split('\u{1}').next().unwrap_or_default();
        let namesake = self.named.as_ref().filter(|(key, _)| key == key_of_name).map(|(_, first)| first.clone());
        if namesake.is_none() {
            self.named = Some((key_of_name.to_owned(), row.script_name.clone()));
        }
        let last = self.last_name_key.replace(row.name_key.clone());
        let is_ordered = last.is_none_or(|last| last < row.name_key);
        let found = |what: String, advice| self.finding(Some(&row.script_name), None, what, advice);
        if !is_ordered {
            report(found("another connector has the same key of its name".to_owned(), RENAME));
        }
        if let Some(first) = namesake {
            report(found(format!("the connector `{first}` has the same name"), OTHER_NAME));
        }
        let Some(latest) = self.connectors.get(row.script_name.as_str()).filter(|latest| !latest.is_deleted) else {
            return report(found(
                "it is listed as one that exists, and its history does not say so".to_owned(),
                RESTORE,
            ));
        };
        if latest.number != row.number {
            let (is, says) = (latest.number, row.number);
            report(found(format!("it is listed at revision {says}, and its newest revision is {is}"), RESTORE));
        } else if let Some((summary, key)) = latest.sums {
            let is_right = |stored: &Summary| summary_sum(stored) == summary;
            match serde_json::from_str::<Summary>(&row.summary) {
                Ok(stored) if is_right(&stored) => {}
                Ok(_) => report(found("its summary is another one than its body gives".to_owned(), SAVE_AGAIN)),
                // A server does not start with it.
                Err(_) => report(found("its summary cannot be read".to_owned(), RESTORE)),
            }
            // A key may have a suffix since names are compared by full case folding.
            let is_key = sum(key_of_name) == key;
            if !is_key {
                report(found(format!("the key of its name is wrong: `{}`", row.name_key), RENAME));
            }
        }
        if let Some(latest) = self.connectors.get_mut(row.script_name.as_str()) {
            latest.is_listed = true;
        }
    }

    fn deleted(&mut self, row: &DeletedRow, report: &mut Report<'_>) {
        let found = |what: String| self.finding(Some(&row.script_name), None, what, RESTORE);
        let Some(latest) = self.connectors.get(row.script_name.as_str()).filter(|latest| latest.is_deleted) else {
            return report(found("it is listed as deleted, and its history does not say so".to_owned()));
        };
        if latest.number != row.number {
            let (is, says) = (latest.number, row.number);
            report(found(format!("it is listed as deleted at revision {says}, and its newest revision is {is}")));
        }
        if let Some(latest) = self.connectors.get_mut(row.script_name.as_str()) {
            latest.is_listed = true;
        }
    }

    fn access_event(&mut self, row: &AccessEventRow, report: &mut Report<'_>) {
        if row.number <= self.last_event {
            let what = format!("the access event {} comes after {}", row.number, self.last_event);
            report(self.finding(None, None, what, RESTORE));
        }
        self.last_event = row.number;
    }

    fn end_tenant(&mut self, report: &mut Report<'_>) {
        if let Some((last, _, change)) = self.head
            && change > last
        {
            let what = format!("its commit ends with revision {change}, which is missing");
            report(self.finding(None, Some(last), what, RESTORE));
        }
        if let (removed, Some(says)) = self.removed
            && says != removed
        {
            let what = format!("its total of removed bytes is {says}, and should be {removed}");
            report(self.finding(None, None, what, RENEW));
        }
        let mut bodiless: Vec<_> = self.connectors.iter().filter(|(_, latest)| !latest.has_body).collect();
        bodiless.sort_by_key(|(_, latest)| latest.number);
        for (script_name, latest) in bodiless {
            let what = "the body of its newest revision is missing, which retention does not remove".to_owned();
            report(self.finding(Some(script_name), Some(latest.number), what, RESTORE));
        }
        let mut unlisted: Vec<_> = self.connectors.iter().filter(|(_, latest)| !latest.is_listed).collect();
        unlisted.sort_by_key(|(_, latest)| latest.number);
        for (script_name, latest) in unlisted {
            let what = if latest.is_deleted {
                "its history ends with a deletion, and it is not listed as deleted"
            } else {
                "its history says that it exists, and it is not listed"
            };
            report(self.finding(Some(script_name), Some(latest.number), what.to_owned(), RESTORE));
        }
        *self = Self { counts: self.counts, ended: self.ended, ..Self::default() };
    }
}

/// A sum of all that a summary says. Its JSON is in one order.
fn summary_sum(summary: &Summary) -> Sum {
    sum(&serde_json::to_string(summary).expect("a summary is JSON"))
}

fn length(bytes: &[u8]) -> i64 {
    i64::try_from(bytes.len()).unwrap_or(i64::MAX)
}

fn shown_totals((connectors, bytes): (i64, i64)) -> String {
    format!("{connectors} connectors and {bytes} bytes")
}
