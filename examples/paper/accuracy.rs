//! The accuracy tables of the paper on images of ten classes: the networks of `accuracy/*.cnas` are trained, each with the same
//! settings, and the results are told beside the printed ones. What a network came to is kept in a folder, so that an interrupted
//! run goes on.

use crate::published;
use crate::study::{moments, search};
use crate::write;
use cnasc::failure::{Failure, codes};
use cnasc::output::{make_folder, write_file};
use cnasc::sets;
use cnasc_base::{Diagnostic, Seed, Sources};
use cnasc_ir::Architecture;
use cnasc_ir::score::{Exponents, Score};
use cnasc_lower::lower;
use cnasc_place::score::with_unit;
use cnasc_place::{ScoreOptions, Workload, score};
use cnasc_search::draw;
use cnasc_train::data::Images;
use cnasc_train::{
    Augment, Network, Noise, Optimizer, Schedule, Settings, TrainError, Trainer, evaluate, initial_weights,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write;
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

/// Trains what is not trained yet, and writes `accuracy.md` into `folder`.
pub fn study(sources: &mut Sources, extent: &Extent, folder: &Path) -> Result<(), Failure> {
    let jobs = jobs(sources, extent)?;
    let sets = sets::read(&extent.data)?;
    let shape = lower(&jobs[0].architecture).steps[0].shape;
    let fit = |images: &Images| {
        let unfit = |problem| Diagnostic::error(codes::IMAGE, format!("`{}`: {problem}", extent.data.display()));
        images.fit(shape).map_err(unfit)
    };
    let (train, test) = (fit(&sets.train.first(extent.images))?, fit(&sets.test)?);
    make_folder(&extent.kept)?;
    let trained = train_all(&jobs, extent, (&train, &test))?;
    write(folder, "accuracy.md", &tables(&trained, extent, (train.len(), test.len())), std::iter::empty())
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

fn train_all(jobs: &[Job], extent: &Extent, images: (&Images, &Images)) -> Result<Vec<Trained>, Failure> {
    let next = Mutex::new(jobs.iter().enumerate());
    let done = Mutex::new(Vec::new());
    let work = || -> Result<(), Failure> {
        while let Some((place, job)) = next.lock().expect("nothing panics with it").next() {
            let one = train_kept(job, extent, images)?;
            eprintln!("{} of {}: {} {:.2} %, {:.0} s", place + 1, jobs.len(), one.group, one.accuracy, one.seconds);
            done.lock().expect("nothing panics with it").push((place, one));
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..extent.threads).map(|_| scope.spawn(work)).collect();
        running.into_iter().try_for_each(|thread| thread.join().expect("the work returns its errors"))
    })?;
    let mut done = done.into_inner().expect("nothing panics with it");
    done.sort_by_key(|(place, _)| *place);
    Ok(done.into_iter().map(|(_, one)| one).collect())
}

/// What the folder has of the job, or else what training comes to, which is then kept there.
fn train_kept(job: &Job, extent: &Extent, images: (&Images, &Images)) -> Result<Trained, Failure> {
    let hash: String = job.architecture.hash().chars().filter(char::is_ascii_alphanumeric).take(24).collect();
    let Extent { epochs, images: count, .. } = extent;
    let path = extent.kept.join(format!("{hash}-{}-{epochs}-{count}.json", job.seed));
    let kept = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<Trained>(&bytes).ok());
    if let Some(kept) = kept {
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

fn tables(all: &[Trained], extent: &Extent, (train, test): (usize, usize)) -> String {
    let mut out = String::from(
        "<!-- Written by `cargo run --release --features train --example paper -- accuracy`: change it there. -->\n",
    );
    let seconds: f64 = all.iter().map(|one| one.seconds).sum();
    let _ = writeln!(
        out,
        "\n{} networks a group, {} epochs of the first {train} training images, judged by {test} test images; {:.0} minutes of one core \
         (a core that others used too). Means with 95 % confidence intervals (Student's t) over the networks of a group, the \
         baseline's and FB's over seeds too; in brackets the paper's.",
        extent.group,
        extent.epochs,
        seconds / 60.0
    );
    let [unstaged, baseline] = [published::UNSTAGED[1], published::UNSTAGED[0]];
    heading(&mut out, "Table I: without staging (the paper's: CIFAR-10)");
    rows(&mut out, all, &[("baseline", Some((baseline, None))), ("DP, uniform", Some((unstaged, None)))]);
    heading(&mut out, "Tables II and III: staging (the paper's: Flower-102)");
    let [greedy, lot] = published::STAGINGS.map(|(accuracy, each)| Some((accuracy, Some(each))));
    rows(&mut out, all, &[("DP, greedy", greedy), ("DP, probabilistic", lot), ("DP, uniform", None)]);
    heading(&mut out, "Tables V and VI: families (the paper's: CIFAR-10)");
    let theirs = published::ACCURACY.map(|(mean, _, each)| Some((mean, Some(each))));
    let names = ["baseline", "ER", "BA", "WS", "DP"];
    let families: Vec<_> = names.into_iter().zip(theirs).collect();
    rows(&mut out, all, &families);
    differences(&mut out, all);
    figure(&mut out, all);
    out
}

fn heading(out: &mut String, text: &str) {
    let _ = writeln!(out, "\n## {text}\n");
}

/// A group and what is printed of it: its mean accuracy and, where it is, that a million parameters.
type Row<'a> = (&'a str, Option<(f64, Option<f64>)>);

fn rows(out: &mut String, all: &[Trained], rows: &[Row]) {
    out.push_str("| | mean accuracy, % | best, % | parameters, k | accuracy, % a k parameters |\n| --- | --- | --- | --- | --- |\n");
    for (name, theirs) in rows {
        let group: Vec<&Trained> = of(all, name).collect();
        let accuracy = Interval::of(group.iter().map(|one| one.accuracy));
        let each = Interval::of(group.iter().map(|one| one.accuracy * 1e3 / one.params as f64));
        let best = group.iter().map(|one| one.accuracy).fold(0.0, f64::max);
        let params = group.iter().map(|one| one.params as f64 / 1e3).sum::<f64>() / group.len().max(1) as f64;
        let printed = |value: Option<f64>| value.map_or_else(String::new, |value| format!(" ({value:.2})"));
        let _ = writeln!(
            out,
            "| {name} | {:.2} ± {:.2}{} | {best:.2} | {params:.1} | {:.2} ± {:.2}{} |",
            accuracy.mean,
            accuracy.half,
            printed(theirs.map(|theirs| theirs.0)),
            each.mean,
            each.half,
            printed(theirs.and_then(|theirs| theirs.1)),
        );
    }
}

fn of<'a>(all: &'a [Trained], name: &'a str) -> impl Iterator<Item = &'a Trained> + Clone {
    all.iter().filter(move |one| one.group == name)
}

/// Differences that the paper reports, with Welch's intervals.
fn differences(out: &mut String, all: &[Trained]) {
    let theirs = published::ACCURACY.map(|row| row.0);
    let [greedy, lot] = published::STAGINGS.map(|row| row.0);
    let pairs = [
        ("DP, probabilistic", "DP, greedy", lot - greedy),
        ("DP, uniform", "baseline", published::UNSTAGED[1] - published::UNSTAGED[0]),
        ("DP", "baseline", theirs[4] - theirs[0]),
        ("ER", "DP", theirs[1] - theirs[4]),
        ("DP", "BA", theirs[4] - theirs[2]),
        ("DP", "WS", theirs[4] - theirs[3]),
    ];
    heading(out, "Does it show?");
    out.push_str("| difference of means | here, points of % | the paper's | |\n| --- | --- | --- | --- |\n");
    for (a, b, printed) in pairs {
        let accuracies = |name| of(all, name).map(|one| one.accuracy).collect::<Vec<f64>>();
        let Interval { mean, half } = Interval::between(&accuracies(a), &accuracies(b));
        let verdict = match mean.abs() > half {
            false => "can't be told apart",
            true if (mean > 0.0) == (printed > 0.0) => "shows",
            true => "the other way round",
        };
        let _ = writeln!(out, "| {a} over {b} | {mean:+.2} ± {half:.2} | {printed:+.2} | {verdict} |");
    }
}

/// Accuracy against the score with one U_c, from the lowest score on.
fn figure(out: &mut String, all: &[Trained]) {
    let unit = all.iter().map(|one| one.score.unit).min().unwrap_or(1);
    let wanted = ["DP", "DP, other constants", "FB"];
    let mut points: Vec<(f64, &Trained)> = all
        .iter()
        .filter(|one| wanted.contains(&one.group.as_str()))
        .map(|one| (with_unit(&one.score, unit, Exponents::PAPER).cs, one))
        .collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    heading(out, "Figure 2: accuracy against CS on 4 units, one U_c for all");
    out.push_str("| | CS | accuracy, % | parameters, k |\n| --- | --- | --- | --- |\n");
    for (cs, one) in points {
        let _ = writeln!(out, "| {} | {cs:.2} | {:.2} | {:.1} |", one.group, one.accuracy, one.params as f64 / 1e3);
    }
}

/// A mean and half the width of its interval of 95 %.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Interval {
    mean: f64,
    half: f64,
}

impl Interval {
    /// Of independent values of one distribution, near to normal.
    fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let count = values.clone().count() as f64;
        let (mean, deviation) = moments(values);
        Self { mean, half: student(count - 1.0) * deviation / count.max(1.0).sqrt() }
    }

    /// Of the difference of two means, Welch, Biometrika 34, 1947.
    fn between(a: &[f64], b: &[f64]) -> Self {
        let [(mean_a, part_a), (mean_b, part_b)] = [a, b].map(|values| {
            let (mean, deviation) = moments(values.iter().copied());
            (mean, deviation * deviation / values.len().max(1) as f64)
        });
        let square = |part: f64, count: usize| part * part / (count as f64 - 1.0).max(1.0);
        let below = square(part_a, a.len()) + square(part_b, b.len());
        let freedom = if below > 0.0 { (part_a + part_b) * (part_a + part_b) / below } else { f64::INFINITY };
        Self { mean: mean_a - mean_b, half: student(freedom) * (part_a + part_b).sqrt() }
    }
}

/// The 97.5th percentile of Student's t with so many degrees of freedom, by the expansion in their inverse (Abramowitz and Stegun,
/// 26.7.5) from 4 on, where it errs by less than 0.5 %, and exact values below, each for what is at least as much.
fn student(freedom: f64) -> f64 {
    let exact = [12.706, 4.303, 3.182];
    if freedom < 4.0 {
        return exact[(freedom.max(1.0) as usize - 1).min(2)];
    }
    let x = 1.959_964_f64;
    let (cube, fifth) = (x * x * x, x * x * x * x * x);
    let (seventh, v) = (fifth * x * x, freedom);
    x + (cube + x) / (4.0 * v)
        + (5.0 * fifth + 16.0 * cube + 3.0 * x) / (96.0 * v * v)
        + (3.0 * seventh + 19.0 * fifth + 17.0 * cube - 15.0 * x) / (384.0 * v * v * v)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (freedom, expect) in [(1.0, 12.706), (3.0, 3.182), (5.0, 2.571), (10.0, 2.228), (30.0, 2.042)] {
            assert!((student(freedom) / expect - 1.0).abs() < 5e-3, "{freedom}: {}", student(freedom));
        }
        assert!((student(f64::INFINITY) - 1.96).abs() < 1e-3);
    }

    #[test]
    fn intervals_by_hand() {
        let one = Interval::of([1.0, 2.0, 3.0].into_iter());
        // s = 1, t = 4.303 with two degrees of freedom.
        assert!((one.mean - 2.0).abs() < 1e-12 && (one.half - 4.303 / 3.0_f64.sqrt()).abs() < 1e-9);
        let two = Interval::between(&[1.0, 2.0, 3.0], &[2.0, 3.0, 4.0]);
        // Equal variances and sizes: four degrees of freedom, both means' variances 1/3.
        assert!((two.mean + 1.0).abs() < 1e-12 && (two.half - 2.776 * (2.0_f64 / 3.0).sqrt()).abs() < 2e-2);
    }
}
