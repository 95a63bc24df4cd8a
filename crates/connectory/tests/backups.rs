//! Backups by commands and by a server: what they write, what they print, what they refuse.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../connectory-store/tests/support/cluster.rs"]
#[expect(dead_code, reason = "this test needs one database")]
mod cluster;
mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use self::support::{Operator, Server, exported};

/// A token of the first client of a server.
fn token(server: &Server, id: &str, secret: &str) -> Option<String> {
    let body = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    let (status, answer) = server.send("POST /oauth/token", &body);
    (status == 200).then(|| answer.split('"').nth(3).unwrap().to_owned())
}

fn status(server: &Server, token: &str) -> u16 {
    let head = format!("GET /v3/connectors HTTP/1.1\r\nAuthorization: Bearer {token}\r\nX-Rest:");
    server.send(&head, "").0
}

#[test]
fn a_backup_beside_a_server_is_restored_with_its_clients_and_tokens_or_without_tokens() {
    let operator = Operator::new();
    let server = operator.serve("--database sqlite:c.db");
    let created = operator.run("client create ci --database sqlite:c.db").ok();
    let variable = |name| exported(&created, name).unwrap();
    let (id, secret) = (variable("SAIL_CLIENT_ID"), variable("SAIL_CLIENT_SECRET"));
    let token_before = token(&server, &id, &secret).unwrap();
    assert_eq!(status(&server, &token_before), 200);

    let printed = operator.run("backup create nightly.backup --database sqlite:c.db");
    let database = operator.path("c.db");
    assert_eq!(printed.stderr, format!("database: sqlite:{}\n", database.display()));
    let text = printed.ok();
    assert!(text.starts_with("Wrote nightly.backup, ") && text.contains(" bytes: 1 tenant, 2 API clients, "), "{text}");
    assert!(text.contains("It has the keys that sign tokens and the hashes of secrets."), "{text}");
    let file = operator.path("nightly.backup");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let error = operator.run("backup create nightly.backup --database sqlite:c.db").error();
    assert_eq!(error, "error: nightly.backup exists, and is not replaced; give the name of a new file\n");
    let error = operator.run("backup create none/x.backup --database sqlite:c.db").error();
    assert!(error.contains("cannot write none/x.backup: No such file or directory"), "{error}");
    drop(server);

    let text = operator.run("backup verify nightly.backup").ok();
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with("A backup of 20") && lines[0].contains(", by connectory "), "{text}");
    assert!(lines[0].ends_with(", of SQLite with schema 10."), "{text}");
    assert!(lines[1].starts_with("It has 1 tenant, 2 API clients, 1 signing key, 0 connectors"), "{text}");
    assert_eq!(lines[2], "It is whole, and every revision is right.");

    for (keys, is_valid) in [("keep", true), ("new", false)] {
        let text =
            operator.run(&format!("backup restore nightly.backup --keys {keys} --database sqlite:{keys}.db")).ok();
        assert!(text.contains("Sessions of the console have ended. Start: `connectory serve --database "), "{text}");
        let server = operator.serve(&format!("--database sqlite:{keys}.db"));
        assert_eq!(status(&server, &token_before) == 200, is_valid);
        let token = token(&server, &id, &secret).unwrap();
        assert_eq!(status(&server, &token), 200);
    }
}

#[test]
fn a_server_moves_to_postgresql_and_makes_its_backups_there() {
    if !cluster::is_wanted() {
        eprintln!("left out: CONNECTORY_TEST_POSTGRES is not set, which `./test` does");
        return;
    }
    let cluster = cluster::shared();
    let address = cluster.address(&cluster.create_database(""));
    let operator = Operator::new();
    let server = operator.serve("--database sqlite:c.db");
    let created = operator.run("client create ci --database sqlite:c.db").ok();
    let variable = |name| exported(&created, name).unwrap();
    let token = token(&server, &variable("SAIL_CLIENT_ID"), &variable("SAIL_CLIENT_SECRET")).unwrap();
    drop(server);
    operator.run("backup create a.backup --database sqlite:c.db").ok();
    operator.run(&format!("backup restore a.backup --keys keep --database {address}")).ok();
    let printed = operator.run(&format!("backup restore a.backup --keys keep --database {address}"));
    assert_eq!(printed.code, 1, "{printed:?}");
    assert!(printed.stderr.contains("has or had tenants; a backup is restored into a new or empty"), "{printed:?}");
    fs::create_dir(operator.path("backups")).unwrap();
    let server = operator.serve(&format!("--database {address} --backup-to backups"));
    assert_eq!(status(&server, &token), 200);
    let made = wait_for("a backup", || backups(&operator.path("backups")).pop());
    let name = made.file_name().unwrap().to_str().unwrap();
    let text = operator.run(&format!("backup verify backups/{name}")).ok();
    assert!(text.contains(", of PostgreSQL with schema 7.\nIt has 1 tenant, 2 API clients, 1 signing key, "), "{text}");
    let text = operator.run(&format!("database check --database {address}")).ok();
    assert!(text.contains("\nthe indexes were not checked: the extension amcheck is not there"), "{text}");
    let text = operator.run(&format!("backup create b.backup --database {address}")).ok();
    assert!(text.contains(" bytes: 1 tenant, 2 API clients, "), "{text}");
    drop(server);
    // And back.
    operator.run("backup restore b.backup --keys keep --database sqlite:d.db").ok();
    assert_eq!(status(&operator.serve("--database sqlite:d.db"), &token), 200);
}

#[test]
fn a_restore_needs_a_new_database_and_an_answer_about_the_keys() {
    let operator = Operator::new();
    operator.serve("--database sqlite:c.db").stop();
    operator.run("backup create a.backup --database sqlite:c.db").ok();
    let printed = operator.run("backup restore a.backup --database sqlite:new.db");
    assert_eq!(printed.code, 1, "{printed:?}");
    let expected =
        "error: there is no terminal to ask on; give --keys keep, so that tokens stay valid, or --keys new\n";
    assert!(printed.stderr.ends_with(expected), "{printed:?}");
    let before = fs::read(operator.path("c.db")).unwrap();
    let printed = operator.run("backup restore a.backup --keys keep --database sqlite:c.db");
    assert_eq!(printed.code, 1, "{printed:?}");
    assert!(printed.stderr.contains("c.db; a backup is restored into a new or empty database only"), "{printed:?}");
    assert_eq!(fs::read(operator.path("c.db")).unwrap(), before);

    let backup = fs::read(operator.path("a.backup")).unwrap();
    fs::write(operator.path("cut.backup"), &backup[..backup.len() - 9]).unwrap();
    fs::write(operator.path("text.backup"), "no backup").unwrap();
    for (file, why) in [
        ("cut.backup", "cut.backup: it is truncated after "),
        ("text.backup", "text.backup: it is not a backup of connectory: it is not compressed with zstd"),
        ("c.db", "c.db: it is not a backup of connectory"),
        ("none.backup", "cannot read none.backup: No such file or directory"),
    ] {
        for command in ["backup verify", "backup restore --keys new --database sqlite:new.db"] {
            let printed = operator.run(&format!("{command} {file}"));
            assert_eq!(printed.code, 1, "{printed:?}");
            assert!(printed.stderr.contains(why), "{printed:?}");
        }
    }
    assert!(!operator.path("new.db").exists());
    let left = fs::read_dir(operator.path("")).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let left: Vec<_> = left.filter(|name| name.starts_with(".connectory-")).collect();
    assert_eq!(left, Vec::<String>::new(), "nothing is left of what was not restored");
}

#[test]
fn a_check_finds_what_is_wrong_beside_a_server_and_says_what_to_do() {
    let operator = Operator::new();
    let server = operator.serve("--database sqlite:c.db");
    let text = operator.run("database check --database sqlite:c.db").ok();
    assert!(text.starts_with("Checked 1 tenant, 1 API client, 1 signing key, 0 connectors"), "{text}");
    assert!(text.ends_with("\nEverything is what it should be.\n"), "{text}");
    // A connector that no revision made.
    let python = "import sqlite3; c = sqlite3.connect('c.db'); c.execute(\"INSERT INTO connectors (tenant_id, script_name, \
                  name_key, number, summary) VALUES (1, 'x', 'x', 1, '{}')\"); c.commit()";
    let written = std::process::Command::new("python3").args(["-c", python]).current_dir(operator.path("")).status();
    assert!(written.unwrap().success());
    let printed = operator.run("database check --database sqlite:c.db");
    assert_eq!(printed.code, 1, "{printed:?}");
    let finding = "tenant `default`, connector `x`: it is listed as one that exists, and its history does not say so; restore \
                   a backup that `connectory backup verify` finds right into a new database\n";
    assert!(printed.stdout.starts_with(finding), "{printed:?}");
    assert!(printed.stderr.ends_with("error: the database has something that is not right\n"), "{printed:?}");
    drop(server);
    // The backup of it has the same, and says so when it is verified and restored.
    operator.run("backup create x.backup --database sqlite:c.db").ok();
    let printed = operator.run("backup verify x.backup");
    assert!(printed.code == 1 && printed.stdout.contains(finding), "{printed:?}");
    assert!(
        printed.stderr.contains("the backup is whole, but the database that it is of has something"),
        "{printed:?}"
    );
    let printed = operator.run("backup restore x.backup --keys new --database sqlite:y.db");
    assert!(printed.code == 0 && printed.stderr.contains("`connectory database check` lists them"), "{printed:?}");
}

/// The backups in a folder.
fn backups(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "backup")).collect();
    files.sort();
    files
}

fn wait_for<T>(what: &str, mut find: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_server_makes_backups_when_they_are_due_and_shows_them_as_metrics() {
    let operator = Operator::new();
    let folder = operator.path("backups");
    fs::create_dir(&folder).unwrap();
    let old = "connectory-2020-01-02T03-04-05Z.backup";
    fs::write(folder.join(old), "").unwrap();
    fs::write(folder.join("other.backup"), "").unwrap();
    let options = "--database sqlite:c.db --metrics-listen 127.0.0.1:0 --backup-to backups --backup-keep 1";
    let mut server = operator.serve(options);
    let made = wait_for("a backup, in the place of the old one", || {
        let made = backups(&folder);
        let is_renewed = made.len() == 2 && !made.iter().any(|path| path.ends_with(old));
        is_renewed.then(|| made[0].clone())
    });
    assert!(made.file_name().unwrap().to_str().unwrap().starts_with("connectory-20"));
    operator.run(&format!("backup verify backups/{}", made.file_name().unwrap().to_str().unwrap())).ok();
    let metrics = server.metrics();
    let size = fs::metadata(&made).unwrap().len();
    assert!(metrics.contains(&format!("\nconnectory_backup_last_size_bytes {size}\n")), "{metrics}");
    assert!(metrics.contains("\nconnectory_backup_failures_total 0\n"), "{metrics}");
    let time = metrics.lines().find_map(|line| line.strip_prefix("connectory_backup_last_success_timestamp_seconds "));
    assert!(time.unwrap().parse::<u64>().unwrap() > 1_700_000_000, "{metrics}");
    drop(server);
    // The next start finds that none is due.
    let mut server = operator.serve(options);
    assert!(server.metrics().contains(&format!("\nconnectory_backup_last_size_bytes {size}\n")));
    assert_eq!(backups(&folder).len(), 2);
    drop(server);
    // A folder that is missing is made, unless that is not possible.
    fs::remove_dir_all(&folder).unwrap();
    drop(operator.serve(options));
    assert!(folder.is_dir());
    fs::remove_dir_all(&folder).unwrap();
    fs::write(&folder, "").unwrap();
    let error = operator.run(&format!("serve --listen 127.0.0.1:0 {options}")).error();
    assert!(error.contains("--backup-to: cannot create backups: File exists"), "{error}");
}

/// A token of a new client of a server, and what finds whether it is valid.
fn token_of_new_client(operator: &Operator, server: &Server, database: &str) -> String {
    let created = operator.run(&format!("client create ci --database {database}")).ok();
    let variable = |name| exported(&created, name).unwrap();
    token(server, &variable("SAIL_CLIENT_ID"), &variable("SAIL_CLIENT_SECRET")).unwrap()
}

#[test]
fn a_database_is_copied_when_no_server_uses_it_and_its_tokens_stay_valid() {
    let operator = Operator::new();
    let server = operator.serve("--database sqlite:c.db");
    let token = token_of_new_client(&operator, &server, "sqlite:c.db");
    let printed = operator.run("database copy --from sqlite:c.db --to sqlite:d.db");
    assert_eq!((printed.code, printed.stdout.as_str()), (1, ""), "{printed:?}");
    assert!(printed.stderr.contains("c.db is in use by another process (pid "), "{printed:?}");
    assert!(printed.stderr.ends_with(". Stop the server before you copy its database\n"), "{printed:?}");
    assert!(!operator.path("d.db").exists());
    drop(server);

    let printed = operator.run("database copy --from sqlite:c.db --to sqlite:d.db");
    let places = ["c", "d"].map(|name| operator.path(&format!("{name}.db")).display().to_string());
    assert_eq!(printed.stderr, format!("from: sqlite:{}\nto: sqlite:{}\n", places[0], places[1]));
    let text = printed.ok();
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with("Copied 1 tenant, 2 API clients, 1 signing key, 0 connectors"), "{text}");
    // The SHA-256 is that of the lines of a backup.
    operator.run("backup create a.backup --database sqlite:c.db").ok();
    let backup = zstd::decode_all(fs::File::open(operator.path("a.backup")).unwrap()).unwrap();
    let lines_of_backup: Vec<_> = std::str::from_utf8(&backup).unwrap().lines().collect();
    let records = lines_of_backup[1..lines_of_backup.len() - 1].join("\n") + "\n";
    fs::write(operator.path("records"), records).unwrap();
    let sum = std::process::Command::new("sha256sum").arg(operator.path("records")).output().unwrap().stdout;
    let sum = String::from_utf8(sum).unwrap();
    let sum = sum.trim_start_matches('\\').split(' ').next().unwrap();
    let proof = format!("The target was read back and is the same. The SHA-256 of all records is {sum} in both.");
    assert_eq!(lines[1], proof);
    let start = format!("Start: `connectory serve --database 'sqlite:{}'`.", places[1]);
    assert!(lines[2].starts_with("Tokens stay valid, ") && lines[2].ends_with(&start), "{text}");
    assert!(lines[3].starts_with("Start no server on the source again: "), "{text}");
    let server = operator.serve("--database sqlite:d.db");
    assert_eq!(status(&server, &token), 200);
    drop(server);

    for (line, why) in [
        ("--from sqlite:c.db --to sqlite:d.db", "has or had tenants; only a new or empty database takes a copy"),
        (
            "--from sqlite:c.db --to sqlite:d.db --restart",
            "has or had tenants; only a new or empty database takes a copy",
        ),
        ("--from sqlite:c.db --to sqlite:./c.db", "the source and the target are the same database"),
        ("--from sqlite:none.db --to sqlite:e.db", "there is no database at none.db"),
        ("--from sqlite:records --to sqlite:e.db", "is not a SQLite database"),
        ("--from sqlite:c.db --to sqlite:records", "is not a SQLite database"),
        ("--from sqlite:c.db --to postgres://x@127.0.0.1:1/x?sslmode=disable", "the target cannot be written: "),
        ("--from postgres://x@127.0.0.1:1/x?sslmode=disable --to sqlite:e.db", "cannot be used: "),
    ] {
        let printed = operator.run(&format!("database copy {line}"));
        assert!(printed.code == 1 && printed.stderr.contains(why), "{printed:?}");
        assert!(!printed.stderr.contains("What was copied already"), "nothing was copied: {printed:?}");
    }
    assert!(!operator.path("e.db").exists());
}

#[test]
fn a_database_is_copied_to_postgresql_and_back() {
    if !cluster::is_wanted() {
        eprintln!("left out: CONNECTORY_TEST_POSTGRES is not set, which `./test` does");
        return;
    }
    let cluster = cluster::shared();
    let address = cluster.address(&cluster.create_database(""));
    let operator = Operator::new();
    let server = operator.serve("--database sqlite:c.db");
    let token = token_of_new_client(&operator, &server, "sqlite:c.db");
    drop(server);
    operator.run(&format!("database copy --from sqlite:c.db --to {address}")).ok();
    let server = operator.serve(&format!("--database {address}"));
    assert_eq!(status(&server, &token), 200);
    drop(server);
    let printed = operator.run(&format!("database copy --from {address} --to sqlite:d.db"));
    assert!(printed.stderr.contains("\nnote: no server may use the source from now on. "), "{printed:?}");
    printed.ok();
    let server = operator.serve("--database sqlite:d.db");
    assert_eq!(status(&server, &token), 200);
    drop(server);
    for database in ["sqlite:d.db", &address] {
        operator.run(&format!("database check --database {database}")).ok();
    }
}

/// Runs a command. Returns what it printed, and the most memory that it had, in MiB.
fn measured(operator: &Operator, line: &str) -> (support::Printed, u64) {
    let python = "import resource, subprocess, sys; code = subprocess.run(sys.argv[1:]).returncode; \
                  open('memory', 'w').write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)); sys.exit(code)";
    let mut command = std::process::Command::new("python3");
    command.args(["-c", python, env!("CARGO_BIN_EXE_connectory")]).args(line.split_whitespace());
    let output = command.current_dir(operator.path("")).output().unwrap();
    let kib: u64 = fs::read_to_string(operator.path("memory")).unwrap().parse().unwrap();
    (support::Printed::of(output), kib >> 10)
}

/// A small file whose text is large does not fill the memory of whoever reads it.
#[test]
fn a_hostile_backup_is_refused_in_little_memory() {
    let operator = Operator::new();
    operator.serve("--database sqlite:c.db").stop();
    operator.run("backup create a.backup --database sqlite:c.db").ok();
    let backup = zstd::decode_all(fs::File::open(operator.path("a.backup")).unwrap()).unwrap();
    let header = String::from_utf8(backup).unwrap().lines().next().unwrap().to_owned() + "\n";
    let long = |byte: u8, mib: usize| String::from_utf8(vec![byte; mib << 20]).unwrap();
    let author = r#""author":{"kind":"client","id":"me"},"createdAt":1,"bodyFormat""#;
    // Each is a beginning, what comes then again and again, and why it is refused.
    let hostile = [
        ("line", header.clone(), long(b'x', 1), 64, "its next line has more than 35651584 bytes"),
        ("header", String::new(), long(b'x', 1), 64, "its first line is not that of a backup"),
        (
            "name",
            header.clone() + r#"{"deleted":{"number":1,"scriptName":""#,
            long(b'x', 30) + "\"}}\n{\"deleted\":{\"number\":1,\"scriptName\":\"",
            5,
            "bytes beside its body",
        ),
        (
            "body",
            format!(
                "{header}{{\"revision\":{{\"number\":1,\"scriptName\":\"x\",\"action\":\"create\",{author}:4,\"body\":\""
            ),
            long(b'A', 32) + "\"}}\n",
            1,
            " after 1 records: ",
        ),
    ];
    for (name, begin, more, times, why) in hostile {
        let mut file = zstd::Encoder::new(fs::File::create(operator.path("hostile")).unwrap(), 3).unwrap();
        std::io::Write::write_all(&mut file, begin.as_bytes()).unwrap();
        for _ in 0..times {
            std::io::Write::write_all(&mut file, more.as_bytes()).unwrap();
        }
        file.finish().unwrap();
        let bytes = fs::metadata(operator.path("hostile")).unwrap().len();
        assert!(bytes < 100_000, "{name}: {bytes}");
        for command in ["backup verify hostile", "backup restore hostile --keys new --database sqlite:new.db"] {
            let (printed, mib) = measured(&operator, command);
            assert!(printed.code == 1 && printed.stderr.contains(why), "{name}: {printed:?}");
            eprintln!("{name}: a file of {bytes} bytes, {mib} MiB");
            assert!(mib < 120, "{name}: {mib} MiB");
        }
    }
    assert!(!operator.path("new.db").exists());
}
