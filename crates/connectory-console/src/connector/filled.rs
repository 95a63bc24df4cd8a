//! What a form of a connector is filled with, and the entity tag that it sends.

/// What a form is filled with.
pub enum Filled {
    /// What is stored.
    Stored,
    /// What was typed, by someone who has seen what is stored now.
    Typed,
    /// What was typed in a form that began with this entity tag.
    TypedSince(String),
}

impl Filled {
    /// The entity tag that the form begins with. `stored` is that of what is stored.
    pub fn base<'a>(&'a self, stored: &'a str) -> &'a str {
        if let Self::TypedSince(base) = self { base } else { stored }
    }

    /// Whether it is something else than what is stored.
    pub const fn is_typed(&self) -> bool {
        !matches!(self, Self::Stored)
    }
}
