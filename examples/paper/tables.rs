//! The study as Markdown tables, each figure's numbers beside the printed ones: mean ± standard deviation, then the paper's.

use crate::Study;
use crate::published::{self, FAMILIES, UNITS};
use crate::study::{Sample, WORKERS, moments, quantile};
use cnasc_ir::score::Exponents;
use cnasc_place::score::with_unit;
use std::fmt::Write;

/// The searches of the five families at 40 and at 80 blocks, in the order of the figures.
pub const ROWS: [[&str; 5]; 2] =
    [["dp_40", "er_40", "ba_40", "ws_40", "fb"], ["dp_80", "er_80", "ba_80", "ws_80", "fb"]];

/// The searches of Table IV: greedy, then probabilistic staging.
const STAGED: [[&str; 4]; 2] =
    [["dp_greedy", "er_greedy", "ba_greedy", "ws_greedy"], ["dp_40", "er_40", "ba_40", "ws_40"]];

/// All tables.
pub fn all(study: &Study) -> String {
    let mut out = String::from("<!-- Written by `cargo run --release --example paper`: change it there. -->\n");
    let count = study["dp_40"].len();
    let _ =
        writeln!(out, "\n{count} networks a row and column; mean ± standard deviation, and in brackets the paper's.");
    heading(&mut out, "Figure 7: communication Λ in MB, 40 blocks, the partition with the least score");
    by_units(&mut out, &published::COMMUNICATION, |family, unit| megabytes(&study[ROWS[0][family]], unit));
    heading(&mut out, "The same at the tightest balance, ε = 1.02");
    by_units(&mut out, &published::COMMUNICATION, |family, unit| tightest(&study[ROWS[0][family]], unit));
    heading(&mut out, "Figure 8: computation time (work of the fullest unit) over FB's, 40 blocks");
    by_units(&mut out, &published::TIME, |family, unit| time(study, family, unit));
    for (index, (blocks, theirs)) in [(40, published::CS_40), (80, published::CS_80)].into_iter().enumerate() {
        heading(&mut out, &format!("Figure 9: CS, {blocks} blocks, U_c the smallest edge of each family"));
        by_units(&mut out, &theirs, |family, unit| scores(study, index, family, unit, false));
        heading(&mut out, &format!("The same with one U_c for all, {blocks} blocks"));
        by_units(&mut out, &theirs, |family, unit| scores(study, index, family, unit, true));
    }
    shapes(&mut out, study);
    entropies(&mut out, study);
    parameters(&mut out, study);
    out
}

fn heading(out: &mut String, text: &str) {
    let _ = writeln!(out, "\n## {text}\n");
}

fn by_units(out: &mut String, theirs: &[[f64; 5]; 4], ours: impl Fn(usize, usize) -> (f64, f64)) {
    let _ = writeln!(out, "| | {} |\n|{}", UNITS.map(|units| format!("n = {units}")).join(" | "), " --- |".repeat(5));
    for (family, name) in FAMILIES.iter().enumerate() {
        let cell = |unit: usize| {
            let (mean, spread) = ours(family, unit);
            format!("{} ± {} ({})", digits(mean), digits(spread), digits(theirs[unit][family]))
        };
        let cells: Vec<String> = (0..UNITS.len()).map(cell).collect();
        let _ = writeln!(out, "| {name} | {} |", cells.join(" | "));
    }
}

/// Three digits that matter, near enough.
fn digits(value: f64) -> String {
    let places = if value.abs() >= 100.0 {
        0
    } else if value.abs() >= 10.0 {
        1
    } else {
        2 + usize::from(value.abs() < 1.0)
    };
    format!("{value:.places$}")
}

/// Λ of the partitions with the least scores.
pub fn megabytes(samples: &[Sample], unit: usize) -> (f64, f64) {
    moments(samples.iter().map(move |sample| sample.scores[unit].communication as f64 / 1e6))
}

/// Λ of the partitions with the smallest ε.
fn tightest(samples: &[Sample], unit: usize) -> (f64, f64) {
    moments(samples.iter().map(move |sample| sample.scores[unit].tried[0].communication as f64 / 1e6))
}

/// The work of the fullest unit over the mean of FB's.
pub fn time(study: &Study, family: usize, unit: usize) -> (f64, f64) {
    let fb = moments(study["fb"].iter().map(|sample| sample.fullest(unit))).0;
    moments(study[ROWS[0][family]].iter().map(|sample| sample.fullest(unit) / fb))
}

/// CS with the smallest edge of the family, or of all families of one size.
pub fn scores(study: &Study, size: usize, family: usize, unit: usize, shared: bool) -> (f64, f64) {
    let smallest = |name: &str| study[name].iter().flat_map(|sample| &sample.scores).map(|score| score.unit).min();
    let own = smallest(ROWS[size][family]);
    let u_c = if shared { ROWS[size].iter().filter_map(|name| smallest(name)).min() } else { own }.unwrap_or(1);
    let samples = study[ROWS[size][family]].iter();
    moments(samples.map(|sample| with_unit(&sample.scores[unit], u_c, Exponents::PAPER).cs))
}

fn shapes(out: &mut String, study: &Study) {
    heading(out, "Figure 10: depth with input and output, and greatest width");
    let _ = writeln!(out, "| | blocks | depth | width |\n| --- | --- | --- | --- |");
    for (family, name) in FAMILIES.iter().enumerate() {
        let samples = &study[ROWS[0][family]];
        let blocks = moments(samples.iter().map(|sample| sample.counts.nodes as f64));
        let depth = moments(samples.iter().map(|sample| sample.counts.depth as f64 + 2.0));
        let width = moments(samples.iter().map(|sample| sample.counts.width as f64));
        let theirs = published::SHAPES[family];
        let _ = writeln!(
            out,
            "| {name} | {:.0} | {:.1} ± {:.1} ({}) | {:.1} ± {:.1} ({}) |",
            blocks.0, depth.0, depth.1, theirs.0, width.0, width.1, theirs.1
        );
    }
}

fn entropies(out: &mut String, study: &Study) {
    heading(out, "Figure 12: entropy of the loads of the paper's placement, DP, 40 blocks");
    let _ = writeln!(out, "| units | median | first percentile |\n| --- | --- | --- |");
    for (index, workers) in WORKERS.iter().enumerate() {
        let (median, low) = entropy(&study["dp_40"], index);
        let (_, their_median, their_low) = published::ENTROPY[index];
        let _ = writeln!(out, "| {workers} | {median:.3} ({their_median}) | {low:.3} ({their_low}) |");
    }
}

/// Median and first percentile.
pub fn entropy(samples: &[Sample], index: usize) -> (f64, f64) {
    let mut values: Vec<f64> = samples.iter().map(|sample| sample.entropies[index]).collect();
    (quantile(&mut values, 0.5), quantile(&mut values, 0.01))
}

fn parameters(out: &mut String, study: &Study) {
    heading(out, "Table IV: millions of parameters");
    let _ = writeln!(out, "| staging | {} |\n|{}", FAMILIES[..4].join(" | "), " --- |".repeat(5));
    for (index, staging) in ["greedy", "probabilistic"].into_iter().enumerate() {
        let cell = |family: usize| {
            let samples = study[STAGED[index][family]].iter();
            let (mean, spread) = moments(samples.map(|sample| sample.counts.params as f64 / 1e6));
            let (theirs, their_spread) = published::PARAMETERS[index][family];
            format!("{mean:.1} ± {spread:.1} ({theirs} ± {their_spread})")
        };
        let cells: Vec<String> = (0..4).map(cell).collect();
        let _ = writeln!(out, "| {staging} | {} |", cells.join(" | "));
    }
}
