//! A server is killed before it answers, and the client repeats its requests with the same keys: each is done once.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use connectory_store::Store;

use self::support::{Operator, Server, exported};

const DATABASE: &str = "--database sqlite:c.db --rate-limit off";

/// An answer: the status, whether it is one to a repeat, and the body.
type Answer = (u16, bool, String);

/// Sends a request with a key, and does not wait for the answer.
fn begin(url: &str, token: &str, n: usize) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap())?;
    let body = format!(r#"{{"name": "Connector {n}", "className": "x.Y"}}"#);
    let length = body.len();
    write!(
        stream,
        "POST /v3/connectors HTTP/1.1\r\nHost: test\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nIdempotency-Key: key-{n}\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    Ok(stream)
}

/// Reads the whole answer. None if the connection breaks.
fn end(mut stream: TcpStream) -> Option<Answer> {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let is_repeat = head.to_ascii_lowercase().contains("idempotency-replayed: true");
    Some((head.split(' ').nth(1)?.parse().ok()?, is_repeat, body.to_owned()))
}

fn create(server: &Server, token: &str, n: usize) -> Answer {
    end(begin(&server.url(), token, n).unwrap()).unwrap()
}

/// A token from a server, for the client that the first start printed.
fn token(server: &Server, form: &str) -> String {
    let (status, body) = server.send("POST /oauth/token", form);
    assert_eq!(status, 200, "{body}");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    body["access_token"].as_str().unwrap().to_owned()
}

#[test]
fn requests_that_a_killed_server_did_not_answer_are_done_once() {
    let operator = Operator::new();
    let printed = operator.serve(DATABASE).stop();
    let [id, secret] = ["SAIL_CLIENT_ID", "SAIL_CLIENT_SECRET"].map(|name| exported(&printed, name).unwrap());
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");

    // Nobody reads the answer of this one. It is killed after its commit.
    let server = operator.serve(DATABASE);
    let token_before = token(&server, &form);
    let unread = begin(&server.url(), &token_before, 0).unwrap();
    let committed = || {
        let mut stream = TcpStream::connect(server.url().strip_prefix("http://").unwrap()).unwrap();
        let rest = "HTTP/1.1\r\nHost: test\r\nConnection: close\r\nAuthorization: Bearer";
        write!(stream, "GET /v3/connectors/connector-0 {rest} {token_before}\r\n\r\n").unwrap();
        end(stream).unwrap().0 == 200
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    while !committed() {
        assert!(Instant::now() < deadline);
    }
    drop(server);
    drop(unread);
    let mut server = operator.serve(DATABASE);
    let mut token_now = token(&server, &form);
    let (status, is_repeat, body) = create(&server, &token_now, 0);
    assert_eq!((status, is_repeat), (200, true), "{body}");

    // These are killed at any moment.
    let mut next = 1;
    for round in 0..4 {
        let sent = Mutex::new(Vec::new());
        let (url, numbers) = (server.url(), Mutex::new(next..));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    loop {
                        let n = numbers.lock().unwrap().next().unwrap();
                        let answer = begin(&url, &token_now, n).ok().and_then(end);
                        let is_over = answer.is_none();
                        sent.lock().unwrap().push((n, answer));
                        if is_over {
                            return;
                        }
                    }
                });
            }
            std::thread::sleep(Duration::from_millis(100 + 37 * round));
            drop(server);
        });
        next = numbers.into_inner().unwrap().start;
        server = operator.serve(DATABASE);
        token_now = token(&server, &form);
        for (n, before) in sent.into_inner().unwrap() {
            let (status, is_repeat, body) = create(&server, &token_now, n);
            assert_eq!(status, 200, "{n}: {body}");
            if let Some((status, was_repeat, first)) = before {
                assert_eq!((status, was_repeat, is_repeat, first), (200, false, true, body), "{n}");
            }
        }
    }
    drop(server);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let revisions = runtime.block_on(async {
        let store = Store::open(&operator.path("c.db")).unwrap();
        let tenant = store.tenant(None).await.unwrap().unwrap().id;
        store.revisions(tenant, None, None, u32::MAX).await.unwrap()
    });
    assert_eq!(revisions.len(), next, "one for each key");
}
