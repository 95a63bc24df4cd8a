//! `connectory diff`: prints how two connectors, folders or environments differ.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use connectory_folder::Folder;
use connectory_folder::folder_name::script_name;
use connectory_folder::lint::Limits;
use connectory_folder::local::{LocalFolder, LocalFolders};

use crate::environment::{EnvironmentArgument, custom, find, folder_of};
use crate::plan::compare::is_same;
use crate::plan::show::print_diff;
use crate::terminal::{DIFFERENT, SAME};

#[derive(Args)]
pub struct DiffArguments {
    /// SCRIPT-NAME or ENV:SCRIPT-NAME for a connector, ENV: for every custom connector of an environment, or a folder
    a: String,
    /// What to compare it with, written in the same way
    b: String,
    #[command(flatten)]
    environment: EnvironmentArgument,
}

/// Prints how two connectors, or two sets of them, differ.
pub async fn run(DiffArguments { a, b, environment }: DiffArguments) -> Result<ExitCode> {
    let (before, after) = (side(&a, &environment).await?, side(&b, &environment).await?);
    let mut is_different = false;
    if let (Side::One(before), Side::One(after)) = (&before, &after) {
        is_different = !is_equal(before, after);
        print_diff(&a, &b, Some(before), Some(after));
    } else {
        let (before, after) = (before.named(&a), after.named(&b));
        let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
        for name in names {
            let (before, after) = (before.get(name), after.get(name));
            is_different |= !before.zip(after).is_some_and(|(a, b)| is_equal(a, b));
            print_diff(&below(&a, name), &below(&b, name), before, after);
        }
    }
    Ok(if is_different { DIFFERENT } else { SAME }.into())
}

/// The name of a connector in a folder, or in an environment that ends with `:`.
fn below(operand: &str, name: &str) -> String {
    let slash = if operand.ends_with([':', '/']) { "" } else { "/" };
    format!("{operand}{slash}{name}")
}

/// Whether `plan` would change neither into the other.
fn is_equal(a: &Folder, b: &Folder) -> bool {
    is_same(a, b) && is_same(b, a)
}

/// One side of a comparison.
enum Side {
    One(Box<Folder>),
    Several(BTreeMap<String, Folder>),
}

impl Side {
    /// The connectors by their script names.
    fn named(self, operand: &str) -> BTreeMap<String, Folder> {
        match self {
            Self::One(folder) => BTreeMap::from([(operand.rsplit(':').next().unwrap_or(operand).to_owned(), *folder)]),
            Self::Several(folders) => folders,
        }
    }
}

async fn side(operand: &str, environment: &EnvironmentArgument) -> Result<Side> {
    if operand.is_empty() {
        bail!("an argument is empty; expected SCRIPT-NAME, ENV:SCRIPT-NAME, ENV: or a folder");
    }
    let path = Path::new(operand);
    if path.is_dir() {
        let local = LocalFolders::read(path, Limits::default())?;
        if let Some((path, finding)) = local.first_error() {
            bail!("{}: {}", path.display(), finding.message);
        }
        let named = |folder: &LocalFolder| {
            let read = Folder::read(&folder.files).with_context(|| format!("{}", folder.path.display()))?;
            // A name that no script name has is compared as it is.
            Ok((script_name(&folder.name).map_or_else(|_| folder.name.clone(), String::from), read))
        };
        let folders = local.folders.iter().map(named).collect::<Result<Vec<_>>>()?;
        return Ok(match <[_; 1]>::try_from(folders) {
            Ok([(_, folder)]) if local.is_connector => Side::One(Box::new(folder)),
            Ok(folder) => Side::Several(folder.into()),
            Err(folders) => Side::Several(folders.into_iter().collect()),
        });
    }
    let (client, name) = match operand.split_once(':') {
        Some((env, name)) => (EnvironmentArgument::named(env.to_owned()).client()?, name),
        None => (environment.client()?, operand),
    };
    if name.is_empty() {
        let all = custom(&client).await?;
        let folders: Result<_> =
            all.iter().map(|detail| Ok((detail.script_name.to_string(), folder_of(detail)?))).collect();
        return folders.map(Side::Several);
    }
    let detail = find(&client, name).await?.with_context(|| format!("there is no connector `{operand}`"))?;
    Ok(Side::One(Box::new(folder_of(&detail)?)))
}
