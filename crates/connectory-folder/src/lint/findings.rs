//! The findings of one run of the linter, collected while the checks run.

use std::collections::HashSet;
use std::ops::Range;

use super::rules::{Level, Rule};
use super::text::Fix;
use crate::similar::Suggestions;

/// A place in a file that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// The file's path in the folder.
    pub file: String,
    /// The bytes in the file's [`Text`](super::Text). Empty at 0 where the finding is about the whole file.
    pub span: Range<usize>,
    /// What is wrong, and what would be right.
    pub message: String,
    /// The correction, where it is mechanical.
    pub fix: Option<Fix>,
}

/// Collects findings, at most so many, of all files or of one.
pub(super) struct Findings<'f> {
    found: Vec<Finding>,
    /// The only file whose findings are wanted; `None` for all files.
    only: Option<&'f str>,
    /// The largest number of findings.
    max: usize,
    suggestions: Suggestions,
}

impl<'f> Findings<'f> {
    /// Nothing found yet.
    pub fn new(only: Option<&'f str>, max: usize) -> Self {
        Self { found: Vec::new(), only, max, suggestions: Suggestions::default() }
    }

    /// Whether another finding in this file is wanted. A check asks before it does more work.
    pub fn wants(&self, file: &str) -> bool {
        self.only.is_none_or(|only| only == file) && self.found.len() < self.max
    }

    /// Adds a finding that has no fix.
    pub fn push(&mut self, rule: &'static Rule, file: &str, span: Range<usize>, message: impl Into<String>) {
        self.push_with(rule, file, span, message, None);
    }

    /// Adds a finding that may have a fix.
    pub fn push_with(
        &mut self,
        rule: &'static Rule,
        file: &str,
        span: Range<usize>,
        message: impl Into<String>,
        fix: Option<Fix>,
    ) {
        if self.wants(file) {
            self.found.push(Finding { rule, file: file.to_owned(), span, message: message.into(), fix });
        }
    }

    /// The name that the author probably meant, as the end of a sentence.
    pub fn suggestion(&mut self, name: &str, names: &HashSet<&str>) -> String {
        self.suggestions.sentence(name, names)
    }

    /// Whether names are still compared: that no name is similar is known only then.
    pub fn has_suggestions(&self) -> bool {
        self.suggestions.has_work_left()
    }

    /// Whether an error was found.
    pub fn has_errors(&self) -> bool {
        self.found.iter().any(|finding| finding.rule.level == Level::Error)
    }

    /// The findings, ordered by file and place.
    pub fn sorted(mut self) -> Vec<Finding> {
        self.found.sort_by(|a, b| (&a.file, a.span.start, a.rule.id).cmp(&(&b.file, b.span.start, b.rule.id)));
        self.found
    }
}
