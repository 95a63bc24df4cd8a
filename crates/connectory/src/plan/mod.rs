//! A plan: what has to change on a server so that it has the wanted connectors. `wanted` reads what is wanted, `compare`
//! makes the plan, `refusals` says what the server would refuse, `show` prints the plan, and `apply` carries it out: `at_once`, or
//! `step` by step, until an `interrupt`. The `record` has what was last the same here and there.

pub mod apply;
mod at_once;
pub mod compare;
mod interrupt;
pub mod record;
mod refusals;
pub mod report;
pub mod saved;
pub mod show;
mod step;
pub mod wanted;

use anyhow::{Result, bail};
use connectory_client::ConnectorDetail;
use connectory_folder::Folder;
use connectory_model::{ScriptName, visible};

use crate::terminal::count;

/// What is done to a connector.
pub enum Action {
    /// Create it: the server does not have it.
    Create,
    /// Change documents, metadata or translations.
    Change,
    /// Delete and recreate it: these members differ, and the API cannot update them.
    Replace(Vec<&'static str>),
    /// Delete it: it is not wanted.
    Delete,
}

/// The part of a plan that is about one connector.
pub struct Step {
    /// Its script name.
    pub script_name: ScriptName,
    /// What is done.
    pub action: Action,
    /// How many connectors have to be there before, so that it gets its script name: `hr-3` comes after `hr` and `hr-2`.
    pub turn: usize,
    /// The wanted connector; none if it is deleted.
    pub wanted: Option<Folder>,
    /// The connector on the server when the plan was made.
    pub found: Option<(ConnectorDetail, Folder)>,
}

/// Why a connector cannot be as it is wanted.
pub struct Refusal {
    /// Its script name.
    pub script_name: ScriptName,
    /// The reason, as a sentence.
    pub reason: String,
}

/// How a plan is carried out.
#[derive(Debug, Clone, Copy)]
pub enum Way {
    /// In one commit, or in several if there are more changes than one commit takes. The connectors were read as of this
    /// revision.
    AtOnce {
        /// The revision.
        revision: u64,
        /// The most changes that one commit takes.
        most: usize,
    },
    /// With a call for each part of a connector.
    Singly {
        /// The largest request that the server takes, in bytes.
        max_request: usize,
    },
}

/// A plan, in the order of script names.
pub struct Plan {
    /// Connectors that change.
    pub steps: Vec<Step>,
    /// Connectors that cannot change so.
    pub refusals: Vec<Refusal>,
    /// How it is carried out.
    pub way: Way,
}

impl Plan {
    /// Whether it is carried out in one commit.
    pub fn is_at_once(&self) -> bool {
        matches!(self.way, Way::AtOnce { .. })
    }

    /// Fails if the server would refuse a part of the plan.
    pub fn check(&self) -> Result<()> {
        if self.refusals.is_empty() {
            return Ok(());
        }
        let refusals =
            self.refusals.iter().map(|Refusal { script_name, reason }| format!("\n  {script_name}: {reason}"));
        bail!(
            "{} cannot be as the plan has it, so nothing was changed:{}",
            count(self.refusals.len(), "connector"),
            refusals.collect::<String>()
        )
    }

    /// Fails if a connector would be replaced. That needs the user's word.
    pub fn check_replacements(&self) -> Result<()> {
        let replaced = self.steps.iter().filter(|step| matches!(step.action, Action::Replace(_)));
        let names: Vec<_> = replaced.map(|step| visible(step.script_name.as_str())).collect();
        if names.is_empty() {
            return Ok(());
        }
        bail!("{} would be replaced: deleted, and created again; give --replace to do that", names.join(", "))
    }
}
