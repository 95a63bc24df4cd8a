//! The options of `connectory serve` for backups of its database.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use connectory_model::limits::{BACKUP_EVERY, BACKUPS_KEPT};

use super::backups::Schedule;
use super::values::{BackupEvery, at_least_one};

/// When backups of the database are made, and where.
#[derive(Args, Default)]
#[expect(clippy::struct_field_names, reason = "the fields are the names of the options")]
pub struct BackupArguments {
    /// A folder to make backups of the database in, from time to time [default: none]
    #[arg(long, env = "CONNECTORY_BACKUP_TO", value_name = "DIR")]
    pub backup_to: Option<PathBuf>,

    /// The time from one backup to the next, from `1m` to `744h`; only with --backup-to [default: 24h]
    #[arg(long, env = "CONNECTORY_BACKUP_EVERY", value_name = "TIME")]
    pub backup_every: Option<BackupEvery>,

    /// How many backups to keep: the newest; only with --backup-to [default: 7]
    #[arg(long, env = "CONNECTORY_BACKUP_KEEP", value_name = "NUMBER", value_parser = at_least_one)]
    pub backup_keep: Option<NonZeroUsize>,
}

impl BackupArguments {
    /// When backups are made, if they are.
    pub fn schedule(self, is_ephemeral: bool) -> Result<Option<Schedule>> {
        let Self { backup_to, backup_every, backup_keep } = self;
        Ok(match backup_to {
            Some(_) if is_ephemeral => bail!(
                "--ephemeral keeps nothing; leave out --backup-to, CONNECTORY_BACKUP_TO and `backup_to` in the settings \
                 file"
            ),
            Some(to) => Some(Schedule {
                to,
                every: backup_every.map_or(BACKUP_EVERY, |BackupEvery(time)| time),
                keep: backup_keep.map_or(BACKUPS_KEPT, NonZeroUsize::get),
            }),
            None if backup_every.is_some() => {
                bail!("--backup-every is given, but --backup-to is not; give both or neither")
            }
            None if backup_keep.is_some() => {
                bail!("--backup-keep is given, but --backup-to is not; give both or neither")
            }
            None => None,
        })
    }

    /// Takes each value that is missing from the file.
    pub fn or(self, file: Self) -> Self {
        Self {
            backup_to: self.backup_to.or(file.backup_to),
            backup_every: self.backup_every.or(file.backup_every),
            backup_keep: self.backup_keep.or(file.backup_keep),
        }
    }
}
