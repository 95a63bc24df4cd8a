//! The members that filters read, column by column, so that a filter is a few searches through contiguous memory.
//!
//! A column holds the texts of many rows in one buffer. Bytes that no UTF-8 text contains mark where a row and where a
//! text begins, so every documented comparison, whatever its operator, is a search for one run of bytes.

use std::borrow::Cow;

use memchr::memmem::Finder;
use serde_json::Value;

use crate::metadata::labels;
use crate::{Search, Summary, name_key};

/// The largest number of rows.
pub const MAX_ROWS: usize = 256;

/// In front of every row.
const ROW: u8 = 0xFE;
/// Around every text of a row.
const TEXT: u8 = 0xFF;

/// A set of rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rows([u64; MAX_ROWS / 64]);

impl Rows {
    /// The first so many rows.
    pub fn first(count: usize) -> Self {
        Self(std::array::from_fn(|word| match count.saturating_sub(word * 64) {
            64.. => u64::MAX,
            bits => (1 << bits) - 1,
        }))
    }

    /// Puts a row in.
    pub fn insert(&mut self, row: usize) {
        self.0[row / 64] |= 1 << (row % 64);
    }

    /// Whether a row is in.
    pub fn contains(&self, row: usize) -> bool {
        self.0[row / 64] >> (row % 64) & 1 == 1
    }

    /// How many rows are in.
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether no row is in.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// The rows that are in both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] & other.0[word]))
    }

    /// The rows that are in either.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] | other.0[word]))
    }

    /// The rows that are in this one only.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] & !other.0[word]))
    }

    /// The rows, in order.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().flat_map(|(word, bits)| {
            let mut bits = *bits;
            std::iter::from_fn(move || {
                let bit = bits.trailing_zeros() as usize;
                bits &= bits.wrapping_sub(1);
                (bit < 64).then_some(word * 64 + bit)
            })
        })
    }
}

/// The texts of one field of up to [`MAX_ROWS`] connectors, as name keys.
#[derive(Debug, Default)]
pub struct Texts {
    bytes: Vec<u8>,
    /// Where each row begins.
    starts: Vec<u32>,
}

impl Clone for Texts {
    /// A copy is made to be changed, so it has room for a few rows more.
    fn clone(&self) -> Self {
        let mut bytes = Vec::with_capacity(self.bytes.len() * 9 / 8 + 64);
        bytes.extend_from_slice(&self.bytes);
        let mut starts = Vec::with_capacity(MAX_ROWS);
        starts.extend_from_slice(&self.starts);
        Self { bytes, starts }
    }
}

impl<'a> FromIterator<Option<Cow<'a, str>>> for Texts {
    /// A row for each text, and one without a text for none.
    fn from_iter<T: IntoIterator<Item = Option<Cow<'a, str>>>>(rows: T) -> Self {
        let mut texts = Self::default();
        for (row, text) in rows.into_iter().enumerate() {
            texts.insert(row, text.as_deref());
        }
        texts.bytes.shrink_to_fit();
        texts
    }
}

impl Texts {
    /// The rows with a text that contains what is searched for.
    pub fn containing(&self, search: &Search) -> Rows {
        self.find(&Finder::new(search.as_str()))
    }

    fn insert<'a>(&mut self, row: usize, texts: impl IntoIterator<Item = &'a str>) {
        let mut encoded = Vec::with_capacity(64);
        encoded.push(ROW);
        for text in texts {
            if encoded.len() == 1 {
                encoded.push(TEXT);
            }
            encoded.extend_from_slice(name_key(text).as_bytes());
            encoded.push(TEXT);
        }
        let start = self.start(row);
        self.bytes.splice(start..start, encoded.iter().copied());
        self.starts.insert(row, offset(start));
        for later in &mut self.starts[row + 1..] {
            *later += offset(encoded.len());
        }
    }

    fn remove(&mut self, row: usize) {
        let (start, end) = (self.start(row), self.start(row + 1));
        self.bytes.drain(start..end);
        self.starts.remove(row);
        for later in &mut self.starts[row..] {
            *later -= offset(end - start);
        }
    }

    fn split_off(&mut self, row: usize) -> Self {
        let start = self.start(row);
        let bytes = self.bytes.split_off(start);
        let starts = self.starts.split_off(row).into_iter().map(|later| later - offset(start)).collect();
        Self { bytes, starts }
    }

    fn start(&self, row: usize) -> usize {
        self.starts.get(row).map_or(self.bytes.len(), |start| *start as usize)
    }

    /// The first text of a row.
    fn first(&self, row: usize) -> &[u8] {
        // A row begins with one byte, and where it has a text, with another.
        let texts = self.bytes.get(self.start(row) + 2..self.start(row + 1)).unwrap_or_default();
        texts.split(|byte| *byte == TEXT).next().unwrap_or_default()
    }

    /// The rows in which the bytes are found.
    pub(super) fn find(&self, finder: &Finder<'_>) -> Rows {
        let mut rows = Rows::default();
        let (mut from, mut row) = (0, 0);
        while let Some(found) = finder.find(&self.bytes[from..]) {
            let at = offset(from + found);
            row += self.starts[row..].partition_point(|start| *start <= at) - 1;
            rows.insert(row);
            row += 1;
            if row == self.starts.len() {
                break;
            }
            from = self.start(row);
        }
        rows
    }
}

fn offset(at: usize) -> u32 {
    u32::try_from(at).expect("the texts of a few rows are less than 4 GiB")
}

/// How a comparison looks for its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Match {
    /// A whole text.
    Whole,
    /// How a text begins.
    Start,
    /// Any part of a text.
    Part,
}

/// The bytes that a comparison looks for.
pub(super) fn finder(value: &str, how: Match) -> Finder<'static> {
    let value = name_key(value);
    let needle = match how {
        Match::Whole => [&[TEXT], value.as_bytes(), &[TEXT]].concat(),
        Match::Start => [&[TEXT], value.as_bytes()].concat(),
        // An empty part is in every text; a row without a text has none.
        Match::Part if value.is_empty() => vec![TEXT],
        Match::Part => value.into_bytes(),
    };
    Finder::new(&needle).into_owned()
}

/// The columns of up to [`MAX_ROWS`] connectors.
#[derive(Debug, Clone, Default)]
pub struct Columns {
    pub(super) name: Texts,
    pub(super) connector_type: Texts,
    pub(super) category: Texts,
    pub(super) features: Texts,
    pub(super) labels: Texts,
    direct_connect: Vec<bool>,
}

impl Columns {
    /// Puts a connector in front of a row. Its category and labels are members of its metadata (D8).
    pub fn insert(&mut self, row: usize, summary: &Summary) {
        let metadata = &summary.connector_metadata;
        self.name.insert(row, [summary.name.as_str()]);
        self.connector_type.insert(row, [summary.connector_type.as_str()]);
        self.category.insert(row, metadata.get("category").and_then(Value::as_str));
        self.features.insert(row, summary.features.iter().map(String::as_str));
        self.labels.insert(row, labels(metadata));
        self.direct_connect.insert(row, summary.direct_connect);
    }

    /// About how many bytes the row of a connector takes.
    pub fn memory_of(summary: &Summary) -> usize {
        let metadata = &summary.connector_metadata;
        let category = metadata.get("category").and_then(Value::as_str).map_or(0, str::len);
        let features = summary.features.iter().map(String::len).sum::<usize>();
        let labels = labels(metadata).map(str::len).sum::<usize>();
        let texts = summary.name.len() + summary.connector_type.len() + category + features + labels;
        // Copies have room for some more.
        texts * 9 / 8 + 5 * size_of::<u32>() + 1
    }

    /// Takes a row out.
    pub fn remove(&mut self, row: usize) {
        let texts =
            [&mut self.name, &mut self.connector_type, &mut self.category, &mut self.features, &mut self.labels];
        for column in texts {
            column.remove(row);
        }
        self.direct_connect.remove(row);
    }

    /// Cuts off the rows from this one on.
    #[must_use]
    pub fn split_off(&mut self, row: usize) -> Self {
        Self {
            name: self.name.split_off(row),
            connector_type: self.connector_type.split_off(row),
            category: self.category.split_off(row),
            features: self.features.split_off(row),
            labels: self.labels.split_off(row),
            direct_connect: self.direct_connect.split_off(row),
        }
    }

    /// A row's type as name keys, by which it can be sorted.
    pub fn connector_type(&self, row: usize) -> &[u8] {
        self.connector_type.first(row)
    }

    /// The rows whose name or type contains a text.
    pub fn named(&self, search: &Search) -> Rows {
        self.name.containing(search).or(self.connector_type.containing(search))
    }

    /// A row's category as name keys, or nothing.
    pub fn category(&self, row: usize) -> &[u8] {
        self.category.first(row)
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.direct_connect.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.direct_connect.is_empty()
    }

    /// The rows that connect directly, or those that do not.
    pub(super) fn direct(&self, wanted: bool) -> Rows {
        let mut rows = Rows::default();
        let wanted = self.direct_connect.iter().enumerate().filter(|(_, direct)| **direct == wanted);
        wanted.for_each(|(row, _)| rows.insert(row));
        rows
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rows_are_a_set() {
        let mut odd = Rows::default();
        (1..MAX_ROWS).step_by(2).for_each(|row| odd.insert(row));
        let first = Rows::first(130);
        assert_eq!((odd.len(), first.len(), Rows::first(MAX_ROWS).len()), (128, 130, 256));
        assert_eq!(odd.and(first).iter().collect::<Vec<_>>(), (1..130).step_by(2).collect::<Vec<_>>());
        assert_eq!((odd.or(first).len(), first.without(odd).len()), (65 + 128, 65));
        assert!(odd.contains(255) && !odd.contains(254) && Rows::default().is_empty());
    }

    proptest! {
        #[test]
        fn a_column_finds_what_a_search_in_each_text_finds(
            rows in prop::collection::vec(prop::collection::vec("[ab]{0,3}", 0..3), 0..40),
            removed in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
            value in "[ab]{0,2}",
        ) {
            let (mut column, mut plain) = (Texts::default(), Vec::<Vec<String>>::new());
            for texts in rows {
                // In front of the middle, so that rows move.
                let row = plain.len() / 2;
                column.insert(row, texts.iter().map(String::as_str));
                plain.insert(row, texts);
            }
            for index in removed {
                if !plain.is_empty() {
                    let row = index.index(plain.len());
                    column.remove(row);
                    plain.remove(row);
                }
            }
            for (how, holds) in [
                (Match::Whole, (|text, value| text == value) as fn(&str, &str) -> bool),
                (Match::Start, |text, value| text.starts_with(value)),
                (Match::Part, |text, value| text.contains(value)),
            ] {
                let expected: Vec<_> = (0..plain.len()).filter(|row| plain[*row].iter().any(|text| holds(text, &value))).collect();
                prop_assert_eq!(column.find(&finder(&value, how)).iter().collect::<Vec<_>>(), expected, "{:?}", how);
            }
        }
    }
}
