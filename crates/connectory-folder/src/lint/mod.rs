//! Checks of a connector folder that need no server: what the server would refuse, and what it would accept although
//! the author probably meant something else.
//!
//! Every finding names its file and the bytes in it, so that a caller can underline them. A finding with a mechanical
//! correction has a [`Fix`].

mod correlation;
mod description;
mod document;
mod findings;
mod form;
mod names;
pub mod rules;
mod similar;
mod text;
mod translations;

use connectory_model::document::DocumentKind;

use crate::folder::Files;
pub use findings::Finding;
use findings::Findings;
pub use rules::{Level, RULES, Rule};
pub use text::{Fix, Text};

/// Checks the files of a folder of this name. The findings are ordered by file and place.
pub fn lint(folder_name: &str, files: &Files<'_>) -> Vec<Finding> {
    check(Findings::new(None, usize::MAX), folder_name, files)
}

/// Checks one file of a folder, and returns at most `max` findings.
pub fn lint_file(folder_name: &str, files: &Files<'_>, file: &str, max: usize) -> Vec<Finding> {
    check(Findings::new(Some(file), max), folder_name, files)
}

fn check(mut findings: Findings<'_>, folder_name: &str, files: &Files<'_>) -> Vec<Finding> {
    description::check_folder_name(&mut findings, folder_name);
    let name = description::check(&mut findings, files);
    let trees = DocumentKind::ALL.map(|kind| {
        let file = kind.file_name();
        Some((file, document::tree(&mut findings, kind, files.get(file)?)?))
    });
    let [form, template, correlation] = &trees;
    let keys = form.as_ref().map(|(file, tree)| form::check(&mut findings, file, tree));
    if let (Some((form_file, form)), Some((template_file, template))) = (form, template) {
        names::check(&mut findings, (form_file, form), (template_file, template), name.as_deref());
    }
    if let (Some((_, template)), Some((file, correlation))) = (template, correlation) {
        correlation::check(&mut findings, template, file, correlation);
    }
    translations::check(&mut findings, files, keys.as_ref());
    findings.sorted()
}

#[cfg(test)]
mod tests;
