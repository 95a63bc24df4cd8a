//! Ctrl-C, and the signals that end a process.

use tokio::sync::watch::{self, Receiver};

/// How often the user, or the system, asked the command to stop.
pub struct Interrupt(Receiver<u8>);

impl Interrupt {
    /// Takes the signals from now on. Before, and without this, a signal ends the process.
    pub fn listen() -> Self {
        let (sender, receiver) = watch::channel(0_u8);
        tokio::spawn(async move {
            while signal().await.is_ok() && !sender.is_closed() {
                sender.send_modify(|times| *times = times.saturating_add(1));
            }
        });
        Self(receiver)
    }

    /// Whether the command was asked to stop.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow() > 0
    }

    /// Waits until the command was asked to stop so many times.
    pub async fn requested(&self, times: u8) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|asked| *asked >= times).await.is_err() {
            // Signals cannot be taken here, so they end the process.
            std::future::pending::<()>().await;
        }
    }
}

/// Waits for a signal: Ctrl-C, what a service manager sends, or the end of the terminal.
#[cfg(unix)]
async fn signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}

/// Waits for Ctrl-C.
#[cfg(not(unix))]
async fn signal() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
