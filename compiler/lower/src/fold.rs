//! Tensor graph and weights → the graph that kernels execute, with everything computed that does not depend on the image.
//!
//! Batch norm moves into the convolution or linear layer before it, gates become constants, and steps that change nothing go.
//! Afterwards there is no [`Op::BatchNorm`](cnasc_ir::Op::BatchNorm) and no gate of kind
//! [`SigmoidWeights`](cnasc_ir::op::Gate::SigmoidWeights). Every step keeps its node and every node keeps its output, up to
//! rounding, so that a placement made before folding fits afterwards.

mod batch_norm;
mod gates;
mod identities;
mod lone_batch_norm;
mod rewrite;
mod unused;

use cnasc_ir::tensor::TensorGraph;
use cnasc_ir::weights::Weights;

/// One rewriting of a graph, complete in itself: a verified graph with fitting weights comes out as such.
#[derive(Debug, Clone, Copy)]
pub struct Pass {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub about: &'static str,
    /// Does it.
    pub run: fn(&mut TensorGraph, &mut Weights),
}

/// All passes in the order in which [`fold`] runs them.
pub const PASSES: &[Pass] = &[
    gates::PASS,
    identities::PASS,
    // Must run after `identities`, because a sum of one input between a convolution and its batch norm hides one from the other.
    batch_norm::PASS,
    // Must run after `batch-norm`, because what that one can fold costs nothing and what this one makes costs a convolution.
    lone_batch_norm::PASS,
    // Must run last, because all others leave parameters behind.
    unused::PASS,
];

/// Runs all passes on a copy.
///
/// # Panics
/// Where the graph is not a verified one or the weights do not fit it ([`TensorGraph::verify`], [`Weights::fits`]).
#[must_use]
pub fn fold(graph: &TensorGraph, weights: &Weights) -> (TensorGraph, Weights) {
    let (mut graph, mut weights) = (graph.clone(), weights.clone());
    fold_in_place(&mut graph, &mut weights);
    (graph, weights)
}

/// The same where nobody needs what was there before: weights are most of what a program holds.
///
/// # Panics
/// As [`fold`].
pub fn fold_in_place(graph: &mut TensorGraph, weights: &mut Weights) {
    assert!(weights.fits(graph), "weights are checked against their graph where they are read");
    for pass in PASSES {
        (pass.run)(graph, weights);
        if cfg!(any(test, debug_assertions)) {
            graph.verify().expect("a pass keeps the invariants of the graph");
            assert!(weights.fits(graph), "{} keeps the weights beside the graph", pass.name);
        }
    }
}
