//! A plan as JSON, for programs: for example one that writes it as a comment on a pull request.

use serde::Serialize;
use similar::TextDiff;

use super::show::{FileDiff, Summary, diffs};
use super::{Action, Plan, Refusal, Step};

/// A plan as JSON. Members are only ever added.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report<'a> {
    /// The version of this format.
    format: &'static str,
    /// The address of the server.
    server: &'a str,
    /// Whether the changes are made in one commit.
    in_one_commit: bool,
    summary: Summary,
    changes: Vec<Change<'a>>,
    /// Connectors that the server would refuse. Nothing can be applied while there is one.
    refusals: Vec<Refused<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Change<'a> {
    script_name: &'a str,
    action: &'static str,
    /// The files of the connector folder that change.
    files: Vec<File>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct File {
    path: String,
    /// `add`, `change` or `delete`.
    action: &'static str,
    /// The lines that are new, and those that are gone.
    added: usize,
    removed: usize,
    /// Whether only line endings differ.
    line_endings_only: bool,
    /// The difference in unified format. Null for files of new and deleted connectors.
    diff: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Refused<'a> {
    script_name: &'a str,
    reason: &'a str,
}

/// A plan for a server as JSON.
pub fn of<'a>(plan: &'a Plan, server: &'a str) -> Report<'a> {
    Report {
        format: "connectory-plan-report/1",
        server,
        in_one_commit: plan.is_at_once(),
        summary: plan.summary(),
        changes: plan.steps.iter().map(change).collect(),
        refusals: plan
            .refusals
            .iter()
            .map(|Refusal { script_name, reason }| Refused { script_name: script_name.as_str(), reason })
            .collect(),
    }
}

fn change(step: &Step) -> Change<'_> {
    let action = match step.action {
        Action::Create => "create",
        Action::Change => "change",
        Action::Replace(_) => "replace",
        Action::Delete => "delete",
    };
    let found = step.found.as_ref().map(|(_, folder)| folder);
    let is_both = found.is_some() && step.wanted.is_some();
    let files = diffs(found, step.wanted.as_ref()).into_iter().map(|file| {
        let (added, removed) = file.counts();
        let line_endings_only = file.differs_in_line_endings_only();
        let FileDiff { path, before, after } = file;
        let action = match (&before, &after) {
            (None, _) => "add",
            (_, None) => "delete",
            _ => "change",
        };
        let [before, after] = [before, after].map(Option::unwrap_or_default);
        let names = [format!("{}/{path}", step.script_name), format!("{}/{path}", step.script_name)];
        let diff = is_both.then(|| {
            TextDiff::from_lines(before.as_str(), after.as_str())
                .unified_diff()
                .header(&names[0], &names[1])
                .to_string()
        });
        File { path, action, added, removed, line_endings_only, diff }
    });
    Change { script_name: step.script_name.as_str(), action, files: files.collect() }
}
