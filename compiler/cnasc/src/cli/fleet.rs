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
    /// Makes a bundle, or an earlier one, what the fleet executes, once all nodes have shown that they can.
    Deploy(FleetDeployArgs),
    /// Lists what was deployed.
    Versions(FleetVersionsArgs),
    /// Measures what nodes compute and how soon tensors get from one to another; plans and runs on this fleet use it.
    Profile(FleetProfileArgs),
    /// Places a network on the fleet as it was measured.
    Plan(FleetPlanArgs),
}

/// `cnasc fleet deploy`
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("which").required(true))]
pub struct FleetDeployArgs {
    /// The fleet's folder, or its coordinator's.
    pub folder: PathBuf,
    /// A new version.
    #[arg(group = "which")]
    pub bundle: Option<PathBuf>,
    /// A version that is there already.
    #[arg(long, group = "which", value_name = "NUMBER")]
    pub version: Option<u64>,
    /// The version before the current one.
    #[arg(long, group = "which")]
    pub back: bool,
    /// How many seconds nodes have, to be there and to answer.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub deadline: std::time::Duration,
}

/// `cnasc fleet versions`
#[derive(Debug, Args)]
pub struct FleetVersionsArgs {
    /// The fleet's folder, or its coordinator's.
    pub folder: PathBuf,
}

/// `cnasc fleet profile`
#[derive(Debug, Args)]
pub struct FleetProfileArgs {
    /// The fleet's folder, or its coordinator's.
    pub folder: PathBuf,
    /// Where to write the fleet as it was measured, in JSON, instead of into the coordinator's folder.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// How many seconds nodes have, to be there and for each inference.
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub deadline: std::time::Duration,
}

/// `cnasc fleet plan`
#[derive(Debug, Args)]
pub struct FleetPlanArgs {
    /// The fleet's folder, or its coordinator's.
    pub folder: PathBuf,
    #[command(flatten)]
    /// What is placed, as in `cnasc plan`.
    pub plan: super::PlanArgs,
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

/// `cnasc testbed`
#[derive(Debug, Args)]
pub struct TestbedArgs {
    /// A source file that declares a fleet.
    pub file: PathBuf,
    /// Which fleet, where it declares several; `--measure` takes several, one after the other.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub fleet: Vec<String>,
    /// Its first so many devices; all where absent.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub nodes: Option<u32>,
    /// The part of a core that each node has, instead of what its device is declared to compute.
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub cpu: Option<f64>,
    /// How a node is kept to its part of a core.
    #[arg(long, value_enum, default_value = "pace")]
    pub slow_by: SlowBy,
    /// Measures the network of each search of the file on the fleet, beside what is predicted.
    #[arg(long, conflicts_with = "command")]
    pub measure: bool,
    #[command(flatten)]
    /// What is measured, and how.
    pub measured: MeasureArgs,
    /// A command that is run meanwhile; `{}` in it becomes the folder of the fleet's keys. Without one it waits for Ctrl-C.
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// What holds a node back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum SlowBy {
    /// Itself: its thread that computes rests after each step, for as long as a slower core would still have computed.
    Pace,
    /// A quota of a control group, of which Linux notices at timer ticks that it is used up: for what takes long.
    Quota,
}

/// What `cnasc testbed --measure` measures, and how.
#[derive(Debug, Args)]
pub struct MeasureArgs {
    /// Predicts by what nodes and links are measured to do, as `cnasc fleet profile` does, instead of by what is declared.
    #[arg(long, requires = "measure")]
    pub profiled: bool,
    /// Inferences that are measured of each network.
    #[arg(long, value_name = "N", default_value_t = 21, requires = "measure", value_parser = runs)]
    pub runs: usize,
    /// Places each network on the fleet's first so many nodes, one number after the other; on all where absent. After 1 the others have
    /// their speed-up.
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', requires = "measure", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub on: Vec<u32>,
    /// In which precisions tensors travel, one after the other.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "f32", requires = "measure")]
    pub transfer: Vec<super::TransferArg>,
    /// How networks are placed, as for `cnasc plan`.
    #[arg(long, default_value = "best", requires = "measure")]
    pub strategy: String,
    /// The searches of the file whose networks are measured; all where absent.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', requires = "measure")]
    pub only: Vec<String>,
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.001..=1.0).contains(share));
    share.ok_or_else(|| "a node can have 0.001 to 1 of a core".to_owned())
}

fn runs(text: &str) -> Result<usize, String> {
    let runs = text.parse().ok().filter(|runs| (1..=1_000_000).contains(runs));
    runs.ok_or_else(|| "1 to 1000000 inferences can be measured".to_owned())
}

/// A time of at most a day.
pub(super) fn seconds(text: &str) -> Result<std::time::Duration, String> {
    let number: f64 = text.parse().map_err(|_| "no number of seconds".to_owned())?;
    if number > 0.0 && number <= 86_400.0 {
        return Ok(std::time::Duration::from_secs_f64(number));
    }
    Err("more than 0 and at most 86400 seconds can be waited for".to_owned())
}

/// How many inferences may be under way.
pub(super) fn in_flight(text: &str) -> Result<usize, String> {
    let most = cnasc_fleet::remote::coordinator::MAX_IN_FLIGHT;
    let number = text.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| format!("1 to {most} inferences can be in flight"))
}

/// Images a second.
pub(super) fn frames(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (1e-3..=1e5).contains(rate));
    rate.ok_or_else(|| "0.001 to 100000 images a second can be handed over".to_owned())
}
