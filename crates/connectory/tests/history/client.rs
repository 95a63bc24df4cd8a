//! The clients of a run: each sends one request after the other, drawn from a seed, and logs what it sees.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use reqwest::header::CONTENT_TYPE;
use reqwest::multipart::{Form, Part};
use reqwest::{Client as Http, Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::time::sleep;
use uuid::Uuid;

use crate::log::{Clock, Entry, List, Log, NAMES, Name, Outcome};
use crate::model::{Content, Op, Ret, Token};

/// The credentials of the API client, which the first start of a database creates.
pub const ID: &str = "history";
pub const SECRET: &str = "the-secret-of-the-history-checker";

/// The longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(15);
/// The wait after a request that was refused for the moment.
const PAUSE: Duration = Duration::from_millis(20);
/// How many requests a round has. Of those, a connector has a sixth and the lists: about 75, and never as many as
/// `model` searches.
const REQUESTS: u32 = 300;
/// How many connectors a list may have. It is more than those of a round, because rounds overlap.
const LIST_LIMIT: usize = 4 * NAMES;

/// An answer, or why there is none.
enum Reply {
    Answered {
        status: u16,
        body: String,
        tracking_id: Option<Uuid>,
    },
    /// No connection could be made.
    NotSent,
    /// The request was sent, and no whole answer arrived.
    Broken,
}

/// The servers, as a client reaches them.
#[derive(Clone)]
pub struct Api {
    http: Http,
    urls: Arc<Vec<String>>,
    token: Arc<str>,
}

/// A client of this machine.
pub fn local_http() -> reqwest::ClientBuilder {
    // Another one may have installed it.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    Http::builder().no_proxy()
}

impl Api {
    /// Gets a token from the first server, which all of them accept.
    pub async fn new(urls: Vec<String>) -> Self {
        let http = local_http().timeout(TIMEOUT).retry(reqwest::retry::never()).build().unwrap();
        let form = [("grant_type", "client_credentials"), ("client_id", ID), ("client_secret", SECRET)];
        let answer = http.post(format!("{}/oauth/token", urls[0])).form(&form).send().await.unwrap();
        assert_eq!(answer.status(), 200, "the first server gives a token");
        let answer: Value = answer.json().await.unwrap();
        let token = answer["access_token"].as_str().unwrap().into();
        Self { http, urls: Arc::new(urls), token }
    }

    pub fn request(&self, node: usize, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}/v2025/connectors{path}", self.urls[node]);
        self.http.request(method, url).bearer_auth(&self.token)
    }

    /// Waits until each server answers a read and a write. Returns why one does not, if it takes too long.
    pub async fn recovered(&self, wait: Duration) -> Result<(), String> {
        let ended = Clock::start();
        for node in 0..self.urls.len() {
            loop {
                let read = send(self.request(node, Method::GET, "?limit=1")).await;
                let body = json!({"name": format!("a write of node {node}"), "className": "v0"});
                let written = send(self.request(node, Method::POST, "").json(&body)).await;
                // The name is taken if this is not the first attempt.
                match (read, written) {
                    (Reply::Answered { status: 200, .. }, Reply::Answered { status: 200 | 400, .. }) => break,
                    _ if u128::from(ended.now()) < wait.as_micros() => sleep(PAUSE * 5).await,
                    (read, written) => {
                        let shown = [read, written].map(|reply| match reply {
                            Reply::Answered { status, body, .. } => format!("{status} {body}"),
                            Reply::NotSent => "no connection".to_owned(),
                            Reply::Broken => "no answer".to_owned(),
                        });
                        return Err(format!("node {node} does not recover: {shown:?}"));
                    }
                }
            }
        }
        Ok(())
    }
}

async fn send(request: RequestBuilder) -> Reply {
    let answer = match request.send().await {
        Ok(answer) => answer,
        Err(error) if error.is_connect() => return Reply::NotSent,
        Err(_) => return Reply::Broken,
    };
    let status = answer.status().as_u16();
    let id = answer.headers().get("SLPT-Request-ID").and_then(|id| id.to_str().ok());
    let tracking_id = id.and_then(|id| Uuid::try_parse(id).ok());
    match answer.text().await {
        Ok(body) => Reply::Answered { status, body, tracking_id },
        Err(_) => Reply::Broken,
    }
}

/// What all clients of a run share.
pub struct Run {
    pub api: Api,
    pub clock: Clock,
    /// The end, on the clock of the run.
    pub until: u64,
    requests: AtomicU32,
    writes: AtomicU32,
}

impl Run {
    pub fn new(api: Api, time: Duration) -> Arc<Self> {
        let clock = Clock::start();
        let until = u64::try_from(time.as_micros()).unwrap();
        Arc::new(Self { api, clock, until, requests: AtomicU32::new(0), writes: AtomicU32::new(0) })
    }

    fn token(&self, creates: bool) -> Token {
        Token::new(self.writes.fetch_add(1, Ordering::Relaxed) + 1, creates)
    }
}

/// Runs so many clients until the end. Returns what they logged.
pub async fn run_clients(run: &Arc<Run>, clients: usize, seed: u64) -> Log {
    let tasks: Vec<_> = (0..clients)
        .map(|id| {
            let random = StdRng::seed_from_u64(seed.wrapping_mul(1000).wrapping_add(id as u64));
            let known = [Known::Nothing; NAMES];
            tokio::spawn(Client { run: Arc::clone(run), id, random, round: 0, known, log: Log::default() }.run())
        })
        .collect();
    let mut log = Log::default();
    for task in tasks {
        log.add(task.await.unwrap());
    }
    log.entries.sort_by_key(|entry| entry.start);
    log
}

/// What a client knows of a connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Nothing,
    Missing,
    Value(Token),
}

struct Client {
    run: Arc<Run>,
    id: usize,
    random: StdRng,
    round: u32,
    /// What the client saw last of each connector of this round.
    known: [Known; NAMES],
    log: Log,
}

impl Client {
    async fn run(mut self) -> Log {
        while self.run.clock.now() < self.run.until {
            // All clients count together, so nobody waits for a client whose request takes long.
            let round = self.run.requests.fetch_add(1, Ordering::Relaxed) / REQUESTS;
            if round != self.round {
                (self.round, self.known) = (round, [Known::Nothing; NAMES]);
            }
            let is_done = if self.random.random_bool(0.1) { self.list().await } else { self.single().await };
            if !is_done {
                sleep(PAUSE).await;
            }
        }
        self.log
    }

    fn node(&mut self) -> usize {
        self.random.random_range(0..self.run.api.urls.len())
    }

    /// Sends a request on one connector. Returns false if nothing was done.
    async fn single(&mut self) -> bool {
        let number = self.random.random_range(0..NAMES);
        let name = Name { round: self.round, number };
        let known = self.known[number];
        let op = match (self.random.random_range(0..100), known) {
            (0..4, _) | (4..60, Known::Missing) => Op::Create(self.run.token(true)),
            (4..12, _) => Op::ReadDocument,
            (12..24, _) => Op::Set(self.run.token(false)),
            (24..50, Known::Value(value)) => Op::Cas(value, self.run.token(false)),
            (50..60, _) => Op::SetDocument(self.run.token(false)),
            (60..66, _) => Op::Delete,
            (66..72, Known::Value(value)) if !value.creates() => Op::Has(value),
            _ => Op::Read,
        };
        let node = self.node();
        let request = self.request(node, name, op);
        let start = self.run.clock.now();
        let reply = send(request).await;
        let end = self.run.clock.now();
        let (outcome, tracking_id) = match reply {
            Reply::NotSent => (Outcome::NotDone, None),
            Reply::Broken => (Outcome::Unknown, None),
            Reply::Answered { status, body, tracking_id } => {
                let outcome = outcome(name, op, status, &body).unwrap_or_else(|| {
                    self.log.wrong.push(format!("client {}: {op:?} of {name} got {status} {body}", self.id));
                    Outcome::Unknown
                });
                (outcome, tracking_id)
            }
        };
        if let Outcome::Known(ret) = outcome {
            self.known[number] = match (op, ret) {
                (Op::Create(value), Ret::Done) => Known::Value(value),
                (_, Ret::Content(content)) => Known::Value(content.value),
                (_, Ret::Missing) | (Op::Delete, _) => Known::Missing,
                _ => known,
            };
        }
        self.log.entries.push(Entry { client: self.id, node, name, op, start, end, outcome, tracking_id });
        outcome != Outcome::NotDone
    }

    fn request(&self, node: usize, name: Name, op: Op) -> RequestBuilder {
        let request = |method, path: &str| self.run.api.request(node, method, path);
        let patch = |operations: Value| {
            let json = request(Method::PATCH, &format!("/{name}")).body(operations.to_string());
            json.header(CONTENT_TYPE, "application/json-patch+json")
        };
        let set =
            |value: Token| json!({"op": "add", "path": "/connectorMetadata/category", "value": value.to_string()});
        match op {
            Op::Create(value) => {
                let new = json!({"name": name.to_string(), "className": value.to_string()});
                request(Method::POST, "").json(&new)
            }
            Op::Read | Op::ReadValue => request(Method::GET, &format!("/{name}")),
            Op::ReadDocument => request(Method::GET, &format!("/{name}/correlation-config")),
            Op::Has(value) => request(Method::GET, "").query(&[("filters", format!("category eq \"{value}\""))]),
            Op::Set(value) => patch(json!([set(value)])),
            Op::Cas(expected, value) if expected.creates() => patch(json!([
                {"op": "test", "path": "/className", "value": expected.to_string()},
                {"op": "test", "path": "/connectorMetadata", "value": {}},
                set(value)
            ])),
            Op::Cas(expected, value) => patch(json!([
                {"op": "test", "path": "/connectorMetadata/category", "value": expected.to_string()},
                set(value)
            ])),
            Op::SetDocument(document) => {
                let file = format!("<CorrelationConfig name=\"{document}\"/>");
                let form = Form::new().part("file", Part::text(file).file_name("correlation.xml"));
                request(Method::PUT, &format!("/{name}/correlation-config")).multipart(form)
            }
            Op::Delete => request(Method::DELETE, &format!("/{name}")),
        }
    }

    /// Reads a list, whole or by the start of the name. Returns false if it did not get one.
    async fn list(&mut self) -> bool {
        let (round, node) = (self.round, self.node());
        let mut query = vec![("limit", LIST_LIMIT.to_string())];
        if self.random.random_bool(0.5) {
            query.push(("filters", format!("name sw \"{}\"", Name::prefix(round))));
        }
        let request = self.run.api.request(node, Method::GET, "").query(&query);
        let start = self.run.clock.now();
        let reply = send(request).await;
        let end = self.run.clock.now();
        let Reply::Answered { status, body, .. } = reply else { return false };
        match (status, listed(&body)) {
            (200, Some(items)) => {
                let last = items.iter().next_back().map(|(name, _)| name.to_string());
                let is_reached = |name: Name| items.len() < LIST_LIMIT || last >= Some(name.to_string());
                let names = (0..NAMES).map(|number| Name { round, number }).filter(|name| is_reached(*name));
                let seen = names
                    .map(|name| (name.number, items.iter().find(|(other, _)| *other == name).map(|(_, value)| *value)));
                let seen: BTreeMap<_, _> = seen.collect();
                let present: Vec<_> = seen.iter().filter_map(|(&number, value)| Some((number, (*value)?))).collect();
                if let Some(&(number, value)) = present.choose(&mut self.random) {
                    self.known[number] = Known::Value(value);
                }
                self.log.lists.push(List { client: self.id, node, round, start, end, seen });
                true
            }
            (429 | 500..=599, _) => false,
            _ => {
                self.log.wrong.push(format!("client {}: a list is {status} {body}", self.id));
                true
            }
        }
    }
}

/// The outcome that an answer tells. None if no such answer is right.
fn outcome(name: Name, op: Op, status: u16, body: &str) -> Option<Outcome> {
    let json = || serde_json::from_str::<Value>(body).ok();
    let known = match (op, status) {
        // Nothing was done; the text says so.
        (_, 429 | 503 | 507) => return Some(Outcome::NotDone),
        (_, 500 | 502 | 504) => return Some(Outcome::Unknown),
        (Op::Has(value), 200) => {
            let items = listed(body)?;
            if items.iter().any(|item| *item != (name, value)) {
                return None;
            }
            Ret::Has(!items.is_empty())
        }
        (Op::Create(_), 200) if json()?["scriptName"] == name.to_string() => Ret::Done,
        (Op::Create(_), 400) if body.contains("a connector of this name exists already") => Ret::NameTaken,
        (Op::Read | Op::Set(_) | Op::Cas(..), 200) => Ret::Content(content(&json()?)?),
        (Op::Cas(..), 400) if body.contains("the test failed") || body.contains("the path does not exist") => {
            Ret::TestFailed
        }
        (Op::ReadDocument, 200) => Ret::Document(document(body)?),
        (Op::SetDocument(_), 200) if json()?["status"] == "UPDATED" => Ret::Done,
        (Op::Delete, 204) => Ret::Done,
        (_, 404) => Ret::Missing,
        _ => return None,
    };
    Some(Outcome::Known(known))
}

/// The connectors of a list, in its order.
fn listed(body: &str) -> Option<Vec<(Name, Token)>> {
    let items: Vec<Value> = serde_json::from_str(body).ok()?;
    let items = items.iter().filter_map(|item| Some((Name::parse(item["scriptName"].as_str()?)?, value(item))));
    items.map(|(name, value)| Some((name, value?))).collect()
}

/// The value of a detail or of an item of a list.
fn value(connector: &Value) -> Option<Token> {
    let category = connector["connectorMetadata"]["category"].as_str();
    Token::parse(category.or(connector["className"].as_str())?)
}

fn content(detail: &Value) -> Option<Content> {
    Some(Content { value: value(detail)?, document: document(detail["correlationConfigXml"].as_str()?)? })
}

/// The token of a correlation config. A new connector's begins with a declaration, and has none.
pub fn document(text: &str) -> Option<Token> {
    match text.strip_prefix("<CorrelationConfig name=\"") {
        Some(rest) => Token::parse(rest.split('"').next()?),
        None => text.starts_with("<?xml").then_some(Token::SCAFFOLD),
    }
}
