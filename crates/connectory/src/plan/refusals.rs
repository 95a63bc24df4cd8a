//! What a server would refuse, told before anything is sent. What can be seen without a server, lint tells.

use std::collections::{HashMap, HashSet};

use anyhow::Result;
use connectory_client::{Client, ConnectorItem, Error, Filter, Listed, NewConnector, ServiceInfo, Status};
use connectory_folder::Folder;
use connectory_folder::folder_name::folder_name;
use connectory_model::limits::{CONNECTOR_BYTES, DOCUMENT_BYTES, FILTER_BYTES, FILTER_DEPTH, REQUEST_BYTES};
use connectory_model::{ScriptName, name_key};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::json;

use super::{Action, Refusal, Step};
use crate::environment::{PARALLEL, find};

/// How many numbered script names are looked at before a name counts as too common.
const NUMBERED: usize = 100;

/// Says which steps a server would refuse, and sets the turns of the others. `service` is what it says about itself; a
/// service other than connectory says nothing.
pub async fn refusals(client: &Client, service: Option<&ServiceInfo>, steps: &mut [Step]) -> Result<Vec<Refusal>> {
    let mut refusals = Refusals::default();
    let mut created = Vec::new();
    for step in &*steps {
        let (name, found) = (&step.script_name, step.found.as_ref());
        let Some(wanted) = &step.wanted else { continue };
        check_sizes(&mut refusals, service, step, wanted);
        match &step.action {
            Action::Create => {}
            Action::Replace(_) => {
                let before = found.map(|(_, folder)| &folder.description.members);
                if let Some(Err(error)) = before.map(can_be_created) {
                    refusals.add(
                        name,
                        format!(
                            "it would be deleted and created again, and what is there could not be put back if that \
                             failed ({error}); delete it yourself first: connectory connector delete {name}"
                        ),
                    );
                }
            }
            Action::Change | Action::Delete => continue,
        }
        if let Err(error) = can_be_created(&wanted.description.members) {
            refusals.add(name, error);
        }
        created.push(step);
    }
    check_names(&mut refusals, client, &mut created).await?;
    let created = created.iter().map(|step| step.script_name.clone()).collect();
    check_script_names(&mut refusals, client, service.is_some(), steps, &created).await?;
    Ok(refusals.0)
}

/// Says that a service gives a connector another script name than its folder has, and what to do. No service but connectory
/// takes a script name from its callers.
pub fn other_script_name(name: &str, given: &ScriptName, own: &str) -> String {
    let folder = folder_name(given).ok().filter(|folder| folder != given.as_str());
    let folder = folder.map_or_else(|| "that".to_owned(), |folder| format!("`{folder}`"));
    let mut text = format!(
        "the server gives `{name}` the script name {given}; rename the folder to {folder}, and change the sources that refer to \
         {own}"
    );
    let number = own.strip_prefix(given.as_str()).and_then(|rest| rest.strip_prefix('-'));
    if number.is_some_and(|number| number.parse::<u64>().is_ok()) {
        let first = format!(
            "; or to keep {own}, create connectors that get {given} and the numbers before it first, and delete them afterwards"
        );
        text.push_str(&first);
    }
    text
}

#[derive(Default)]
struct Refusals(Vec<Refusal>);

impl Refusals {
    fn add(&mut self, script_name: &ScriptName, reason: impl Into<String>) {
        self.0.push(Refusal { script_name: script_name.clone(), reason: reason.into() });
    }
}

/// Checks that a server takes these members of a new connector.
fn can_be_created(members: &NewConnector) -> Result<(), String> {
    NewConnector::from_request(&json!(members)).map(drop).map_err(|error| error.to_string())
}

/// Checks that a connector is within the server's limits.
fn check_sizes(refusals: &mut Refusals, service: Option<&ServiceInfo>, step: &Step, wanted: &Folder) {
    let limits = service.map(|service| service.limits);
    let size = |limit: Option<u64>, usual| limit.map_or(usual, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let document = size(limits.map(|limits| limits.max_document_bytes), DOCUMENT_BYTES);
    let document = document.min(size(limits.map(|limits| limits.max_request_bytes), REQUEST_BYTES));
    let connector = size(limits.map(|limits| limits.max_connector_bytes), CONNECTOR_BYTES);
    for (file, bytes) in wanted.files().iter().filter(|(_, bytes)| bytes.len() > document) {
        refusals.add(&step.script_name, format!("{file} has {} bytes; the server takes {document}", bytes.len()));
    }
    let connector_of = |folder: &Folder| folder.clone().into_connector(step.script_name.clone());
    let wanted = connector_of(wanted);
    let checked = match &step.found {
        Some((_, found)) => wanted.check_growth(&connector_of(found), connector),
        None => wanted.check_bounds(connector),
    };
    if let Err(error) = checked {
        refusals.add(&step.script_name, error.to_string());
    }
}

/// Checks that no other connector has the name of a new one. Leaves those whose name is free.
async fn check_names(refusals: &mut Refusals, client: &Client, created: &mut Vec<&Step>) -> Result<()> {
    let name =
        |step: &&Step| step.wanted.as_ref().map(|wanted| wanted.description.members.name.clone()).unwrap_or_default();
    let names: Vec<_> = created.iter().map(name).collect();
    let alike = named_alike(client, names.iter().map(String::as_str)).await?;
    let mut owners: HashMap<_, _> =
        alike.into_iter().map(|item| (name_key(&item.name), (item.script_name, "already"))).collect();
    created.retain(|step| {
        let name = name(step);
        let (owner, when) = owners.entry(name_key(&name)).or_insert_with(|| (step.script_name.clone(), "too"));
        let is_free = *owner == step.script_name;
        if !is_free {
            // The folder may be that of the connector, named by its name instead of its script name.
            let is_derived = *when == "already" && ScriptName::derive(&name) == *owner;
            let hint =
                if is_derived { format!("; rename the folder to `{owner}` to change it") } else { String::new() };
            refusals.add(&step.script_name, format!("`{name}` is the name of the connector {owner} {when}{hint}"));
        }
        is_free
    });
    Ok(())
}

/// What one filter has already. A long one would not be accepted, nor fit into an address.
#[derive(Default)]
struct Room {
    names: usize,
    bytes: usize,
}

impl Room {
    /// Adds a filter, if there is room for it.
    fn takes(&mut self, filter: &Filter) -> bool {
        self.names += 1;
        self.bytes += filter.to_string().len();
        self.names < FILTER_DEPTH / 2 && self.bytes < FILTER_BYTES / 4
    }
}

/// The connectors of a server whose names begin like these.
async fn named_alike(client: &Client, names: impl Iterator<Item = &str>) -> Result<Vec<ConnectorItem>, Error> {
    let mut filters: Vec<Filter> = Vec::new();
    let mut room = Room::default();
    for name in names {
        let filter = Filter::name().starts_with(name);
        match filters.pop() {
            Some(last) if room.takes(&filter) => filters.push(last.or(filter)),
            last => {
                room = Room { bytes: filter.to_string().len(), ..Room::default() };
                filters.extend(last.into_iter().chain([filter]));
            }
        }
    }
    let found: Vec<Listed> = stream::iter(filters)
        .map(|filter| client.list().statuses(&Status::ALL).filter(filter).all())
        .buffer_unordered(PARALLEL)
        .try_collect()
        .await?;
    Ok(found.into_iter().flatten().collect())
}

/// Checks that connectory would give each new connector the script name that its folder has (D13), and says when its turn is:
/// `hr-2` is created after `hr`.
async fn check_script_names(
    refusals: &mut Refusals,
    client: &Client,
    is_connectory: bool,
    steps: &mut [Step],
    created: &HashSet<ScriptName>,
) -> Result<(), Error> {
    let new = steps.iter().filter(|step| matches!(step.action, Action::Create));
    let new: HashSet<_> = new.map(|step| step.script_name.clone()).collect();
    for step in steps.iter_mut().filter(|step| created.contains(&step.script_name)) {
        let name = |folder: &Folder| folder.description.members.name.clone();
        let wanted = step.wanted.as_ref().map(name);
        let found = step.found.as_ref().map(|(_, folder)| name(folder));
        let is_renamed = wanted != found;
        let own = &step.script_name;
        // What is there has to be put back under its script name if the new one fails.
        let renamed = found.filter(|_| is_renamed);
        for (name, is_found) in wanted.into_iter().zip([false]).chain(renamed.into_iter().zip([true])) {
            let mut taken = HashSet::new();
            let given = loop {
                let given = ScriptName::derive(&name).avoiding(|candidate| taken.contains(candidate));
                let is_taken = given != *own && (new.contains(&given) || find(client, given.as_str()).await?.is_some());
                if !is_taken || taken.len() == NUMBERED {
                    break given;
                }
                taken.insert(given);
            };
            if given == *own {
                step.turn = step.turn.max(taken.len());
                continue;
            }
            // Another service may have another rule. There, only a deletion is worth a refusal that may be wrong.
            if is_connectory || (step.found.is_some() && is_renamed && !is_found) {
                let reason = if is_found {
                    format!(
                        "what is there could not be put back if that failed: the server gives `{name}` the script name {given}"
                    )
                } else {
                    other_script_name(&name, &given, own.as_str())
                };
                refusals.add(own, reason);
                break;
            }
        }
    }
    Ok(())
}
