//! Checks that lines end in a line feed. XML, YAML and properties mean the same with any line endings, but documents are
//! compared and kept byte for byte.

use connectory_model::lines::line_endings;

use super::findings::Findings;
use super::layout::is_part;
use super::rules::LINE_ENDINGS;
use super::text::{Fix, Text};
use crate::folder::Files;

/// Checks the files that are text: one with a zero byte in its text has an encoding that no file of a connector has.
pub(super) fn check(findings: &mut Findings<'_>, files: &Files<'_>) {
    let is_wrong = |bytes: &[u8]| {
        bytes.contains(&b'\r') && {
            let text = Text::decode(bytes).text;
            text.contains('\r') && !text.contains('\0')
        }
    };
    for (file, bytes) in files.iter().filter(|(file, bytes)| is_part(file) && is_wrong(bytes)) {
        let endings = line_endings(&Text::decode(bytes).text);
        let message = format!("the file has {endings} line endings; end each line in LF");
        findings.push_with(&LINE_ENDINGS, file, 0..0, message, Some(Fix::LineFeeds));
    }
}
