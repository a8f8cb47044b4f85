//! The `cnasc` binary: reads the command line, runs one command, exits with the status of the contract.

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cnasc::cli::Cli::parse();
    cnasc::report_panics_as_bugs();
    ExitCode::from(cnasc::run(&cli) as u8)
}
