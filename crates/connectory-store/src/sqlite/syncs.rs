//! Whether commits are synced to the disk.

/// Whether a commit waits until it is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syncs {
    /// It does.
    Full,
    /// It does not. A crash of the system may damage the database.
    Off,
}

impl Syncs {
    /// The value of SQLite's setting `synchronous`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "FULL",
            Self::Off => "OFF",
        }
    }
}
