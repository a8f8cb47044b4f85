//! Which constants of distance probability, and which probability of rewiring, give what the paper prints: a grid of constants, each
//! point drawn 100 times.

use crate::published::{CS_40, ENTROPY, PARAMETERS, SHAPES};
use crate::study::{Sample, in_parallel, moments, quantile, sample, search};
use cnasc_base::Diagnostic;
use cnasc_expand::space;
use cnasc_ir::Program;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Draws of each point.
const DRAWS: u64 = 100;

/// The points of both families, those of distance probability from the nearest to Figure 10 to the farthest.
pub fn table(program: &Program) -> Result<String, Diagnostic> {
    let mut points = Vec::new();
    for p in (10..=19).map(|step| f64::from(step) / 20.0) {
        for alpha in (2..=10).map(|step| f64::from(step) / 10.0) {
            points.push(Point::of(program, "fit", &[("alpha", alpha), ("p", p)])?);
        }
    }
    points.sort_by(|a, b| a.distance().total_cmp(&b.distance()));
    let mut out = String::from("Distance probability, nearest to Figure 10 first:\n\n");
    write(&mut out, &points[..points.len().min(8)], 0);
    points.sort_by(|a, b| b.entropy.total_cmp(&a.entropy));
    out.push_str("\nThe same, nearest to Figure 12 first:\n\n");
    write(&mut out, &points[..points.len().min(4)], 0);
    let rewired: Result<Vec<Point>, Diagnostic> =
        [0.1, 0.25, 0.5, 0.75, 1.0].into_iter().map(|p| Point::of(program, "fit_ws", &[("p", p)])).collect();
    out.push_str("\nEnforced grouping with 4 neighbours:\n\n");
    write(&mut out, &rewired?, 3);
    Ok(out)
}

/// A row a point and one for the paper's `family`.
fn write(out: &mut String, points: &[Point], family: usize) {
    out.push_str("| constants | depth | width | M parameters | CS at n = 4 | entropy on 4 units |\n");
    out.push_str("| --- | --- | --- | --- | --- | --- |\n");
    for one in points {
        let Point { constants, depth, width, params, cs, entropy } = one;
        let _ = writeln!(out, "| {constants} | {depth:.1} | {width:.1} | {params:.1} | {cs:.2} | {entropy:.2} |");
    }
    let ((depth, width), (params, _)) = (SHAPES[family], PARAMETERS[1][family]);
    let entropy = if family == 0 { ENTROPY[1].1.to_string() } else { String::new() };
    let cs = CS_40[0][family];
    let _ = writeln!(out, "| the paper's | {depth} | {width} | {params} | {cs} | {entropy} |");
}

/// Means over the draws, the median of the entropy.
struct Point {
    constants: String,
    depth: f64,
    width: f64,
    params: f64,
    cs: f64,
    entropy: f64,
}

impl Point {
    fn of(program: &Program, name: &str, constants: &[(&str, f64)]) -> Result<Self, Diagnostic> {
        let fit = search(program, name)?;
        let mut settings = BTreeMap::new();
        for variable in space::variables(program, &fit.over) {
            let last = variable.name.rsplit('.').next().unwrap_or_default();
            if let Some((_, value)) = constants.iter().find(|(constant, _)| *constant == last) {
                settings.insert(variable.name.clone(), variable.read(&format!("{value:?}"))?);
            }
        }
        let samples = in_parallel(DRAWS, |index| sample(program, fit, &settings, index))?;
        let mean = |figure: fn(&Sample) -> f64| moments(samples.iter().map(figure)).0;
        let mut entropies: Vec<f64> = samples.iter().map(|sample| sample.entropies[1]).collect();
        let words: Vec<String> = constants.iter().map(|(name, value)| format!("{name} {value}")).collect();
        Ok(Self {
            constants: words.join(", "),
            depth: mean(|sample| sample.counts.depth as f64 + 2.0),
            width: mean(|sample| sample.counts.width as f64),
            params: mean(|sample| sample.counts.params as f64 / 1e6),
            cs: mean(|sample| sample.scores[0].cs),
            entropy: quantile(&mut entropies, 0.5),
        })
    }

    /// How far from the figure, as a share of it.
    fn distance(&self) -> f64 {
        let (depth, width) = SHAPES[0];
        libm::hypot(self.depth / depth - 1.0, self.width / width - 1.0)
    }
}
