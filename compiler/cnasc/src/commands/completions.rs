//! `cnasc completions SHELL`: a completion script on standard output.

use crate::cli::{Cli, CompletionsArgs};
use crate::failure::Exit;
use clap::CommandFactory;

/// Writes the script.
pub fn run(args: &CompletionsArgs) -> Exit {
    clap_complete::generate(args.shell, &mut Cli::command(), "cnasc", &mut std::io::stdout());
    Exit::Done
}
