//! Runs the example programs against a real server.

#![allow(clippy::unwrap_used, reason = "a test fails where something is wrong")]

mod support;

#[path = "../examples/blocking.rs"]
#[expect(dead_code, reason = "`main` is not called")]
mod blocking;
#[path = "../examples/documents.rs"]
#[expect(dead_code, reason = "`main` is not called")]
mod documents;
#[path = "../examples/errors.rs"]
#[expect(dead_code, reason = "`main` is not called")]
mod errors;
#[path = "../examples/paging_stream.rs"]
#[expect(dead_code, reason = "`main` is not called")]
mod paging_stream;
#[path = "../examples/promote.rs"]
#[expect(dead_code, reason = "`main` is not called")]
mod promote;
#[path = "../examples/retries.rs"]
#[expect(dead_code, reason = "`main` is not called")]
mod retries;

use std::time::{Duration, Instant};

use connectory_client::{Client, Environment, Locale, NewConnector};
use connectory_server::Options;

use crate::support::{Server, unlimited};

#[tokio::test]
async fn paging_stream() {
    let server = Server::start(unlimited()).await;
    let client = server.client();
    for n in 0..7 {
        client.create(&NewConnector::new(format!("A {n}"), "x.Y")).await.unwrap();
    }
    let names = paging_stream::run(&client, 6).await.unwrap();
    assert_eq!(names.len(), 6);
    assert!(names.is_sorted_by_key(|name| name.to_lowercase()), "{names:?}");
}

#[tokio::test]
async fn documents() {
    let server = Server::start(unlimited()).await;
    let client = server.client();
    let script_name = documents::run(&client).await.unwrap();
    let detail = client.get(&script_name, None).await.unwrap();
    assert!(detail.source_config_xml.contains("<!-- version 2 -->"));
    assert_eq!(detail.translation_properties.len(), 1);
}

#[tokio::test]
async fn retries() {
    let server = Server::start(Options { rate_limit: Some("5/1s".parse().unwrap()), ..Options::default() }).await;
    let started = Instant::now();
    retries::run(server.environment.clone(), 12).await.unwrap();
    assert!(started.elapsed() > Duration::from_secs(1), "12 calls in {:?}", started.elapsed());
    // The last call of the example may have used up the limit.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(server.client().list().custom(true).count().await.unwrap(), 12);
}

#[tokio::test]
async fn errors() {
    let server = Server::start(unlimited()).await;
    let advice = errors::run(&server.client()).await;
    assert_eq!(advice[0], "there is no such connector");
    assert!(advice[1].starts_with("change the request: the service answered 400"), "{advice:?}");
    let client = |environment| Client::builder(environment).build().unwrap();
    let wrong = Environment { client_secret: "wrong".to_owned(), ..server.environment.clone() };
    assert_eq!(errors::run(&client(wrong)).await[0], "check the secret of the API client id");
    let nowhere = Environment { base_url: "http://127.0.0.1:9".to_owned(), ..server.environment.clone() };
    let error = client(nowhere).delete("a").await.unwrap_err();
    assert!(errors::advice(&error).starts_with("check the network: cannot reach http://127.0.0.1:9/oauth/token"));
}

#[test]
fn blocking() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = runtime.block_on(Server::start(unlimited()));
    let client = connectory_client::blocking::Client::new(server.client());
    assert_eq!(blocking::run(&client).unwrap(), ["Badge reader"]);
}

#[tokio::test]
async fn promote() {
    let (sandbox, production) = (Server::start(unlimited()).await, Server::start(unlimited()).await);
    let (from, to) = (sandbox.client(), production.client());
    let script_name = documents::run(&from).await.unwrap();
    let patch = serde_json::from_str(r#"[{"op": "add", "path": "/connectorMetadata/category", "value": "HR"}]"#);
    from.patch(&script_name, &patch.unwrap()).await.unwrap();
    promote::run(&from, &to, &script_name).await.unwrap();
    let same = from.get(&script_name, Some(Locale::De)).await.unwrap();
    assert_eq!(to.get(&script_name, Some(Locale::De)).await.unwrap(), same);

    // Again, after a change: the connector is there already.
    from.set_translations(&script_name, Locale::De, b"ShortDesc=Neu\n").await.unwrap();
    promote::run(&from, &to, &script_name).await.unwrap();
    assert_eq!(to.translations(&script_name, Locale::De).await.unwrap(), b"ShortDesc=Neu\n");
}
