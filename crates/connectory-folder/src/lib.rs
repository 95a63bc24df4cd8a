//! A connector as files: for git, for the command line, for the console and for `--catalog`.
//!
//! [`Folder`] is the content of a connector folder, [`disk`] reads and writes folders on a disk, and [`lint`] checks
//! them without a server. Only [`disk`] does I/O.
#![doc = include_str!("../README.md")]

mod description;
pub mod disk;
mod error;
mod folder;
pub mod lint;

pub use description::{CONNECTOR_FILE, Description};
pub use error::{FileError, FolderError};
pub use folder::{Files, Folder};
