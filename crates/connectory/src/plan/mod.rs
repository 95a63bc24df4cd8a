//! A plan: what has to change on a server so that it has the wanted connectors. `wanted` reads what is wanted,
//! `compare` makes the plan, `show` prints it, and `apply` carries it out.

pub mod apply;
pub mod compare;
pub mod show;
pub mod wanted;

use anyhow::{Result, bail};
use connectory_client::ConnectorDetail;
use connectory_folder::Folder;
use connectory_model::ScriptName;

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
    /// The wanted connector; none if it is deleted.
    pub wanted: Option<Folder>,
    /// The connector on the server when the plan was made.
    pub found: Option<(ConnectorDetail, Folder)>,
}

/// A plan, in the order of script names.
#[derive(Default)]
pub struct Plan {
    /// Connectors that change.
    pub steps: Vec<Step>,
    /// Built-in connectors that differ from the wanted ones. They cannot be changed.
    pub built_in: Vec<ScriptName>,
}

impl Plan {
    /// Fails if built-in connectors would have to change.
    pub fn check_built_in(&self) -> Result<()> {
        if self.built_in.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = self.built_in.iter().map(ScriptName::as_str).collect();
        bail!("built-in connectors cannot be changed, and these differ: {}", names.join(", "))
    }

    /// Fails if a step is impossible, or is a replacement and `replace` does not allow it.
    pub fn check(&self, replace: bool) -> Result<()> {
        self.check_built_in()?;
        for step in &self.steps {
            let (Action::Replace(_), Some(wanted)) = (&step.action, &step.wanted) else { continue };
            if !replace {
                bail!("{} would be replaced: deleted, and created again; give --replace to do that", step.script_name);
            }
            let name = &wanted.description.members.name;
            let derived = ScriptName::derive(name, |_| false);
            if derived != step.script_name {
                bail!(
                    "the connector named `{name}` would get the script name {derived}; rename the folder {} to that",
                    step.script_name
                );
            }
        }
        Ok(())
    }
}
