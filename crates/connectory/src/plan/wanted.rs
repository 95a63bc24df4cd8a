//! The connectors that a server should have, read from connector folders.

use std::path::Path;

use anyhow::{Context, Result};
use connectory_folder::Folder;
use connectory_model::ScriptName;

use crate::findings::refuse_errors;
use connectory_folder::disk::{LocalFolder, local_folders};

/// A connector that a server should have.
pub struct Wanted {
    /// Its script name.
    pub script_name: ScriptName,
    /// Its content. A document that it lacks is not changed on the server.
    pub folder: Folder,
}

/// Reads a folder of connector folders, or one connector folder. Lint errors are printed, and then fail the command.
pub fn read(dir: &Path) -> Result<Vec<Wanted>> {
    let folders = local_folders(dir)?;
    refuse_errors(&folders)?;
    let read = |folder: &LocalFolder| {
        let script_name = ScriptName::strict(&folder.name).with_context(|| format!("{}", folder.path.display()))?;
        let read = Folder::read(&folder.files).with_context(|| format!("{}", folder.path.display()))?;
        Ok(Wanted { script_name, folder: read })
    };
    folders.iter().map(read).collect()
}
