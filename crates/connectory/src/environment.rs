//! The service that a command calls, and reading connectors from it.

use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use connectory_client::{Client, ConnectorDetail, Environment, Error, Retries, Status, Writes};
use connectory_folder::Folder;
use connectory_model::ScriptName;
use futures_util::{StreamExt, TryStreamExt, stream};

/// How many connectors a command reads or changes at the same time. The server's rate limit slows it down further.
pub const PARALLEL: usize = 8;

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

    /// A client of the service.
    pub fn client(&self) -> Result<Client> {
        client(match &self.env {
            Some(name) => Environment::named(name)?,
            None => Environment::load()?,
        })
    }
}

/// A client of a service, with the retries that commands need.
pub fn client(environment: Environment) -> Result<Client> {
    // 429 means that the service did nothing, so every call is repeated until the rate limit lets it pass.
    let retries = Retries { times: 60, writes: Writes::RateLimited, ..Retries::default() };
    Ok(Client::builder(environment).retries(retries).timeout(Duration::from_mins(1)).build()?)
}

/// A connector, if the service has it.
pub async fn find(client: &Client, script_name: &str) -> Result<Option<ConnectorDetail>, Error> {
    match client.get(script_name, None).await {
        Ok(detail) => Ok(Some(detail)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Every custom connector of any status. A service other than connectory ignores both conditions and lists all released
/// connectors, so the built-in ones are removed here.
pub async fn custom(client: &Client) -> Result<Vec<ConnectorDetail>, Error> {
    let listed = client.list().custom(true).statuses(&Status::ALL).all().await?;
    let listed = listed.into_iter().map(|item| item.script_name);
    let details = details(client, listed).await?;
    Ok(details.into_iter().filter(ConnectorDetail::is_custom).collect())
}

/// Connectors in the order of their names.
pub async fn details(client: &Client, names: impl Iterator<Item = ScriptName>) -> Result<Vec<ConnectorDetail>, Error> {
    stream::iter(names)
        .map(|name| async move { client.get(name.as_str(), None).await })
        .buffered(PARALLEL)
        .try_collect()
        .await
}

/// A connector of the service as a connector folder.
pub fn folder_of(detail: &ConnectorDetail) -> Result<Folder> {
    Folder::of(detail).with_context(|| format!("the translations of {} are unreadable", detail.script_name))
}
