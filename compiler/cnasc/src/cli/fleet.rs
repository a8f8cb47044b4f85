//! The words of `cnasc fleet`: making a fleet of several machines, and asking who of it is there.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `cnasc fleet`
#[derive(Debug, Args)]
pub struct FleetCommandArgs {
    /// What is asked for.
    #[command(subcommand)]
    pub command: FleetCommand,
}

/// The commands about fleets of several machines.
#[derive(Debug, Subcommand)]
pub enum FleetCommand {
    /// Makes keys and certificates for the nodes of a new fleet.
    Init(FleetInitArgs),
    /// Says which nodes are there, and what they have done.
    Status(FleetStatusArgs),
}

/// `cnasc fleet init`
#[derive(Debug, Args)]
pub struct FleetInitArgs {
    /// The folder to make.
    pub folder: PathBuf,
    /// A node and where it listens.
    #[arg(long = "node", required = true, value_name = "NAME=HOST:PORT")]
    pub nodes: Vec<String>,
    /// The fleet's name.
    #[arg(long, default_value = "home")]
    pub name: String,
}

/// `cnasc fleet status`
#[derive(Debug, Args)]
pub struct FleetStatusArgs {
    /// The fleet's folder, or its coordinator's.
    pub folder: PathBuf,
    /// For how many seconds nodes are waited for.
    #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = seconds)]
    pub deadline: std::time::Duration,
}

/// A time of at most a day.
pub(super) fn seconds(text: &str) -> Result<std::time::Duration, String> {
    let number: f64 = text.parse().map_err(|_| "no number of seconds".to_owned())?;
    if number > 0.0 && number <= 86_400.0 {
        return Ok(std::time::Duration::from_secs_f64(number));
    }
    Err("more than 0 and at most 86400 seconds can be waited for".to_owned())
}
