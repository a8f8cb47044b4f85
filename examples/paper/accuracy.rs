//! The accuracy tables of the paper on images of ten classes: the networks of `accuracy/*.cnas` are trained, each with the same
//! settings, and the results are told beside the printed ones. What a network came to is kept in a folder, so that an interrupted
//! run goes on.

pub mod proxies;
mod report;

use crate::study::search;
use cnasc::failure::{Failure, codes};
use cnasc::output::{make_folder, write_file};
use cnasc::sets::{self, Wanted};
use cnasc_base::{Diagnostic, Seed, Sources};
use cnasc_ir::Architecture;
use cnasc_ir::score::Score;
use cnasc_lower::lower;
use cnasc_place::{ScoreOptions, Workload, score};
use cnasc_search::draw;
use cnasc_train::data::Images;
use cnasc_train::{
    Augment, Network, Noise, Optimizer, Schedule, Settings, TrainError, Trainer, evaluate, initial_weights,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

/// Where the programs are.
const PROGRAMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/paper/accuracy");

/// Units that networks are scored on, as in Figure 2.
const UNITS: u32 = 4;

/// Every group of networks: its file, its search, and how the tables call it.
const GROUPS: [(&str, &str, &str); 10] = [
    ("table_1.cnas", "baseline", "baseline"),
    ("tables_5_6.cnas", "dp_24", "DP"),
    ("tables_2_3.cnas", "all_greedy", "DP, greedy"),
    ("table_1.cnas", "all_uniform", "DP, uniform"),
    ("tables_5_6.cnas", "er_24", "ER"),
    ("tables_5_6.cnas", "ba_24", "BA"),
    ("tables_5_6.cnas", "ws_24", "WS"),
    ("figure_2.cnas", "dp_any", "DP, other constants"),
    ("figure_2.cnas", "fb", "FB"),
    ("tables_2_3.cnas", "by_lot", "DP, probabilistic"),
];

/// How much of it: `-- accuracy [GROUP EPOCHS IMAGES THREADS [DATA [FOLDER]]]`.
#[derive(Debug)]
pub struct Extent {
    /// Networks a group.
    group: u64,
    /// How often every image is seen.
    epochs: u32,
    /// The first so many of the training images.
    images: usize,
    /// Networks that are trained beside each other.
    threads: u64,
    /// The images' folder.
    data: PathBuf,
    /// Where results are kept.
    kept: PathBuf,
}

impl Extent {
    /// From the words of the command line, with defaults for those that are missing.
    pub fn read(words: &[String]) -> Self {
        let number = |place: usize, usual: u64| words.get(place).and_then(|word| word.parse().ok()).unwrap_or(usual);
        let path = |place: usize, usual: &str| PathBuf::from(words.get(place).map_or(usual, String::as_str));
        Self {
            group: number(0, 6).max(2),
            epochs: number(1, 3) as u32,
            images: number(2, 10_000) as usize,
            threads: number(3, 2).max(1),
            data: path(4, "/usr/share/datasets/fashion-mnist"),
            kept: path(5, "results/paper"),
        }
    }

    fn settings(&self, seed: u64) -> Settings {
        Settings {
            epochs: self.epochs,
            batch: 64,
            optimizer: Optimizer::Sgd { momentum: 0.9 },
            rate: 0.05,
            schedule: Schedule::Cosine,
            warmup: 0.5,
            decay: 5e-4,
            smoothing: 0.0,
            mixup: 0.0,
            augment: Augment { shift: 0, flip: true, cutout: 0 },
            noise: Noise::default(),
            clip: Some(5.0),
            average: None,
            patience: None,
            seed,
        }
    }
}

/// One trained network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Trained {
    group: String,
    hash: String,
    /// In percent of the test images.
    accuracy: f64,
    params: u64,
    flops: u64,
    score: Score,
    seconds: f64,
}

/// A network to be trained, and with what seed.
struct Job {
    group: &'static str,
    architecture: Architecture,
    seed: u64,
}

impl Job {
    /// Where its result is kept.
    fn path(&self, extent: &Extent) -> PathBuf {
        let hash: String = self.architecture.hash().chars().filter(char::is_ascii_alphanumeric).take(24).collect();
        extent.kept.join(format!("{hash}-{}-{}-{}.json", self.seed, extent.epochs, extent.images))
    }
}

/// Trains what is not trained yet, and writes `accuracy.md` into `folder`.
pub fn study(sources: &mut Sources, extent: &Extent, folder: &Path) -> Result<(), Failure> {
    let jobs = jobs(sources, extent)?;
    let (train, test) = images(&jobs, extent)?;
    make_folder(&extent.kept)?;
    train_all(&jobs, extent, (&train, &test))?;
    report::write_all(&kept(&jobs, extent), jobs.len(), extent, folder)
}

/// Images to learn from and to test with, as the networks take them.
fn images(jobs: &[Job], extent: &Extent) -> Result<(Images, Images), Failure> {
    let shape = lower(&jobs[0].architecture).steps[0].shape;
    let sets = sets::read(&extent.data, Wanted { shape, seed: 1 })?;
    let fit = |images: &Images| {
        let unfit = |problem| Diagnostic::error(codes::IMAGE, format!("`{}`: {problem}", extent.data.display()));
        images.fit(shape).map_err(unfit)
    };
    Ok((fit(&sets.train.first(extent.images))?, fit(&sets.test)?))
}

/// Writes the same from what is kept already, and says how much is missing.
pub fn so_far(sources: &mut Sources, extent: &Extent, folder: &Path) -> Result<(), Failure> {
    let jobs = jobs(sources, extent)?;
    report::write_all(&kept(&jobs, extent), jobs.len(), extent, folder)
}

/// What is kept of the jobs, in their order.
fn kept<'a>(jobs: &'a [Job], extent: &Extent) -> Vec<(&'a Job, Trained)> {
    let one = |job: &'a Job| {
        let trained = read_kept(&job.path(extent))?;
        // Two groups may have the same network.
        Some((job, Trained { group: job.group.to_owned(), ..trained }))
    };
    jobs.iter().filter_map(one).collect()
}

fn read_kept(path: &Path) -> Option<Trained> {
    std::fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok())
}

fn jobs(sources: &mut Sources, extent: &Extent) -> Result<Vec<Job>, Failure> {
    let mut programs = BTreeMap::new();
    for (file, ..) in GROUPS {
        let path = Path::new(PROGRAMS).join(file);
        programs.insert(file, cnasc::pipeline::check(sources, &path)?.0);
    }
    let mut jobs = Vec::new();
    // Round by round, so that whatever is done when it is cut off has something of each group.
    for index in 0..extent.group {
        for (file, name, group) in GROUPS {
            let search = search(&programs[file], name)?;
            let seed = search.seed + index;
            let architecture = draw(&programs[file], &search.over, &BTreeMap::new(), seed)?.architecture;
            jobs.push(Job { group, architecture, seed });
        }
    }
    Ok(jobs)
}

fn train_all(jobs: &[Job], extent: &Extent, images: (&Images, &Images)) -> Result<(), Failure> {
    let next = Mutex::new(jobs.iter().enumerate());
    let work = || -> Result<(), Failure> {
        while let Some((place, job)) = next.lock().expect("nothing panics with it").next() {
            let one = train_kept(job, extent, images)?;
            eprintln!("{} of {}: {} {:.2} %, {:.0} s", place + 1, jobs.len(), one.group, one.accuracy, one.seconds);
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..extent.threads).map(|_| scope.spawn(work)).collect();
        running.into_iter().try_for_each(|thread| thread.join().expect("the work returns its errors"))
    })
}

/// What the folder has of the job, or else what training comes to, which is then kept there.
fn train_kept(job: &Job, extent: &Extent, images: (&Images, &Images)) -> Result<Trained, Failure> {
    let path = job.path(extent);
    if let Some(kept) = read_kept(&path) {
        // Two groups may have the same network.
        return Ok(Trained { group: job.group.to_owned(), ..kept });
    }
    let one = train(job, extent, images)
        .map_err(|error| Failure::running(codes::DIVERGED, format!("`{}`, seed {}: {error}", job.group, job.seed)))?;
    let text = serde_json::to_string_pretty(&one).expect("it has names for keys and no number that JSON lacks");
    write_file(&path, text.as_bytes())?;
    Ok(one)
}

fn train(job: &Job, extent: &Extent, (train, test): (&Images, &Images)) -> Result<Trained, TrainError> {
    let started = Instant::now();
    let graph = lower(&job.architecture);
    let network = Network::new(&graph, 1)?;
    let (settings, preprocess) = (extent.settings(job.seed), train.statistics());
    let trainer = Trainer::new(&network, &settings, &preprocess, train)?;
    let mut state = trainer.begin(initial_weights(&graph, job.seed));
    while !trainer.is_done(&state) {
        trainer.epoch(&mut state, &mut |_| ())?;
    }
    let found = evaluate(&network, state.result(), &preprocess, test, 100);
    let workload = Workload::new(&job.architecture, &graph).expect("the graph was lowered from this network");
    Ok(Trained {
        group: job.group.to_owned(),
        hash: job.architecture.hash().to_owned(),
        accuracy: 100.0 * f64::from(found.accuracy),
        params: graph.total_params(),
        flops: graph.total_flops(),
        score: score(&workload, UNITS, &ScoreOptions::new(Seed::new(job.seed).child("score"))),
        seconds: started.elapsed().as_secs_f64(),
    })
}
