//! `connectory fixture`: prints a module for tests of a client, which starts servers and stops them.

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::terminal;

#[derive(Args)]
pub struct FixtureArguments {
    /// What runs the tests
    runner: Runner,
}

/// A program that runs tests, and that there is a module for.
#[derive(Clone, Copy, ValueEnum)]
enum Runner {
    /// Tests in Python; write the module to `connectory_server.py`
    Pytest,
    /// Tests in TypeScript and JavaScript; write the module to `connectory-server.ts`
    Vitest,
}

/// Prints the module. It needs no package besides the one that runs the tests.
pub fn run(FixtureArguments { runner }: &FixtureArguments) -> Result<()> {
    let module = match runner {
        Runner::Pytest => include_str!("../../../../examples/pytest/connectory_server.py"),
        Runner::Vitest => include_str!("../../../../examples/vitest/connectory-server.ts"),
    };
    terminal::bytes(module.as_bytes())
}
