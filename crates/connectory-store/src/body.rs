//! The body of a revision: a connector as bytes.
//!
//! A body is a JSON head, followed by the bytes of each part. A NUL byte precedes each part; no head and no inline part
//! contains a NUL byte. The whole body is compressed with a dictionary that resembles a new connector, so a new
//! connector takes about 100 bytes. If the parts of a connector have more than 64 KiB, the body is the head alone: each
//! part is compressed by itself and stored with the revision that changed it, and later revisions refer to it. So a
//! small change to a large connector is a small write.

use std::borrow::Cow;
use std::collections::BTreeMap;

use connectory_model::document::{CorrelationConfig, DocumentKind, DocumentText, SourceConfig, SourceTemplate};
use connectory_model::json;
use connectory_model::limits::{BODY_BYTES, INLINE_BYTES, JSON_VALUES, MOST_CONNECTOR_BYTES, SUMMARY_PART_BYTES};
use connectory_model::translations::{Properties, Translations};
use connectory_model::{Connector, Metadata, Part, ScriptName, Status, Summary};
use enum_map::EnumMap;
use lz4_flex::block::{
    compress_prepend_size, compress_prepend_size_with_dict, decompress_size_prepended,
    decompress_size_prepended_with_dict, uncompressed_size,
};
use serde::{Deserialize, Serialize};

use crate::error::{Result, StoreError, unreadable};
use crate::revision::RevisionNumber;

/// The dictionaries that compress bodies. Their bytes must never change, because stored bodies are decompressed with
/// them.
const JSON_DICTIONARY: &[u8] = include_bytes!("dictionary-1.json");
const DICTIONARY: &[u8] = include_bytes!("dictionary-2.bin");

/// The formats of a body. The numbers are in the database.
pub(crate) mod format {
    /// The connector as JSON. The first schema wrote this format.
    pub const JSON_TEXT: i64 = 0;
    /// The connector as JSON, compressed.
    pub const JSON: i64 = 1;
    /// The connector as JSON, compressed with the first dictionary.
    pub const JSON_WITH_DICTIONARY: i64 = 2;
    /// The head, the documents, and the translations that the head lists.
    pub const WHOLE: i64 = 3;
    /// The head alone. It lists all parts, which are stored by themselves.
    pub const HEAD: i64 = 4;
}

/// The byte before each part.
const SEPARATOR: u8 = 0;

/// A connector without its parts, and the list of its parts.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head<'a> {
    name: Cow<'a, str>,
    script_name: Cow<'a, ScriptName>,
    #[serde(rename = "type")]
    connector_type: Cow<'a, str>,
    class_name: Cow<'a, str>,
    direct_connect: bool,
    status: Status,
    connector_metadata: Cow<'a, Metadata>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    parts: Vec<StoredPart>,
}

/// A part as the head lists it.
#[derive(Serialize, Deserialize)]
struct StoredPart {
    part: Part,
    /// The length of the part in bytes, if the part is stored by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
    #[serde(rename = "iso-8859-1", default, skip_serializing_if = "std::ops::Not::not")]
    is_latin1: bool,
    /// The revision that the part is stored with. None means this revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revision: Option<RevisionNumber>,
}

/// The revisions that the parts of a large connector are stored with.
#[derive(Debug, Clone, Default)]
pub struct Holders(Vec<(Part, RevisionNumber)>);

impl Holders {
    /// Whether all parts are in the body.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &(Part, RevisionNumber)> {
        self.0.iter()
    }

    fn of(&self, part: Part) -> Option<RevisionNumber> {
        self.0.iter().find(|(of, _)| *of == part).map(|(_, holder)| *holder)
    }
}

/// A body to write, and the parts that are stored with it.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    pub format: i64,
    pub bytes: Vec<u8>,
    pub parts: Vec<(Part, Vec<u8>)>,
}

impl Body {
    /// Makes the body of a connector. A part of a large connector is not stored again if the previous revision has the
    /// same part.
    pub fn new(connector: &Connector, before: Option<(&Connector, &Holders)>) -> Self {
        let text = |part| connector.part(part).expect("a connector has its parts");
        let has_separator = |part| memchr::memchr(SEPARATOR, &text(part).bytes()).is_some();
        let is_whole = connector.size() <= INLINE_BYTES && !connector.parts().any(has_separator);
        let (mut parts, mut named) = (Vec::new(), Vec::new());
        for part in connector.parts() {
            let is_latin1 = text(part).is_latin1;
            if is_whole {
                if matches!(part, Part::Translation(_)) {
                    named.push(StoredPart { part, bytes: None, is_latin1, revision: None });
                }
                continue;
            }
            let is_same = before.filter(|(before, _)| before.part(part) == connector.part(part));
            let revision = is_same.and_then(|(_, holders)| holders.of(part));
            let bytes = text(part).bytes();
            if revision.is_none() {
                let mut compressed = compress_prepend_size(&bytes);
                // The buffer has spare capacity for bytes that cannot be compressed.
                compressed.shrink_to_fit();
                parts.push((part, compressed));
            }
            named.push(StoredPart { part, bytes: Some(bytes.len()), is_latin1, revision });
        }
        // Reserve the capacity once.
        let mut body = Vec::with_capacity(if is_whole { connector.size() } else { 0 } + 2048);
        serde_json::to_writer(&mut body, &Head::new(connector, named)).expect("a head is JSON");
        if is_whole {
            for part in connector.parts() {
                body.push(SEPARATOR);
                body.extend_from_slice(&text(part).bytes());
            }
        }
        Self {
            format: if is_whole { format::WHOLE } else { format::HEAD },
            bytes: compress_prepend_size_with_dict(&body, DICTIONARY),
            parts,
        }
    }
}

impl<'a> Head<'a> {
    fn new(connector: &'a Connector, parts: Vec<StoredPart>) -> Self {
        Self {
            name: connector.name.as_str().into(),
            script_name: Cow::Borrowed(&connector.script_name),
            connector_type: connector.connector_type.as_str().into(),
            class_name: connector.class_name.as_str().into(),
            direct_connect: connector.direct_connect,
            status: connector.status,
            connector_metadata: Cow::Borrowed(&connector.connector_metadata),
            parts,
        }
    }

    /// Makes the connector. `bytes_of` returns the bytes of each part.
    fn with_parts(
        self,
        parts: &[StoredPart],
        mut bytes_of: impl FnMut(&StoredPart) -> Result<Vec<u8>>,
    ) -> Result<Connector> {
        let (mut documents, mut translations) = (EnumMap::<DocumentKind, _>::default(), Translations::default());
        for stored in parts {
            let bytes = bytes_of(stored)?;
            match stored.part {
                Part::Document(kind) => {
                    documents[kind] = Some(document(bytes)?);
                }
                Part::Translation(locale) => {
                    let properties = Properties::stored(bytes, stored.is_latin1).map_err(unreadable)?;
                    translations.0.insert(locale, properties);
                }
            }
        }
        let mut of =
            |kind: DocumentKind| documents[kind].take().ok_or_else(|| unreadable(format_args!("no {}", kind.name())));
        Ok(Connector {
            source_config: SourceConfig::stored(of(DocumentKind::SourceConfig)?),
            source_template: SourceTemplate::stored(of(DocumentKind::SourceTemplate)?),
            correlation_config: CorrelationConfig::stored(of(DocumentKind::CorrelationConfig)?),
            translations,
            name: self.name.into_owned(),
            script_name: self.script_name.into_owned(),
            connector_type: self.connector_type.into_owned(),
            class_name: self.class_name.into_owned(),
            direct_connect: self.direct_connect,
            status: self.status,
            connector_metadata: self.connector_metadata.into_owned(),
        })
    }
}

/// The result of a search for a connector.
#[derive(Debug, PartialEq)]
pub enum Found {
    /// The connector, if it is not larger than the caller's limit.
    Connector(Box<Connector>),
    /// The connector is larger than the caller's limit. The number is its approximate size in bytes.
    Large(usize),
}

/// Reads a body of at most `most` bytes. `part` reads the compressed bytes of a part that is stored by itself. A larger
/// body is neither decompressed nor parsed.
pub(crate) fn read(
    format: i64,
    compressed: &[u8],
    most: usize,
    part: impl Fn(Part, Option<RevisionNumber>) -> Result<Vec<u8>>,
) -> Result<Found> {
    if format == format::JSON_TEXT {
        return from_json(compressed).map(Found::Connector);
    }
    let (bytes, _) = uncompressed_size(compressed).map_err(unreadable)?;
    if bytes > most && format != format::HEAD {
        return Ok(Found::Large(bytes));
    }
    match format {
        format::JSON => from_json(&decompress_size_prepended(compressed).map_err(unreadable)?).map(Found::Connector),
        format::JSON_WITH_DICTIONARY => {
            let json = decompress_size_prepended_with_dict(compressed, JSON_DICTIONARY).map_err(unreadable)?;
            from_json(&json).map(Found::Connector)
        }
        format::WHOLE => {
            let body = decompress_size_prepended_with_dict(compressed, DICTIONARY).map_err(unreadable)?;
            let mut rest = Some(body.as_slice());
            let mut next = || {
                let piece = rest?;
                let end = memchr::memchr(SEPARATOR, piece);
                rest = end.map(|end| &piece[end + 1..]);
                Some(&piece[..end.unwrap_or(piece.len())])
            };
            let mut head: Head<'_> = from_json(next().unwrap_or_default())?;
            let document =
                |kind| StoredPart { part: Part::Document(kind), bytes: None, is_latin1: false, revision: None };
            let parts: Vec<_> = DocumentKind::ALL.into_iter().map(document).chain(head.parts.drain(..)).collect();
            let bytes_of = |_: &StoredPart| Ok(next().ok_or_else(|| unreadable("a part is missing"))?.to_vec());
            Ok(Found::Connector(Box::new(head.with_parts(&parts, bytes_of)?)))
        }
        format::HEAD => {
            let body = decompress_size_prepended_with_dict(compressed, DICTIONARY).map_err(unreadable)?;
            let mut head: Head<'_> = from_json(&body)?;
            let bytes = body.len() + head.parts.iter().filter_map(|stored| stored.bytes).sum::<usize>();
            if bytes > most {
                return Ok(Found::Large(bytes));
            }
            let parts = std::mem::take(&mut head.parts);
            let read = |stored: &StoredPart| {
                decompress_size_prepended(&part(stored.part, stored.revision)?).map_err(unreadable)
            };
            Ok(Found::Connector(Box::new(head.with_parts(&parts, read)?)))
        }
        other => Err(unknown(other)),
    }
}

/// Finds the revisions that the parts of a connector are stored with, given the number and the body of its revision.
/// The result is empty if the parts are in the body.
pub(crate) fn holders(format: i64, compressed: &[u8], number: RevisionNumber) -> Result<Holders> {
    if format != format::HEAD {
        return Ok(Holders::default());
    }
    let body = decompress_size_prepended_with_dict(compressed, DICTIONARY).map_err(unreadable)?;
    let head: Head<'_> = from_json(&body)?;
    Ok(Holders(head.parts.iter().map(|stored| (stored.part, stored.revision.unwrap_or(number))).collect()))
}

/// Reads the name and the type of a body's connector, without its parts.
pub(crate) fn name_and_type(format: i64, compressed: &[u8]) -> Result<(String, String)> {
    read_head(format, compressed, |head| (head.name.into_owned(), head.connector_type.into_owned()))
}

/// Reads the status of a body's connector, without its parts.
pub(crate) fn status(format: i64, compressed: &[u8]) -> Result<Status> {
    read_head(format, compressed, |head| head.status)
}

/// Reads the head of a body.
fn read_head<T>(format: i64, compressed: &[u8], read: impl FnOnce(Head<'_>) -> T) -> Result<T> {
    let head = |json: &[u8]| -> Result<_> {
        let end = memchr::memchr(SEPARATOR, json).unwrap_or(json.len());
        Ok(read(from_json(&json[..end])?))
    };
    match format {
        format::JSON_TEXT => head(compressed),
        format::JSON => head(&decompress_size_prepended(compressed).map_err(unreadable)?),
        format::JSON_WITH_DICTIONARY => {
            head(&decompress_size_prepended_with_dict(compressed, JSON_DICTIONARY).map_err(unreadable)?)
        }
        format::WHOLE | format::HEAD => {
            head(&decompress_size_prepended_with_dict(compressed, DICTIONARY).map_err(unreadable)?)
        }
        other => Err(unknown(other)),
    }
}

/// The length of compressed bytes when they are decompressed, as they say it.
pub(crate) fn length(compressed: &[u8]) -> Result<usize> {
    Ok(uncompressed_size(compressed).map_err(unreadable)?.0)
}

/// What a body says of its connector, without the parts that are stored by themselves.
pub(crate) struct Outline {
    /// The summary. Without [`Self::parts`], it lacks what those say.
    pub summary: Summary,
    /// The parts that are stored by themselves.
    pub parts: Vec<OutlinedPart>,
}

/// A part that is stored by itself, as the body of its connector lists it.
pub(crate) struct OutlinedPart {
    pub part: Part,
    /// The length of the part.
    pub bytes: Option<usize>,
    pub is_latin1: bool,
    /// The revision that the part is stored with. None means this revision.
    pub holder: Option<RevisionNumber>,
}

/// What a part says for the summary of its connector.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Contribution {
    /// Nothing.
    Document,
    /// The features of the connector.
    Features(Vec<String>),
    /// The short description in a locale.
    ShortDescription(Option<String>),
}

/// Reads what a body says. Decompresses and parses all of it.
pub(crate) fn outline(format: i64, compressed: &[u8]) -> Result<Outline> {
    match format {
        format::JSON_TEXT => drop(json::from_slice(compressed, JSON_VALUES).map_err(unreadable)?),
        format::JSON | format::JSON_WITH_DICTIONARY => {
            expect_plausible(compressed, MOST_CONNECTOR_BYTES)?;
            let dictionary = if format == format::JSON { [].as_slice() } else { JSON_DICTIONARY };
            let text = decompress_size_prepended_with_dict(compressed, dictionary).map_err(unreadable)?;
            drop(json::from_slice(&text, JSON_VALUES).map_err(unreadable)?);
        }
        _ => expect_plausible(compressed, BODY_BYTES)?,
    }
    if format != format::HEAD {
        let nothing = |part, _| Err(unreadable(format_args!("{part} is not in the body")));
        return match read(format, compressed, usize::MAX, nothing)? {
            Found::Connector(connector) => Ok(Outline { summary: connector.summary(), parts: Vec::new() }),
            Found::Large(bytes) => Err(unreadable(format_args!("a body of {bytes} bytes"))),
        };
    }
    let body = decompress_size_prepended_with_dict(compressed, DICTIONARY).map_err(unreadable)?;
    let head: Head<'_> = from_json(&body)?;
    let parts = head.parts.iter().map(|stored| OutlinedPart {
        part: stored.part,
        bytes: stored.bytes,
        is_latin1: stored.is_latin1,
        holder: stored.revision,
    });
    let parts = parts.collect();
    let summary = Summary {
        name: head.name.into_owned(),
        script_name: head.script_name.into_owned(),
        connector_type: head.connector_type.into_owned(),
        class_name: head.class_name.into_owned(),
        direct_connect: head.direct_connect,
        status: head.status,
        features: Vec::new(),
        connector_metadata: head.connector_metadata.into_owned(),
        short_descriptions: BTreeMap::new(),
        locales: Vec::new(),
    };
    Ok(Outline { summary, parts })
}

impl OutlinedPart {
    /// Reads the part as it is stored. Returns what it says for the summary.
    pub fn read(&self, compressed: &[u8]) -> Result<Contribution> {
        expect_plausible(compressed, MOST_CONNECTOR_BYTES)?;
        let bytes = decompress_size_prepended(compressed).map_err(unreadable)?;
        if self.bytes.is_some_and(|expected| expected != bytes.len()) {
            return Err(unreadable(format_args!(
                "it has {} bytes, and its connector says another number",
                bytes.len()
            )));
        }
        let says = match self.part {
            Part::Document(DocumentKind::SourceTemplate) => {
                Contribution::Features(SourceTemplate::stored(document(bytes)?).features())
            }
            Part::Document(_) => {
                document(bytes)?;
                Contribution::Document
            }
            Part::Translation(_) => {
                let properties = Properties::stored(bytes, self.is_latin1).map_err(unreadable)?;
                Contribution::ShortDescription(properties.short_description())
            }
        };
        let bytes = match &says {
            Contribution::Document => 0,
            Contribution::Features(features) => {
                features.iter().map(|feature| size_of::<String>() + feature.len()).sum()
            }
            Contribution::ShortDescription(text) => text.as_ref().map_or(0, String::len),
        };
        if bytes > SUMMARY_PART_BYTES {
            return Err(unreadable(format_args!(
                "it has {bytes} bytes for lists, and {SUMMARY_PART_BYTES} are possible"
            )));
        }
        Ok(says)
    }
}

/// Refuses a length that is larger than `most`, or that no compressed bytes of this size can have, before a buffer of that length
/// is made.
fn expect_plausible(compressed: &[u8], most: usize) -> Result<()> {
    /// A byte of LZ4 stands for at most as many bytes.
    const LARGEST_RATIO: usize = 255;
    let (bytes, _) = uncompressed_size(compressed).map_err(unreadable)?;
    if bytes > compressed.len().saturating_mul(LARGEST_RATIO) || bytes > most {
        return Err(unreadable(format_args!("{} bytes that would become {bytes}", compressed.len())));
    }
    Ok(())
}

fn document(bytes: Vec<u8>) -> Result<DocumentText> {
    DocumentText::stored(bytes).ok_or_else(|| unreadable("the bytes of a document are in no encoding"))
}

pub(crate) fn from_json<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T> {
    serde_json::from_slice(text).map_err(unreadable)
}

fn unknown(format: i64) -> StoreError {
    unreadable(format_args!("a body of format {format}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use connectory_model::import;
    use lz4_flex::block::compress_prepend_size;

    use super::*;

    /// A checksum of bytes that must never change.
    fn sum(bytes: &[u8]) -> u64 {
        bytes.iter().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)))
    }

    #[test]
    fn the_dictionaries_never_change() {
        let advice = "give another dictionary the next format, and keep this one for the bodies that need it";
        assert_eq!(sum(JSON_DICTIONARY), 12_364_793_945_205_114_222, "{advice}");
        assert_eq!(sum(DICTIONARY), 14_797_403_891_284_377_260, "{advice}");
    }

    #[test]
    fn a_document_in_any_encoding_is_read_as_it_was_written() {
        let mut connector = import::from_json(br#"[{"name": "HR"}]"#).unwrap().remove(0);
        let utf16: Vec<_> =
            "\u{feff}<Application featuresString='Ä, B'/>".encode_utf16().flat_map(u16::to_be_bytes).collect();
        let latin1 = b"<?xml version='1.0' encoding='ISO-8859-1'?><Application featuresString='\xc4, B'/>".to_vec();
        // An older version stored what another one would refuse.
        let legacy = b"<?xml version='1.0' encoding='utf-16'?><Application featuresString='A, B'/>".to_vec();
        for (bytes, format) in [(utf16, format::HEAD), (latin1, format::WHOLE), (legacy, format::WHOLE)] {
            connector.source_template = SourceTemplate::stored(DocumentText::stored(bytes.clone()).unwrap());
            let body = Body::new(&connector, None);
            assert_eq!(body.format, format);
            let part = |of: Part, _| Ok(body.parts.iter().find(|(part, _)| *part == of).unwrap().1.clone());
            let found = read(body.format, &body.bytes, usize::MAX, part).unwrap();
            assert_eq!(found, Found::Connector(Box::new(connector.clone())));
            assert_eq!(connector.source_template.text().bytes(), bytes);
            let outline = outline(body.format, &body.bytes).unwrap();
            let features = outline.parts.iter().find(|of| of.part == Part::Document(DocumentKind::SourceTemplate));
            let features = features.map(|of| of.read(&part(of.part, None).unwrap()).unwrap());
            let expected = connector.source_template.features();
            assert!(features.is_none_or(|says| says == Contribution::Features(expected.clone())));
        }
    }

    #[test]
    fn bodies_of_every_format_are_read() {
        let mut connector = import::from_json(br#"[{"name": "HR"}]"#).unwrap().remove(0);
        let latin1 = Properties::parse(b"a=\xe4\n").unwrap();
        connector.translations.0.insert(connectory_model::Locale::De, latin1);
        let json = serde_json::to_vec(&connector).unwrap();
        let part = |part, holder| Err(unreadable(format_args!("{part} {holder:?}")));
        let whole = Body::new(&connector, None);
        assert!(whole.parts.is_empty());
        assert!(
            whole.bytes.len() * 4 < json.len(),
            "a new connector is much like the dictionary: {}",
            whole.bytes.len()
        );
        let bodies = [
            (format::JSON_TEXT, json.clone()),
            (format::JSON, compress_prepend_size(&json)),
            (format::JSON_WITH_DICTIONARY, compress_prepend_size_with_dict(&json, JSON_DICTIONARY)),
            (whole.format, whole.bytes),
        ];
        for (format, body) in bodies {
            let found = read(format, &body, usize::MAX, part).unwrap();
            assert_eq!(found, Found::Connector(Box::new(connector.clone())), "{format}");
            if format != format::JSON_TEXT {
                let found = read(format, &body, 100, part).unwrap();
                assert!(matches!(found, Found::Large(bytes) if bytes > 100), "{format}");
                let cut = &body[..body.len() - 1];
                assert!(matches!(read(format, cut, usize::MAX, part), Err(StoreError::Unreadable(_))), "{format}");
            }
        }
        // A part that contains the separator is stored by itself.
        let odd = Properties::stored(b"a=\0b".to_vec(), false).unwrap();
        connector.translations.0.insert(connectory_model::Locale::Fr, odd);
        let odd = Body::new(&connector, None);
        assert_eq!((odd.format, odd.parts.len()), (format::HEAD, 5));
        let part = |of: Part, _| Ok(odd.parts.iter().find(|(part, _)| *part == of).unwrap().1.clone());
        let found = read(odd.format, &odd.bytes, usize::MAX, part).unwrap();
        assert_eq!(found, Found::Connector(Box::new(connector)));
        let unknown = read(9, &[1, 0, 0, 0, 0], usize::MAX, part).unwrap_err();
        assert!(unknown.to_string().ends_with("a body of format 9"), "{unknown}");
    }
}
