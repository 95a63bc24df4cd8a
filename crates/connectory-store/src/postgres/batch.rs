//! A batch of commits, decided in memory: which are made, which are refused, and the rows to write.
//!
//! Each commit is checked against the state that the ones before it leave. So a batch needs one read and one write,
//! whatever its size, and no commit is refused by an error of the database.

use std::collections::{HashMap, HashSet};

use connectory_model::Part;
use connectory_model::limits::ONCE_REVISIONS;
use uuid::Uuid;

use super::following::{NOTHING, News};
use super::is_planted;
use super::value::{Value, text};
use crate::access::{Quotas, TenantId};
use crate::changes::Head;
use crate::edit::{Change, Commit, Edit, check_quotas, expect_distinct};
use crate::error::{Refusal, Result, StoreError};
use crate::once::{Once, REMOVED};
use crate::revision::RevisionNumber;

/// What the database has of a tenant when a batch begins.
pub(super) struct Before {
    pub head: Head,
    /// How many connectors there are.
    pub connectors: u64,
    /// How many bytes all revisions had when they were written.
    pub written: u64,
    /// How many of these bytes retention has removed.
    pub removed: u64,
    pub quotas: Quotas,
    /// The time of the database.
    pub time: i64,
    /// The connectors that the batch is about: script name, key of the name, newest revision.
    pub existing: Vec<(String, String, RevisionNumber)>,
    /// Those that were deleted: script name, newest revision.
    pub deleted: Vec<(String, RevisionNumber)>,
    /// The keys of requests in the batch that were committed before.
    pub done: Vec<Vec<u8>>,
}

impl Before {
    /// A tenant without connectors.
    pub fn empty(quotas: Quotas) -> Self {
        let (existing, deleted, done) = (Vec::new(), Vec::new(), Vec::new());
        Self { head: NOTHING, connectors: 0, written: 0, removed: 0, quotas, time: 0, existing, deleted, done }
    }
}

/// The script names and the keys of names that a batch is about.
pub(super) fn keys(commits: &[&Commit]) -> (Vec<String>, Vec<String>) {
    let edits = || commits.iter().flat_map(|commit| &commit.edits);
    let script_names = edits().map(|edit| edit.script_name().as_str().to_owned());
    let named = edits().filter(|edit| edit.change() == Change::Create || edit.may_rename);
    (script_names.collect(), named.map(|edit| edit.name_key.clone()).collect())
}

/// The keys of requests in a batch, and the oldest time that counts for each.
pub(super) fn once_keys<'a>(commits: &[&'a Commit]) -> (Vec<&'a [u8]>, Vec<i64>) {
    commits.iter().filter_map(|commit| commit.once.as_ref()).map(|once| (once.key.as_slice(), once.oldest())).unzip()
}

/// What becomes of each commit, and of the tenant.
pub(super) struct Plan<'a> {
    /// The numbers of the revisions of each commit, or why it is refused.
    pub results: Vec<Result<Vec<RevisionNumber>, Refusal>>,
    /// The newest revision after the batch.
    pub head: Head,
    tenant: TenantId,
    time: i64,
    connectors: u64,
    written: u64,
    removed: u64,
    quotas: Quotas,
    /// The connectors that the batch is about, as the commits so far leave them.
    state: HashMap<&'a str, State<'a>>,
    /// Which keys of names are taken.
    names: HashMap<&'a str, bool>,
    /// The keys of requests that are committed.
    done: HashSet<&'a [u8]>,
    rows: Rows<'a>,
}

/// A connector that the batch is about.
#[derive(Clone, Copy, Default)]
struct State<'a> {
    /// The newest revision, and whether the connector exists.
    newest: Option<(RevisionNumber, bool)>,
    /// The key of its name.
    name_key: &'a str,
    /// Whether the key is another one than before the batch.
    is_renamed: bool,
    /// The last edit in this batch.
    edit: Option<&'a Edit>,
    /// Whether it existed before the batch, and whether it was deleted before the batch.
    existed: bool,
    was_deleted: bool,
}

/// The columns of the rows to write.
#[derive(Default)]
struct Rows<'a> {
    numbers: Vec<i64>,
    script_names: Vec<&'a str>,
    previous: Vec<Option<i64>>,
    changes: Vec<i64>,
    commit_ids: Vec<Uuid>,
    actions: Vec<i64>,
    changed: Vec<&'a str>,
    author_kinds: Vec<i64>,
    author_ids: Vec<String>,
    author_names: Vec<Option<String>>,
    tracking_ids: Vec<Option<Uuid>>,
    connectors: Vec<i64>,
    bytes: Vec<i64>,
    formats: Vec<i64>,
    bodies: Vec<&'a [u8]>,
    parts: Vec<(i64, Part, &'a [u8])>,
    once: Vec<(&'a Once, RevisionNumber, RevisionNumber)>,
}

/// A statement and its values.
pub(super) type Statement<'a> = (&'static str, Vec<Box<dyn Value + Send + 'a>>);

impl<'a> Plan<'a> {
    /// Decides a batch.
    pub fn new(tenant: TenantId, before: &'a Before, commits: &[&'a Commit]) -> Self {
        let mut state: HashMap<&str, State<'_>> = HashMap::new();
        let mut names = HashMap::new();
        for (script_name, name_key, number) in &before.existing {
            let existing = State { newest: Some((*number, true)), name_key, existed: true, ..State::default() };
            state.insert(script_name, existing);
            names.insert(name_key.as_str(), true);
        }
        for (script_name, number) in &before.deleted {
            let deleted = State { newest: Some((*number, false)), was_deleted: true, ..State::default() };
            state.insert(script_name, deleted);
        }
        let mut plan = Self {
            results: Vec::with_capacity(commits.len()),
            head: before.head,
            tenant,
            time: before.time,
            connectors: before.connectors,
            written: before.written,
            removed: before.removed,
            quotas: before.quotas,
            state,
            names,
            done: before.done.iter().map(Vec::as_slice).collect(),
            rows: Rows::default(),
        };
        for commit in commits {
            let result = plan.commit(commit);
            plan.results.push(result);
        }
        plan
    }

    /// Whether there is something to write.
    pub fn writes(&self) -> bool {
        !self.rows.numbers.is_empty()
    }

    /// Checks a whole commit before it counts as made.
    fn commit(&mut self, commit: &'a Commit) -> Result<Vec<RevisionNumber>, Refusal> {
        let edits = &commit.edits;
        if commit.once.as_ref().is_some_and(|once| self.done.contains(once.key.as_slice())) {
            return Err(Refusal::Done);
        }
        expect_distinct(edits)?;
        let freed: HashSet<&str> = edits.iter().filter_map(|edit| self.frees(edit)).collect();
        let mut names = HashSet::new();
        for (at, edit) in edits.iter().enumerate() {
            if self.check(at, edit, &freed)? && edits.len() > 1 && !names.insert(edit.name_key.as_str()) {
                return Err(Refusal::NameTaken { edit: at });
            }
        }
        check_quotas(self.quotas, edits, || Ok(self.connectors), || Ok(self.written.saturating_sub(self.removed)))?;
        let newest = self.head.number.get();
        let numbers: Vec<_> = (newest + 1..).take(edits.len()).map_while(RevisionNumber::new).collect();
        let Some(last) = numbers.last().copied().filter(|_| numbers.len() == edits.len()) else {
            return Err(StoreError::Engine(format!("the tenant has no numbers left after {newest}")).into());
        };
        // All names that become free, before the first is taken: connectors may exchange their names.
        for name_key in freed {
            self.names.insert(name_key, false);
        }
        for (edit, number) in edits.iter().zip(&numbers) {
            self.make(commit, edit, *number, last);
        }
        if let Some(once) = &commit.once {
            self.done.insert(&once.key);
            self.rows.once.push((once, numbers[0], last));
        }
        self.head = Head { number: last, commit: Some(commit.id) };
        Ok(numbers)
    }

    /// The key of a name that a connector does not have any more after an edit.
    fn frees(&self, edit: &Edit) -> Option<&'a str> {
        let name_key = self.state.get(edit.script_name().as_str())?.name_key;
        let renames = edit.may_rename && edit.name_key != name_key;
        (renames || matches!(edit.change(), Change::Delete { .. })).then_some(name_key)
    }

    /// Checks an edit of a commit that frees these names. Returns whether its connector has its name from this edit on.
    fn check(&self, at: usize, edit: &Edit, freed: &HashSet<&str>) -> Result<bool, Refusal> {
        let state = self.state.get(edit.script_name().as_str());
        let current = state.and_then(|state| state.newest).filter(|(_, exists)| *exists).map(|(number, _)| number);
        let name_key = edit.name_key.as_str();
        let is_taken = || self.names.get(name_key).copied().unwrap_or_default() && !freed.contains(name_key);
        match edit.change() {
            Change::Create if is_taken() => Err(Refusal::NameTaken { edit: at }),
            Change::Create if current.is_some() => Err(Refusal::ScriptNameTaken { edit: at }),
            Change::Create => Ok(true),
            Change::Update { expected } | Change::Delete { expected }
                if current != Some(expected) && !(current.is_some() && is_planted("condition")) =>
            {
                Err(Refusal::Conflict { edit: at, current })
            }
            Change::Update { .. } if edit.may_rename && state.is_some_and(|state| state.name_key != edit.name_key) => {
                if is_taken() {
                    Err(Refusal::NameTaken { edit: at })
                } else {
                    Ok(true)
                }
            }
            Change::Update { .. } | Change::Delete { .. } => Ok(false),
        }
    }

    fn make(&mut self, commit: &'a Commit, edit: &'a Edit, number: RevisionNumber, last: RevisionNumber) {
        let script_name = edit.script_name().as_str();
        let exists = !matches!(edit.change(), Change::Delete { .. });
        let state = self.state.entry(script_name).or_default();
        let previous = state.newest.replace((number, exists)).map(|(number, _)| number);
        state.edit = Some(edit);
        match edit.change() {
            Change::Create => {
                self.connectors += 1;
                state.is_renamed |= state.name_key != edit.name_key;
                state.name_key = &edit.name_key;
            }
            Change::Update { .. } if edit.may_rename && state.name_key != edit.name_key => {
                state.name_key = &edit.name_key;
                state.is_renamed = true;
            }
            Change::Update { .. } => {}
            Change::Delete { .. } => self.connectors = self.connectors.saturating_sub(1),
        }
        if exists {
            self.names.insert(state.name_key, true);
        }
        self.written += edit.stored_bytes();
        let author = &commit.origin.author;
        let rows = &mut self.rows;
        rows.numbers.push(number.get());
        rows.script_names.push(script_name);
        rows.previous.push(previous.map(RevisionNumber::get));
        rows.changes.push(last.get());
        rows.commit_ids.push(commit.id);
        rows.actions.push(edit.action.number());
        rows.changed.push(&edit.changed);
        rows.author_kinds.push(author.kind.number());
        rows.author_ids.push(text(&author.id).into_owned());
        rows.author_names.push(author.name.as_deref().map(|name| text(name).into_owned()));
        rows.tracking_ids.push(commit.origin.tracking_id);
        rows.connectors.push(i64::try_from(self.connectors).unwrap_or(i64::MAX));
        rows.bytes.push(i64::try_from(self.written).unwrap_or(i64::MAX));
        rows.formats.push(edit.body.format);
        rows.bodies.push(&edit.body.bytes);
        rows.parts.extend(edit.body.parts.iter().map(|(part, bytes)| (number.get(), *part, bytes.as_slice())));
    }

    /// Takes the statements that write the batch. There are at most eight, whatever the size of the batch.
    pub fn statements(&mut self) -> Vec<Statement<'a>> {
        let rows = std::mem::take(&mut self.rows);
        let tenant = self.tenant.get();
        let mut statements: Vec<Statement<'a>> = Vec::with_capacity(8);
        let (mut gone, mut ended, mut revived) = (Vec::new(), Vec::new(), Vec::new());
        let (mut ended_at, mut there) = (Vec::new(), There::default());
        for (script_name, state) in &self.state {
            let (Some(edit), Some((number, exists))) = (state.edit, state.newest) else { continue };
            if exists {
                // It is inserted anew, because two connectors may have exchanged their names.
                if state.existed && state.is_renamed {
                    gone.push(*script_name);
                }
                there.script_names.push(*script_name);
                there.name_keys.push(state.name_key);
                there.numbers.push(number.get());
                there.summaries.push(edit.summary_json.as_str());
                if state.was_deleted {
                    revived.push(*script_name);
                }
            } else {
                if state.existed {
                    gone.push(*script_name);
                }
                ended.push(*script_name);
                ended_at.push(number.get());
            }
        }
        if !gone.is_empty() {
            let delete = "DELETE FROM connectors WHERE tenant_id = $1 AND script_name = ANY ($2)";
            statements.push((delete, vec![Box::new(tenant), Box::new(gone)]));
        }
        if !revived.is_empty() {
            let delete = "DELETE FROM deleted WHERE tenant_id = $1 AND script_name = ANY ($2)";
            statements.push((delete, vec![Box::new(tenant), Box::new(revived)]));
        }
        if !there.numbers.is_empty() {
            let There { script_names, name_keys, numbers, summaries } = there;
            statements.push((
                "SELECT put_connectors($1, $2, $3, $4, $5)",
                vec![
                    Box::new(tenant),
                    Box::new(script_names),
                    Box::new(name_keys),
                    Box::new(numbers),
                    Box::new(summaries),
                ],
            ));
        }
        if !ended.is_empty() {
            statements.push((
                "INSERT INTO deleted (tenant_id, script_name, number)
                     SELECT $1, * FROM unnest($2::text[], $3::bigint[])
                     ON CONFLICT (tenant_id, script_name) DO UPDATE SET number = excluded.number",
                vec![Box::new(tenant), Box::new(ended), Box::new(ended_at)],
            ));
        }
        if !rows.parts.is_empty() {
            let (numbers, parts): (Vec<_>, Vec<_>) =
                rows.parts.iter().map(|(number, part, _)| (*number, part.to_string())).unzip();
            let bodies: Vec<_> = rows.parts.iter().map(|(_, _, body)| *body).collect();
            statements.push((
                "INSERT INTO parts (tenant_id, number, part, body)
                     SELECT $1, * FROM unnest($2::bigint[], $3::text[], $4::bytea[])",
                vec![Box::new(tenant), Box::new(numbers), Box::new(parts), Box::new(bodies)],
            ));
        }
        rows.once(tenant, &mut statements);
        statements.push(rows.revisions(tenant, self.time));
        statements
    }
}

impl<'a> Rows<'a> {
    /// Adds the statements that note the keys of requests, and remove some that are too old.
    fn once(&self, tenant: i64, statements: &mut Vec<Statement<'a>>) {
        if let Some((newest, _, last)) = self.once.last() {
            let removed = REMOVED * i64::try_from(self.once.len()).unwrap_or(1);
            let (oldest, first_kept) = (newest.oldest(), last.get() - ONCE_REVISIONS);
            statements.push((
                "DELETE FROM once WHERE tenant_id = $1 AND (created_at < $2 OR last <= $3)
                     AND key IN (SELECT key FROM once WHERE tenant_id = $1 ORDER BY last LIMIT $4)",
                vec![Box::new(tenant), Box::new(oldest), Box::new(first_kept), Box::new(removed)],
            ));
            let column = |of: fn(&Once) -> &[u8; 32]| -> Vec<&'a [u8]> {
                self.once.iter().map(|(once, _, _)| of(once).as_slice()).collect()
            };
            let numbers = |of: fn(&(&Once, RevisionNumber, RevisionNumber)) -> i64| -> Vec<i64> {
                self.once.iter().map(of).collect()
            };
            statements.push((
                "INSERT INTO once (tenant_id, key, fingerprint, first, last, created_at)
                     SELECT $1, * FROM unnest($2::bytea[], $3::bytea[], $4::bigint[], $5::bigint[], $6::bigint[])
                     ON CONFLICT (tenant_id, key) DO UPDATE SET fingerprint = excluded.fingerprint,
                         first = excluded.first, last = excluded.last, created_at = excluded.created_at",
                vec![
                    Box::new(tenant),
                    Box::new(column(|once| &once.key)),
                    Box::new(column(|once| &once.fingerprint)),
                    Box::new(numbers(|(_, first, _)| first.get())),
                    Box::new(numbers(|(_, _, last)| last.get())),
                    Box::new(numbers(|(once, _, _)| once.at)),
                ],
            ));
        }
    }

    /// The statement that appends the revisions.
    fn revisions(self, tenant: i64, time: i64) -> Statement<'a> {
        (
            "SELECT append_revisions($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
            vec![
                Box::new(tenant),
                Box::new(time),
                Box::new(self.numbers),
                Box::new(self.script_names),
                Box::new(self.previous),
                Box::new(self.changes),
                Box::new(self.commit_ids),
                Box::new(self.actions),
                Box::new(self.changed),
                Box::new(self.author_kinds),
                Box::new(self.author_ids),
                Box::new(self.author_names),
                Box::new(self.tracking_ids),
                Box::new(self.connectors),
                Box::new(self.bytes),
                Box::new(self.formats),
                Box::new(self.bodies),
            ],
        )
    }
}

/// The columns of the connectors that exist after a batch.
#[derive(Default)]
struct There<'a> {
    script_names: Vec<&'a str>,
    name_keys: Vec<&'a str>,
    numbers: Vec<i64>,
    summaries: Vec<&'a str>,
}

/// What a batch changed, for the follower.
pub(super) fn news(tenant: TenantId, from: Head, to: Head, made: Vec<(Commit, Vec<RevisionNumber>)>) -> News {
    let commits = made.into_iter().flat_map(|(commit, numbers)| commit.edits.into_iter().zip(numbers));
    News { from, to, commits: commits.map(|(edit, number)| edit.committed(tenant, number)).collect() }
}
