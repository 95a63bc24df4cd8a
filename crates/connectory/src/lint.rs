//! `connectory lint`: checks connector folders without a server.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use annotate_snippets::{AnnotationKind, Level as Severity, Origin, Renderer, Snippet};
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use connectory_folder::disk::{LocalFolder, local_folders};
use connectory_folder::lint::{Finding, Level, RULES, Text, lint};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::output;

#[derive(Args)]
pub struct LintArguments {
    /// A folder of connector folders, or one connector folder
    dir: PathBuf,
    /// How to print what is found
    #[arg(long, value_enum, default_value = "text")]
    format: LintFormat,
    /// Mend what is mechanical: a connector's name in its documents, and translations that nothing uses
    #[arg(long)]
    fix: bool,
    /// Take warnings for errors
    #[arg(long)]
    strict: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum LintFormat {
    /// For people, with the source line
    Text,
    /// An array of objects
    Json,
    /// SARIF 2.1.0, which code hosts read
    Sarif,
    /// GitHub's workflow commands, which annotate a pull request
    Github,
}

/// A finding in a folder, with where it is.
struct Found<'a> {
    folder: &'a LocalFolder,
    finding: Finding,
}

impl Found<'_> {
    fn path(&self) -> PathBuf {
        self.folder.path.join(&self.finding.file)
    }

    fn text(&self) -> Text<'_> {
        self.folder.files.get(&self.finding.file).map_or(Text::decode(&[]), |bytes| Text::decode(bytes))
    }

    /// Line and column, from 1, of the beginning and the end.
    fn place(&self) -> [(usize, usize); 2] {
        let text = self.text().text;
        [self.finding.span.start, self.finding.span.end].map(|offset| {
            let before = &text[..offset];
            let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
            (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
        })
    }
}

/// Runs the command.
pub fn run(arguments: &LintArguments) -> Result<()> {
    let mut folders = local_folders(&arguments.dir)?;
    if arguments.fix {
        let fixed = fix(&folders)?;
        if fixed > 0 {
            eprintln!("mended {fixed} findings");
            folders = local_folders(&arguments.dir)?;
        }
    }
    let found = find(&folders);
    match arguments.format {
        LintFormat::Text => print_text(&found),
        LintFormat::Json => say!("{}", serde_json::to_string_pretty(&json_of(&found))?),
        LintFormat::Sarif => say!("{}", serde_json::to_string_pretty(&sarif(&found))?),
        LintFormat::Github => found.iter().for_each(print_github),
    }
    let errors = found.iter().filter(|found| found.finding.rule.level == Level::Error).count();
    let warnings = found.len() - errors;
    let summary = format!(
        "{} and {} in {}",
        output::count(errors, "error"),
        output::count(warnings, "warning"),
        output::count(folders.len(), "connector")
    );
    if errors > 0 || (arguments.strict && warnings > 0) {
        bail!("{summary}");
    }
    eprintln!("{summary}");
    Ok(())
}

/// Refuses folders with errors, after printing those.
pub fn refuse_errors(folders: &[LocalFolder]) -> Result<()> {
    let errors: Vec<_> = find(folders).into_iter().filter(|found| found.finding.rule.level == Level::Error).collect();
    print_text(&errors);
    if errors.is_empty() { Ok(()) } else { bail!("the folders have errors; nothing was sent") }
}

fn find(folders: &[LocalFolder]) -> Vec<Found<'_>> {
    folders
        .iter()
        .flat_map(|folder| lint(&folder.name, &folder.files).into_iter().map(move |finding| Found { folder, finding }))
        .collect()
}

fn fix(folders: &[LocalFolder]) -> Result<usize> {
    let mut count = 0;
    for folder in folders {
        let mut fixes: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for finding in lint(&folder.name, &folder.files) {
            if let Some(fix) = finding.fix {
                count += 1;
                fixes.entry(finding.file).or_default().push(fix);
            }
        }
        for (file, fixes) in fixes {
            let path = folder.path.join(&file);
            let fixed = Text::decode(&folder.files[&file]).fixed(fixes);
            std::fs::write(&path, fixed).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(count)
}

fn print_text(found: &[Found<'_>]) {
    let renderer = Renderer::styled();
    for found in found {
        let Finding { rule, span, message, .. } = &found.finding;
        let severity = if rule.level == Level::Error { Severity::ERROR } else { Severity::WARNING };
        let path = found.path().display().to_string();
        let text = found.text();
        let title = severity.primary_title(message.as_str()).id(rule.id);
        let group = if span.is_empty() && span.start == 0 {
            title.element(Origin::path(path))
        } else {
            let annotation = AnnotationKind::Primary.span(span.clone());
            title.element(Snippet::source(text.text.as_ref()).path(path).annotation(annotation))
        };
        say!("{}\n", renderer.render(&[group]));
    }
}

const fn word(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warning => "warning",
    }
}

fn json_of(found: &[Found<'_>]) -> Value {
    let object = |found: &Found<'_>| {
        let [(line, column), (end_line, end_column)] = found.place();
        let Finding { rule, message, fix, .. } = &found.finding;
        json!({"file": found.path(), "line": line, "column": column, "endLine": end_line, "endColumn": end_column,
               "level": word(rule.level), "rule": rule.id, "message": message, "fixable": fix.is_some()})
    };
    found.iter().map(object).collect()
}

fn sarif(found: &[Found<'_>]) -> Value {
    let rules: Vec<_> = RULES
        .iter()
        .map(|rule| {
            json!({"id": rule.id, "shortDescription": {"text": rule.description},
                   "defaultConfiguration": {"level": word(rule.level)}})
        })
        .collect();
    let result = |found: &Found<'_>| {
        let [(line, column), (end_line, end_column)] = found.place();
        let Finding { rule, message, .. } = &found.finding;
        let region = json!({"startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column});
        json!({"ruleId": rule.id, "level": word(rule.level), "message": {"text": message},
               "locations": [{"physicalLocation": {"artifactLocation": {"uri": uri(&found.path())}, "region": region}}]})
    };
    let results: Vec<_> = found.iter().map(result).collect();
    let driver = json!({"name": "connectory", "version": env!("CARGO_PKG_VERSION"), "rules": rules});
    json!({"version": "2.1.0", "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
           "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}]})
}

/// The bytes of a path that a URI has as they are: the unreserved ones (RFC 3986, section 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A path as the URI reference that SARIF has (RFC 3986).
fn uri(path: &Path) -> String {
    let encoded = path.components().map(|part| match part {
        Component::RootDir => String::new(),
        part => utf8_percent_encode(&part.as_os_str().to_string_lossy(), ENCODED).to_string(),
    });
    encoded.collect::<Vec<_>>().join("/")
}

/// A workflow command; its values are escaped as GitHub's own toolkit does.
fn print_github(found: &Found<'_>) {
    let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    let [(line, column), _] = found.place();
    let Finding { rule, message, .. } = &found.finding;
    say!(
        "::{} file={},line={line},col={column},title={}::{}",
        word(rule.level),
        property(&found.path().display().to_string()),
        property(rule.id),
        data(message)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_becomes_a_uri_that_reads_back() {
        for (path, expected) in [
            ("catalog/hr/source-config.xml", "catalog/hr/source-config.xml"),
            ("./a b/c#1?.xml", "./a%20b/c%231%3F.xml"),
            ("größe/50%.xml", "gr%C3%B6%C3%9Fe/50%25.xml"),
            ("a:b/c", "a%3Ab/c"),
            ("/tmp/hr/x.xml", "/tmp/hr/x.xml"),
        ] {
            let uri = uri(Path::new(path));
            assert_eq!(uri, expected);
            assert_eq!(percent_encoding::percent_decode_str(&uri).decode_utf8_lossy(), path);
        }
    }
}
