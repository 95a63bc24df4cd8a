//! Changes whose answers are lost: against a service that does the calls with one key once, nothing is done twice, and
//! nothing that was done is an error.

#![allow(clippy::unwrap_used, reason = "a test fails where something is wrong")]

mod support;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use connectory_client::{Client, Environment, Error, NewConnector, Retries};
use futures_util::future::join_all;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use support::{Server, unlimited};

/// The header, as the server writes it.
const HEADER: &[u8] = b"Connectory-Idempotency-Key";
const LIST: &str = "/v2025/connectors";

fn quick() -> Retries {
    let pause = Duration::from_millis(1);
    Retries { unreachable: 3, unavailable: 3, first_pause: pause, longest_pause: pause, ..Retries::default() }
}

/// What lies between the client and the server.
#[derive(Default)]
struct Network {
    /// How many answers to POST, PATCH and DELETE will be lost.
    lost: AtomicUsize,
    /// Whether it removes the header that says that keys are kept, so that the server looks like one that does not keep
    /// them.
    hides_keys: bool,
}

impl Network {
    /// Starts it in front of a server. Returns the environment of the server behind it.
    async fn before(self: &Arc<Self>, server: &Server) -> Environment {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let (this, to) = (Arc::clone(self), server.environment.base_url.strip_prefix("http://").unwrap().to_owned());
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let (this, server) = (Arc::clone(&this), TcpStream::connect(&to).await.unwrap());
                tokio::spawn(async move { this.pass(client, server).await });
            }
        });
        Environment { base_url, ..server.environment.clone() }
    }

    /// Passes bytes on, until an end closes or an answer is lost. The server answers after its commit.
    async fn pass(&self, mut client: TcpStream, mut server: TcpStream) -> std::io::Result<()> {
        let (mut sent, mut answered, mut is_change) = (vec![0; 65536], vec![0; 65536], false);
        loop {
            tokio::select! {
                count = client.read(&mut sent) => {
                    let bytes = &sent[..count?];
                    let begins = |method: &str| bytes.starts_with(format!("{method} {LIST}").as_bytes());
                    is_change |= ["POST", "PATCH", "DELETE"].into_iter().any(begins);
                    is_change &= !begins("GET");
                    if bytes.is_empty() {
                        return Ok(());
                    }
                    server.write_all(bytes).await?;
                }
                count = server.read(&mut answered) => {
                    let bytes = &mut answered[..count?];
                    let take = |left: usize| left.checked_sub(1);
                    if bytes.is_empty() || (is_change && self.lost.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok()) {
                        return Ok(());
                    }
                    if self.hides_keys && let Some(at) = bytes.windows(HEADER.len()).position(|window| window == HEADER) {
                        bytes[at] = b'x';
                    }
                    client.write_all(bytes).await?;
                }
            }
        }
    }
}

/// The actions of all revisions, the oldest first.
async fn actions(server: &Server) -> Vec<&'static str> {
    let store = &server.state.store;
    let tenant = store.tenant(None).await.unwrap().unwrap().id;
    let revisions = store.revisions(tenant, None, None, 1000).await.unwrap();
    revisions.iter().rev().map(|revision| revision.action.as_str()).collect()
}

#[tokio::test]
async fn a_change_whose_answer_is_lost_is_repeated_and_done_once() {
    let server = Server::start(unlimited()).await;
    let network = Arc::new(Network::default());
    let client = Client::builder(network.before(&server).await).retries(quick()).build().unwrap();
    let lose = |answers| network.lost.store(answers, Ordering::SeqCst);
    let all_were_lost = || assert_eq!(network.lost.load(Ordering::SeqCst), 0);

    lose(2);
    let created = client.create(&NewConnector::new("HR", "x.Y")).await.unwrap();
    all_were_lost();
    assert_eq!(created.script_name.as_str(), "hr");
    let patch = json!([{"op": "add", "path": "/connectorMetadata/labels", "value": ["a"]}]);
    client.patch("hr", &serde_json::from_value(patch).unwrap()).await.unwrap();

    lose(3);
    let patch = json!([{"op": "add", "path": "/connectorMetadata/labels/-", "value": "b"}]);
    let patched = client.patch("hr", &serde_json::from_value(patch).unwrap()).await.unwrap();
    all_were_lost();
    assert_eq!(patched.connector_metadata["labels"], json!(["a", "b"]));

    lose(1);
    client.delete("hr").await.unwrap();
    all_were_lost();
    assert_eq!(actions(&server).await, ["create", "update", "update", "delete"]);

    // Two calls are two changes, however equal they are.
    client.create(&NewConnector::new("HR", "x.Y")).await.unwrap();
    let taken = client.create(&NewConnector::new("HR", "x.Y")).await.unwrap_err();
    assert_eq!(taken.api_error().unwrap().status.as_u16(), 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_changes_over_a_bad_network_are_each_done_once() {
    let server = Server::start(unlimited()).await;
    let network = Arc::new(Network::default());
    let environment = network.before(&server).await;
    let client = Client::builder(environment).retries(Retries { unreachable: 50, ..quick() }).build().unwrap();
    network.lost.store(50, Ordering::SeqCst);
    let new: Vec<_> = (0..50).map(|n| NewConnector::new(format!("C {n}"), "x.Y")).collect();
    let created = join_all(new.iter().map(|new| client.create(new))).await;
    let names: HashSet<_> = created.into_iter().map(|created| created.unwrap().script_name.to_string()).collect();
    assert_eq!((names.len(), network.lost.load(Ordering::SeqCst)), (50, 0));
    assert_eq!(actions(&server).await, ["create"; 50]);
}

#[tokio::test]
async fn a_change_is_not_repeated_at_a_service_that_may_do_it_twice() {
    let server = Server::start(unlimited()).await;
    let network = Arc::new(Network { hides_keys: true, lost: 1.into() });
    let client = Client::builder(network.before(&server).await).retries(quick()).build().unwrap();
    let lost = client.create(&NewConnector::new("HR", "x.Y")).await.unwrap_err();
    assert!(matches!(lost, Error::Transport { .. }), "{lost}");
    assert_eq!(actions(&server).await, ["create"]);
}

#[tokio::test]
async fn the_attempts_of_a_call_have_one_key_and_other_calls_have_others() {
    for (says_so, retries, attempts) in [(true, quick(), 4), (false, quick(), 1), (true, Retries::NONE, 1)] {
        let server = MockServer::start().await;
        let mut token = ResponseTemplate::new(200).set_body_json(json!({"access_token": "t", "expires_in": 720}));
        if says_so {
            token = token.insert_header("Connectory-Idempotency-Key", "86400");
        }
        Mock::given(path("/oauth/token")).respond_with(token).mount(&server).await;
        for (of, status) in [("POST", 503), ("PATCH", 504)] {
            Mock::given(method(of)).respond_with(ResponseTemplate::new(status)).mount(&server).await;
        }
        Mock::given(method("DELETE")).respond_with(ResponseTemplate::new(204)).mount(&server).await;
        Mock::given(method("GET"))
            .respond_with(ResponseTemplate::new(200).set_body_json(json!([])))
            .mount(&server)
            .await;
        let environment =
            Environment { base_url: server.uri(), client_id: "id".to_owned(), client_secret: "secret".to_owned() };
        let client = Client::builder(environment).retries(retries).build().unwrap();
        client.create(&NewConnector::new("HR", "x.Y")).await.unwrap_err();
        client.patch("hr", &serde_json::from_value(json!([])).unwrap()).await.unwrap_err();
        client.delete("hr").await.unwrap();
        client.list().page().await.unwrap();
        let requests = server.received_requests().await.unwrap();
        let keys = |of: &str| {
            let of =
                requests.iter().filter(|request| request.method.as_str() == of && request.url.path() != "/oauth/token");
            of.map(|request| request.headers.get("idempotency-key").map(|key| key.to_str().unwrap().to_owned()))
                .collect::<Vec<_>>()
        };
        let [created, patched, deleted] = ["POST", "PATCH", "DELETE"].map(keys);
        assert_eq!((created.len(), patched.len(), deleted.len()), (attempts, attempts, 1), "{says_so}");
        let different: HashSet<_> = created.into_iter().chain(patched).chain(deleted).map(Option::unwrap).collect();
        assert_eq!(different.len(), 3, "{different:?}");
        assert!(different.iter().all(|key| key.len() == 36));
        assert_eq!(keys("GET"), [None]);
    }
}
