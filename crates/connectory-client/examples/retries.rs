//! Creates many connectors under a rate limit.

use std::time::Duration;

use connectory_client::{Client, Environment, Error, NewConnector, Retries, StatusCode, Writes};
use futures_util::future::try_join_all;

#[tokio::main]
async fn main() -> Result<(), Error> {
    run(Environment::load()?, 150).await
}

/// Creates `count` connectors.
pub async fn run(environment: Environment, count: usize) -> Result<(), Error> {
    // connectory does a POST or PATCH of this SDK once, however often it is sent, so all calls are repeated. Another service
    // could do them twice, so by default only GET, PUT and DELETE are repeated there. After 429 it cannot: the service did
    // nothing. `Writes::RateLimited` repeats them then, after the pause that the service asks for in `Retry-After`.
    let retries = Retries { rate_limited: 60, writes: Writes::RateLimited, ..Retries::default() };
    let client = Client::builder(environment.clone())
        .retries(retries)
        // At most four calls are on their way at the same time, however many futures wait.
        .concurrency(4)
        .timeout(Duration::from_secs(30))
        .build()?;
    let new: Vec<_> = (0..count).map(|n| NewConnector::new(format!("Bulk {n}"), "x.Y")).collect();
    let created = try_join_all(new.iter().map(|new| client.create(new))).await?;
    println!("created {}", created.len());

    // A program that wants to decide for itself turns retries off and reads the error.
    let client = Client::builder(environment).retries(Retries::NONE).build()?;
    match client.list().count().await {
        Ok(count) => println!("{count} connectors"),
        Err(Error::Api(error)) if error.status == StatusCode::TOO_MANY_REQUESTS => {
            println!("too many requests; try again in {:?}", error.retry_after.unwrap_or_default());
        }
        Err(error) => return Err(error),
    }
    Ok(())
}
