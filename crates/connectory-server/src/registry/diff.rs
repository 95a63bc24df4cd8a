//! The difference between two states of a connector, or between two connectors, as `diff -u` and git show it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

use connectory_folder::Folder;
use connectory_folder::lint::Text;
use connectory_model::limits::PLAIN_DIFF_TIMEOUT;
use connectory_model::{Connector, ScriptName};
use connectory_store::{Action, RevisionNumber};
use similar::TextDiff;

use super::{At, Registry, RegistryError};
use crate::catalog::TenantCatalog;

/// A state of a connector. None if it did not exist or was deleted.
type State = Option<Arc<Connector>>;

/// What stands behind the names of the files of each state: a tab and a text, where `diff -u` has a time, or nothing.
type Labels = [String; 2];

impl Registry {
    /// Compares a connector at two revisions, as unified differences of the files of its folder. Without the second one,
    /// the current state is compared; without the first one, the state before the second.
    pub async fn diff(
        &self,
        tenant: &TenantCatalog,
        script_name: &ScriptName,
        (from, to): (Option<RevisionNumber>, Option<RevisionNumber>),
    ) -> Result<String, RegistryError> {
        let newest = match to {
            Some(to) => Some(to),
            None => self.history(tenant, script_name, None, 1).await?.first().map(|newest| newest.number),
        };
        let Some(newest) = newest else {
            // A built-in connector has no revisions.
            self.past(tenant, script_name).await?;
            return from.map_or(Ok(String::new()), |from| Err(RegistryError::NoRevision(from)));
        };
        let (before, after) = if let Some(from) = from {
            (self.state(tenant, script_name, from).await?, self.state(tenant, script_name, newest).await?)
        } else {
            let change = self.change(tenant, script_name, newest).await?;
            let is_deleted = change.revision.action == Action::Delete;
            (change.before, Some(change.after).filter(|_| !is_deleted))
        };
        let bytes = [&before, &after].into_iter().flatten().map(|connector| connector.size()).sum();
        let work = move |_: &_| unified(before.as_deref(), after.as_deref(), &Labels::default());
        Ok(self.work.run(bytes, work).await?)
    }

    /// Compares two connectors, as unified differences of the files of their folders. The heads of the files say which
    /// connectors they are.
    pub async fn compare(&self, tenant: &TenantCatalog, from: &At, to: &At) -> Result<String, RegistryError> {
        let labels = [from, to].map(|at| format!("\t{at}"));
        let (before, after) = (self.at(tenant, from).await?, self.at(tenant, to).await?);
        let bytes = before.size() + after.size();
        Ok(self.work.run(bytes, move |_| unified(Some(&before), Some(&after), &labels)).await?)
    }

    async fn state(
        &self,
        tenant: &TenantCatalog,
        script_name: &ScriptName,
        number: RevisionNumber,
    ) -> Result<State, RegistryError> {
        let (revision, source) = self.revision(tenant, script_name, number).await?;
        match revision.action {
            Action::Delete => Ok(None),
            _ => Ok(Some(self.catalog.connector(tenant, source).await?)),
        }
    }
}

/// The files of a connector's folder.
fn files(connector: Option<&Connector>) -> BTreeMap<String, Vec<u8>> {
    connector.map(|connector| Folder::from(connector.clone()).files()).unwrap_or_default()
}

/// The differences of all files.
fn unified(before: Option<&Connector>, after: Option<&Connector>, [from, to]: &Labels) -> String {
    let deadline = Instant::now() + PLAIN_DIFF_TIMEOUT;
    let (before, after) = (files(before), files(after));
    let mut text = String::new();
    for name in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
        let (old, new) = (before.get(name), after.get(name));
        if old == new {
            continue;
        }
        let side = |letter, file: Option<&Vec<u8>>, label: &str| match file {
            Some(_) => format!("{letter}/{name}{label}"),
            None => "/dev/null".to_owned(),
        };
        let of = |file: Option<&Vec<u8>>| Text::decode(file.map_or(&[], Vec::as_slice)).text.into_owned();
        let (old_text, new_text) = (of(old), of(new));
        // A line ends with a line feed alone, as git reads it.
        let [old_lines, new_lines] = [&old_text, &new_text].map(|text| text.split_inclusive('\n').collect::<Vec<_>>());
        let diff =
            TextDiff::configure().deadline(deadline).newline_terminated(true).diff_slices(&old_lines, &new_lines);
        let _never = writeln!(text, "diff --git a/{name} b/{name}");
        if old.is_none() {
            text.push_str("new file mode 100644\n");
        }
        if new.is_none() {
            text.push_str("deleted file mode 100644\n");
        }
        let _never = write!(text, "{}", diff.unified_diff().header(&side('a', old, from), &side('b', new, to)));
    }
    text
}
