//! What a search asks for: the space, the fleet, limits, objectives, strategy and budget.

use super::{BinaryOp, FleetId, Make};
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
    /// Share of right answers after training.
    Accuracy,
    /// Joules of an inference.
    Energy,
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
    /// A strategy with its whole-number settings that this release checks but does not run yet.
    Later {
        /// Its name.
        name: String,
        /// Its settings.
        settings: Vec<(String, i64)>,
        /// Where it was written.
        location: Location,
    },
}

/// When a search ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Budget {
    /// After so many candidates.
    Candidates(u64),
    /// After so many seconds.
    Seconds(f64),
}
