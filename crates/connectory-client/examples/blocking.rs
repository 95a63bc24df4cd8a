//! The same client for a program without async.

use connectory_client::blocking::Client;
use connectory_client::{Error, NewConnector, Status};

fn main() -> Result<(), Error> {
    run(&Client::new(connectory_client::Client::from_env()?)).map(drop)
}

/// Creates a connector in development, and returns the names of all connectors in development.
pub fn run(client: &Client) -> Result<Vec<String>, Error> {
    let new = NewConnector { status: Status::Development, ..NewConnector::new("Badge reader", "x.Y") };
    let created = client.create(&new)?;
    let detail = client.get(created.script_name.as_str(), None)?;
    println!("{} has the metadata {:?}", detail.name, detail.connector_metadata);

    // A list is narrowed down by the same methods as in the async client.
    let listed = client.list(|list| list.custom(true).statuses(&[Status::Development]))?;
    Ok(listed.into_iter().map(|connector| connector.name).collect())
}
