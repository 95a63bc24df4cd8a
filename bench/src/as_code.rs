//! Times the commands that treat connectors as code, as a user runs them: on a server with the default rate limit, on SQLite
//! and on PostgreSQL. The server runs on one core, and the command on another.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use connectory_store::Store;

use crate::cluster::{self, Cluster};
use crate::options::{Extent, Options};
use crate::process::{Cores, Server, output, pin};
use crate::report::quartiles;
use crate::{connectory, data, database};

/// A command, and the time that it may take.
const TARGETS: [(&str, f64); 2] = [("apply of new ones", 3.0), ("plan", 1.0)];

/// The status in a `connector.yaml`, before an edit and after it.
const RELEASED: &str = "status: RELEASED";
const DEMO: &str = "status: DEMO";

/// Times the commands. Prints a table.
pub fn run(options: &Options) -> Result<()> {
    let extent = options.extent(
        Extent { sizes: vec![30], connections: Vec::new(), rounds: 1, milliseconds: 0 },
        Extent { sizes: vec![1000], connections: Vec::new(), rounds: 5, milliseconds: 0 },
    );
    std::fs::create_dir_all(&options.work)?;
    let binary = connectory::build(options.quick)?;
    let cores = Cores::find()?;
    pin(cores.load)?;
    let cluster = cluster::is_installed().then(|| Cluster::start(&[]));
    println!("Connectors as code: {} rounds\n", extent.rounds);
    println!("| database | connectors | command | seconds | quartiles | may take |\n|---|---|---|---|---|---|");
    for size in extent.sizes {
        let user = User { cores, binary: binary.clone(), folder: options.work.join("as-code") };
        let folder = user.pull(size)?;
        for engine in ["SQLite", "PostgreSQL"] {
            let mut times: [Vec<f64>; 4] = Default::default();
            for _ in 0..extent.rounds {
                let address = match (&cluster, engine) {
                    (_, "SQLite") => format!("sqlite:{}", user.new_database().display()),
                    (Some(cluster), _) => cluster.address(&cluster.create_database("")),
                    (None, _) => continue,
                };
                let server = user.serve(&address)?;
                let created = user.run(&server, &["apply", &folder, "--yes", "--quiet"])?;
                let planned = user.run(&server, &["plan", &folder])?;
                edit(Path::new(&folder))?;
                let changed = user.run(&server, &["apply", &folder, "--yes", "--quiet"])?;
                let pulled = user.run(&server, &["pull", &folder, "--quiet"])?;
                for (times, time) in times.iter_mut().zip([created, planned, changed, pulled]) {
                    times.push(time.as_secs_f64());
                }
            }
            for (what, times) in ["apply of new ones", "plan", "apply of changed ones", "pull"].into_iter().zip(&times)
            {
                if times.is_empty() {
                    continue;
                }
                let target =
                    TARGETS.iter().find(|(of, _)| *of == what && size == 1000).map(|(_, most)| format!("{most}"));
                let [low, middle, high] = quartiles(times.clone());
                let target = target.unwrap_or_default();
                println!("| {engine} | {size} | {what} | {middle:.2} | {low:.2} to {high:.2} | {target} |");
            }
        }
    }
    Ok(())
}

/// A user at a terminal.
struct User {
    cores: Cores,
    binary: PathBuf,
    folder: PathBuf,
}

impl User {
    /// Pulls a folder of so many connectors.
    fn pull(&self, size: usize) -> Result<String> {
        let _none = std::fs::remove_dir_all(&self.folder);
        std::fs::create_dir_all(&self.folder)?;
        let path = self.new_database();
        tokio::runtime::Runtime::new()?.block_on(async { data::seed(&Store::open(&path)?, size).await })?;
        let server = self.serve(&format!("sqlite:{}", path.display()))?;
        let folder = self.folder.join("connectors").display().to_string();
        self.run(&server, &["pull", &folder, "--quiet"])?;
        Ok(folder)
    }

    fn new_database(&self) -> PathBuf {
        let path = self.folder.join("c.db");
        database::remove(&path);
        path
    }

    /// Starts a server with the default rate limit.
    fn serve(&self, address: &str) -> Result<Server> {
        let mut command = Command::new(&self.binary);
        command
            .env("CONNECTORY_CLIENT_ID", data::CLIENT_ID)
            .env("CONNECTORY_CLIENT_SECRET", data::CLIENT_SECRET)
            .env("CONNECTORY_DRAIN", "0s")
            .args(["serve", "--listen", "127.0.0.1:0", "--database", address]);
        Server::start(self.cores.server, &mut command, &self.folder.join("log"))
    }

    /// Runs a command. Returns how long it takes.
    fn run(&self, server: &Server, arguments: &[&str]) -> Result<Duration> {
        let mut command = Command::new(&self.binary);
        command
            .env("SAIL_BASE_URL", format!("http://{}", server.address))
            .env("SAIL_CLIENT_ID", data::CLIENT_ID)
            .env("SAIL_CLIENT_SECRET", data::CLIENT_SECRET)
            .env("HOME", &self.folder)
            .stdin(Stdio::null())
            .args(arguments);
        let began = Instant::now();
        output(self.cores.load, &mut command)?;
        Ok(began.elapsed())
    }
}

/// Changes the status of every connector.
fn edit(folder: &Path) -> Result<()> {
    let mut edited = 0;
    for connector in std::fs::read_dir(folder)? {
        let file = connector?.path().join("connector.yaml");
        if let Ok(text) = std::fs::read_to_string(&file) {
            let [from, to] = if text.contains(DEMO) { [DEMO, RELEASED] } else { [RELEASED, DEMO] };
            ensure!(text.contains(from), "{} has no status", file.display());
            std::fs::write(&file, text.replace(from, to))?;
            edited += 1;
        }
    }
    ensure!(edited > 0, "{} has no connectors", folder.display());
    Ok(())
}
