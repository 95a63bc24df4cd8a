//! The removal of what deleted tenants had, in small steps beside requests. The command that deletes a tenant does that too;
//! this goes on where it was interrupted. Several servers and commands may do it at once.

use connectory_model::limits::{REMOVAL_EVERY, REMOVAL_PAUSE};
use connectory_store::Store;
use tokio::task::JoinHandle;

/// The task. It ends when this is dropped. A step that is being made is made whole or not at all.
pub struct Removing(JoinHandle<()>);

impl Drop for Removing {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Starts to remove, now and from time to time.
pub fn start(store: &Store) -> Removing {
    let store = store.clone();
    Removing(tokio::spawn(async move {
        loop {
            let pause = match store.remove_deleted().await {
                Ok(Some(_)) => REMOVAL_PAUSE,
                Ok(None) => REMOVAL_EVERY,
                Err(error) => {
                    tracing::warn!(%error, "rows of a deleted tenant could not be removed; it is tried again");
                    REMOVAL_EVERY
                }
            };
            tokio::time::sleep(pause).await;
        }
    }))
}
