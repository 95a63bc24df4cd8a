//! PostgreSQL with TLS, for tests: a cluster in a temporary folder that is stopped and removed at the end.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;

/// The password of the superuser `postgres`.
pub const PASSWORD: &str = "kQ7vZr2x";

/// Where Debian has the server's programs.
const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";

/// Whether tests with PostgreSQL run. Says so if they do not.
pub fn is_asked_for() -> bool {
    let is_asked_for = std::env::var_os("CONNECTORY_TEST_POSTGRES").is_some_and(|value| value == "1");
    if !is_asked_for {
        eprintln!("skipped, because it needs PostgreSQL: set CONNECTORY_TEST_POSTGRES=1");
    }
    is_asked_for
}

/// An authority.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    /// Writes the authority's certificate.
    pub fn write(&self, path: &Path) {
        std::fs::write(path, self.issuer.pem()).unwrap();
    }

    /// Makes a certificate and its key, both in PEM. A client's name is its common name.
    pub fn sign(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

/// A running cluster.
pub struct Cluster {
    folder: TempDir,
    pub port: u16,
}

impl Cluster {
    /// Starts a cluster whose certificate is for `db.test`. `rules` is its `pg_hba.conf`.
    pub fn start(authority: &Authority, rules: &str) -> Self {
        let cluster = Self::empty();
        let password = cluster.path("password");
        write(&password, PASSWORD, 0o644);
        let data = cluster.path("data");
        let password = format!("--pwfile={}", password.display());
        let arguments = ["--no-sync", "--auth=scram-sha-256", "--username=postgres", &password, data.to_str().unwrap()];
        run("initdb", &arguments);
        cluster.configure(authority, rules, "");
        cluster
    }

    /// Starts a standby of this cluster.
    pub fn standby(&self, authority: &Authority, rules: &str) -> Self {
        let standby = Self::empty();
        let source =
            format!("host={} port={} user=postgres password={PASSWORD}", self.folder.path().display(), self.port);
        let data = standby.path("data");
        run("pg_basebackup", &["-d", &source, "-D", data.to_str().unwrap(), "-R", "-X", "stream", "-c", "fast"]);
        standby.configure(authority, rules, "hot_standby = on");
        standby
    }

    /// The folder of the socket.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn empty() -> Self {
        let folder = TempDir::new().unwrap();
        if let Some(owner) = owner() {
            std::os::unix::fs::chown(folder.path(), Some(owner), None).unwrap();
        }
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { folder, port }
    }

    fn configure(&self, authority: &Authority, rules: &str, settings: &str) {
        let (certificate, key) = authority.sign("db.test");
        write(&self.path("server.crt"), &certificate, 0o644);
        write(&self.path("server.key"), &key, 0o600);
        authority.write(&self.path("root.crt"));
        write(&self.path("data/pg_hba.conf"), rules, 0o600);
        let folder = self.folder.path().display();
        let settings = format!(
            "port = {}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{folder}'\nfsync = off\nssl = on\n\
             ssl_cert_file = '{folder}/server.crt'\nssl_key_file = '{folder}/server.key'\n\
             ssl_ca_file = '{folder}/root.crt'\n{settings}\n",
            self.port
        );
        write(&self.path("data/postgresql.conf"), &settings, 0o600);
        let (data, log) = (self.path("data"), self.path("log"));
        run("pg_ctl", &["-D", data.to_str().unwrap(), "-l", log.to_str().unwrap(), "-w", "-t", "30", "start"]);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let data = self.path("data");
        let _ = program("pg_ctl", &["-D", data.to_str().unwrap(), "-m", "immediate", "-w", "stop"]);
    }
}

/// The user of the server's processes, if it is not that of the test: the server refuses to run as root.
fn owner() -> Option<u32> {
    let is_root = rustix::process::geteuid().is_root();
    is_root.then(|| {
        let id = Command::new("id").args(["-u", "postgres"]).output().unwrap();
        String::from_utf8(id.stdout).unwrap().trim().parse().unwrap()
    })
}

fn write(path: &Path, text: &str, mode: u32) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    if let Some(owner) = owner() {
        std::os::unix::fs::chown(path, Some(owner), None).unwrap();
    }
}

fn program(name: &str, arguments: &[&str]) -> Output {
    let path = format!("{PROGRAMS}/{name}");
    let mut command = if owner().is_some() {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--", &path]);
        command
    } else {
        Command::new(path)
    };
    // The server keeps what it inherits open, so its output is not a pipe.
    command.args(arguments).current_dir("/").stdin(std::process::Stdio::null());
    if arguments.contains(&"start") {
        let status = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).status().unwrap();
        return Output { status, stdout: Vec::new(), stderr: Vec::new() };
    }
    command.output().unwrap()
}

fn run(name: &str, arguments: &[&str]) {
    let output = program(name, arguments);
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
}
