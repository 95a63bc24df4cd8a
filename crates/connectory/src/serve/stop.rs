//! How the server ends: after a signal, in its own time, but always within [`STOP_TIMEOUT`].

use std::time::Duration;

use anyhow::{Context, Result};
use connectory_model::limits::{CLOSE_TIMEOUT, STOP_TIMEOUT};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

/// What the server does after a signal.
#[derive(Debug, Clone, Copy)]
pub struct Stop {
    /// The time for which it goes on to accept connections.
    pub drain: Duration,
    /// The time at which requests in flight must have ended.
    pub deadline: Instant,
}

/// Waits for SIGTERM, or for Ctrl-C, after which the server does not drain. Then waits for another signal, or until the
/// server has had its time, and ends the process, after it has called `before_exit`. This runs on a thread of its own, so nothing that blocks can delay it.
pub fn on_signal(drain: Duration, before_exit: impl FnOnce() + Send + 'static) -> Result<oneshot::Receiver<Stop>> {
    let runtime = Builder::new_current_thread().enable_all().build().context("cannot start a runtime")?;
    let wait_for = |kind| {
        let _context = runtime.enter();
        signal(kind).context("cannot wait for signals")
    };
    let (mut terminate, mut interrupt) = (wait_for(SignalKind::terminate())?, wait_for(SignalKind::interrupt())?);
    let (stop, stopped) = oneshot::channel();
    let wait = async move {
        let mut next = async || {
            tokio::select! {
                _ = terminate.recv() => SignalKind::terminate(),
                _ = interrupt.recv() => SignalKind::interrupt(),
            }
        };
        let drain = if next().await == SignalKind::terminate() { drain } else { Duration::ZERO };
        let end = Instant::now() + STOP_TIMEOUT;
        let _nobody_waits = stop.send(Stop { drain, deadline: end - CLOSE_TIMEOUT });
        tokio::select! {
            // As if the signal had ended the process.
            second = next() => 128 + second.as_raw_value(),
            () = sleep_until(end) => 1,
        }
    };
    let thread = std::thread::Builder::new().name("signals".to_owned());
    let end = move || {
        let code = runtime.block_on(wait);
        before_exit();
        std::process::exit(code)
    };
    thread.spawn(end).context("cannot start a thread")?;
    Ok(stopped)
}
