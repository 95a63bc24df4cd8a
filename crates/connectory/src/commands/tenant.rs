//! `connectory tenant …`: tenants. The commands open the database themselves; only `delete` needs the server stopped.

use anyhow::{Result, bail};
use clap::Subcommand;
use connectory_store::AccessDb;

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
        database: DatabaseArgument,
    },
    /// List tenants.
    List {
        #[command(flatten)]
        database: DatabaseArgument,
    },
    /// Delete a tenant with its connectors, their history and its clients. Stop the server first.
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

/// Runs a `tenant` command.
pub fn run(command: TenantCommand) -> Result<()> {
    terminal::print_warnings();
    match command {
        TenantCommand::Create { name, database } => {
            let tenant = AccessDb::open(&database.path()?)?.create_tenant(&name)?;
            say!("Created the tenant `{name}` ({}).", tenant.uuid);
        }
        TenantCommand::List { database } => {
            let access = AccessDb::open(&database.path()?)?;
            let mut rows = Vec::new();
            for tenant in access.tenants()? {
                let clients = access.clients(Some(&tenant.name))?.len();
                let connectors = access.connector_count(tenant.id)?;
                rows.push([tenant.name, tenant.uuid, connectors.to_string(), clients.to_string()]);
            }
            terminal::table(["NAME", "ID", "CONNECTORS", "CLIENTS"], rows);
        }
        TenantCommand::Delete { name, yes, database } => {
            let access = AccessDb::open(&database.path()?)?;
            if let Some(tenant) = access.tenants()?.into_iter().find(|tenant| tenant.name == name) {
                let connectors = access.connector_count(tenant.id)?;
                if connectors > 0 && !yes {
                    bail!("the tenant `{name}` has {connectors} connectors; give --yes to delete them with it");
                }
            }
            access.delete_tenant(&name)?;
            say!("Deleted the tenant `{name}`.");
        }
    }
    Ok(())
}

fn tenant_name(text: &str) -> Result<String, String> {
    let is_name =
        (1..=100).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if is_name { Ok(text.to_owned()) } else { Err("expected 1 to 100 letters, digits, `-` and `_`".to_owned()) }
}
