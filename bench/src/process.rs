//! Runs servers as processes that are pinned to a core, and reads their memory and processor time.

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

/// The cores that run the servers and the load.
#[derive(Debug, Clone, Copy)]
pub struct Cores {
    pub server: usize,
    pub load: usize,
}

impl Cores {
    /// Finds the first two cores that this process may use. On a machine with one core, servers and load share it.
    pub fn find() -> Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        let server = cores.next().context("no core to run on")?;
        Ok(Self { server, load: cores.next().unwrap_or(server) })
    }
}

/// Pins this thread and the threads that it starts to a core.
pub fn pin(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).context("cannot pin to a core")
}

/// Prints the address of a server, in the form that [`Server::start`] reads.
pub fn announce(listener: &TcpListener) -> Result<()> {
    println!("ready at http://{}", listener.local_addr()?);
    Ok(())
}

/// How long a server may take to accept connections.
const READY: Duration = Duration::from_secs(30);

/// A running server. It is killed when this is dropped.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    /// The time from the start of the process until it printed that it is ready.
    pub start: Duration,
}

impl Server {
    /// Starts a server on a core and waits until it prints its address.
    pub fn start(core: usize, command: &mut Command, log: &Path) -> Result<Self> {
        let began = Instant::now();
        let log_file = File::create(log)?;
        let mut child = spawn(core, command.stdout(Stdio::piped()).stderr(log_file))?;
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

    /// Starts a server on a core that listens on an address and prints nothing about it. Waits until it accepts
    /// connections.
    pub fn start_at(core: usize, command: &mut Command, log: &Path, address: SocketAddr) -> Result<Self> {
        let began = Instant::now();
        let (out, log_file) = (File::create(log)?, File::options().append(true).open(log)?);
        let child = spawn(core, command.stdout(out).stderr(log_file))?;
        let mut server = Self { child, address, start: Duration::ZERO };
        while std::net::TcpStream::connect(address).is_err() {
            let has_ended = server.child.try_wait()?.is_some();
            let is_late = began.elapsed() > READY;
            anyhow::ensure!(!has_ended && !is_late, "a server did not start; see {}", log.display());
            std::thread::sleep(Duration::from_millis(20));
        }
        server.start = began.elapsed();
        Ok(server)
    }

    /// Sends the server a signal to end, and waits until it has ended.
    pub fn stop(mut self) -> Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let status = self.child.wait()?;
        anyhow::ensure!(status.success(), "a server ended with {status}");
        Ok(())
    }

    /// Returns the resident memory of the server in bytes.
    pub fn memory(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
    }

    /// Returns the processor time that the server has used.
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

/// Runs a command on a core until it ends, and returns its output.
pub fn output(core: usize, command: &mut Command) -> Result<String> {
    let output = on_core(core, || Ok(command.stderr(Stdio::inherit()).output()?))?;
    if !output.status.success() {
        bail!("{command:?} ended with {}", output.status);
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Returns an address of this machine that nobody listens on.
pub fn free_address() -> Result<SocketAddr> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn spawn(core: usize, command: &mut Command) -> Result<Child> {
    // Threads and children inherit the core of the thread that starts them.
    on_core(core, || Ok(command.spawn()?))
}

/// Runs on a core until it ends. What it starts runs on the same core.
pub fn on_core<T: Send>(core: usize, run: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let pinned = scope.spawn(move || pin(core).and_then(|()| run()));
        pinned.join().expect("what runs on a core does not panic")
    })
}
