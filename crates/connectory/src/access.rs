//! What the commands for clients and tenants share: they open the database of a server, and name it.

use anyhow::{Result, anyhow, bail};
use connectory_model::visible;
use connectory_store::{AccessDb, StoreError, Tenant};

use crate::serve::settings::DatabaseArgument;
use crate::serve::values::Database;

/// Opens the database, and names it on standard error: a command may find another one than the server has.
pub fn open(database: DatabaseArgument) -> Result<AccessDb> {
    let access = named(match database.database()? {
        Database::Sqlite(path) => AccessDb::open(&path),
        Database::Postgres(address) => AccessDb::open_postgres(&address),
    })?;
    report!("database: {}", visible(&access.location()));
    Ok(access)
}

/// Adds what to do if there is no database where a command looked.
pub fn named<T>(opened: Result<T, StoreError>) -> Result<T> {
    opened.map_err(|error| match error {
        StoreError::Absent(_) | StoreError::Empty(_) => {
            anyhow!("{error}. If it has another --database or --config, give that here too")
        }
        other => other.into(),
    })
}

/// Finds a tenant by its name. If there is none, the error names those that there are.
pub fn tenant(access: &AccessDb, name: &str) -> Result<Tenant> {
    let tenants = access.tenants()?;
    let names: Vec<_> = tenants.iter().map(|tenant| format!("`{}`", tenant.name)).collect();
    match tenants.into_iter().find(|tenant| tenant.name == name) {
        Some(tenant) => Ok(tenant),
        None if names.is_empty() => {
            bail!(
                "the tenant `{name}` does not exist; there is none yet, and the first start of the server creates one"
            )
        }
        None => bail!("the tenant `{name}` does not exist; there is {}", names.join(", ")),
    }
}

/// The option of a command that names the database at a location, as a shell reads it.
pub fn database_option(database: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | ':' | '+' | ',' | '@' | '=');
    if database.chars().all(is_plain) {
        format!("--database {database}")
    } else {
        format!("--database '{}'", database.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_the_option_as_one_word() {
        let option = |path: &str| database_option(&format!("sqlite:{path}"));
        assert_eq!(option("/srv/c-1.db"), "--database sqlite:/srv/c-1.db");
        assert_eq!(option("/srv/my $c's.db"), r"--database 'sqlite:/srv/my $c'\''s.db'");
    }
}
