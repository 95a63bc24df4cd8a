//! `connectory init`: makes a connector folder, without a server.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use connectory_folder::folder_name::folder_name;
use connectory_folder::lint::Limits;
use connectory_folder::{CONNECTOR_FILE, Folder, closest, question, write_whole_folder};
use connectory_model::create::{DEFAULT_CLASS_NAME, NewConnector};
use connectory_model::limits::QUOTED_CHARS;
use connectory_model::members::{InvalidMember, Members};
use connectory_model::{ScriptName, name_key, shown, visible};
use connectory_server::catalog::builtin;
use serde_json::json;

#[derive(Args)]
pub struct InitArguments {
    /// The connector's name. The folder gets the script name that a server makes of it
    name: String,
    /// Copy a built-in connector, which is given by its script name or its name [default: the empty documents that a server
    /// gives to a new connector]
    #[arg(long, value_name = "BUILT-IN")]
    from: Option<String>,
    /// The folder of connector folders to make it in
    #[arg(long, default_value = ".")]
    dir: PathBuf,
}

/// Makes a connector folder.
pub fn run(InitArguments { name, from, dir }: InitArguments) -> Result<()> {
    let new = new_connector(&name)?;
    let script_name = ScriptName::derive(&new.name);
    let path = dir.join(folder_name(&script_name)?);
    if dir.join(CONNECTOR_FILE).symlink_metadata().is_ok() {
        bail!("{} is a connector folder; give the folder that it is in", dir.display());
    }
    if path.symlink_metadata().is_ok() {
        bail!("{} is there already; choose another name, or another folder with --dir", path.display());
    }
    let (folder, hint) = match from {
        None => (
            new.build(script_name, &[]).into(),
            format!("Set `className` in {CONNECTOR_FILE} to the class that implements the connector. "),
        ),
        Some(from) => (built_in(&from)?.renamed(&new.name), String::new()),
    };
    write_whole_folder(&path, &folder.files()).with_context(|| format!("cannot write {}", path.display()))?;
    say!("{}", visible(&path.display().to_string()));
    report!("{hint}`connectory lint` checks the folder, and `connectory apply` creates the connector on a server.");
    Ok(())
}

/// A new connector of a name.
pub fn new_connector(name: &str) -> Result<NewConnector, InvalidMember> {
    NewConnector::from_members(Members::of(&json!({"name": name}))?, Some(DEFAULT_CLASS_NAME))
}

/// A connector that is in this program.
fn built_in(wanted: &str) -> Result<Folder> {
    let connectors = builtin::load(true, &[], Limits::default())?.connectors;
    let key = name_key(wanted);
    let found = connectors.iter().find(|one| one.script_name.as_str() == wanted || name_key(&one.name) == key);
    if let Some(found) = found {
        return Ok(Folder::from((**found).clone()));
    }
    let mut script_names: Vec<_> = connectors.iter().map(|one| one.script_name.as_str()).collect();
    script_names.sort_unstable();
    let names = script_names.iter().copied().chain(connectors.iter().map(|one| one.name.as_str()));
    bail!(
        "there is no built-in connector `{}` (there are {}){}",
        shown(wanted, QUOTED_CHARS),
        script_names.join(", "),
        question(closest(wanted, names))
    )
}
