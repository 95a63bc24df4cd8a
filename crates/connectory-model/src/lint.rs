//! Checks of a connector folder that need no server: what the service would refuse, and what it would accept although
//! nobody means it.
//!
//! Every finding names its file and the bytes in it, so that whoever shows it can underline them. Findings whose remedy
//! is mechanical carry it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Range;

use roxmltree::{Attribute, Document as Tree, Node};

use crate::document::{DocumentKind, FORM_NAMESPACE, Malformed, TRANSLATED, parse, utf8};
use crate::folder::{CONNECTOR_FILE, Description, Files, locale_tag};
use crate::limits::MEMBER_CHARS;
use crate::lines::Lines;
use crate::translations::{Entry, Properties, PropertiesError, SHORT_DESCRIPTION};
use crate::{Locale, ScriptName};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The connector would be refused, or would not work.
    Error,
    /// Probably not what was meant.
    Warning,
}

/// What is checked.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name, by which it is found in the documentation.
    pub id: &'static str,
    /// How bad its findings are.
    pub level: Level,
    /// What it wants, as a sentence.
    pub description: &'static str,
}

macro_rules! rules {
    ($($name:ident = $level:ident $id:literal: $description:literal;)+) => {
        $(#[doc = $description] pub static $name: Rule = Rule { id: $id, level: Level::$level, description: $description };)+

        /// Every rule.
        pub static RULES: &[&Rule] = &[$(&$name),+];
    };
}

rules! {
    DESCRIPTION = Error "description": "connector.yaml has the members of a connector.";
    FOLDER_NAME = Error "folder-name": "A folder's name is the connector's script name.";
    MALFORMED_XML = Error "malformed-xml": "A document is well-formed XML.";
    ROOT_ELEMENT = Error "root-element": "A document has the root element of its kind.";
    SCHEMA_VERSION = Error "schema-version": "A source config uses version 2.0 of the form schema.";
    FIELD_NAME = Error "field-name": "Every field has a name.";
    DUPLICATE_FIELD = Error "duplicate-field": "Field names are unique in a source config.";
    UNKNOWN_PARENT = Error "unknown-parent": "A parentKey names a field of the source config.";
    CORRELATION_ATTRIBUTE = Error "correlation-attribute": "A correlation filter compares an attribute of the account schema.";
    CONNECTOR_NAME = Error "connector-name": "Source template and source config agree on the connector's name.";
    UNKNOWN_LOCALE = Error "unknown-locale": "Translations are in one of the 19 locales.";
    PROPERTIES_SYNTAX = Error "properties-syntax": "Translations are Java properties with valid escapes.";
    MISSING_TRANSLATION = Warning "missing-translation": "A translation key that is used has a text in every locale.";
    UNUSED_TRANSLATION = Warning "unused-translation": "A translation key is used in the source config.";
    UNTRANSLATED = Warning "untranslated": "A locale's text differs from the English one.";
    UNKNOWN_ATTRIBUTE = Warning "unknown-attribute": "Elements of a source config have known attributes.";
    UNKNOWN_FIELD_TYPE = Warning "unknown-field-type": "Fields have known types.";
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it goes against.
    pub rule: &'static Rule,
    /// The file's path in the folder.
    pub file: String,
    /// The bytes in the [`Text`] of the file; empty for the file as a whole.
    pub span: Range<usize>,
    /// What is wrong, and what would be right.
    pub message: String,
    /// What would mend it.
    pub fix: Option<Fix>,
}

/// A mechanical remedy: other text in the place of some bytes of the file's [`Text`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// What goes.
    pub range: Range<usize>,
    /// What comes.
    pub text: String,
}

/// A file's text: UTF-8, or where it is not that, ISO-8859-1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text<'a> {
    /// The decoded text.
    pub text: Cow<'a, str>,
    is_latin1: bool,
}

impl<'a> Text<'a> {
    /// Decodes a file.
    pub fn decode(bytes: &'a [u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self { text: text.into(), is_latin1: false },
            Err(_) => Self { text: encoding_rs::mem::decode_latin1(bytes), is_latin1: true },
        }
    }

    /// The file with remedies applied; of those that overlap, the first.
    pub fn fixed(&self, fixes: impl IntoIterator<Item = Fix>) -> Vec<u8> {
        let mut fixes: Vec<_> = fixes.into_iter().collect();
        fixes.sort_by_key(|fix| fix.range.start);
        let (mut fixed, mut copied) = (String::with_capacity(self.text.len()), 0);
        for Fix { range, text } in fixes {
            if range.start >= copied {
                fixed.push_str(&self.text[copied..range.start]);
                fixed.push_str(&text);
                copied = range.end;
            }
        }
        fixed.push_str(&self.text[copied..]);
        if self.is_latin1 { encoding_rs::mem::encode_latin1_lossy(&fixed).into_owned() } else { fixed.into_bytes() }
    }
}

/// Checks a folder of this name; findings are ordered by file and place.
pub fn lint(folder_name: &str, files: &Files<'_>) -> Vec<Finding> {
    Lint { findings: Vec::new(), only: None, most: usize::MAX, comparisons: COMPARISONS }.folder(folder_name, files)
}

/// The same for one file of a folder, and at most so many findings.
pub fn lint_file(folder_name: &str, files: &Files<'_>, file: &str, most: usize) -> Vec<Finding> {
    Lint { findings: Vec::new(), only: Some(file), most, comparisons: COMPARISONS }.folder(folder_name, files)
}

/// How many names are compared with those that were probably meant, in all. After that no more are offered.
const COMPARISONS: usize = 200_000;

impl Lint<'_> {
    fn folder(mut self, folder_name: &str, files: &Files<'_>) -> Vec<Finding> {
        let lint = &mut self;
        if let Err(error) = ScriptName::strict(folder_name) {
            lint.push(&FOLDER_NAME, CONNECTOR_FILE, 0..0, format!("the folder's name: {error}"));
        }
        let name = lint.description(files);
        let trees =
            DocumentKind::ALL.map(|kind| Some((kind.file_name(), lint.tree(kind, files.get(kind.file_name())?)?)));
        let [form, template, correlation] = &trees;
        let keys = form.as_ref().map(|(file, tree)| lint.form(file, tree));
        if let (Some((form_file, form)), Some((template_file, template))) = (form, template) {
            lint.names(form_file, form, template_file, template, name.as_deref());
        }
        if let (Some((_, template)), Some((file, correlation))) = (template, correlation) {
            lint.correlation(template, file, correlation);
        }
        lint.translations(files, keys.as_ref());
        self.findings.sort_by(|a, b| (&a.file, a.span.start, a.rule.id).cmp(&(&b.file, b.span.start, b.rule.id)));
        self.findings
    }
}

/// What each element of a source config may have.
const ATTRIBUTES: &[(&str, &[&str])] = &[
    ("Form", &["name", "connectorName", "type", "directConnect", "fileUpload", "status", "shortDesc"]),
    ("BaseConfig", &[]),
    ("Menu", &["name", "label"]),
    ("Section", &["name", "label", "sectionInfo", "docLink", "docLinkLabel", "parentKey", "parentValue"]),
    (
        "Field",
        &[
            "name",
            "displayName",
            "type",
            "required",
            "hidden",
            "defaultValue",
            "parentKey",
            "parentValue",
            "helpKey",
            "placeHolder",
            "maxlength",
            "maxFiles",
            "maxSize",
            "supportedExtensions",
            "validateJSON",
        ],
    ),
    ("AllowedValues", &[]),
    ("Option", &["label", "value"]),
];

const FIELD_TYPES: &[&str] = &[
    "text",
    "textarea",
    "secret",
    "url",
    "number",
    "radio",
    "checkbox",
    "toggle",
    "select",
    "list",
    "keyValue",
    "fileupload",
    "boolean",
];

/// How keys begin that cannot be texts themselves.
const KEY_PREFIXES: &[&str] =
    &["menuLabel_", "sectionLabel_", "sectionInfo_", "placeHolder_", "docLinkLabel_", "helpKey_"];

struct Lint<'f> {
    findings: Vec<Finding>,
    /// The one file whose findings are wanted, if not all are.
    only: Option<&'f str>,
    /// How many findings are wanted.
    most: usize,
    /// How many names may still be compared with those that were probably meant.
    comparisons: usize,
}

impl Lint<'_> {
    /// Whether another finding of a file is wanted.
    fn wants(&self, file: &str) -> bool {
        self.only.is_none_or(|only| only == file) && self.findings.len() < self.most
    }

    fn push(&mut self, rule: &'static Rule, file: &str, span: Range<usize>, message: impl Into<String>) {
        if self.wants(file) {
            self.findings.push(Finding { rule, file: file.to_owned(), span, message: message.into(), fix: None });
        }
    }

    /// The name that was probably meant, as the end of a sentence.
    fn similar(&mut self, name: &str, names: &HashSet<&str>) -> String {
        // A long list of names that are all wrong would be compared with itself.
        if self.comparisons < names.len() || name.len() > MEMBER_CHARS {
            return String::new();
        }
        self.comparisons -= names.len();
        similar(name, names)
    }

    /// Checks `connector.yaml`, and returns the connector's name.
    fn description(&mut self, files: &Files<'_>) -> Option<String> {
        let Some(bytes) = files.get(CONNECTOR_FILE) else {
            self.push(&DESCRIPTION, CONNECTOR_FILE, 0..0, "the file is missing; every connector folder has one");
            return None;
        };
        match Description::parse(bytes) {
            Ok(description) => Some(description.members.name),
            Err(error) => {
                let message = error.to_string();
                let text = Text::decode(bytes);
                // A sentence about a member begins with its name.
                let member = message.strip_prefix('`').and_then(|rest| rest.split_once('`')).map(|(member, _)| member);
                let line = member.and_then(|member| line_that_begins(&text.text, &format!("{member}:")));
                self.push(&DESCRIPTION, CONNECTOR_FILE, line.unwrap_or(0..0), message);
                None
            }
        }
    }

    /// A document's elements, if they can be read.
    fn tree<'a>(&mut self, kind: DocumentKind, bytes: &'a [u8]) -> Option<Tree<'a>> {
        let file = kind.file_name();
        let tree = match utf8(bytes).and_then(parse) {
            Ok(tree) => tree,
            Err(Malformed { line, column, reason }) => {
                let text = Text::decode(bytes);
                self.push(&MALFORMED_XML, file, at(&text.text, line, column), reason);
                return None;
            }
        };
        let (root, expected) = (tree.root_element(), kind.root_element());
        if root.tag_name().name() == expected {
            return Some(tree);
        }
        let message = format!("the root element is <{}>; expected <{expected}>", root.tag_name().name());
        self.push(&ROOT_ELEMENT, file, tag(root), message);
        None
    }

    /// Checks a form, and returns the translation keys that it uses, with where.
    fn form<'a>(&mut self, file: &str, tree: &'a Tree<'_>) -> BTreeMap<&'a str, Range<usize>> {
        let root = tree.root_element();
        if root.tag_name().namespace() != Some(FORM_NAMESPACE) {
            let message = format!("unsupported schema version; expected xmlns=\"{FORM_NAMESPACE}\"");
            self.push(&SCHEMA_VERSION, file, tag(root), message);
        }
        let fields: Vec<_> = root.descendants().filter(|node| node.tag_name().name() == "Field").collect();
        let names: HashSet<_> = fields.iter().filter_map(|field| field.attribute("name")).collect();
        let lines = Lines::of(tree.input_text());
        let mut seen = HashMap::new();
        for field in &fields {
            match attribute(*field, "name").filter(|name| !name.value().is_empty()) {
                None => self.push(&FIELD_NAME, file, tag(*field), "the field has no name; give it a `name` attribute"),
                Some(name) => {
                    let line = lines.number(name.range().start);
                    if let Some(first) = seen.insert(name.value(), line) {
                        let message = format!("the field `{}` stands on line {first} already", name.value());
                        self.push(&DUPLICATE_FIELD, file, name.range_value(), message);
                    }
                }
            }
            if let Some(kind) = attribute(*field, "type").filter(|kind| !FIELD_TYPES.contains(&kind.value())) {
                let message = format!("unknown field type `{}`; known are {}", kind.value(), FIELD_TYPES.join(", "));
                self.push(&UNKNOWN_FIELD_TYPE, file, kind.range_value(), message);
            }
        }
        let mut keys = BTreeMap::new();
        for node in root.descendants().filter(Node::is_element) {
            if let Some(parent) = attribute(node, "parentKey").filter(|parent| !names.contains(parent.value())) {
                let meant = self.similar(parent.value(), &names);
                let message = format!("there is no field `{}`{meant}", parent.value());
                self.push(&UNKNOWN_PARENT, file, parent.range_value(), message);
            }
            let element = node.tag_name().name();
            let known = ATTRIBUTES.iter().find(|(name, _)| *name == element).map(|(_, known)| *known);
            for attribute in node.attributes() {
                if known.is_some_and(|known| !known.contains(&attribute.name())) && attribute.namespace().is_none() {
                    let message = format!("<{element}> has no attribute `{}` that is known", attribute.name());
                    self.push(&UNKNOWN_ATTRIBUTE, file, attribute.range_qname(), message);
                }
                if TRANSLATED.contains(&attribute.name()) || matches!(attribute.name(), "helpKey" | "shortDesc") {
                    keys.entry(attribute.value()).or_insert_with(|| attribute.range_value());
                }
            }
        }
        keys
    }

    /// Checks that template and form name the same connector; `name` is the one that decides.
    fn names(
        &mut self,
        form_file: &str,
        form: &Tree<'_>,
        template_file: &str,
        template: &Tree<'_>,
        name: Option<&str>,
    ) {
        let in_form = attribute(form.root_element(), "connectorName");
        let in_template = attribute(template.root_element(), "name");
        let (Some(in_form), Some(in_template)) = (in_form, in_template) else { return };
        if in_form.value() == in_template.value() {
            return;
        }
        let message = format!(
            "the source config is of `{}`, the source template of `{}`{}",
            in_form.value(),
            in_template.value(),
            name.map(|name| format!("; the connector's name is `{name}`")).unwrap_or_default(),
        );
        let wrong = [(form_file, in_form), (template_file, in_template)].into_iter();
        for (file, attribute) in wrong.filter(|(_, attribute)| Some(attribute.value()) != name) {
            let fix = name
                .map(|name| Fix { range: attribute.range_value(), text: quick_xml::escape::escape(name).into_owned() });
            if !self.wants(file) {
                continue;
            }
            let (span, message) = (attribute.range_value(), message.clone());
            self.findings.push(Finding { rule: &CONNECTOR_NAME, file: file.to_owned(), span, message, fix });
        }
    }

    fn correlation(&mut self, template: &Tree<'_>, file: &str, correlation: &Tree<'_>) {
        let schemas = template.descendants().filter(|node| {
            node.tag_name().name() == "Schema" && node.attribute("objectType").is_none_or(|kind| kind == "account")
        });
        let attributes: HashSet<_> = schemas
            .flat_map(|schema| schema.descendants())
            .filter(|node| node.tag_name().name() == "AttributeDefinition")
            .filter_map(|node| node.attribute("name"))
            .collect();
        // Which of the two names the account's attribute is documented nowhere, so one of them is enough.
        for filter in correlation.descendants().filter(|node| node.tag_name().name() == "Filter") {
            let (Some(property), Some(value)) = (filter.attribute("property"), filter.attribute("value")) else {
                continue;
            };
            if !attributes.contains(property) && !attributes.contains(value) {
                let meant = [property, value].map(|name| self.similar(name, &attributes)).concat();
                let message = format!(
                    "neither `{property}` nor `{value}` is an attribute of the source template's account schema{meant}"
                );
                self.push(&CORRELATION_ATTRIBUTE, file, filter.range(), message);
            }
        }
    }

    fn translations(&mut self, files: &Files<'_>, used: Option<&BTreeMap<&str, Range<usize>>>) {
        let mut locales = BTreeMap::new();
        for (path, bytes) in files {
            let Some(tag) = locale_tag(path) else { continue };
            let locale = match tag.parse::<Locale>() {
                Ok(locale) => locale,
                Err(error) => {
                    self.push(&UNKNOWN_LOCALE, path, 0..0, error.to_string());
                    continue;
                }
            };
            match Properties::parse(bytes) {
                Ok(properties) => {
                    locales.insert(locale, (path, properties.lines(), properties));
                }
                Err(PropertiesError::Line { line, reason }) => {
                    let text = Text::decode(bytes);
                    self.push(&PROPERTIES_SYNTAX, path, Lines::of(&text.text).span(line), reason);
                }
                Err(error @ PropertiesError::Binary(_)) => {
                    self.push(&PROPERTIES_SYNTAX, path, 0..0, error.to_string());
                }
            }
        }
        let Some(used) = used else { return };
        let is_used = |key: &str| key == SHORT_DESCRIPTION || used.contains_key(key);
        let english: HashMap<_, _> = locales
            .get(&Locale::En)
            .into_iter()
            .flat_map(|(_, lines, _)| lines.iter().map(|e| (&*e.key, &*e.value)))
            .collect();
        let translated: BTreeSet<_> =
            locales.values().flat_map(|(_, lines, _)| lines.iter().map(|entry| entry.key.as_str())).collect();
        for (locale, (path, lines, properties)) in &locales {
            if !self.wants(path) {
                continue;
            }
            let text = Lines::of(properties.text());
            for Entry { line, key, value } in lines {
                if !self.wants(path) {
                    break;
                }
                if !is_used(key) {
                    let span = text.span(*line);
                    let fix = Some(Fix { range: text.logical(*line), text: String::new() });
                    let message = format!("the source config does not use the key `{key}`");
                    let file = (*path).clone();
                    self.findings.push(Finding { rule: &UNUSED_TRANSLATION, file, span, message, fix });
                } else if *locale != Locale::En
                    // An example, such as an address, is the same in every language.
                    && !key.starts_with("placeHolder_")
                    && english.get(&**key) == Some(&&**value)
                    && value.chars().any(char::is_alphabetic)
                {
                    self.push(&UNTRANSLATED, path, text.span(*line), format!("the text of `{key}` is the English one"));
                }
            }
            let own: HashSet<_> = lines.iter().map(|entry| entry.key.as_str()).collect();
            for key in used.keys().filter(|key| translated.contains(**key) && !own.contains(**key)) {
                self.push(
                    &MISSING_TRANSLATION,
                    path,
                    0..0,
                    format!("the key `{key}`, which the source config uses, has no text"),
                );
            }
        }
        for (key, span) in used {
            if KEY_PREFIXES.iter().any(|prefix| key.starts_with(prefix)) && !translated.contains(key) {
                let message = format!("the key `{key}` has no text in any locale; users would see the key");
                self.push(&MISSING_TRANSLATION, DocumentKind::SourceConfig.file_name(), span.clone(), message);
            }
        }
    }
}

fn attribute<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Attribute<'a, 'i>> {
    node.attributes().find(|attribute| attribute.name() == name)
}

/// An element's opening tag, up to its name's end.
fn tag(node: Node<'_, '_>) -> Range<usize> {
    let start = node.range().start;
    start..start + 1 + node.tag_name().name().len()
}

/// From a line and column to the line's end.
fn at(text: &str, line: usize, column: usize) -> Range<usize> {
    let all = Lines::of(text).span(line);
    let before: usize = text[all.clone()].chars().take(column.saturating_sub(1)).map(char::len_utf8).sum();
    all.start + before..all.end
}

fn line_that_begins(text: &str, start: &str) -> Option<Range<usize>> {
    let line = text.lines().position(|line| line.starts_with(start))?;
    Some(Lines::of(text).span(line + 1))
}

/// The name that was probably meant, as the end of a sentence.
fn similar(name: &str, names: &HashSet<&str>) -> String {
    let meant = names.iter().copied().filter(|other| other.eq_ignore_ascii_case(name)).min();
    let meant = meant.or_else(|| names.iter().copied().filter(|other| is_one_edit_away(name, other)).min());
    meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default()
}

/// Whether two names differ in one run of at most two characters.
fn is_one_edit_away(a: &str, b: &str) -> bool {
    // A character has up to four bytes.
    if a.len().abs_diff(b.len()) > 8 {
        return false;
    }
    let (a, b): (Vec<_>, Vec<_>) = (a.chars().collect(), b.chars().collect());
    let start = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let (a, b) = (&a[start..], &b[start..]);
    let end = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
    start + end > 2 && a.len().max(b.len()) - end <= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    const YAML: &str = "name: HR\nclassName: x.Y\n";
    const TEMPLATE: &str = "<Application name='HR'><Schemas><Schema objectType='account'>\
                            <AttributeDefinition name='mail'/></Schema></Schemas></Application>";

    fn files<'a>(files: &[(&str, &'a str)]) -> Files<'a> {
        files.iter().map(|(path, text)| ((*path).to_owned(), Cow::from(text.as_bytes()))).collect()
    }

    fn form(body: &str) -> String {
        format!("<Form xmlns=\"{FORM_NAMESPACE}\" connectorName=\"HR\">\n{body}\n</Form>")
    }

    /// Each finding as rule, file and the text that it is about.
    fn found(given: &[(&str, &str)]) -> Vec<String> {
        let files = files(given);
        let findings = lint("hr", &files).into_iter();
        findings
            .map(|finding| {
                let text =
                    files.get(&finding.file).map(|bytes| Text::decode(bytes).text.into_owned()).unwrap_or_default();
                format!("{} {} {}", finding.rule.id, finding.file, &text[finding.span])
            })
            .collect()
    }

    #[test]
    fn every_rule_finds_what_it_is_for_where_it_stands() {
        let table: &[(&str, &str, &str)] = &[
            ("connector.yaml", "name: HR\n", "description connector.yaml "),
            ("connector.yaml", "className: 1\nname: HR\n", "description connector.yaml className: 1"),
            ("source-config.xml", "<Form>\n  <Menu>\n</Form>", "malformed-xml source-config.xml </Form>"),
            ("source-template.xml", "<Applikation/>", "root-element source-template.xml <Applikation"),
            ("source-config.xml", "<Form/>", "schema-version source-config.xml <Form"),
            ("source-config.xml", &form("<Field type='text'/>"), "field-name source-config.xml <Field"),
            ("source-config.xml", &form("<Field name='a'/><Field name='a'/>"), "duplicate-field source-config.xml a"),
            ("source-config.xml", &form("<Field name='a' parentKey='b'/>"), "unknown-parent source-config.xml b"),
            ("source-config.xml", &form("<Field name='a' type='b'/>"), "unknown-field-type source-config.xml b"),
            ("source-config.xml", &form("<Field name='a' nmae='b'/>"), "unknown-attribute source-config.xml nmae"),
            (
                "source-config.xml",
                &form("<Menu label='menuLabel_a'/>"),
                "missing-translation source-config.xml menuLabel_a",
            ),
            ("translations/xx.properties", "", "unknown-locale translations/xx.properties "),
            ("translations/de.properties", "a=b\nc=\\u12\n", "properties-syntax translations/de.properties c=\\u12"),
            (
                "correlation-config.xml",
                "<CorrelationConfig><Filter property='a' value='mial'/></CorrelationConfig>",
                "correlation-attribute correlation-config.xml <Filter property='a' value='mial'/>",
            ),
        ];
        let empty = form("");
        for (path, text, expected) in table {
            let mut given =
                vec![(CONNECTOR_FILE, YAML), ("source-template.xml", TEMPLATE), ("source-config.xml", &empty)];
            given.retain(|(other, _)| other != path);
            given.push((path, text));
            assert_eq!(found(&given), [*expected], "{text}");
        }
        assert_eq!(lint("H R", &files(&[(CONNECTOR_FILE, YAML)]))[0].rule, &FOLDER_NAME);
        assert!(
            found(&[(CONNECTOR_FILE, YAML), ("source-template.xml", TEMPLATE), ("source-config.xml", &empty)])
                .is_empty()
        );
    }

    #[test]
    fn translations_are_held_against_the_form_and_each_other() {
        let form = form("<Menu label='menuLabel_a'/><Field name='x' displayName='Host'/>");
        let given = [
            (CONNECTOR_FILE, YAML),
            ("source-config.xml", form.as_str()),
            ("translations/en.properties", "menuLabel_a=A\nHost=Host name\nShortDesc=Short\n"),
            ("translations/de.properties", "menuLabel_a=A\nold=\\\n  Alt\nShortDesc=Kurz\n"),
        ];
        assert_eq!(
            found(&given),
            [
                "missing-translation translations/de.properties ",
                "untranslated translations/de.properties menuLabel_a=A",
                "unused-translation translations/de.properties old=\\",
            ]
        );
        let files = files(&given);
        let fixes = lint("hr", &files).into_iter().filter_map(|finding| finding.fix);
        let fixed = Text::decode(&files["translations/de.properties"]).fixed(fixes);
        assert_eq!(String::from_utf8(fixed).expect("UTF-8"), "menuLabel_a=A\nShortDesc=Kurz\n");
    }

    #[test]
    fn the_name_in_the_description_decides() {
        let form = form("").replace("connectorName=\"HR\"", "connectorName=\"H&amp;R\"");
        let given = [
            (CONNECTOR_FILE, "name: A&B\nclassName: x\n"),
            ("source-config.xml", form.as_str()),
            ("source-template.xml", TEMPLATE),
        ];
        let given = files(&given);
        let findings = lint("hr", &given);
        assert_eq!(findings.len(), 2);
        let fixed = Text::decode(&given["source-config.xml"]).fixed(findings[0].fix.clone());
        assert!(String::from_utf8(fixed).expect("UTF-8").contains("connectorName=\"A&amp;B\""));
        assert_eq!(
            findings[0].message,
            "the source config is of `H&R`, the source template of `HR`; the connector's name is `A&B`"
        );
    }

    #[test]
    fn many_findings_and_many_names_are_found_in_time() {
        let fields = (0..20_000)
            .map(|n| format!("<Field name='name_{n}'/>\n<Field name='name_{n}' parentKey='Missing_{n}' x='1'/>\n"))
            .collect::<Vec<_>>()
            .concat();
        let (form, texts) = (form(&fields), (0..20_000).map(|n| format!("key{n}=x\n")).collect::<Vec<_>>().concat());
        let given =
            files(&[(CONNECTOR_FILE, YAML), ("source-config.xml", &form), ("translations/en.properties", &texts)]);
        let start = std::time::Instant::now();
        let findings = lint("hr", &given);
        assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
        let count = |rule: &Rule| findings.iter().filter(|finding| finding.rule == rule).count();
        let rules = [&DUPLICATE_FIELD, &UNKNOWN_PARENT, &UNKNOWN_ATTRIBUTE, &UNUSED_TRANSLATION];
        assert_eq!(rules.map(count), [20_000; 4], "nothing is left out");
        let first = lint_file("hr", &given, "source-config.xml", 500);
        assert!(first.len() == 500 && first.iter().all(|finding| finding.file == "source-config.xml"));
        assert_eq!(lint_file("hr", &given, CONNECTOR_FILE, 500), []);
    }

    #[test]
    fn a_name_that_is_almost_right_is_offered() {
        let names = HashSet::from(["hostName", "port"]);
        assert_eq!(similar("hostname", &names), "; did you mean `hostName`?");
        assert_eq!(similar("hostNaem", &names), "; did you mean `hostName`?");
        assert_eq!(similar("user", &names), "");
    }
}
