//! The one binary: the server, and everything that is done from a terminal.

#[macro_use]
mod terminal;

mod access;
mod allowed;
mod backups;
mod before;
mod cli;
mod commands;
mod environment;
mod files;
mod findings;
mod help;
mod hidden;
mod home;
mod moment;
mod operator;
mod plan;
mod progress;
mod serve;
mod variable;

use std::process::ExitCode;

use clap::CommandFactory;
use connectory_model::visible;

use crate::cli::Cli;
use crate::terminal::{RED, styled};

#[global_allocator]
static ALLOCATOR: connectory_memory::MiMalloc = connectory_memory::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(mut error) => {
            variable::name_variable(&mut error, &Cli::command(), std::env::args_os());
            hidden::hide_addresses(&mut error);
            // clap exits with 2 for a wrong command line. Here, 2 means that `plan` or `diff` found differences.
            let code = u8::from(error.use_stderr());
            let _closed = error.print();
            return code.into();
        }
    };
    match (cli.run(), terminal::output_error()) {
        (Ok(_), Some(error)) => {
            report!("{} cannot write to standard output: {error}", styled(RED, "error:"));
            ExitCode::FAILURE
        }
        (Ok(code), None) => code,
        (Err(error), _) => {
            report!("{} {}", styled(RED, "error:"), visible(&format!("{error:#}")));
            ExitCode::FAILURE
        }
    }
}
