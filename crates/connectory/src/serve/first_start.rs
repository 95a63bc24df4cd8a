//! The first start on a database: creates the tenant and its API client.

use std::path::Path;

use anyhow::Result;
use connectory_model::access::{Scope, UserLevel};
use connectory_server::auth::secret;
use connectory_store::{NewClient, Store};

use crate::operator::operator;

const TENANT: &str = "default";
const CLIENT_ID: &str = "CONNECTORY_CLIENT_ID";
const CLIENT_SECRET: &str = "CONNECTORY_CLIENT_SECRET";

/// The client that the first start created.
pub struct FirstClient {
    id: String,
    /// The generated secret; none if the secret was given.
    secret: Option<String>,
}

/// Creates the tenant and its client, if there is no tenant yet.
pub async fn create_first_client(store: &Store) -> Result<Option<FirstClient>> {
    let given = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let (given_id, given_secret) = (given(CLIENT_ID), given(CLIENT_SECRET));
    if store.tenant(None).await?.is_some() {
        if let Some(id) = given_id
            && store.client(id).await?.is_none()
        {
            tracing::warn!("{CLIENT_ID} names no client; it is used on the first start only: see `connectory client`");
        }
        return Ok(None);
    }
    let id = given_id.unwrap_or_else(secret::new_id);
    let generated = given_secret.is_none().then(secret::new_secret);
    let secret = given_secret.or_else(|| generated.clone()).unwrap_or_default();
    let (name, new_id) = ("first client".to_owned(), id.clone());
    let client = tokio::task::spawn_blocking(move || {
        NewClient::with_secret(new_id, &secret, name, UserLevel::OrgAdmin, [Scope::All].into())
    });
    let created = store.bootstrap(TENANT.to_owned(), client.await?, operator()).await?;
    Ok(created.then_some(FirstClient { id, secret: generated }))
}

/// Prints how to connect as the first client.
pub fn print_first_client(base_url: &str, database: &Path, client: &FirstClient) {
    tell!(
        "\nThis is the first start with {}: the tenant `{TENANT}` and an API client were created.",
        database.display()
    );
    match &client.secret {
        Some(secret) => tell!(
            "Its secret is not shown again. For the official SDKs:\n\n\
             export SAIL_BASE_URL={base_url}\nexport SAIL_CLIENT_ID={}\nexport SAIL_CLIENT_SECRET={secret}\n",
            client.id
        ),
        None => tell!("Its id is {}, its secret the one in {CLIENT_SECRET}.\n", client.id),
    }
}
