//! Connectors as code: `pull`, `plan`, `apply`, `promote`, `diff`, `import` and `export`.

mod apply;
mod commands;
mod plan;

use std::io::{IsTerminal, Write};

use anyhow::{Result, bail};

pub use commands::{
    ApplyArguments, DiffArguments, ExportArguments, ImportArguments, PlanArguments, PromoteArguments, PullArguments,
    apply_folder, diff, export, import, plan_folder, promote, pull,
};

/// How many calls are on the way at the same time; the server's rate limit bounds how many pass.
const PARALLEL: usize = 8;

/// Asks a question that is answered by yes or no.
pub fn confirmed(question: &str) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!("there is no terminal to ask on; give --yes");
    }
    anstream::eprint!("{question} [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
