//! What lint finds in connector folders, and how people see it: with the line of the file, as rustc does. `lint` prints
//! everything that is not allowed; commands that send folders to a server stop at errors.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Level as Severity, Origin, Renderer, Snippet};
use anyhow::{Result, bail};
use connectory_folder::lint::{Finding, Level, Limits, Text};
use connectory_folder::local::{LocalFinding, LocalFolder, LocalFolders};
use connectory_model::visible;

use crate::allowed::Allowed;

/// How many findings of one rule in one folder are printed all.
const MOST_PRINTED: usize = 5;
/// How many are printed if there are more.
const FEW_PRINTED: usize = 3;

/// A finding, and the folder that it is in.
pub struct FolderFinding<'a> {
    /// The path that the finding's file is in.
    base: &'a Path,
    /// The connector folder; none if the finding is beside connector folders.
    folder: Option<&'a LocalFolder>,
    /// The finding.
    pub finding: Finding,
}

impl FolderFinding<'_> {
    /// The file that it is in.
    pub fn path(&self) -> PathBuf {
        self.base.join(&self.finding.file)
    }

    /// The text of the file. It is empty if the file was not read.
    pub fn text(&self) -> Text<'_> {
        let bytes = self.folder.and_then(|folder| folder.files.get(&self.finding.file));
        bytes.map_or(Text::decode(&[]), |bytes| Text::decode(bytes))
    }

    /// Line and column of the start and of the end, counted from 1.
    pub fn place(&self) -> [(usize, usize); 2] {
        let text = self.text().text;
        [self.finding.span.start, self.finding.span.end].map(|offset| {
            let before = &text[..offset];
            let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
            (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
        })
    }

    /// Whether it is an error, not a warning.
    pub fn is_error(&self) -> bool {
        self.finding.rule.level == Level::Error
    }
}

/// Checks folders, and leaves out what is allowed.
pub fn find<'a>(local: &'a LocalFolders, allowed: &Allowed, limits: Limits) -> Vec<FolderFinding<'a>> {
    let found = local.lint(limits).into_iter().map(|LocalFinding { folder, finding }| FolderFinding {
        base: folder.map_or(&local.dir, |folder| &folder.path),
        folder,
        finding,
    });
    let is_reported = |found: &FolderFinding<'_>| {
        // A finding beside connector folders is about one of the folders there.
        let folder = found.folder.map_or(found.finding.file.as_str(), |folder| folder.name.as_str());
        !allowed.allows(folder, found.finding.rule)
    };
    found.filter(is_reported).collect()
}

/// Prints findings with the lines that they are about. Of many findings of one rule in one folder, it prints a few, unless
/// all are wanted.
pub fn print(findings: &[FolderFinding<'_>], all: bool) {
    let group = |found: &FolderFinding<'_>| (found.base.to_owned(), found.finding.rule.id);
    let mut counts = HashMap::new();
    for found in findings {
        counts.entry(group(found)).or_insert((0, 0)).1 += 1;
    }
    for found in findings {
        let (printed, count) = counts.entry(group(found)).or_default();
        if !all && *count > MOST_PRINTED && *printed == FEW_PRINTED {
            continue;
        }
        *printed += 1;
        print_one(found);
        if !all && *count > MOST_PRINTED && *printed == FEW_PRINTED {
            let (more, rule, base) = (*count - FEW_PRINTED, found.finding.rule.id, found.base.display().to_string());
            say!("… and {more} more of `{rule}` in {}; `connectory lint --all` prints them\n", visible(&base));
        }
    }
}

fn print_one(found: &FolderFinding<'_>) {
    let Finding { rule, span, message, .. } = &found.finding;
    let severity = if found.is_error() { Severity::ERROR } else { Severity::WARNING };
    let path = visible(&found.path().display().to_string()).into_owned();
    let text = found.text();
    let title = severity.primary_title(visible(message)).id(rule.id);
    let group = if span.is_empty() && span.start == 0 {
        title.element(Origin::path(path))
    } else {
        let annotation = AnnotationKind::Primary.span(span.clone());
        title.element(Snippet::source(text.text.as_ref()).path(path).annotation(annotation))
    };
    say!("{}\n", Renderer::styled().render(&[group]));
}

/// Fails if folders have errors, and prints those first.
pub fn refuse_errors(local: &LocalFolders, allowed: &Allowed, limits: Limits) -> Result<()> {
    let mut errors = find(local, allowed, limits);
    errors.retain(FolderFinding::is_error);
    print(&errors, false);
    if errors.is_empty() { Ok(()) } else { bail!("the folders have errors; nothing was sent") }
}
