//! The concurrency score of a network on n equal units (paper.md eqs. 2 to 4). Lower is better.
//!
//! Input: a [`Workload`], the number of units, options. Output: a [`Score`] with everything that it was made of.
//! CS = (δ_w^a · Λ′^b · η^c)^(1/3): δ_w = max W_p / W_avg and Λ are those of a partition of [`Hypergraph::of_blocks`],
//! Λ′ = Λ / (U_c · n), η is that of [`structure`]. Each ε gives a partition and a score; the least counts.
//! The cube root is the reading of the printed index that the paper's own figures fit (paper.md pitfall 1).

use crate::hypergraph::Hypergraph;
use crate::partition::{Effort, Partition, Request, partition};
use crate::structure;
use crate::workload::Workload;
use cnasc_base::random::Seed;
use cnasc_ir::score::{Exponents, Score, Scoring, Tried};

/// The bounds on W_p / W_avg that are tried by default.
pub const EPSILONS: [f64; 5] = [1.02, 1.05, 1.1, 1.2, 1.5];

/// What the score leaves open.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreOptions {
    /// Of eq. 4.
    pub exponents: Exponents,
    /// U_c in bytes, where networks of one study share it; the smallest edge of this network where `None`.
    pub unit: Option<u64>,
    /// Bounds on W_p / W_avg, each at least 1; [`EPSILONS`] where empty.
    pub epsilons: Vec<f64>,
    /// How hard to partition.
    pub effort: Effort,
    /// Decides the partitions.
    pub seed: Seed,
}

impl ScoreOptions {
    /// The paper's exponents and our five ε, at the effort for searches, so that a network scores the same in a search and alone.
    #[must_use]
    pub fn new(seed: Seed) -> Self {
        Self { exponents: Exponents::PAPER, unit: None, epsilons: EPSILONS.to_vec(), effort: Effort::FAST, seed }
    }

    /// The same as `scoring` has it.
    #[must_use]
    pub fn by(scoring: &Scoring, seed: Seed) -> Self {
        let options = Self { exponents: scoring.exponents, ..Self::new(seed) };
        match scoring.bound {
            Some(bound) => Self { epsilons: vec![bound], ..options },
            None => options,
        }
    }

    /// One ε, five times as fast.
    #[must_use]
    pub fn fast(seed: Seed) -> Self {
        Self::by(&Scoring { bound: Some(1.1), ..Scoring::default() }, seed)
    }

    /// As [`new`](Self::new), with fifty times the effort: Λ falls by two or three percent.
    #[must_use]
    pub fn thorough(seed: Seed) -> Self {
        Self { effort: Effort::THOROUGH, ..Self::new(seed) }
    }
}

/// The score on `devices` units; 0 is taken as 1.
#[must_use]
pub fn score(workload: &Workload, devices: u32, options: &ScoreOptions) -> Score {
    let devices = devices.max(1);
    let graph = Hypergraph::of_blocks(workload);
    let unit = options.unit.unwrap_or_else(|| smallest_edge(&graph)).max(1);
    let eta = structure::eta(workload.dag(), &structure::counted(workload), devices);
    let rate = |(epsilon, found): (f64, Partition)| {
        let (delta_w, communication) = (imbalance(&found.loads), found.connectivity);
        let lambda = normalised(communication, unit, devices);
        Tried { epsilon, delta_w, communication, cs: combine(delta_w, lambda, eta, options.exponents) }
    };
    let tried: Vec<Tried> = partitions(&graph, devices, options).into_iter().map(rate).collect();
    let best = tried.iter().min_by(|a, b| a.cs.total_cmp(&b.cs)).cloned().expect("at least one epsilon was tried");
    assemble(devices, unit, eta, &best, tried)
}

/// The partitions that the score is made of: for each ε, ascending, one over `devices` equal parts. The one of a smaller ε is
/// a start for that of a larger one, so that Λ never rises with ε.
#[must_use]
pub fn partitions(graph: &Hypergraph, devices: u32, options: &ScoreOptions) -> Vec<(f64, Partition)> {
    let mut epsilons = if options.epsilons.is_empty() { EPSILONS.to_vec() } else { options.epsilons.clone() };
    epsilons.sort_by(f64::total_cmp);
    let targets = vec![1.0; devices.max(1) as usize];
    let mut found: Vec<(f64, Partition)> = Vec::with_capacity(epsilons.len());
    for (index, epsilon) in (0_u64..).zip(epsilons) {
        let known = found.last().map(|(_, before)| before.part_of.as_slice());
        let request = Request { targets: &targets, bound: epsilon, effort: options.effort, known };
        let next = partition(graph, &request, &options.seed.child("score").nth(index));
        found.push((epsilon, next));
    }
    found
}

/// U_c of one network: the smallest communication of any edge, 1 where nothing is ever sent. A study takes the least of its
/// networks'.
#[must_use]
pub fn smallest_edge(graph: &Hypergraph) -> u64 {
    graph.costs().iter().copied().min().unwrap_or(1).max(1)
}

/// (δ_w^a · Λ′^b · η^c)^(1/3), eq. 4.
#[must_use]
pub fn combine(delta_w: f64, lambda: f64, eta: f64, exponents: Exponents) -> f64 {
    let Exponents { a, b, c } = exponents;
    libm::cbrt(libm::pow(delta_w, a) * libm::pow(lambda, b) * libm::pow(eta, c))
}

/// The same partitions scored relative to another U_c, in bytes: that of a study which this network is one of.
#[must_use]
pub fn with_unit(score: &Score, unit: u64, exponents: Exponents) -> Score {
    let unit = unit.max(1);
    let rated = |delta_w: f64, communication: u64| {
        combine(delta_w, normalised(communication, unit, score.devices), score.eta, exponents)
    };
    let again = |one: &Tried| Tried { cs: rated(one.delta_w, one.communication), ..one.clone() };
    let tried: Vec<Tried> = score.tried.iter().map(again).collect();
    match tried.iter().min_by(|a, b| a.cs.total_cmp(&b.cs)).cloned() {
        Some(best) => assemble(score.devices, unit, score.eta, &best, tried),
        None => score.clone(),
    }
}

fn assemble(devices: u32, unit: u64, eta: f64, best: &Tried, tried: Vec<Tried>) -> Score {
    Score {
        devices,
        cs: best.cs,
        delta_w: best.delta_w,
        lambda: normalised(best.communication, unit, devices),
        eta,
        communication: best.communication,
        unit,
        floored: best.communication == 0,
        epsilon: best.epsilon,
        tried,
    }
}

/// Λ′ = Λ / (U_c · n). No communication at all would make the score vanish whatever the rest, so it counts as one edge.
fn normalised(communication: u64, unit: u64, devices: u32) -> f64 {
    let floored = if communication == 0 { unit } else { communication };
    floored as f64 / (unit as f64 * f64::from(devices))
}

/// δ_w: 1 where there is no work to be unbalanced.
fn imbalance(loads: &[u64]) -> f64 {
    let total: u64 = loads.iter().sum();
    let greatest = loads.iter().copied().max().unwrap_or(0);
    if total == 0 { 1.0 } else { greatest as f64 * loads.len() as f64 / total as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dag::Dag;
    use crate::sample;
    use crate::workload::Cost;
    use cnasc_ir::architecture::Role;

    /// image → two chains of two blocks each → gather, on two units.
    fn tiny(gather_bytes: u64) -> Workload {
        let edges = [(0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 5)];
        let cost = |role, flops, bytes| Cost { flops, bytes, ..Cost::of(role) };
        let block = |bytes| cost(Role::Block, 10, bytes);
        let costs = vec![
            cost(Role::Input, 0, 1),
            block(40),
            block(40),
            block(20),
            block(20),
            cost(Role::Gather, 0, gather_bytes),
        ];
        Workload::from_costs(Dag::from_edges(6, &edges).expect("edges ascend"), costs).expect("it is a network")
    }

    #[test]
    fn a_score_by_hand() {
        let score = score(&tiny(8), 2, &ScoreOptions::new(Seed::new(1)));
        // A chain on each unit; one chain's end is sent to the gather: Λ = 20, U_c = 20, n = 2.
        assert_eq!((score.communication, score.unit, score.floored), (20, 20, false));
        assert!((score.lambda - 0.5).abs() < 1e-12);
        assert!((score.delta_w - 1.0).abs() < 1e-12);
        // Four blocks, the longest path has two of them.
        assert!((score.eta - 1.0).abs() < 1e-12);
        let expect = libm::cbrt(0.5 * libm::sqrt(0.5));
        assert!((score.cs - expect).abs() < 1e-12, "{} {expect}", score.cs);
        assert_eq!(score.tried.len(), 5);
    }

    #[test]
    fn a_shared_unit_scales_lambda() {
        let options = ScoreOptions { unit: Some(5), ..ScoreOptions::new(Seed::new(1)) };
        let score = score(&tiny(8), 2, &options);
        assert!((score.lambda - 2.0).abs() < 1e-12);
    }

    #[test]
    fn no_communication_is_floored_at_one_edge() {
        let score = score(&tiny(8), 1, &ScoreOptions::new(Seed::new(1)));
        assert_eq!((score.communication, score.floored), (0, true));
        assert!((score.lambda - 1.0).abs() < 1e-12);
        assert!((score.eta - 0.5).abs() < 1e-12);
    }

    #[test]
    fn the_exponents_are_those_of_equation_4() {
        let all = |a, b, c| combine(2.0, 3.0, 5.0, Exponents { a, b, c });
        assert!((all(3.0, 0.0, 0.0) - 2.0).abs() < 1e-12);
        assert!((all(0.0, 3.0, 0.0) - 3.0).abs() < 1e-12);
        assert!((all(0.0, 0.0, 3.0) - 5.0).abs() < 1e-12);
    }

    #[test]
    fn parts_recompute_to_the_whole_and_lambda_never_rises_with_epsilon() {
        for number in 0..10 {
            let workload = sample::workload(&Seed::new(number), 40);
            let score = score(&workload, 4, &ScoreOptions::new(Seed::new(number)));
            assert!((combine(score.delta_w, score.lambda, score.eta, Exponents::PAPER) - score.cs).abs() < 1e-9);
            assert!(score.tried.iter().all(|tried| tried.cs >= score.cs));
            assert!(score.tried.windows(2).all(|pair| pair[0].communication >= pair[1].communication));
            assert!(score.tried.iter().all(|tried| tried.delta_w <= tried.epsilon + 1e-2), "{score:?}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_score() {
        let workload = sample::workload(&Seed::new(3), 60);
        let options = ScoreOptions::fast(Seed::new(9));
        assert_eq!(score(&workload, 4, &options), score(&workload, 4, &options));
    }
}
