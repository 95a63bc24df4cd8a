//! The service that a command calls, and reading connectors from it.

use std::sync::Once;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use connectory_client::{
    Client, ConnectorDetail, Environment, EnvironmentSource, Error, Retries, Retry, Status, StatusCode, Writes,
};
use connectory_folder::Folder;
use connectory_model::{ScriptName, visible};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::terminal::{YELLOW, styled};

/// How many connectors a command reads or changes at the same time. The server's rate limit slows it down further.
pub const PARALLEL: usize = 8;

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

/// What the record of a pull calls the tenant of a service: its id, or the service's address.
pub async fn tenant(client: &Client) -> Result<String, Error> {
    Ok(client.tenant_id().await?.unwrap_or_else(|| client.environment().base_url.clone()))
}
