//! Checks of a connector folder that need no server: what the server would refuse, and what it would accept although
//! the author probably meant something else.
//!
//! Every finding names its file and the bytes in it, so that a caller can underline them. A finding with a mechanical
//! correction has a [`Fix`].

mod correlation;
pub(crate) mod description;
pub(crate) mod document;
mod findings;
mod form;
pub(crate) mod layout;
mod line_endings;
pub(crate) mod names;
mod properties;
pub mod rules;
pub(crate) mod size;
mod text;
mod translations;

use connectory_model::document::DocumentKind;

use crate::description::Description;
use crate::folder::Files;
pub use findings::Finding;
use findings::Findings;
pub use rules::{Level, NoWarning, RULES, Rule};
pub use size::Limits;
pub use text::{Fix, Text};

/// Checks the files of a folder of this name. The findings are ordered by file and place.
pub fn lint(folder_name: &str, files: &Files<'_>) -> Vec<Finding> {
    lint_within(folder_name, files, Limits::default())
}

/// Like [`lint`], for a server with other limits.
pub fn lint_within(folder_name: &str, files: &Files<'_>, limits: Limits) -> Vec<Finding> {
    lint_named(folder_name, files, limits).0
}

/// Like [`lint_within`], with the connector's name if `connector.yaml` has one.
pub(crate) fn lint_named(folder_name: &str, files: &Files<'_>, limits: Limits) -> (Vec<Finding>, Option<String>) {
    let mut findings = Findings::new(None, usize::MAX);
    let description = check(&mut findings, folder_name, files);
    let name = description.as_ref().map(|description| description.members.name.clone());
    size::check(&mut findings, files, description, limits);
    line_endings::check(&mut findings, files);
    (findings.sorted(), name)
}

/// Checks one file of a folder, but neither its size nor its line endings, which no editor shows, and returns at most `max` findings.
pub fn lint_file(folder_name: &str, files: &Files<'_>, file: &str, max: usize) -> Vec<Finding> {
    let mut findings = Findings::new(Some(file), max);
    check(&mut findings, folder_name, files);
    findings.sorted()
}

/// Checks the files of a folder, but neither their sizes nor their line endings, and returns at most `max` findings.
pub fn lint_first(folder_name: &str, files: &Files<'_>, max: usize) -> Vec<Finding> {
    let mut findings = Findings::new(None, max);
    check(&mut findings, folder_name, files);
    findings.sorted()
}

/// Runs every check but those of sizes and line endings, and returns what `connector.yaml` has.
fn check(findings: &mut Findings<'_>, folder_name: &str, files: &Files<'_>) -> Option<Description> {
    description::check_folder_name(findings, folder_name);
    layout::check(findings, files);
    let description = description::check(findings, files);
    let known = description.as_ref().map(|Description { members, .. }| names::Known {
        name: &members.name,
        connector_type: &members.connector_type,
    });
    let texts = DocumentKind::ALL.map(|kind| {
        let bytes = files.get(kind.file_name())?;
        Some((kind, Text::decode(bytes), bytes))
    });
    let trees = texts.each_ref().map(|file| {
        let (kind, text, bytes) = file.as_ref()?;
        Some((kind.file_name(), document::tree(findings, *kind, text, bytes)?))
    });
    let [form, template, correlation] = &trees;
    let keys = form.as_ref().map(|(file, tree)| form::check(findings, file, tree));
    if let (Some((form_file, form)), Some((template_file, template))) = (form, template) {
        names::check(findings, (form_file, form), (template_file, template), known);
    }
    if let (Some((_, template)), Some((file, correlation))) = (template, correlation) {
        correlation::check(findings, template, file, correlation);
    }
    translations::check(findings, files, keys.as_ref());
    description
}

#[cfg(test)]
mod tests;
