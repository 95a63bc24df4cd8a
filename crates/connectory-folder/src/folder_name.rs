//! The name of a connector's folder: its script name, in characters that every disk takes.
//!
//! A service may give script names that a disk takes for one name (`HR` and `hr`), or does not take (`con`, `a:b`). So
//! every byte but `a-z`, `0-9`, `-`, `_` and `.` is written as `%` and two digits, in lower case. A folder's name has
//! no upper case letter, so two script names never make one folder.

use std::fmt::Write;

use connectory_model::limits::{FOLDER_NAME_BYTES, QUOTED_CHARS};
use connectory_model::{ScriptName, UnreadableScriptName, shown};
use percent_encoding::percent_decode_str;

use crate::description::CONNECTOR_FILE;

/// Names that Windows has for devices, with any extension.
const DEVICES: &[&str] = &["con", "prn", "aux", "nul"];
/// The same, followed by a digit from 1.
const NUMBERED_DEVICES: &[&str] = &["com", "lpt"];

/// Files beside the folders of connectors, or in one.
const FILES: &[&str] = &[CONNECTOR_FILE, "lint.toml"];

/// Why a script name has no folder, or a folder no script name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FolderNameError {
    /// No disk takes so long a name.
    #[error(
        "the folder of the script name `{}` would have a name of {bytes} bytes; a disk takes {FOLDER_NAME_BYTES}",
        shown(.script_name, QUOTED_CHARS)
    )]
    Long {
        /// The script name.
        script_name: String,
        /// The bytes of the folder's name.
        bytes: usize,
    },
    /// The folder's name does not stand for a text.
    #[error("the folder's name `{}` stands for bytes that are not UTF-8", shown(.0, QUOTED_CHARS))]
    Binary(String),
    /// The folder's name stands for a text that cannot be a script name.
    #[error(transparent)]
    ScriptName(#[from] UnreadableScriptName),
    /// The folder of that script name has another name.
    #[error("{}", other(.folder, .script_name, .right))]
    Other {
        /// The folder's name.
        folder: String,
        /// The script name that it seems to stand for.
        script_name: String,
        /// The name of the folder of that script name.
        right: String,
    },
}

/// Says how a folder has to be named. A folder such as `HR` is probably meant for a new connector, which gets the script
/// name `hr`.
fn other(folder: &str, script_name: &str, right: &str) -> String {
    let [folder, shown_name, right] = [folder, script_name, right].map(|name| shown(name, QUOTED_CHARS));
    let mut message = format!("the folder `{folder}` cannot have this name; name it ");
    let derived = ScriptName::derive(script_name);
    if derived.as_str() != script_name
        && let Ok(new) = folder_name(&derived)
    {
        write!(message, "`{new}` for the script name `{derived}`, or ").expect("a string takes any text");
    }
    message + &format!("`{right}` for the script name `{shown_name}`")
}

/// The name of the folder of a script name.
pub fn folder_name(script_name: &ScriptName) -> Result<String, FolderNameError> {
    let name = script_name.as_str();
    let last = name.len() - 1;
    let is_taken = is_device(name) || FILES.contains(&name);
    let mut folder = String::with_capacity(name.len());
    for (at, byte) in name.bytes().enumerate() {
        let is_plain = match byte {
            // A name that begins with `.` is hidden, and Windows drops a `.` at the end.
            b'.' => at != 0 && at != last,
            b'a'..=b'z' => at != 0 || !is_taken,
            _ => byte.is_ascii_digit() || matches!(byte, b'-' | b'_'),
        };
        if is_plain {
            folder.push(char::from(byte));
        } else {
            write!(folder, "%{byte:02x}").expect("a string takes any text");
        }
    }
    let bytes = folder.len();
    if bytes > FOLDER_NAME_BYTES {
        return Err(FolderNameError::Long { script_name: name.to_owned(), bytes });
    }
    Ok(folder)
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default();
    let numbered = || stem.strip_suffix(|digit| matches!(digit, '1'..='9'));
    DEVICES.contains(&stem) || numbered().is_some_and(|stem| NUMBERED_DEVICES.contains(&stem))
}

/// The script name of a folder. An error says how the folder has to be named.
pub fn script_name(folder: &str) -> Result<ScriptName, FolderNameError> {
    let decoded = percent_decode_str(folder).decode_utf8().map_err(|_| FolderNameError::Binary(folder.to_owned()))?;
    let script_name: ScriptName = decoded.parse()?;
    let right = folder_name(&script_name)?;
    if right == folder {
        return Ok(script_name);
    }
    Err(FolderNameError::Other { folder: folder.to_owned(), script_name: script_name.into(), right })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn named(script_name: &str) -> String {
        folder_name(&script_name.parse().expect("a script name")).expect("short enough")
    }

    #[test]
    fn a_folder_is_named_in_characters_that_every_disk_takes() {
        for (script_name, folder) in [
            ("hr-system_2.0", "hr-system_2.0"),
            ("lint.toml", "%6cint.toml"),
            ("connector.yaml", "%63onnector.yaml"),
            ("HR", "%48%52"),
            ("größe", "gr%c3%b6%c3%9fe"),
            ("a:b \\", "a%3ab%20%5c"),
            ("50%", "50%25"),
            ("...", "%2e.%2e"),
            ("hr.", "hr%2e"),
            (".git", "%2egit"),
            ("hr ", "hr%20"),
            ("con", "%63on"),
            ("con.x.y", "%63on.x.y"),
            ("lpt9", "%6cpt9"),
            ("com1.", "%63om1%2e"),
            ("com0", "com0"),
            ("com10", "com10"),
            ("contact", "contact"),
            ("-", "-"),
        ] {
            assert_eq!(named(script_name), folder);
        }
    }

    #[test]
    fn an_error_says_how_the_folder_has_to_be_named() {
        let message = |folder: &str| script_name(folder).expect_err(folder).to_string();
        assert_eq!(message("con"), "the folder `con` cannot have this name; name it `%63on` for the script name `con`");
        assert_eq!(
            message("HR System"),
            "the folder `HR System` cannot have this name; name it `hr-system` for the script name `hr-system`, or \
             `%48%52%20%53ystem` for the script name `HR System`"
        );
        // Digits in upper case, a character that needs no encoding, and a `%` that encodes nothing.
        for (folder, right) in [("%C3%BC", "%c3%bc"), ("%61", "`a` for"), ("5%", "`5%25`"), ("%zz", "`%25zz`")] {
            assert!(message(folder).contains(right), "{}", message(folder));
        }
        assert_eq!(message("%ff"), "the folder's name `%ff` stands for bytes that are not UTF-8");
        assert!(message("a%2fb").starts_with("`a/b` cannot be a script name"));
        assert!(message(&"Ü".repeat(100)).ends_with("` would have a name of 600 bytes; a disk takes 255"));
    }

    /// A character that some disk changes or refuses, or any other.
    fn any_name() -> impl Strategy<Value = String> {
        let odd = "(con|COM1|lpt9|[.%A-Za-c 0-9éÉßẞ:]|[^/\\x00-\\x1f\\x7f-\\x9f]){1,8}";
        odd.prop_filter("a script name", |name| name.parse::<ScriptName>().is_ok())
    }

    proptest! {
        #[test]
        fn every_script_name_has_a_folder_of_its_own_even_on_a_disk_without_case(a in any_name(), b in any_name()) {
            let [folder_a, folder_b] = [&a, &b].map(|name| named(name));
            prop_assert_eq!(script_name(&folder_a).map(String::from), Ok(a.clone()));
            prop_assert_eq!(folder_a.to_lowercase() == folder_b.to_lowercase(), a == b);
            prop_assert!(!folder_a.starts_with('.') && !folder_a.ends_with(['.', ' ']) && !is_device(&folder_a));
            // What reads back as a script name is the name of its folder.
            if let Ok(read) = script_name(&a) {
                prop_assert_eq!(named(read.as_str()), a);
            }
        }
    }
}
