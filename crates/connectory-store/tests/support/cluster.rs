//! A PostgreSQL cluster for tests, from the system's programs. All test processes of a checkout share one.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Whether tests with PostgreSQL run. `./test quick` leaves them out.
pub fn is_wanted() -> bool {
    std::env::var_os("CONNECTORY_TEST_POSTGRES").is_some()
}

/// The folder with the versions of PostgreSQL, where Debian has it.
const VERSIONS: &str = "/usr/lib/postgresql";

/// The port in the name of PgBouncer's socket, which is in the folder of the cluster.
const BOUNCER: u16 = 6432;

/// Whether tests reach the shared cluster through PgBouncer.
fn is_bounced() -> bool {
    std::env::var_os("CONNECTORY_TEST_PGBOUNCER").is_some()
}

/// A cluster. One that a test has for itself is stopped when this is dropped.
pub struct Cluster {
    folder: PathBuf,
    programs: PathBuf,
    own: Option<tempfile::TempDir>,
}

impl Cluster {
    /// Makes and starts one. It listens on a socket in its folder alone.
    pub fn start(settings: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("cty").tempdir_in("/tmp").unwrap();
        let cluster = Self { folder: folder.path().to_owned(), programs: programs(), own: Some(folder) };
        cluster.init(settings);
        cluster
    }

    fn init(&self, settings: &[&str]) {
        own(&self.folder);
        let data = self.data();
        let init = ["-D", text(&data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"];
        succeed(as_user(&self.programs.join("initdb")).args(init));
        let mut config = fs::read_to_string(data.join("postgresql.conf")).unwrap();
        let socket = format!("unix_socket_directories = '{}'", text(&self.folder));
        let always = ["listen_addresses = ''", "max_connections = 500", "lc_messages = 'C'", &socket];
        for setting in always.iter().chain(settings) {
            config.extend([setting, "\n"]);
        }
        fs::write(data.join("postgresql.conf"), config).unwrap();
        self.pg_ctl("start");
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Runs `pg_ctl` and waits: `start`, `stop`, `restart`, `promote`.
    pub fn pg_ctl(&self, action: &str) {
        let (data, log) = (self.data(), self.log());
        let mut command = as_user(&self.programs.join("pg_ctl"));
        command.args(["-D", text(&data), "-l", text(&log), "-w", "-t", "60", action]);
        // For clusters with another `lc_messages`.
        command.env("LANGUAGE", "de");
        if action == "stop" || action == "restart" {
            command.args(["-m", "immediate"]);
        }
        succeed(&mut command);
    }

    /// The file with what the server logs.
    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// The address of a database.
    pub fn address(&self, database: &str) -> String {
        let host = text(&self.folder).replace('/', "%2F");
        let port = if self.own.is_none() && is_bounced() { format!("?port={BOUNCER}") } else { String::new() };
        format!("postgres://postgres@{host}/{database}{port}")
    }

    /// Starts PgBouncer if it does not run. It lends its connections for one transaction, and has two for each database.
    fn start_bouncer(&self) {
        let runs = || UnixStream::connect(self.folder.join(format!(".s.PGSQL.{BOUNCER}"))).is_ok();
        if runs() {
            return;
        }
        let folder = text(&self.folder);
        let config = format!(
            "[databases]\n* = host={folder} user=postgres\n[pgbouncer]\nunix_socket_dir = {folder}\nlisten_port = {BOUNCER}\n\
             auth_type = any\npool_mode = transaction\ndefault_pool_size = 2\nmax_client_conn = 5000\nserver_idle_timeout = 30\n\
             ignore_startup_parameters = extra_float_digits,options\nlogfile = {folder}/bouncer.log\n\
             pidfile = {folder}/bouncer.pid\n"
        );
        let file = self.folder.join("bouncer.ini");
        fs::write(&file, config).unwrap();
        succeed(as_user(Path::new("/usr/sbin/pgbouncer")).args(["--daemon", "--quiet", text(&file)]));
        let began = Instant::now();
        while !runs() {
            assert!(began.elapsed() < Duration::from_secs(30), "PgBouncer does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Runs SQL with `psql`, and returns the rows without decoration.
    pub fn psql(&self, database: &str, sql: &str) -> String {
        psql(&self.socket(), database, sql)
    }

    /// The folder of the socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.clone()
    }

    /// Creates a database of its own for a test, and returns its name.
    pub fn create_database(&self, options: &str) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        self.psql("postgres", &format!("CREATE DATABASE {name} {options}"));
        name
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.own.is_some() {
            self.pg_ctl("stop");
        }
    }
}

/// Stops the shared cluster when nobody was connected for a minute.
const WATCHER: &str = r#"
idle=0
while [ $idle -lt 12 ]; do
    sleep 5
    count=$("$1/psql" -h "$2" -U postgres -X -A -t -c \
        "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()") || exit
    if [ "$count" = 0 ]; then idle=$((idle + 1)); else idle=0; fi
done
exec flock "$2.lock" sh -c '"$1/pg_ctl" -D "$2/data" -m immediate stop; kill "$(cat "$2/bouncer.pid")"; rm -rf "$2"' \
    stop "$1" "$2"
"#;

/// The cluster that all tests of this checkout share.
pub fn shared() -> Cluster {
    let mut hasher = std::hash::DefaultHasher::new();
    std::hash::Hash::hash(&(env!("CARGO_MANIFEST_DIR"), programs()), &mut hasher);
    let name = format!("/tmp/connectory-postgres-{:016x}", std::hash::Hasher::finish(&hasher));
    let cluster = Cluster { folder: PathBuf::from(&name), programs: programs(), own: None };
    let lock = fs::File::create(format!("{name}.lock")).unwrap();
    lock.lock().unwrap();
    let ready = Command::new(cluster.programs.join("pg_isready"))
        .args(["-q", "-h", &name, "-U", "postgres", "-d", "postgres"])
        .status()
        .unwrap();
    if !ready.success() {
        let _none = fs::remove_dir_all(&cluster.folder);
        fs::create_dir(&cluster.folder).unwrap();
        cluster.init(&["fsync = off", "full_page_writes = off"]);
        let mut watcher = as_user(Path::new("/bin/sh"));
        // In the background of a shell that ends at once.
        let start = format!("({WATCHER}) &");
        watcher.args(["-c", &start, "watcher", text(&cluster.programs), &name]);
        watcher.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    }
    if is_bounced() {
        cluster.start_bouncer();
    }
    cluster
}

/// Starts `psql`, which runs what is written to it.
pub fn psql_process(socket: &Path, database: &str) -> std::process::Child {
    Command::new(programs().join("psql"))
        .args(["-h", text(socket), "-U", "postgres", "-d", database, "-X", "-q"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap()
}

/// Runs SQL with `psql`, and returns the rows without decoration.
pub fn psql(socket: &Path, database: &str, sql: &str) -> String {
    let output = Command::new(programs().join("psql"))
        .args(["-h", text(socket), "-U", "postgres", "-d", database, "-X", "-A", "-t", "-q"])
        .args(["-v", "ON_ERROR_STOP=1", "-c", sql])
        .output()
        .unwrap();
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// Whether this system has the programs.
pub fn is_installed() -> bool {
    fs::read_dir(VERSIONS).is_ok_and(|mut versions| versions.next().is_some())
}

fn programs() -> PathBuf {
    // `./test --all` runs some tests with versions that Debian does not have.
    if let Some(other) = std::env::var_os("CONNECTORY_TEST_POSTGRES_PROGRAMS") {
        return other.into();
    }
    assert!(is_installed(), "PostgreSQL is not installed; `./test` installs it");
    let versions = fs::read_dir(VERSIONS).unwrap();
    let mut versions: Vec<_> = versions.map(|version| version.unwrap().path().join("bin")).collect();
    versions.sort();
    versions.pop().expect("a version of PostgreSQL is installed")
}

/// A command as a user that PostgreSQL accepts, which is not root.
fn as_user(program: &Path) -> Command {
    let mut command;
    if rustix::process::geteuid().is_root() {
        command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    } else {
        command = Command::new(program);
    }
    command.current_dir("/");
    command
}

fn own(folder: &Path) {
    if rustix::process::geteuid().is_root() {
        succeed(Command::new("chown").arg("postgres").arg(folder));
    }
}

fn succeed(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
    assert!(output.status.success(), "{command:?}: {said:?}");
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
