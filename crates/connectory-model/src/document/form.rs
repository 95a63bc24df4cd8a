//! A source config as the form that it describes: menus, sections and fields with their texts in a locale.
//!
//! Unknown elements are left out and unknown field types keep their name, as the service does: a newer form is shown as
//! far as it is understood.

use std::collections::HashMap;
use std::sync::Arc;

use roxmltree::Node;

use super::source_config::SourceConfig;
use super::xml;
use crate::Locale;
use crate::translations::Translations;

/// A form that an administrator fills in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// Its pages.
    pub menus: Vec<Menu>,
}

/// A text of a translation, which may stand in many places of a form.
pub type Text = Arc<str>;

/// A page of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Menu {
    /// Its title; empty for the fields that come before any menu.
    pub label: Text,
    /// Its parts.
    pub sections: Vec<Section>,
}

/// A part of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Its title.
    pub label: Text,
    /// What it is for; may hold markup.
    pub info: Option<Text>,
    /// Where more is written: an address and its text.
    pub link: Option<(String, Text)>,
    /// When it is shown.
    pub condition: Option<Condition>,
    /// Whether it is shown before anything is filled in.
    pub is_shown: bool,
    /// Its fields.
    pub fields: Vec<Field>,
}

/// Something to fill in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name in the source's configuration.
    pub name: String,
    /// What it is called.
    pub label: Text,
    /// Its type, such as `text`, `secret` or `toggle`.
    pub field_type: String,
    /// Whether it must be filled in.
    pub required: bool,
    /// Whether it is never shown.
    pub hidden: bool,
    /// What it has to begin with.
    pub default: Option<String>,
    /// An example of a value.
    pub placeholder: Option<Text>,
    /// An explanation; may hold markup.
    pub help: Option<Text>,
    /// How many characters it takes.
    pub max_length: Option<u32>,
    /// The values to choose from.
    pub options: Vec<Choice>,
    /// When it is shown.
    pub condition: Option<Condition>,
    /// Whether its condition holds before anything is filled in.
    pub is_shown: bool,
}

/// A value to choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// What it is called.
    pub label: Text,
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
    fn bytes(&self) -> usize {
        self.field.len() + self.value.len()
    }

    fn holds_for(&self, value: &str) -> bool {
        value == self.value || self.value.split(',').any(|one| one.trim() == value)
    }
}

impl Field {
    /// How many bytes its texts have, its options' not counted.
    fn bytes(&self) -> usize {
        let text = |text: &Option<Text>| text.as_ref().map_or(0, |text| text.len());
        let condition = self.condition.as_ref().map_or(0, Condition::bytes);
        let default = self.default.as_ref().map_or(0, String::len);
        let own = self.name.len() + self.label.len() + self.field_type.len();
        own + default + text(&self.placeholder) + text(&self.help) + condition
    }

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

    /// Takes out all that comes after so many menus, sections, fields and options, or after so many bytes of texts.
    /// Returns whether there was any.
    pub fn cut(&mut self, parts: usize, bytes: usize) -> bool {
        let mut left = Left { parts, bytes };
        let mut kept = 0;
        for menu in &mut self.menus {
            if !left.fits(menu.label.len()) {
                break;
            }
            kept += 1;
            if menu.cut(&mut left) {
                self.menus.truncate(kept);
                return true;
            }
        }
        let was_cut = kept < self.menus.len();
        self.menus.truncate(kept);
        was_cut
    }

    /// Finds what is shown before anything is filled in. A field that is not shown has no value.
    fn show(&mut self) {
        let by_name = {
            let mut fields = HashMap::new();
            for field in self.fields() {
                fields.entry(field.name.as_str()).or_insert(field);
            }
            let mut shown = HashMap::with_capacity(fields.len());
            for field in fields.values() {
                follow(field, &fields, &mut shown);
            }
            let values = fields.into_iter().map(|(name, field)| {
                let value = shown.get(name).is_some_and(|shown| *shown).then(|| field.initial().to_owned());
                (name.to_owned(), value)
            });
            values.collect::<HashMap<_, _>>()
        };
        let holds = |condition: &Option<Condition>| {
            condition.as_ref().is_none_or(|condition| {
                by_name.get(&condition.field).and_then(Option::as_ref).is_some_and(|value| condition.holds_for(value))
            })
        };
        for section in self.menus.iter_mut().flat_map(|menu| &mut menu.sections) {
            section.is_shown = holds(&section.condition);
            for field in &mut section.fields {
                field.is_shown = holds(&field.condition);
            }
        }
    }
}

/// Finds whether a field is shown, and each that this depends on.
fn follow<'a>(field: &'a Field, fields: &HashMap<&'a str, &'a Field>, shown: &mut HashMap<&'a str, bool>) {
    let (mut field, mut path) = (field, Vec::new());
    let is_shown = loop {
        if let Some(known) = shown.get(field.name.as_str()) {
            break *known;
        }
        // Conditions may form a circle; none of its members is shown then.
        shown.insert(&field.name, false);
        path.push(&field.name);
        let Some(condition) = &field.condition else { break true };
        let Some(parent) = fields.get(condition.field.as_str()) else { break false };
        if !condition.holds_for(parent.initial()) {
            break false;
        }
        field = parent;
    };
    shown.extend(path.into_iter().map(|name| (name.as_str(), is_shown)));
}

/// How much of a form may still be shown.
struct Left {
    parts: usize,
    bytes: usize,
}

impl Left {
    /// Whether a part with so many bytes of texts may be shown; after the first that may not, none may.
    fn fits(&mut self, bytes: usize) -> bool {
        let left = self.parts.checked_sub(1).zip(self.bytes.checked_sub(bytes));
        (self.parts, self.bytes) = left.unwrap_or_default();
        left.is_some()
    }
}

impl Menu {
    fn cut(&mut self, left: &mut Left) -> bool {
        let mut kept = 0;
        for section in &mut self.sections {
            let condition = section.condition.as_ref().map_or(0, Condition::bytes);
            let link = section.link.as_ref().map_or(0, |(address, text)| address.len() + text.len());
            if !left.fits(section.label.len() + section.info.as_ref().map_or(0, |info| info.len()) + link + condition) {
                break;
            }
            kept += 1;
            if section.cut(left) {
                self.sections.truncate(kept);
                return true;
            }
        }
        let was_cut = kept < self.sections.len();
        self.sections.truncate(kept);
        was_cut
    }
}

impl Section {
    fn cut(&mut self, left: &mut Left) -> bool {
        let mut kept = 0;
        for field in &mut self.fields {
            if !left.fits(field.bytes()) {
                break;
            }
            kept += 1;
            let options = field.options.iter();
            let fitting = options.take_while(|choice| left.fits(choice.label.len() + choice.value.len())).count();
            if fitting < field.options.len() {
                field.options.truncate(fitting);
                self.fields.truncate(kept);
                return true;
            }
        }
        let was_cut = kept < self.fields.len();
        self.fields.truncate(kept);
        was_cut
    }
}

impl SourceConfig {
    /// The form with a locale's texts: where the locale has none the English ones, and where there is none the keys.
    pub fn form(&self, translations: &Translations, locale: Locale) -> Form {
        let tree = xml::parse_checked(&self.0);
        let texts = translations.texts(locale).into_iter().map(|(key, text)| (key, text.into())).collect();
        let reading = Reading { texts };
        let root = tree.root_element();
        let base = elements(root, "BaseConfig").flat_map(|base| elements(base, "Field"));
        let base: Vec<_> = base.map(|field| reading.field(field)).collect();
        let mut menus = Vec::new();
        if !base.is_empty() {
            let label = Text::from("");
            let section = Section { label, info: None, link: None, condition: None, is_shown: true, fields: base };
            menus.push(Menu { label: Text::from(""), sections: vec![section] });
        }
        menus.extend(elements(root, "Menu").map(|menu| reading.menu(menu)));
        let mut form = Form { menus };
        form.show();
        form
    }
}

fn elements<'a, 'input>(parent: Node<'a, 'input>, name: &'static str) -> impl Iterator<Item = Node<'a, 'input>> {
    parent.children().filter(move |node| node.tag_name().name() == name)
}

struct Reading {
    texts: HashMap<String, Text>,
}

impl Reading {
    fn text(&self, node: Node<'_, '_>, attribute: &str) -> Option<Text> {
        let key = node.attribute(attribute).filter(|key| !key.is_empty())?;
        Some(self.texts.get(key).map_or_else(|| key.into(), Arc::clone))
    }

    fn menu(&self, menu: Node<'_, '_>) -> Menu {
        let sections = elements(menu, "Section").map(|section| self.section(section)).collect();
        Menu { label: self.text(menu, "label").unwrap_or_else(|| "".into()), sections }
    }

    fn section(&self, section: Node<'_, '_>) -> Section {
        let link = section.attribute("docLink").map(|address| {
            let text = self.text(section, "docLinkLabel").unwrap_or_else(|| address.into());
            (address.to_owned(), text)
        });
        Section {
            label: self.text(section, "label").unwrap_or_else(|| "".into()),
            info: self.text(section, "sectionInfo"),
            link,
            condition: condition(section),
            is_shown: true,
            fields: elements(section, "Field").map(|field| self.field(field)).collect(),
        }
    }

    fn field(&self, field: Node<'_, '_>) -> Field {
        let name = field.attribute("name").unwrap_or_default();
        let flag = |name: &str| field.attribute(name) == Some("true");
        let options = elements(field, "AllowedValues").flat_map(|values| elements(values, "Option")).map(|option| {
            let value = option.attribute("value").unwrap_or_default();
            Choice { label: self.text(option, "label").unwrap_or_else(|| value.into()), value: value.to_owned() }
        });
        Field {
            name: name.to_owned(),
            label: self.text(field, "displayName").unwrap_or_else(|| name.into()),
            field_type: field.attribute("type").unwrap_or("text").to_owned(),
            required: flag("required"),
            hidden: flag("hidden"),
            default: field.attribute("defaultValue").map(str::to_owned),
            placeholder: self.text(field, "placeHolder"),
            help: self.text(field, "helpKey"),
            max_length: field.attribute("maxlength").and_then(|length| length.parse().ok()),
            options: options.collect(),
            condition: condition(field),
            is_shown: true,
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
        assert_eq!((&*form.menus[0].label, &*form.menus[0].sections[0].label), ("Menü", "s"));
        let field = form.fields().next().expect("a field");
        assert_eq!((&*field.label, field.initial(), field.required), ("Wahl", "2", true));
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
        assert_eq!(shown(&form), ["tls", "start"]);
    }

    fn shown(form: &Form) -> Vec<&str> {
        form.fields().filter(|field| field.is_shown).map(|field| field.name.as_str()).collect()
    }

    #[test]
    fn of_fields_with_one_name_the_first_decides() {
        let form = form(
            "<Field name='a' defaultValue='1'/><Field name='a' defaultValue='2'/>\
             <Field name='b' parentKey='a' parentValue='1'/><Field name='c' parentKey='a' parentValue='2'/>",
            "",
        );
        assert_eq!(shown(&form), ["a", "a", "b"]);
    }

    #[test]
    fn long_chains_and_circles_of_fields_are_followed_once() {
        let field =
            |n: usize, of: usize| format!("<Field name='f{n}' defaultValue='1' parentKey='f{of}' parentValue='1'/>");
        for first in [0, 11_999] {
            // From the last to the first, so that every chain is as long as it can be.
            let first_is_shown = first == 0;
            let first = if first_is_shown { "<Field name='f0' defaultValue='1'/>".to_owned() } else { field(0, first) };
            let fields = (1..12_000).rev().map(|n| field(n, n - 1)).collect::<Vec<_>>().concat() + &first;
            let config = format!("<Form xmlns=\"{FORM_NAMESPACE}\"><Menu><Section>{fields}</Section></Menu></Form>");
            let config = SourceConfig::parse(config.as_bytes()).expect("a form");
            let start = std::time::Instant::now();
            let form = config.form(&Translations::default(), Locale::En);
            assert_eq!(shown(&form).len(), if first_is_shown { 12_000 } else { 0 });
            assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
        }
    }

    #[test]
    fn a_long_form_is_cut_after_so_many_parts_or_bytes() {
        let fields = "<Field name='a'><AllowedValues><Option value='1'/><Option value='2'/></AllowedValues></Field>";
        let whole = || form(&fields.repeat(3), "");
        let count =
            |form: &Form| (form.fields().count(), form.fields().map(|field| field.options.len()).sum::<usize>());
        for (parts, bytes, expected) in [
            (11, 1000, (3, 6, false)),
            (10, 1000, (3, 5, true)),
            (8, 1000, (2, 4, true)),
            (6, 1000, (2, 2, true)),
            (2, 1000, (0, 0, true)),
            (0, 1000, (0, 0, true)),
            // A menu and a section of a byte, and fields of six with options of two each.
            (100, 32, (3, 6, false)),
            (100, 31, (3, 5, true)),
            (100, 1, (0, 0, true)),
        ] {
            let mut form = whole();
            let was_cut = form.cut(parts, bytes);
            let (fields, options) = count(&form);
            assert_eq!((fields, options, was_cut), expected, "{parts} {bytes}");
        }
    }

    #[test]
    fn a_text_of_many_fields_is_kept_once() {
        let form = form(&"<Field name='a' displayName='k'/>".repeat(1000), &format!("k={}", "x".repeat(100_000)));
        let label = &form.fields().next().expect("a field").label;
        assert!(form.fields().all(|field| Arc::ptr_eq(&field.label, label)));
    }
}
