//! How to learn: options, where they are given, or else what the source file's `training` says, or else what is usual.

use crate::cli::{OptimizerArg, PrecisionArg, ScheduleArg, TrainArgs, TrainBackendArg};
use crate::failure::{Failure, codes};
use cnasc_base::Diagnostic;
use cnasc_ir::Program;
use cnasc_ir::program::{Decline, Descent, Learning, Precision, Training};
use cnasc_train::{Augment, Noise, Optimizer, Schedule, Settings};
use std::path::{Path, PathBuf};

/// Where images are where nothing is said.
pub const DATA: &str = "/usr/share/datasets/fashion-mnist";

/// All that decides a run, but for the network.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// Of the `training` that was followed, if one was.
    pub name: Option<String>,
    /// For the run.
    pub settings: Settings,
    /// Whether it is computed on a GPU.
    pub on_gpu: bool,
    /// Whether products are in bfloat16.
    pub is_mixed: bool,
    /// The folder of images.
    pub data: PathBuf,
    /// How many training images are kept to judge by.
    pub hold_out: usize,
    /// How many training images are taken, where not all are.
    pub limit: Option<usize>,
}

impl Recipe {
    /// That of the options, for a network that `program` was read for, if it was drawn from one.
    ///
    /// # Errors
    /// Where `--training` names none, or is missing where there are several.
    pub fn of(args: &TrainArgs, program: Option<&Program>) -> Result<Self, Failure> {
        let trainings = program.map_or([].as_slice(), |program| program.trainings.as_slice());
        Ok(Self::with(args, chosen(trainings, args.training.as_deref(), &args.file)?))
    }

    /// That of a declaration of the file `source`.
    #[must_use]
    pub fn said(training: &Training, source: &Path) -> Self {
        Self::with(&TrainArgs { file: source.to_owned(), ..TrainArgs::default() }, Some(training))
    }

    fn with(args: &TrainArgs, training: Option<&Training>) -> Self {
        let said = &training.map(|training| training.says.clone()).unwrap_or_default();
        let number = |given: Option<u32>, said: Option<u64>, usual: u32| {
            given.or_else(|| said.and_then(|said| u32::try_from(said).ok())).unwrap_or(usual)
        };
        let size = |given: Option<usize>, said: Option<u64>| {
            given.or_else(|| said.and_then(|said| usize::try_from(said).ok()))
        };
        let (optimizer, rate) = optimizer(args, said);
        let settings = Settings {
            epochs: number(args.epochs, said.epochs, 10),
            batch: number(args.batch, said.batch, 64) as usize,
            optimizer,
            rate,
            schedule: schedule(args.schedule, said.schedule),
            warmup: real(args.warmup, said.warmup).unwrap_or(1.0),
            decay: real(args.decay, said.decay).unwrap_or(5e-4),
            smoothing: real(args.smoothing, said.smoothing).unwrap_or(0.0),
            mixup: real(args.mixup, said.mixup).unwrap_or(0.0),
            augment: Augment {
                shift: number(args.shift, said.shift, 2),
                flip: !args.no_flip && said.flip.unwrap_or(true),
                cutout: number(args.cutout, said.cutout, 0),
            },
            noise: Noise {
                edge: real(args.edge_drop, said.edge_drop).unwrap_or(0.0),
                path: real(args.path_drop, said.path_drop).unwrap_or(0.0),
                dropout: real(args.dropout, said.dropout).unwrap_or(0.0),
            },
            clip: real(args.clip, said.clip),
            average: real(args.average, said.average),
            patience: args.patience.or_else(|| said.patience.and_then(|epochs| u32::try_from(epochs).ok())),
            seed: args.train_seed.or(said.seed).unwrap_or(1),
        };
        // A folder that the source names is relative to the source.
        let beside = |folder: &String| args.file.parent().unwrap_or(Path::new("")).join(folder);
        let data = args.data.clone().or_else(|| said.data.as_ref().map(beside));
        Self {
            name: training.map(|training| training.name.clone()),
            settings,
            on_gpu: args.backend == Some(TrainBackendArg::Gpu),
            is_mixed: match args.precision {
                Some(precision) => precision == PrecisionArg::Mixed,
                None => said.precision == Some(Precision::Mixed),
            },
            data: data.unwrap_or_else(|| PathBuf::from(DATA)),
            hold_out: size(args.hold_out, said.hold_out).unwrap_or(0),
            limit: size(args.limit, said.limit),
        }
    }
}

/// The training called `name`; without a name the only one, if there is one.
fn chosen<'a>(all: &'a [Training], name: Option<&str>, file: &Path) -> Result<Option<&'a Training>, Failure> {
    let names = || all.iter().map(|training| format!("`{}`", training.name)).collect::<Vec<_>>().join(", ");
    let wrong = |message: String, note: String| Err(Diagnostic::error(codes::ITEM, message).note(note).into());
    match (name, all) {
        (Some(name), _) => match all.iter().find(|training| training.name == name) {
            Some(training) => Ok(Some(training)),
            None => {
                let has = if all.is_empty() { "it has none".to_owned() } else { format!("it has {}", names()) };
                wrong(format!("`{}` has no training called `{name}`", file.display()), has)
            }
        },
        (None, [_, _, ..]) => {
            let message = format!("`{}` has {} trainings", file.display(), all.len());
            wrong(message, format!("choose one by --training: {}", names()))
        }
        (None, only) => Ok(only.first()),
    }
}

/// The optimizer and its greatest rate. What the source says of a rate is meant for the optimizer that it names.
fn optimizer(args: &TrainArgs, said: &Learning) -> (Optimizer, f32) {
    let declared = said.optimizer.unwrap_or(Descent::Sgd { momentum: None });
    let is_other = match args.optimizer {
        Some(OptimizerArg::Sgd) => declared == Descent::AdamW,
        Some(OptimizerArg::Adamw) => declared != Descent::AdamW,
        None => false,
    };
    let rate = args.rate.or_else(|| said.rate.filter(|_| !is_other).map(|rate| rate as f32));
    match (declared, is_other) {
        (Descent::Sgd { momentum }, false) => {
            (Optimizer::Sgd { momentum: real(args.momentum, momentum).unwrap_or(0.9) }, rate.unwrap_or(0.1))
        }
        (Descent::AdamW, true) => (Optimizer::Sgd { momentum: args.momentum.unwrap_or(0.9) }, rate.unwrap_or(0.1)),
        (Descent::AdamW, false) | (Descent::Sgd { .. }, true) => (Optimizer::AdamW, rate.unwrap_or(0.002)),
    }
}

fn schedule(given: Option<ScheduleArg>, said: Option<Decline>) -> Schedule {
    match (given, said) {
        (Some(ScheduleArg::Cosine), _) | (None, None | Some(Decline::Cosine)) => Schedule::Cosine,
        (Some(ScheduleArg::Constant), _) | (None, Some(Decline::Constant)) => Schedule::Constant,
        (Some(ScheduleArg::Step(every, factor)), _) => Schedule::Step { every, factor },
        (None, Some(Decline::Steps { every, factor })) => {
            Schedule::Step { every: u32::try_from(every).unwrap_or(u32::MAX), factor: factor as f32 }
        }
    }
}

fn real(given: Option<f32>, said: Option<f64>) -> Option<f32> {
    given.or_else(|| said.map(|said| said as f32))
}
