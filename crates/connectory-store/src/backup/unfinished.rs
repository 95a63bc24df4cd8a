//! What a database has while a copy into it is not finished. It is stored beside the rows, in the same transactions.

/// A copy that is not finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unfinished {
    /// Where the source is, as `--database` takes it, without secrets.
    pub from: String,
    /// The state of the source when the copy began.
    pub state: String,
    /// How far the copy came.
    pub position: Position,
}

/// How far a copy came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    /// The number of records.
    pub records: i64,
    /// The SHA-256 of these records, in hexadecimal.
    pub sha256: String,
}
