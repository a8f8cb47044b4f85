//! The accuracy tables of the paper: the networks of `accuracy/*.cnas` are trained, each with the same
//! settings, and the results are told beside the printed ones. What a network came to is kept in a folder, so that an interrupted
//! run goes on.

pub mod proxies;
mod report;

use crate::study::search;
use cnasc::failure::{Failure, codes};
use cnasc::output::{make_folder, write_file};
use cnasc::sets::{self, Wanted};
use cnasc_base::{Diagnostic, Seed, Sources};
use cnasc_expand::space::Setting;
use cnasc_ir::score::Score;
use cnasc_ir::{Architecture, Shape};
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

/// Of which images, and how much of it.
#[derive(Debug, clap::Parser)]
#[command(name = "paper -- accuracy", about = "Trains the networks of the paper's accuracy tables")]
pub struct Extent {
    /// Networks a group.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(2..=1000))]
    group: u64,
    /// How often every image is seen.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: u32,
    /// The first so many of the training images.
    #[arg(long, default_value_t = 10_000)]
    images: usize,
    /// Networks that are trained beside each other.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=256))]
    threads: u64,
    /// The images' folder, such as one with the archive of CIFAR-10 or the files of Flower-102, as `cnasc train --data` takes it.
    #[arg(long, value_name = "DIR", default_value = "/usr/share/datasets/fashion-mnist")]
    data: PathBuf,
    /// Pixels that images are wide and high: smaller ones get a black edge, pictures are scaled.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1024))]
    size: u32,
    /// Where results are kept; those of other images need a folder of their own.
    #[arg(long, value_name = "DIR", default_value = "results/paper")]
    kept: PathBuf,
    /// Where tables and pictures go.
    #[arg(short, long, value_name = "DIR", default_value = super::FOLDER)]
    pub output_dir: PathBuf,
}

impl Extent {
    /// From the words of the command line; ends the process where they are wrong.
    pub fn read(words: &[String]) -> Self {
        clap::Parser::parse_from(std::iter::once("paper -- accuracy").chain(words.iter().map(String::as_str)))
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

/// Trains what is not trained yet, and writes `accuracy.md`.
pub fn study(sources: &mut Sources, extent: &Extent) -> Result<(), Failure> {
    let (train, test) = images(extent)?;
    let jobs = jobs(sources, extent, (&train, &test))?;
    make_folder(&extent.kept)?;
    train_all(&jobs, extent, (&train, &test))?;
    report::write_all(&kept(&jobs, extent), jobs.len(), extent)
}

/// Images to learn from and to test with, as the networks take them.
fn images(extent: &Extent) -> Result<(Images, Images), Failure> {
    let (height, width) = (extent.size, extent.size);
    let sets = sets::read(&extent.data, Wanted { shape: Shape { channels: 3, height, width }, seed: 1 })?;
    let shape = Shape { height, width, ..sets.train.shape };
    let fit = |images: &Images| {
        let unfit = |problem| Diagnostic::error(codes::IMAGE, format!("`{}`: {problem}", extent.data.display()));
        images.fit(shape).map_err(unfit)
    };
    Ok((fit(&sets.train.first(extent.images))?, fit(&sets.test)?))
}

/// Writes the same from what is kept already, and says how much is missing.
pub fn so_far(sources: &mut Sources, extent: &Extent) -> Result<(), Failure> {
    let (train, test) = images(extent)?;
    let jobs = jobs(sources, extent, (&train, &test))?;
    report::write_all(&kept(&jobs, extent), jobs.len(), extent)
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

/// The networks, for these images.
fn jobs(sources: &mut Sources, extent: &Extent, (train, test): (&Images, &Images)) -> Result<Vec<Job>, Failure> {
    let mut programs = BTreeMap::new();
    for (file, ..) in GROUPS {
        let path = Path::new(PROGRAMS).join(file);
        programs.insert(file, cnasc::pipeline::check(sources, &path)?.0);
    }
    let classes = train.classes().max(test.classes()) as i64;
    let (channels, size) = (train.shape.channels.into(), train.shape.height.into());
    let settings = [("channels", channels), ("classes", classes), ("size", size)];
    let settings = settings.map(|(name, value)| (name.to_owned(), Setting::Int(value))).into();
    let mut jobs = Vec::new();
    // Round by round, so that whatever is done when it is cut off has something of each group.
    for index in 0..extent.group {
        for (file, name, group) in GROUPS {
            let search = search(&programs[file], name)?;
            let seed = search.seed + index;
            let architecture = draw(&programs[file], &search.over, &settings, seed)?.architecture;
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{read_to_string, write};

    fn extent(words: &[&str]) -> Extent {
        Extent::read(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn networks_are_those_of_the_images() {
        let shape = Shape { channels: 3, height: 64, width: 64 };
        let flowers = Images { shape, pixels: vec![0; 3 * 64 * 64], labels: vec![101] };
        let jobs = jobs(&mut Sources::default(), &extent(&["--group", "2"]), (&flowers, &flowers));
        let jobs = jobs.unwrap_or_else(|failure| panic!("{:?}", failure.diagnostics));
        assert_eq!(jobs.len(), 20);
        for Job { architecture, .. } in jobs {
            assert_eq!(architecture.input(), shape);
            assert_eq!(architecture.nodes.last().map(|node| node.shape.channels), Some(102));
        }
    }

    /// All of it on a few images in CIFAR-10's own form, each class of one brightness.
    #[test]
    fn a_set_in_colours_is_learnt() {
        let folder = tempfile::tempdir().expect("a folder");
        let images: Vec<u8> =
            (0..20_u8).flat_map(|index| [index % 10].into_iter().chain([25 * (index % 10); 3072])).collect();
        for name in ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"] {
            write(folder.path().join(format!("{name}.bin")), &images).expect("a file");
        }
        let here = folder.path().display().to_string();
        let kept = folder.path().join("kept").display().to_string();
        let words = ["--group", "2", "--epochs", "1", "--images", "64", "--data", &here, "--kept", &kept, "-o", &here];
        for study in [study, so_far] {
            study(&mut Sources::default(), &extent(&words))
                .unwrap_or_else(|failure| panic!("{:?}", failure.diagnostics));
            let told = read_to_string(folder.path().join("accuracy.md")).expect("it was written");
            assert!(told.contains(&format!("64 training images of `{here}`, 32 pixels wide")), "{told}");
            assert!(!told.contains("none yet") && !told.contains("Not whole"), "{told}");
        }
    }
}
