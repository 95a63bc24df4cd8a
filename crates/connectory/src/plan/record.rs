//! The record of what was last the same here and on the server ([`Pull`]): by it a plan tells what others changed, and an
//! apply notes what it sent.

use std::path::Path;

use anyhow::{Context, Result};
use connectory_client::Client;
use connectory_folder::CONNECTOR_FILE;
use connectory_folder::folder_name::folder_name;
use connectory_folder::pull::{Digests, Pull};
use connectory_model::{ScriptName, visible};

use super::Plan;
use crate::environment::tenant;
use crate::terminal::{YELLOW, styled};

/// The record of a folder of connector folders.
pub struct Record(Pull);

impl Record {
    /// The record of a folder. None if it is unreadable, which is told.
    pub async fn of(dir: &Path, client: &Client) -> Result<Option<Self>> {
        let path = dir.canonicalize().with_context(|| format!("cannot read {}", dir.display()))?;
        let is_connector = dir.join(CONNECTOR_FILE).symlink_metadata().is_ok();
        // The record is beside the folder of the connector.
        let path = if is_connector { path.parent().unwrap_or(&path) } else { &path };
        match Pull::begin(path, &tenant(client).await?, false) {
            Ok(pull) => Ok(Some(Self(pull))),
            Err(error) => {
                report!("{} {}", styled(YELLOW, "warning:"), visible(&error.to_string()));
                Ok(None)
            }
        }
    }

    /// Tells which connectors the plan would bring back to what they were before somebody else changed them.
    pub fn warn_of_others(&self, plan: &Plan) {
        for step in &plan.steps {
            let (Some(wanted), Some((_, found))) = (&step.wanted, &step.found) else { continue };
            let Ok(name) = folder_name(&step.script_name) else { continue };
            let files = self.0.behind(&name, wanted, found);
            if !files.is_empty() {
                report!(
                    "{} {} changed on the server since the last pull, and not here: {}. To apply this undoes that change; \
                     `connectory pull` fetches it.",
                    styled(YELLOW, "warning:"),
                    visible(step.script_name.as_str()),
                    files.join(", ")
                );
            }
        }
    }

    /// Notes what the server has now. A failure is told only, because all else is done.
    pub fn save(&mut self, sent: Vec<(ScriptName, Digests)>) {
        for (script_name, digests) in sent {
            if let Ok(name) = folder_name(&script_name) {
                self.0.sent(&name, digests);
            }
        }
        if let Err(error) = self.0.save() {
            report!("{} {}", styled(YELLOW, "warning:"), visible(&format!("{:#}", anyhow::Error::from(error))));
        }
    }
}
