//! The command line's words: what may be asked for, before anything is done about it.

mod backend;
mod bench;
mod exchange;
mod train;
mod transfer;

#[cfg(feature = "fleet")]
pub mod fleet;

pub use backend::BackendArg;
pub use bench::{BenchArgs, TuneArgs};

use clap::{Args, Parser, Subcommand, ValueEnum};
use cnasc_ir::Edit;
use std::path::PathBuf;

pub use exchange::{Engine, FoldArgs, ImportArgs, WeightsArgs};
pub use train::{OptimizerArg, PrecisionArg, ProxyArg, ProxyArgs, ScheduleArg, TrainArgs, TrainBackendArg};
pub use transfer::{TransferArg, TransferArgs};

/// Searches for networks that are concurrent by construction, places them on a fleet of small devices, and runs them there.
#[derive(Debug, Parser)]
#[command(name = "cnasc", version, about, max_term_width = 100)]
pub struct Cli {
    /// What is asked for.
    #[command(subcommand)]
    pub command: Command,
    /// How to print and how much.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub struct OutputArgs {
    /// Text for people, or one JSON document on standard output.
    #[arg(long, global = true, value_enum, default_value = "human")]
    pub format: Format,
    /// Colours in diagnostics and tables.
    #[arg(long, global = true, value_enum, default_value = "auto")]
    pub color: Color,
    /// No progress and no remarks on standard error.
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Kernels in the forms that their shapes suggest, whatever `cnasc tune` has found on this CPU.
    #[arg(long, global = true)]
    pub no_tuning: bool,
    /// What took how long, on standard error.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// Who reads the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// People.
    Human,
    /// Programs.
    Json,
}

/// Whether to write colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// Where the output is a terminal.
    Auto,
    /// Even into files.
    Always,
    /// Not at all.
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Finds everything that is wrong with source files, drawing nothing.
    Check(CheckArgs),
    /// Writes source files in the one canonical form.
    Fmt(FmtArgs),
    /// Tells the rest about a diagnostic's code.
    Explain(ExplainArgs),
    /// Draws networks and shows them.
    Expand(ExpandArgs),
    /// Says how well networks distribute: the concurrency score and its parts.
    Score(ScoreArgs),
    /// Places a network on a fleet: who computes what, when.
    Plan(PlanArgs),
    /// Partitions a hypergraph from an hMETIS file.
    Partition(PartitionArgs),
    /// Searches a space for the best networks, and runs the best.
    Search(SearchArgs),
    /// Compiles a placed network with its weights into one file for devices.
    Build(BuildArgs),
    /// Classifies images.
    Run(RunArgs),
    /// Measures the latency of single inferences.
    Bench(BenchArgs),
    /// Runs the tests of source files: properties and snapshots of what they draw.
    Test(TestArgs),
    /// Holds a generator's graphs, or given ones, against the theory of their family.
    Audit(AuditArgs),
    /// Says how two networks differ, node by node and edge by edge.
    Diff(DiffArgs),
    /// Measures this machine and writes it as a device that fleets can use.
    Profile(ProfileArgs),
    /// Measures which form of each kernel of a network is the fastest on this CPU, for all commands to come.
    Tune(TuneArgs),
    /// Takes in a network of another program: an ONNX file becomes an architecture and its weights.
    Import(ImportArgs),
    /// Makes a fleet of several machines, or says who of it is there.
    #[cfg(feature = "fleet")]
    Fleet(fleet::FleetCommandArgs),
    /// Runs one node of such a fleet on this machine, until it is ended.
    #[cfg(feature = "fleet")]
    Node(cnasc_fleet::remote::NodeArgs),
    /// Makes the machines of a fleet out of this one, to try it on.
    #[cfg(feature = "fleet")]
    Testbed(fleet::TestbedArgs),
    /// Teaches a network to classify images, where the program was built with the cargo feature `train`.
    Train(Box<TrainArgs>),
    /// Prints a completion script for a shell.
    Completions(CompletionsArgs),
    /// Not in this program.
    #[cfg(not(feature = "fleet"))]
    #[command(hide = true)]
    Node(LaterArgs),
    /// Not in this program.
    #[cfg(not(feature = "fleet"))]
    #[command(hide = true)]
    Fleet(LaterArgs),
    /// Part of the command line's contract, not there yet.
    #[command(hide = true)]
    Report(LaterArgs),
    /// Part of the command line's contract, not there yet.
    #[command(hide = true)]
    Lsp(LaterArgs),
    /// Part of the command line's contract, not there yet.
    #[command(hide = true)]
    Doc(LaterArgs),
}

impl Command {
    /// Whether it may compile kernels to run networks.
    #[must_use]
    pub fn runs_kernels(&self) -> bool {
        #[cfg(feature = "fleet")]
        if matches!(self, Self::Node(_) | Self::Testbed(_)) {
            return true;
        }
        matches!(self, Self::Run(_) | Self::Bench(_) | Self::Search(_) | Self::Profile(_) | Self::Train(_))
    }
}

/// Whatever is given to a command that is not there yet.
#[derive(Debug, Args)]
pub struct LaterArgs {
    /// Taken, so that the answer is about the command and not about its options.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    pub rest: Vec<String>,
}

/// `cnasc check`
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Source files.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
}

/// `cnasc fmt`
#[derive(Debug, Args)]
pub struct FmtArgs {
    /// Source files, rewritten in place.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// Change nothing; exit with 1 where a file is not in the canonical form.
    #[arg(long)]
    pub check: bool,
}

/// `cnasc explain`
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Such as E0201; without one, all codes are listed.
    pub code: Option<String>,
}

/// Which networks of a source file, and which draw of them.
#[derive(Debug, Clone, Default, Args)]
pub struct DrawArgs {
    /// The search or network to draw from; the file's only search, or else its only network, where absent.
    #[arg(long, value_name = "NAME")]
    pub item: Option<String>,
    /// Fixes a search variable (`width=16`, `wiring.n=24`), or gives a network's parameter (`wiring=er(n: 16, p: 0.2)`).
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// What the draw grows from; the same seed gives the same network. The search's own, or 0, where absent.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Changes an edge of a drawn graph, as a search says that it did (`move.4711`, `add.4711`, `drop.4711`); several in their order.
    #[arg(long = "edit", value_name = "EDIT")]
    pub edits: Vec<Edit>,
}

impl DrawArgs {
    /// Whether any of it was given.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.item.is_some() || !self.set.is_empty() || self.seed.is_some() || !self.edits.is_empty()
    }
}

/// `cnasc expand`
#[derive(Debug, Args)]
pub struct ExpandArgs {
    /// A source file, or an architecture file to be shown in another form.
    pub file: PathBuf,
    /// How many; the seeds count up from the first.
    #[arg(short = 'n', long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub count: u64,
    #[command(flatten)]
    /// Which ones.
    pub draw: DrawArgs,
    /// In which form.
    #[arg(long, value_enum, default_value = "ir")]
    pub emit: Emit,
    #[command(flatten)]
    /// How ONNX files are written.
    pub fold: FoldArgs,
    #[command(flatten)]
    /// The weights to write.
    pub weights: WeightsArgs,
    /// A folder for one file a network, instead of standard output.
    #[arg(short, long, value_name = "DIR")]
    pub output_dir: Option<PathBuf>,
}

/// Forms of an architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Emit {
    /// The short text form.
    Ir,
    /// The canonical architecture file.
    Json,
    /// Graphviz.
    Dot,
    /// A picture.
    Svg,
    /// For other engines, with weights; needs --output-dir.
    Onnx,
    /// The weights alone, each under its name; needs --output-dir.
    Safetensors,
    /// For graph tools; not there yet.
    #[value(hide = true)]
    Graphml,
    /// The generated code; not there yet.
    #[value(hide = true)]
    Clif,
}

/// A fleet to place on.
#[derive(Debug, Clone, Args)]
pub struct FleetArgs {
    /// A fleet of the source file by name, or `FILE.cnas`, `FILE.cnas:NAME`, or a fleet in JSON; to `run` also the folder of a fleet of
    /// several machines, as `cnasc fleet init` makes it.
    #[arg(long, value_name = "NAME|FILE")]
    pub fleet: Option<String>,
}

/// `cnasc score`
#[derive(Debug, Args)]
pub struct ScoreArgs {
    /// Source files or architecture files.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// How many networks of each source file.
    #[arg(short = 'n', long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub count: u64,
    #[command(flatten)]
    /// Which ones.
    pub draw: DrawArgs,
    /// On so many equal devices.
    #[arg(long, conflicts_with = "fleet", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub devices: Option<u32>,
    #[command(flatten)]
    /// On which fleet.
    pub fleet: FleetArgs,
    /// The exponents of δ_w, Λ′ and η in the score, such as 1,1.5,1; those of the search that is drawn from where absent.
    #[arg(long, value_name = "A,B,C", value_delimiter = ',')]
    pub exponents: Vec<f64>,
    /// How many times its share of the work a device may get, such as 1.1; the best of several where neither this nor the search says so.
    #[arg(long, value_name = "W")]
    pub bound: Option<f64>,
    /// Also the shape (widths by depth, edge lengths) and the best-scored partition (work, entropy, who sends what to whom).
    #[arg(long)]
    pub detail: bool,
    #[command(flatten)]
    /// How well they may learn.
    pub proxy: ProxyArgs,
}

/// `cnasc plan`
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// An architecture file, or a source file to draw one from.
    pub file: PathBuf,
    #[command(flatten)]
    /// Which draw of a source file.
    pub draw: DrawArgs,
    #[command(flatten)]
    /// On which fleet.
    pub fleet: FleetArgs,
    /// How to place: single, data-parallel, model-parallel, components, hypergraph, heft, peft, cpop, earliest, clusters, interval,
    /// portfolio, best or optimal.
    #[arg(long, default_value = "best")]
    pub strategy: String,
    #[command(flatten)]
    /// How tensors travel.
    pub transfer: TransferArgs,
    /// In which form; a table where absent.
    #[arg(long, value_enum)]
    pub emit: Option<EmitPlan>,
    #[command(flatten)]
    /// How ONNX files are written.
    pub fold: FoldArgs,
    #[command(flatten)]
    /// The weights to write.
    pub weights: WeightsArgs,
    /// A folder for the files of `--emit onnx`.
    #[arg(short, long, value_name = "DIR")]
    pub output_dir: Option<PathBuf>,
}

/// Forms of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EmitPlan {
    /// All of it.
    Json,
    /// A picture of the network, coloured by device.
    Svg,
    /// The simulated inference as a Chrome trace, for Perfetto.
    Trace,
    /// The hypergraph that is scored, as an hMETIS file: FLOPs of blocks, bytes of their outputs. Needs no fleet.
    Hgr,
    /// Weights and all, for other engines: a file a device, and the whole with the placement in it; needs --output-dir.
    Onnx,
}

/// `cnasc partition`
#[derive(Debug, Args)]
pub struct PartitionArgs {
    /// A hypergraph in the hMETIS format.
    pub file: PathBuf,
    /// Into so many parts.
    #[arg(short = 'k', long, conflicts_with = "shares", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub parts: Option<u32>,
    /// Into parts of these shares of the weight (`1,1,2`).
    #[arg(long, value_delimiter = ',', value_name = "SHARES")]
    pub shares: Vec<f64>,
    /// How much heavier than its share a part may be: 0.03 is three percent.
    #[arg(short, long, default_value_t = 0.03)]
    pub epsilon: f64,
    /// What random choices grow from; the same seed gives the same parts.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How hard to try.
    #[arg(long, value_enum, default_value = "thorough")]
    pub effort: EffortArg,
    /// Then looks for anything better, visiting so many nodes at most, and says whether there is nothing: for small hypergraphs.
    #[arg(long, value_name = "NODES", num_args = 0..=1, default_missing_value = "10000000")]
    pub prove: Option<u64>,
    /// Writes each vertex's part, a line each, to FILE; to the input's name with `.part.K` where FILE is left out.
    #[arg(short, long, value_name = "FILE", num_args = 0..=1)]
    #[allow(clippy::option_option, reason = "absent, given without a file, given with one")]
    pub output: Option<Option<PathBuf>>,
}

/// How hard to partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EffortArg {
    /// What a search spends on a candidate.
    Fast,
    /// As good as can be had in milliseconds to seconds.
    Thorough,
}

/// `cnasc search`
#[derive(Debug, Args)]
pub struct SearchArgs {
    /// A source file.
    pub file: PathBuf,
    /// The search; the file's only one where absent.
    #[arg(long, value_name = "NAME")]
    pub item: Option<String>,
    /// Instead of the search's own.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Instead of the search's own: so many candidates.
    #[arg(long, value_name = "CANDIDATES", value_parser = clap::value_parser!(u64).range(1..))]
    pub budget: Option<u64>,
    /// Threads; all cores where absent. The result does not depend on it.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: Option<u16>,
    /// A database that candidates are kept in, `sqlite:///FILE` or `postgresql://USER@HOST/DATABASE`: the same command goes on from there.
    /// Optuna 4 reads it.
    #[arg(long, value_name = "URL")]
    pub storage: Option<String>,
    /// Looks on while another process searches the study in `--storage`: how far it is and the best so far. Where nobody looks at a
    /// terminal, once.
    #[arg(long, requires = "storage", conflicts_with_all = ["workers"])]
    pub watch: bool,
    /// How many of the best are compiled and measured.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub top: u16,
    /// A folder with images to classify, in IDX form. Where absent, the folder `data` beside the source file if its images fit,
    /// else noise.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// A folder for the winner's architecture and picture; `results/NAME` where absent.
    #[arg(short, long, value_name = "DIR")]
    pub output_dir: Option<PathBuf>,
}

/// `cnasc build`
#[derive(Debug, Args)]
pub struct BuildArgs {
    /// An architecture file, or a source file to draw one from.
    pub file: PathBuf,
    #[command(flatten)]
    /// Which draw of a source file.
    pub draw: DrawArgs,
    #[command(flatten)]
    /// For which fleet.
    pub fleet: FleetArgs,
    /// How to place: single, data-parallel, model-parallel, components, hypergraph, heft, peft, cpop, earliest, clusters, interval,
    /// portfolio, best or optimal.
    #[arg(long, default_value = "best")]
    pub strategy: String,
    #[command(flatten)]
    /// How tensors travel.
    pub transfer: TransferArgs,
    #[command(flatten)]
    /// Its weights.
    pub weights: WeightsArgs,
    /// The file to write.
    #[arg(short, long, value_name = "BUNDLE")]
    pub output: PathBuf,
}

/// `cnasc run`
#[derive(Debug, Args)]
pub struct RunArgs {
    /// A bundle, an architecture file, or a source file to draw one from.
    pub file: PathBuf,
    #[command(flatten)]
    /// Which draw of a source file.
    pub draw: DrawArgs,
    /// Images (PNG, JPEG, an IDX file with `#INDEX` behind its name), or tensors (`.npy`); a folder of them; or `-` for names on standard
    /// input, one a line.
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    pub input: Vec<PathBuf>,
    /// The raw output of the first input, as `.npy`.
    #[arg(long, value_name = "FILE.npy")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    /// Where: its devices become threads of this process.
    pub fleet: FleetArgs,
    /// On so many equal devices, threads of this process.
    #[arg(long, conflicts_with = "fleet", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub local: Option<u32>,
    /// How to place: single, data-parallel, model-parallel, components, hypergraph, heft, peft, cpop, earliest, clusters, interval,
    /// portfolio, best or optimal.
    #[arg(long, default_value = "best")]
    pub strategy: String,
    #[command(flatten)]
    /// How tensors travel.
    pub transfer: TransferArgs,
    #[command(flatten)]
    /// Its weights.
    pub weights: WeightsArgs,
    /// What executes it, instead of what the fleet declares.
    #[arg(long, value_enum)]
    pub backend: Option<BackendArg>,
    /// What happened when, as a Chrome trace, for Perfetto.
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// Checks every answer against the whole network on the reference backend.
    #[arg(long)]
    pub verify: bool,
    /// How many seconds nodes on other machines have: to be there, and for each inference.
    #[cfg(feature = "fleet")]
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = fleet::seconds)]
    pub deadline: std::time::Duration,
    /// How many inferences may be under way at once in nodes on other machines: more answers a second, each of them later.
    #[cfg(feature = "fleet")]
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = fleet::in_flight)]
    pub in_flight: usize,
    /// Hands images to such nodes at this rate, as a camera would; none is left out.
    #[cfg(feature = "fleet")]
    #[arg(long, value_name = "RATE", value_parser = fleet::frames)]
    pub fps: Option<f64>,
}

/// `cnasc test`
#[derive(Debug, Args)]
pub struct TestArgs {
    /// Source files; tests of files that they use are not run.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// Accepts every snapshot as it is now.
    #[arg(long, conflicts_with = "review")]
    pub accept: bool,
    /// Asks on the terminal for each snapshot that is new or has changed.
    #[arg(long)]
    pub review: bool,
}

/// `cnasc audit`
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// A source file; may be left out where --item names a generator of the standard library.
    pub file: Option<PathBuf>,
    /// A generator with its arguments (`local(n: 32, reach: 4.0)`, `std::generators::ws(n: 32, k: 4, p: 0.75)`), or the name of
    /// a generator, search, network or test of the file. Every generator that the file uses where absent.
    #[arg(long, value_name = "NAME|GENERATOR")]
    pub item: Option<String>,
    /// How many graphs are drawn.
    #[arg(short = 'n', long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(2..=1_000_000))]
    pub count: u64,
    /// What the draws grow from.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Graphs to be held against the family instead of its own draws: edge lists, one graph a file.
    #[arg(long, num_args = 1.., value_name = "FILE")]
    pub graphs: Vec<PathBuf>,
}

/// `cnasc diff`
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// An architecture file, or a source file to draw one from.
    pub before: PathBuf,
    /// The same.
    pub after: PathBuf,
}

/// `cnasc profile`
#[derive(Debug, Args)]
pub struct ProfileArgs {
    /// The source file to write; its name without the ending becomes the device's.
    #[arg(short, long, value_name = "FILE.cnas")]
    pub output: PathBuf,
    /// For how long each operator is measured, in milliseconds.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub each: u64,
}

/// `cnasc completions`
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// For which shell.
    pub shell: clap_complete::Shell,
}
