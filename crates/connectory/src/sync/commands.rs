//! The commands.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use connectory_client::{Client, ConnectorDetail, Filter, Status};
use connectory_model::ScriptName;
use connectory_model::folder::{Files, Folder};
use connectory_model::import;

use super::apply::apply;
use super::confirmed;
use super::folders::{self, local_folders};
use super::plan::{Wanted, as_found, custom, details, find, is_same, plan, print_diff};
use crate::lint::refuse_errors;
use crate::output;
use crate::remote::RemoteArguments;

/// There is nothing to change.
const SAME: u8 = 0;
/// There are changes.
const DIFFERENT: u8 = 2;

#[derive(Args)]
pub struct PullArguments {
    /// The folder to write connector folders to
    dir: PathBuf,
    /// The script names of those to write [default: every custom connector]
    names: Vec<ScriptName>,
    /// Only those that pass a filter, such as 'name sw "HR"'
    #[arg(long, conflicts_with = "names")]
    filter: Option<Filter>,
    /// The built-in ones too
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// Print nothing
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    remote: RemoteArguments,
}

/// Writes connectors to folders.
pub async fn pull(arguments: PullArguments) -> Result<()> {
    let client = arguments.remote.client()?;
    let pulled = if arguments.names.is_empty() {
        let mut list = client.list().statuses(&Status::ALL);
        if !arguments.all {
            list = list.custom(true);
        }
        if let Some(filter) = arguments.filter {
            list = list.filter(filter);
        }
        let names = list.all().await?.into_iter().map(|item| item.script_name);
        let mut pulled = details(&client, names).await?;
        pulled.retain(|detail| arguments.all || detail.is_custom());
        pulled
    } else {
        details(&client, arguments.names.into_iter()).await?
    };
    let mut files = 0;
    for detail in &pulled {
        // A name that a server gave must not lead out of the folder.
        let name = ScriptName::strict(detail.script_name.as_str())?;
        files += folders::write(&arguments.dir.join(name.as_str()), &as_found(detail)?)?;
    }
    if !arguments.quiet {
        say!("pulled {}, {} changed", output::count(pulled.len(), "connector"), output::count(files, "file"));
    }
    Ok(())
}

/// Whether to replace connectors.
#[derive(Args)]
struct Replacing {
    /// Delete and create again where a member differs that the API cannot change: name, type, className,
    /// directConnect, status
    #[arg(long)]
    replace: bool,
}

#[derive(Args)]
struct Consent {
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Print neither the plan nor what was done
    #[arg(long, short, requires = "yes")]
    quiet: bool,
}

#[derive(Args)]
pub struct PlanArguments {
    /// A folder of connector folders, or one connector folder
    dir: PathBuf,
    /// Delete custom connectors that have no folder
    #[arg(long)]
    prune: bool,
    #[command(flatten)]
    remote: RemoteArguments,
}

#[derive(Args)]
pub struct ApplyArguments {
    #[command(flatten)]
    plan: PlanArguments,
    #[command(flatten)]
    replacing: Replacing,
    #[command(flatten)]
    consent: Consent,
}

fn wanted(dir: &Path) -> Result<Vec<Wanted>> {
    let folders = local_folders(dir)?;
    refuse_errors(&folders)?;
    let read = |folder: &folders::LocalFolder| {
        let script_name = ScriptName::strict(&folder.name).with_context(|| format!("{}", folder.path.display()))?;
        let read = Folder::read(&folder.files).with_context(|| format!("{}", folder.path.display()))?;
        Ok(Wanted { script_name, folder: read })
    };
    folders.iter().map(read).collect()
}

/// Prints what `apply` would do.
pub async fn plan_folder(arguments: PlanArguments) -> Result<ExitCode> {
    let wanted = wanted(&arguments.dir)?;
    let plan = plan(&arguments.remote.client()?, wanted, arguments.prune).await?;
    plan.print();
    plan.check_built_in()?;
    Ok(if plan.steps.is_empty() { SAME } else { DIFFERENT }.into())
}

/// Makes a server have the connectors of a folder.
pub async fn apply_folder(ApplyArguments { plan: arguments, replacing, consent }: ApplyArguments) -> Result<()> {
    let wanted = wanted(&arguments.dir)?;
    make_so(&arguments.remote.client()?, wanted, arguments.prune, &replacing, &consent).await
}

async fn make_so(
    client: &Client,
    wanted: Vec<Wanted>,
    prune: bool,
    replacing: &Replacing,
    consent: &Consent,
) -> Result<()> {
    let plan = plan(client, wanted, prune).await?;
    if !consent.quiet {
        plan.print();
    }
    plan.check(replacing.replace)?;
    if plan.steps.is_empty() {
        return Ok(());
    }
    if !consent.yes && !confirmed(&format!("Make these changes at {}?", client.environment().base_url))? {
        bail!("nothing was changed");
    }
    apply(client, plan, consent.quiet).await
}

#[derive(Args)]
pub struct PromoteArguments {
    /// The environment to take connectors from
    #[arg(long, value_name = "ENV")]
    from: String,
    /// The environment to bring them to
    #[arg(long, value_name = "ENV")]
    to: String,
    /// Their script names
    #[arg(required = true)]
    names: Vec<ScriptName>,
    #[command(flatten)]
    replacing: Replacing,
    #[command(flatten)]
    consent: Consent,
}

/// Brings connectors from one environment to another.
pub async fn promote(arguments: PromoteArguments) -> Result<()> {
    let [from, to] = [arguments.from, arguments.to].map(|name| RemoteArguments { env: Some(name) });
    let taken = details(&from.client()?, arguments.names.into_iter()).await?;
    let wanted: Result<_> = taken.iter().map(wanted_as).collect();
    make_so(&to.client()?, wanted?, false, &arguments.replacing, &arguments.consent).await
}

fn wanted_as(detail: &ConnectorDetail) -> Result<Wanted> {
    Ok(Wanted { script_name: detail.script_name.clone(), folder: as_found(detail)? })
}

#[derive(Args)]
pub struct ImportArguments {
    /// What `connectory export` wrote, or a folder of connector folders
    #[arg(value_name = "FILE|DIR")]
    from: PathBuf,
    #[command(flatten)]
    replacing: Replacing,
    #[command(flatten)]
    consent: Consent,
    #[command(flatten)]
    remote: RemoteArguments,
}

/// Brings connectors from a file or folder.
pub async fn import(arguments: ImportArguments) -> Result<()> {
    let from = &arguments.from;
    let wanted = if from.is_dir() {
        wanted(from)?
    } else {
        let text = std::fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
        let connectors = import::from_json(&text).with_context(|| format!("cannot import {}", from.display()))?;
        connectors
            .into_iter()
            .map(|connector| Wanted { script_name: connector.script_name.clone(), folder: Folder::from(connector) })
            .collect()
    };
    make_so(&arguments.remote.client()?, wanted, false, &arguments.replacing, &arguments.consent).await
}

#[derive(Args)]
pub struct ExportArguments {
    /// The file to write [default: standard output]
    file: Option<PathBuf>,
    #[command(flatten)]
    remote: RemoteArguments,
}

/// Writes every custom connector as a JSON array of details.
pub async fn export(arguments: ExportArguments) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(&custom(&arguments.remote.client()?).await?)?;
    text.push(b'\n');
    match arguments.file {
        Some(file) => std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display())),
        None => output::bytes(&text),
    }
}

#[derive(Args)]
pub struct DiffArguments {
    /// A connector as SCRIPT-NAME or ENV:SCRIPT-NAME, every custom connector of an environment as ENV:, or a folder
    a: String,
    /// The same
    b: String,
    #[command(flatten)]
    remote: RemoteArguments,
}

/// Prints how two connectors, or two sets of them, differ.
pub async fn diff(DiffArguments { a, b, remote }: DiffArguments) -> Result<ExitCode> {
    let (before, after) = (side(&a, &remote).await?, side(&b, &remote).await?);
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
            print_diff(&format!("{a}{name}"), &format!("{b}{name}"), before, after);
        }
    }
    Ok(if is_different { DIFFERENT } else { SAME }.into())
}

/// Whether neither would change if the other were wanted.
fn is_equal(a: &Folder, b: &Folder) -> bool {
    is_same(a, b) && is_same(b, a)
}

/// One side of a comparison.
enum Side {
    One(Box<Folder>),
    Several(BTreeMap<String, Folder>),
}

impl Side {
    fn named(self, operand: &str) -> BTreeMap<String, Folder> {
        match self {
            Self::One(folder) => BTreeMap::from([(operand.rsplit(':').next().unwrap_or(operand).to_owned(), *folder)]),
            Self::Several(folders) => folders,
        }
    }
}

async fn side(operand: &str, remote: &RemoteArguments) -> Result<Side> {
    let path = Path::new(operand);
    if path.is_dir() {
        let folders = local_folders(path)?;
        let read = |files: &Files<'_>| Folder::read(files).with_context(|| format!("{}", path.display()));
        if let [folder] = folders.as_slice()
            && folder.path == path
        {
            return Ok(Side::One(Box::new(read(&folder.files)?)));
        }
        let folders: Result<_> = folders.iter().map(|folder| Ok((folder.name.clone(), read(&folder.files)?))).collect();
        return folders.map(Side::Several);
    }
    let (client, name) = match operand.split_once(':') {
        Some((env, name)) => (RemoteArguments { env: Some(env.to_owned()) }.client()?, name),
        None => (remote.client()?, operand),
    };
    if name.is_empty() {
        let all = custom(&client).await?;
        let folders: Result<_> =
            all.iter().map(|detail| Ok((detail.script_name.to_string(), as_found(detail)?))).collect();
        return folders.map(Side::Several);
    }
    let detail = find(&client, name).await?.with_context(|| format!("there is no connector `{operand}`"))?;
    Ok(Side::One(Box::new(as_found(&detail)?)))
}
