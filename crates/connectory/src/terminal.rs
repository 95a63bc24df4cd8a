//! What commands print and ask: tables that fit the terminal, JSON and YAML, questions. Only a terminal gets colours.

use std::fmt::{Arguments, Display};
use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use anstyle::{AnsiColor, Style};
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};
use connectory_model::visible;
use serde::Serialize;
use tracing::Level;

/// The exit code of `plan` and `diff` if nothing differs.
pub const SAME: u8 = 0;
/// The exit code of `plan` and `diff` if something differs.
pub const DIFFERENT: u8 = 2;

/// Prints a line to standard output. A command goes on without its reader, so that its work and its exit code are right.
macro_rules! say {
    ($($text:tt)*) => { $crate::terminal::line(format_args!($($text)*)) };
}

/// Prints a line if standard output takes it, and returns whether it does. A server goes on without its reader.
macro_rules! tell {
    ($($text:tt)*) => { $crate::terminal::line_if_read(format_args!($($text)*)) };
}

/// Prints a line to standard error. A command goes on without its reader.
macro_rules! report {
    ($($text:tt)*) => { $crate::terminal::error_line(format_args!($($text)*)) };
}

/// Whether nobody reads standard output any more.
static IS_CLOSED: AtomicBool = AtomicBool::new(false);
/// Why standard output cannot be written.
static OUTPUT_ERROR: OnceLock<std::io::Error> = OnceLock::new();

/// Prints a line, unless the reader has closed the pipe. Returns whether it is printed.
pub fn line_if_read(text: Arguments<'_>) -> bool {
    writeln!(anstream::stdout().lock(), "{text}").is_ok()
}

/// Prints a line. After the reader has closed the pipe, as `head` does, it prints nothing more.
pub fn line(text: Arguments<'_>) {
    if !IS_CLOSED.load(Ordering::Relaxed)
        && let Err(error) = writeln!(anstream::stdout().lock(), "{text}")
    {
        IS_CLOSED.store(true, Ordering::Relaxed);
        if error.kind() != ErrorKind::BrokenPipe {
            let _first = OUTPUT_ERROR.set(error);
        }
    }
}

/// Prints a line to standard error, if it takes it.
pub fn error_line(text: Arguments<'_>) {
    let _closed = writeln!(anstream::stderr().lock(), "{text}");
}

/// Why a part of the output was lost, for another reason than that nobody reads it.
pub fn output_error() -> Option<&'static std::io::Error> {
    OUTPUT_ERROR.get()
}

/// Prints the warnings of the store to standard error. Call this once, before a command opens a database.
pub fn print_warnings() {
    tracing_subscriber::fmt()
        .with_max_level(Level::WARN)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .without_time()
        .init();
}

/// Writes bytes to standard output as they are.
pub fn bytes(bytes: &[u8]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("cannot write to standard output"),
        _ => Ok(()),
    }
}

/// How to print an answer.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Columns that fit the terminal
    Table,
    /// JSON, as the API sends it
    Json,
    /// The same as YAML
    Yaml,
}

/// Columns that are not wrapped, because people copy their values.
const UNWRAPPED_COLUMNS: &[&str] = &["ID", "SCRIPT NAME"];

/// Prints rows under a header; on a terminal, cells are wrapped to its width. Characters that could deceive a reader or
/// control the terminal are escaped.
pub fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_header(header);
    for row in rows {
        table.add_row(row.map(|cell| visible(&cell).into_owned()));
    }
    for (at, _) in header.iter().enumerate().filter(|(_, name)| UNWRAPPED_COLUMNS.contains(name)) {
        table.column_mut(at).expect("the column is there").set_constraint(ColumnConstraint::ContentWidth);
    }
    for line in table.lines() {
        // The first column has a padding, which would indent the table.
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

/// A number with its noun, such as `1 file` or `2 files`.
pub fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

pub const BOLD: Style = Style::new().bold();
pub const RED: Style = AnsiColor::Red.on_default();
pub const YELLOW: Style = AnsiColor::Yellow.on_default();
pub const GREEN: Style = AnsiColor::Green.on_default();
pub const CYAN: Style = AnsiColor::Cyan.on_default();

/// A text in a style. `anstream` removes the style where the output is not a terminal.
pub fn styled(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// A text as a word of a shell's command.
pub fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_');
    if text.chars().all(is_plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// Asks a question that is answered with yes or no.
pub fn confirm(question: &str) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!("there is no terminal to ask on; give --yes");
    }
    let mut terminal = anstream::stderr().lock();
    write!(terminal, "{} [y/N] ", visible(question)).and_then(|()| terminal.flush()).context("cannot ask")?;
    drop(terminal);
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
