//! The jobs of the writer. A job is data, so no code of a caller runs on the one writer thread.

use std::fmt::Display;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::connectors;
use super::failure::Failure;
use super::usage::Usage;
use super::{access, access_events, retention, schema, sessions};
use crate::access::{NewClient, RemovedRows, SigningKey, TenantId};
use crate::access_event::{AccessOrigin, RefusedSignIns};
use crate::changes::Committed;
use crate::edit::Commit;
use crate::error::{Refusal, Result, StoreError};
use crate::retention::{Removed, Run};
use crate::revision::RevisionNumber;
use crate::session::{Ended, NewSession, SessionHash};

/// A write that waits for the writer, and the channel for its result.
pub(super) enum Job {
    /// Commit edits.
    Commit(Commit, Reply<Vec<RevisionNumber>, Refusal>),
    /// Remove bodies of old revisions.
    RemoveBodies(TenantId, Run, Reply<Removed>),
    /// Create a client of the tenant with this name.
    CreateClient(String, NewClient, AccessOrigin, Reply<()>),
    /// Delete a client of a tenant.
    DeleteClient(TenantId, String, AccessOrigin, Reply<()>),
    /// Create the first tenant with this name and its client, if there is no tenant.
    Bootstrap(String, NewClient, AccessOrigin, Reply<bool>),
    /// Begin a session.
    BeginSession(NewSession, Ended, AccessOrigin, Reply<()>),
    /// Set the time of the last use of a session.
    TouchSession(SessionHash, i64, Reply<()>),
    /// End a session.
    EndSession(SessionHash, AccessOrigin, Reply<()>),
    /// Remove sessions that have ended.
    CleanUp(Ended, Reply<u64>),
    /// Add refused sign-ins to those that are stored.
    AddRefused(Vec<RefusedSignIns>, Reply<()>),
    /// Note the address at which clients reach the server.
    NoteAddress(String, Reply<()>),
    RemoveDeleted(Reply<Option<RemovedRows>>),
    /// Read the signing keys. If there is none, this key becomes the first.
    SigningKeys(SigningKey, Reply<Vec<SigningKey>>),
    /// Write a value that the database has already, to check whether writes succeed.
    Check(Reply<()>),
    /// Write as much as some usual changes and remove it again, to check whether there is space for them.
    CheckSpace(Reply<()>),
    /// Write, then refuse. No job may do that.
    #[cfg(test)]
    Wrong(Reply<()>),
}

/// The result of a job, and the channel to its caller.
pub(super) struct Reply<T, E = StoreError> {
    result: Result<T, E>,
    sender: oneshot::Sender<Result<T, E>>,
}

/// The error of a job: a refusal or a failure of the store.
pub(super) trait Refused: From<StoreError> + Display {
    /// Returns the error of the store. None for a refusal.
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
            Self::Conflict { .. }
            | Self::NameTaken { .. }
            | Self::ScriptNameTaken { .. }
            | Self::Repeated { .. }
            | Self::Done
            | Self::Quota(_) => None,
        }
    }
}

impl<T, E: Refused> Reply<T, E> {
    pub(super) fn new() -> (Self, oneshot::Receiver<Result<T, E>>) {
        let (sender, receiver) = oneshot::channel();
        (Self { result: Err(StoreError::Closed.into()), sender }, receiver)
    }

    /// Sets the result of the job. Fails if the whole batch must fail: SQLite failed, or the job wrote before it
    /// refused.
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
        // The caller may no longer wait. The commit remains.
        let _gone = self.sender.send(result);
    }
}

impl Job {
    /// Writes in the transaction, or refuses before it writes anything. Fails if SQLite fails.
    pub(super) fn run(&mut self, connection: &Connection, usage: &mut Usage) -> Result<(), Failure> {
        let before = connection.total_changes();
        let wrote = || connection.total_changes() != before;
        match self {
            Self::Commit(commit, reply) => reply.keep(wrote, connectors::commit(connection, usage, commit)),
            Self::RemoveBodies(tenant, run, reply) => {
                reply.keep(wrote, retention::remove(connection, usage, *tenant, run))
            }
            Self::CreateClient(tenant, client, by, reply) => {
                reply.keep(wrote, access::create_client(connection, tenant, client, by))
            }
            Self::DeleteClient(tenant, id, by, reply) => {
                reply.keep(wrote, access::delete_client(connection, Some(*tenant), id, by))
            }
            Self::Bootstrap(tenant, client, by, reply) => {
                reply.keep(wrote, access::bootstrap(connection, tenant, client, by))
            }
            Self::BeginSession(new, ended, by, reply) => {
                reply.keep(wrote, sessions::begin(connection, new, *ended, by))
            }
            Self::TouchSession(hash, used_at, reply) => reply.keep(wrote, sessions::touch(connection, hash, *used_at)),
            Self::EndSession(hash, by, reply) => reply.keep(wrote, sessions::end(connection, hash, by)),
            Self::CleanUp(ended, reply) => reply.keep(wrote, sessions::remove_ended(connection, *ended)),
            Self::AddRefused(refused, reply) => reply.keep(wrote, access_events::add_refused(connection, refused)),
            Self::NoteAddress(address, reply) => reply.keep(wrote, access::note_address(connection, address)),
            Self::RemoveDeleted(reply) => reply.keep(wrote, access::remove_deleted(connection)),
            Self::SigningKeys(generated, reply) => reply.keep(wrote, access::signing_keys(connection, generated)),
            Self::Check(reply) => reply.keep(wrote, schema::write_version(connection)),
            Self::CheckSpace(reply) => reply.keep(wrote, schema::write_and_remove(connection)),
            #[cfg(test)]
            Self::Wrong(reply) => {
                let written = schema::write_and_remove(connection);
                reply.keep(wrote, written.and(Err(StoreError::Exists("it".to_owned()))))
            }
        }
    }

    /// Adds the committed edits of this job to the batch. Called when the batch is on disk.
    pub(super) fn committed(&mut self, batch: &mut Vec<Committed>) {
        if let Self::Commit(commit, reply) = self
            && let Ok(numbers) = &reply.result
        {
            let edits = std::mem::take(&mut commit.edits).into_iter().zip(numbers);
            batch.extend(edits.map(|(edit, number)| edit.committed(commit.tenant, *number)));
        }
    }

    /// Sends the result to the caller. If the commit failed, the result is that failure.
    pub(super) fn answer(self, committed: Result<(), &Failure>) {
        match self {
            Self::Commit(_, reply) => reply.send(committed),
            Self::RemoveBodies(_, _, reply) => reply.send(committed),
            Self::CleanUp(_, reply) => reply.send(committed),
            Self::CreateClient(_, _, _, reply)
            | Self::DeleteClient(_, _, _, reply)
            | Self::BeginSession(_, _, _, reply)
            | Self::TouchSession(_, _, reply)
            | Self::EndSession(_, _, reply)
            | Self::AddRefused(_, reply)
            | Self::NoteAddress(_, reply)
            | Self::Check(reply)
            | Self::CheckSpace(reply) => reply.send(committed),
            Self::Bootstrap(_, _, _, reply) => reply.send(committed),
            Self::SigningKeys(_, reply) => reply.send(committed),
            Self::RemoveDeleted(reply) => reply.send(committed),
            #[cfg(test)]
            Self::Wrong(reply) => reply.send(committed),
        }
    }
}
