//! The wanted connectors of a plan as one field of its form: the lines of an export, compressed, in letters and digits.

use std::io::{self, Read, Write};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use connectory_folder::lint::Limits;
use connectory_folder::local::LocalFolders;
use connectory_folder::upload::{SentFile, read};
use connectory_model::Connector;
use connectory_model::limits::{APPLY_LINE_TIMES, IMPORT_BYTES, ZSTD_WINDOW_LOG};
use connectory_model::wire::{ConnectorDetail, ConnectorLine, DetailShape, Origin};

/// Bytes of the lines: JSON has up to two bytes for one of most documents.
const MOST: u64 = (APPLY_LINE_TIMES * IMPORT_BYTES) as u64;

/// Packs connectors.
pub fn pack<'a>(connectors: impl Iterator<Item = &'a Connector>) -> io::Result<String> {
    let mut lines = zstd::Encoder::new(Vec::new(), zstd::DEFAULT_COMPRESSION_LEVEL)?;
    lines.window_log(ZSTD_WINDOW_LOG)?;
    for connector in connectors {
        let script_name = connector.script_name.clone();
        let detail = ConnectorDetail::with_bytes(connector.clone(), Origin::Custom, DetailShape::WithPolicies);
        // The form has the revision of all.
        serde_json::to_writer(&mut lines, &ConnectorLine { script_name, revision: 0, connector: Some(detail) })?;
        lines.write_all(b"\n")?;
    }
    Ok(BASE64_URL_SAFE_NO_PAD.encode(lines.finish()?))
}

/// Opens what was packed. None if it is something else.
pub fn open(parcel: &str, limits: Limits) -> Option<LocalFolders> {
    let packed = BASE64_URL_SAFE_NO_PAD.decode(parcel).ok()?;
    let mut decoder = zstd::Decoder::new(&*packed).ok()?;
    decoder.window_log_max(ZSTD_WINDOW_LOG).ok()?;
    let mut lines = Vec::new();
    decoder.take(MOST + 1).read_to_end(&mut lines).ok()?;
    if lines.len() as u64 > MOST {
        return None;
    }
    read(&[SentFile { path: "", bytes: &lines }], limits).ok()
}
