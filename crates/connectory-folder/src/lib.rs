//! A connector as files: for git, for the command line, for the console and for `--catalog`.
//!
//! [`Folder`] is the content of a connector folder, [`disk`] reads folders on a disk, [`pull`] writes them there, and
//! [`lint`] checks them without a server. Only [`disk`] and [`pull`] do I/O.
#![doc = include_str!("../README.md")]

mod description;
pub mod disk;
mod error;
mod folder;
pub mod folder_name;
pub mod lint;
pub mod pull;
mod whole_file;

pub use description::{CONNECTOR_FILE, Description};
pub use error::{FileError, FolderError};
pub use folder::{Files, Folder};
pub use whole_file::write_whole;
