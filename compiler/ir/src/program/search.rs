//! What a search asks for: the space, the fleet, limits, objectives, strategy and budget.

use super::{Accuracy, BinaryOp, FleetId, Make};
use crate::score::Scoring;
use cnasc_base::Location;

/// A search for good networks of a family.
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    /// Its name.
    pub name: String,
    /// The family: a [`Declared::Network`](super::Declared::Network) with domains among its arguments, or
    /// [`Declared::AnyNetwork`](super::Declared::AnyNetwork) of a choice.
    pub over: Make,
    /// Where they will run.
    pub on: FleetId,
    /// What every result must keep.
    pub constraints: Vec<Constraint>,
    /// What is better; at least one.
    pub objectives: Vec<Objective>,
    /// What tells the accuracy of candidates, where it is asked for.
    pub accuracy: Option<Accuracy>,
    /// How concurrency scores are made.
    pub score: Scoring,
    /// Cheaper looks before the full one, in the order in which they are taken; may be empty.
    pub fidelities: Vec<Fidelity>,
    /// How candidates are proposed.
    pub strategy: Strategy,
    /// When it ends.
    pub budget: Budget,
    /// Its seed where the command line gives none.
    pub seed: u64,
    /// Where it was declared.
    pub location: Location,
}

/// A figure of a candidate, in base units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// Trained parameters.
    Params,
    /// Floating-point operations of an inference.
    Flops,
    /// Multiply-adds of an inference.
    Macs,
    /// Predicted seconds of an inference on the search's fleet.
    Latency,
    /// Seconds of an inference of the plan that will run, as this machine takes them: the median of many.
    MeasuredLatency,
    /// Bytes of weights and live tensors on the fullest device.
    Memory,
    /// CS of paper.md on as many equal units as the fleet has devices. Also written `parallelization_score`.
    ConcurrencyScore,
    /// Blocks on the longest path.
    Depth,
    /// The most blocks of one depth.
    Width,
    /// Blocks.
    Nodes,
    /// Bytes sent by the plan.
    Communication,
    /// Share of right answers after training, or what else [`Accuracy`] says.
    Accuracy,
    /// Joules of an inference.
    Energy,
}

/// How dear a figure is to come by, the cheapest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cost {
    /// Counted in the drawn network.
    Count,
    /// Needs a partition.
    Score,
    /// Needs a placement on the fleet.
    Plan,
    /// Needs the network compiled and run.
    Run,
    /// Needs training, or something else outside the compiler.
    Training,
}

impl Measure {
    /// What it takes to know it.
    #[must_use]
    pub fn cost(self) -> Cost {
        match self {
            Self::Params | Self::Flops | Self::Macs | Self::Depth | Self::Width | Self::Nodes => Cost::Count,
            Self::ConcurrencyScore => Cost::Score,
            Self::Latency | Self::Memory | Self::Communication | Self::Energy => Cost::Plan,
            Self::MeasuredLatency => Cost::Run,
            Self::Accuracy => Cost::Training,
        }
    }
}

/// `fidelity { minimize params keep 32 }`: a look at all candidates that is cheaper than the full one, which the best of them pass.
#[derive(Debug, Clone, PartialEq)]
pub struct Fidelity {
    /// What every candidate that passes must keep, beside the search's own constraints on figures that are known by then.
    pub constraints: Vec<Constraint>,
    /// What is better here; at least one.
    pub objectives: Vec<Objective>,
    /// What tells accuracy here; that of the search where absent.
    pub accuracy: Option<Accuracy>,
    /// How many pass at most; absent where the strategy says.
    pub keep: Option<u64>,
    /// Where it was written.
    pub location: Location,
}

impl Fidelity {
    /// That of its dearest measure.
    #[must_use]
    pub fn cost(&self) -> Cost {
        dearest(&self.objectives, &self.constraints)
    }
}

impl Search {
    /// That of its dearest measure, its fidelities aside.
    #[must_use]
    pub fn cost(&self) -> Cost {
        dearest(&self.objectives, &self.constraints)
    }
}

fn dearest(objectives: &[Objective], constraints: &[Constraint]) -> Cost {
    let objectives = objectives.iter().map(|objective| objective.measure.cost());
    let constraints = constraints.iter().map(|constraint| constraint.measure.cost());
    objectives.chain(constraints).max().unwrap_or(Cost::Count)
}

/// `where measure <= limit`
#[derive(Debug, Clone, PartialEq)]
pub struct Constraint {
    /// Of what.
    pub measure: Measure,
    /// How it compares: one of the four inequalities.
    pub op: BinaryOp,
    /// With what, in base units.
    pub limit: f64,
    /// Where it was written.
    pub location: Location,
}

/// `maximize accuracy`
#[derive(Debug, Clone, PartialEq)]
pub struct Objective {
    /// Of what.
    pub measure: Measure,
    /// Whether more is better.
    pub maximize: bool,
    /// Where it was written.
    pub location: Location,
}

/// How candidates are proposed.
#[derive(Debug, Clone, PartialEq)]
pub enum Strategy {
    /// Each independently.
    Random,
    /// Every combination of values.
    Grid {
        /// How many points a range without a step has.
        points: u64,
        /// How many networks are drawn for each combination.
        draws: u64,
    },
    /// Children of the best of a sample, the oldest leaving.
    Evolution {
        /// How many live at once.
        population: u64,
        /// How many a parent is the best of.
        sample: u64,
        /// How many edits of its graphs a candidate may have; 0 where graphs are left as they are drawn.
        edits: u64,
    },
    /// Generations, the best fronts of which live on.
    Nsga2 {
        /// How many a generation has.
        population: u64,
        /// How many edits of its graphs a candidate may have; 0 where graphs are left as they are drawn.
        edits: u64,
    },
    /// Where the best are dense and the others are not.
    Tpe {
        /// How many are drawn at random first.
        startup: u64,
        /// How many draws a proposal is the most promising of.
        candidates: u64,
    },
    /// Each independently; of each look the best share passes on to the next.
    SuccessiveHalving {
        /// One of so many passes; at least 2.
        reduction: u64,
    },
    /// Brackets of these, each of fewer candidates that begin at a dearer look.
    Hyperband {
        /// One of so many passes; at least 2.
        reduction: u64,
    },
}

impl Strategy {
    /// How many edits of its graphs a candidate may have.
    #[must_use]
    pub fn edits(&self) -> u64 {
        match *self {
            Self::Evolution { edits, .. } | Self::Nsga2 { edits, .. } => edits,
            _ => 0,
        }
    }

    /// Of how many candidates one passes a look, where the strategy says.
    #[must_use]
    pub fn reduction(&self) -> Option<u64> {
        match *self {
            Self::SuccessiveHalving { reduction } | Self::Hyperband { reduction } => Some(reduction),
            Self::Random | Self::Grid { .. } | Self::Evolution { .. } | Self::Nsga2 { .. } | Self::Tpe { .. } => None,
        }
    }
}

/// When a search ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Budget {
    /// After so many candidates.
    Candidates(u64),
    /// After so many seconds.
    Seconds(f64),
}
