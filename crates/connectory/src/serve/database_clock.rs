//! The clock of the database: a task of a server among others compares its own with it again and again.

use std::sync::Arc;

use arc_swap::ArcSwap;
use connectory_model::limits::CLOCK_LOOK;
use connectory_server::Service;
use tokio::task::JoinHandle;

/// The task. It ends when this is dropped.
pub struct Following(JoinHandle<()>);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Starts to compare. The server has done so at its start.
pub fn start(service: Arc<ArcSwap<Service>>) -> Following {
    Following(tokio::spawn(async move {
        loop {
            tokio::time::sleep(CLOCK_LOOK).await;
            let server = Arc::clone(service.load().server());
            if let Err(error) = server.follow_clock().await {
                tracing::debug!(%error, "the clock of the database could not be read");
            }
        }
    }))
}
