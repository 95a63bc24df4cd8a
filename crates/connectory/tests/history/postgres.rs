//! A PostgreSQL server of a test, from the system's programs.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::time::sleep;
use tokio_postgres::{Client, NoTls};

use crate::cluster::free_port;

/// The longest wait for the start.
const START: Duration = Duration::from_secs(30);

/// Whether tests with PostgreSQL are to run. It says so if not.
pub fn is_wanted() -> bool {
    let is_wanted = std::env::var_os("CONNECTORY_TEST_POSTGRES").is_some();
    if !is_wanted {
        eprintln!("left out: CONNECTORY_TEST_POSTGRES is not set");
    }
    is_wanted
}

/// A server, which ends with the test, however the test ends.
pub struct Postgres {
    process: Child,
    port: u16,
    folder: TempDir,
}

impl Postgres {
    pub async fn start() -> Self {
        let folder = TempDir::with_prefix("connectory-history").unwrap();
        let (data, port) = (folder.path().join("data"), free_port());
        if rustix::process::geteuid().is_root() {
            assert!(Command::new("chown").arg("postgres").arg(folder.path()).status().unwrap().success());
        }
        let init = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D"];
        let output = program("initdb").args(init).arg(&data).output().unwrap();
        assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut command = program("postgres");
        command.arg("-D").arg(&data).arg("-k").arg(folder.path()).args(["-p", &port.to_string()]);
        command.args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=300"]);
        let process = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let mut server = Self { process, port, folder };
        let started = Instant::now();
        while tokio_postgres::connect(&Self::address(server.port, "postgres"), NoTls).await.is_err() {
            let ended = server.process.try_wait().unwrap();
            assert!(ended.is_none() && started.elapsed() < START, "PostgreSQL does not start: {}", server.log());
            sleep(Duration::from_millis(50)).await;
        }
        server
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The address of the server itself.
    pub fn socket(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The address of a database through a port.
    pub fn address(port: u16, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{port}/{database}?sslmode=disable")
    }

    /// A connection to a database through a port.
    pub async fn connect(&self, port: u16, database: &str) -> Client {
        let (client, connection) = tokio_postgres::connect(&Self::address(port, database), NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// A connection to the server itself.
    pub async fn admin(&self) -> Client {
        self.connect(self.port, "postgres").await
    }

    /// Ends the connections with these ports, as an administrator does.
    pub async fn terminate(&self, admin: &Client, ports: &BTreeSet<u16>) {
        let ports: Vec<_> = ports.iter().copied().map(i32::from).collect();
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE client_port = ANY($1)";
        admin.execute(sql, &[&ports]).await.unwrap();
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // At once, with all its processes.
        let _ended = kill_process(Pid::from_child(&self.process), Signal::QUIT);
        let _ended = self.process.wait();
    }
}

/// A program of PostgreSQL, as a user that it accepts, which is not root.
fn program(name: &str) -> Command {
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed");
    let folder = versions.map(|version| version.unwrap().path()).max().expect("a version of PostgreSQL is installed");
    let program: PathBuf = folder.join("bin").join(name);
    let mut command;
    if rustix::process::geteuid().is_root() {
        command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    } else {
        command = Command::new(program);
    }
    command.current_dir(Path::new("/"));
    command
}
