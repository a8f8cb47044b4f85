//! The command line over the compiler and the runtime, and the one function that chains their stations ([`pipeline::compile`]).
//!
//! This is the only compiler crate that reads and writes files, looks at the terminal, and starts threads. A command is a
//! function from its arguments to an [`Exit`] status; what it can't do is a [`Failure`], whose findings are printed here.

pub mod cli;
pub mod exchange;
pub mod failure;
pub mod images;
pub mod imported;
pub mod machine;
pub mod model;
pub mod output;
pub mod pages;
pub mod parts;
pub mod pipeline;
pub mod rivals;
#[cfg(feature = "train")]
pub mod sets;
pub mod storage;
pub mod tuning;

mod commands;

use cli::{Cli, Command};
use cnasc_base::{Diagnostic, Diagnostics, Sources};
use failure::{Exit, Failure, codes};
use output::Output;

/// What a command works with: the texts that diagnostics point into, and how to print.
#[derive(Debug)]
pub struct Session {
    /// Every source read so far.
    pub sources: Sources,
    /// How to print.
    pub output: Output,
}

/// Runs the command and prints why where it failed.
#[must_use]
pub fn run(cli: &Cli) -> Exit {
    let mut session = Session { sources: Sources::default(), output: Output::new(&cli.output) };
    if cli.command.runs_kernels() && !cli.output.no_tuning {
        tuning::install(&session);
    }
    match dispatch(cli, &mut session) {
        Ok(exit) => exit,
        Err(failure) => {
            session.output.findings(&session.sources, &failure.diagnostics);
            failure.exit
        }
    }
}

fn dispatch(cli: &Cli, session: &mut Session) -> Result<Exit, Failure> {
    match &cli.command {
        Command::Check(args) => commands::check::run(session, args),
        Command::Fmt(args) => commands::fmt::run(session, args),
        Command::Explain(args) => commands::explain::run(session, args),
        Command::Expand(args) => commands::expand::run(session, args),
        Command::Score(args) => commands::score::run(session, args),
        Command::Plan(args) => commands::plan::run(session, args),
        Command::Partition(args) => commands::partition::run(session, args),
        Command::Search(args) => commands::search::run(session, args),
        Command::Build(args) => commands::build::run(session, args),
        Command::Run(args) => commands::run::run(session, args),
        Command::Bench(args) => commands::bench::run(session, args),
        Command::Test(args) => commands::test::run(session, args),
        Command::Audit(args) => commands::audit::run(session, args),
        Command::Diff(args) => commands::diff::run(session, args),
        Command::Profile(args) => commands::profile::run(session, args),
        Command::Tune(args) => commands::tune::run(session, args),
        Command::Import(args) => commands::import::run(session, args),
        Command::Completions(args) => Ok(commands::completions::run(args)),
        Command::Train(args) => commands::train::run(session, args),
        #[cfg(feature = "fleet")]
        Command::Node(args) => commands::node::run(session, args),
        #[cfg(feature = "fleet")]
        Command::Fleet(args) => commands::fleet::run(session, args),
        #[cfg(feature = "fleet")]
        Command::Testbed(args) => commands::testbed::run(session, args),
        #[cfg(not(feature = "fleet"))]
        Command::Node(_) | Command::Fleet(_) => Err(commands::without_fleets()),
        Command::Report(_) => Err(commands::later("cnasc report")),
        Command::Lsp(_) => Err(commands::later("cnasc lsp")),
        Command::Doc(_) => Err(commands::later("cnasc doc")),
    }
}

/// Prints what is wrong with the command line, or the help that was asked for; a program that asked for JSON gets a finding.
#[must_use]
pub fn report_usage(error: &clap::Error) -> Exit {
    let words: Vec<String> = std::env::args().collect();
    let json = words.iter().any(|word| word == "--format=json")
        || words.windows(2).any(|pair| pair[0] == "--format" && pair[1] == "json");
    if !error.use_stderr() || !json {
        // A closed pipe is the reader's wish to stop.
        let _ = error.print();
        return if error.use_stderr() { Exit::Usage } else { Exit::Done };
    }
    let text = error.render().to_string();
    let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
    let found =
        Diagnostics::from(Diagnostic::error(codes::OPTION, first).note("`cnasc help` lists commands and options"));
    Output::for_programs().findings(&Sources::default(), &found);
    Exit::Usage
}

/// A panic is a fault of ours, never of the input: says so, and what to send us.
pub fn report_panics_as_bugs() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(String::new, |place| format!(" at {}:{}", place.file(), place.line()));
        let words: Vec<String> = std::env::args().collect();
        eprintln!("bug: cnasc {} failed{place}: {info}", env!("CARGO_PKG_VERSION"));
        eprintln!("This is a fault of cnasc, not of your input. Please report it with the input and this command:");
        eprintln!("  {}", words.join(" "));
    }));
}
