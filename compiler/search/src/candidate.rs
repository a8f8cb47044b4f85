//! One candidate: drawn, measured and held against the constraints, the cheapest figure first.

use crate::constraint::violation;
use crate::study::Study;
use cnasc_base::{Diagnostic, Seed};
use cnasc_expand::expand;
use cnasc_expand::space::{self, Setting};
use cnasc_ir::program::{Make, Measure, Program};
use cnasc_ir::score::Score;
use cnasc_ir::{Architecture, Fleet, Plan, TensorGraph};
use cnasc_lower::lower;
use cnasc_place::{ScoreOptions, Strategy, Workload, memory, plan, score, structure, verify};
use std::collections::BTreeMap;

/// A candidate's identity and figures, small enough to keep thousands of; [`draw`] makes its network again.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Its place in the study, from 0.
    pub index: u64,
    /// The number that reproduces it.
    pub seed: u64,
    /// Its network's arguments, search variables with the values they took.
    pub arguments: BTreeMap<String, String>,
    /// Its architecture's hash.
    pub hash: String,
    /// What it measures.
    pub figures: Figures,
}

/// The figures of a candidate in base units; [`Measure`] says what each one is.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// What is counted in the network alone.
    pub counts: Counts,
    /// [`Measure::ConcurrencyScore`] and its parts
    pub score: Score,
    /// [`Measure::Latency`]
    pub latency: f64,
    /// [`Measure::Memory`]
    pub memory: u64,
    /// [`Measure::Communication`]
    pub communication: u64,
}

/// What became of one candidate.
#[derive(Debug, Clone, PartialEq)]
pub enum Evaluated {
    /// It keeps every constraint.
    Feasible(Box<Candidate>),
    /// It breaks a constraint; nothing dearer than what showed it was computed.
    Infeasible {
        /// What it misses of the broken constraints of one cost, as shares of their limits, summed.
        violation: f64,
        /// The first constraint that it breaks.
        broken: Measure,
    },
    /// Its arguments give no network, or no network that fits the fleet.
    Impossible(Box<Diagnostic>),
}

/// A network drawn from a space.
#[derive(Debug, Clone, PartialEq)]
pub struct Draw {
    /// The network.
    pub architecture: Architecture,
    /// What each search variable was set to, as source text.
    pub arguments: BTreeMap<String, String>,
}

/// Draws the network that `seed` names from the space `over`, some of its variables fixed instead of drawn.
///
/// # Errors
/// Where the values that the variables take give no network, or a setting names no variable or lies outside its domain.
pub fn draw(
    program: &Program,
    over: &Make,
    settings: &BTreeMap<String, Setting>,
    seed: u64,
) -> Result<Draw, Diagnostic> {
    let root = Seed::new(seed);
    let sampled = space::bind(program, over, settings, &root)?;
    let mut architecture = expand(program, &sampled.network, &root)?;
    architecture.provenance.seed = seed;
    Ok(Draw { architecture, arguments: sampled.arguments })
}

/// How dear a figure is to come by: constraints on cheap ones are decided first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cost {
    /// Counted in the drawn network.
    Count,
    /// Needs a partition.
    Score,
    /// Needs a placement on the fleet.
    Plan,
}

fn cost(measure: Measure) -> Cost {
    match measure {
        Measure::Params
        | Measure::Flops
        | Measure::Macs
        | Measure::Depth
        | Measure::Width
        | Measure::Nodes
        | Measure::Accuracy
        | Measure::Energy => Cost::Count,
        Measure::ConcurrencyScore => Cost::Score,
        Measure::Latency | Measure::Memory | Measure::Communication => Cost::Plan,
    }
}

/// Evaluates candidate `index` of `study`.
pub(crate) fn evaluate(study: &Study<'_>, index: u64) -> Evaluated {
    let seed = crate::random::candidate_seed(study.seed, index);
    let Draw { architecture, arguments } = match draw(study.program, &study.search.over, &BTreeMap::new(), seed) {
        Ok(draw) => draw,
        Err(diagnostic) => return Evaluated::Impossible(Box::new(diagnostic)),
    };
    let graph = lower(&architecture);
    let workload = match Workload::new(&architecture, &graph) {
        Ok(workload) => workload,
        Err(error) => return Evaluated::impossible(error.to_string()),
    };
    let counts = Counts::new(&graph, &workload);
    if let Some(broken) = study.decide(Cost::Count, |measure| counts.value(measure)) {
        return broken;
    }
    let root = Seed::new(seed);
    let score = score(&workload, study.devices(), &ScoreOptions::new(root.child("score")));
    if let Some(broken) = study.decide(Cost::Score, |_| score.cs) {
        return broken;
    }
    let placed = match plan(&workload, study.fleet(), Strategy::Portfolio, &root.child("place")) {
        Ok(placed) => placed,
        Err(error) => return Evaluated::impossible(error.to_string()),
    };
    let memory = fullest(&workload, study.fleet(), &placed);
    if let Some(broken) = study.decide(Cost::Plan, |measure| planned(measure, &placed, memory)) {
        return broken;
    }
    let figures = Figures { counts, score, latency: placed.latency, memory, communication: placed.sent_bytes };
    Evaluated::Feasible(Box::new(Candidate { index, seed, arguments, hash: architecture.hash, figures }))
}

impl Evaluated {
    fn impossible(why: String) -> Self {
        Self::Impossible(Box::new(Diagnostic::error(crate::study::PLACE, why)))
    }
}

/// Bytes that the fullest device needs.
fn fullest(workload: &Workload, fleet: &Fleet, placed: &Plan) -> u64 {
    let placement = verify::placement(placed, workload);
    let needs = placement.map(|placement| memory::needs(workload, fleet.devices.len(), &placement));
    needs.into_iter().flatten().max().unwrap_or(0)
}

fn planned(measure: Measure, placed: &Plan, memory: u64) -> f64 {
    match measure {
        Measure::Latency => placed.latency,
        Measure::Memory => memory as f64,
        _ => placed.sent_bytes as f64,
    }
}

/// A drawn network's figures that need neither partition nor fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// [`Measure::Params`]
    pub params: u64,
    /// [`Measure::Flops`]
    pub flops: u64,
    /// [`Measure::Macs`]
    pub macs: u64,
    /// [`Measure::Nodes`]
    pub nodes: u64,
    /// [`Measure::Depth`]
    pub depth: u64,
    /// [`Measure::Width`]
    pub width: u64,
}

impl Counts {
    /// Of a network as lowered, and of its workload.
    #[must_use]
    pub fn new(graph: &TensorGraph, workload: &Workload) -> Self {
        let counted = structure::counted(workload);
        let widths = structure::widths(workload.dag(), &counted);
        Self {
            params: graph.total_params(),
            flops: graph.total_flops(),
            macs: graph.total_macs(),
            nodes: counted.iter().filter(|&&counts| counts).count() as u64,
            depth: widths.len() as u64,
            width: widths.into_iter().max().unwrap_or(0) as u64,
        }
    }

    fn value(self, measure: Measure) -> f64 {
        let value = match measure {
            Measure::Params => self.params,
            Measure::Flops => self.flops,
            Measure::Macs => self.macs,
            Measure::Depth => self.depth,
            Measure::Width => self.width,
            _ => self.nodes,
        };
        value as f64
    }
}

impl Study<'_> {
    /// The verdict of the constraints of one cost, where any of them is broken.
    fn decide(&self, at: Cost, value: impl Fn(Measure) -> f64) -> Option<Evaluated> {
        let mut broken = None;
        let mut total = 0.0;
        for constraint in self.search.constraints.iter().filter(|constraint| cost(constraint.measure) == at) {
            let missed = violation(constraint, value(constraint.measure));
            if missed > 0.0 {
                total += missed;
                broken = broken.or(Some(constraint.measure));
            }
        }
        broken.map(|broken| Evaluated::Infeasible { violation: total, broken })
    }
}

impl Figures {
    /// The value of `measure`, or none where this release can't tell it.
    #[must_use]
    pub fn value(&self, measure: Measure) -> Option<f64> {
        match measure {
            Measure::Accuracy | Measure::Energy => None,
            Measure::ConcurrencyScore => Some(self.score.cs),
            Measure::Latency => Some(self.latency),
            Measure::Memory => Some(self.memory as f64),
            Measure::Communication => Some(self.communication as f64),
            Measure::Params | Measure::Flops | Measure::Macs | Measure::Depth | Measure::Width | Measure::Nodes => {
                Some(self.counts.value(measure))
            }
        }
    }
}
