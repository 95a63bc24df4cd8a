//! What the commands that read a whole database or a backup share: they open it, count it, and print what is wrong.

use anyhow::{Result, bail};
use connectory_model::visible;
use connectory_store::{BackupSource, Counts, Finding};

use crate::access::named;
use crate::serve::settings::DatabaseArgument;
use crate::serve::values::Database;
use crate::terminal::count;

/// How many findings are printed. One fault of a disk may have thousands.
const PRINTED: u64 = 100;

/// Opens the database of which all is read, and names it on standard error.
pub fn source(database: DatabaseArgument) -> Result<BackupSource> {
    let source = named(match database.database()? {
        Database::Sqlite(path) => BackupSource::open(&path),
        Database::Postgres(address) => BackupSource::open_postgres(&address),
    })?;
    report!("database: {}", visible(&source.location()));
    Ok(source)
}

/// What a database or a backup has, as text.
pub fn shown(counts: &Counts) -> String {
    let parts = [
        (counts.tenants, "tenant"),
        (counts.clients, "API client"),
        (counts.signing_keys, "signing key"),
        (counts.connectors, "connector"),
        (counts.deleted, "deleted connector"),
        (counts.revisions, "revision"),
        (counts.access_events, "access event"),
    ];
    let parts = parts.map(|(number, thing)| count(usize::try_from(number).unwrap_or(usize::MAX), thing));
    match counts.removed_bodies {
        0 => parts.join(", "),
        removed => format!("{} (retention has removed {removed} of the revisions' bodies)", parts.join(", ")),
    }
}

/// Counts findings, and prints the first ones.
#[derive(Default)]
pub struct Found(u64);

impl Found {
    /// Prints a finding.
    pub fn add(&mut self, finding: &Finding) {
        self.0 += 1;
        if self.0 <= PRINTED {
            say!("{}", visible(&finding.to_string()));
        }
    }

    /// Fails if there was a finding.
    pub fn end(self, of: &str) -> Result<()> {
        if self.0 > PRINTED {
            say!("… and {} more", self.0 - PRINTED);
        }
        match self.0 {
            0 => Ok(()),
            1 => bail!("{of} has something that is not right"),
            findings => bail!("{of} has {findings} things that are not right"),
        }
    }
}
