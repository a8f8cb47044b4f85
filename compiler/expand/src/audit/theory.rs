//! Generator with arguments → what is known of its graphs without drawing any.
//!
//! Independent edges (Erdős–Rényi among them): sums of independent trials, exactly. Barabási–Albert: m(n − m) edges in one piece.
//! Watts–Strogatz: nk/2 edges, and how many of them lie off the ring's lattice: an edge that was rewired leaves its place, which
//! a later rewiring of one of its ends may take again.

use super::statistics::successes;
use crate::evaluate::{self, Context, Scope};
use crate::generate::pair_probabilities;
use crate::value::Closure;
use cnasc_base::Diagnostic;
use cnasc_ir::Program;
use cnasc_ir::program::{Declared, Wiring};

/// The most nodes for which the probability of every pair is looked at.
const MAX_NODES: usize = 4_096;

/// The most nodes for which every node's degree has its own distribution computed, which takes their third power.
const MAX_OWN_DEGREES: usize = 256;

/// The most pairs for which the distribution of the number of edges is computed, which takes their square.
const MAX_MASSES: usize = 5_000;

/// What is known; absent where nothing is, or where it would take too long.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Theory {
    pub(super) nodes: Option<Expected>,
    pub(super) edges: Option<Expected>,
    /// The probability of each number of edges.
    pub(super) masses: Option<Vec<f64>>,
    /// The edges of each ring distance from 1, and how many pairs have it.
    pub(super) distances: Option<Vec<(u64, Expected)>>,
    /// How many nodes have each degree from 0.
    pub(super) degrees: Option<Vec<f64>>,
    /// The neighbours of the lattice, and the share of edges between nodes that are no neighbours there.
    pub(super) off_lattice: Option<(usize, Option<f64>)>,
    pub(super) components: Option<Expected>,
    /// At most the probability that two graphs are the same.
    pub(super) coincidence: Option<f64>,
}

/// Mean and variance.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Expected {
    pub(super) mean: f64,
    pub(super) variance: f64,
}

impl Expected {
    fn sure(value: usize) -> Self {
        Self { mean: value as f64, variance: 0.0 }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.mean += other.mean;
        self.variance += other.variance;
    }
}

impl Theory {
    /// Of a closure that graphs can be drawn from.
    pub(super) fn new(program: &Program, closure: &Closure) -> Result<Self, Diagnostic> {
        let family = match closure.of {
            Declared::Generator(id) => program.generators.get(id.index()),
            _ => None,
        }
        .ok_or_else(|| evaluate::wrong_declaration("a generator", closure.of))?;
        let nodes = evaluate::whole(&family.nodes, &Scope::of(&closure.args))?;
        let context = Context { nodes: Some(nodes), ..Context::default() };
        let scope = Scope { params: &closure.args, context };
        let count = usize::try_from(nodes).unwrap_or(0);
        if family.each.is_some() {
            // Of graphs inside graphs nothing is known here.
            return Ok(Self::default());
        }
        let theory = Self::of_wiring(program, closure, (&family.wiring, count), &scope)?;
        Ok(Self { nodes: Some(Expected::sure(count)), ..theory })
    }

    fn of_wiring(
        program: &Program,
        closure: &Closure,
        (wiring, nodes): (&Wiring, usize),
        scope: &Scope<'_>,
    ) -> Result<Self, Diagnostic> {
        if let Wiring::Edges(odds) = wiring {
            if nodes > MAX_NODES {
                return Ok(Self::default());
            }
            let odds = pair_probabilities(program, closure, odds, nodes)?;
            return Ok(odds.map_or_else(Self::default, |odds| independent(&odds, nodes)));
        }
        if let Wiring::Given(edges) = wiring {
            return Ok(Self { edges: Some(Expected::sure(edges.len())), coincidence: Some(1.0), ..Self::default() });
        }
        if let Wiring::Attach { edges } = wiring {
            let each = usize::try_from(evaluate::whole(edges, scope)?).unwrap_or(0);
            let edges = Some(Expected::sure(each * nodes.saturating_sub(each)));
            return Ok(Self { edges, components: Some(Expected::sure(1)), ..Self::default() });
        }
        if let Wiring::Lattice { neighbours, rewired } = wiring {
            let around = usize::try_from(evaluate::whole(neighbours, scope)?).unwrap_or(0);
            let rewired = evaluate::probability(rewired, scope)?;
            let (edges, share) = (nodes * (around / 2), off_lattice(nodes, around, rewired));
            // Two graphs that are the same lack the same places of the lattice, each of which is nearly independent of the others.
            let same_places = |share: f64| libm::pow(share * share + (1.0 - share) * (1.0 - share), edges as f64);
            return Ok(Self {
                edges: Some(Expected::sure(edges)),
                off_lattice: Some((around, share)),
                coincidence: if rewired == 0.0 { Some(1.0) } else { share.map(same_places) },
                ..Self::default()
            });
        }
        Ok(Self::default())
    }
}

/// Of pairs in the order of i, then of j.
fn independent(pairs: &[f64], nodes: usize) -> Theory {
    let mut edges = Expected::default();
    let mut distances = vec![(0, Expected::default()); nodes / 2];
    let mut coincidence = 0.0;
    let ends = (0..nodes).flat_map(|i| (i + 1..nodes).map(move |j| (i, j)));
    for ((i, j), &p) in ends.zip(pairs) {
        let trial = Expected { mean: p, variance: p * (1.0 - p) };
        edges.add(trial);
        let (count, sum) = &mut distances[(j - i).min(nodes - (j - i)) - 1];
        *count += 1;
        sum.add(trial);
        coincidence += libm::log(p * p + (1.0 - p) * (1.0 - p));
    }
    Theory {
        edges: Some(edges),
        masses: (pairs.len() <= MAX_MASSES).then(|| successes(pairs.iter().copied())),
        distances: Some(distances),
        degrees: degrees(pairs, nodes),
        coincidence: Some(libm::exp(coincidence)),
        ..Theory::default()
    }
}

/// How many nodes have each degree, on average.
fn degrees(pairs: &[f64], nodes: usize) -> Option<Vec<f64>> {
    let pair = |i: usize, j: usize| {
        let (i, j) = (i.min(j), i.max(j));
        // Before row i lie rows of n − 1, n − 2, … pairs.
        pairs[i * (2 * nodes - i - 1) / 2 + (j - i - 1)]
    };
    let own = |node: usize| (0..nodes).filter(move |&other| other != node).map(move |other| pair(node, other));
    let sorted = |node: usize| {
        let mut own: Vec<f64> = own(node).collect();
        own.sort_by(f64::total_cmp);
        own
    };
    let first = sorted(0);
    // Nodes of a rule that only looks at distances are all alike: one stands for all.
    if (1..nodes).all(|node| sorted(node) == first) {
        return Some(successes(own(0)).into_iter().map(|mass| mass * nodes as f64).collect());
    }
    if nodes > MAX_OWN_DEGREES {
        return None;
    }
    let mut sum = vec![0.0; nodes];
    for node in 0..nodes {
        sum.iter_mut().zip(successes(own(node))).for_each(|(sum, mass)| *sum += mass);
    }
    Some(sum)
}

/// The share of edges off the lattice: of each pair of neighbours, the probability that its edge is rewired, and that none of
/// the later rewirings of its ends chooses it again. A rewiring chooses among n − 1 − degree nodes; the mean degree stands for
/// the degree, which is near enough where the graph is sparse. None where it is not.
fn off_lattice(nodes: usize, around: usize, rewired: f64) -> Option<f64> {
    if nodes < 6 * around {
        return None;
    }
    let (n, half) = (nodes as f64, around / 2);
    // The chance that the decision of round `step` at `vertex` chooses one given free node.
    let chosen = |step: usize, vertex: usize| {
        let lost = if vertex >= step { rewired } else { 0.0 };
        let degree = around as f64 - lost + rewired * vertex as f64 / n;
        rewired / (n - 1.0 - degree)
    };
    let mut sum = 0.0;
    for step in 1..=half {
        for vertex in 0..nodes {
            let other = (vertex + step) % nodes;
            let mut stays = if other > vertex { 1.0 - chosen(step, other) } else { 1.0 };
            for later in step + 1..=half {
                stays *= (1.0 - chosen(later, vertex)) * (1.0 - chosen(later, other));
            }
            sum += rewired * stays;
        }
    }
    Some(sum / (n * half as f64))
}
