//! A connector as files: for git, for the command line, for the console and for `--catalog`.
//!
//! [`Folder`] is the content of a connector folder, [`local`] reads folders on a disk, [`pull`] writes them there, and
//! [`lint`] checks them without a server. [`packed`] writes folders into a zip file, and [`upload`] reads what someone sends.
//! Only [`local`] and [`pull`] touch a disk.
#![doc = include_str!("../README.md")]

mod as_written;
mod description;
pub mod disk;
mod error;
mod folder;
pub mod folder_name;
pub mod lint;
pub mod local;
pub mod packed;
pub mod pull;
mod rename;
mod similar;
pub mod upload;
pub mod vocabulary;
mod whole_file;

pub use description::{CONNECTOR_FILE, Description};
pub use error::{FileError, FolderError, UnknownMember};
pub use folder::{Files, Folder};
pub use similar::{closest, is_almost, question};
pub use whole_file::{write_whole, write_whole_folder};
