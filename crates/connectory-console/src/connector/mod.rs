//! The pages of one connector.

mod began;
pub mod compare;
pub mod coverage;
pub mod create;
pub mod delete;
mod differences;
pub mod documents;
pub mod download;
pub mod duplicate;
mod filled;
mod form_preview;
pub mod history;
pub mod import;
mod life_cycle;
pub mod metadata;
pub mod new_name;
pub mod overview;
mod page;
mod path;
mod pretty;
pub mod preview;
pub mod release;
pub mod restore;
pub mod settings;
pub mod translations;
mod undoable;
pub mod unfinished;
