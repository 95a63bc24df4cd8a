//! The commands for clients and tenants: which database they use, and what they say about a wrong name.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::net::TcpListener;

use self::support::{Operator, exported};

const COMMANDS: [&str; 9] = [
    "database check",
    "backup create new.backup",
    "client list",
    "client create ci",
    "client delete ci",
    "tenant list",
    "tenant create other",
    "tenant quota default",
    "tenant delete default --yes",
];

#[test]
fn a_command_creates_no_database_and_says_what_it_found() {
    let operator = Operator::new();
    std::fs::write(operator.path("empty.db"), "").unwrap();
    std::fs::write(operator.path("notes.txt"), "not a database\n").unwrap();
    std::fs::create_dir(operator.path("folder")).unwrap();
    for (database, why) in [
        (
            "nowhere/c.db",
            "there is no database at nowhere/c.db; the server creates one when it starts. If it has another",
        ),
        (
            "empty.db",
            "empty.db is empty: it is not a database yet; the server makes one of it when it starts. If it has",
        ),
        ("notes.txt", "notes.txt is not a SQLite database"),
        ("notes.txt/c.db", "notes.txt/c.db: Not a directory"),
        ("folder", "folder is a folder; give the path of a file, such as "),
    ] {
        for command in COMMANDS {
            let error = operator.run(&format!("{command} --database sqlite:{database}")).error();
            assert!(error.contains(why), "{command}: {error}");
        }
    }
    let mut files: Vec<_> =
        std::fs::read_dir(operator.path("")).unwrap().map(|file| file.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["empty.db", "folder", "notes.txt"]);
    assert_eq!(std::fs::metadata(operator.path("empty.db")).unwrap().len(), 0);
}

#[test]
fn every_command_names_its_database_on_standard_error() {
    let operator = Operator::new();
    operator.serve("--database sqlite:c.db").stop();
    let named = format!("database: sqlite:{}\n", operator.path("c.db").display());
    for command in COMMANDS {
        let printed = operator.run(&format!("{command} --database sqlite:c.db"));
        assert!(printed.stderr.starts_with(&named), "{command}: {printed:?}");
        assert!(!printed.stdout.contains("database:"), "{command}: {printed:?}");
    }
}

#[test]
fn a_new_client_is_printed_with_the_address_that_the_newest_start_has() {
    let operator = Operator::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let public = format!("--listen 127.0.0.1:{port} --public-url HTTP://LocalHost:{port}/");
    for options in [public.as_str(), "--listen 127.0.0.1:0"] {
        let server = operator.start(&format!("serve --database sqlite:c.db {options}"));
        let url = server.url();
        assert_eq!(url == format!("http://localhost:{port}"), options == public);
        server.stop();
        let printed = operator.run("client create ci --database sqlite:c.db").ok();
        assert_eq!(exported(&printed, "SAIL_BASE_URL"), Some(url));
        assert!(exported(&printed, "SAIL_CLIENT_SECRET").is_some());
    }
}

#[test]
fn a_wrong_name_is_answered_with_the_right_ones() {
    let operator = Operator::new();
    let _server = operator.serve("--database sqlite:c.db");
    let run = |line: &str| operator.run(&format!("{line} --database sqlite:c.db"));
    let created = run("tenant create other").ok();
    assert!(created.contains("connectory client create NAME --tenant other --database '"), "{created}");
    for command in [
        "client list --tenant nosuch",
        "client create ci --tenant nosuch",
        "tenant quota nosuch --max-connectors 1",
        "tenant delete nosuch",
    ] {
        let error = run(command).error();
        assert!(error.contains("the tenant `nosuch` does not exist; there is `default`, `other`"), "{error}");
    }
    let id = exported(&run("client create ci --tenant other").ok(), "SAIL_CLIENT_ID").unwrap();
    let error = run("client delete ci").error();
    let right = format!("no client has the id `ci`, which is a name; give the id of the client: {id} (tenant `other`)");
    assert!(error.contains(&right), "{error}");
    let error = run("client delete nobody").error();
    assert!(error.contains("no client has the id `nobody`; `connectory client list --database"), "{error}");
    assert!(run("client list").ok().contains(&id));
    // Beside the server.
    run("tenant delete other").ok();
    let error = run("client list --tenant other").error();
    assert!(error.contains("there is `default`\n"), "{error}");
    let quota = run("tenant quota default --max-connectors 1").ok();
    assert!(quota.contains("may have 1 connector; it has 0."), "{quota}");
}
