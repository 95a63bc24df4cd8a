//! Why a filter is not accepted: the place in its text, and what would be right there.

/// Why a filter is not accepted, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {reason}")]
pub struct FilterError {
    /// The column in the filter in characters, from 1.
    pub column: usize,
    /// What is wrong there, and what would be right.
    pub reason: String,
}

/// An error at a byte of the filter, before the column is counted.
pub(super) struct OffsetError {
    at: usize,
    reason: String,
}

impl OffsetError {
    pub fn new(at: usize, reason: impl Into<String>) -> Self {
        Self { at, reason: reason.into() }
    }

    /// The same error with its column in a filter.
    pub fn in_filter(self, text: &str) -> FilterError {
        let before = text.char_indices().take_while(|(offset, _)| *offset < self.at).count();
        FilterError { column: before + 1, reason: self.reason }
    }
}
