//! The pages of one connector.

mod began;
mod coverage;
pub mod create;
pub mod delete;
pub mod documents;
mod filled;
mod form_preview;
pub mod history;
mod life_cycle;
pub mod metadata;
pub mod overview;
mod page;
mod path;
mod pretty;
pub mod preview;
pub mod release;
pub mod settings;
pub mod translations;
mod unfinished;
