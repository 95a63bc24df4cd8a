//! Counts a list, then reads it page by page and stops early.

use std::pin::pin;

use connectory_client::{Client, Error, Filter};
use futures_util::TryStreamExt;

#[tokio::main]
async fn main() -> Result<(), Error> {
    run(&Client::from_env()?, 10).await.map(drop)
}

/// Prints the first connectors that connect directly, and returns their names.
pub async fn run(client: &Client, wanted: usize) -> Result<Vec<String>, Error> {
    let list = client.list().filter(Filter::direct_connect(true)).page_size(5);
    println!("{} connectors connect directly", list.count().await?);

    // The stream fetches a page when the one before it has been read. So no page is fetched that nobody reads.
    let mut connectors = pin!(list.stream());
    let mut names = Vec::new();
    while names.len() < wanted
        && let Some(connector) = connectors.try_next().await?
    {
        println!("{} ({})", connector.name, connector.script_name);
        names.push(connector.name);
    }
    Ok(names)
}
