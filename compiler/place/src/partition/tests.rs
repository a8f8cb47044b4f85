//! The partitioner against brute force, and the promises of [`Partition`].

use super::*;
use crate::dag::Rows;
use crate::sample;
use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, proptest};

fn hypergraph(weights: Vec<u64>, nets: &[(u64, Vec<u32>)]) -> Hypergraph {
    let mut pins = Rows::default();
    for (_, row) in nets {
        let mut row = row.clone();
        row.sort_unstable();
        row.dedup();
        pins.push(row);
    }
    Hypergraph::new(weights, nets.iter().map(|(cost, _)| *cost).collect(), pins).expect("pins are vertices")
}

fn request(targets: &[f64], bound: f64, effort: Effort) -> Request<'_> {
    Request { targets, bound, effort, known: None }
}

/// The smallest greatest load over target, and the least Λ under given limits, over all assignments.
fn brute_force(graph: &Hypergraph, targets: &[f64], limit: impl Fn(f64) -> f64) -> (f64, u64) {
    let (vertices, parts) = (graph.vertices(), targets.len());
    let sum: f64 = targets.iter().sum();
    let all = |visit: &mut dyn FnMut(&[u32], f64)| {
        let mut part_of = vec![0_u32; vertices];
        for code in 0..parts.pow(vertices as u32) {
            let mut rest = code;
            let mut loads = vec![0_u64; parts];
            for (part, weight) in part_of.iter_mut().zip(graph.weights()) {
                *part = (rest % parts) as u32;
                loads[rest % parts] += weight;
                rest /= parts;
            }
            let target = |share: &f64| graph.total_weight() as f64 * share / sum;
            let ratio = loads.iter().zip(targets).map(|(&load, share)| load as f64 / target(share));
            visit(&part_of, ratio.fold(0.0, f64::max));
        }
    };
    let mut smallest = f64::INFINITY;
    all(&mut |_, ratio| smallest = smallest.min(ratio));
    let bound = limit(smallest) * (1.0 + 1e-9);
    let mut least = u64::MAX;
    all(&mut |part_of, ratio| {
        if ratio <= bound {
            least = least.min(graph.connectivity(part_of));
        }
    });
    (smallest, least)
}

fn draw(seed: u64) -> (Hypergraph, usize, f64) {
    let mut rng = Seed::new(seed).child("small").rng();
    let vertices = 3 + rng.below(8);
    let weights = (0..vertices).map(|_| 1 + rng.below(9) as u64).collect();
    let mut nets = Vec::new();
    for _ in 0..vertices + rng.below(6) {
        let pins = (0..2 + rng.below(3)).map(|_| rng.below(vertices) as u32).collect();
        nets.push((1 + rng.below(20) as u64, pins));
    }
    let parts = if vertices > 9 { 2 } else { 2 + rng.below(2) };
    (hypergraph(weights, &nets), parts, [1.0, 1.1, 1.3, 1.6][rng.below(4)])
}

/// Never better than the optimum, which would be a wrong count; with the thorough effort always as good, and
/// with the fast one in 9 of 10 cases.
#[test]
fn small_ones_are_solved() {
    const CASES: u64 = 200;
    let (mut thorough, mut fast) = (0_u64, 0_u64);
    for seed in 0..CASES {
        let (graph, parts, bound) = draw(seed);
        let targets: Vec<f64> =
            if seed % 3 == 0 { (1..=parts).map(|share| share as f64).collect() } else { vec![1.0; parts] };
        let (smallest, optimum) = brute_force(&graph, &targets, |smallest| smallest.max(bound));
        for (effort, solved) in [(Effort::THOROUGH, &mut thorough), (Effort::FAST, &mut fast)] {
            let found = partition(&graph, &request(&targets, bound, effort), &Seed::new(seed));
            assert!((found.bound - smallest.max(bound)).abs() < 1e-9, "the bound is relaxed exactly as far as needed");
            assert_eq!(found.connectivity, graph.connectivity(&found.part_of));
            assert!(found.connectivity >= optimum, "seed {seed}: below the optimum");
            *solved += u64::from(found.connectivity == optimum);
        }
    }
    assert!(thorough == CASES && fast >= 180, "solved {thorough} and {fast} of {CASES}");
}

#[test]
fn proofs_agree_with_brute_force() {
    for seed in 0..150 {
        let (graph, parts, bound) = draw(seed);
        let targets: Vec<f64> =
            if seed % 3 == 0 { (1..=parts).map(|share| share as f64).collect() } else { vec![1.0; parts] };
        let asked = request(&targets, bound, Effort::FAST);
        let known = partition(&graph, &asked, &Seed::new(seed));
        let (_, optimum) = brute_force(&graph, &targets, |_| known.bound);
        // As if nothing good were known.
        let blind = Partition { connectivity: u64::MAX, ..known.clone() };
        let proof = exact::prove(&graph, &asked, &blind, 1 << 20);
        assert!(proof.optimal, "seed {seed}");
        assert_eq!(proof.partition.connectivity, optimum, "seed {seed}");
        assert_eq!(graph.connectivity(&proof.partition.part_of), optimum);
        let again = exact::prove(&graph, &asked, &known, 1 << 20);
        assert_eq!((again.partition.connectivity, again.optimal), (optimum, true), "seed {seed}");
        assert!(!exact::prove(&graph, &asked, &blind, 1).optimal, "a search that was cut off proves nothing");
    }
}

#[test]
fn intervals_are_the_best_of_all_intervals() {
    for seed in 0..60 {
        let (graph, _, _) = draw(seed);
        let vertices = graph.vertices();
        let limits = [graph.total_weight() / 2, graph.total_weight() * 2 / 3, graph.total_weight() / 3];
        let mut least = u64::MAX;
        for first in 0..=vertices {
            for second in first..=vertices {
                let part_of: Vec<u32> =
                    (0..vertices).map(|vertex| u32::from(vertex >= first) + u32::from(vertex >= second)).collect();
                let mut loads = [0; 3];
                part_of.iter().zip(graph.weights()).for_each(|(&part, weight)| loads[part as usize] += weight);
                if loads.iter().zip(limits).all(|(load, limit)| *load <= limit) {
                    least = least.min(graph.connectivity(&part_of));
                }
            }
        }
        if least < u64::MAX {
            let found = intervals::nearly(&graph, &limits).expect("there are some");
            assert_eq!(graph.connectivity(&found), least, "seed {seed}");
        }
    }
}

#[test]
fn coarsening_keeps_weights_and_cuts() {
    for seed in 0..20 {
        let graph = Hypergraph::of_blocks(&sample::workload(&Seed::new(seed), 200));
        let cap = graph.total_weight() / 20;
        let mut rng = Seed::new(seed).rng();
        let level = coarsening::coarsen(&graph, cap, 60, &mut rng).expect("a network has vertices to join");
        let coarse = &level.graph;
        assert!((60..graph.vertices()).contains(&coarse.vertices()));
        assert_eq!(coarse.total_weight(), graph.total_weight());
        let heaviest = graph.weights().iter().copied().max().unwrap_or(0);
        assert!(coarse.weights().iter().all(|&weight| weight <= cap.max(heaviest)));
        let part_of: Vec<u32> = (0..coarse.vertices()).map(|_| rng.below(4) as u32).collect();
        assert_eq!(coarse.connectivity(&part_of), graph.connectivity(&level.project(&part_of)));
    }
}

#[test]
fn large_ones_descend_and_keep_their_limits() {
    let vertices = 6000_u32;
    let nets: Vec<(u64, Vec<u32>)> =
        (0..vertices).map(|v| (1 + u64::from(v % 3), vec![v, (v + 1) % vertices])).collect();
    let graph = hypergraph((0..u64::from(vertices)).map(|vertex| 1 + vertex % 5).collect(), &nets);
    for targets in [&[1.0; 4][..], &[3.0, 1.0, 2.0]] {
        let asked = request(targets, 1.05, Effort::FAST);
        let found = partition(&graph, &asked, &Seed::new(4));
        assert_eq!(found.bound, 1.05);
        assert_eq!(found.connectivity, graph.connectivity(&found.part_of));
        // A ring: each part needs an interval, so that the cheapest nets are cut as often as there are parts.
        assert!(found.connectivity <= 3 * targets.len() as u64, "{}", found.connectivity);
        assert_eq!(found, partition(&graph, &asked, &Seed::new(4)));
    }
}

#[test]
fn separate_groups_are_not_cut() {
    // Four rings of five, in an order that mixes them.
    let nets: Vec<(u64, Vec<u32>)> = (0..20).map(|v| (3, vec![v, (v + 4) % 20])).collect();
    let graph = hypergraph(vec![1; 20], &nets);
    let found = partition(&graph, &request(&[1.0; 4], 1.0, Effort::THOROUGH), &Seed::new(1));
    assert_eq!((found.connectivity, found.loads), (0, vec![5; 4]));
}

#[test]
fn degenerate_requests_have_answers() {
    let graph = hypergraph(vec![5, 7], &[(3, vec![0, 1])]);
    for targets in [&[][..], &[1.0], &[f64::NAN, -1.0]] {
        let found = partition(&graph, &request(targets, 1.0, Effort::FAST), &Seed::new(1));
        assert_eq!((found.part_of, found.connectivity, found.loads), (vec![0, 0], 0, vec![12]));
    }
    let more_parts_than_vertices = partition(&graph, &request(&[1.0; 5], 1.1, Effort::FAST), &Seed::new(1));
    assert_eq!(more_parts_than_vertices.connectivity, 3);
    assert!((more_parts_than_vertices.bound - 7.0 * 5.0 / 12.0).abs() < 1e-12);
    let weightless = hypergraph(vec![0, 0, 0], &[(3, vec![0, 1, 2])]);
    assert_eq!(partition(&weightless, &request(&[1.0; 2], 1.1, Effort::FAST), &Seed::new(1)).connectivity, 0);
    let nothing = hypergraph(vec![], &[]);
    assert_eq!(partition(&nothing, &request(&[1.0; 2], 1.1, Effort::FAST), &Seed::new(1)).loads, [0, 0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_partition_covers_every_vertex_within_its_limits(
        seed in 0_u64..10_000, nodes in 4_usize..120, parts in 1_usize..9, bound in 1.0_f64..1.6,
    ) {
        let graph = Hypergraph::of_blocks(&sample::workload(&Seed::new(seed), nodes));
        let targets: Vec<f64> = (0..parts).map(|part| 1.0 + (seed as usize + part) as f64 % 3.0).collect();
        let asked = request(&targets, bound, Effort::FAST);
        let found = partition(&graph, &asked, &Seed::new(seed));
        prop_assert_eq!(found.part_of.len(), graph.vertices());
        prop_assert_eq!(found.loads.iter().sum::<u64>(), graph.total_weight());
        prop_assert_eq!(graph.connectivity(&found.part_of), found.connectivity);
        let mut loads = vec![0; parts];
        for (&part, &weight) in found.part_of.iter().zip(graph.weights()) {
            loads[part as usize] += weight;
        }
        prop_assert_eq!(&loads, &found.loads);
        let sum: f64 = targets.iter().sum();
        for (&load, share) in loads.iter().zip(&targets) {
            let target = graph.total_weight() as f64 * share / sum;
            prop_assert!(load as f64 <= target * found.bound * (1.0 + 1e-9));
        }
        prop_assert!(found.bound >= bound);
        prop_assert_eq!(&found, &partition(&graph, &asked, &Seed::new(seed)));
    }
}
