//! How good plans are: `cargo run --release -p cnasc-place --example plan_quality -- [small|large] [PREFIXES]`.
//!
//! PREFIXES is how many prefixes of a placement the proof of a small instance may look at: more prove more, in as much more time.
//! Small instances against the proved optimum, large ones against other strategies; every rival's placement is judged by the
//! same simulation. Networks: random (Erdős–Rényi), preferential attachment (Barabási–Albert), small world
//! (Watts–Strogatz), by distance, series-parallel; each with four ratios of computing to sending, on equal and on different devices.

use cnasc_base::random::{Rng, Seed};
use cnasc_ir::architecture::Role;
use cnasc_ir::fleet::{Backend, Device, Fleet, Link};
use cnasc_place::dag::Dag;
use cnasc_place::workload::Cost;
use cnasc_place::{Strategy, Workload, exact, plan, verify};

const FAMILIES: [&str; 5] = ["ER", "BA", "WS", "distance", "series-parallel"];
/// Seconds of computing a node for each second of sending its output, on average.
const RATIOS: [f64; 4] = [0.3, 1.0, 3.0, 10.0];
const SMALL: u64 = 200;
const LARGE: u64 = 120;
/// Prefixes that the proof of a small instance may take where nothing else is asked.
const PROOF: usize = 500_000;

fn main() -> Result<(), std::num::ParseIntError> {
    let asked = |part: &str| std::env::args().nth(1).is_none_or(|only| only == part);
    if asked("small") {
        small(std::env::args().nth(2).map_or(Ok(PROOF), |prefixes| prefixes.parse())?);
    }
    if asked("large") {
        large();
    }
    Ok(())
}

fn small(prefixes: usize) {
    println!(
        "{SMALL} networks of 8 to 24 nodes on 2 or 3 devices, against the optimum, proved with {prefixes} prefixes"
    );
    println!("family           proved  best above optimum: mean      worst  exact   the rest: above found    gap");
    let mut all = Small::default();
    for (index, family) in FAMILIES.iter().enumerate() {
        let mut row = Small::default();
        for number in (0..SMALL).filter(|number| number % 5 == index as u64) {
            row.add(number, prefixes);
        }
        row.print(family);
        all.excess.extend(row.excess);
        all.open.extend(row.open);
        all.beaten.extend(row.beaten);
    }
    all.print("all");
}

/// What was found on some small instances.
#[derive(Default)]
struct Small {
    /// Latency of `best` over the optimum, minus 1, where the optimum is proved.
    excess: Vec<f64>,
    /// Latency of `best` over the proved bound, minus 1, elsewhere.
    open: Vec<f64>,
    /// There, over the fastest that the search found, minus 1.
    beaten: Vec<f64>,
}

impl Small {
    fn add(&mut self, number: u64, prefixes: usize) {
        let mut rng = Seed::new(number).child("small").rng();
        let nodes = 8 + rng.below(17);
        let workload = network(number, nodes, &mut rng);
        let fleet = fleet(2 + rng.below(2), number / 5, &mut rng);
        let best = plan(&workload, &fleet, Strategy::Best, &Seed::new(1)).expect("memory is plenty");
        let placement = verify::placement(&best, &workload).expect("it is a plan of this network");
        let proof = exact::solve(&workload, &fleet, Some(&placement), prefixes).expect("it is small");
        if proof.is_proved() {
            self.excess.push(best.latency / proof.latency - 1.0);
        } else {
            self.open.push(best.latency / proof.bound - 1.0);
            // The solver may start from other bookings of the same plan, which are worse.
            self.beaten.push((best.latency / proof.latency - 1.0).max(0.0));
        }
    }

    fn print(&self, name: &str) {
        let mean = |values: &[f64]| 100.0 * values.iter().sum::<f64>() / values.len().max(1) as f64;
        let worst = self.excess.iter().copied().fold(0.0, f64::max);
        let exact = self.excess.iter().filter(|excess| **excess < 1e-9).count();
        println!(
            "{name:<16} {:>3}/{:<3} {:>24.3} %  {:>7.2} %  {exact:>5}  {:>19.3} % {:>6.1} %",
            self.excess.len(),
            self.excess.len() + self.open.len(),
            mean(&self.excess),
            100.0 * worst,
            mean(&self.beaten),
            mean(&self.open)
        );
    }
}

const RIVALS: [Strategy; 8] = [
    Strategy::Single,
    Strategy::Components,
    Strategy::Hypergraph,
    Strategy::Heft,
    Strategy::Peft,
    Strategy::Cpop,
    Strategy::Earliest,
    Strategy::Portfolio,
];

fn large() {
    println!("\n{LARGE} networks of 32 to 200 nodes on 2 to 8 devices: by how much less latency `best` has than");
    let mut ratios = vec![Vec::new(); RIVALS.len()];
    let (mut gaps, mut copies, mut seconds) = (Vec::new(), 0, 0.0);
    for number in 0..LARGE {
        let mut rng = Seed::new(number).child("large").rng();
        let nodes = [32, 48, 64, 96, 128, 200][rng.below(6)];
        let workload = network(number, nodes, &mut rng);
        let fleet = fleet(2 + rng.below(7), number / 5, &mut rng);
        let started = processor_seconds();
        let best = plan(&workload, &fleet, Strategy::Best, &Seed::new(1)).expect("memory is plenty");
        seconds += processor_seconds() - started;
        gaps.push(1.0 + best.gap());
        copies += best.copies.len();
        for (rival, ratios) in RIVALS.iter().zip(&mut ratios) {
            let other = plan(&workload, &fleet, *rival, &Seed::new(1)).expect("memory is plenty");
            ratios.push(best.latency / other.latency);
        }
    }
    println!("rival          geometric mean     least  never worse");
    for (rival, ratios) in RIVALS.iter().zip(&ratios) {
        let worst = ratios.iter().copied().fold(0.0, f64::max);
        let less = |ratio: f64| 100.0 * (1.0 - ratio);
        println!("{:<14} {:>12.1} % {:>8.1} %  {}", rival.name(), less(mean(ratios)), less(worst), worst <= 1.0 + 1e-9);
    }
    let (above, each) = (100.0 * (mean(&gaps) - 1.0), 1e3 * seconds / LARGE as f64);
    println!("above the bound: {above:.1} % (geometric mean); {copies} copies; {each:.1} ms a network");
}

/// The geometric mean.
fn mean(values: &[f64]) -> f64 {
    libm::exp(values.iter().map(|value| libm::log(*value)).sum::<f64>() / values.len() as f64)
}

/// Network `number`, of the family that its number gives.
fn network(number: u64, nodes: usize, rng: &mut Rng) -> Workload {
    let blocks = nodes - 3;
    let mut edges = match number % 5 {
        0 => pairs(blocks).filter(|_| rng.chance(3.0 / blocks as f64)).collect(),
        1 => attachment(blocks, rng),
        2 => small_world(blocks, rng),
        3 => pairs(blocks).filter(|(a, b)| rng.chance(1.2 * libm::exp(-0.5 * f64::from(b - a)))).collect(),
        _ => series_parallel(blocks, rng),
    };
    // Image and stem before the blocks, a gather behind them; nothing is left over.
    edges = edges.into_iter().map(|(a, b)| (a + 2, b + 2)).collect();
    let (first, last) = (2, nodes as u32 - 1);
    let ends: Vec<(u32, u32)> = (first..last)
        .flat_map(|node| {
            let source = (!edges.iter().any(|edge| edge.1 == node)).then_some((1, node));
            let sink = (!edges.iter().any(|edge| edge.0 == node)).then_some((node, last));
            source.into_iter().chain(sink)
        })
        .collect();
    edges.extend(ends);
    edges.push((0, 1));
    let ratio = RATIOS[number as usize / 10 % RATIOS.len()];
    let costs = (0..nodes).map(|node| {
        let role = match node {
            0 => Role::Input,
            1 => Role::Pipeline,
            _ if node + 1 == nodes => Role::Gather,
            _ => Role::Block,
        };
        // 8 GFLOP/s and 1 Gbit/s: a byte takes as long as 64 FLOPs.
        let bytes = 20_000 + rng.below(180_000) as u64;
        let flops = if node == 0 { 0 } else { (ratio * 64.0 * bytes as f64 * (0.2 + 1.6 * rng.unit())) as u64 };
        Cost { flops, bytes, weights: 1000, scratch: bytes, ..Cost::of(role) }
    });
    let costs = costs.collect();
    Workload::from_costs(Dag::from_edges(nodes as u32, &edges).expect("edges ascend"), costs).expect("a network")
}

fn pairs(count: usize) -> impl Iterator<Item = (u32, u32)> {
    (0..count as u32).flat_map(move |b| (0..b).map(move |a| (a, b)))
}

/// Each new node takes two earlier ones, in proportion to how many edges they have.
fn attachment(count: usize, rng: &mut Rng) -> Vec<(u32, u32)> {
    let mut ends = vec![0_u32];
    let mut edges = Vec::new();
    for node in 1..count as u32 {
        for _ in 0..2 {
            let from = ends[rng.below(ends.len())];
            if from != node {
                edges.push((from, node));
                ends.extend([from, node]);
            }
        }
    }
    edges
}

/// A ring in which each node is joined to the two before it, a quarter of the edges moved anywhere.
fn small_world(count: usize, rng: &mut Rng) -> Vec<(u32, u32)> {
    let mut edges = Vec::new();
    for node in 0..count as u32 {
        for step in 1..=2 {
            let other = if rng.chance(0.25) { rng.below(count) as u32 } else { (node + step) % count as u32 };
            if other != node {
                edges.push((node.min(other), node.max(other)));
            }
        }
    }
    edges
}

/// Stages of parallel chains, joined by one node.
fn series_parallel(count: usize, rng: &mut Rng) -> Vec<(u32, u32)> {
    let mut edges = Vec::new();
    let (mut join, mut next, count) = (0_u32, 1_u32, count as u32);
    while next < count {
        let mut ends = Vec::new();
        for _ in 0..2 + rng.below(3) {
            let mut last = join;
            for _ in 0..1 + rng.below(3) {
                if next < count {
                    edges.push((last, next));
                    last = next;
                    next += 1;
                }
            }
            ends.push(last);
        }
        if next < count {
            edges.extend(ends.into_iter().filter(|&end| end != join).map(|end| (end, next)));
            join = next;
            next += 1;
        }
    }
    edges
}

/// `count` devices: equal ones, or of one to three times the speed and links of a half to the whole rate, by turns.
fn fleet(count: usize, turn: u64, rng: &mut Rng) -> Fleet {
    let device = Device {
        name: "pi".to_owned(),
        kind: "pi".to_owned(),
        compute: 8e9,
        memory: 2e9,
        cores: 4,
        backend: Backend::Jit,
        power: None,
    };
    let mut fleet = Fleet::uniform("shelf", count, &device, Link { rate: 1e9, latency: 2e-4 });
    if turn % 2 == 1 {
        for device in &mut fleet.devices {
            device.compute *= 1.0 + 2.0 * rng.unit();
        }
        for link in fleet.links.iter_mut().flatten().flatten() {
            link.rate *= 0.5 + 0.5 * rng.unit();
        }
    }
    fleet
}

/// Seconds that this thread has computed, so that a busy machine says the same.
fn processor_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + 1e-9 * time.tv_nsec as f64
}
