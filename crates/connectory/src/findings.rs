//! What lint finds in connector folders, and how people see it: with the line of the file, as rustc does. `lint` prints
//! everything; commands that send folders to a server stop at errors.

use std::path::PathBuf;

use annotate_snippets::{AnnotationKind, Level as Severity, Origin, Renderer, Snippet};
use anyhow::{Result, bail};
use connectory_folder::lint::{Finding, Level, Text, lint};

use connectory_folder::disk::LocalFolder;
use connectory_model::visible;

/// A finding, and the folder that it is in.
pub struct FolderFinding<'a> {
    /// The folder.
    pub folder: &'a LocalFolder,
    /// The finding.
    pub finding: Finding,
}

impl FolderFinding<'_> {
    /// The file that it is in.
    pub fn path(&self) -> PathBuf {
        self.folder.path.join(&self.finding.file)
    }

    fn text(&self) -> Text<'_> {
        self.folder.files.get(&self.finding.file).map_or(Text::decode(&[]), |bytes| Text::decode(bytes))
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

/// Checks folders.
pub fn find(folders: &[LocalFolder]) -> Vec<FolderFinding<'_>> {
    folders
        .iter()
        .flat_map(|folder| {
            lint(&folder.name, &folder.files).into_iter().map(move |finding| FolderFinding { folder, finding })
        })
        .collect()
}

/// Prints findings with the lines that they are about.
pub fn print(findings: &[FolderFinding<'_>]) {
    let renderer = Renderer::styled();
    for found in findings {
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
        say!("{}\n", renderer.render(&[group]));
    }
}

/// Fails if folders have errors, and prints those first.
pub fn refuse_errors(folders: &[LocalFolder]) -> Result<()> {
    let mut errors = find(folders);
    errors.retain(FolderFinding::is_error);
    print(&errors);
    if errors.is_empty() { Ok(()) } else { bail!("the folders have errors; nothing was sent") }
}
