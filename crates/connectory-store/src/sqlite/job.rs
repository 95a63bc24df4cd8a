//! What the writer is asked to do. A job is data, so that nothing of a caller runs on the thread that writes for everyone.

use std::fmt::Display;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::connectors::{self, Commit};
use super::failure::Failure;
use super::{access, schema};
use crate::access::{NewClient, SigningKey, TenantId};
use crate::changes::Committed;
use crate::error::{Refusal, Result, StoreError};
use crate::revision::RevisionNumber;

/// A write on the way, and who waits for it.
pub(super) enum Job {
    /// Commit edits.
    Commit(Commit, Reply<Vec<RevisionNumber>, Refusal>),
    /// Create a client of the tenant of this name.
    CreateClient(String, NewClient, Reply<()>),
    /// Delete a client of a tenant.
    DeleteClient(TenantId, String, Reply<()>),
    /// Create the first tenant of this name with its client, if there is none.
    Bootstrap(String, NewClient, Reply<bool>),
    /// Read the signing keys; make this one the first, if there is none.
    SigningKeys(SigningKey, Reply<Vec<SigningKey>>),
    /// Write what is there already, to see whether a write succeeds.
    Check(Reply<()>),
    /// Write, then refuse, as no job may.
    #[cfg(test)]
    Wrong(Reply<()>),
}

/// What a job came to, and where its caller waits for it.
pub(super) struct Reply<T, E = StoreError> {
    result: Result<T, E>,
    sender: oneshot::Sender<Result<T, E>>,
}

/// An error of a job, which is a refusal or a failure of the store.
pub(super) trait Refused: From<StoreError> + Display {
    /// The error, if it is one of the store.
    fn store(&self) -> Option<&StoreError>;
}

impl Refused for StoreError {
    fn store(&self) -> Option<&StoreError> {
        Some(self)
    }
}

impl Refused for Refusal {
    fn store(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            Self::Conflict { .. } | Self::NameTaken { .. } | Self::ScriptNameTaken { .. } | Self::Repeated { .. } => {
                None
            }
        }
    }
}

impl<T, E: Refused> Reply<T, E> {
    pub(super) fn new() -> (Self, oneshot::Receiver<Result<T, E>>) {
        let (sender, receiver) = oneshot::channel();
        (Self { result: Err(StoreError::Closed.into()), sender }, receiver)
    }

    /// Keeps what the job came to. Fails where the whole batch has to: SQLite failed, or the job wrote before it refused.
    fn keep(&mut self, wrote: impl FnOnce() -> bool, result: Result<T, E>) -> Result<(), Failure> {
        self.result = result;
        let Err(refusal) = &self.result else { return Ok(()) };
        match refusal.store() {
            Some(StoreError::Unavailable(why)) => Err(Failure::Unavailable(*why)),
            Some(StoreError::Engine(why)) => Err(Failure::Fault(why.clone())),
            _ if wrote() => Err(Failure::Fault(format!("a job wrote before it refused: {refusal}"))),
            _ => Ok(()),
        }
    }

    fn send(self, committed: Result<(), &Failure>) {
        let result = match committed {
            Ok(()) => self.result,
            Err(failure) => Err(StoreError::from(failure).into()),
        };
        // The caller may have gone away; what is committed stays committed.
        let _gone = self.sender.send(result);
    }
}

impl Job {
    /// Writes within the transaction, or refuses before it wrote anything. Fails as SQLite does.
    pub(super) fn run(&mut self, connection: &Connection) -> Result<(), Failure> {
        let before = connection.total_changes();
        let wrote = || connection.total_changes() != before;
        match self {
            Self::Commit(commit, reply) => reply.keep(wrote, connectors::commit(connection, commit)),
            Self::CreateClient(tenant, client, reply) => {
                reply.keep(wrote, access::create_client(connection, tenant, client))
            }
            Self::DeleteClient(tenant, id, reply) => {
                reply.keep(wrote, access::delete_client(connection, Some(*tenant), id))
            }
            Self::Bootstrap(tenant, client, reply) => reply.keep(wrote, access::bootstrap(connection, tenant, client)),
            Self::SigningKeys(generated, reply) => reply.keep(wrote, access::signing_keys(connection, generated)),
            Self::Check(reply) => reply.keep(wrote, schema::write_version(connection)),
            #[cfg(test)]
            Self::Wrong(reply) => {
                let written = access::create_tenant(connection, "wrong");
                reply.keep(wrote, written.and(Err(StoreError::Exists("it".to_owned()))))
            }
        }
    }

    /// Adds what was committed, once it is on disk.
    pub(super) fn committed(&mut self, batch: &mut Vec<Committed>) {
        if let Self::Commit(commit, reply) = self
            && let Ok(numbers) = &reply.result
        {
            let edits = std::mem::take(&mut commit.edits).into_iter().zip(numbers);
            batch.extend(edits.map(|(edit, number)| edit.committed(commit.tenant, *number)));
        }
    }

    /// Lets the caller have the result, given how the commit went.
    pub(super) fn answer(self, committed: Result<(), &Failure>) {
        match self {
            Self::Commit(_, reply) => reply.send(committed),
            Self::CreateClient(_, _, reply) | Self::DeleteClient(_, _, reply) | Self::Check(reply) => {
                reply.send(committed);
            }
            Self::Bootstrap(_, _, reply) => reply.send(committed),
            Self::SigningKeys(_, reply) => reply.send(committed),
            #[cfg(test)]
            Self::Wrong(reply) => reply.send(committed),
        }
    }
}
