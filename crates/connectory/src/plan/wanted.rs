//! The connectors that a server should have, read from connector folders.

use std::path::Path;

use anyhow::{Context, Result, bail};
use connectory_folder::Folder;
use connectory_folder::folder_name::script_name;
use connectory_folder::lint::{Limits, rules};
use connectory_folder::local::{LocalFolder, LocalFolders};
use connectory_model::limits::{CONNECTOR_BYTES, DOCUMENT_BYTES};
use connectory_model::{ScriptName, visible};

use crate::allowed::{Allowed, LINT_FILE};
use crate::findings::refuse_errors;

/// A connector that a server should have.
pub struct Wanted {
    /// Its script name.
    pub script_name: ScriptName,
    /// Its content. A document that it lacks is not changed on the server.
    pub folder: Folder,
}

/// How large connectors are read. A server may take more than lint does, and the plan tells what this one takes.
const READ: Limits = Limits { document: 4 * DOCUMENT_BYTES, connector: 4 * CONNECTOR_BYTES };

/// Reads a folder of connector folders, or one connector folder. Lint errors are printed, and then fail the command. With
/// `prune`, connectors without a folder are deleted, so nothing in the folder may be unknown.
pub fn read(dir: &Path, prune: bool) -> Result<Vec<Wanted>> {
    let local = LocalFolders::read(dir, READ)?;
    let allowed = Allowed::read(&local)?;
    refuse_errors(&local, &allowed, READ)?;
    if prune {
        refuse_unknown(&local, &allowed)?;
    }
    let read = |folder: &LocalFolder| {
        let script_name = script_name(&folder.name).with_context(|| format!("{}", folder.path.display()))?;
        let read = Folder::read(&folder.files).with_context(|| format!("{}", folder.path.display()))?;
        Ok(Wanted { script_name, folder: read })
    };
    local.folders.iter().map(read).collect()
}

/// Fails where `--prune` could delete a connector whose folder is only not recognized.
fn refuse_unknown(local: &LocalFolders, allowed: &Allowed) -> Result<()> {
    let dir = local.dir.display().to_string();
    if local.is_connector {
        bail!(
            "{} is one connector folder, and --prune would delete every other connector; give the folder that it is in",
            visible(&dir)
        );
    }
    let rule = &rules::NOT_A_CONNECTOR;
    let unknown = local.findings.iter().filter(|finding| finding.rule == rule);
    let unknown = unknown.map(|finding| finding.file.as_str()).find(|folder| !allowed.allows_in(folder, rule));
    match unknown {
        None => Ok(()),
        Some(folder) => bail!(
            "--prune would delete connectors, and {} is not a connector folder; move it out of {}, or write this line to \
             {LINT_FILE} there: folders.\"{}\".allow = [\"{}\"]",
            visible(&local.dir.join(folder).display().to_string()),
            visible(&dir),
            visible(folder),
            rule.id
        ),
    }
}
