//! The binary serves, with the console or without it, and its first start shows how to sign in.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::net::TcpListener;
use std::process::Command;

use self::support::{Operator, Printed, exported};

#[test]
fn the_api_is_served_and_the_console_where_it_is_built_in() {
    let operator = Operator::new();
    let server = operator.serve("--database sqlite:c.db");
    assert_eq!(server.status("/health/ready"), 200);
    assert_eq!(server.status("/v3/connectors"), 401);
    let (page, sign_in) = if cfg!(feature = "console") { (303, 200) } else { (404, 404) };
    assert_eq!((server.status("/"), server.status("/console/sign-in")), (page, sign_in));
    let info: serde_json::Value = serde_json::from_str(&server.send("GET /oauth/info", "").1).unwrap();
    for page in ["authorizeEndpoint", "logoutUrl"] {
        let path = info[page].as_str().unwrap().strip_prefix(&server.url()).unwrap();
        assert_eq!(server.status(path), 200, "{path}");
    }
    let console = format!("Sign in to the console with this id and secret: {}/\n", server.url());
    assert_eq!(server.stop().contains(&console), cfg!(feature = "console"));
}

#[test]
fn the_secret_is_printed_by_the_start_that_succeeds() {
    let operator = Operator::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    let oidc = "--oidc-issuer https://login.example.com --oidc-client-id c --oidc-admin-group a";
    let mut failing = vec![
        ("--catalog no-such-folder".to_owned(), "no-such-folder: No such file"),
        (format!("--metrics-listen {taken}"), "cannot listen on"),
    ];
    if cfg!(feature = "console") {
        failing.push((oidc.to_owned(), "--oidc-issuer: the certificates of this system"));
    }
    for (options, why) in failing {
        let mut start = operator.command(&format!("serve --listen 127.0.0.1:0 --database sqlite:c.db {options}"));
        let start = start.env("SSL_CERT_FILE", "/nonexistent").env("SSL_CERT_DIR", "/nonexistent");
        let error = Printed::of(start.output().unwrap()).error();
        assert!(error.contains(why), "{error}");
    }
    let error = operator.run(&format!("serve --listen {taken} --database sqlite:c.db")).error();
    assert!(error.contains("cannot listen on"), "{error}");

    let server = operator.serve("--database sqlite:c.db");
    let url = server.url();
    let printed = server.stop();
    assert!(printed.contains("This is the first start with"), "{printed}");
    assert_eq!(exported(&printed, "SAIL_BASE_URL"), Some(url));
    let [id, secret] = ["SAIL_CLIENT_ID", "SAIL_CLIENT_SECRET"].map(|name| exported(&printed, name).unwrap());
    let server = operator.serve("--database sqlite:c.db");
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    assert_eq!(server.send("POST /oauth/token", &form).0, 200);
    let again = server.stop();
    assert_eq!(again.lines().count(), 1, "a secret is shown once: {again}");
}

#[test]
fn a_start_without_a_client_prints_the_command_that_creates_one() {
    let operator = Operator::new();
    let printed = operator.serve("--database sqlite:c.db").stop();
    let id = exported(&printed, "SAIL_CLIENT_ID").unwrap();
    operator.run(&format!("client delete {id} --database sqlite:c.db")).ok();
    let printed = operator.serve("--database sqlite:c.db").stop();
    assert_eq!(exported(&printed, "SAIL_CLIENT_SECRET"), None, "an operator may want no client");
    let line = printed.lines().find(|line| line.starts_with("connectory client create NAME")).unwrap();
    assert!(line.contains(operator.path("c.db").to_str().unwrap()), "{line}");

    // As a shell reads it, in another folder.
    let line = line.replacen("connectory", env!("CARGO_BIN_EXE_connectory"), 1);
    let created =
        Command::new("sh").args(["-c", &line]).env_clear().env("HOME", "/").current_dir("/").output().unwrap();
    assert!(exported(&Printed::of(created).ok(), "SAIL_CLIENT_SECRET").is_some());
    let printed = operator.serve("--database sqlite:c.db").stop();
    assert_eq!(printed.lines().count(), 1, "{printed}");

    operator.run("tenant create other --database sqlite:c.db").ok();
    operator.run("tenant delete default --database sqlite:c.db").ok();
    let printed = operator.serve("--database sqlite:c.db").stop();
    assert!(printed.contains("connectory client create NAME --tenant other --database"), "{printed}");
}
