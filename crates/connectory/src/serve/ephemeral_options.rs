//! The options of a server for tests.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use clap::Args;
use connectory_server::Service;
use connectory_server::faults::{FaultRule, Faults};

use super::values::ClockOffset;

/// The options that make a server for tests. The settings file does not have them, and neither do variables: a server that
/// keeps data must not lose it because of a setting that someone forgot.
#[derive(Args, Default)]
#[command(next_help_heading = "A server for tests")]
pub struct EphemeralArguments {
    /// Serve from a private temporary folder without waiting for the disk; everything is removed at the end
    #[arg(long)]
    pub ephemeral: bool,

    /// Custom connectors to start with: a folder of connector folders, or a JSON array of connectors as `connectory export`
    /// writes it; may be given several times
    #[arg(long, value_name = "DIR|FILE.json", requires = "ephemeral")]
    pub load: Vec<PathBuf>,

    /// By how much the clock of the server is ahead of this machine's, such as `90s`, or behind it, such as `-1h`: for the
    /// times in tokens and the header Date
    #[arg(long, value_name = "TIME", requires = "ephemeral", allow_hyphen_values = true)]
    pub clock_offset: Option<ClockOffset>,

    /// The faults of the requests of all routes, or of one: a part of them gets an error, no answer, half an answer or the
    /// page of a gateway, and all of them may be late. Such as `429=5%,503=2%,drop=0.5%,truncate=0.5%,html=1%` or
    /// `GET /v3/connectors: 429=50%,latency=200ms..2s`; may be given several times
    #[arg(long, value_name = "[ROUTE: ]FAULTS", requires = "ephemeral")]
    pub fault: Vec<FaultRule>,

    /// Which requests have the faults: with the same seed the same ones, by their number on their route [default: 0]
    #[arg(long, value_name = "NUMBER", requires = "fault")]
    pub seed: Option<u64>,

    /// Write all requests and their answers to a file as HAR 1.2, without secrets
    #[arg(long, value_name = "FILE.har", requires = "ephemeral")]
    pub record: Option<PathBuf>,
}

impl EphemeralArguments {
    /// The faults of the server.
    pub fn faults(fault: Vec<FaultRule>, seed: Option<u64>) -> Result<Option<Arc<Faults>>> {
        if fault.is_empty() {
            return Ok(None);
        }
        let faults = Faults::new(fault, seed.unwrap_or_default()).and_then(|faults| {
            Service::check_faults(&faults)?;
            Ok(faults)
        });
        Ok(Some(Arc::new(faults.map_err(|why| anyhow!("--fault: {why}"))?)))
    }
}
