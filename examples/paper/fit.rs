//! Which constants of distance probability give the depth and width of Figure 10: a grid over p and alpha, each point drawn
//! 200 times.

use crate::published::SHAPES;
use crate::study::{in_parallel, moments, search};
use cnasc_base::Diagnostic;
use cnasc_expand::space;
use cnasc_ir::Program;
use cnasc_place::{Workload, structure};
use cnasc_search::draw;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Draws of each point.
const DRAWS: u64 = 200;

/// The points, from those nearest to the figure to those farthest.
pub fn table(program: &Program) -> Result<String, Diagnostic> {
    let mut points = Vec::new();
    for p in (10..=19).map(|step| f64::from(step) / 20.0) {
        for alpha in (2..=10).map(|step| f64::from(step) / 10.0) {
            points.push(point(program, p, alpha)?);
        }
    }
    points.sort_by(|a, b| a.distance().total_cmp(&b.distance()));
    let mut out = String::from("| p | alpha | depth | width | off by |\n| --- | --- | --- | --- | --- |\n");
    for one in points.iter().take(12) {
        let Point { p, alpha, depth, width } = one;
        let _ = writeln!(out, "| {p} | {alpha} | {depth:.1} | {width:.1} | {:.0} % |", 100.0 * one.distance());
    }
    Ok(out)
}

struct Point {
    p: f64,
    alpha: f64,
    depth: f64,
    width: f64,
}

impl Point {
    /// How far from the figure, as a share of it.
    fn distance(&self) -> f64 {
        let (depth, width) = SHAPES[0];
        libm::hypot(self.depth / depth - 1.0, self.width / width - 1.0)
    }
}

fn point(program: &Program, p: f64, alpha: f64) -> Result<Point, Diagnostic> {
    let fit = search(program, "fit")?;
    let mut settings = BTreeMap::new();
    for variable in space::variables(program, &fit.over) {
        let value = if variable.name.ends_with("alpha") { alpha } else { p };
        settings.insert(variable.name.clone(), variable.read(&format!("{value:?}"))?);
    }
    let shapes = in_parallel(DRAWS, |index| {
        let drawn = draw(program, &fit.over, &settings, fit.seed + index)?.architecture;
        let workload = Workload::sketch(&drawn).expect("a drawn network is sound");
        Ok(structure::widths(workload.dag(), &structure::counted(&workload)))
    })?;
    let depth = moments(shapes.iter().map(|widths| widths.len() as f64 + 2.0)).0;
    let widest = |widths: &Vec<u32>| f64::from(widths.iter().copied().max().unwrap_or(0));
    Ok(Point { p, alpha, depth, width: moments(shapes.iter().map(widest)).0 })
}
