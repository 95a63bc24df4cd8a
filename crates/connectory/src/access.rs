//! `connectory client …` and `connectory tenant …`: access management, directly on the database, beside a running
//! server or without one.

use anyhow::{Result, bail};
use clap::Subcommand;
use connectory_model::access::{Scope, Scopes, UserLevel};
use connectory_server::auth::secret;
use connectory_store::access::{AccessDb, NewClient};

use crate::output;
use crate::settings::DatabaseArgument;

#[derive(Subcommand)]
pub enum ClientCommand {
    /// Create a client and print its id and secret, once.
    Create {
        /// What the client is for.
        name: String,
        /// The tenant it belongs to.
        #[arg(long, default_value = "default")]
        tenant: String,
        /// The user level: ORG_ADMIN, SOURCE_ADMIN and SOURCE_SUBADMIN reach connectors.
        #[arg(long, default_value = "ORG_ADMIN")]
        level: UserLevel,
        /// The scopes, separated by commas: sp:scopes:all, idn:connector-config:manage, idn:connector-config:read,
        /// sp:scopes:default.
        #[arg(long, default_value = "sp:scopes:all", value_delimiter = ',')]
        scopes: Vec<Scope>,
        #[command(flatten)]
        database: DatabaseArgument,
    },
    /// List clients.
    List {
        /// Only those of this tenant.
        #[arg(long)]
        tenant: Option<String>,
        #[command(flatten)]
        database: DatabaseArgument,
    },
    /// Delete a client; its tokens end within seconds.
    Delete {
        /// The client's id.
        id: String,
        #[command(flatten)]
        database: DatabaseArgument,
    },
}

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
    /// Delete a tenant with its connectors, their history and its clients. The server must not be running.
    Delete {
        /// The tenant's name.
        name: String,
        /// Delete it even if it has connectors.
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        database: DatabaseArgument,
    },
}

/// Runs a `client` command.
pub fn client(command: ClientCommand) -> Result<()> {
    match command {
        ClientCommand::Create { name, tenant, level, scopes, database } => {
            let (id, secret) = (secret::new_id(), secret::new_secret());
            let listed = Scopes::from(scopes.as_slice());
            let secret_hash = secret::hash(&secret);
            let client = NewClient { id: id.clone(), name: name.clone(), secret_hash, level, scopes };
            AccessDb::open(&database.path()?)?.create_client(&tenant, &client)?;
            println!("Created the client `{name}` of the tenant `{tenant}`: {level}, {listed}.");
            println!("Its secret is not shown again. For the official SDKs:\n");
            println!("export SAIL_CLIENT_ID={id}\nexport SAIL_CLIENT_SECRET={secret}");
        }
        ClientCommand::List { tenant, database } => {
            let clients = AccessDb::open(&database.path()?)?.clients(tenant.as_deref())?;
            let rows = clients.into_iter().map(|client| {
                let scopes = Scopes::from(client.scopes).to_string();
                [client.id, client.tenant.name, client.name, client.level.to_string(), scopes]
            });
            output::table(["ID", "TENANT", "NAME", "LEVEL", "SCOPES"], rows);
        }
        ClientCommand::Delete { id, database } => {
            AccessDb::open(&database.path()?)?.delete_client(&id)?;
            println!("Deleted the client `{id}`.");
        }
    }
    Ok(())
}

/// Runs a `tenant` command.
pub fn tenant(command: TenantCommand) -> Result<()> {
    match command {
        TenantCommand::Create { name, database } => {
            let tenant = AccessDb::open(&database.path()?)?.create_tenant(&name)?;
            println!("Created the tenant `{name}` ({}).", tenant.uuid);
        }
        TenantCommand::List { database } => {
            let access = AccessDb::open(&database.path()?)?;
            let mut rows = Vec::new();
            for tenant in access.tenants()? {
                let clients = access.clients(Some(&tenant.name))?.len();
                let connectors = access.connector_count(tenant.id)?;
                rows.push([tenant.name, tenant.uuid, connectors.to_string(), clients.to_string()]);
            }
            output::table(["NAME", "ID", "CONNECTORS", "CLIENTS"], rows);
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
            println!("Deleted the tenant `{name}`.");
        }
    }
    Ok(())
}

fn tenant_name(text: &str) -> Result<String, String> {
    let is_name =
        (1..=100).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if is_name { Ok(text.to_owned()) } else { Err("expected 1 to 100 letters, digits, `-` and `_`".to_owned()) }
}
