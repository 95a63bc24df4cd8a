//! The options of the harness. All kinds of run take the same options, but have different defaults.

use std::path::PathBuf;

use clap::Args;

/// The options of a run.
#[derive(Args)]
pub struct Options {
    /// Run for a few seconds with small catalogs, to test the harness; its times mean nothing
    #[arg(long)]
    pub quick: bool,
    /// Compare with another build of connectory: the path of its program
    #[arg(long, value_name = "BINARY")]
    pub against: Option<PathBuf>,
    /// Compare servers on PostgreSQL, with fresh and with local reads, with a server on SQLite
    #[arg(long, conflicts_with = "against")]
    pub nodes: bool,
    /// Time `plan`, `apply` and `pull` of many connectors on a server with the default rate limit
    #[arg(long, conflicts_with_all = ["against", "nodes"])]
    pub as_code: bool,
    /// Measure a server with so many tenants, of which 100 are asked for all the time
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["against", "nodes", "as_code"])]
    pub tenants: Option<usize>,
    /// The numbers of connectors in the catalogs [default: 300,10000,100000; with --against or --nodes 10000,
    /// with --tenants 300 in each]
    #[arg(long, value_delimiter = ',')]
    sizes: Vec<usize>,
    /// The kinds of work to measure, with --against [default: all]
    #[arg(long, value_delimiter = ',', requires = "against")]
    pub works: Vec<String>,
    /// The numbers of connections [default: 1,16,64; with --against or --nodes 1,64]
    #[arg(long, value_delimiter = ',')]
    connections: Vec<usize>,
    /// The number of rounds; the report has medians [default: 5; with --nodes 11; with --against 21,
    /// which is also the minimum]
    #[arg(long)]
    rounds: Option<usize>,
    /// The time for which a server is loaded in a round, in milliseconds [default: 700; with --against 150; with
    /// --nodes 300]
    #[arg(long)]
    milliseconds: Option<u64>,
    /// The folder for results [default: bench/results; with --against the folder of --work]
    #[arg(long)]
    pub results: Option<PathBuf>,
    /// The folder for catalogs, which later runs use again; it must be on the disk to measure
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/bench"))]
    pub work: PathBuf,
}

/// The extent of a run.
pub struct Extent {
    pub sizes: Vec<usize>,
    pub connections: Vec<usize>,
    pub rounds: usize,
    pub milliseconds: u64,
}

impl Options {
    /// Returns the requested extent, with the values of `usual` for options that are not set. With `--quick`, returns
    /// `quick` and ignores the other options.
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
