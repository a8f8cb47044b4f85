//! Families of random graphs against their closed forms and against the paper's figures, over seeded samples.

use crate::programs::{generator, graphs, program};

const SAMPLES: u64 = 4_000;

struct Moments {
    mean: f64,
    variance: f64,
}

fn moments(values: impl Iterator<Item = f64>) -> Moments {
    let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for value in values {
        count += 1.0;
        sum += value;
        squares += value * value;
    }
    let mean = sum / count;
    Moments { mean, variance: (squares - count * mean * mean) / (count - 1.0) }
}

/// Fails where `found` is more than five standard errors from `expect`.
#[track_caller]
fn close(what: &str, found: f64, expect: f64, standard_error: f64) {
    assert!((found - expect).abs() < 5.0 * standard_error, "{what}: {found}, expected {expect} ± {standard_error}");
}

#[test]
fn erdos_renyi_edges_are_binomial() {
    let program = program();
    let er = generator(&program, "er", &[40.0, 0.2]);
    let found = moments(graphs(&program, &er, SAMPLES).map(|dag| dag.measures().edges as f64));
    let (pairs, p) = (780.0, 0.2);
    let variance = pairs * p * (1.0 - p);
    let samples = SAMPLES as f64;
    close("mean", found.mean, pairs * p, (variance / samples).sqrt());
    // The variance of a sample variance is about 2σ⁴ / (samples − 1) for a nearly normal count.
    close("variance", found.variance, variance, variance * (2.0 / samples).sqrt());
}

#[test]
fn barabasi_albert_attaches_m_edges_a_node() {
    let program = program();
    for (n, m) in [(40, 5), (10, 1), (12, 11), (30, 3)] {
        let ba = generator(&program, "ba", &[f64::from(n), f64::from(m)]);
        for dag in graphs(&program, &ba, 200) {
            let measures = dag.measures();
            assert_eq!(measures.edges, (m * (n - m)) as usize);
            assert_eq!(measures.degrees.iter().sum::<usize>(), 2 * (m * (n - m)) as usize);
            assert_eq!(measures.components, 1);
            let m = m as usize;
            assert!(dag.predecessors[..m].iter().all(Vec::is_empty), "the first m start without edges");
            assert_eq!(dag.predecessors[m], (0..u32::try_from(m).unwrap()).collect::<Vec<_>>());
            assert!(dag.predecessors[m..].iter().all(|inputs| inputs.len() == m));
        }
    }
}

/// With m = 1: nodes 0 and 1 are joined; node 2 takes either with ½; node 3 takes the middle one of the path with 2/4.
#[test]
fn barabasi_albert_prefers_by_degree() {
    let program = program();
    let ba = generator(&program, "ba", &[4.0, 1.0]);
    let samples = SAMPLES as f64;
    let stars = graphs(&program, &ba, SAMPLES).filter(|dag| dag.measures().degrees.contains(&3)).count();
    close("share of stars", stars as f64 / samples, 0.5, (0.25 / samples).sqrt());
    let zero = graphs(&program, &ba, SAMPLES).filter(|dag| dag.predecessors[2] == [0]).count();
    close("share of node 2 at node 0", zero as f64 / samples, 0.5, (0.25 / samples).sqrt());
}

#[test]
fn watts_strogatz_rewires_the_share_p() {
    let program = program();
    for p in [0.0, 0.25, 0.75, 1.0] {
        let (n, k) = (40_usize, 4_usize);
        let ws = generator(&program, "ws", &[n as f64, k as f64, p]);
        let total = n * k / 2;
        let kept = moments(graphs(&program, &ws, 2_000).map(|dag| {
            let measures = dag.measures();
            assert_eq!(measures.edges, total);
            measures.ring_lengths.iter().filter(|&&length| length <= k / 2).count() as f64 / total as f64
        }));
        if p == 0.0 {
            assert!((kept.mean - 1.0).abs() < f64::EPSILON);
            continue;
        }
        // A rewired edge may land on a ring place that was emptied before; at most the share p of them is empty, so that at most
        // about p·k / (n − 1 − k) of the rewired edges do.
        let back = p * (p * k as f64) / (n - 1 - k) as f64;
        assert!(kept.mean > 1.0 - p - 0.01 && kept.mean < 1.0 - p + back + 0.01, "p = {p}: kept {}", kept.mean);
    }
}

/// A ring of 20 with one neighbour on either side and one edge rewired: its vertex has 17 free targets, two at each distance
/// 2 … 9 and one at distance 10.
#[test]
fn watts_strogatz_targets_are_uniform() {
    let program = program();
    let ws = generator(&program, "ws", &[20.0, 2.0, 0.05]);
    let mut counts = [0_u32; 11];
    for dag in graphs(&program, &ws, 4 * SAMPLES) {
        let lengths = dag.measures().ring_lengths;
        if let [only] = lengths.iter().filter(|&&length| length > 1).collect::<Vec<_>>()[..] {
            counts[*only] += 1;
        }
    }
    let total = f64::from(counts.iter().sum::<u32>());
    assert!(total > 4_000.0, "20 edges, each rewired with 0.05: one alone in 38 % of the graphs, found {total}");
    for (distance, &count) in counts.iter().enumerate().skip(2) {
        let expect = if distance == 10 { 1.0 / 17.0 } else { 2.0 / 17.0 };
        let error = (expect * (1.0 - expect) / total).sqrt();
        close(&format!("distance {distance}"), f64::from(count) / total, expect, error);
    }
}

#[test]
fn distance_edges_follow_the_formula() {
    let program = program();
    let (n, p, alpha, beta): (usize, f64, f64, f64) = (40, 0.75, 0.5, 1.0);
    let dp = generator(&program, "distance", &[n as f64, p, alpha, beta]);
    let mut counts = vec![0_u64; n / 2 + 1];
    for dag in graphs(&program, &dp, SAMPLES) {
        for length in dag.measures().ring_lengths {
            counts[length] += 1;
        }
    }
    for (distance, &count) in counts.iter().enumerate().skip(1) {
        let pairs = if distance == n / 2 { n / 2 } else { n };
        let trials = pairs as f64 * SAMPLES as f64;
        let expect = alpha * libm::pow(p, beta * distance as f64);
        let error = (expect * (1.0 - expect) / trials).sqrt();
        close(&format!("distance {distance}"), count as f64 / trials, expect, error);
    }
}

/// The figures of paper.md, “A check of the conversion”: mean depth and mean width of 40 nodes, there over 100 samples.
#[test]
fn depth_and_width_are_those_of_the_paper() {
    let program = program();
    let check = |name: &str, args: &[f64], depth: f64, width: Option<f64>| {
        let family = generator(&program, name, args);
        let measured: Vec<_> = graphs(&program, &family, 2_000).map(|dag| dag.measures()).collect();
        let depths = moments(measured.iter().map(|measures| measures.depth as f64));
        let widths = moments(measured.iter().map(|measures| measures.width() as f64));
        // The figures are rounded, and are means of 100 samples themselves.
        let tolerance = |moments: &Moments, rounding: f64| 4.0 * (moments.variance / 100.0).sqrt() + rounding;
        let rounding = if width.is_some() { 0.05 } else { 0.5 };
        let far = (depths.mean - depth).abs();
        assert!(far < tolerance(&depths, rounding), "{name} {args:?}: depth {}, expected {depth}", depths.mean);
        if let Some(width) = width {
            let far = (widths.mean - width).abs();
            assert!(far < tolerance(&widths, 0.05), "{name} {args:?}: width {}, expected {width}", widths.mean);
        }
    };
    check("er", &[40.0, 0.2], 12.6, Some(6.0));
    check("ba", &[40.0, 5.0], 13.2, Some(6.9));
    check("ws", &[40.0, 4.0, 0.25], 29.7, Some(3.0));
    check("ws", &[40.0, 4.0, 0.75], 10.8, Some(7.6));
    check("distance", &[40.0, 0.75, 0.5, 1.0], 14.2, Some(8.5));
    check("distance", &[40.0, 0.5, 1.0, 1.0], 10.9, Some(12.3));
    check("er_dfs", &[40.0, 0.2], 35.0, None);
    check("distance_dfs", &[40.0, 0.75, 0.5, 1.0], 25.0, None);
}
