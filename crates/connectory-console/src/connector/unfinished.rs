//! What is unfinished in a connector, and the next step: findings of the linter, empty documents, and missing texts.

use std::borrow::Cow;

use connectory_folder::folder_name::folder_name;
use connectory_folder::lint::rules::{MISSING_TRANSLATION, Rule, STATUS};
use connectory_folder::lint::{Finding, Level, Text, lint_first};
use connectory_folder::{Files, Folder};
use connectory_model::document::DocumentKind;
use connectory_model::file_names::locale_tag;
use connectory_model::limits::{FINDINGS, INLINE_BYTES};
use connectory_model::lines::Lines;
use connectory_model::metadata::SHORT_DESC;
use connectory_model::{Connector, Locale, Status, visible};
use connectory_server::work::{Stop, Work, WorkError};
use maud::{Markup, html};

use super::coverage::Keys;
use super::page::{ConnectorPage, Tab};
use crate::frame::findings::finding_text;
use crate::frame::icon::{Icon, icon};
use crate::frame::locales::locale_name;
use crate::frame::view::View;

/// The number of findings that a page shows.
const SHOWN: usize = 5;
/// The number of locales with missing texts that a page shows.
const LOCALES: usize = 5;

const SOURCE_CONFIG: Tab = Tab::Document(DocumentKind::SourceConfig);
const SOURCE_TEMPLATE: Tab = Tab::Document(DocumentKind::SourceTemplate);

/// A part that a connector needs: its tab, and the keys of what is said of it if it is there, if it is still as it was
/// created, and as the next step.
struct Part {
    tab: Tab,
    there: &'static str,
    empty: &'static str,
    next: &'static str,
}

/// The parts.
const PARTS: [Part; 3] = [
    Part { tab: SOURCE_CONFIG, there: "unfinished.has_form", empty: "unfinished.form", next: "next.form" },
    Part { tab: SOURCE_TEMPLATE, there: "unfinished.has_schema", empty: "unfinished.schema", next: "next.schema" },
    Part {
        tab: Tab::Metadata,
        there: "unfinished.has_description",
        empty: "unfinished.description",
        next: "next.description",
    },
];

/// Runs the check of a connector of so many bytes, and what is made of it, on a thread of its own: the linter takes longer
/// than other work on as many bytes.
pub async fn check_apart<T: Send + 'static>(
    work: &Work,
    bytes: usize,
    check: impl FnOnce(&Stop) -> T + Send + 'static,
) -> Result<T, WorkError> {
    if bytes > INLINE_BYTES { work.run(bytes, check).await } else { work.search(check).await }
}

/// What is unfinished.
pub struct Unfinished {
    /// The first findings, the errors first.
    findings: Vec<Problem>,
    errors: usize,
    warnings: usize,
    /// How many errors the file of the first one has.
    errors_in_first: usize,
    /// Which of the parts are still as they were created.
    empty: [bool; PARTS.len()],
    /// The locales that have texts, but not all, with the number of missing ones. English first, because others are made of it, then the fewest.
    missing: Vec<(Locale, usize)>,
}

/// A finding of the linter.
struct Problem {
    rule: &'static Rule,
    file: String,
    line: usize,
    message: String,
}

impl Unfinished {
    /// Checks a connector. After a deadline only texts are counted.
    pub fn of(connector: &Connector, keys: &Keys, stop: &Stop) -> Self {
        let files = Folder::from(connector.clone()).files();
        let files: Files<'_> = files.into_iter().map(|(path, bytes)| (path, Cow::from(bytes))).collect();
        let folder = folder_name(&connector.script_name).unwrap_or_else(|_| connector.script_name.to_string());
        let found = if stop.is_due() { Vec::new() } else { lint_first(&folder, &files, FINDINGS) };
        let mut found: Vec<_> = found.into_iter().filter(is_shown).collect();
        // The order within a level stays.
        found.sort_by_key(|finding| finding.rule.level);
        let errors = found.iter().filter(|finding| finding.rule.level == Level::Error).count();
        let first = found.first().map(|finding| finding.file.clone()).unwrap_or_default();
        let errors_in_first = found.iter().take(errors).filter(|finding| finding.file == first).count();
        let warnings = found.len() - errors;
        let findings = found.into_iter().take(SHOWN).map(|finding| Problem::of(finding, &files)).collect();
        Self { findings, errors, warnings, errors_in_first, empty: empty_parts(connector), missing: missing(keys) }
    }

    /// Whether the linter found an error.
    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// How many steps are open, and how many of them are errors.
    pub fn counts(&self) -> (usize, usize) {
        (self.errors + self.warnings + self.parts(true).count() + self.missing.len(), self.errors)
    }

    /// The next step, as a sentence.
    pub fn next_step(&self, view: &View, status: Status) -> String {
        if status == Status::Deprecated {
            return view.text("next.delete").to_owned();
        }
        if let Some(first) = self.findings.first().filter(|_| self.has_errors()) {
            let title = first.title(view);
            return match self.errors_in_first {
                1 => view.format("next.error", &[&title]),
                many => view.format("next.errors", &[&many, &title]),
            };
        }
        if let Some(part) = self.parts(true).next() {
            return view.text(part.next).to_owned();
        }
        match (self.missing.first(), status) {
            (Some((locale, 1)), _) => view.format("next.translate_one", &[&locale_name(view, *locale)]),
            (Some((locale, many)), _) => view.format("next.translate", &[many, &locale_name(view, *locale)]),
            (None, Status::Released) => view.text("next.nothing").to_owned(),
            (None, _) => view.text("next.release").to_owned(),
        }
    }

    /// The parts that are still empty, or the others.
    fn parts(&self, is_empty: bool) -> impl Iterator<Item = &'static Part> {
        PARTS.iter().zip(self.empty).filter(move |(_, empty)| *empty == is_empty).map(|(part, _)| part)
    }

    /// How many of the steps before a release are done, and how many there are: the parts, the linter's check, and the texts.
    pub fn progress(&self) -> (usize, usize) {
        let open = self.parts(true).count()
            + usize::from(self.errors + self.warnings > 0)
            + usize::from(!self.missing.is_empty());
        let all = PARTS.len() + 2;
        (all - open, all)
    }

    /// The steps, with links to the places. What is done comes first.
    pub fn list(&self, page: &ConnectorPage) -> Markup {
        let view = &page.view;
        let found = self.errors + self.warnings;
        let is_writable = page.is_writable();
        html! {
            ul.todo {
                @for part in self.parts(false) { (done_step(view, &page.url(&part.tab.path()), part.there)) }
                @if found == 0 { (done_step(view, &page.url(&SOURCE_CONFIG.path()), "unfinished.no_problems")) }
                @if self.missing.is_empty() { (done_step(view, &page.url("/translations"), "unfinished.no_missing")) }
                @for problem in &self.findings {
                    (step(problem.ring(), &page.url(&problem.path()), view.text("unfinished.open"), &html! {
                        (problem.place(view)) " " (visible(&finding_text(view, problem.rule, &problem.message)))
                    }))
                }
                @if found > SHOWN { li { span.step.muted { (view.format("list.more", &[&(found - SHOWN)])) } } }
                @for part in self.parts(true) {
                    (step("", &page.url(&part.tab.path()), view.text(if is_writable { "overview.edit" } else { "unfinished.open" }), &html! {
                        (view.text(part.tab.title_key())) ": " (view.text(part.empty))
                    }))
                }
                @for (locale, many) in self.missing.iter().take(LOCALES) {
                    (step("", &page.url(&format!("/translations?locale={locale}&missing=true")), view.text(if is_writable { "unfinished.translate" } else { "unfinished.open" }), &html! {
                        (locale_name(view, *locale)) ": "
                        (view.format(if *many == 1 { "unfinished.text" } else { "unfinished.texts" }, &[many]))
                    }))
                }
                @if self.missing.len() > LOCALES { li { span.step.muted { (view.format("list.more", &[&(self.missing.len() - LOCALES)])) } } }
            }
        }
    }
}

/// A step that is done.
fn done_step(view: &View, address: &str, text: &'static str) -> Markup {
    html! {
        li { a href=(address) {
            span.ring.done { (icon(Icon::Check)) span.visually-hidden { (view.text("unfinished.done")) } }
            span { (view.text(text)) }
            span.go { (icon(Icon::Right)) }
        } }
    }
}

/// A step that is not done: the class of its ring, the address, what is done there, and what is said of it.
pub fn step(ring: &str, address: &str, go: &str, text: &Markup) -> Markup {
    html! {
        li { a href=(address) {
            span class=(format!("ring {ring}")) {}
            span { (text) }
            span.go { (go) (icon(Icon::Right)) }
        } }
    }
}

/// Whether a finding is shown by itself. Missing texts are counted for each locale. A status is no fault here.
fn is_shown(finding: &Finding) -> bool {
    let is_counted = finding.rule == &MISSING_TRANSLATION && locale_tag(&finding.file).is_some();
    !is_counted && finding.rule != &STATUS
}

/// Which of the parts are still as they were created.
fn empty_parts(connector: &Connector) -> [bool; PARTS.len()] {
    let has_description = connector.connector_metadata.contains_key(SHORT_DESC)
        || !connector.translations.short_descriptions().is_empty();
    [
        connector.source_config.translation_keys().is_empty(),
        !connector.source_template.as_str().contains("Schema"),
        !has_description,
    ]
}

fn missing(keys: &Keys) -> Vec<(Locale, usize)> {
    let missing = keys.translated.iter().map(|(locale, there)| (*locale, keys.all.len().saturating_sub(*there)));
    let mut missing: Vec<_> = missing.filter(|(_, many)| *many > 0).collect();
    missing.sort_by_key(|(locale, many)| (*locale != Locale::En, *many));
    missing
}

impl Problem {
    fn of(finding: Finding, files: &Files<'_>) -> Self {
        let text = files.get(&finding.file).map(|bytes| Text::decode(bytes).text).unwrap_or_default();
        let line = Lines::of(&text).number(finding.span.start.min(text.len()));
        Self { rule: finding.rule, file: finding.file, line, message: finding.message }
    }

    /// The class of the ring of its step.
    const fn ring(&self) -> &'static str {
        match self.rule.level {
            Level::Error => "bad",
            Level::Warning => "warn",
        }
    }

    fn kind(&self) -> Option<DocumentKind> {
        DocumentKind::ALL.into_iter().find(|kind| kind.file_name() == self.file)
    }

    /// The title of the page that has the place.
    fn title(&self, view: &View) -> String {
        match (self.kind(), locale_tag(&self.file)) {
            (Some(kind), _) => view.text(Tab::Document(kind).title_key()).to_owned(),
            (None, Some(tag)) => format!("{} {tag}", view.text("tab.translations")),
            (None, None) => view.text("tab.settings").to_owned(),
        }
    }

    /// The title, and the line in a document or a file.
    fn place(&self, view: &View) -> String {
        let title = self.title(view);
        if self.kind().is_none() && locale_tag(&self.file).is_none() {
            return title;
        }
        view.format("unfinished.place", &[&title, &self.line])
    }

    /// The address of the place, after that of the connector.
    fn path(&self) -> String {
        match (self.kind(), locale_tag(&self.file)) {
            (Some(kind), _) => format!("/documents/{}?line={}", kind.name(), self.line),
            (None, Some(tag)) => format!("/translations?locale={tag}"),
            (None, None) => "/settings".to_owned(),
        }
    }
}
