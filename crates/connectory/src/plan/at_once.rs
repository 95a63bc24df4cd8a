//! A plan in one commit: all of it, or nothing. Only connectory can do that. The server itself says beforehand what it would
//! refuse, so none of its rules is written here again.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use connectory_client::{ApiError, Applied, Capability, Change, Client, ConnectorDetail, Error, ServiceInfo, Status};
use connectory_folder::Folder;
use connectory_model::ScriptName;

use super::interrupt::Interrupt;
use super::{Refusal, Step};
use crate::environment::{connectors, export_named};

/// Wanted connectors up to which only these are read. For more, all of a tenant are read in one call.
const FEW: usize = 250;

/// Whether a service makes several changes in one commit.
pub fn is_able(service: &ServiceInfo) -> bool {
    service.has(Capability::Export) && service.has(Capability::Apply)
}

/// Whether a service says that it does not have the operation, so that it did nothing.
pub fn is_missing(error: &Error) -> bool {
    error.is_not_found()
}

/// Reads the connectors with these names, or all custom ones and those with these names. Returns the revision as of which
/// they are true.
pub async fn read(
    client: &Client,
    names: &[ScriptName],
    all: bool,
) -> Result<(u64, BTreeMap<ScriptName, ConnectorDetail>), Error> {
    if !all && names.len() <= FEW {
        return export_named(client, names).await;
    }
    let export = client.list().custom(true).statuses(&Status::ALL).export().await?;
    let revision = export.revision;
    let found = connectors(export).into_iter().map(|detail| (detail.script_name.clone(), detail));
    let mut found: BTreeMap<_, _> = found.collect();
    // Others are new, or built-in connectors.
    let others: Vec<_> = names.iter().filter(|name| !found.contains_key(*name)).cloned().collect();
    let (_, others) = export_named(client, &others).await?;
    found.extend(others);
    Ok((revision, found))
}

/// The changes of a plan, of connectors that were read as of a revision.
fn changes(steps: &[Step], revision: u64) -> Vec<Change> {
    let change = |step: &Step| {
        let detail = |folder: Folder| folder.into_detail(step.script_name.clone());
        match (&step.wanted, &step.found) {
            (None, _) => Change::delete(revision, step.script_name.clone()),
            (Some(wanted), None) => Change::create(detail(wanted.clone())),
            (Some(wanted), Some((_, found))) => Change::update(revision, detail(wanted.completed_from(found))),
        }
    };
    steps.iter().map(change).collect()
}

/// What the server would refuse of a plan.
pub async fn refusals(client: &Client, steps: &[Step], revision: u64) -> Result<Vec<Refusal>, Error> {
    if steps.is_empty() {
        return Ok(Vec::new());
    }
    match client.check(&changes(steps, revision)).await {
        Ok(_) => Ok(Vec::new()),
        Err(Error::Api(error)) => refused(&error, steps).ok_or(Error::Api(error)),
        Err(error) => Err(error),
    }
}

/// The refused steps of a plan, if the answer names them. The changes were sent in the order of the steps, one in a line.
fn refused(error: &ApiError, steps: &[Step]) -> Option<Vec<Refusal>> {
    let refusal = |cause: &str| {
        let (line, reason) = cause.strip_prefix("line ")?.split_once(": ")?;
        let line: usize = line.split(',').next()?.parse().ok()?;
        let step = steps.get(line.checked_sub(1)?)?;
        Some(Refusal { script_name: step.script_name.clone(), reason: reason.to_owned() })
    };
    let refusals: Vec<_> = error.causes().filter_map(refusal).collect();
    (!refusals.is_empty()).then_some(refusals)
}

/// Carries out a plan. Returns none if the server does not have the operation, so that it did nothing.
pub async fn apply(client: &Client, steps: &[Step], revision: u64) -> Result<Option<Applied>> {
    let interrupt = Interrupt::listen();
    let changes = changes(steps, revision);
    let applied = tokio::select! {
        applied = client.apply(&changes) => applied,
        () = interrupt.requested(1) => bail!("interrupted; {UNKNOWN}"),
    };
    let error = match applied {
        Ok(applied) => return Ok(Some(applied)),
        Err(error) if is_missing(&error) => return Ok(None),
        Err(error) => error,
    };
    let Some(api) = error.api_error() else { return Err(error).context(UNKNOWN) };
    if let Some(refusals) = refused(api, steps) {
        let refusals = refusals.iter().map(|Refusal { script_name, reason }| format!("\n  {script_name}: {reason}"));
        bail!(
            "nothing was changed, because the server refused:{}\n`connectory pull` fetches what others changed; then plan again.",
            refusals.collect::<String>()
        );
    }
    // Only 504 leaves open what was done.
    let what = if api.status.as_u16() == 504 { UNKNOWN } else { "nothing was changed" };
    Err(error).context(what)
}

/// What is to be said if the answer is lost.
const UNKNOWN: &str = "the server made all of these changes, or none of them; `connectory plan` shows which, and `connectory apply` goes on";
