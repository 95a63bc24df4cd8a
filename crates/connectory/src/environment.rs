//! The service that a command calls, and reading connectors from it.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::future::ready;
use std::sync::Once;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use connectory_client::{
    Capability, Client, ConnectorDetail, Environment, EnvironmentSource, Error, Export, List, Retries, Retry, Status,
    StatusCode, Writes,
};
use connectory_folder::Folder;
use connectory_model::limits::EXPORT_NAMES;
use connectory_model::{ScriptName, visible};
use futures_util::{StreamExt, stream};

use crate::progress::Progress;
use crate::terminal::{YELLOW, shell_word, styled};

/// How many connectors a command reads or changes at the same time. The server's rate limit slows it down further.
pub const PARALLEL: usize = 8;

/// Bytes that the names of connectors may take in the address of one call.
const NAMES_BYTES: usize = 8 * 1024;

/// Pauses for the rate limit that are told. A shorter one is not noticed.
const TOLD_PAUSE: Duration = Duration::from_secs(3);

/// The service to call.
#[derive(Args, Clone, Default)]
pub struct EnvironmentArgument {
    /// An environment of ~/.sailpoint/config.yaml, where `connectory login` saves them [default: the variables
    /// `SAIL_BASE_URL`, `SAIL_CLIENT_ID` and `SAIL_CLIENT_SECRET`, else ./config.json, else the active environment]
    #[arg(long, value_name = "NAME", global = true)]
    env: Option<String>,
}

impl EnvironmentArgument {
    /// A named environment.
    pub const fn named(name: String) -> Self {
        Self { env: Some(name) }
    }

    /// The environment's name, if it was given.
    pub fn name(&self) -> Option<&str> {
        self.env.as_deref()
    }

    /// The option of a command line that chooses the same environment, with a space before it.
    pub fn option(&self) -> String {
        self.name().map(|name| format!(" --env {}", shell_word(name))).unwrap_or_default()
    }

    /// The environment, and where it was found.
    pub fn find(&self) -> Result<(Environment, EnvironmentSource)> {
        Ok(match &self.env {
            Some(name) => Environment::find_named(name)?,
            None => Environment::find()?,
        })
    }

    /// A client of the service.
    pub fn client(&self) -> Result<Client> {
        client(self.find()?.0, Patience::Some)
    }
}

/// How much patience a command has with a service that cannot be reached or is unavailable.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// None: somebody waits to hear whether the address is right.
    None,
    /// Some: three tries, and a dozen seconds for a service that restarts.
    Some,
}

/// A client of a service, with the retries that commands need. Tells the first repetition on standard error.
pub fn client(environment: Environment, patience: Patience) -> Result<Client> {
    // 429 means that the service did nothing, so every call is repeated until the rate limit lets it pass.
    let limited = Retries { rate_limited: 60, writes: Writes::RateLimited, ..Retries::default() };
    let retries = match patience {
        Patience::None => Retries { unavailable: 0, unreachable: 0, ..limited },
        Patience::Some => Retries { unavailable: 5, first_pause: Duration::from_millis(500), ..limited },
    };
    let (limit, failure) = (Once::new(), Once::new());
    let told = move |retry: Retry<'_>| {
        let status = retry.error.api_error().map(|error| error.status);
        let first = if status == Some(StatusCode::TOO_MANY_REQUESTS) {
            if retry.pause < TOLD_PAUSE {
                return;
            }
            &limit
        } else {
            &failure
        };
        first.call_once(|| {
            let seconds = retry.pause.as_secs_f64();
            let text = format!("{}; trying again in {seconds:.1} s (this is said once)", retry.error);
            report!("{} {}", styled(YELLOW, "warning:"), visible(&text));
        });
    };
    let builder = Client::builder(environment).retries(retries).on_retry(told);
    Ok(builder.timeout(Duration::from_mins(1)).build()?)
}

/// A connector, if the service has it.
pub async fn find(client: &Client, script_name: &str) -> Result<Option<ConnectorDetail>, Error> {
    match client.get(script_name, None).await {
        Ok(detail) => Ok(Some(detail)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Every custom connector of any status.
pub async fn custom(client: &Client) -> Result<Vec<ConnectorDetail>, Error> {
    whole(client, client.list(), false).await
}

/// The whole connectors of a list, of any status: the custom ones, or all. In one call if the service can export.
pub async fn whole(client: &Client, list: List, with_built_in: bool) -> Result<Vec<ConnectorDetail>, Error> {
    let list = list.statuses(&Status::ALL);
    let export = async {
        let mut exported = list.clone().custom(true).export().await.map(connectors)?;
        if with_built_in {
            exported.extend(list.clone().custom(false).export().await.map(connectors)?);
        }
        Ok(exported)
    };
    if let Some(exported) = if_able(client, export).await? {
        return Ok(exported);
    }
    let listed = if with_built_in { list } else { list.custom(true) }.all().await?;
    listed.unreadable.iter().for_each(|item| left_out(item));
    let mut found = Vec::with_capacity(listed.len());
    let names: Vec<_> = listed.into_iter().map(|item| item.script_name).collect();
    for detail in one_by_one(client, &names).await {
        match detail {
            Ok(detail) => found.push(detail),
            Err(Error::Unreadable(item)) => left_out(&item),
            // It was deleted since it was listed.
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
    }
    // A service other than connectory ignores both conditions, and lists all released connectors.
    found.retain(|detail| with_built_in || detail.is_custom());
    Ok(found)
}

/// Connectors in the order of their names. In a few calls and with the bytes of what is not UTF-8, if the service can export.
pub async fn details(client: &Client, names: Vec<ScriptName>) -> Result<Vec<ConnectorDetail>, Error> {
    let Some((_, mut found)) = if_able(client, export_named(client, &names)).await? else {
        return one_by_one(client, &names).await.into_iter().collect();
    };
    let mut details = Vec::with_capacity(names.len());
    for name in names {
        details.push(match found.remove(&name) {
            Some(detail) => detail,
            // Its error says that there is no such connector.
            None => client.get(name.as_str(), None).await?,
        });
    }
    Ok(details)
}

/// The connectors with these names, as far as they exist, and the revision as of which they are true. The calls are few: an
/// address has room for many names.
pub async fn export_named(
    client: &Client,
    names: &[ScriptName],
) -> Result<(u64, BTreeMap<ScriptName, ConnectorDetail>), Error> {
    let (mut revision, mut found) = (u64::MAX, BTreeMap::new());
    let mut rest = names;
    while !rest.is_empty() {
        let mut bytes = 0;
        let is_within = |name: &&ScriptName| {
            // Each byte may be encoded in three.
            bytes += 3 * name.as_str().len();
            bytes <= NAMES_BYTES
        };
        let count = rest.iter().take(EXPORT_NAMES).take_while(is_within).count().max(1);
        let (part, after) = rest.split_at(count);
        let export = client.export_named(part).await?;
        // What was changed between two calls is refused later, because it has a newer revision than this.
        revision = revision.min(export.revision);
        found.extend(connectors(export).into_iter().map(|detail| (detail.script_name.clone(), detail)));
        rest = after;
    }
    Ok((revision, found))
}

/// Warns of a connector that cannot be read. The others are read all the same.
pub fn left_out(what: &dyn Display) {
    report!("{} {}; it is left out", styled(YELLOW, "warning:"), visible(&what.to_string()));
}

/// The connectors of an export, with the members that a get answers. Warns of those that cannot be read.
pub fn connectors(export: Export) -> Vec<ConnectorDetail> {
    export.unreadable.iter().for_each(|item| left_out(item));
    let plain = |detail| ConnectorDetail { provisioning_policies: None, ..detail };
    export.connectors.into_iter().map(plain).collect()
}

/// Fails if the service does not have an extension, which `what` names.
pub async fn expect(client: &Client, capability: Capability, what: &str) -> Result<()> {
    match client.service_info().await? {
        Some(service) if service.has(capability) => Ok(()),
        Some(service) => bail!(
            "connectory {} at {} does not have {what}; it needs a newer version",
            service.version,
            client.environment().base_url
        ),
        None => bail!("the service at {} does not have {what}; only connectory does", client.environment().base_url),
    }
}

/// Exports, if the service can do that. One of several servers may be older than the one that told so.
async fn if_able<T>(client: &Client, export: impl Future<Output = Result<T, Error>>) -> Result<Option<T>, Error> {
    if !client.service_info().await?.is_some_and(|service| service.has(Capability::Export)) {
        return Ok(None);
    }
    match export.await {
        Err(error) if error.is_not_found() => Ok(None),
        exported => exported.map(Some),
    }
}

/// Reads connectors in the order of their names. It ends at the first error that would be that of the others too.
async fn one_by_one(client: &Client, names: &[ScriptName]) -> Vec<Result<ConnectorDetail, Error>> {
    let progress = Progress::begin("read", names.len(), false);
    stream::iter(names)
        .map(|name| async move { client.get(name.as_str(), None).await })
        .buffered(PARALLEL)
        .inspect(|_| progress.step(""))
        .scan(false, |is_over, detail| {
            let is_first = !*is_over;
            let is_its_own = |error: &Error| matches!(error, Error::Unreadable(_)) || error.is_not_found();
            *is_over |= detail.as_ref().is_err_and(|error| !is_its_own(error));
            ready(is_first.then_some(detail))
        })
        .collect()
        .await
}

/// A connector of the service as a connector folder.
pub fn folder_of(detail: &ConnectorDetail) -> Result<Folder> {
    Folder::of(detail).with_context(|| format!("the translations of {} are unreadable", detail.script_name))
}

/// What the record of a pull calls the tenant of a service: its id, or the service's address.
pub async fn tenant(client: &Client) -> Result<String, Error> {
    Ok(client.tenant_id().await?.unwrap_or_else(|| client.environment().base_url.clone()))
}
