//! How fast networks run: measuring them, and finding the kernels that are the fastest here.

use super::{BackendArg, DrawArgs, Engine, WeightsArgs};
use clap::Args;
use std::path::PathBuf;

/// `cnasc bench`
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// A bundle, an architecture file, or a source file to draw one from.
    pub file: PathBuf,
    #[command(flatten)]
    /// Which draw of a source file.
    pub draw: DrawArgs,
    #[command(flatten)]
    /// Its weights.
    pub weights: WeightsArgs,
    /// Placed over so many threads.
    #[arg(long, value_delimiter = ',', default_value = "1", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub threads: Vec<u32>,
    /// How it is placed over them, as for `cnasc plan`.
    #[arg(long, default_value = "best")]
    pub strategy: String,
    /// What executes it.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "jit")]
    pub backend: Vec<BackendArg>,
    /// Other engines to measure beside, in turns with ours: ratios to ours, and shares of what the machine was measured to do at most.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "ENGINES")]
    pub against: Vec<Engine>,
    /// Says instead what each node and each kind of kernel takes, on one thread.
    #[arg(long, conflicts_with = "against")]
    pub profile: bool,
    /// The calls of kernels as a Chrome trace, for Perfetto.
    #[arg(long, value_name = "FILE", requires = "profile")]
    pub trace: Option<PathBuf>,
    /// Counted inferences; as many more warm up, at most 20.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub runs: u32,
}

/// `cnasc tune`
#[derive(Debug, Args)]
pub struct TuneArgs {
    /// A bundle, an architecture file, or a source file to draw one from.
    pub file: PathBuf,
    #[command(flatten)]
    /// Which draw of a source file.
    pub draw: DrawArgs,
}
