//! What a form consists of.

use std::sync::Arc;

/// A form that an administrator fills in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// The pages of the form.
    pub menus: Vec<Menu>,
}

/// A text of a translation, shared by all places of a form that show it.
pub type Text = Arc<str>;

/// A page of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Menu {
    /// The title; empty for the fields in front of the first menu.
    pub label: Text,
    /// The parts of the page.
    pub sections: Vec<Section>,
}

/// A part of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Its title.
    pub label: Text,
    /// An explanation, which may contain markup.
    pub info: Option<Text>,
    /// A link to documentation: its address and its text.
    pub link: Option<(String, Text)>,
    /// The condition under which it is shown.
    pub condition: Option<Condition>,
    /// Whether it is shown before anything is filled in.
    pub is_shown: bool,
    /// The fields of the part.
    pub fields: Vec<Field>,
}

/// A value to fill in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name in the configuration of a source.
    pub name: String,
    /// Its label.
    pub label: Text,
    /// Its type, such as `text`, `secret` or `toggle`.
    pub field_type: String,
    /// Whether it must be filled in.
    pub required: bool,
    /// Whether it is never shown.
    pub hidden: bool,
    /// The value of a new source.
    pub default: Option<String>,
    /// An example of a value.
    pub placeholder: Option<Text>,
    /// An explanation, which may contain markup.
    pub help: Option<Text>,
    /// The largest number of characters.
    pub max_length: Option<u32>,
    /// The values to choose from.
    pub options: Vec<Choice>,
    /// The condition under which it is shown.
    pub condition: Option<Condition>,
    /// Whether its condition holds before anything is filled in.
    pub is_shown: bool,
}

/// A value to choose from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Its label.
    pub label: Text,
    /// The value.
    pub value: String,
}

/// A condition: another field has one of these values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The other field's name.
    pub field: String,
    /// The values, separated by commas where there are several.
    pub value: String,
}

impl Field {
    /// The value before the administrator chooses one. A switch without a default is off.
    pub fn initial(&self) -> &str {
        let off = matches!(self.field_type.as_str(), "toggle" | "checkbox" | "boolean");
        self.default.as_deref().unwrap_or(if off { "false" } else { "" })
    }
}

impl Form {
    /// Every field.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.menus.iter().flat_map(|menu| &menu.sections).flat_map(|section| &section.fields)
    }
}
