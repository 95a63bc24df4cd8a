//! Showing: a plan, and the differences of two connectors, as unified diffs.

use std::collections::BTreeMap;
use std::fmt::Write;

use connectory_client::DocumentKind;
use connectory_folder::{CONNECTOR_FILE, Folder};
use connectory_model::file_names::locale_file;
use connectory_model::lines::{line_endings, with_line_feeds};
use connectory_model::translations::Translations;
use connectory_model::visible;
use similar::{ChangeTag, TextDiff};

use super::compare::changed_translations;
use super::{Action, Plan};
use crate::terminal::{BOLD, CYAN, GREEN, RED, styled};

impl Plan {
    /// How many connectors it changes, as a line.
    fn summary(&self) -> String {
        let count = |wanted: fn(&Action) -> bool| self.steps.iter().filter(|step| wanted(&step.action)).count();
        let replaced = count(|action| matches!(action, Action::Replace(_)));
        let mut summary = format!(
            "{} to create, {} to change, {} to delete",
            count(|action| matches!(action, Action::Create)),
            count(|action| matches!(action, Action::Change)),
            count(|action| matches!(action, Action::Delete)),
        );
        if replaced > 0 {
            write!(summary, ", {replaced} to replace").expect("a string takes any text");
        }
        summary
    }

    /// Prints each change as a unified diff, and the summary.
    pub fn print(&self) {
        for step in &self.steps {
            let name = visible(step.script_name.as_str());
            let what = match &step.action {
                Action::Create => styled(GREEN, format_args!("create {name}")),
                Action::Change => format!("change {name}"),
                Action::Replace(members) => styled(
                    RED,
                    format_args!(
                        "replace {name}: {} cannot be changed, so it is deleted and created again",
                        members.join(", ")
                    ),
                ),
                Action::Delete => styled(RED, format_args!("delete {name}")),
            };
            say!("{}", styled(BOLD, what));
            let found = step.found.as_ref().map(|(_, folder)| folder);
            print_diff(&name, &name, found, step.wanted.as_ref());
        }
        say!("{}", self.summary());
    }
}

/// Prints how two connectors differ, file by file.
pub fn print_diff(before_name: &str, after_name: &str, before: Option<&Folder>, after: Option<&Folder>) {
    for (file, before, after) in diffs(before, after) {
        let header = |name: &str, text: &Option<String>| match text {
            Some(_) => format!("{}/{}", visible(name), visible(&file)),
            None => "/dev/null".to_owned(),
        };
        if let (Some(old), Some(new)) = (&before, &after)
            && with_line_feeds(old) == with_line_feeds(new)
        {
            let [old, new] = [old, new].map(|text| line_endings(text));
            // A plan compares with the server, under one name.
            let other = if before_name == after_name { "the server".to_owned() } else { header(before_name, &before) };
            say!("line endings differ: {} has {new}, {other} has {old}", header(after_name, &after));
            continue;
        }
        say!("{}", styled(BOLD, format_args!("--- {}", header(before_name, &before))));
        say!("{}", styled(BOLD, format_args!("+++ {}", header(after_name, &after))));
        let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
        let diff = TextDiff::from_lines(before.as_str(), after.as_str());
        for hunk in diff.unified_diff().iter_hunks() {
            say!("{}", styled(CYAN, hunk.header()));
            for change in hunk.iter_changes() {
                let line = change.value();
                let text = visible(line.strip_suffix('\n').unwrap_or(line));
                match change.tag() {
                    ChangeTag::Equal => say!(" {text}"),
                    ChangeTag::Delete => say!("{}", styled(RED, format_args!("-{text}"))),
                    ChangeTag::Insert => say!("{}", styled(GREEN, format_args!("+{text}"))),
                }
                if change.missing_newline() {
                    say!("\\ No newline at end of file");
                }
            }
        }
    }
}

/// A file with its text before and after.
type FileDiff = (String, Option<String>, Option<String>);

fn diffs(before: Option<&Folder>, after: Option<&Folder>) -> Vec<FileDiff> {
    let yaml = |folder: Option<&Folder>| folder.map(|folder| folder.description.to_yaml());
    let mut diffs = BTreeMap::new();
    let is_described_the_same = before.zip(after).is_some_and(|(a, b)| a.description == b.description);
    if !is_described_the_same {
        diffs.insert(CONNECTOR_FILE.to_owned(), (yaml(before), yaml(after)));
    }
    for kind in DocumentKind::ALL {
        let text = |folder: Option<&Folder>| folder.and_then(|folder| folder.documents.get(&kind).cloned());
        let (before_text, after_text) = (text(before), text(after));
        // A document that the wanted connector lacks is not changed.
        let stays = after.is_some() && after_text.is_none();
        if before_text != after_text && !stays {
            diffs.insert(kind.file_name().to_owned(), (before_text, after_text));
        }
    }
    let none = Translations::default();
    let [before, after] = [before, after].map(|folder| folder.map_or(&none, |folder| &folder.translations));
    for (locale, before, after) in changed_translations(before, after) {
        diffs.insert(locale_file(locale), (before.map(str::to_owned), after.map(str::to_owned)));
    }
    diffs.into_iter().map(|(file, (before, after))| (file, before, after)).collect()
}
