//! What commands print: tables that fit the terminal, JSON and YAML. Colour is for terminals only.

use std::borrow::Cow;
use std::fmt::{Arguments, Display};
use std::io::{ErrorKind, Write};

use anyhow::{Context, Result};
use clap::ValueEnum;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};
use serde::Serialize;

/// Prints a line to standard output.
macro_rules! say {
    ($($text:tt)*) => { $crate::output::line(format_args!($($text)*)) };
}

/// Prints a line. When whoever reads has had enough, as `head` has, there is nothing left to do.
pub fn line(text: Arguments<'_>) {
    if let Err(error) = writeln!(anstream::stdout().lock(), "{text}") {
        std::process::exit(i32::from(error.kind() != ErrorKind::BrokenPipe));
    }
}

/// Writes bytes to standard output as they are.
pub fn bytes(bytes: &[u8]) -> Result<()> {
    match std::io::stdout().write_all(bytes) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("cannot write to standard output"),
        _ => Ok(()),
    }
}

/// How to print an answer.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Columns that fit the terminal
    Table,
    /// The API's JSON
    Json,
    /// The same as YAML
    Yaml,
}

/// Columns that are not wrapped, because people copy what stands there.
const WHOLE: &[&str] = &["ID", "SCRIPT NAME"];

/// Prints rows under a header; on a terminal, cells are wrapped to its width.
pub fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_header(header);
    for row in rows {
        table.add_row(row);
    }
    for (at, _) in header.iter().enumerate().filter(|(_, name)| WHOLE.contains(name)) {
        table.column_mut(at).expect("the column is there").set_constraint(ColumnConstraint::ContentWidth);
    }
    for line in table.lines() {
        // The first column's padding would set the table off from everything else.
        say!("{}", line.strip_prefix(' ').unwrap_or(&line).trim_end());
    }
}

/// Prints a value as JSON or YAML.
pub fn value(format: Format, value: &impl Serialize) -> Result<()> {
    match format {
        Format::Yaml => say!("{}", serde_saphyr::to_string(value).context("cannot be written as YAML")?.trim_end()),
        Format::Json | Format::Table => say!("{}", serde_json::to_string_pretty(value)?),
    }
    Ok(())
}

/// A number of things, such as `1 file` or `2 files`.
pub fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// A line of a document as a terminal can show it: a control character could move the cursor or change what is shown.
pub fn shown(line: &str) -> Cow<'_, str> {
    let is_harmless = |c: char| c == '\t' || !c.is_control();
    if line.chars().all(is_harmless) {
        return line.into();
    }
    let mut shown = String::with_capacity(line.len() + 8);
    for c in line.chars() {
        if is_harmless(c) { shown.push(c) } else { shown.extend(c.escape_default()) }
    }
    shown.into()
}

pub const BOLD: &str = "\x1b[1m";
pub const RED: &str = "\x1b[31m";
pub const GREEN: &str = "\x1b[32m";
pub const CYAN: &str = "\x1b[36m";

/// A text in a style, which is left out where the output is no terminal.
pub fn styled(style: &str, text: impl Display) -> String {
    format!("{style}{text}\x1b[0m")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_document_holds_cannot_steer_the_terminal() {
        assert_eq!(shown("a\tb ü"), "a\tb ü");
        assert_eq!(shown("\u{1b}[2Ja\u{9b}b\r"), "\\u{1b}[2Ja\\u{9b}b\\r");
    }
}
