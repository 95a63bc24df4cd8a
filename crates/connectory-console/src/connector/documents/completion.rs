//! What an editor of a document can propose: the words of the linter, and what this connector has.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use connectory_folder::vocabulary::{self, Values, account_attributes};
use connectory_model::document::DocumentKind;
use connectory_model::limits::{COMPLETION_BYTES, COMPLETION_KEYS, COMPLETION_TEXT_CHARS};
use connectory_model::{Connector, Locale, shown};
use serde::{Serialize, Serializer};

use crate::connector::page::ConnectorPage;
use crate::connector::path::KindPath;
use crate::frame::error::PageError;
use crate::state::Console;

/// What an editor can propose.
#[derive(Serialize)]
pub struct Completion {
    /// The name of the root element.
    root: &'static str,
    /// The elements by their names.
    elements: BTreeMap<&'static str, Element>,
    /// The translation keys, each with the beginning of its English text.
    keys: BTreeMap<String, String>,
    /// Whether these are all keys.
    has_all_keys: bool,
    /// The attributes of the account schema.
    account: Vec<String>,
}

#[derive(Serialize)]
struct Element {
    children: &'static [&'static str],
    attributes: BTreeMap<&'static str, Proposed>,
}

/// What an attribute may hold. An editor gets words, or where to find them: `key`, `field`, `account`, or nothing.
struct Proposed(Values);

impl Serialize for Proposed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Values::Words(words) => words.serialize(serializer),
            Values::Key => serializer.serialize_str("key"),
            Values::Field => serializer.serialize_str("field"),
            Values::AccountAttribute => serializer.serialize_str("account"),
            Values::Text => serializer.serialize_unit(),
        }
    }
}

/// Answers what the editor of a document can propose.
pub async fn completion(
    State(console): State<Arc<Console>>,
    page: ConnectorPage,
    KindPath(kind): KindPath,
) -> Result<Json<Completion>, PageError> {
    let size = page.connector.size();
    Ok(Json(console.server.work.run(size, move |_| of_connector(&page.connector, kind)).await?))
}

fn of_connector(connector: &Connector, kind: DocumentKind) -> Completion {
    let element = |element: &vocabulary::Element| {
        let proposed = |name: &&'static str| (*name, Proposed(vocabulary::values(kind, element.name, name)));
        Element { children: element.children, attributes: element.attributes.iter().map(proposed).collect() }
    };
    let elements = vocabulary::elements(kind);
    let mut left = Budget { entries: COMPLETION_KEYS, bytes: COMPLETION_BYTES };
    let mut account = match kind {
        DocumentKind::CorrelationConfig => account_attributes(connector.source_template.as_str()),
        _ => Vec::new(),
    };
    account.retain(|name| left.takes(name.len()));
    let texts = match kind {
        DocumentKind::SourceConfig => connector.translations.texts(Locale::En).into_iter().collect(),
        _ => BTreeMap::new(),
    };
    let count = texts.len();
    let mut keys = BTreeMap::new();
    for (key, mut text) in texts {
        text.truncate(shown(&text, COMPLETION_TEXT_CHARS).len());
        if left.takes(key.len() + text.len()) {
            keys.insert(key, text);
        }
    }
    Completion {
        root: kind.root_element(),
        elements: elements.iter().map(|of| (of.name, element(of))).collect(),
        has_all_keys: keys.len() == count,
        keys,
        account,
    }
}

/// How much an answer may still have.
struct Budget {
    entries: usize,
    bytes: usize,
}

impl Budget {
    /// Whether an entry of so many bytes has room, which it then takes.
    fn takes(&mut self, bytes: usize) -> bool {
        let has_room = self.entries > 0 && bytes <= self.bytes;
        if has_room {
            self.entries -= 1;
            self.bytes -= bytes;
        }
        has_room
    }
}
