//! Properties of all documents, for texts that look like XML and for any bytes.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree;

use super::attributes::root_attribute;
use super::*;
use crate::Locale;
use crate::translations::{Properties, Translations};

/// A text that is nearly a document: elements, attributes, references, comments and instructions, some of them broken.
fn near_document() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "Form",
        "Menu",
        "Section",
        "Field",
        "Option",
        "AllowedValues",
        "BaseConfig",
        "Application",
        "ProvisioningForms",
        "Attributes",
        "entry",
        "x:y",
        "é",
        "CorrelationConfig",
    ]);
    let attribute = (
        prop::sample::select(vec![
            "name",
            "label",
            "parentKey",
            "parentValue",
            "type",
            "featuresString",
            "key",
            "value",
            "displayName",
            "required",
            "fileUpload",
            "xmlns",
            "xmlns:x",
            "docLink",
            "maxlength",
        ]),
        prop::sample::select(vec![
            "",
            "a",
            "k",
            "true",
            "a, b",
            "&lt;&#10;",
            "&amp;",
            "&nope;",
            "<",
            "ü\n\t",
            "SourceConfig",
            FORM_NAMESPACE,
        ]),
        any::<bool>(),
    );
    let attributes = prop::collection::vec(attribute, 0..4).prop_map(|attributes| {
        let written = attributes.iter().map(|(name, value, single)| {
            if *single { format!(" {name}='{value}'") } else { format!(" {name} = \"{value}\"") }
        });
        written.collect::<String>()
    });
    let text = prop::sample::select(vec![
        "",
        " ",
        "text",
        "&#x41;",
        "<!-- c -->",
        "<![CDATA[<]]>",
        "<?p d?>",
        "]]>",
        "&",
        "\u{1}",
        "<!DOCTYPE a>",
        "</a>",
    ]);
    let leaf = (name.clone(), attributes.clone()).prop_map(|(name, attributes)| format!("<{name}{attributes}/>"));
    let element = prop_oneof![4 => leaf, 1 => text.prop_map(str::to_owned)].prop_recursive(4, 24, 4, move |inner| {
        (name.clone(), attributes.clone(), prop::collection::vec(inner, 0..4))
            .prop_map(|(name, attributes, inner)| format!("<{name}{attributes}>{}</{name}>", inner.concat()))
    });
    let prolog = prop::sample::select(vec![
        "",
        "\u{feff}",
        "<?xml version='1.0' encoding='UTF-8'?>\n",
        "<?xml version='1.0' encoding='latin1'?>",
        "<!DOCTYPE Application PUBLIC \"sailpoint.dtd\" \"sailpoint.dtd\">\n",
        "<!-- c -->",
        "<!DOCTYPE a [<!ENTITY b 'c'>]>",
    ]);
    (prolog, prop::sample::select(vec!["Form", "Application", "CorrelationConfig"]), any::<bool>(), element).prop_map(
        |(prolog, root, with_namespace, inner)| {
            let namespace = if with_namespace { format!(" xmlns='{FORM_NAMESPACE}'") } else { String::new() };
            format!("{prolog}<{root}{namespace} name='n' featuresString='a'>{inner}</{root}>")
        },
    )
}

/// Reads a document in every way. Nothing of this may panic, and a document is always the text that it was made of.
fn read(text: &str) -> Result<(), TestCaseError> {
    let english = Properties::parse(b"k=K & <b>\"\na=A\n").expect("valid");
    let translations = Translations(BTreeMap::from([(Locale::En, english)]));
    for kind in DocumentKind::ALL {
        let Ok(document) = Document::parse(kind, text.as_bytes()) else { continue };
        prop_assert_eq!(&document, &Document::stored(kind, text.to_owned()));
        let tree = xml::parse(text).expect("it was checked");
        for name in ["name", "featuresString", "fileUpload"] {
            let found = root_attribute(text, name);
            prop_assert_eq!(found.as_deref(), tree.root_element().attribute(name), "{}", name);
        }
        match &document {
            Document::SourceConfig(config) => {
                config.form(&translations, Locale::De);
                let localized = config.localized(&translations, Locale::De);
                let localized = SourceConfig::parse(localized.as_bytes()).expect("it is still a form");
                let expected = config.translation_keys().into_iter().map(|key| match key.as_str() {
                    "k" => "K & <b>\"".to_owned(),
                    "a" => "A".to_owned(),
                    _ => key,
                });
                prop_assert_eq!(localized.translation_keys(), expected.collect::<Vec<_>>());
            }
            Document::SourceTemplate(template) => {
                template.provisioning_policies();
            }
            Document::CorrelationConfig(_) => {}
        }
        prop_assert_eq!(document.text().bytes(), text.as_bytes());
    }
    Ok(())
}

#[test]
fn the_texts_of_these_tests_are_documents_often_enough() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let accepted = (0..200).filter(|_| {
        let text = near_document().new_tree(&mut runner).expect("a text").current();
        DocumentKind::ALL.iter().any(|kind| Document::parse(*kind, text.as_bytes()).is_ok())
    });
    assert!(accepted.count() > 20);
}

proptest! {
    #[test]
    fn a_document_is_read_without_a_panic_or_refused_in_its_text(text in near_document()) {
        read(&text)?;
        if let Err(Malformed { line, column, .. }) = xml::parse(&text) {
            let lines: Vec<_> = text.split('\n').collect();
            prop_assert!((1..=lines.len()).contains(&line), "line {}", line);
            prop_assert!((1..=lines[line - 1].chars().count() + 1).contains(&column), "column {}", column);
        }
    }

    #[test]
    fn any_text_is_read_without_a_panic_or_refused(text in "(<[a-z/!?]{0,3}|[ -~]|\\PC){0,40}") {
        read(&text)?;
    }

    #[test]
    fn any_bytes_are_read_without_a_panic_or_refused(bytes: Vec<u8>) {
        for kind in DocumentKind::ALL {
            if let Ok(document) = Document::parse(kind, &bytes) {
                prop_assert_eq!(document.text().bytes(), &bytes);
            }
        }
    }
}
