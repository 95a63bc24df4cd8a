//! Connecting to PostgreSQL with TLS, by addresses as operators paste them.

use std::ffi::OsString;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use tempfile::TempDir;
use tokio_postgres::{AsyncMessage, Client};

use super::super::address::Address;
use super::Messages;
use super::tls_cluster::{Authority, Cluster, PASSWORD, is_asked_for};

/// TLS for everyone but one user of TCP, who has none. Sockets need a password too.
const RULES: &str = "local replication postgres scram-sha-256\n\
                     local all all scram-sha-256\n\
                     hostnossl all plain 127.0.0.1/32 trust\n\
                     hostssl all certified 127.0.0.1/32 cert\n\
                     hostssl all postgres 127.0.0.1/32 scram-sha-256\n";

fn nothing(_: &str) -> Option<OsString> {
    None
}

/// Connects, and returns whether the connection has TLS.
async fn connect(text: &str) -> Result<bool, String> {
    connect_with(text, nothing).await
}

async fn connect_with(text: &str, environment: impl Fn(&str) -> Option<OsString>) -> Result<bool, String> {
    let address = Address::parse(text, environment).map_err(|error| error.to_string())?;
    let (client, messages, _) = address.connect().await.map_err(|error| error.to_string())?;
    let driver = tokio::spawn(drive(messages));
    let row = client.query_one("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &[]).await;
    drop(client);
    driver.await.unwrap();
    Ok(row.map_err(|error| error.to_string())?.get(0))
}

/// Polls a connection to its end, and returns the notices.
async fn drive(mut messages: Messages) -> Vec<String> {
    let mut notices = Vec::new();
    while let Some(message) = messages.next().await {
        if let Ok(AsyncMessage::Notice(notice)) = message {
            notices.push(notice.message().to_owned());
        }
    }
    notices
}

async fn execute(cluster: &Cluster, sql: &str) {
    let text =
        format!("postgres://postgres:{PASSWORD}@/postgres?host={}&port={}", cluster.folder().display(), cluster.port);
    let (client, messages, _) = Address::parse(&text, nothing).unwrap().connect().await.unwrap();
    let driver = tokio::spawn(drive(messages));
    client.batch_execute(sql).await.unwrap();
    drop(client);
    driver.await.unwrap();
}

/// Writes a file that only its owner can read.
fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test]
async fn a_connection_is_protected_as_its_address_says() {
    if !is_asked_for() {
        return;
    }
    let (authority, other) = (Authority::new("ours"), Authority::new("theirs"));
    let files = TempDir::new().unwrap();
    let (root, other_root) = (files.path().join("root.crt"), files.path().join("other.crt"));
    authority.write(&root);
    other.write(&other_root);
    let (root, other_root) = (root.display(), other_root.display());
    let cluster = Cluster::start(&authority, RULES);
    execute(&cluster, "CREATE USER plain; CREATE USER certified").await;
    let port = cluster.port;
    let at = |host: &str, options: &str| {
        format!("postgres://postgres:{PASSWORD}@{host}:{port}/postgres?hostaddr=127.0.0.1&{options}")
    };
    let failed = |result: Result<bool, String>, part: &str| {
        let error = result.unwrap_err();
        assert!(error.contains(part), "{error}");
        assert!(!error.contains(PASSWORD), "{error}");
    };

    // The whole check: the name and the authority.
    assert_eq!(connect(&at("db.test", &format!("sslmode=verify-full&sslrootcert={root}"))).await, Ok(true));
    let bound = format!("sslmode=verify-full&sslrootcert={root}&channel_binding=require");
    assert_eq!(connect(&at("db.test", &bound)).await, Ok(true));
    failed(connect(&at("other.test", &format!("sslmode=verify-full&sslrootcert={root}"))).await, "certificate");
    failed(connect(&at("db.test", &format!("sslmode=verify-full&sslrootcert={other_root}"))).await, "UnknownIssuer");
    failed(connect(&at("db.test", "sslmode=verify-full")).await, "UnknownIssuer");
    failed(connect(&at("db.test", "sslrootcert=system")).await, "give the file of your own with sslrootcert");

    // The authority alone.
    for mode in ["verify-ca", "require"] {
        assert_eq!(connect(&at("other.test", &format!("sslmode={mode}&sslrootcert={root}"))).await, Ok(true));
        failed(connect(&at("db.test", &format!("sslmode={mode}&sslrootcert={other_root}"))).await, "UnknownIssuer");
    }

    // TLS without a check, which only hosts on this machine get, and others by a word.
    for mode in ["require", "prefer", "allow"] {
        assert_eq!(connect(&at("db.test", &format!("sslmode={mode}"))).await, Ok(true), "{mode}");
        let far = format!("postgres://postgres:{PASSWORD}@db.test:{port}/postgres?sslmode={mode}");
        failed(connect(&far).await, "connectory_insecure=yes");
    }
    assert_eq!(connect(&format!("postgres://postgres:{PASSWORD}@localhost:{port}/postgres")).await, Ok(true));

    // A server that demands TLS, and one that refuses it.
    failed(connect(&at("db.test", "sslmode=disable")).await, "no pg_hba.conf entry");
    let plain = |mode| format!("postgres://plain@127.0.0.1:{port}/postgres?sslmode={mode}");
    for mode in ["disable", "allow", "prefer"] {
        assert_eq!(connect(&plain(mode)).await, Ok(false), "{mode}");
    }
    failed(connect(&plain("require")).await, "no pg_hba.conf entry");
    // As in libpq: an authority that did not sign makes `prefer` do without TLS.
    let doubtful = format!("postgres://plain@127.0.0.1:{port}/postgres?sslmode=prefer&sslrootcert={other_root}");
    assert_eq!(connect(&doubtful).await, Ok(false));

    // The certificate of a client.
    let (certificate, key) = authority.sign("certified");
    write(&files.path().join("client.crt"), &certificate);
    write(&files.path().join("client.key"), &key);
    let certified = |files: &str| {
        format!(
            "postgres://certified@db.test:{port}/postgres?hostaddr=127.0.0.1&sslrootcert={root}&sslmode=verify-full{files}"
        )
    };
    let folder = files.path().display();
    assert_eq!(
        connect(&certified(&format!("&sslcert={folder}/client.crt&sslkey={folder}/client.key"))).await,
        Ok(true)
    );
    failed(connect(&certified("")).await, "certificate");

    // Some managed services have this version only.
    execute(&cluster, "ALTER SYSTEM SET ssl_max_protocol_version = 'TLSv1.2'").await;
    execute(&cluster, "SELECT pg_reload_conf()").await;
    let begun = Instant::now();
    let old = loop {
        let text = at("db.test", &format!("sslmode=verify-full&sslrootcert={root}&channel_binding=require"));
        let (client, messages, _) = Address::parse(&text, nothing).unwrap().connect().await.unwrap();
        let driver = tokio::spawn(drive(messages));
        let row = client.query_one("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &[]).await.unwrap();
        drop(client);
        driver.await.unwrap();
        let version: String = row.get(0);
        if version == "TLSv1.2" || begun.elapsed() > Duration::from_secs(10) {
            break version;
        }
    };
    assert_eq!(old, "TLSv1.2");

    // On a socket there is no TLS.
    let socket = format!(
        "postgres://postgres:{PASSWORD}@/postgres?host={}&port={port}&sslmode=verify-full",
        cluster.folder().display()
    );
    assert_eq!(connect(&socket).await, Ok(false));
}

#[tokio::test]
async fn a_password_is_found_and_never_shown() {
    if !is_asked_for() {
        return;
    }
    let cluster = Cluster::start(&Authority::new("ours"), RULES);
    let port = cluster.port;
    let text = format!("postgres://postgres@localhost:{port}/postgres");
    let home = TempDir::new().unwrap();
    let at_home = |name: &str| (name == "HOME").then(|| home.path().into());
    let error = connect_with(&text, at_home).await.unwrap_err();
    assert!(error.contains("nor the password file has one"), "{error}");
    let file = home.path().join(".pgpass");
    write(&file, &format!("localhost:{port}:*:postgres:{PASSWORD}\n"));
    assert_eq!(connect_with(&text, at_home).await, Ok(true));
    assert_eq!(connect_with(&text, |name| (name == "PGPASSWORD").then(|| PASSWORD.into())).await, Ok(true));

    let wrong = "Xw93hTq1";
    write(&file, &format!("*:*:*:*:{wrong}\n"));
    let address = Address::parse(&text, at_home).unwrap();
    let error = address.connect().await.err().unwrap();
    assert_eq!(error.driver().unwrap().code().unwrap().code(), "28P01");
    let shown = format!("{error} {error:?} {address} {address:?}");
    assert!(shown.contains("password authentication failed") && !shown.contains(wrong), "{shown}");

    // No other host is asked after a refused user.
    let two = format!("postgres://postgres:{wrong}@localhost:{port},localhost:1/postgres");
    let error = connect(&two).await.unwrap_err();
    assert!(!error.contains("localhost:1:"), "{error}");
}

#[tokio::test]
async fn of_several_hosts_the_primary_is_found() {
    if !is_asked_for() {
        return;
    }
    let authority = Authority::new("ours");
    let primary = Cluster::start(&authority, RULES);
    let standby = primary.standby(&authority, RULES);
    // Accepts connections and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_port = silent.local_addr().unwrap().port();
    let connect_to = |hosts: String, options: &'static str| async move {
        let text = format!("postgres://postgres:{PASSWORD}@{hosts}/postgres?connect_timeout=1{options}");
        let address = Address::parse(&text, nothing).unwrap();
        let (client, messages, _): (Client, Messages, _) =
            address.connect().await.map_err(|error| error.to_string())?;
        let driver = tokio::spawn(drive(messages));
        let row = client.query_one("SELECT inet_server_port()", &[]).await.unwrap();
        drop(client);
        driver.await.unwrap();
        Ok::<i32, String>(row.get(0))
    };
    let (first, second) = (i32::from(primary.port), i32::from(standby.port));
    let began = Instant::now();
    let hosts = format!("localhost:1,localhost:{silent_port},127.0.0.1:{second},localhost:{first}");
    assert_eq!(connect_to(hosts.clone(), "").await, Ok(first));
    assert!(began.elapsed() > Duration::from_secs(1), "the silent host has its own time limit");
    assert!(began.elapsed() < Duration::from_secs(30), "the silent host has a time limit");
    assert_eq!(connect_to(hosts.clone(), "&load_balance_hosts=random").await, Ok(first));
    assert_eq!(connect_to(hosts, "&target_session_attrs=any").await, Ok(second));
    let error = connect_to(format!("localhost:1,127.0.0.1:{silent_port},127.0.0.1:{second}"), "").await.unwrap_err();
    for part in ["localhost:1: ", "refused", "no answer within 1 s", "does not allow writes"] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[tokio::test]
async fn the_caller_sees_notices() {
    if !is_asked_for() {
        return;
    }
    let cluster = Cluster::start(&Authority::new("ours"), RULES);
    let text = format!("postgres://postgres:{PASSWORD}@localhost:{}/postgres", cluster.port);
    let (client, messages, _) = Address::parse(&text, nothing).unwrap().connect().await.unwrap();
    let driver = tokio::spawn(drive(messages));
    client.batch_execute("DO $$ BEGIN RAISE NOTICE 'hello'; END $$").await.unwrap();
    drop(client);
    assert_eq!(driver.await.unwrap(), ["hello"]);
}
