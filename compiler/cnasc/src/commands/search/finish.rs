//! The best candidates made real: compiled for their fleet, run on real images, checked, and the winner written down.

use super::{Found, folder};
use crate::Session;
use crate::cli::SearchArgs;
use crate::commands::run::{check, infer, largest, start};
use crate::failure::{Failure, codes};
use crate::images::{Idx, Input, class_names};
use crate::output::{make_folder, write_file};
use crate::pipeline;
use cnasc_bundle::Bundle;
use cnasc_fleet::measure::latency;
use cnasc_ir::fleet::Backend;
use cnasc_ir::{Architecture, Shape};
use cnasc_place::Strategy;
use cnasc_search::{Candidate, Study, draw};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Images that every measured candidate classifies, each answer checked against the reference.
const IMAGES: usize = 8;
/// Inferences before and during a measurement.
pub const WARMUP: usize = 20;
pub const RUNS: usize = 100;

/// What was measured of the best, and what the winner says of the first image.
#[derive(Debug)]
pub struct Measured {
    /// One for each of the first ranked candidates.
    pub rows: Vec<Row>,
    /// The winner's answer to the first image.
    pub answer: FirstAnswer,
    /// Where the winner's files are.
    pub files: Vec<PathBuf>,
    /// How many images each was checked on.
    pub images: usize,
    /// Whether they were real ones.
    pub real: bool,
}

/// One candidate's latencies, in seconds.
#[derive(Debug)]
pub struct Row {
    /// Predicted for the whole network on the fastest device of the fleet.
    pub predicted_single: f64,
    /// Measured on one thread.
    pub measured_single: f64,
    /// Predicted for its balanced partition over all devices.
    pub predicted_spread: f64,
    /// Measured for that, the devices sharing the cores of this machine.
    pub measured_spread: f64,
    /// How many devices that uses: fewer than there are where links are missing or devices too unequal.
    pub spread_over: usize,
    /// Predicted for the best plan.
    pub predicted_best: f64,
    /// How many devices the best plan uses.
    pub used: usize,
    /// The largest difference to the reference, relative to its largest output.
    pub difference: f64,
}

/// The winner's answer to one image.
#[derive(Debug)]
pub struct FirstAnswer {
    /// The image.
    pub image: String,
    /// The class with the largest output, and its name.
    pub class: usize,
    /// What the classes are called; may be empty.
    pub names: Vec<String>,
    /// The class it belongs to.
    pub label: Option<usize>,
}

/// What the best are run on: real images where there are any of the network's size, else noise.
#[derive(Debug)]
pub enum Images {
    /// Images, and what their classes are called.
    Real {
        /// The images.
        set: Idx,
        /// May be empty.
        names: Vec<String>,
    },
    /// Uniform noise, and why.
    Noise {
        /// As a remark.
        why: String,
    },
}

impl Images {
    /// Looks for them before the search begins, so that nothing is searched in vain.
    ///
    /// # Errors
    /// Where the folder that `--data` names has none that fit.
    pub fn find(args: &SearchArgs, study: &Study<'_>) -> Result<Self, Failure> {
        let folder = args.data.clone().unwrap_or_else(|| args.file.parent().unwrap_or(Path::new(".")).join("data"));
        let set = Idx::of_folder(&folder).and_then(|set| {
            // The input of a family seldom depends on its variables; an image that does not fit a candidate is found again below.
            let first = (0..20).find_map(|seed| draw(study.program(), study.over(), &BTreeMap::new(), seed).ok());
            first.map_or(Ok(()), |draw| set.input(0, draw.architecture.input()).map(|_| ()))?;
            Ok(set)
        });
        match set {
            Ok(set) => Ok(Self::Real { set, names: class_names(&folder) }),
            Err(failure) if args.data.is_some() => Err(failure),
            Err(failure) => {
                let first = failure.diagnostics.iter().next().map_or_else(String::new, |found| found.message.clone());
                Ok(Self::Noise {
                    why: format!("no real images: {first}; the best are run on noise (--data DIR names a folder)"),
                })
            }
        }
    }

    /// Some inputs of this shape.
    fn inputs(&self, shape: Shape) -> Result<Vec<Input>, Failure> {
        match self {
            Self::Real { set, .. } => (0..set.count().min(IMAGES)).map(|index| set.input(index, shape)).collect(),
            Self::Noise { .. } => Ok((0..IMAGES as u64).map(|index| Input::noise(shape, index)).collect()),
        }
    }

    fn names(&self) -> &[String] {
        match self {
            Self::Real { names, .. } => names,
            Self::Noise { .. } => &[],
        }
    }
}

/// Compiles, runs and checks the best candidates, and writes the winner's files.
pub fn measure(
    session: &mut Session,
    args: &SearchArgs,
    found: &Found<'_>,
    images: &Images,
) -> Result<Measured, Failure> {
    if let Images::Noise { why } = images {
        session.output.remark(&format!("note: {why}"));
    }
    let mut rows = Vec::new();
    let mut first = None;
    for candidate in found.outcome.ranked.iter().take(args.top.into()) {
        session
            .output
            .remark(&format!("measuring candidate {} (seed {})", candidate.proposal.index, candidate.proposal.seed));
        let placed = Placed::new(found, candidate)?;
        let inputs = images.inputs(placed.spread.input())?;
        let (row, answer) = measure_one(&placed, &inputs, images.names())?;
        rows.push(row);
        first = first.or(Some((placed, answer, inputs.len())));
    }
    let (winner, answer, images_used) = first.expect("at least one candidate is ranked and `--top` is at least 1");
    let files = winner.write(&folder(args, found.search))?;
    Ok(Measured { rows, answer, files, images: images_used, real: matches!(images, Images::Real { .. }) })
}

/// A candidate, drawn again from its seed and placed in the three ways that are compared.
struct Placed {
    architecture: Architecture,
    /// Its balanced partition, which spreads whether or not that pays, so that both sides of the question are seen.
    spread: Bundle,
    single: Bundle,
    best: Bundle,
}

impl Placed {
    fn new(found: &Found<'_>, candidate: &Candidate) -> Result<Self, Failure> {
        let drawn = candidate.proposal.draw(found.study.program(), found.study.over())?;
        let architecture = drawn.architecture;
        let compile = |strategy: Strategy| pipeline::compile(&architecture, found.study.fleet(), strategy, None);
        let (spread, single) = (compile(Strategy::Hypergraph)?, compile(Strategy::Single)?);
        Ok(Self { spread, single, best: compile(Strategy::Best)?, architecture })
    }

    /// Writes the picture of the balanced partition, which the score is about, the architecture, and the bundle of the best plan,
    /// which is to be run.
    fn write(&self, folder: &Path) -> Result<Vec<PathBuf>, Failure> {
        let picture = cnasc_lower::export::svg(&self.architecture, Some((&self.spread.plan, &self.spread.fleet)));
        let files = [
            (folder.join("best.svg"), picture.into_bytes()),
            (folder.join("best.arch.json"), self.architecture.to_json().into_bytes()),
            (folder.join("best.bundle"), self.best.write()),
        ];
        make_folder(folder)?;
        let mut written = Vec::new();
        for (path, bytes) in files {
            write_file(&path, &bytes)?;
            written.push(path);
        }
        Ok(written)
    }
}

/// How many devices compute anything.
fn used(bundle: &Bundle) -> usize {
    bundle.plan.order.iter().filter(|nodes| !nodes.is_empty()).count()
}

/// Runs the balanced partition on the inputs, checks every answer, and measures it and the whole on one device.
fn measure_one(placed: &Placed, inputs: &[Input], names: &[String]) -> Result<(Row, FirstAnswer), Failure> {
    let Placed { spread, single, best, .. } = placed;
    let mut fleet = start(spread)?;
    let mut alone = pipeline::whole(spread, Backend::Jit)?;
    let mut oracle = pipeline::whole(spread, Backend::Reference)?;
    let mut difference = 0.0_f64;
    let mut first = None;
    for input in inputs {
        let answer = infer(&mut fleet, spread, input)?;
        difference = difference.max(check(&mut oracle, spread, input, &answer)?);
        let class = largest(&answer.output);
        first = first.or_else(|| {
            let names = names.to_vec();
            Some(FirstAnswer { image: input.name.clone(), class, names, label: input.label })
        });
    }
    let (Some(first), Some(input)) = (first, inputs.first()) else {
        return Err(Failure::running(codes::RUN, "the set of images is empty"));
    };
    let image = pipeline::prepare(spread, input)?;
    let failed = |error: cnasc_fleet::FleetError| Failure::running(codes::RUN, error.to_string());
    let row = Row {
        predicted_single: single.plan.latency,
        measured_single: latency(&mut alone, &image, WARMUP, RUNS).map_err(failed)?.median,
        predicted_spread: spread.plan.latency,
        measured_spread: latency(&mut fleet, &image, WARMUP, RUNS).map_err(failed)?.median,
        predicted_best: best.plan.latency,
        spread_over: used(spread),
        used: used(best),
        difference,
    };
    Ok((row, first))
}
