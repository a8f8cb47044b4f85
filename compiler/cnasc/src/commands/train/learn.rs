//! A run from its options to its files.

use super::events;
use super::metrics::{self, Row};
use super::recipe::Recipe;
use crate::Session;
use crate::cli::TrainArgs;
use crate::exchange::read_weights;
use crate::failure::{Exit, Failure, codes};
use crate::output::{make_folder, write_file};
use crate::sets::{self, Sets, Wanted};
use crate::{model, pipeline};
use cnasc_base::Diagnostic;
use cnasc_ir::architecture::Preprocess;
use cnasc_ir::{Architecture, TensorGraph, Weights};
use cnasc_train::data::Images;
use cnasc_train::{Evaluation, Network, Settings, State, TrainError, Trainer, checkpoint, evaluate, initial_weights};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Images that are classified at once where nothing is learnt.
const JUDGED_AT_ONCE: usize = 100;

#[derive(Debug, Serialize)]
struct Report<'a> {
    network: &'a str,
    hash: &'a str,
    params: u64,
    train_images: usize,
    test_images: usize,
    epochs: &'a [Row],
    test_loss: f32,
    test_accuracy: f32,
    architecture: PathBuf,
    weights: PathBuf,
    metrics: PathBuf,
}

/// Where a run's files are.
struct Files {
    architecture: PathBuf,
    weights: PathBuf,
    metrics: PathBuf,
    checkpoint: PathBuf,
}

impl Files {
    fn of(folder: &Path, network: &str) -> Self {
        Self {
            architecture: folder.join(format!("{network}.arch.json")),
            weights: folder.join(format!("{network}.safetensors")),
            metrics: folder.join("metrics.csv"),
            checkpoint: folder.join("checkpoint.safetensors"),
        }
    }
}

/// What stays the same from epoch to epoch.
struct Run<'a> {
    trainer: Trainer<'a>,
    network: &'a Network,
    settings: &'a Settings,
    preprocess: &'a Preprocess,
    train: &'a Images,
    judges: &'a Images,
    files: &'a Files,
    identity: String,
}

/// Reads, learns, and writes.
pub fn run(session: &mut Session, args: &TrainArgs) -> Result<Exit, Failure> {
    let (mut architecture, loaded) = model::load_one(session, &args.file, &args.draw)?;
    let recipe = Recipe::of(args, loaded.program.as_ref())?;
    if let Some(name) = &recipe.name {
        session.output.remark(&format!("as the training `{name}` says"));
    }
    let (graph, _) = pipeline::analyse(&architecture)?;
    let network = network(&graph, threads(args), &recipe).map_err(|error| failure(&architecture, &error))?;
    let wanted = Wanted { shape: network.input(), seed: recipe.settings.seed };
    let (train, held, test) = images(&recipe, &sets::read(&recipe.data, wanted)?, &network)?;
    if architecture.preprocess == Preprocess::default() {
        architecture.preprocess = train.statistics();
    }
    let settings = recipe.settings.clone();
    let judges = if held.is_empty() { &test } else { &held };
    make_folder(&args.output_dir)?;
    let files = Files::of(&args.output_dir, &architecture.name);
    let trainer = Trainer::new(&network, &settings, &architecture.preprocess, &train);
    let run = Run {
        trainer: trainer.map_err(|error| failure(&architecture, &error))?,
        network: &network,
        settings: &settings,
        preprocess: &architecture.preprocess,
        train: &train,
        judges,
        files: &files,
        identity: identity(args, &architecture, &recipe, &train),
    };
    let first = first_weights(args, &graph, settings.seed)?;
    let state = run.state(session, args, first)?;
    let rows = metrics::read(&files.metrics, state.epoch);
    let (state, rows) = run.epochs(session, state, rows).map_err(|error| match error {
        Stop::Failed(failure) => failure,
        Stop::Error(error) => failure(&architecture, &error),
    })?;
    let bytes = cnasc_onnx::weights::write(&graph, state.result());
    let bytes = bytes.map_err(|error| Failure::running(codes::EXPORT, error.to_string()))?;
    write_file(&files.weights, &bytes)?;
    write_file(&files.architecture, architecture.to_json().as_bytes())?;
    let found = run.evaluate(&state, &test);
    report(session, &architecture, &graph, &files, (&rows, &train, &test), &found);
    Ok(Exit::Done)
}

/// The share of right answers of a network that learns on one thread as the recipe says: among the images that it holds out, or else the test images.
///
/// # Errors
/// Where the images are not the network's, it can't be trained, or does not learn.
pub fn accuracy(architecture: &Architecture, recipe: &Recipe, sets: &Sets) -> Result<f64, Failure> {
    let failed = |error: TrainError| failure(architecture, &error);
    let (graph, _) = pipeline::analyse(architecture)?;
    let network = network(&graph, 1, recipe).map_err(failed)?;
    let (train, held, test) = images(recipe, sets, &network)?;
    let judges = if held.is_empty() { &test } else { &held };
    let preprocess = if architecture.preprocess == Preprocess::default() {
        train.statistics()
    } else {
        architecture.preprocess.clone()
    };
    let trainer = Trainer::new(&network, &recipe.settings, &preprocess, &train).map_err(failed)?;
    let mut state = trainer.begin(initial_weights(&graph, recipe.settings.seed));
    let judge = |state: &State| evaluate(&network, state.result(), &preprocess, judges, JUDGED_AT_ONCE).accuracy;
    while !trainer.is_done(&state) {
        trainer.epoch(&mut state, &mut |_| ()).map_err(failed)?;
        // Nobody ends early who is not judged on the way.
        if recipe.settings.patience.is_some() {
            let found = judge(&state);
            state.judge(found);
        }
    }
    Ok(judge(&state).into())
}

/// Why a run ends early.
enum Stop {
    Failed(Failure),
    Error(TrainError),
}

impl Run<'_> {
    /// Where the folder's run is, or else the beginning.
    fn state(&self, session: &Session, args: &TrainArgs, weights: Weights) -> Result<State, Failure> {
        let fresh = self.trainer.begin(weights);
        if args.anew || !self.files.checkpoint.exists() {
            return Ok(fresh);
        }
        let path = &self.files.checkpoint;
        let bytes = std::fs::read(path).map_err(|error| Failure::unreadable(path, &error))?;
        let read = checkpoint::read(&bytes, self.network.graph(), &self.identity, &fresh);
        let state = read.map_err(|problem| {
            let message = format!("`{}` {problem}", path.display());
            let note =
                "give the options that it was begun with, or another folder, or --anew to begin again in this one";
            Failure::input(Diagnostic::error(codes::CHECKPOINT, message).note(note))
        })?;
        session.output.remark(&format!("going on after epoch {} of `{}`", state.epoch, path.display()));
        Ok(state)
    }

    fn epochs(&self, session: &Session, mut state: State, mut rows: Vec<Row>) -> Result<(State, Vec<Row>), Stop> {
        let began = (Instant::now(), state.epoch);
        while !self.trainer.is_done(&state) {
            let bar = self.progress(session, state.epoch);
            let started = Instant::now();
            let learnt = self.trainer.epoch(&mut state, &mut |step| bar.set_position(step)).map_err(Stop::Error)?;
            bar.finish_and_clear();
            let seconds = started.elapsed().as_secs_f64();
            let found = self.evaluate(&state, self.judges);
            state.judge(found.accuracy);
            let seen = self.trainer.steps() as f64 * self.settings.batch.min(self.train.len()) as f64;
            let row = Row {
                epoch: state.epoch,
                learning_rate: learnt.rate,
                train_loss: learnt.loss,
                train_accuracy: learnt.accuracy,
                loss: found.loss,
                accuracy: found.accuracy,
                seconds,
                images_per_second: seen / seconds,
            };
            session.output.remark(&self.line(&row, began));
            rows.push(row);
            self.keep(&state, &rows).map_err(Stop::Failed)?;
        }
        Ok((state, rows))
    }

    fn progress(&self, session: &Session, epoch: u32) -> ProgressBar {
        if !session.output.shows_progress() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new(self.trainer.steps());
        if let Ok(style) = ProgressStyle::with_template("epoch {msg} {bar:30} {pos}/{len} steps, {eta} left of it") {
            bar.set_style(style);
        }
        bar.set_message(format!("{} of {}", epoch + 1, self.settings.epochs));
        bar
    }

    /// A line about an epoch, with the time that the rest will take.
    fn line(&self, row: &Row, (began, first): (Instant, u32)) -> String {
        let done = row.epoch - first;
        let rest = began.elapsed().as_secs_f64() / f64::from(done.max(1)) * f64::from(self.settings.epochs - row.epoch);
        format!(
            "epoch {} of {}: loss {:.4}, {:.2} % of what it was shown, {:.2} % of what it is judged by, {:.0} images/s, {} left",
            row.epoch,
            self.settings.epochs,
            row.train_loss,
            100.0 * row.train_accuracy,
            100.0 * row.accuracy,
            row.images_per_second,
            duration(rest),
        )
    }

    fn keep(&self, state: &State, rows: &[Row]) -> Result<(), Failure> {
        let bytes = checkpoint::write(self.network.graph(), state, &self.identity);
        write_file(&self.files.checkpoint, &bytes.map_err(|error| Failure::running(codes::EXPORT, error))?)?;
        write_file(&self.files.metrics.with_file_name(events::NAME), &events::file(rows))?;
        metrics::write(&self.files.metrics, rows)
    }

    fn evaluate(&self, state: &State, images: &Images) -> Evaluation {
        evaluate(self.network, state.result(), self.preprocess, images, JUDGED_AT_ONCE)
    }
}

/// Images to learn from, held out, and to test with, as the network takes them.
fn images(recipe: &Recipe, sets: &Sets, network: &Network) -> Result<(Images, Images, Images), Failure> {
    let Sets { train, test } = sets;
    let fit = |images: &Images| {
        let unfit = |problem| Diagnostic::error(codes::IMAGE, format!("`{}`: {problem}", recipe.data.display()));
        images.fit(network.input()).map_err(unfit)
    };
    let train = recipe.limit.map_or_else(|| train.clone(), |limit| train.first(limit));
    let (train, test) = (fit(&train)?, fit(test)?);
    if recipe.hold_out >= train.len() {
        let message = format!("--hold-out {} leaves none of {} images to learn from", recipe.hold_out, train.len());
        return Err(Failure::usage(Diagnostic::error(codes::OPTION, message)));
    }
    let (train, held) = sets::hold_out(&train, recipe.hold_out, recipe.settings.seed);
    Ok((train, held, test))
}

fn first_weights(args: &TrainArgs, graph: &TensorGraph, seed: u64) -> Result<Weights, Failure> {
    match &args.weights {
        Some(path) => read_weights(path, graph),
        None => Ok(initial_weights(graph, seed)),
    }
}

/// The network, to be computed as the recipe says.
fn network(graph: &TensorGraph, threads: usize, recipe: &Recipe) -> Result<Network, TrainError> {
    let mut network = Network::new(graph, threads)?;
    if recipe.on_gpu {
        network = network.on_gpu()?;
    }
    if recipe.is_mixed { network.mixed() } else { Ok(network) }
}

/// Says at once what all networks of a kind would be refused for: that this program has not what the recipe asks for.
///
/// # Errors
/// Where it has not, or this network can't be lowered.
pub fn afford(architecture: &Architecture, recipe: &Recipe) -> Result<(), Failure> {
    let (graph, _) = pipeline::analyse(architecture)?;
    match network(&graph, 1, recipe) {
        Err(error @ TrainError::Absent(_)) => Err(failure(architecture, &error)),
        // What is wrong with one network need not be with others.
        _ => Ok(()),
    }
}

/// What must be the same where a run goes on.
fn identity(args: &TrainArgs, architecture: &Architecture, recipe: &Recipe, images: &Images) -> String {
    let Recipe { settings, is_mixed, .. } = recipe;
    let precision = if *is_mixed { " mixed" } else { "" };
    let weights = args.weights.as_ref().map_or_else(String::new, |path| path.display().to_string());
    let sum = images.pixels.iter().fold(0_u64, |sum, &pixel| sum.wrapping_mul(31).wrapping_add(pixel.into()));
    format!("{} {settings:?} {} images {sum:x} {weights}{precision}", architecture.hash(), images.len())
}

fn failure(architecture: &Architecture, error: &TrainError) -> Failure {
    match error {
        TrainError::Lacks { node, operator } => {
            let name = &architecture.node(*node).name;
            let message = format!("training lacks `{operator}`, which node `{name}` has");
            Failure::input(Diagnostic::error(codes::UNTRAINABLE, message))
        }
        TrainError::Absent(_) => {
            let note =
                "`--backend cpu --precision single` does without; `cnasc explain E0614` tells how to build it in";
            Failure::usage(Diagnostic::error(codes::ABSENT, error.to_string()).note(note))
        }
        TrainError::Unfit(problem) => {
            Failure::input(Diagnostic::error(codes::UNTRAINABLE, format!("`{}`: {problem}", architecture.name)))
        }
        TrainError::Diverged { .. } => {
            let diagnostic = Diagnostic::error(codes::DIVERGED, format!("`{}`: {error}", architecture.name));
            let note = "a lower --rate, a longer --warmup or a --clip may help; the checkpoint is of the epoch before";
            Failure { diagnostics: diagnostic.note(note).into(), exit: Exit::Running }
        }
    }
}

fn report(
    session: &Session,
    architecture: &Architecture,
    graph: &TensorGraph,
    files: &Files,
    (rows, train, test): (&[Row], &Images, &Images),
    found: &Evaluation,
) {
    let report = Report {
        network: &architecture.name,
        hash: architecture.hash(),
        params: graph.total_params(),
        train_images: train.len(),
        test_images: test.len(),
        epochs: rows,
        test_loss: found.loss,
        test_accuracy: found.accuracy,
        architecture: files.architecture.clone(),
        weights: files.weights.clone(),
        metrics: files.metrics.clone(),
    };
    if session.output.is_json() {
        session.output.json(&report);
        return;
    }
    session.output.text(&format!(
        "{}: {:.2} % of {} test images after {} epochs\n{}\n{}\n{}\n",
        report.network,
        100.0 * report.test_accuracy,
        report.test_images,
        rows.last().map_or(0, |row| row.epoch),
        report.architecture.display(),
        report.weights.display(),
        report.metrics.display(),
    ));
}

/// `1 h 5 min`, `3 min`, `20 s`.
fn duration(seconds: f64) -> String {
    let seconds = Duration::from_secs_f64(seconds.clamp(0.0, 1e9)).as_secs();
    match seconds {
        0..=89 => format!("{seconds} s"),
        90..=5399 => format!("{} min", (seconds + 30) / 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

fn threads(args: &TrainArgs) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    args.threads.map_or_else(cores, usize::from)
}
