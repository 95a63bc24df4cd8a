//! Applying: carries out a plan.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use connectory_client::Client;
use connectory_folder::pull::Digests;
use connectory_model::ScriptName;
use futures_util::{StreamExt, stream};

use super::compare::{compare, compare_singly};
use super::interrupt::Interrupt;
use super::record::Record;
use super::saved::Saved;
use super::show::Shown;
use super::step::{Effect, Failure, Steps};
use super::wanted::{Goal, refuse_doubtful};
use super::{Action, Plan, Way, at_once};
use crate::before;
use crate::environment::{EnvironmentArgument, PARALLEL};
use crate::progress::Progress;
use crate::terminal::{confirm, count};

/// What the user allows, for every command that applies a plan.
#[derive(Args)]
pub struct ApplyOptions {
    /// Delete and recreate connectors if a member differs that the API cannot change: name, type, className,
    /// directConnect, status. A connectory server changes them in place, without this
    #[arg(long)]
    replace: bool,
    /// Where to save the connectors that are changed, replaced or deleted, as they were before; `connectory import` puts
    /// them back [default: a file in the platform's state directory, where the newest 20 are kept]
    #[arg(long, value_name = "FILE")]
    backup: Option<PathBuf>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Print neither the plan nor the result
    #[arg(long, short, requires = "yes")]
    quiet: bool,
    #[command(flatten)]
    show: Shown,
}

impl ApplyOptions {
    /// The options of a command that neither asks nor prints.
    pub const SILENT: Self = Self { replace: false, backup: None, yes: true, quiet: true, show: Shown::DIFF };
}

/// Makes a plan, prints it, asks, and carries it out. `dir` is the folder that the wanted connectors are from, if it is not a
/// file or a service. `saved` is the plan that was saved, if the goal is from it.
pub async fn plan_and_apply(
    environment: &EnvironmentArgument,
    goal: Goal,
    dir: Option<&Path>,
    saved: Option<&Saved>,
    options: &ApplyOptions,
) -> Result<()> {
    let client = environment.client()?;
    let mut record = match dir {
        Some(dir) => Record::of(dir, &client).await?,
        None => None,
    };
    // Only a record needs them.
    let recorded = if record.is_some() { goal.wanted.as_slice() } else { &[] };
    let digests: Vec<_> =
        recorded.iter().map(|wanted| (wanted.script_name.clone(), Digests::of(&wanted.folder))).collect();
    if let Some(saved) = saved {
        saved.check_place(&client).await?;
    }
    let mut plan = compare(&client, &goal).await?;
    if let Some(saved) = saved {
        saved.check(&plan)?;
    }
    if !options.quiet {
        plan.print(&client.environment().base_url, options.show);
    }
    plan.check()?;
    if let Some(record) = &record {
        record.warn_of_others(&plan);
    }
    if let Some(dir) = dir {
        refuse_doubtful(dir, &plan)?;
    }
    if !options.replace {
        plan.check_replacements()?;
    }
    if plan.steps.is_empty() {
        if let Some(record) = &mut record {
            record.save(digests);
        }
        return Ok(());
    }
    if !options.yes && !confirm(&format!("Make these changes at {}?", client.environment().base_url))? {
        bail!("nothing was changed");
    }
    let before: Vec<_> = plan.steps.iter().filter_map(|step| step.found.as_ref()).map(|(detail, _)| detail).collect();
    let way_back = before::save(&before, options.backup.as_deref(), environment)
        .context("nothing was changed; `--backup FILE` says where to save")?;
    if !options.quiet && (plan.is_at_once() || plan.steps.iter().any(|step| phase(&step.action) > 0)) {
        // Told first, so that it is there whatever happens.
        if let Some(way_back) = &way_back {
            report!("{way_back}");
        }
    }
    if let Way::AtOnce { revision, most } = plan.way {
        if let Some(done) = at_once::apply(&client, &plan.steps, revision, most).await? {
            if let Some(record) = &mut record {
                record.save(digests);
            }
            if !options.quiet {
                say!("created {}, changed {}, deleted {}", done.created, done.changed, done.deleted);
                let (before, revision) = (done.before, done.revision);
                say!(
                    "revision {revision}; what was before is revision {before}; `connectory rollback --to {before}{}` goes back \
                     to it",
                    environment.option()
                );
            }
            return Ok(());
        }
        // One of several servers is older than the one that told what they can do.
        plan = compare_singly(&client, &goal, client.service_info().await?.as_ref()).await?;
        if let Some(saved) = saved {
            saved.check(&plan)?;
        }
        plan.check()?;
        if !options.replace {
            plan.check_replacements()?;
        }
    }
    let mut applied = Applied::default();
    apply(&client, plan, options.quiet, &mut applied).await?;
    if let Some(record) = &mut record {
        record.save(digests.into_iter().filter(|(name, _)| applied.has(name)).collect());
    }
    if !options.quiet {
        say!("{}", applied.tally());
    }
    applied.result(way_back.as_deref())
}

/// The phase in which connectors are replaced.
const REPLACEMENTS: usize = 1;

/// When an action's turn is. What deletes something waits until all before it has succeeded.
const fn phase(action: &Action) -> usize {
    match action {
        Action::Create | Action::Change => 0,
        Action::Replace(_) => REPLACEMENTS,
        Action::Delete => REPLACEMENTS + 1,
    }
}

/// What was done so far.
#[derive(Default)]
struct Applied {
    done: BTreeMap<Effect, usize>,
    /// The connectors that failed, with the reason of each.
    failed: BTreeMap<ScriptName, String>,
    /// The connectors that were not begun.
    left: BTreeSet<ScriptName>,
    /// The connectors that were stopped in the middle.
    stopped: BTreeSet<ScriptName>,
    /// Whether the user stopped the command.
    is_interrupted: bool,
    /// What to do next. The most pressing advice is given.
    advice: Option<Advice>,
}

/// What to do after a failure, in the order of its weight.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Advice {
    /// The same command may do more later.
    Repeat,
    /// Somebody else changed a connector of the plan.
    PullFirst,
    /// Something is deleted that was to be replaced. The same command would create it without what only the server had.
    PutBackFirst,
}

/// Carries out every step, several at a time. A step that fails does not stop those of its phase. Ctrl-C ends the command
/// after the steps that are under way.
async fn apply(client: &Client, plan: Plan, quiet: bool, applied: &mut Applied) -> Result<()> {
    let progress = Progress::begin("applied", plan.steps.len(), quiet);
    let interrupt = Interrupt::listen();
    let Way::Singly { max_request } = plan.way else { bail!("this plan is for one commit") };
    let steps = Steps { client, max_request };
    let mut phases: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for step in plan.steps {
        applied.left.insert(step.script_name.clone());
        phases.entry((phase(&step.action), step.turn)).or_default().push(step);
    }
    let in_hand = RefCell::new(BTreeSet::new());
    for ((number, _), phase) in phases {
        if !applied.failed.is_empty() || interrupt.is_requested() {
            break;
        }
        let done = stream::iter(phase)
            .take_until(interrupt.requested(1))
            .map(async |step| {
                in_hand.borrow_mut().insert(step.script_name.clone());
                let done = steps.carry_out(&step).await;
                (step.script_name, done)
            })
            .buffer_unordered(PARALLEL);
        let mut done = std::pin::pin!(done);
        loop {
            let (script_name, done) = tokio::select! {
                next = done.next() => match next {
                    Some(next) => next,
                    None => break,
                },
                () = interrupt.requested(1), if !applied.is_interrupted => {
                    applied.is_interrupted = true;
                    let under_way = count(in_hand.borrow().len(), "connector");
                    progress.aside(|| report!(
                        "Finishing the {under_way} under way. Press Ctrl-C again to stop in the middle of them."
                    ));
                    continue;
                }
                () = interrupt.requested(2) => break,
            };
            progress.step(&script_name);
            in_hand.borrow_mut().remove(&script_name);
            applied.left.remove(&script_name);
            applied.add(script_name, done);
        }
        if number == REPLACEMENTS && !in_hand.borrow().is_empty() {
            applied.advice = Some(Advice::PutBackFirst);
        }
    }
    drop(progress);
    applied.is_interrupted |= interrupt.is_requested();
    applied.stopped = in_hand.into_inner();
    applied.left.retain(|name| !applied.stopped.contains(name));
    Ok(())
}

impl Applied {
    /// Adds the outcome of a step.
    fn add(&mut self, script_name: ScriptName, done: Result<Effect, Failure>) {
        let effect = match done {
            Ok(effect) => Some(effect),
            Err(Failure { effect, reason, is_temporary, has_moved, is_lost }) => {
                let advice =
                    [(is_temporary, Advice::Repeat), (has_moved, Advice::PullFirst), (is_lost, Advice::PutBackFirst)];
                self.advice = self.advice.max(advice.into_iter().filter_map(|(is, advice)| is.then_some(advice)).max());
                self.failed.insert(script_name, reason);
                effect
            }
        };
        if let Some(effect) = effect {
            *self.done.entry(effect).or_default() += 1;
        }
    }

    /// Whether the server has a connector as it is wanted.
    fn has(&self, name: &ScriptName) -> bool {
        !self.failed.contains_key(name) && !self.left.contains(name) && !self.stopped.contains(name)
    }

    /// What was done, as a line.
    fn tally(&self) -> String {
        let count = |effect| self.done.get(&effect).copied().unwrap_or_default();
        let mut tally = format!(
            "created {}, changed {}, deleted {}",
            count(Effect::Created),
            count(Effect::Changed),
            count(Effect::Deleted)
        );
        let replaced = count(Effect::Replaced);
        if replaced > 0 {
            write!(tally, ", replaced {replaced}").expect("a string takes any text");
        }
        tally
    }

    /// Fails if something was not done, and says what, and what to do.
    fn result(&self, way_back: Option<&str>) -> Result<()> {
        let mut parts = Vec::new();
        if !self.failed.is_empty() {
            let failed = self.failed.iter().map(|(name, reason)| format!("\n  {name}: {reason}"));
            parts.push(format!("{} failed:{}", count(self.failed.len(), "connector"), failed.collect::<String>()));
        }
        if !self.stopped.is_empty() {
            parts.push(format!("stopped in the middle of {}, which may be half done", names(&self.stopped)));
        }
        if self.is_interrupted && parts.is_empty() && self.left.is_empty() {
            // It came after the last step.
            return Ok(());
        }
        if !self.left.is_empty() {
            let why =
                if self.is_interrupted { "interrupted" } else { "nothing is replaced or deleted after a failure" };
            parts.push(format!("not begun, because {why}: {}", names(&self.left)));
        }
        if parts.is_empty() {
            return Ok(());
        }
        let advice = self.advice.max(self.is_interrupted.then_some(Advice::Repeat));
        // Where nothing was changed, there is nothing to put back, and doing so would undo what others changed.
        if advice == Some(Advice::PutBackFirst) || !self.done.is_empty() || !self.stopped.is_empty() {
            parts.extend(way_back.map(str::to_owned));
        }
        parts.extend(advice.map(|advice| {
            let advice = match advice {
                Advice::Repeat => "Run the command again to go on.",
                Advice::PullFirst => "`connectory pull` fetches what others changed; then plan again.",
                Advice::PutBackFirst => "Put that back first. Then run the command again.",
            };
            advice.to_owned()
        }));
        bail!(parts.join("\n"))
    }
}

/// The names of connectors, not too many.
fn names(names: &BTreeSet<ScriptName>) -> String {
    const SHOWN: usize = 10;
    let shown: Vec<_> = names.iter().take(SHOWN).map(ScriptName::as_str).collect();
    match names.len().checked_sub(SHOWN) {
        Some(more @ 1..) => format!("{} and {more} more", shown.join(", ")),
        _ => shown.join(", "),
    }
}
