//! The parts in which two states of a connector, or two connectors, differ.

use std::borrow::Cow;
use std::collections::BTreeSet;

use connectory_model::create::NewConnector;
use connectory_model::document::DocumentKind;
use connectory_model::file_names::locale_file;
use connectory_model::translations::Properties;
use connectory_model::{Connector, Locale};
use connectory_server::work::Stop;
use maud::{Markup, html};

use super::pretty::pretty;
use crate::frame::diff::{DiffBudget, side_by_side};
use crate::frame::view::View;

/// A part of a connector as a text, on both sides.
pub struct Part<'a> {
    /// What it is called: the name of its file, or of its member.
    pub name: String,
    /// The text of the first one.
    pub old: Cow<'a, str>,
    /// The text of the second one.
    pub new: Cow<'a, str>,
}

/// The settings, as a part. A connector that is `None` has no parts.
fn settings(old: Option<&Connector>, new: Option<&Connector>) -> Part<'static> {
    let text = |connector: Option<&Connector>| {
        connector.map(|connector| pretty(&NewConnector::of(connector))).unwrap_or_default().into()
    };
    Part { name: "settings".to_owned(), old: text(old), new: text(new) }
}

/// All parts but the settings: the metadata, the documents, and the texts of each locale.
pub fn contents<'a>(old: Option<&'a Connector>, new: Option<&'a Connector>) -> Vec<Part<'a>> {
    let part = |name: String, text: &dyn Fn(&'a Connector) -> Cow<'a, str>| {
        let [old, new] = [old, new].map(|connector| connector.map(text).unwrap_or_default());
        Part { name, old, new }
    };
    let texts = |connector: &'a Connector, locale| -> Cow<'a, str> {
        connector.translations.0.get(&locale).map(Properties::text).unwrap_or_default().into()
    };
    let metadata = part("connectorMetadata".to_owned(), &|connector| pretty(&connector.connector_metadata).into());
    let documents = DocumentKind::ALL
        .into_iter()
        .map(|kind| part(kind.file_name().to_owned(), &|connector| connector.document(kind).into()));
    let locales: BTreeSet<Locale> =
        [old, new].into_iter().flatten().flat_map(|connector| connector.translations.0.keys().copied()).collect();
    let translations =
        locales.into_iter().map(|locale| part(locale_file(locale), &|connector| texts(connector, locale)));
    std::iter::once(metadata).chain(documents).chain(translations).collect()
}

/// All parts that differ.
pub fn differences<'a>(old: Option<&'a Connector>, new: Option<&'a Connector>) -> Vec<Part<'a>> {
    let parts = std::iter::once(settings(old, new)).chain(contents(old, new));
    parts.filter(|part| part.old != part.new).collect()
}

/// The parts side by side, under these titles.
pub fn show(view: &View, parts: &[Part<'_>], titles: [&str; 2], stop: &Stop) -> Markup {
    let mut budget = DiffBudget::of(stop);
    html! {
        @for part in parts.iter().take_while(|_| !stop.has_left()) {
            section.part-of-diff {
                h3 { (part.name) }
                (side_by_side(view, &part.name, [&*part.old, &*part.new], titles, &mut budget))
            }
        }
    }
}
