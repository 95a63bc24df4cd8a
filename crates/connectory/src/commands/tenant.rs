//! `connectory tenant …`: tenants. The commands open the database themselves, whether a server runs on it or not.

use std::str::FromStr;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use connectory_model::access::is_tenant_name;
use connectory_model::limits::REMOVAL_DELAY;
use connectory_store::Quotas;

use crate::access::{self, database_option};
use crate::operator::operator;
use crate::progress::Progress;
use crate::serve::settings::DatabaseArgument;
use crate::terminal;

#[derive(Subcommand)]
pub enum TenantCommand {
    /// Create a tenant.
    Create {
        /// The tenant's name: letters, digits, `-` and `_`.
        #[arg(value_parser = tenant_name)]
        name: String,
        #[command(flatten)]
        quotas: QuotaArguments,
        #[command(flatten)]
        database: DatabaseArgument,
    },
    /// Show or set the quotas of a tenant. A running server uses them from the next change on.
    Quota {
        /// The tenant's name.
        name: String,
        #[command(flatten)]
        quotas: QuotaArguments,
        #[command(flatten)]
        database: DatabaseArgument,
    },
    /// List tenants.
    List {
        #[command(flatten)]
        database: DatabaseArgument,
    },
    /// Give a tenant another name. Its tokens and sessions stay valid, and a running server shows the name within seconds.
    Rename {
        /// The tenant's name.
        name: String,
        /// The new name: letters, digits, `-` and `_`.
        #[arg(value_parser = tenant_name)]
        new_name: String,
        #[command(flatten)]
        database: DatabaseArgument,
    },
    /// Suspend a tenant: nothing of it is removed, and nobody can use it until it is resumed. A running server refuses changes
    /// at once, and all requests within 5 seconds.
    Suspend {
        /// The tenant's name.
        name: String,
        #[command(flatten)]
        database: DatabaseArgument,
    },
    /// Resume a suspended tenant.
    Resume {
        /// The tenant's name.
        name: String,
        #[command(flatten)]
        database: DatabaseArgument,
    },
    /// Delete a tenant with its connectors, their history and its clients. A running server refuses changes at once, and all
    /// requests within 5 seconds. The rows are removed in small steps after that.
    Delete {
        /// The tenant's name.
        name: String,
        /// Delete the tenant even if it has connectors.
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        database: DatabaseArgument,
    },
}

/// The quotas of a tenant. Those that are not given stay as they are.
#[derive(Args)]
pub struct QuotaArguments {
    /// Maximum number of connectors [default for a new tenant: 1000000]
    #[arg(long, value_name = "NUMBER", value_parser = connectors_quota)]
    max_connectors: Option<u64>,
    /// Maximum size of all revisions together in bytes, as they are stored, or `none` [default for a new tenant: none].
    /// The first change after this is set, or after a start, sums the sizes of the tenant's revisions
    #[arg(long, value_name = "BYTES|none")]
    max_bytes: Option<BytesQuota>,
}

/// A quota of bytes, or none.
#[derive(Clone, Copy)]
struct BytesQuota(Option<u64>);

impl FromStr for BytesQuota {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(None));
        }
        quota(text).map(|bytes| Self(Some(bytes))).ok_or_else(|| "expected a number of bytes, or `none`".to_owned())
    }
}

/// Reads a quota of connectors. There always is one.
fn connectors_quota(text: &str) -> Result<u64, String> {
    let expected = || format!("expected a number of connectors from 0 to {}, such as 1000000", i64::MAX);
    quota(text).ok_or_else(expected)
}

/// A number that the database can hold.
fn quota(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number| i64::try_from(*number).is_ok())
}

impl QuotaArguments {
    /// These quotas in place of the present ones. None if no quota was given.
    fn over(&self, present: Quotas) -> Option<Quotas> {
        (self.max_connectors.is_some() || self.max_bytes.is_some()).then(|| Quotas {
            connectors: self.max_connectors.unwrap_or(present.connectors),
            bytes: self.max_bytes.map_or(present.bytes, |quota| quota.0),
        })
    }
}

/// Runs a `tenant` command.
pub fn run(command: TenantCommand) -> Result<()> {
    terminal::print_warnings();
    match command {
        TenantCommand::Create { name, quotas, database } => {
            let access = access::open(database)?;
            let tenant = access.create_tenant(&name, &operator())?;
            if let Some(quotas) = quotas.over(tenant.quotas) {
                access.set_quotas(&name, quotas, &operator())?;
            }
            say!("Created the tenant `{name}` ({}).", tenant.uuid);
            let option = database_option(&access.location());
            say!("It has no API client yet: `connectory client create NAME --tenant {name} {option}` creates one.");
        }
        TenantCommand::Quota { name, quotas, database } => {
            let access = access::open(database)?;
            let tenant = access::tenant(&access, &name)?;
            let now = match quotas.over(tenant.quotas) {
                Some(quotas) => {
                    access.set_quotas(&name, quotas, &operator())?;
                    quotas
                }
                None => tenant.quotas,
            };
            let connectors = access.connector_count(tenant.id)?;
            let most = connectors_of(now.connectors);
            say!("The tenant `{name}` may have {most}; it has {connectors}.");
            let stored = access.stored_bytes(tenant.id)?;
            match now.bytes {
                Some(bytes) => say!("Its revisions may have {bytes} bytes together; they have {stored}."),
                None => say!("Its revisions may have any size; they have {stored} bytes."),
            }
        }
        TenantCommand::List { database } => {
            let access = access::open(database)?;
            let mut rows = Vec::new();
            for tenant in access.tenants()? {
                let clients = access.clients(Some(&tenant.name))?.len();
                let connectors = access.connector_count(tenant.id)?;
                let connectors = format!("{connectors} of {}", tenant.quotas.connectors);
                let state = if tenant.suspended_at.is_some() { "suspended" } else { "active" };
                let (bytes, clients) = (shown(tenant.quotas.bytes), clients.to_string());
                rows.push([tenant.name, tenant.uuid, state.to_owned(), connectors, bytes, clients]);
            }
            terminal::table(["NAME", "ID", "STATE", "CONNECTORS", "MAX BYTES", "CLIENTS"], rows);
        }
        TenantCommand::Rename { name, new_name, database } => {
            let access = access::open(database)?;
            access::tenant(&access, &name)?;
            access.rename_tenant(&name, &new_name, &operator())?;
            say!("The tenant `{name}` is `{new_name}` now.");
        }
        TenantCommand::Suspend { name, database } => {
            let access = access::open(database)?;
            access::tenant(&access, &name)?;
            access.suspend_tenant(&name, true, &operator())?;
            let option = database_option(&access.location());
            say!("The tenant `{name}` is suspended. `connectory tenant resume {name} {option}` resumes it.");
        }
        TenantCommand::Resume { name, database } => {
            let access = access::open(database)?;
            access::tenant(&access, &name)?;
            access.suspend_tenant(&name, false, &operator())?;
            say!("The tenant `{name}` is resumed.");
        }
        TenantCommand::Delete { name, yes, database } => {
            let access = access::open(database)?;
            let tenant = access::tenant(&access, &name)?;
            let connectors = access.connector_count(tenant.id)?;
            if connectors > 0 && !yes {
                let connectors = connectors_of(connectors);
                bail!("the tenant `{name}` has {connectors}; give --yes to delete what it has");
            }
            access.delete_tenant(&name)?;
            if connectors > 0 {
                // So that nobody reads what is half removed.
                std::thread::sleep(REMOVAL_DELAY);
            }
            let progress = Progress::of("removed", "rows", 0);
            let mut removed = 0;
            // If this is interrupted, a server goes on with it.
            while let Some(rows) = access.remove_deleted()? {
                removed += rows.rows;
                progress.reach_of(removed, removed);
            }
            drop(progress);
            say!("Deleted the tenant `{name}`.");
        }
    }
    Ok(())
}

/// A number of connectors, as text.
fn connectors_of(number: u64) -> String {
    format!("{number} connector{}", if number == 1 { "" } else { "s" })
}

/// A quota of bytes, as text.
fn shown(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "none".to_owned(), |bytes| bytes.to_string())
}

fn tenant_name(text: &str) -> Result<String, String> {
    // A name that looks like an option could not be given to other commands.
    if is_tenant_name(text) && !text.starts_with('-') {
        Ok(text.to_owned())
    } else {
        Err("expected 1 to 100 letters, digits, `-` and `_`, and no `-` first".to_owned())
    }
}
