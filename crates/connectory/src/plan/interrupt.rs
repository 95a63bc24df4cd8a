//! Ctrl-C, and the signals that end a process.

use tokio::sync::watch::{self, Receiver};

/// How often the user, or the system, asked the command to stop.
pub struct Interrupt(Receiver<u8>);

impl Interrupt {
    /// Takes the signals from now on. Before, and without this, a signal ends the process.
    pub fn listen() -> Self {
        let (sender, receiver) = watch::channel(0_u8);
        if let Ok(mut signals) = Signals::take() {
            tokio::spawn(async move {
                while signals.next().await.is_some() && !sender.is_closed() {
                    sender.send_modify(|times| *times = times.saturating_add(1));
                }
            });
        }
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

/// Ctrl-C, what a service manager sends, and the end of the terminal. They are taken once: a signal that comes while the one
/// before is told is kept.
#[cfg(unix)]
struct Signals([tokio::signal::unix::Signal; 3]);

#[cfg(unix)]
impl Signals {
    fn take() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        Ok(Self([signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?]))
    }

    async fn next(&mut self) -> Option<()> {
        let Self([interrupt, terminate, hangup]) = self;
        tokio::select! {
            interrupt = interrupt.recv() => interrupt,
            terminate = terminate.recv() => terminate,
            hangup = hangup.recv() => hangup,
        }
    }
}

/// Ctrl-C.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn take() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Option<()> {
        tokio::signal::ctrl_c().await.ok()
    }
}
