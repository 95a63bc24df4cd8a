//! Access to a database for commands, whether a server is running on it or not.

use std::path::Path;

use tokio::runtime::{Builder, Runtime};

use crate::access::{ApiClient, NewClient, Quotas, RemovedRows, Tenant, TenantId};
use crate::access_event::AccessOrigin;
use crate::error::{Result, StoreError};
use crate::postgres::{Address, Postgres, Schema};
use crate::sqlite;

/// Manages access in a database, whether a server is running on it or not. Its methods block.
pub struct AccessDb(Engine);

enum Engine {
    Sqlite(sqlite::AccessDb),
    Postgres(Postgres, Option<Runtime>),
}

/// Calls a method of SQLite, or one of PostgreSQL on its runtime.
macro_rules! either {
    ($access:ident, $sqlite:ident => $one:expr, $postgres:ident => $other:expr) => {
        match &$access.0 {
            Engine::Sqlite($sqlite) => $one,
            Engine::Postgres($postgres, runtime) => wait(runtime.as_ref(), $other),
        }
    };
}

impl AccessDb {
    /// Opens a SQLite database. A missing or empty one is not created: its path is probably wrong, or the file was moved.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self(Engine::Sqlite(sqlite::AccessDb::open(path)?)))
    }

    /// Connects to a PostgreSQL database.
    pub fn open_postgres(address: &Address) -> Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = Some(runtime.map_err(|error| StoreError::Engine(format!("cannot start a runtime: {error}")))?);
        let engine = wait(runtime.as_ref(), Postgres::open(address))?;
        Ok(Self(Engine::Postgres(engine, runtime)))
    }

    /// Where the database is, as `--database` takes it, without secrets.
    pub fn location(&self) -> String {
        match &self.0 {
            Engine::Sqlite(access) => format!("sqlite:{}", access.path().display()),
            Engine::Postgres(engine, _) => engine.address().to_string(),
        }
    }

    /// Reads what the database has of the schema, or finishes the update of it: all servers on it know it then, and older ones
    /// stop to work. Returns it as it was, and as it is. None for SQLite, which one program uses at a time.
    pub fn schema(&self, finish: bool) -> Result<Option<(Schema, Schema)>> {
        match &self.0 {
            Engine::Sqlite(_) => Ok(None),
            Engine::Postgres(engine, runtime) => wait(runtime.as_ref(), engine.schema(finish)).map(Some),
        }
    }

    /// The address at which clients reach the server, as the newest start noted it.
    pub fn address(&self) -> Result<Option<String>> {
        either!(self, access => access.address(), engine => engine.noted_address())
    }

    /// Lists all tenants, the oldest first.
    pub fn tenants(&self) -> Result<Vec<Tenant>> {
        either!(self, access => access.tenants(), engine => engine.tenants())
    }

    /// Creates a tenant.
    pub fn create_tenant(&self, name: &str, by: &AccessOrigin) -> Result<Tenant> {
        either!(self, access => access.create_tenant(name, by),
                engine => engine.create_tenant(name.to_owned(), by.clone()))
    }

    /// Sets the quotas of a tenant. A running server uses them from the next commit on.
    pub fn set_quotas(&self, name: &str, quotas: Quotas, by: &AccessOrigin) -> Result<()> {
        either!(self, access => access.set_quotas(name, quotas, by),
                engine => engine.set_quotas(name.to_owned(), quotas, by.clone()))
    }

    /// Gives a tenant another name. Tokens and sessions stay valid.
    pub fn rename_tenant(&self, name: &str, to: &str, by: &AccessOrigin) -> Result<()> {
        either!(self, access => access.rename_tenant(name, to, by),
                engine => engine.rename_tenant(name.to_owned(), to.to_owned(), by.clone()))
    }

    /// Suspends a tenant, or resumes it. While it is suspended, it has all that it had and can do nothing: changes are refused
    /// from now on, and all requests within seconds.
    pub fn suspend_tenant(&self, name: &str, suspend: bool, by: &AccessOrigin) -> Result<()> {
        either!(self, access => access.suspend_tenant(name, suspend, by),
                engine => engine.suspend_tenant(name.to_owned(), suspend, by.clone()))
    }

    /// Deletes a tenant with its clients and sessions: changes are refused from now on, and all requests within seconds. Its
    /// name is free. Its connectors and their history are removed by [`Self::remove_deleted`]. Its key is never used again.
    pub fn delete_tenant(&self, name: &str) -> Result<TenantId> {
        either!(self, access => access.delete_tenant(name), engine => engine.delete_tenant(name.to_owned()))
    }

    /// Removes some rows of a deleted tenant. None if no deleted tenant has any.
    pub fn remove_deleted(&self) -> Result<Option<RemovedRows>> {
        either!(self, access => access.remove_deleted(), engine => engine.remove_deleted())
    }

    /// Counts the connectors of a tenant.
    pub fn connector_count(&self, tenant: TenantId) -> Result<u64> {
        either!(self, access => access.connector_count(tenant),
                engine => async { Ok(engine.usage(tenant).await?.0) })
    }

    /// Sums the sizes of all revisions of a tenant, as its quota of bytes counts them.
    pub fn stored_bytes(&self, tenant: TenantId) -> Result<u64> {
        either!(self, access => access.stored_bytes(tenant),
                engine => async { Ok(engine.usage(tenant).await?.1) })
    }

    /// Lists all clients or the clients of one tenant, ordered by name.
    pub fn clients(&self, tenant: Option<&str>) -> Result<Vec<ApiClient>> {
        either!(self, access => access.clients(tenant), engine => engine.all_clients(tenant))
    }

    /// Creates a client of a tenant.
    pub fn create_client(&self, tenant: &str, client: &NewClient, by: &AccessOrigin) -> Result<()> {
        either!(self, access => access.create_client(tenant, client, by),
                engine => engine.create_client(tenant.to_owned(), client.clone(), by.clone()))
    }

    /// Deletes a client. Its tokens end within seconds.
    pub fn delete_client(&self, id: &str, by: &AccessOrigin) -> Result<()> {
        either!(self, access => access.delete_client(id, by),
                engine => engine.delete_client(None, id.to_owned(), by.clone()))
    }
}

impl Drop for AccessDb {
    /// The runtime cannot wait for its threads if this thread belongs to another one.
    fn drop(&mut self) {
        if let Engine::Postgres(_, runtime) = &mut self.0
            && let Some(runtime) = runtime.take()
        {
            runtime.shutdown_background();
        }
    }
}

/// Waits for a result on a thread of its own, because the thread of the caller may belong to another runtime.
fn wait<T: Send>(runtime: Option<&Runtime>, work: impl Future<Output = T> + Send) -> T {
    let runtime = runtime.expect("it is taken on drop only");
    let waiting = || std::thread::scope(|scope| scope.spawn(|| runtime.block_on(work)).join());
    waiting().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
