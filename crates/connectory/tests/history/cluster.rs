//! The servers of a run, each a process.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use connectory_store::{Address, Store};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::client::{ID, SECRET};

/// The variable with which a build for tests makes servers do wrong things, which the checker must find.
const PLANTED: &str = "CONNECTORY_PLANTED";
/// The longest wait for the start of a server.
const START: Duration = Duration::from_secs(30);

/// A free port. It is none of those that the system gives to connections, so a server that is down for a while keeps it.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Each process begins elsewhere.
    let first = u16::try_from(std::process::id() % 600).unwrap() * 20;
    loop {
        let port = 20_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// A server of a database, which ends with the test.
pub struct Node {
    address: SocketAddr,
    folder: PathBuf,
    database: String,
    /// A fault of the server itself.
    planted: Option<&'static str>,
    process: Mutex<Option<Child>>,
}

impl Node {
    /// Starts a server that writes its log into the folder.
    pub async fn start(database: &str, folder: &Path, planted: Option<&'static str>) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let (folder, database) = (folder.to_owned(), database.to_owned());
        let node = Self { address, folder, database, planted, process: Mutex::default() };
        node.restart().await.unwrap();
        node
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Starts the server again after [`Self::kill`], and waits until it answers.
    pub async fn restart(&self) -> io::Result<()> {
        let log =
            File::options().create(true).append(true).open(self.folder.join(format!("{}.log", self.address.port())))?;
        let catalog = self.folder.join("catalog.json");
        std::fs::write(&catalog, "[]")?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_connectory"));
        command.args(["serve", "--rate-limit", "off", "--token-lifetime", "86400", "--drain", "0s"]);
        command.args(["--database", &self.database, "--listen", &self.address.to_string()]);
        command.arg("--catalog-only").arg(&catalog).current_dir(&self.folder);
        command.env_clear().env("HOME", &self.folder);
        command.env("CONNECTORY_CLIENT_ID", ID).env("CONNECTORY_CLIENT_SECRET", SECRET);
        if let Some(planted) = self.planted {
            command.env(PLANTED, planted);
        }
        let process = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
        *self.process.lock().unwrap() = Some(process);
        let started = Instant::now();
        while !self.is_live().await {
            let ended = self.process.lock().unwrap().as_mut().map(Child::try_wait).transpose()?.flatten();
            if let Some(status) = ended {
                return Err(io::Error::other(format!("the server ended with {status}: {}", self.log())));
            }
            if started.elapsed() > START {
                return Err(io::Error::other(format!("the server does not start: {}", self.log())));
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    async fn is_live(&self) -> bool {
        let ask = async {
            let mut stream = TcpStream::connect(self.address).await?;
            stream.write_all(b"GET /health/live HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n").await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            io::Result::Ok(answer)
        };
        matches!(timeout(Duration::from_secs(1), ask).await, Ok(Ok(answer)) if answer.starts_with(b"HTTP/1.1 200"))
    }

    /// The end of what the server logged.
    pub fn log(&self) -> String {
        let log = std::fs::read(self.folder.join(format!("{}.log", self.address.port()))).unwrap_or_default();
        String::from_utf8_lossy(&log[log.len().saturating_sub(4000)..]).into_owned()
    }

    /// Ends the server at once, as kill -9 does.
    pub fn kill(&self) {
        if let Some(mut process) = self.process.lock().unwrap().take() {
            let _ended = process.kill();
            let _ended = process.wait();
        }
    }

    /// Stops the server until [`Self::resume`].
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        // Nobody waits for the process while it is here, so its id is not another's.
        if let Some(process) = &*self.process.lock().unwrap() {
            kill_process(Pid::from_child(process), signal).unwrap();
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Opens the database of servers, to read its revisions. A SQLite database has no other server meanwhile.
pub async fn open(database: &str) -> Store {
    match database.strip_prefix("sqlite:") {
        Some(path) => Store::open(Path::new(path)).unwrap(),
        None => Store::open_postgres(&Address::parse(database, |_| None).unwrap()).await.unwrap(),
    }
}
