//! The `cnasc` binary: reads the command line, runs one command, exits with the status of the contract.

use clap::Parser;
use std::process::ExitCode;

/// Drawing networks by the thousand is a seventh faster than with the C library's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[allow(unsafe_code, reason = "see below")]
fn main() -> ExitCode {
    #[cfg(feature = "fleet")]
    // SAFETY: there is no other thread yet.
    unsafe {
        cnasc_transport::net::prepare();
    };
    cnasc::report_panics_as_bugs();
    let exit = match cnasc::cli::Cli::try_parse() {
        Ok(cli) => {
            #[cfg(feature = "fleet")]
            if matches!(cli.command, cnasc::cli::Command::Node(_)) {
                // SAFETY: there still is no other thread.
                unsafe { cnasc_fleet::remote::memory::give_back_at_once() };
            }
            cnasc::run(&cli)
        }
        Err(error) => cnasc::report_usage(&error),
    };
    ExitCode::from(exit as u8)
}
