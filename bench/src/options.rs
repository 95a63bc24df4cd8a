//! What can be asked of the harness. Both of its runs take the same options, and differ in what they do without them.

use std::path::PathBuf;

use clap::Args;

/// How to measure.
#[derive(Args)]
pub struct Options {
    /// A few seconds on small catalogues: proves that the harness works, and says nothing about times
    #[arg(long)]
    pub quick: bool,
    /// Compare with another build of connectory instead: the program to start
    #[arg(long, value_name = "BINARY")]
    pub against: Option<PathBuf>,
    /// How many connectors the catalogues have [default: 300,10000,100000; with --against 10000]
    #[arg(long, value_delimiter = ',')]
    sizes: Vec<usize>,
    /// Which works are measured, with --against [default: all]
    #[arg(long, value_delimiter = ',', requires = "against")]
    pub works: Vec<String>,
    /// How many connections [default: 1,16,64; with --against 1,64]
    #[arg(long, value_delimiter = ',')]
    connections: Vec<usize>,
    /// How many rounds; the report has medians [default: 5; with --against 21, which is also the least]
    #[arg(long)]
    rounds: Option<usize>,
    /// How long a server is loaded in a round, in milliseconds [default: 700; with --against 150]
    #[arg(long)]
    milliseconds: Option<u64>,
    /// Where results go [default: bench/results; with --against where catalogues are]
    #[arg(long)]
    pub results: Option<PathBuf>,
    /// Where catalogues are made and kept for the next run; on the disk to be measured
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/bench"))]
    pub work: PathBuf,
}

/// How much a run measures.
pub struct Extent {
    pub sizes: Vec<usize>,
    pub connections: Vec<usize>,
    pub rounds: usize,
    pub milliseconds: u64,
}

impl Options {
    /// What was asked for, and `usual` where nothing was; or `quick`, whatever else was asked for.
    pub fn extent(&self, quick: Extent, usual: Extent) -> Extent {
        if self.quick {
            return quick;
        }
        let or = |given: &[usize], usual| if given.is_empty() { usual } else { given.to_vec() };
        Extent {
            sizes: or(&self.sizes, usual.sizes),
            connections: or(&self.connections, usual.connections),
            rounds: self.rounds.unwrap_or(usual.rounds),
            milliseconds: self.milliseconds.unwrap_or(usual.milliseconds),
        }
    }
}
