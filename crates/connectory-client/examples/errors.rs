//! Tells errors apart.

use connectory_client::{Client, Error, NewConnector};

#[tokio::main]
async fn main() -> Result<(), Error> {
    for line in run(&Client::from_env()?).await {
        println!("{line}");
    }
    Ok(())
}

/// Makes two calls that fail, and returns what a program could do about each.
pub async fn run(client: &Client) -> Vec<String> {
    let missing = client.get("no-such-connector", None).await.map(drop);
    // `JDBC` is a built-in connector, so its name is taken.
    let taken = client.create(&NewConnector::new("JDBC", "x.Y")).await.map(drop);
    [missing, taken].into_iter().filter_map(Result::err).map(|error| advice(&error)).collect()
}

/// What to do after an error. The text of every error is a sentence for people and has no secret in it.
pub fn advice(error: &Error) -> String {
    match error {
        error if error.is_not_found() => "there is no such connector".to_owned(),
        Error::Changed { .. } => "read it again, and repeat the change".to_owned(),
        Error::Api(error) if error.status.is_client_error() => format!("change the request: {error}"),
        // The tracking id finds the call in the log of the service.
        Error::Api(error) => format!("report {}", error.tracking_id().unwrap_or("the answer")),
        Error::Transport { .. } => format!("check the network: {error}"),
        Error::Authentication { client_id, .. } => format!("check the secret of the API client {client_id}"),
        Error::Config(_) | Error::BaseUrl { .. } => format!("check the configuration: {error}"),
        Error::Tls(_) => format!("check the certificates of this machine: {error}"),
        Error::Unreadable(_) => format!("go on without it: {error}"),
        Error::Decoding { .. } => format!("this is not the Connectors API: {error}"),
    }
}
