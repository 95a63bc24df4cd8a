//! Clean-up: a task of the server that removes rows that nothing needs any more, such as those of deleted tenants, once an hour. Of several servers, one does it.

use std::time::{Duration, Instant};

use connectory_model::limits::{
    CLEAN_UP_EVERY, CLEAN_UP_RETRY, REMOVAL_EVERY, REMOVAL_PAUSE, SESSION_IDLE, SESSION_LIFETIME,
};
use connectory_server::clock::Clock;
use connectory_store::{Ended, LeasedWork, Store, StoreError};
use tokio::task::JoinHandle;

use super::leases::Leasing;

/// The task. It ends when this is dropped.
pub struct CleaningUp(JoinHandle<()>);

impl Drop for CleaningUp {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Starts to clean up.
pub async fn start(store: &Store, clock: Clock) -> CleaningUp {
    let leasing = Leasing::start(store, LeasedWork::CleanUp).await;
    let store = store.clone();
    CleaningUp(tokio::spawn(async move {
        let mut due = Instant::now();
        loop {
            let failed = |error: &StoreError| {
                tracing::warn!(%error, "rows that are not needed any more could not be removed");
            };
            if Instant::now() >= due {
                let wait = clean_up(&store, &leasing, &clock).await.inspect_err(failed).unwrap_or(CLEAN_UP_RETRY);
                due = Instant::now() + wait;
            }
            let _told = remove(&store, &leasing).await.inspect_err(failed);
            tokio::time::sleep(REMOVAL_EVERY).await;
        }
    }))
}

/// Removes what there is, if this server has the lease. Returns the time until the next attempt.
async fn clean_up(store: &Store, leasing: &Leasing, clock: &Clock) -> Result<Duration, StoreError> {
    let Some(lease) = leasing.lease() else { return Ok(CLEAN_UP_RETRY) };
    let before = |time: Duration| {
        let seconds = clock.unix_seconds().saturating_sub(time.as_secs());
        i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000)
    };
    let ended = Ended { created_before: before(SESSION_LIFETIME), used_before: before(SESSION_IDLE) };
    let Some(removed) = store.clean_up(&lease, ended).await? else { return Ok(CLEAN_UP_RETRY) };
    tracing::debug!(removed, "rows that are not needed any more were removed");
    Ok(CLEAN_UP_EVERY)
}

/// Removes what deleted tenants have, and a command has not removed that was interrupted. A step is right whoever makes it.
async fn remove(store: &Store, leasing: &Leasing) -> Result<(), StoreError> {
    while leasing.lease().is_some() && store.remove_deleted().await?.is_some() {
        tokio::time::sleep(REMOVAL_PAUSE).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use connectory_model::access::{Scopes, UserLevel};
    use connectory_store::{AccessOrigin, Author, AuthorKind, NewClient, NewSession, Origin};
    use tempfile::TempDir;

    use super::*;

    #[tokio::test]
    async fn sessions_that_have_ended_are_removed() {
        let folder = TempDir::new().unwrap();
        let store = Store::open(&folder.path().join("c.db")).unwrap();
        let (client, _) = NewClient::generate("first".to_owned(), UserLevel::OrgAdmin, Scopes::default());
        let by = AccessOrigin::operator("test".to_owned());
        store.bootstrap("default".to_owned(), client, by).await.unwrap();
        let tenant = store.tenant(None).await.unwrap().unwrap().id;
        let author = Author { kind: AuthorKind::Client, id: "first".to_owned(), name: None };
        let by = AccessOrigin { origin: Origin { author, tracking_id: None }, address: None };
        let clock = Clock::default();
        let all = Ended { created_before: 0, used_before: 0 };
        let now = i64::try_from(clock.unix_seconds()).unwrap() * 1000;
        for (number, age) in [(1, SESSION_IDLE * 2), (2, SESSION_IDLE / 2)] {
            let created_at = now - i64::try_from(age.as_millis()).unwrap();
            let new = NewSession { hash: [number; 32], tenant, rights: None, created_at, replaces: None };
            store.begin_session(new, all, by.clone()).await.unwrap();
        }
        let leasing = Leasing::start(&store, LeasedWork::CleanUp).await;
        assert_eq!(clean_up(&store, &leasing, &clock).await.unwrap(), CLEAN_UP_EVERY);
        assert_eq!(store.session([1; 32], all).await.unwrap(), None);
        assert!(store.session([2; 32], all).await.unwrap().is_some());
    }
}
