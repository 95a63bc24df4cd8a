//! Removing the folder of a connector that the server does not have any more.
//!
//! If one of the connector's files was edited here, all of them stay, because half a connector is an error to every command.
//! What is no file of a connector always stays.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::{Edit, Kept, Pull, PullError, local, refuse_link};
use crate::description::CONNECTOR_FILE;
use crate::lint::layout::{TRANSLATIONS, is_part};

/// The errors of removing a folder that may stay.
const LEFT: [ErrorKind; 3] = [ErrorKind::NotFound, ErrorKind::DirectoryNotEmpty, ErrorKind::NotADirectory];

/// What stays of a folder, by paths in the folder of connector folders.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// The files that were edited or added here. If there are some, nothing is removed.
    pub edited: Vec<Kept>,
    /// The files, folders and links that are no part of a connector.
    pub unknown: Vec<String>,
}

impl Pull {
    /// Removes the connector in the folder of this name, and the folder if nothing else is in it.
    pub fn prune(&mut self, name: &str) -> Result<Left, PullError> {
        let path = self.dir.join(name);
        refuse_link(&path)?;
        let (mut parts, mut left) = (Vec::new(), Left::default());
        list(&path, "", &mut parts, &mut left.unknown)?;
        for part in &parts {
            let path = format!("{name}/{part}");
            let Some(bytes) = local(&self.dir.join(&path))? else { continue };
            if !self.is_forced && !self.is_untouched(&path, &bytes) {
                let edit = if self.record().contains_key(&path) { Edit::Changed } else { Edit::Added };
                left.edited.push(Kept { path, edit });
            }
        }
        if !left.edited.is_empty() {
            return Ok(Left { unknown: Vec::new(), ..left });
        }
        // The file that makes the folder a connector folder is the last, so that a pull that was stopped is repeated.
        parts.sort_by_key(|part| part == CONNECTOR_FILE);
        for part in &parts {
            let file = path.join(part);
            fs::remove_file(&file).map_err(PullError::io("remove", &file))?;
            self.pulled.changed += 1;
        }
        for folder in [path.join(TRANSLATIONS), path] {
            match fs::remove_dir(&folder) {
                // Something unknown is in it, or is a file or link with the name `translations`.
                Err(error) if !LEFT.contains(&error.kind()) => return Err(PullError::io("remove", &folder)(error)),
                _ => {}
            }
        }
        self.record_mut().retain(|path, _| path.split_once('/').is_none_or(|(folder, _)| folder != name));
        self.save()?;
        left.unknown.iter_mut().for_each(|path| *path = format!("{name}/{path}"));
        Ok(left)
    }
}

/// Adds the files of the connector in a folder, and what else is there, by their paths in the connector folder.
fn list(dir: &Path, prefix: &str, parts: &mut Vec<String>, unknown: &mut Vec<String>) -> Result<(), PullError> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(dir).map_err(PullError::io("read", dir))? {
        let entry = entry.map_err(PullError::io("read", dir))?;
        entries.push((format!("{prefix}{}", entry.file_name().to_string_lossy()), entry));
    }
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (path, entry) in entries {
        let kind = entry.file_type().map_err(PullError::io("read", &entry.path()))?;
        if kind.is_file() && is_part(&path) {
            parts.push(path);
        } else if kind.is_dir() && path == TRANSLATIONS {
            list(&entry.path(), &format!("{TRANSLATIONS}/"), parts, unknown)?;
        } else {
            unknown.push(path);
        }
    }
    Ok(())
}
