//! The connectors that a server should have, read from connector folders.

use std::collections::HashSet;
use std::path::Path;

use anyhow::{Context, Result, bail};
use connectory_folder::folder_name::{folder_name, script_name};
use connectory_folder::lint::{Limits, rules};
use connectory_folder::local::{LocalFolder, LocalFolders};
use connectory_folder::{CONNECTOR_FILE, Folder};
use connectory_model::limits::{CONNECTOR_BYTES, DOCUMENT_BYTES};
use connectory_model::{ScriptName, visible};

use super::{Action, Plan};
use crate::allowed::{Allowed, LINT_FILE};
use crate::findings::refuse_errors;

/// What a server should have.
#[derive(Clone)]
pub struct Goal {
    /// Connectors that it should have.
    pub wanted: Vec<Wanted>,
    /// Connectors that it should not have.
    pub unwanted: Vec<ScriptName>,
    /// Whether custom connectors that are neither are deleted too.
    pub prune: bool,
}

impl Goal {
    /// The script names that it is about.
    pub fn names(&self) -> impl Iterator<Item = &ScriptName> {
        self.wanted.iter().map(|wanted| &wanted.script_name).chain(&self.unwanted)
    }
}

impl From<Vec<Wanted>> for Goal {
    fn from(wanted: Vec<Wanted>) -> Self {
        Self { wanted, unwanted: Vec::new(), prune: false }
    }
}

/// A connector that a server should have.
#[derive(Clone)]
pub struct Wanted {
    /// Its script name.
    pub script_name: ScriptName,
    /// Its content. A document that it lacks is not changed on the server.
    pub folder: Folder,
}

/// How many files and folders are looked at before `--prune` gives up.
const MOST_ENTRIES: usize = 1_000_000;

/// How large connectors are read. A server may take more than lint does, and the plan tells what this one takes.
const READ: Limits = Limits { document: 4 * DOCUMENT_BYTES, connector: 4 * CONNECTOR_BYTES };

/// What a server should have by a folder of connector folders.
pub fn goal(dir: &Path, prune: bool) -> Result<Goal> {
    Ok(Goal { wanted: read(dir, prune)?, unwanted: Vec::new(), prune })
}

/// Reads a folder of connector folders, or one connector folder. Lint errors are printed, and then fail the command. With
/// `prune`, connectors without a folder are deleted, so nothing in the folder may be unknown.
fn read(dir: &Path, prune: bool) -> Result<Vec<Wanted>> {
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

/// Fails if a connector would be deleted although something in the folder has its name: a file, a hidden folder, or a
/// connector folder further below.
pub fn refuse_doubtful(dir: &Path, plan: &Plan) -> Result<()> {
    let deleted = plan.steps.iter().filter(|step| matches!(step.action, Action::Delete));
    let names: HashSet<_> = deleted.filter_map(|step| folder_name(&step.script_name).ok()).collect();
    if names.is_empty() {
        return Ok(());
    }
    let mut folders = vec![(dir.to_owned(), 1)];
    let mut left = MOST_ENTRIES;
    while let Some((folder, depth)) = folders.pop() {
        let read = || format!("--prune would delete connectors, and {} cannot be read", folder.display());
        for entry in std::fs::read_dir(&folder).with_context(read)? {
            let entry = entry.with_context(read)?;
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            let is_named = names.contains(name.strip_prefix('.').unwrap_or(&name));
            if is_named && (depth == 1 || path.join(CONNECTOR_FILE).is_file()) {
                bail!(
                    "--prune would delete {name}, and {} is there; make it a connector folder of {}, or remove it",
                    visible(&path.display().to_string()),
                    visible(&dir.display().to_string())
                );
            }
            left -= 1;
            if left == 0 {
                bail!("--prune would delete connectors, and {} has more than {MOST_ENTRIES} files", dir.display());
            }
            if name != ".git" && entry.file_type().with_context(read)?.is_dir() {
                folders.push((path, depth + 1));
            }
        }
    }
    Ok(())
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
