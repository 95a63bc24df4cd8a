//! What was there before a command changed it: saved in a file, from which `connectory import` puts it back.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use connectory_client::ConnectorDetail;
use connectory_folder::write_whole;
use directories::ProjectDirs;

use super::Plan;

/// How many of these files are kept. The oldest are removed.
const KEPT: usize = 20;

/// Saves the connectors that a plan changes, replaces or deletes, as `connectory export` would. None if there are none.
pub fn save(plan: &Plan, file: Option<&Path>) -> Result<Option<PathBuf>> {
    let before: Vec<&ConnectorDetail> =
        plan.steps.iter().filter_map(|step| step.found.as_ref()).map(|(detail, _)| detail).collect();
    if before.is_empty() {
        return Ok(None);
    }
    let mut text = serde_json::to_vec_pretty(&before)?;
    text.push(b'\n');
    let path = match file {
        Some(file) => file.to_owned(),
        None => next_file().context("cannot save what was there before; give --backup FILE")?,
    };
    write_whole(&path, &text)
        .with_context(|| format!("cannot save what was there before to {}; give --backup FILE", path.display()))?;
    Ok(Some(path))
}

/// A new file in the platform's folder for the state of programs.
fn next_file() -> Result<PathBuf> {
    let directories = ProjectDirs::from("", "", "connectory").context("there is no home directory")?;
    let folder = directories.state_dir().unwrap_or_else(|| directories.data_local_dir()).join("before");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let mut files: Vec<_> = fs::read_dir(&folder)
        .with_context(|| format!("cannot read {}", folder.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    // Their names begin with the time.
    files.sort();
    for old in files.iter().rev().skip(KEPT - 1) {
        // It may be gone by now.
        let _removed = fs::remove_file(old);
    }
    let time = jiff::Timestamp::now().strftime("%Y-%m-%dT%H-%M-%S%.3fZ");
    Ok(folder.join(format!("{time}-{}.json", std::process::id())))
}
