//! `connectory client …`: API clients. The commands open the database themselves, whether a server runs on it or not.

use anyhow::{Result, bail};
use clap::Subcommand;
use connectory_model::access::{Scope, UserLevel};
use connectory_model::limits::MEMBER_CHARS;
use connectory_store::{AccessDb, NewClient, StoreError};

use crate::access::{self, database_option};
use crate::operator::operator;
use crate::serve::settings::DatabaseArgument;
use crate::terminal;

#[derive(Subcommand)]
pub enum ClientCommand {
    /// Create a client and print its id and its secret. The secret is not shown again.
    Create {
        /// What the client is for: up to 255 characters.
        #[arg(value_parser = client_name)]
        name: String,
        /// The tenant it belongs to.
        #[arg(long, default_value = "default")]
        tenant: String,
        /// The user level. Only ORG_ADMIN, SOURCE_ADMIN and SOURCE_SUBADMIN can call the API of connectors.
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
        /// Only the clients of this tenant.
        #[arg(long)]
        tenant: Option<String>,
        #[command(flatten)]
        database: DatabaseArgument,
    },
    /// Delete a client. Its tokens become invalid within seconds.
    Delete {
        /// The client's id.
        id: String,
        #[command(flatten)]
        database: DatabaseArgument,
    },
}

/// Runs a `client` command.
pub fn run(command: ClientCommand) -> Result<()> {
    terminal::print_warnings();
    match command {
        ClientCommand::Create { name, tenant, level, scopes, database } => {
            let access = access::open(database)?;
            access::tenant(&access, &tenant)?;
            let (client, secret) = NewClient::generate(name.clone(), level, scopes.into_iter().collect());
            access.create_client(&tenant, &client, &operator())?;
            say!("Created the client `{name}` of the tenant `{tenant}`: {level}, {}.", client.scopes);
            say!("Its secret is not shown again. For the official SDKs:\n");
            if let Some(address) = access.address()? {
                say!("export SAIL_BASE_URL={address}");
            }
            say!("export SAIL_CLIENT_ID={}\nexport SAIL_CLIENT_SECRET={secret}", client.id);
        }
        ClientCommand::List { tenant, database } => {
            let access = access::open(database)?;
            if let Some(name) = &tenant {
                access::tenant(&access, name)?;
            }
            let clients = access.clients(tenant.as_deref())?;
            let rows = clients.into_iter().map(|client| {
                let scopes = client.scopes.to_string();
                [client.id, client.tenant.name, client.name, client.level.to_string(), scopes]
            });
            terminal::table(["ID", "TENANT", "NAME", "LEVEL", "SCOPES"], rows);
        }
        ClientCommand::Delete { id, database } => {
            let access = access::open(database)?;
            match access.delete_client(&id, &operator()) {
                Err(StoreError::Unknown(_)) => return no_client(&access, &id),
                deleted => deleted?,
            }
            say!("Deleted the client `{id}`.");
        }
    }
    Ok(())
}

/// The error for an id that no client has. People know clients by name.
fn no_client(access: &AccessDb, id: &str) -> Result<()> {
    let named = access.clients(None)?.into_iter().filter(|client| client.name == id);
    let ids: Vec<_> = named.map(|client| format!("{} (tenant `{}`)", client.id, client.tenant.name)).collect();
    if ids.is_empty() {
        let option = database_option(&access.location());
        bail!("no client has the id `{id}`; `connectory client list {option}` shows the ids");
    }
    bail!("no client has the id `{id}`, which is a name; give the id of the client: {}", ids.join(", "));
}

fn client_name(text: &str) -> Result<String, String> {
    let is_name =
        !text.trim().is_empty() && text.chars().count() <= MEMBER_CHARS && !text.chars().any(char::is_control);
    if is_name {
        Ok(text.to_owned())
    } else {
        Err(format!("expected 1 to {MEMBER_CHARS} characters, without control characters"))
    }
}
