//! `connectory pull`: writes connectors to folders.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use connectory_client::{Capability, Error, Filter};
use connectory_folder::folder_name::{folder_name, script_name};
use connectory_folder::pull::{Kept, Left, Pull, Pulled};
use connectory_model::{ScriptName, visible};

use crate::environment::{EnvironmentArgument, connectors, details, expect, find, folder_of, left_out, tenant, whole};
use crate::moment::Moment;
use crate::progress::Progress;
use crate::terminal::{self, YELLOW, styled};

/// How many files or folders are named.
const SHOWN: usize = 20;

#[derive(Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
pub struct PullArguments {
    /// The folder to write connector folders to
    dir: PathBuf,
    /// The script names of the connectors to write [default: every custom connector]
    names: Vec<ScriptName>,
    /// Only connectors that match a filter, such as 'name sw "HR"'
    #[arg(long, conflicts_with = "names")]
    filter: Option<Filter>,
    /// Built-in connectors too
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// The custom connectors as they were after the change that holds the revision of this number, or at a time; one without
    /// an offset is of this machine's time zone. Use another folder than that of the current ones, unless you want to apply
    /// the old ones
    #[arg(long, value_name = "REVISION|TIME", conflicts_with_all = ["filter", "all", "prune"])]
    at: Option<Moment>,
    /// Remove the folders of connectors that are not on the server any more. A folder stays if a file of the connector was
    /// edited here since the last pull; --force removes it too
    #[arg(long, conflicts_with_all = ["names", "filter"])]
    prune: bool,
    /// Overwrite files that were edited here since the last pull
    #[arg(long)]
    force: bool,
    /// Print nothing but warnings
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    environment: EnvironmentArgument,
}

/// Writes connectors to folders.
pub async fn run(arguments: PullArguments) -> Result<()> {
    let client = arguments.environment.client()?;
    let is_named = !arguments.names.is_empty();
    let is_whole = !is_named && arguments.filter.is_none() && arguments.at.is_none();
    let mut pull = Pull::begin(&arguments.dir, &tenant(&client).await?, arguments.force)?;
    let pulled = if let Some(at) = &arguments.at {
        expect(&client, Capability::History, "the history of connectors").await?;
        let export = client.export_at(&at.to_string()).await?;
        let revision = export.revision;
        let mut then = connectors(export);
        if is_named {
            for name in &arguments.names {
                if !then.iter().any(|detail| detail.script_name == *name) {
                    bail!("there was no connector `{}` after revision {revision}", visible(name.as_str()));
                }
            }
            then.retain(|detail| arguments.names.contains(&detail.script_name));
        }
        then
    } else if is_named {
        details(&client, arguments.names).await?
    } else {
        let list = client.list();
        whole(&client, if let Some(filter) = arguments.filter { list.filter(filter) } else { list }, arguments.all)
            .await?
    };
    let (mut folders, mut written) = (BTreeSet::new(), 0);
    let progress = Progress::begin("wrote", pulled.len(), arguments.quiet);
    for detail in &pulled {
        progress.step(&detail.script_name);
        // One odd connector costs no other, unless it is what was asked for.
        let odd = |error: anyhow::Error| {
            if is_named {
                return Err(error);
            }
            progress.aside(|| left_out(&format!("{error:#}")));
            Ok(())
        };
        let folder = match folder_name(&detail.script_name) {
            Ok(folder) => folder,
            Err(error) => {
                odd(error.into())?;
                continue;
            }
        };
        match folder_of(detail) {
            Ok(content) => {
                pull.write(&folder, &content, is_named)?;
                written += 1;
            }
            Err(error) => odd(error)?,
        }
        folders.insert(folder);
    }
    drop(progress);
    pull.write_git_attributes()?;
    pull.save()?;
    let (mut gone, mut removed, mut left) = (Vec::new(), 0, Left::default());
    for folder in if is_whole { pull.others(&folders) } else { Vec::new() } {
        match find(&client, script_name(&folder)?.as_str()).await {
            Ok(None) => {}
            // What cannot be read is there.
            Ok(Some(_)) | Err(Error::Unreadable(_)) => continue,
            Err(error) => return Err(error.into()),
        }
        if arguments.prune {
            let Left { edited, unknown } = pull.prune(&folder)?;
            removed += usize::from(edited.is_empty());
            left.edited.extend(edited);
            left.unknown.extend(unknown);
        } else {
            gone.push(folder);
        }
    }
    let Pulled { changed, kept } = pull.finish()?;
    if !arguments.quiet {
        let changed = terminal::count(changed, "file");
        let removed =
            if removed > 0 { format!(", {} removed", terminal::count(removed, "folder")) } else { String::new() };
        say!("pulled {}, {changed} changed{removed}", terminal::count(written, "connector"));
    }
    let shown = |kept: &[Kept]| kept.iter().map(ToString::to_string).collect::<Vec<_>>();
    for (what, paths) in [
        (
            "changed here since the last pull, and kept; `connectory plan` shows the differences, `--force` overwrites:",
            shown(&kept),
        ),
        ("here, and not on the server any more; `--prune` removes them, `connectory apply` creates them again:", gone),
        (
            "changed here since the last pull, of connectors that are not on the server any more; their folders stay, and \
             `--force` removes them:",
            shown(&left.edited),
        ),
        ("in removed folders, and kept, because they are no files of a connector:", left.unknown),
    ] {
        warn(what, &paths);
    }
    Ok(())
}

/// Tells something about files or folders.
fn warn(what: &str, paths: &[String]) {
    if paths.is_empty() {
        return;
    }
    report!("{} {} {what}", styled(YELLOW, "warning:"), terminal::count(paths.len(), "path"));
    for path in paths.iter().take(SHOWN) {
        report!("  {}", visible(path));
    }
    if let Some(more) = paths.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        report!("  and {more} more");
    }
}
