//! The filter language of the list: `name co "base" and not (directConnect eq false or type sw "x")`.
//!
//! Three steps, one file each: [`lexer`] cuts the text into words, `syntax` reads the whole language of the
//! specification into a tree, and this file resolves the tree against the fields that connectors have. Only the
//! last step knows what is supported, so that `name gt "a"` is told apart from nonsense. The parser is written by
//! hand: the grammar is small, and every refusal points at the column where it starts and says what would be right.
//!
//! Strings are compared without case. Filters match [`Columns`], which are lower case already.

mod fields;
mod lexer;
mod syntax;

use memchr::memmem::Finder;

pub use fields::Columns;
use fields::{FIELDS, Field, Read, Supported};
use syntax::{Comparison, Condition, Operator};

use crate::lower_key;

/// How long a filter may be, in bytes (our decision).
pub const MAX_LENGTH: usize = 8 * 1024;
/// How deep parentheses and `not` may nest (our decision).
pub const MAX_DEPTH: usize = 50;

/// Why a filter is refused, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {reason}")]
pub struct FilterError {
    /// The column in the filter in characters, from 1.
    pub column: usize,
    /// What is wrong there, and what would be right.
    pub reason: String,
}

/// A problem at a byte of the filter, before the column is counted.
struct Problem {
    at: usize,
    reason: String,
}

impl Problem {
    fn new(at: usize, reason: impl Into<String>) -> Self {
        Self { at, reason: reason.into() }
    }
}

/// A filter that connectors can be held against.
#[derive(Debug, Clone)]
pub struct Filter(Test);

#[derive(Debug, Clone)]
enum Test {
    All(Vec<Test>),
    Any(Vec<Test>),
    Not(Box<Test>),
    Equals(fn(&Columns) -> Option<&str>, String),
    StartsWith(fn(&Columns) -> Option<&str>, String),
    Contains(fn(&Columns) -> Option<&str>, Box<Finder<'static>>),
    Is(fn(&Columns) -> bool, bool),
    ContainsAll(fn(&Columns) -> &[String], Vec<String>),
}

impl Filter {
    /// Reads a filter.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let parsed = if text.len() > MAX_LENGTH {
            Err(Problem::new(MAX_LENGTH, format!("the filter is longer than {MAX_LENGTH} bytes")))
        } else {
            lexer::tokens(text).and_then(|tokens| syntax::parse(text, &tokens)).and_then(resolve)
        };
        parsed.map(Self).map_err(|problem| {
            let before = text.char_indices().take_while(|(offset, _)| *offset < problem.at).count();
            FilterError { column: before + 1, reason: problem.reason }
        })
    }

    /// Whether a connector passes the filter.
    pub fn matches(&self, columns: &Columns) -> bool {
        self.0.matches(columns)
    }
}

impl Test {
    fn matches(&self, columns: &Columns) -> bool {
        match self {
            Self::All(tests) => tests.iter().all(|test| test.matches(columns)),
            Self::Any(tests) => tests.iter().any(|test| test.matches(columns)),
            Self::Not(test) => !test.matches(columns),
            Self::Equals(read, value) => read(columns) == Some(value),
            Self::StartsWith(read, value) => read(columns).is_some_and(|text| text.starts_with(value.as_str())),
            Self::Contains(read, value) => read(columns).is_some_and(|text| value.find(text.as_bytes()).is_some()),
            Self::Is(read, value) => read(columns) == *value,
            Self::ContainsAll(read, values) => {
                let list = read(columns);
                values.iter().all(|value| list.contains(value))
            }
        }
    }
}

fn resolve(condition: Condition<'_>) -> Result<Test, Problem> {
    let resolve_all = |conditions: Vec<Condition<'_>>| conditions.into_iter().map(resolve).collect::<Result<_, _>>();
    Ok(match condition {
        Condition::And(conditions) => Test::All(resolve_all(conditions)?),
        Condition::Or(conditions) => Test::Any(resolve_all(conditions)?),
        Condition::Not(condition) => Test::Not(Box::new(resolve(*condition)?)),
        Condition::Comparison(comparison) => resolve_comparison(comparison)?,
    })
}

fn resolve_comparison(comparison: Comparison<'_>) -> Result<Test, Problem> {
    let Comparison { field: (field_at, field_name), operator: (operator_at, operator), values } = comparison;
    let Some(field) = FIELDS.iter().find(|field| field.name == field_name) else {
        let near = FIELDS.iter().find(|field| field.name.eq_ignore_ascii_case(field_name));
        let hint = near.map_or_else(fields::supported_list, |field| format!("did you mean `{}`?", field.name));
        return Err(Problem::new(field_at, format!("unknown field `{field_name}`; {hint}")));
    };
    let Some(supported) = field.supported.iter().find(|supported| supported.operator() == operator) else {
        let reason = format!(
            "field `{field_name}` does not support the operator `{}`; it supports {}",
            operator.as_str(),
            field.operators()
        );
        return Err(Problem::new(operator_at, reason));
    };
    test(field, *supported, values)
}

fn test(field: &Field, supported: Supported, values: syntax::Values<'_>) -> Result<Test, Problem> {
    let list_at = values.at;
    let is_list = values.is_list;
    let mut texts = values.items.into_iter();
    if supported == Supported::ContainsAll {
        let Read::List(read) = field.read else { unreachable!("the table gives `ca` to lists only") };
        return Ok(Test::ContainsAll(read, texts.map(|(_, text)| lower_key(&text)).collect()));
    }
    let (value_at, value) = texts.next().expect("the parser refuses empty lists");
    if is_list {
        let reason = format!("`{}` takes one value, not a list", supported.operator().as_str());
        return Err(Problem::new(list_at, reason));
    }
    Ok(match (field.read, supported) {
        (Read::Flag(read), _) => match value.to_ascii_lowercase().as_str() {
            "true" => Test::Is(read, true),
            "false" => Test::Is(read, false),
            _ => {
                let reason = format!("field `{}` takes true or false, got `{value}`", field.name);
                return Err(Problem::new(value_at, reason));
            }
        },
        (Read::Text(read), Supported::Equals) => Test::Equals(read, lower_key(&value)),
        (Read::Text(read), Supported::StartsWith) => Test::StartsWith(read, lower_key(&value)),
        (Read::Text(read), _) => Test::Contains(read, Box::new(Finder::new(lower_key(&value).as_bytes()).into_owned())),
        (Read::List(_), _) => unreachable!("the table gives lists `ca` only"),
    })
}

impl Supported {
    const fn operator(self) -> Operator {
        match self {
            Self::Equals => Operator::Eq,
            Self::StartsWith => Operator::Sw,
            Self::Contains => Operator::Co,
            Self::ContainsAll => Operator::Ca,
        }
    }
}

#[cfg(test)]
mod tests;
