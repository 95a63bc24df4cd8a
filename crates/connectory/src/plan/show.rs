//! Showing: a plan, and the differences of two connectors, as unified diffs.

use std::collections::BTreeMap;
use std::fmt;

use clap::Args;
use connectory_client::DocumentKind;
use connectory_folder::{CONNECTOR_FILE, Folder};
use connectory_model::file_names::locale_file;
use connectory_model::lines::{line_endings, with_line_feeds};
use connectory_model::translations::Translations;
use connectory_model::visible;
use serde::Serialize;
use similar::{ChangeTag, TextDiff};

use super::compare::changed_translations;
use super::{Action, Plan};
use crate::terminal::{BOLD, CYAN, GREEN, RED, styled};

/// How much of a plan is printed.
#[derive(Args, Clone, Copy)]
pub struct Shown {
    /// Print the number of changed lines of each file, and not the lines
    #[arg(long)]
    stat: bool,
    /// Print every line of new and deleted connectors too
    #[arg(long, short, conflicts_with = "stat")]
    verbose: bool,
}

impl Shown {
    /// The differences of connectors that change.
    pub const DIFF: Self = Self { stat: false, verbose: false };
}

/// How many connectors are changed.
#[derive(Serialize, Default)]
pub struct Summary {
    pub create: usize,
    pub change: usize,
    pub replace: usize,
    pub delete: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { create, change, replace, delete } = self;
        write!(f, "{create} to create, {change} to change, {delete} to delete")?;
        if *replace > 0 {
            write!(f, ", {replace} to replace")?;
        }
        Ok(())
    }
}

impl Plan {
    /// How many connectors it changes.
    pub fn summary(&self) -> Summary {
        self.steps.iter().fold(Summary::default(), |mut summary, step| {
            *match step.action {
                Action::Create => &mut summary.create,
                Action::Change => &mut summary.change,
                Action::Replace(_) => &mut summary.replace,
                Action::Delete => &mut summary.delete,
            } += 1;
            summary
        })
    }

    /// Prints the summary, and each change as a unified diff.
    pub fn print(&self, server: &str, shown: Shown) {
        say!("{}: {}", visible(server), self.summary());
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
            if shown.stat || !shown.verbose && (found.is_none() || step.wanted.is_none()) {
                print_counts(&diffs(found, step.wanted.as_ref()));
            } else {
                print_diff(&name, &name, found, step.wanted.as_ref());
            }
        }
        // After a long plan, nobody sees its beginning.
        if !self.steps.is_empty() {
            say!("{}", self.summary());
        }
    }
}

/// Prints how many lines of each file are new, and how many are gone.
fn print_counts(files: &[FileDiff]) {
    let width = files.iter().map(|file| file.path.chars().count()).max().unwrap_or_default();
    for file in files {
        let path = visible(&file.path);
        if file.differs_in_line_endings_only() {
            say!("  {path:width$}  line endings");
            continue;
        }
        let (added, removed) = file.counts();
        let counts = [(GREEN, '+', added), (RED, '-', removed)].into_iter().filter(|(_, _, lines)| *lines > 0);
        let counts: Vec<_> = counts.map(|(style, sign, lines)| styled(style, format_args!("{sign}{lines}"))).collect();
        say!("  {path:width$}  {}", counts.join(" "));
    }
}

/// Prints how two connectors differ, file by file.
pub fn print_diff(before_name: &str, after_name: &str, before: Option<&Folder>, after: Option<&Folder>) {
    for FileDiff { path: file, before, after } in diffs(before, after) {
        let header = |name: &str, text: &Option<String>| match text {
            Some(_) => format!("{}/{}", visible(name), visible(&file)),
            None => "/dev/null".to_owned(),
        };
        if let Some((old, new)) = same_lines(before.as_deref(), after.as_deref()) {
            let [old, new] = [old, new].map(line_endings);
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

/// A file that differs.
pub struct FileDiff {
    /// Its path in the connector folder.
    pub path: String,
    /// Its text before. None if the file is new.
    pub before: Option<String>,
    /// Its text after. None if the file is deleted.
    pub after: Option<String>,
}

impl FileDiff {
    /// How many lines are new, and how many are gone.
    pub fn counts(&self) -> (usize, usize) {
        let [before, after] = [&self.before, &self.after].map(|text| text.as_deref().unwrap_or_default());
        let diff = TextDiff::from_lines(before, after);
        diff.iter_all_changes().fold((0, 0), |(added, removed), change| match change.tag() {
            ChangeTag::Equal => (added, removed),
            ChangeTag::Insert => (added + 1, removed),
            ChangeTag::Delete => (added, removed + 1),
        })
    }

    /// Whether both texts have the same lines.
    pub fn differs_in_line_endings_only(&self) -> bool {
        same_lines(self.before.as_deref(), self.after.as_deref()).is_some()
    }
}

/// Two texts, if they have the same lines.
fn same_lines<'a>(before: Option<&'a str>, after: Option<&'a str>) -> Option<(&'a str, &'a str)> {
    before.zip(after).filter(|(before, after)| with_line_feeds(before) == with_line_feeds(after))
}

/// The files in which two connectors differ, by their paths.
pub fn diffs(before: Option<&Folder>, after: Option<&Folder>) -> Vec<FileDiff> {
    let yaml = |folder: Option<&Folder>| folder.map(|folder| folder.description.to_yaml());
    let mut diffs = BTreeMap::new();
    let is_described_the_same = before.zip(after).is_some_and(|(a, b)| a.description == b.description);
    if !is_described_the_same {
        diffs.insert(CONNECTOR_FILE.to_owned(), (yaml(before), yaml(after)));
    }
    for kind in DocumentKind::ALL {
        let text =
            |folder: Option<&Folder>| folder.and_then(|folder| Some(folder.documents.get(&kind)?.as_str().to_owned()));
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
    diffs.into_iter().map(|(path, (before, after))| FileDiff { path, before, after }).collect()
}
