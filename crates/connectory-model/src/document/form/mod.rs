//! A source config as the form that it describes: menus, sections and fields with their texts in a locale.
//!
//! Unknown elements are left out and unknown field types keep their name, as the service does: a newer form is shown as
//! far as it is understood.

mod cut;
mod read;
mod show;
mod types;

pub use types::{Choice, Condition, Field, Form, Menu, Section, Text};

#[cfg(test)]
mod tests;
