//! Reads the lines of an apply, and has each of them checked.

use std::io::{self, BufRead, BufReader, Read};

use bytes::{Buf, Bytes};
use connectory_model::json::JsonError;
use connectory_model::limits::{APPLY_LINE_TIMES, APPLY_LINES, JSON_VALUES, QUOTED_CHARS, ZSTD_WINDOW_LOG};
use connectory_model::{ScriptName, import, json, shown};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::super::Bounds;
use super::check::{Checker, Unread, Wanted};
use super::{ApplyError, Changes, Parts, RefusalReason, TooMuch};
use crate::work::Stop;

/// Reads the changes of a request.
pub(super) struct Reader {
    pub checker: Checker,
    pub bounds: Bounds,
}

impl Reader {
    /// Reads and checks all lines. Returns the SHA-256 of the lines, too.
    pub fn read(mut self, parts: Parts, is_compressed: bool, stop: &Stop) -> Result<(Changes, [u8; 32]), ApplyError> {
        let mut body = Body { parts, part: Bytes::new(), failed: None };
        let read = if is_compressed {
            zstd::Decoder::new(&mut body).and_then(|mut decoder| {
                decoder.window_log_max(ZSTD_WINDOW_LOG)?;
                self.read_lines(BufReader::new(decoder), stop)
            })
        } else {
            self.read_lines(BufReader::new(&mut body), stop)
        };
        match (body.failed, read) {
            (Some(error), _) | (None, Ok(Err(error))) => Err(error),
            (None, Ok(Ok(digest))) => Ok((self.checker.finish(), digest)),
            (None, Err(error)) => Err(ApplyError::Unreadable(format!("the body cannot be decompressed: {error}"))),
        }
    }

    fn read_lines(&mut self, lines: impl BufRead, stop: &Stop) -> io::Result<Result<[u8; 32], ApplyError>> {
        let most = self.bounds.apply as u64;
        let longest = APPLY_LINE_TIMES * self.bounds.connector;
        let mut lines = lines.take(most + 1);
        let mut digest = Sha256::new();
        let mut text = Vec::new();
        for number in 1.. {
            if stop.is_due() {
                return Ok(Err(ApplyError::Late));
            }
            text.clear();
            let read = (&mut lines).take(longest as u64 + 1).read_until(b'\n', &mut text)?;
            if lines.limit() == 0 {
                return Ok(Err(TooMuch::Bytes(self.bounds.apply).into()));
            }
            if read == 0 {
                break;
            }
            if read > longest {
                return Ok(Err(TooMuch::Line { number, most: longest }.into()));
            }
            digest.update(&text);
            let line = text.trim_ascii();
            if line.is_empty() {
                // Reading them costs time too.
                if number > 2 * APPLY_LINES {
                    return Ok(Err(TooMuch::BlankLines.into()));
                }
                continue;
            }
            if let Err(error) = self.checker.add(number, parse(line)) {
                return Ok(Err(error));
            }
        }
        if self.checker.count() == 0 {
            let reason = "the body is empty; it must have a line of JSON for each change".to_owned();
            return Ok(Err(ApplyError::Unreadable(reason)));
        }
        Ok(Ok(digest.finalize().into()))
    }
}

/// Reads a line.
fn parse(text: &[u8]) -> Result<Wanted, Unread> {
    let shape = |reason: &str| {
        let reason = format!("{reason}; a line is {{\"scriptName\": …, \"revision\": …, \"connector\": …}}");
        Box::new((None, RefusalReason::Shape(reason)))
    };
    let unread = |error| match error {
        JsonError::Digits { .. } => Box::new((None, RefusalReason::Digits(error))),
        _ => Box::new((None, RefusalReason::Json(error))),
    };
    let Value::Object(mut members) = json::from_slice(text, JSON_VALUES).map_err(unread)? else {
        return Err(shape("it is not an object"));
    };
    let script_name = members.remove("scriptName");
    let Some(Value::String(given)) = script_name else { return Err(shape("`scriptName` is not a string")) };
    let revision = members.remove("revision");
    let Some(revision) = revision.as_ref().and_then(Value::as_u64) else {
        return Err(shape("`revision` is not a whole number of 0 or more"));
    };
    let connector = match members.remove("connector") {
        None => return Err(shape("`connector` is missing; null deletes")),
        Some(Value::Null) => None,
        Some(connector) => Some(connector),
    };
    if let Some(member) = members.keys().next() {
        return Err(shape(&format!("the member `{}` is unknown", shown(member, QUOTED_CHARS))));
    }
    let read = || {
        let script_name: ScriptName =
            given.parse().map_err(|error| RefusalReason::Shape(format!("`scriptName`: {error}")))?;
        let connector = connector.map(|connector| import::whole(&connector, &script_name)).transpose()?;
        // A document that came as a text has no encoding of its own.
        Ok(Wanted { script_name, revision, connector, is_text: true })
    };
    read().map_err(|error| Box::new((Some(given.clone()), error)))
}

/// The body of a request, as it arrives.
struct Body {
    parts: Parts,
    part: Bytes,
    failed: Option<ApplyError>,
}

impl Read for Body {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.part.is_empty() {
            match self.parts.blocking_recv() {
                Some(Ok(part)) => self.part = part,
                Some(Err(error)) => {
                    self.failed = Some(error);
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
                None => return Ok(0),
            }
        }
        let bytes = self.part.len().min(into.len());
        self.part.copy_to_slice(&mut into[..bytes]);
        Ok(bytes)
    }
}
