//! A plan in one commit: all of it, or nothing. Only connectory can do that. The server itself says beforehand what it would
//! refuse, so none of its rules is written here again.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use connectory_client::{ApiError, Applied, Capability, Change, Client, ConnectorDetail, Error, ServiceInfo, Status};
use connectory_folder::Folder;
use connectory_model::{ScriptName, visible};

use super::interrupt::Interrupt;
use super::{Refusal, Step};
use crate::environment::{connectors, export_named};
use crate::terminal::count;

/// Wanted connectors up to which only these are read. For more, all of a tenant are read in one call.
const FEW: usize = 250;

/// How many changes a service makes in one commit. None if it takes only single calls.
pub fn most_changes(service: &ServiceInfo) -> Option<usize> {
    let is_able = service.has(Capability::Export) && service.has(Capability::Apply);
    let most = service.limits.max_apply_lines.filter(|most| is_able && *most > 0)?;
    Some(usize::try_from(most).unwrap_or(usize::MAX))
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
pub async fn refusals(client: &Client, steps: &[Step], revision: u64, most: usize) -> Result<Vec<Refusal>, Error> {
    let mut refusals = Vec::new();
    for steps in steps.chunks(most) {
        match client.check(&changes(steps, revision)).await {
            Ok(_) => {}
            Err(Error::Api(error)) => refusals.extend(refused(&error, steps).ok_or(Error::Api(error))?),
            Err(error) => return Err(error),
        }
    }
    Ok(refusals)
}

/// The refused steps of a plan, if the answer names them. The changes were sent in the order of the steps, one in a line.
fn refused(error: &ApiError, steps: &[Step]) -> Option<Vec<Refusal>> {
    let refusal = |cause: &str| {
        let (line, reason) = cause.strip_prefix("line ")?.split_once(": ")?;
        let line: usize = line.split(',').next()?.parse().ok()?;
        let step = steps.get(line.checked_sub(1)?)?;
        Some(Refusal { script_name: step.script_name.clone(), reason: visible(reason).into_owned() })
    };
    let refusals: Vec<_> = error.causes().filter_map(refusal).collect();
    (!refusals.is_empty()).then_some(refusals)
}

/// Carries out a plan. Returns none if the server does not have the operation, so that it did nothing.
pub async fn apply(client: &Client, steps: &[Step], revision: u64, most: usize) -> Result<Option<Applied>> {
    let interrupt = Interrupt::listen();
    let mut all: Option<Applied> = None;
    for (done, part) in steps.chunks(most).enumerate() {
        let applied = commit(client, part, revision, &interrupt).await;
        let applied = if done == 0 {
            applied?
        } else {
            applied.with_context(|| {
                format!("the first {} are made, and the others are not", count(done * most, "change"))
            })?
        };
        all = match (all, applied) {
            (None, None) => return Ok(None),
            (Some(_), None) => bail!("the server does not have the operation any more; {UNKNOWN}"),
            (None, applied) => applied,
            (Some(all), Some(next)) => Some(Applied {
                before: all.before,
                revision: next.revision,
                created: all.created + next.created,
                changed: all.changed + next.changed,
                deleted: all.deleted + next.deleted,
                unchanged: all.unchanged + next.unchanged,
            }),
        };
    }
    Ok(all)
}

/// Makes changes in one commit.
async fn commit(client: &Client, steps: &[Step], revision: u64, interrupt: &Interrupt) -> Result<Option<Applied>> {
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
