//! What predicts how soon a network answers: the concurrency score and its parts, and other figures that are as cheap, against the
//! simulated latency of the best plan found, over the networks of one search on each fleet of its file. Spearman's correlation of
//! each with the latency, and with the latency over that on the fastest device alone, which is what a score of the
//! structure can know.

use crate::chart::{Axis, Chart, Layer, Mark, Panel};
use crate::figures::COLORS;
use crate::published::FAMILIES;
use crate::statistics::spearman;
use crate::study::{in_parallel, search};
use cnasc_base::{Diagnostic, Seed};
use cnasc_ir::program::{Budget, Search};
use cnasc_ir::score::Exponents;
use cnasc_ir::{Fleet, Program};
use cnasc_lower::lower;
use cnasc_place::bound::{critical_path, even_spread};
use cnasc_place::score::with_unit;
use cnasc_place::{ScoreOptions, Strategy, Workload, plan, score};
use cnasc_search::draw;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The fleets of the file, as the tables order them.
const FLEETS: [&str; 4] = ["ten_gigabit_boards", "gigabit_boards", "fast_ethernet_boards", "unlike_boards"];

/// What is held against the latency. Those from `FLOPs` on are in a fleet's own units or need none.
const FIGURES: [&str; 9] = [
    "CS",
    "δ_w",
    "Λ′",
    "η",
    "FLOPs",
    "critical path",
    "greater of critical path and even spread",
    "estimate: that with the balance and the sending of a partition",
    "latency of the quick plan (`portfolio`)",
];

/// One network on all fleets.
struct Measured {
    /// Which of the families, by its place in [`FAMILIES`].
    family: usize,
    score: cnasc_ir::score::Score,
    on: Vec<OnFleet>,
}

/// One network on one fleet, in seconds.
struct OnFleet {
    /// Of the best plan.
    latency: f64,
    /// On the fastest device alone.
    single: f64,
    /// [`FIGURES`] from `FLOPs` on.
    figures: [f64; 5],
}

/// The tables and a picture.
pub fn study(program: &Program) -> Result<(String, Chart), Diagnostic> {
    let mixed = search(program, "mixed")?;
    let count = match mixed.budget {
        Budget::Candidates(count) => count,
        Budget::Seconds(_) => 500,
    };
    let named = |name: &str| program.fleets.iter().find(|fleet| fleet.name == name);
    let fleets: Vec<&Fleet> = FLEETS.iter().filter_map(|name| named(name)).collect();
    let mut networks = in_parallel(count, |index| measure(program, mixed, &fleets, index))?;
    // One U_c for all, as scores that are compared need.
    let unit = networks.iter().map(|network| network.score.unit).min().unwrap_or(1);
    for network in &mut networks {
        network.score = with_unit(&network.score, unit, Exponents::PAPER);
    }
    Ok((tables(&networks), picture(&networks)))
}

fn measure(program: &Program, search: &Search, fleets: &[&Fleet], index: u64) -> Result<Measured, Diagnostic> {
    let number = search.seed + index;
    let drawn = draw(program, &search.over, &BTreeMap::new(), number)?;
    let graph = lower(&drawn.architecture);
    let workload = Workload::new(&drawn.architecture, &graph).expect("the graph was lowered from this network");
    let seed = Seed::new(number);
    let wiring = drawn.arguments.get("wiring").map_or("", String::as_str);
    let names = ["distance", "er", "ba", "ws"];
    Ok(Measured {
        family: names.iter().position(|name| wiring.starts_with(name)).unwrap_or(0),
        score: score(&workload, 4, &ScoreOptions::new(seed.child("score"))),
        on: fleets.iter().map(|fleet| on_fleet(&workload, fleet, &seed)).collect(),
    })
}

fn on_fleet(workload: &Workload, fleet: &Fleet, seed: &Seed) -> OnFleet {
    let placed =
        |strategy| plan(workload, fleet, strategy, &seed.child("place")).map_or(f64::INFINITY, |placed| placed.latency);
    let score = score(workload, 4, &ScoreOptions::new(seed.child("score")));
    let (path, even, single) = (critical_path(workload, fleet), even_spread(workload, fleet), placed(Strategy::Single));
    let link = fleet.links.iter().flatten().flatten().next().expect("the fleets have links");
    // All network cards send at once.
    let sending = |bytes: u64| link.seconds(bytes / u64::from(score.devices));
    let spread = score.tried.iter().map(|one| path.max(even * one.delta_w) + sending(one.communication));
    OnFleet {
        latency: placed(Strategy::Best),
        single,
        figures: [
            workload.total_flops() as f64,
            path,
            path.max(even),
            spread.fold(single, f64::min),
            placed(Strategy::Portfolio),
        ],
    }
}

impl Measured {
    fn figure(&self, index: usize, fleet: usize) -> f64 {
        let score = &self.score;
        match index {
            0 => score.cs,
            1 => score.delta_w,
            2 => score.lambda,
            3 => score.eta,
            _ => self.on[fleet].figures[index - 4],
        }
    }
}

fn tables(networks: &[Measured]) -> String {
    let mut out =
        String::from("<!-- Written by `cargo run --release --example paper -- latency`: change it there. -->\n");
    let _ = writeln!(out, "\n{} networks, 4 devices; Spearman's correlation over all of them.", networks.len());
    let relative = |on: &OnFleet| on.latency / on.single;
    section(&mut out, networks, "With the latency of the best plan", |_, on| on.latency, |figure, _| figure);
    section(
        &mut out,
        networks,
        "With that latency over the fastest device's alone, the last four figures too",
        |_, on| relative(on),
        |figure, on| figure / on.single,
    );
    out.push_str("\n## Within each family, gigabit: with the latency over the fastest device's\n\n");
    let _ = writeln!(out, "| | {} |\n|{}", FAMILIES[..4].join(" | "), " --- |".repeat(5));
    for (index, name) in FIGURES.iter().enumerate().take(4) {
        let cell = |family: usize| {
            let of = networks.iter().filter(|one| one.family == family);
            let pairs: Vec<(f64, f64)> = of.map(|one| (one.figure(index, 1), relative(&one.on[1]))).collect();
            format!("{:.2}", spearman(&pairs))
        };
        let cells: Vec<String> = (0..4).map(cell).collect();
        let _ = writeln!(out, "| {name} | {} |", cells.join(" | "));
    }
    out.push_str("\n## What spreading gains: the latency over the fastest device's, mean\n\n");
    for (fleet, name) in FLEETS.iter().enumerate() {
        let mean = networks.iter().map(|one| relative(&one.on[fleet])).sum::<f64>() / networks.len().max(1) as f64;
        let _ = writeln!(out, "- {}: {mean:.2}", told(name));
    }
    out
}

fn section(
    out: &mut String,
    networks: &[Measured],
    title: &str,
    goal: impl Fn(&Measured, &OnFleet) -> f64,
    scale: impl Fn(f64, &OnFleet) -> f64,
) {
    let _ = writeln!(out, "\n## {title}\n\n| | {} |\n|{}", FLEETS.map(told).join(" | "), " --- |".repeat(5));
    for (index, name) in FIGURES.iter().enumerate() {
        let cell = |fleet: usize| {
            let pair = |one: &Measured| {
                let (on, figure) = (&one.on[fleet], one.figure(index, fleet));
                // CS, its parts and FLOPs are no times.
                (if index < 5 { figure } else { scale(figure, on) }, goal(one, on))
            };
            format!("{:.2}", spearman(&networks.iter().map(pair).collect::<Vec<_>>()))
        };
        let cells: Vec<String> = (0..FLEETS.len()).map(cell).collect();
        let _ = writeln!(out, "| {name} | {} |", cells.join(" | "));
    }
}

fn told(fleet: &str) -> String {
    fleet.trim_end_matches("_boards").replace('_', " ").replace("unlike", "gigabit, one board faster")
}

/// On gigabit: CS, and the two best of the cheap figures, against the latency.
fn picture(networks: &[Measured]) -> Chart {
    let fleet = 1;
    let milliseconds = |seconds: f64| seconds * 1e3;
    let panel = |index: usize, title: &str, label: &str, scale: f64| {
        let at = |one: &Measured| (one.figure(index, fleet) * scale, milliseconds(one.on[fleet].latency), 0.0);
        let layer = |(family, color)| {
            let points = networks.iter().filter(|one| one.family == family).map(at).collect();
            Layer { mark: Mark::Dots(color), points }
        };
        Panel {
            title: title.to_owned(),
            x: Axis::ratios(label, networks.iter().map(|one| at(one).0)),
            y: Axis::ratios("latency of the best plan, ms", networks.iter().map(|one| at(one).1)),
            layers: COLORS.into_iter().take(4).enumerate().map(layer).collect(),
        }
    };
    Chart {
        title: "What predicts the latency: 500 networks, 4 boards, gigabit".to_owned(),
        legend: FAMILIES
            .iter()
            .zip(COLORS)
            .take(4)
            .map(|(name, color)| (Mark::Dots(color), (*name).to_owned()))
            .collect(),
        panels: vec![
            panel(0, FIGURES[0], "CS", 1.0),
            panel(1, FIGURES[1], "δ_w", 1.0),
            panel(2, FIGURES[2], "Λ′", 1.0),
            panel(3, FIGURES[3], "η", 1.0),
            panel(7, "estimate", "ms", 1e3),
            panel(8, "quick plan", "ms", 1e3),
        ],
        columns: 3,
    }
}
