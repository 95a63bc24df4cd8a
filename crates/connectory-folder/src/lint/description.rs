//! Checks the folder's name and `connector.yaml`.

use std::ops::Range;

use connectory_model::ScriptName;
use connectory_model::lines::Lines;

use super::findings::Findings;
use super::rules::{DESCRIPTION, FOLDER_NAME};
use super::text::Text;
use crate::description::{CONNECTOR_FILE, Description};
use crate::folder::Files;

/// Checks that the folder's name is a script name.
pub(super) fn check_folder_name(findings: &mut Findings<'_>, folder_name: &str) {
    if let Err(error) = ScriptName::strict(folder_name) {
        findings.push(&FOLDER_NAME, CONNECTOR_FILE, 0..0, format!("the folder's name: {error}"));
    }
}

/// Checks `connector.yaml`, and returns the connector's name.
pub(super) fn check(findings: &mut Findings<'_>, files: &Files<'_>) -> Option<String> {
    let Some(bytes) = files.get(CONNECTOR_FILE) else {
        findings.push(&DESCRIPTION, CONNECTOR_FILE, 0..0, "the file is missing; every connector folder has one");
        return None;
    };
    match Description::parse(bytes) {
        Ok(description) => Some(description.members.name),
        Err(error) => {
            let message = error.to_string();
            let text = Text::decode(bytes);
            // A sentence about a member begins with the member's name.
            let member = message.strip_prefix('`').and_then(|rest| rest.split_once('`')).map(|(member, _)| member);
            let line = member.and_then(|member| line_that_begins_with(&text.text, &format!("{member}:")));
            findings.push(&DESCRIPTION, CONNECTOR_FILE, line.unwrap_or(0..0), message);
            None
        }
    }
}

fn line_that_begins_with(text: &str, start: &str) -> Option<Range<usize>> {
    let line = text.lines().position(|line| line.starts_with(start))?;
    Some(Lines::of(text).span(line + 1))
}
