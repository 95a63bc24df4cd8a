//! What all pages have in common: the reader, the layout, forms, errors, and parts that several pages show.

pub mod assets;
pub mod badges;
pub mod copy;
pub mod diff;
pub mod error;
pub mod error_page;
pub mod form;
pub mod html_bytes;
pub mod layer;
pub mod layout;
pub mod list_tabs;
pub mod notes;
pub mod older;
pub mod query;
pub mod revision_table;
pub mod success;
pub mod texts;
pub mod view;
pub mod visitor;
