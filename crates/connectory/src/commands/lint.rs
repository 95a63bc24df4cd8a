//! `connectory lint`: checks connector folders without a server.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use connectory_folder::lint::{Finding, Fix, Level, Limits, RULES};
use connectory_folder::local::LocalFolders;
use connectory_folder::write_whole;
use connectory_model::limits::QUOTED_CHARS;
use connectory_model::lines::line_endings;
use connectory_model::{shown, visible};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::allowed::{Allowed, Warning};
use crate::findings::{self, FolderFinding};
use crate::terminal;

#[derive(Args)]
pub struct LintArguments {
    /// A folder of connector folders, or one connector folder
    dir: PathBuf,
    /// How to print the findings
    #[arg(long, value_enum, default_value = "text")]
    format: LintFormat,
    /// Fix the findings that have one possible fix: a connector's name in its documents, unused translations, and
    /// line endings other than LF
    #[arg(long)]
    fix: bool,
    /// Treat warnings as errors
    #[arg(long)]
    strict: bool,
    /// Do not report this warning; repeat it for others. An error cannot be allowed. DIR/lint.toml does the same:
    /// `allow = ["RULE"]` for all folders, and `[folders.NAME]` before it for one. If DIR is one connector folder without
    /// the file, that of the folder around it is read
    #[arg(long, value_name = "RULE")]
    allow: Vec<Warning>,
    /// Print every finding as text, also if one rule has many in one folder
    #[arg(long)]
    all: bool,
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

/// Runs the command.
pub fn run(arguments: &LintArguments) -> Result<()> {
    let read = || LocalFolders::read(&arguments.dir, Limits::default());
    let mut local = read()?;
    let allowed = Allowed::read(&local)?.and(&arguments.allow);
    if arguments.fix {
        let fixed = fix(&findings::find(&local, &allowed, Limits::default()))?;
        if fixed > 0 {
            report!("fixed {}", terminal::count(fixed, "finding"));
            local = read()?;
        }
    }
    let found = findings::find(&local, &allowed, Limits::default());
    match arguments.format {
        LintFormat::Text => findings::print(&found, arguments.all),
        LintFormat::Json => say!("{}", serde_json::to_string_pretty(&json_of(&found))?),
        LintFormat::Sarif => say!("{}", serde_json::to_string_pretty(&sarif(&found))?),
        LintFormat::Github => found.iter().for_each(print_github),
    }
    let errors = found.iter().filter(|found| found.is_error()).count();
    let warnings = found.len() - errors;
    let summary = format!(
        "{} and {} in {}",
        terminal::count(errors, "error"),
        terminal::count(warnings, "warning"),
        terminal::count(local.folders.len(), "connector")
    );
    if errors > 0 || (arguments.strict && warnings > 0) {
        bail!("{summary}");
    }
    report!("{summary}");
    Ok(())
}

/// Applies every fix, says what it changed, and returns how many there were.
fn fix(found: &[FolderFinding<'_>]) -> Result<usize> {
    let mut fixes: BTreeMap<PathBuf, Vec<(&FolderFinding<'_>, &Fix)>> = BTreeMap::new();
    for found in found {
        if let Some(fix) = &found.finding.fix {
            fixes.entry(found.path()).or_default().push((found, fix));
        }
    }
    let mut count = 0;
    for (path, fixes) in fixes {
        let Some((first, _)) = fixes.first() else { continue };
        let fixed = first.text().fixed(fixes.iter().map(|(_, fix)| (*fix).clone()));
        write_whole(&path, &fixed).with_context(|| format!("cannot write {}", path.display()))?;
        count += fixes.len();
        for (found, fix) in &fixes {
            report!("{}", change(found, fix));
        }
    }
    Ok(count)
}

/// What a fix changed, and where.
fn change(found: &FolderFinding<'_>, fix: &Fix) -> String {
    let (before, [(line, _), _]) = (found.text().text, found.place());
    let what = match fix {
        Fix::LineFeeds => format!("wrote LF for {} line endings", line_endings(&before)),
        Fix::Replace { range, text } => {
            let [old, new] = [&before[range.clone()], text].map(|text| shown(text.trim_end(), QUOTED_CHARS));
            if new.is_empty() { format!("removed `{old}`") } else { format!("wrote `{new}` for `{old}`") }
        }
    };
    visible(&format!("{}:{line}: {what}", found.path().display())).into_owned()
}

const fn word(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warning => "warning",
    }
}

fn json_of(found: &[FolderFinding<'_>]) -> Value {
    let object = |found: &FolderFinding<'_>| {
        let [(line, column), (end_line, end_column)] = found.place();
        let Finding { rule, message, fix, .. } = &found.finding;
        json!({"file": found.path(), "line": line, "column": column, "endLine": end_line, "endColumn": end_column,
               "level": word(rule.level), "rule": rule.id, "message": message, "fixable": fix.is_some()})
    };
    found.iter().map(object).collect()
}

fn sarif(found: &[FolderFinding<'_>]) -> Value {
    let rules: Vec<_> = RULES
        .iter()
        .map(|rule| {
            json!({"id": rule.id, "shortDescription": {"text": rule.description},
                   "defaultConfiguration": {"level": word(rule.level)}})
        })
        .collect();
    let result = |found: &FolderFinding<'_>| {
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
fn print_github(found: &FolderFinding<'_>) {
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
