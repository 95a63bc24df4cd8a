//! A plan in a file: what `plan --out` found and wanted. `apply` carries it out later, unless something moved meanwhile.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use connectory_client::{Client, ConnectorDetail};
use connectory_model::{ScriptName, visible};
use serde::{Deserialize, Serialize};

use super::Plan;
use super::wanted::{Goal, Wanted};
use crate::environment::{folder_of, tenant};
use crate::files;

/// The first member of the file, so that no other JSON is taken for a plan.
const FORMAT: &str = "connectory-plan/1";

/// A plan in a file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Saved {
    format: String,
    /// The address of the server.
    server: String,
    /// The tenant of the server.
    tenant: String,
    changes: Vec<SavedChange>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SavedChange {
    script_name: ScriptName,
    /// The connector as it is wanted. None if it is deleted.
    wanted: Option<ConnectorDetail>,
    /// The connector as it was on the server. None if it was not there.
    found: Option<ConnectorDetail>,
}

impl Saved {
    /// Saves a plan in a new file, which only its owner can read.
    pub async fn save(path: &Path, client: &Client, plan: &Plan) -> Result<()> {
        let changes = plan.steps.iter().map(|step| {
            let wanted = step.wanted.as_ref().map(|folder| {
                let whole =
                    step.found.as_ref().map_or_else(|| folder.clone(), |(_, found)| folder.completed_from(found));
                whole.into_detail(step.script_name.clone())
            });
            let found = step.found.as_ref().map(|(detail, _)| detail.clone());
            SavedChange { script_name: step.script_name.clone(), wanted, found }
        });
        let server = client.environment().base_url.clone();
        let saved =
            Self { format: FORMAT.to_owned(), server, tenant: tenant(client).await?, changes: changes.collect() };
        let mut text = serde_json::to_vec_pretty(&saved)?;
        text.push(b'\n');
        files::write_new(path, &text).context("the plan cannot be saved")
    }

    /// Reads a plan from a file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let not_one = || {
            format!(
                "{} is not a plan that `connectory plan --out` saved; `connectory import` reads what `export` wrote",
                path.display()
            )
        };
        let saved: Self = serde_json::from_slice(&text).with_context(not_one)?;
        if saved.format != FORMAT {
            bail!("{}: its format is {}, and this program reads {FORMAT}", not_one(), visible(&saved.format));
        }
        Ok(saved)
    }

    /// What the server should have.
    pub fn goal(&self) -> Result<Goal> {
        let mut goal = Goal { wanted: Vec::new(), unwanted: Vec::new(), prune: false };
        for SavedChange { script_name, wanted, .. } in &self.changes {
            match wanted {
                Some(detail) => {
                    goal.wanted.push(Wanted { script_name: script_name.clone(), folder: folder_of(detail)? });
                }
                None => goal.unwanted.push(script_name.clone()),
            }
        }
        Ok(goal)
    }

    /// Fails if the plan is for another server or tenant.
    pub async fn check_place(&self, client: &Client) -> Result<()> {
        let (server, tenant) = (&client.environment().base_url, tenant(client).await?);
        if (&self.server, &self.tenant) == (server, &tenant) {
            return Ok(());
        }
        bail!(
            "the plan is for {} (tenant {}), and this is {server} (tenant {tenant}); nothing was changed",
            visible(&self.server),
            visible(&self.tenant)
        )
    }

    /// Fails if a connector of the plan is not any more as it was when the plan was made.
    pub fn check(&self, plan: &Plan) -> Result<()> {
        let steps: BTreeMap<_, _> = plan.steps.iter().map(|step| (&step.script_name, step)).collect();
        let mut moved = Vec::new();
        for SavedChange { script_name, found, .. } in &self.changes {
            let before = found.as_ref().map(folder_of).transpose()?;
            let now = steps.get(script_name).map(|step| step.found.as_ref().map(|(_, folder)| folder));
            // Without a step, the server has what is wanted already.
            if now != Some(before.as_ref()) {
                moved.push(format!("\n  {}", visible(script_name.as_str())));
            }
        }
        if moved.is_empty() {
            return Ok(());
        }
        bail!("the server changed since the plan was made, so nothing was changed; plan again:{}", moved.concat())
    }
}
