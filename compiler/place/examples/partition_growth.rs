//! How the time of a partition grows from 10³ to 10⁶ vertices:
//! `cargo run --release -p cnasc-place --example partition_growth -- [FILE.svg]` prints a table, and draws it.
//!
//! Each vertex takes one to four earlier outputs, mostly near ones. Eight parts, ε = 0.05, the thorough effort;
//! times are of the processor.

use cnasc_base::random::Seed;
use cnasc_place::dag::Rows;
use cnasc_place::partition::{Request, partition};
use cnasc_place::{Effort, Hypergraph};
use std::fmt::Write;

const SIZES: [u32; 7] = [1_000, 3_162, 10_000, 31_623, 100_000, 316_228, 1_000_000];
const PARTS: usize = 8;
const BOUND: f64 = 1.05;

fn main() -> std::io::Result<()> {
    println!("| vertices | pins | s | µs a pin | Λ | Λ of equal intervals | greatest load | peak memory, MB |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    let mut points = Vec::new();
    for size in SIZES {
        let graph = draw(size);
        let targets = [1.0; PARTS];
        let request = Request { targets: &targets, bound: BOUND, effort: Effort::THOROUGH, known: None };
        let started = processor_seconds();
        let found = partition(&graph, &request, &Seed::new(1));
        let seconds = processor_seconds() - started;
        points.push((f64::from(size), seconds));
        let intervals: Vec<u32> =
            (0..u64::from(size)).map(|vertex| (vertex * PARTS as u64 / u64::from(size)) as u32).collect();
        let greatest = found.loads.iter().copied().max().unwrap_or(0) as f64;
        println!(
            "| {size} | {} | {seconds:.2} | {:.2} | {} | {} | {:.4} | {} |",
            graph.pin_count(),
            1e6 * seconds / graph.pin_count() as f64,
            found.connectivity,
            graph.connectivity(&intervals),
            greatest * PARTS as f64 / graph.total_weight() as f64,
            peak_memory()
        );
    }
    match std::env::args().nth(1) {
        Some(path) => std::fs::write(path, plot(&points)),
        None => Ok(()),
    }
}

/// Seconds that this thread has computed, so that a busy machine says the same.
fn processor_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + 1e-9 * time.tv_nsec as f64
}

fn draw(vertices: u32) -> Hypergraph {
    let mut rng = Seed::new(u64::from(vertices)).rng();
    let mut consumers: Vec<Vec<u32>> = vec![Vec::new(); vertices as usize];
    let mut weights = Vec::new();
    for vertex in 0..vertices {
        weights.push(50 + rng.below(100) as u64);
        for _ in 0..1 + rng.below(4) {
            // Half of the distances are below three, one in a hundred is above a thousand.
            let distance = libm::pow(1.0 - rng.unit(), -1.5).min(f64::from(vertex)) as u32;
            let from = vertex - distance;
            if distance > 0 && consumers[from as usize].last() != Some(&vertex) {
                consumers[from as usize].push(vertex);
            }
        }
    }
    let mut pins = Rows::default();
    let mut costs = Vec::new();
    for (vertex, consumers) in (0..).zip(consumers) {
        if !consumers.is_empty() {
            costs.push(1 + rng.below(8) as u64);
            pins.push(std::iter::once(vertex).chain(consumers));
        }
    }
    Hypergraph::new(weights, costs, pins).expect("a vertex takes an output once")
}

/// In megabytes, where the system says so.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.map_or_else(|| "?".to_owned(), |kilobytes| (kilobytes / 1000).to_string())
}

/// Both axes logarithmic; the grey line is proportional to the number of vertices, through the last point.
fn plot(points: &[(f64, f64)]) -> String {
    let x = |vertices: f64| 70.0 + 110.0 * (libm::log10(vertices) - 3.0);
    let y = |seconds: f64| 120.0 - 45.0 * libm::log10(seconds);
    let mut svg = String::new();
    let mut put = |arguments: std::fmt::Arguments| svg.write_fmt(arguments).expect("a string takes everything");
    put(format_args!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 440 315\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"440\" height=\"315\" fill=\"white\"/>\n"
    ));
    for power in 3..=6 {
        let at = x(libm::pow(10.0, f64::from(power)));
        put(format_args!("<path d=\"M{at:.1} 75V255\" stroke=\"#ddd\"/>\n"));
        put(format_args!("<text x=\"{at:.1}\" y=\"273\" text-anchor=\"middle\">10{}</text>\n", POWERS[power as usize]));
    }
    for (power, name) in [(-3, "1 ms"), (-2, "10 ms"), (-1, "0.1 s"), (0, "1 s"), (1, "10 s")] {
        let at = y(libm::pow(10.0, f64::from(power)));
        put(format_args!("<path d=\"M70 {at:.1}H400\" stroke=\"#ddd\"/>\n"));
        put(format_args!("<text x=\"62\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>\n", at + 4.0));
    }
    if let (Some(first), Some(last)) = (points.first(), points.last()) {
        let proportional = y(last.1 * first.0 / last.0);
        put(format_args!(
            "<path d=\"M{:.1} {proportional:.1}L{:.1} {:.1}\" stroke=\"#999\" stroke-dasharray=\"4 3\" fill=\"none\"/>\n",
            x(first.0),
            x(last.0),
            y(last.1)
        ));
    }
    for (index, &(vertices, seconds)) in points.iter().enumerate() {
        let step = if index == 0 { "<path fill=\"none\" stroke=\"#1f5fa8\" stroke-width=\"2\" d=\"M" } else { "L" };
        put(format_args!("{step}{:.1} {:.1}", x(vertices), y(seconds)));
    }
    put(format_args!("\"/>\n"));
    for &(vertices, seconds) in points {
        put(format_args!("<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.5\" fill=\"#1f5fa8\"/>\n", x(vertices), y(seconds)));
    }
    put(format_args!("<text x=\"235\" y=\"297\" text-anchor=\"middle\">vertices</text>\n"));
    put(format_args!("<text x=\"70\" y=\"32\" font-size=\"14\">Time of a partition into eight parts</text>\n"));
    put(format_args!("<text x=\"70\" y=\"52\" fill=\"#777\">dashed: in proportion to the vertices</text>\n</svg>\n"));
    svg
}

const POWERS: [&str; 7] = ["⁰", "¹", "²", "³", "⁴", "⁵", "⁶"];
