//! Options of `cnasc train`.

use super::DrawArgs;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// `cnasc train`
#[derive(Debug, Default, Args)]
pub struct TrainArgs {
    /// An architecture file, or a source file to draw one from.
    pub file: PathBuf,
    #[command(flatten)]
    /// Which draw of a source file.
    pub draw: DrawArgs,
    /// The `training` of the source file that says how; its only one where absent. The options below go before what it says.
    #[arg(long, value_name = "NAME")]
    pub training: Option<String>,
    /// A folder with images: IDX files as of MNIST and Fashion-MNIST, or the binary version of CIFAR-10 or CIFAR-100. Debian's Fashion-MNIST
    /// where absent.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// A folder for the trained network, its figures and its checkpoint; a run that was cut off there goes on.
    #[arg(short, long, value_name = "DIR")]
    pub output_dir: PathBuf,
    /// Weights to begin with, instead of random ones: safetensors, or an ONNX file with the parameters' names.
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// Begins anew where the folder has a run already.
    #[arg(long)]
    pub anew: bool,
    /// How often every image is seen; 10 times where absent.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub epochs: Option<u32>,
    /// Images a step; 64 where absent.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub batch: Option<u32>,
    /// How weights follow gradients; SGD where absent.
    #[arg(long, value_enum)]
    pub optimizer: Option<OptimizerArg>,
    /// The greatest learning rate; 0.1 for SGD and 0.002 for AdamW where absent.
    #[arg(long)]
    pub rate: Option<f32>,
    /// What becomes of the rate: `cosine`, `constant`, or `step:EPOCHS:FACTOR`, times FACTOR after each EPOCHS. A
    /// cosine where absent.
    #[arg(long, value_parser = schedule)]
    pub schedule: Option<ScheduleArg>,
    /// Epochs in which the rate grows from nothing; 1 where absent.
    #[arg(long, value_name = "EPOCHS")]
    pub warmup: Option<f32>,
    /// Of SGD; 0.9 where absent.
    #[arg(long)]
    pub momentum: Option<f32>,
    /// Weight decay, of convolutions and linear layers alone; 0.0005 where absent.
    #[arg(long)]
    pub decay: Option<f32>,
    /// Label smoothing; none where absent.
    #[arg(long)]
    pub smoothing: Option<f32>,
    /// Images are moved by up to so many pixels each way; 2 where absent.
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(0..=64))]
    pub shift: Option<u32>,
    /// Images are not mirrored.
    #[arg(long)]
    pub no_flip: bool,
    /// The side of a square that is cut out of each image; none where absent.
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(0..=256))]
    pub cutout: Option<u32>,
    /// Mixes pairs of images, by shares of the beta distribution with this parameter; not where absent.
    #[arg(long, value_name = "ALPHA")]
    pub mixup: Option<f32>,
    /// The probability that a node with several inputs does without one for a step; 0 where absent.
    #[arg(long, value_name = "PROBABILITY")]
    pub edge_drop: Option<f32>,
    /// The probability that an input of a node with several is left out for an image, one of them always staying (drop-path); 0 where absent.
    #[arg(long, value_name = "PROBABILITY")]
    pub path_drop: Option<f32>,
    /// The probability that an input of a linear layer is left out; 0 where absent.
    #[arg(long, value_name = "PROBABILITY")]
    pub dropout: Option<f32>,
    /// The most length that gradients may have together.
    #[arg(long, value_name = "LENGTH")]
    pub clip: Option<f32>,
    /// Averages the weights, of which this share stays each step, and keeps the averages.
    #[arg(long, value_name = "SHARE")]
    pub average: Option<f32>,
    /// Ends after so many epochs without a better accuracy.
    #[arg(long, value_name = "EPOCHS")]
    pub patience: Option<u32>,
    /// Takes so many of the training images away, drawn by --train-seed, and judges every epoch by them; else by the test images.
    #[arg(long, value_name = "IMAGES")]
    pub hold_out: Option<usize>,
    /// Learns from the first so many images alone.
    #[arg(long, value_name = "IMAGES")]
    pub limit: Option<usize>,
    /// What first weights, orders and changes of images grow from. The same one gives the same bytes, on any number of threads.
    /// 1 where absent.
    #[arg(long)]
    pub train_seed: Option<u64>,
    /// Where it is computed; by kernels of our own on the CPU where absent.
    #[arg(long, value_enum)]
    pub backend: Option<TrainBackendArg>,
    /// What products of convolutions and linear layers are computed in; `single` where absent.
    #[arg(long, value_enum)]
    pub precision: Option<PrecisionArg>,
    /// All cores where absent.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
}

/// A look at untrained networks.
#[derive(Debug, Args)]
pub struct ProxyArgs {
    /// Also a figure of the untrained network that tells how well it may learn, more being better: `--proxy` for the one that told best, or
    /// `--proxy=NAME`.
    #[arg(long, value_enum, value_name = "NAME", num_args = 0..=1, require_equals = true)]
    pub proxy: Option<Option<ProxyArg>>,
    /// The folder of the images that it looks at, as of `cnasc train`.
    #[arg(long, value_name = "DIR", requires = "proxy", default_value = "/usr/share/datasets/fashion-mnist")]
    pub data: PathBuf,
}

/// Figures of untrained networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum ProxyArg {
    /// The lengths of the gradients.
    GradNorm,
    /// What flows through all paths.
    Synflow,
    /// How well ReLUs tell images apart.
    Naswot,
    /// How little the gradients by images are correlated.
    JacobCov,
    /// How far noise moves what the classifier sees.
    Zen,
}

/// Where it is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TrainBackendArg {
    /// Kernels of our own.
    Cpu,
    /// The first GPU that burn finds: a program that was built with `train-wgpu` or `train-cuda` has it.
    Gpu,
}

/// What products are computed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PrecisionArg {
    /// Single precision.
    Single,
    /// bfloat16, all else in single precision; on a GPU.
    Mixed,
}

/// How weights follow gradients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OptimizerArg {
    /// Stochastic gradient descent with momentum.
    Sgd,
    /// Adam with decoupled weight decay.
    Adamw,
}

/// What becomes of the learning rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ScheduleArg {
    /// Half a cosine down to nothing.
    Cosine,
    /// The same throughout.
    Constant,
    /// After so many epochs, times this.
    Step(u32, f32),
}

/// `cosine`, `constant`, `step:30:0.1`
fn schedule(text: &str) -> Result<ScheduleArg, String> {
    let parts: Vec<&str> = text.split(':').collect();
    match parts.as_slice() {
        ["cosine"] => Ok(ScheduleArg::Cosine),
        ["constant"] => Ok(ScheduleArg::Constant),
        ["step", every, factor] => match (every.parse(), factor.parse()) {
            (Ok(every), Ok(factor)) if every > 0 && factor > 0.0 && factor < 1.0 => {
                Ok(ScheduleArg::Step(every, factor))
            }
            _ => Err("write it as step:EPOCHS:FACTOR, with a factor between 0 and 1".to_owned()),
        },
        _ => Err("it is cosine, constant or step:EPOCHS:FACTOR".to_owned()),
    }
}
