//! Java `.properties` texts, stored byte for byte.
//!
//! Such files come as UTF-8 or as ISO-8859-1 with `\uXXXX` escapes. ISO-8859-1 maps bytes to the first 256 characters
//! one to one, so a text and its encoding are enough to give back the very bytes that were stored.

mod doubt;
mod edit;
mod read;
mod text;
mod write;

pub use doubt::Doubt;
pub use read::{PropertiesError, Property};
pub use text::{Properties, SHORT_DESCRIPTION};

#[cfg(test)]
mod tests;
