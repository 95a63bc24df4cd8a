//! Checks the folder's name and `connector.yaml`.

use std::ops::Range;

use connectory_model::Status;
use connectory_model::lines::Lines;

use super::findings::Findings;
use super::rules::{DESCRIPTION, FOLDER_NAME, STATUS};
use super::text::Text;
use crate::description::{CONNECTOR_FILE, Description, unknown_members, yaml};
use crate::error::FileError;
use crate::folder::Files;
use crate::folder_name::script_name;

/// Checks that the folder's name is that of a script name.
pub(super) fn check_folder_name(findings: &mut Findings<'_>, folder_name: &str) {
    if let Err(error) = script_name(folder_name) {
        findings.push(&FOLDER_NAME, CONNECTOR_FILE, 0..0, error.to_string());
    }
}

/// Checks `connector.yaml`, and returns what it has.
pub(super) fn check(findings: &mut Findings<'_>, files: &Files<'_>) -> Option<Description> {
    let Some(bytes) = files.get(CONNECTOR_FILE) else {
        findings.push(&DESCRIPTION, CONNECTOR_FILE, 0..0, "the file is missing; every connector folder has one");
        return None;
    };
    let mut push = |error: FileError| {
        let message = error.to_string();
        // A sentence about a member begins with the member's name.
        let member = message.strip_prefix('`').and_then(|rest| rest.split_once('`')).map(|(member, _)| member);
        let line = match error {
            FileError::Yaml { line: Some(line), .. } => Some(Lines::of(&Text::decode(bytes).text).span(line)),
            _ => member.and_then(|member| line_of_member(files, member)),
        };
        findings.push(&DESCRIPTION, CONNECTOR_FILE, line.unwrap_or(0..0), message);
    };
    let members = yaml(bytes).map_err(&mut push).ok()?;
    unknown_members(&members).for_each(|unknown| push(unknown.into()));
    let description = Description::of(&members, bytes).map_err(push).ok()?;
    if description.members.status == Status::Deprecated {
        let message = "the status is DEPRECATED, with which only connectory creates a connector; \
                       one that is there already may have it";
        findings.push(&STATUS, CONNECTOR_FILE, line_of_member(files, "status").unwrap_or(0..0), message);
    }
    Some(description)
}

/// The line of `connector.yaml` that begins with a member.
pub(crate) fn line_of_member(files: &Files<'_>, member: &str) -> Option<Range<usize>> {
    let text = Text::decode(files.get(CONNECTOR_FILE)?).text;
    let start = format!("{member}:");
    let mut lines = text.strip_prefix('\u{feff}').unwrap_or(&text).lines();
    let line = lines.position(|line| line.starts_with(&start))?;
    Some(Lines::of(&text).span(line + 1))
}
