//! The parts of a connector that may be large: its three documents, and the texts of each locale.

use crate::limits::QUOTED_CHARS;
use crate::shown;
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::document::DocumentKind;
use crate::{Connector, Locale};

/// How the names of translations begin.
const TRANSLATIONS: &str = "translations/";

/// A part of a connector. Its name is the API's member name, such as `sourceConfigXml`, or `translations/de`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// One of the three documents.
    Document(DocumentKind),
    /// The texts of a locale.
    Translation(Locale),
}

/// A name that is not the name of a part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a part of a connector")]
pub struct UnknownPart(String);

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Document(kind) => f.write_str(kind.member()),
            Self::Translation(locale) => write!(f, "{TRANSLATIONS}{locale}"),
        }
    }
}

impl FromStr for Part {
    type Err = UnknownPart;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let document = || DocumentKind::ALL.into_iter().find(|kind| kind.member() == name).map(Self::Document);
        let translation = |tag: &str| tag.parse().ok().map(Self::Translation);
        let part = name.strip_prefix(TRANSLATIONS).map_or_else(document, translation);
        part.ok_or_else(|| UnknownPart(shown(name, QUOTED_CHARS).to_owned()))
    }
}

impl Serialize for Part {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl Connector {
    /// The parts of the connector, always in the same order.
    pub fn parts(&self) -> impl Iterator<Item = Part> {
        let translations = self.translations.0.keys().copied().map(Part::Translation);
        DocumentKind::ALL.into_iter().map(Part::Document).chain(translations)
    }

    /// The text of a part, if the connector has it.
    pub fn part(&self, part: Part) -> Option<PartText<'_>> {
        Some(match part {
            Part::Document(kind) => {
                let document = self.document_text(kind);
                PartText { text: document.as_str(), is_latin1: false, own_bytes: document.own_bytes() }
            }
            Part::Translation(locale) => {
                let properties = self.translations.0.get(&locale)?;
                PartText { text: properties.text(), is_latin1: properties.is_latin1(), own_bytes: None }
            }
        })
    }
}

/// The text of a part, and the encoding of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartText<'a> {
    /// The decoded text.
    pub text: &'a str,
    /// Whether its bytes are ISO-8859-1, not UTF-8. The bytes of a document say this themselves.
    pub is_latin1: bool,
    /// The bytes of a document, if they are others than those of the text.
    own_bytes: Option<&'a [u8]>,
}

impl<'a> PartText<'a> {
    /// The bytes, as they were uploaded.
    pub fn bytes(&self) -> Cow<'a, [u8]> {
        match self.own_bytes {
            Some(bytes) => bytes.into(),
            None if self.is_latin1 => encoding_rs::mem::encode_latin1_lossy(self.text),
            None => self.text.as_bytes().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_has_a_name_of_its_own() {
        let translations = Locale::ALL.iter().copied().map(Part::Translation);
        for part in DocumentKind::ALL.into_iter().map(Part::Document).chain(translations) {
            assert_eq!(part.to_string().parse(), Ok(part));
        }
        for wrong in ["", "sourceConfig", "translations", "translations/", "translations/xx"] {
            assert!(wrong.parse::<Part>().is_err(), "{wrong}");
        }
    }
}
