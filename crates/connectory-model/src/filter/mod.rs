//! The filter language of the list: `name co "base" and not (directConnect eq false or type sw "x")`.
//!
//! There are three steps, one file each: [`lexer`] cuts the text into words, `syntax` reads the whole language of the
//! specification into a tree, and this file looks up the fields of the tree. Only the last step knows what is supported,
//! so that the error for `name gt "a"` is another than that for nonsense. The parser is written by hand: the grammar is
//! small, and every error names the column where it starts and says what would be right.
//!
//! Strings are compared by their name keys (D14), so without case. A filter selects rows of [`Columns`], which have the keys.

mod columns;
mod error;
mod fields;
mod lexer;
mod pasted;
mod syntax;

use std::borrow::Cow;

use memchr::memmem::Finder;

use columns::finder;
pub use columns::{Columns, MAX_ROWS, Rows, Texts};
pub use error::FilterError;
use error::OffsetError;
use fields::{FIELDS, Field, Read};
use syntax::{Comparison, Condition, Operator};

use crate::limits::{FILTER_BYTES, QUOTED_CHARS};
use crate::shown;

/// A filter that selects connectors.
#[derive(Debug, Clone)]
pub struct Filter(Test);

#[derive(Debug, Clone)]
enum Test {
    All(Vec<Test>),
    Any(Vec<Test>),
    Not(Box<Test>),
    Find(fn(&Columns) -> &Texts, Box<Finder<'static>>),
    DirectConnect(bool),
}

impl Filter {
    /// Reads a filter.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let parsed = if text.len() > FILTER_BYTES {
            Err(OffsetError::new(FILTER_BYTES, format!("the filter is longer than {FILTER_BYTES} bytes")))
        } else {
            lexer::tokens(text).and_then(|tokens| syntax::parse(text, &tokens)).and_then(resolve)
        };
        parsed.map(Self).map_err(|error| error.in_filter(text))
    }

    /// The connectors that pass the filter.
    pub fn select(&self, columns: &Columns) -> Rows {
        self.0.select(columns)
    }
}

impl Test {
    fn select(&self, columns: &Columns) -> Rows {
        let all = Rows::first(columns.len());
        match self {
            Self::All(tests) => {
                tests.iter().fold(all, |rows, test| if rows.is_empty() { rows } else { rows.and(test.select(columns)) })
            }
            Self::Any(tests) => tests.iter().fold(Rows::default(), |rows, test| rows.or(test.select(columns))),
            Self::Not(test) => all.without(test.select(columns)),
            Self::Find(column, finder) => column(columns).find(finder),
            Self::DirectConnect(wanted) => columns.direct(*wanted),
        }
    }
}

fn resolve(condition: Condition<'_>) -> Result<Test, OffsetError> {
    let resolve_all = |conditions: Vec<Condition<'_>>| conditions.into_iter().map(resolve).collect::<Result<_, _>>();
    Ok(match condition {
        Condition::And(conditions) => Test::All(resolve_all(conditions)?),
        Condition::Or(conditions) => Test::Any(resolve_all(conditions)?),
        Condition::Not(condition) => Test::Not(Box::new(resolve(*condition)?)),
        Condition::Comparison(comparison) => resolve_comparison(comparison)?,
    })
}

fn resolve_comparison(comparison: Comparison<'_>) -> Result<Test, OffsetError> {
    let Comparison { field: (field_at, field_name), operator: (operator_at, operator), values } = comparison;
    let Some(field) = FIELDS.iter().find(|field| field.name == field_name) else {
        let near = FIELDS.iter().find(|field| field.name.eq_ignore_ascii_case(field_name));
        let hint = near.map_or_else(fields::supported_list, |field| format!("did you mean `{}`?", field.name));
        let field_name = shown(field_name, QUOTED_CHARS);
        return Err(OffsetError::new(field_at, format!("unknown field `{field_name}`; {hint}")));
    };
    if !field.supported.contains(&operator) {
        let reason = format!(
            "field `{field_name}` does not support the operator `{}`; it supports {}",
            operator.as_str(),
            field.operators()
        );
        return Err(OffsetError::new(operator_at, reason));
    }
    test(field, operator, values)
}

fn test(field: &Field, operator: Operator, values: syntax::Values<'_>) -> Result<Test, OffsetError> {
    if values.is_list && operator != Operator::Ca {
        let reason = format!("`{}` takes one value, not a list", operator.as_str());
        return Err(OffsetError::new(values.at, reason));
    }
    let test = |(at, value): (usize, Cow<'_, str>)| match field.read {
        Read::Texts(column) => Ok(Test::Find(column, Box::new(finder(&value, fields::how(operator))))),
        Read::DirectConnect => match value.to_ascii_lowercase().as_str() {
            "true" => Ok(Test::DirectConnect(true)),
            "false" => Ok(Test::DirectConnect(false)),
            _ => {
                let (name, value) = (field.name, shown(&value, QUOTED_CHARS));
                Err(OffsetError::new(at, format!("field `{name}` takes true or false, got `{value}`")))
            }
        },
    };
    let mut tests = values.items.into_iter().map(test).collect::<Result<Vec<_>, _>>()?;
    Ok(if tests.len() == 1 { tests.remove(0) } else { Test::All(tests) })
}

/// A text as filters have it: in double quotes, with a backslash in front of each double quote and backslash in it.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests;
