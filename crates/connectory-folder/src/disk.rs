//! Why connector folders on a disk cannot be read.

use std::io;
use std::path::{Path, PathBuf};

use crate::description::CONNECTOR_FILE;

/// Why folders cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The system could not do something with a path.
    #[error("cannot {action} {}", .path.display())]
    Io {
        /// What was tried: `read`, `create`, `write` or `remove`.
        action: &'static str,
        /// The path.
        path: PathBuf,
        /// The system's error.
        #[source]
        error: io::Error,
    },
    /// There is no connector folder. The second path is one that has some.
    #[error("{} has no connector folder, which is one with a {CONNECTOR_FILE} in it{}", .0.display(), nested(.1.as_deref()))]
    Empty(PathBuf, Option<PathBuf>),
}

fn nested(path: Option<&Path>) -> String {
    path.map(|path| format!("; {} has some", path.display())).unwrap_or_default()
}

impl DiskError {
    /// The error of an action on a path.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Io { action, path: path.to_owned(), error }
    }
}
