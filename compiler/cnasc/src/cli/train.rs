//! Options of `cnasc train`.

use super::DrawArgs;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// `cnasc train`
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// An architecture file, or a source file to draw one from.
    pub file: PathBuf,
    #[command(flatten)]
    /// Which draw of a source file.
    pub draw: DrawArgs,
    /// A folder with images: IDX files as of MNIST and Fashion-MNIST, or the binary version of CIFAR-10 or CIFAR-100. Debian's Fashion-MNIST
    /// where absent.
    #[arg(long, value_name = "DIR", default_value = "/usr/share/datasets/fashion-mnist")]
    pub data: PathBuf,
    /// A folder for the trained network, its figures and its checkpoint; a run that was cut off there goes on.
    #[arg(short, long, value_name = "DIR")]
    pub output_dir: PathBuf,
    /// Weights to begin with, instead of random ones: safetensors, or an ONNX file with the parameters' names.
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// Begins anew where the folder has a run already.
    #[arg(long)]
    pub anew: bool,
    /// How often every image is seen.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub epochs: u32,
    /// Images a step.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub batch: u32,
    /// How weights follow gradients.
    #[arg(long, value_enum, default_value = "sgd")]
    pub optimizer: OptimizerArg,
    /// The greatest learning rate; 0.1 for SGD and 0.002 for AdamW where absent.
    #[arg(long)]
    pub rate: Option<f32>,
    /// What becomes of the rate: `cosine`, `constant`, or `step:EPOCHS:FACTOR`, times FACTOR after each EPOCHS.
    #[arg(long, default_value = "cosine", value_parser = schedule)]
    pub schedule: ScheduleArg,
    /// Epochs in which the rate grows from nothing.
    #[arg(long, default_value_t = 1.0, value_name = "EPOCHS")]
    pub warmup: f32,
    /// Of SGD.
    #[arg(long, default_value_t = 0.9)]
    pub momentum: f32,
    /// Weight decay, of convolutions and linear layers alone.
    #[arg(long, default_value_t = 5e-4)]
    pub decay: f32,
    /// Label smoothing.
    #[arg(long, default_value_t = 0.0)]
    pub smoothing: f32,
    /// Images are moved by up to so many pixels each way.
    #[arg(long, default_value_t = 2, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(0..=64))]
    pub shift: u32,
    /// Images are not mirrored.
    #[arg(long)]
    pub no_flip: bool,
    /// The side of a square that is cut out of each image.
    #[arg(long, default_value_t = 0, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(0..=256))]
    pub cutout: u32,
    /// Mixes pairs of images, by shares of the beta distribution with this parameter.
    #[arg(long, default_value_t = 0.0, value_name = "ALPHA")]
    pub mixup: f32,
    /// The probability that a node with several inputs does without one for a step.
    #[arg(long, default_value_t = 0.0, value_name = "PROBABILITY")]
    pub edge_drop: f32,
    /// The probability that an input of a linear layer is left out.
    #[arg(long, default_value_t = 0.0, value_name = "PROBABILITY")]
    pub dropout: f32,
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
    #[arg(long, default_value_t = 0, value_name = "IMAGES")]
    pub hold_out: usize,
    /// Learns from the first so many images alone.
    #[arg(long, value_name = "IMAGES")]
    pub limit: Option<usize>,
    /// What first weights, orders and changes of images grow from. The same one gives the same bytes, on any number of threads.
    #[arg(long, default_value_t = 1)]
    pub train_seed: u64,
    /// All cores where absent.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
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
