//! Reading a form from a source config, with the texts of a locale in the place of their keys.

use std::collections::HashMap;
use std::sync::Arc;

use roxmltree::Node;

use super::types::{Choice, Condition, Field, Form, Menu, Section, Text};
use crate::Locale;
use crate::document::source_config::SourceConfig;
use crate::document::xml;
use crate::translations::Translations;

impl SourceConfig {
    /// The form with the texts of a locale. Where the locale has no text the English one is shown, or else the key.
    pub fn form(&self, translations: &Translations, locale: Locale) -> Form {
        let tree = xml::parse_checked(self.as_str());
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
