//! A source config as the form that it describes: menus, sections and fields with their texts in a locale.
//!
//! Unknown elements are left out and unknown field types keep their name, as the service does: a newer form is shown as
//! far as it is understood.

use std::collections::HashMap;

use roxmltree::Node;

use super::SourceConfig;
use super::xml;
use crate::Locale;
use crate::translations::Translations;

/// A form that an administrator fills in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// Its pages.
    pub menus: Vec<Menu>,
}

/// A page of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Menu {
    /// Its title; empty for the fields that come before any menu.
    pub label: String,
    /// Its parts.
    pub sections: Vec<Section>,
}

/// A part of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Its title.
    pub label: String,
    /// What it is for; may hold markup.
    pub info: Option<String>,
    /// Where more is written: an address and its text.
    pub link: Option<(String, String)>,
    /// When it is shown.
    pub condition: Option<Condition>,
    /// Its fields.
    pub fields: Vec<Field>,
}

/// Something to fill in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name in the source's configuration.
    pub name: String,
    /// What it is called.
    pub label: String,
    /// Its type, such as `text`, `secret` or `toggle`.
    pub field_type: String,
    /// Whether it must be filled in.
    pub required: bool,
    /// Whether it is never shown.
    pub hidden: bool,
    /// What it has to begin with.
    pub default: Option<String>,
    /// An example of a value.
    pub placeholder: Option<String>,
    /// An explanation; may hold markup.
    pub help: Option<String>,
    /// How many characters it takes.
    pub max_length: Option<u32>,
    /// The values to choose from.
    pub options: Vec<Choice>,
    /// When it is shown.
    pub condition: Option<Condition>,
}

/// A value to choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// What it is called.
    pub label: String,
    /// The value.
    pub value: String,
}

/// Something is shown while another field has one of these values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The other field's name.
    pub field: String,
    /// The values, separated by commas where there are several.
    pub value: String,
}

impl Condition {
    fn holds_for(&self, value: &str) -> bool {
        value == self.value || self.value.split(',').any(|one| one.trim() == value)
    }
}

impl Field {
    /// The value before anyone chooses one: a switch without a default is off.
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

    /// Whether a condition holds before anything is filled in. A field that is not shown has no value.
    pub fn holds_initially(&self, condition: Option<&Condition>) -> bool {
        let mut condition = condition;
        // Conditions may form a circle; none of its members is shown then.
        for _ in 0..=self.fields().count() {
            let Some(current) = condition else { return true };
            let Some(parent) = self.fields().find(|field| field.name == current.field) else { return false };
            if !current.holds_for(parent.initial()) {
                return false;
            }
            condition = parent.condition.as_ref();
        }
        false
    }
}

impl SourceConfig {
    /// The form with a locale's texts: where the locale has none the English ones, and where there is none the keys.
    pub fn form(&self, translations: &Translations, locale: Locale) -> Form {
        let tree = xml::parse_checked(&self.0);
        let reading = Reading { texts: translations.texts(locale) };
        let root = tree.root_element();
        let base = elements(root, "BaseConfig").flat_map(|base| elements(base, "Field"));
        let base: Vec<_> = base.map(|field| reading.field(field)).collect();
        let mut menus = Vec::new();
        if !base.is_empty() {
            let section = Section { label: String::new(), info: None, link: None, condition: None, fields: base };
            menus.push(Menu { label: String::new(), sections: vec![section] });
        }
        menus.extend(elements(root, "Menu").map(|menu| reading.menu(menu)));
        Form { menus }
    }
}

fn elements<'a, 'input>(parent: Node<'a, 'input>, name: &'static str) -> impl Iterator<Item = Node<'a, 'input>> {
    parent.children().filter(move |node| node.tag_name().name() == name)
}

struct Reading {
    texts: HashMap<String, String>,
}

impl Reading {
    fn text(&self, node: Node<'_, '_>, attribute: &str) -> Option<String> {
        let key = node.attribute(attribute).filter(|key| !key.is_empty())?;
        Some(self.texts.get(key).map_or(key, String::as_str).to_owned())
    }

    fn menu(&self, menu: Node<'_, '_>) -> Menu {
        let sections = elements(menu, "Section").map(|section| self.section(section)).collect();
        Menu { label: self.text(menu, "label").unwrap_or_default(), sections }
    }

    fn section(&self, section: Node<'_, '_>) -> Section {
        let link = section.attribute("docLink").map(|address| {
            let text = self.text(section, "docLinkLabel").unwrap_or_else(|| address.to_owned());
            (address.to_owned(), text)
        });
        Section {
            label: self.text(section, "label").unwrap_or_default(),
            info: self.text(section, "sectionInfo"),
            link,
            condition: condition(section),
            fields: elements(section, "Field").map(|field| self.field(field)).collect(),
        }
    }

    fn field(&self, field: Node<'_, '_>) -> Field {
        let name = field.attribute("name").unwrap_or_default();
        let flag = |name: &str| field.attribute(name) == Some("true");
        let options = elements(field, "AllowedValues").flat_map(|values| elements(values, "Option")).map(|option| {
            let value = option.attribute("value").unwrap_or_default();
            Choice { label: self.text(option, "label").unwrap_or_else(|| value.to_owned()), value: value.to_owned() }
        });
        Field {
            name: name.to_owned(),
            label: self.text(field, "displayName").unwrap_or_else(|| name.to_owned()),
            field_type: field.attribute("type").unwrap_or("text").to_owned(),
            required: flag("required"),
            hidden: flag("hidden"),
            default: field.attribute("defaultValue").map(str::to_owned),
            placeholder: self.text(field, "placeHolder"),
            help: self.text(field, "helpKey"),
            max_length: field.attribute("maxlength").and_then(|length| length.parse().ok()),
            options: options.collect(),
            condition: condition(field),
        }
    }
}

fn condition(node: Node<'_, '_>) -> Option<Condition> {
    let field = node.attribute("parentKey").filter(|key| !key.is_empty())?;
    Some(Condition { field: field.to_owned(), value: node.attribute("parentValue").unwrap_or("true").to_owned() })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::document::FORM_NAMESPACE;
    use crate::translations::Properties;

    fn form(body: &str, german: &str) -> Form {
        let text = format!(
            "<Form xmlns=\"{FORM_NAMESPACE}\"><Menu label='m'><Section label='s'>{body}</Section></Menu></Form>"
        );
        let german = Properties::parse(german.as_bytes()).expect("valid");
        let translations = Translations(BTreeMap::from([(Locale::De, german)]));
        SourceConfig::parse(text.as_bytes()).expect("a form").form(&translations, Locale::De)
    }

    #[test]
    fn texts_and_choices_are_the_locales() {
        let form = form(
            "<Field name='a' displayName='k' type='select' defaultValue='2' required='true'>\
             <AllowedValues><Option label='one' value='1'/><Option value='2'/></AllowedValues></Field>",
            "k=Wahl\none=eins\nm=Menü",
        );
        assert_eq!((form.menus[0].label.as_str(), form.menus[0].sections[0].label.as_str()), ("Menü", "s"));
        let field = form.fields().next().expect("a field");
        assert_eq!((field.label.as_str(), field.initial(), field.required), ("Wahl", "2", true));
        let choices: Vec<_> = field.options.iter().map(|choice| (&*choice.label, &*choice.value)).collect();
        assert_eq!(choices, [("eins", "1"), ("2", "2")]);
    }

    #[test]
    fn a_field_is_shown_while_its_parent_is_shown_and_has_its_value() {
        let form = form(
            "<Field name='tls' type='toggle'/><Field name='start' type='toggle' parentKey='tls' parentValue='false'/>\
             <Field name='port' parentKey='start' parentValue='true, 1'/><Field name='x' parentKey='y' parentValue=''/>\
             <Field name='y' parentKey='x' parentValue=''/><Field name='z' parentKey='gone'/>",
            "",
        );
        let shown: Vec<_> = form
            .fields()
            .filter(|field| form.holds_initially(field.condition.as_ref()))
            .map(|field| field.name.as_str())
            .collect();
        assert_eq!(shown, ["tls", "start"]);
    }
}
