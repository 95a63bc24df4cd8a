//! Servers as processes of their own, pinned to a core, and what the system says of them.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use tokio::net::TcpListener;

/// The cores that servers and load run on.
#[derive(Debug, Clone, Copy)]
pub struct Cores {
    pub server: usize,
    pub load: usize,
}

impl Cores {
    /// The first two that this process may use; on a machine with one core they share it.
    pub fn find() -> Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        let server = cores.next().context("no core to run on")?;
        Ok(Self { server, load: cores.next().unwrap_or(server) })
    }
}

/// Pins this thread and those that it starts.
pub fn pin(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).context("cannot pin to a core")
}

/// Says where a server listens, as [`Server::start`] reads it.
pub fn announce(listener: &TcpListener) -> Result<()> {
    println!("ready at http://{}", listener.local_addr()?);
    Ok(())
}

/// A running server; killed when it is dropped.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    /// From its start until it said that it is ready.
    pub start: Duration,
}

impl Server {
    /// Starts a server on a core and waits until it says where it listens.
    pub fn start(core: usize, command: &mut Command, log: &Path) -> Result<Self> {
        let began = Instant::now();
        // Threads and children inherit the core of the thread that starts them.
        let mut child = on_core(core, || Ok(command.stdout(Stdio::piped()).stderr(File::create(log)?).spawn()?))?;
        let mut lines = BufReader::new(child.stdout.take().context("its output is piped")?).lines();
        let address = loop {
            let Some(line) = lines.next() else { bail!("a server did not start; see {}", log.display()) };
            if let Some((_, rest)) = line?.split_once("ready at http://") {
                let address = rest.split([':', ' ']).take(2).collect::<Vec<_>>().join(":");
                break address.parse().with_context(|| format!("`{rest}` is no address"))?;
            }
        };
        let start = began.elapsed();
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { child, address, start })
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(mut self) -> Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let status = self.child.wait()?;
        anyhow::ensure!(status.success(), "a server ended with {status}");
        Ok(())
    }

    /// Its resident memory in bytes.
    pub fn memory(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
    }

    /// The processor time that it has used.
    pub fn cpu(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
        Ok(Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Runs a command on a core to its end and returns what it printed.
pub fn output(core: usize, command: &mut Command) -> Result<String> {
    let output = on_core(core, || Ok(command.stderr(Stdio::inherit()).output()?))?;
    if !output.status.success() {
        bail!("{command:?} ended with {}", output.status);
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn on_core<T: Send>(core: usize, run: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let pinned = scope.spawn(move || pin(core).and_then(|()| run()));
        pinned.join().expect("starting a process does not panic")
    })
}
