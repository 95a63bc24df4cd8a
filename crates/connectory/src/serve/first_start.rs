//! The first start on a database creates the tenant and its API client. Later starts say if there is no client.

use anyhow::Result;
use connectory_model::access::{Scope, UserLevel};
use connectory_server::auth::secret;
use connectory_store::{NewClient, Store};

use crate::access::database_option;
use crate::operator::operator;

const TENANT: &str = "default";
const CLIENT_ID: &str = "CONNECTORY_CLIENT_ID";
const CLIENT_SECRET: &str = "CONNECTORY_CLIENT_SECRET";

/// The API clients of a database, as a start finds or makes them.
pub enum Clients {
    /// There are some.
    Some,
    /// The first start created one.
    First {
        id: String,
        /// The generated secret; none if the secret was given.
        secret: Option<String>,
    },
    /// A server for tests has one, until it ends.
    OfTests {
        id: String,
        /// The generated secret; none if the secret was given.
        secret: Option<String>,
    },
    /// There is none, and this is the oldest tenant.
    None { tenant: String },
    /// There is no tenant any more.
    NoTenant,
}

/// Creates the tenant and its client, if there was never a tenant. Call this after everything that may fail: the secret is
/// shown once.
///
/// A tenant without a client gets none: its operator may have deleted all of them on purpose.
pub async fn create_first_client(store: &Store) -> Result<Clients> {
    let tenants = store.tenants().await?;
    if let [oldest, ..] = &tenants[..] {
        if let Some(id) = given(CLIENT_ID)
            && store.client(id).await?.is_none()
        {
            tracing::warn!("{CLIENT_ID} names no client; it is used on the first start only: see `connectory client`");
        }
        for tenant in &tenants {
            if !store.clients(tenant.id, None, 1).await?.is_empty() {
                return Ok(Clients::Some);
            }
        }
        return Ok(Clients::None { tenant: oldest.name.clone() });
    }
    let (id, secret, generated) = credentials();
    let (name, new_id) = ("first client".to_owned(), id.clone());
    let client = tokio::task::spawn_blocking(move || {
        NewClient::with_secret(new_id, &secret, name, UserLevel::OrgAdmin, [Scope::All].into())
    });
    let created = store.bootstrap(TENANT.to_owned(), client.await?, operator()).await?;
    if created {
        return Ok(Clients::First { id, secret: generated });
    }
    // Another server may have created them just now.
    Ok(if store.tenants().await?.is_empty() { Clients::NoTenant } else { Clients::Some })
}

fn given(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The id and the secret of a new client, as they are given or generated. The last is the secret if it was generated.
fn credentials() -> (String, String, Option<String>) {
    let id = given(CLIENT_ID).unwrap_or_else(secret::new_id);
    let given = given(CLIENT_SECRET);
    let generated = given.is_none().then(secret::new_secret);
    (id, given.or_else(|| generated.clone()).unwrap_or_default(), generated)
}

/// The id and the secret of the client of a server for tests, and what to print.
pub fn client_of_tests() -> (String, String, Clients) {
    let (id, secret, generated) = credentials();
    (id.clone(), secret, Clients::OfTests { id, secret: generated })
}

/// Prints how to connect as the first client, or how to create one.
pub fn print_clients(base_url: &str, database: &str, clients: &Clients) {
    let option = database_option(database);
    let (id, secret) = match clients {
        Clients::Some => return,
        Clients::None { tenant } => {
            let of = if tenant == TENANT { String::new() } else { format!(" --tenant {tenant}") };
            tell!(
                "\nThis database has no API client, so no program can get a token. This command creates one:\n\n\
                 connectory client create NAME{of} {option}\n"
            );
            return;
        }
        Clients::NoTenant => {
            tell!(
                "\nAll tenants of this database were deleted. These commands create one, and a client of it:\n\n\
                 connectory tenant create NAME {option}\nconnectory client create CLIENT --tenant NAME {option}\n"
            );
            return;
        }
        Clients::First { id, secret } => {
            tell!(
                "\nThis is the first start with {}: the tenant `{TENANT}` and an API client were created.",
                database.strip_prefix("sqlite:").unwrap_or(database)
            );
            (id, secret)
        }
        Clients::OfTests { id, secret } => {
            tell!("\nThe tenant `{TENANT}` has an API client. All is removed when the server ends.");
            (id, secret)
        }
    };
    let is_told = match secret {
        Some(secret) => tell!(
            "Its secret is not shown again. For the official SDKs:\n\n\
             export SAIL_BASE_URL={base_url}\nexport SAIL_CLIENT_ID={id}\nexport SAIL_CLIENT_SECRET={secret}\n"
        ),
        None => tell!("Its id is {id}, its secret the one in {CLIENT_SECRET}.\n"),
    };
    if cfg!(feature = "console") {
        tell!("Sign in to the console with this id and secret: {base_url}/\n");
    }
    if !is_told && secret.is_some() {
        tracing::error!(
            "the secret of the first client {id} could not be written to standard output, and is lost; create another \
             client with `connectory client create NAME {option}`, then delete this one"
        );
    }
}
