//! `cnasc node` as a program of its own, without the compiler: what a device needs, and nothing else.

use clap::Parser;
use cnasc_fleet::remote::{NodeArgs, memory, serve};
use std::process::ExitCode;

/// As that of `cnasc`, so that nodes are alike.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Executes its share of networks for the fleet that it belongs to.
#[derive(Debug, Parser)]
#[command(name = "cnasc-node", version, about, max_term_width = 100)]
struct Cli {
    /// Which node.
    #[command(flatten)]
    node: NodeArgs,
}

#[allow(unsafe_code, reason = "see below")]
fn main() -> ExitCode {
    // SAFETY: there is no other thread yet.
    unsafe {
        cnasc_transport::net::prepare();
        memory::give_back_at_once();
    };
    let cli = Cli::parse();
    match serve(&cli.node, &mut |line| println!("{line}")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(3)
        }
    }
}
