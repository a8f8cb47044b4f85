//! Our partitions of 400 hypergraphs beside Mt-KaHyPar's (preset QUALITY, the best of five seeds), and which of ours are
//! proved to be optimal:
//!
//! `cargo run --release -p cnasc-place --example partition_rivals -- DIR PYTHON [--set N] [--reuse] [--each] [--prove NODES]`
//!
//! Writes the hypergraphs to DIR as hMETIS files, partitions each once, lets PYTHON (with `mtkahypar` installed) do the same
//! five times, and prints tables; seconds are of processor time, one thread each. `--set` draws other hypergraphs, and gives our
//! partitioner another seed. `--reuse` takes the rival's results of an earlier run of the same DIR; `--each` prints a line a
//! hypergraph. `--prove` lets branch and bound visit so many nodes to prove those partitions optimal that have at most 32 vertices
//! and 4 parts. Where no partition keeps ε, both sides get the smallest that ours found feasible. With `--features metis`, METIS
//! partitions them as well.

mod families;
mod networks;

use cnasc_base::random::Seed;
use cnasc_place::partition::{Partition, Request, exact, partition};
use cnasc_place::{Effort, Hypergraph, hypergraph::hmetis};
use families::Family;
use std::error::Error;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

const PARTS: [usize; 5] = [2, 3, 4, 8, 16];
const EPSILONS: [f64; 2] = [0.03, 0.10];
const SEEDS: usize = 5;

/// One hypergraph with what is asked of its partition, and our answer.
struct Case {
    group: &'static str,
    graph: Hypergraph,
    parts: usize,
    epsilon: f64,
    ours: Partition,
    seconds: f64,
}

/// One run of the rival.
#[derive(Clone, Copy)]
struct Run {
    km1: u64,
    imbalance: f64,
    seconds: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, python, rest @ ..] = arguments.as_slice() else {
        return Err("usage: partition_rivals DIR PYTHON [--set N] [--reuse] [--each] [--prove NODES]".into());
    };
    let folder = Path::new(folder);
    std::fs::create_dir_all(folder)?;
    let number = |word: &str| match rest.iter().position(|other| other == word) {
        None => Ok(None),
        Some(place) => rest.get(place + 1).and_then(|text| text.parse().ok()).map(Some).ok_or(format!("{word} N")),
    };
    let cases = cases(number("--set")?.unwrap_or(0));
    let mut list = String::new();
    for (index, case) in cases.iter().enumerate() {
        let path = folder.join(format!("{index:03}.hgr"));
        std::fs::write(&path, hmetis::write(&case.graph))?;
        writeln!(list, "{} {} {:.9}", path.display(), case.parts, case.ours.bound - 1.0)?;
    }
    std::fs::write(folder.join("list.txt"), list)?;
    if !rest.iter().any(|word| word == "--reuse") {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/partition_rivals/rival.py");
        let output = Command::new(python).arg(script).arg(folder.join("list.txt")).output()?;
        std::fs::write(folder.join("rival.txt"), &output.stdout)?;
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
    }
    let rival = read_runs(&std::fs::read_to_string(folder.join("rival.txt"))?)?;
    if rival.len() != cases.len() {
        return Err(format!("the rival answered {} of {}", rival.len(), cases.len()).into());
    }
    if rest.iter().any(|word| word == "--each") {
        each(&cases, &rival);
    }
    report(&cases, &rival);
    #[cfg(feature = "metis")]
    beside_metis(&cases);
    if let Some(nodes) = number("--prove")? {
        prove(&cases, nodes);
    }
    Ok(())
}

/// Sets 0 to 2 are those that the partitioner's constants were tuned on.
fn cases(set: u64) -> Vec<Case> {
    let mut cases = Vec::new();
    for (cell, parts, epsilon) in
        PARTS.iter().enumerate().flat_map(|(at, &parts)| (0..2).map(move |e| (2 * at + e, parts, EPSILONS[e])))
    {
        for (group, graph) in graphs(&Seed::new(cell as u64 + 100 * set)) {
            let targets = vec![1.0; parts];
            let request = Request { targets: &targets, bound: 1.0 + epsilon, effort: Effort::THOROUGH, known: None };
            let started = processor_seconds();
            let ours = partition(&graph, &request, &Seed::new(1 + set));
            let seconds = processor_seconds() - started;
            cases.push(Case { group, graph, parts, epsilon, ours, seconds });
        }
    }
    cases
}

/// Seconds that this thread has computed.
fn processor_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + 1e-9 * time.tv_nsec as f64
}

/// Forty hypergraphs of 16 to 512 vertices.
fn graphs(seed: &Seed) -> Vec<(&'static str, Hypergraph)> {
    let mut graphs = Vec::new();
    for nodes in [16, 24, 32, 64, 128, 256, 512] {
        let seed = seed.nth(nodes as u64);
        // As many edges a vertex at every size.
        let er = Family::Er((6.4 / nodes as f64).min(0.4));
        for (name, family) in [
            ("ER", er),
            ("BA", Family::Ba(if nodes % 3 == 0 { 3 } else { 5 })),
            ("WS", Family::Ws(4, 0.75)),
            ("distance", Family::Distance(if nodes > 100 { 8.0 } else { 4.0 })),
        ] {
            graphs.push((name, families::single(family, nodes, &seed.child(name))));
        }
    }
    for (name, family, nodes, channels) in [
        ("er32", Family::Er(0.2), 32, 78),
        ("ba32", Family::Ba(5), 32, 78),
        ("ws32", Family::Ws(4, 0.75), 32, 78),
        ("ws64", Family::Ws(4, 0.75), 64, 108),
        ("er64", Family::Er(0.1), 64, 108),
        ("ws128", Family::Ws(4, 0.75), 128, 154),
    ] {
        graphs.push(("RandWire", families::whole(family, nodes, channels, &seed.child(name))));
    }
    graphs.push(("ResNet", networks::resnet([3, 4, 6, 3])));
    graphs.push(("ResNet", networks::resnet([3, 8, 36, 3])));
    graphs.push(("Inception", networks::inception()));
    graphs.push(("DenseNet", networks::densenet([6, 12, 24, 16])));
    graphs.push(("DenseNet", networks::densenet([6, 12, 32, 32])));
    graphs.push(("DenseNet", networks::densenet([6, 12, 48, 32])));
    graphs
}

fn read_runs(text: &str) -> Result<Vec<[Run; SEEDS]>, Box<dyn Error>> {
    let mut all = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let mut runs = [Run { km1: 0, imbalance: 0.0, seconds: 0.0 }; SEEDS];
        for (run, words) in runs.iter_mut().zip(words.chunks_exact(3)) {
            *run = Run { km1: words[0].parse()?, imbalance: words[1].parse()?, seconds: words[2].parse()? };
        }
        all.push(runs);
    }
    Ok(all)
}

/// A line a case.
fn each(cases: &[Case], rival: &[[Run; SEEDS]]) {
    println!("number group vertices parts bound ours rival ms rival's ms");
    for (number, (case, runs)) in cases.iter().zip(rival).enumerate() {
        let theirs = best(case, runs).map_or_else(|| "-".to_owned(), |km1| km1.to_string());
        println!(
            "{number:03} {} {} {} {:.4} {} {theirs} {:.1} {:.1}",
            case.group,
            case.graph.vertices(),
            case.parts,
            case.ours.bound,
            case.ours.connectivity,
            1e3 * case.seconds,
            1e3 * runs.iter().map(|run| run.seconds).sum::<f64>()
        );
    }
}

/// The rival's best within the bound.
fn best(case: &Case, runs: &[Run; SEEDS]) -> Option<u64> {
    let kept = runs.iter().filter(|run| run.imbalance <= case.ours.bound - 1.0 + 1e-6);
    kept.map(|run| run.km1).min()
}

/// Sums over some cases.
#[derive(Default)]
struct Row {
    cases: usize,
    better: usize,
    equal: usize,
    worse: usize,
    /// The rival found nothing within the bound.
    unbalanced: usize,
    ours: u64,
    theirs: u64,
    ratios: f64,
    seconds: f64,
    their_seconds: f64,
}

impl Row {
    fn add(&mut self, case: &Case, runs: &[Run; SEEDS]) {
        self.cases += 1;
        self.seconds += case.seconds;
        self.their_seconds += runs.iter().map(|run| run.seconds).sum::<f64>();
        let Some(theirs) = best(case, runs) else {
            self.unbalanced += 1;
            return;
        };
        let ours = case.ours.connectivity;
        match ours.cmp(&theirs) {
            std::cmp::Ordering::Less => self.better += 1,
            std::cmp::Ordering::Equal => self.equal += 1,
            std::cmp::Ordering::Greater => self.worse += 1,
        }
        self.ours += ours;
        self.theirs += theirs;
        self.ratios += libm::log(ours.max(1) as f64 / theirs.max(1) as f64);
    }

    fn print(&self, name: &str) {
        let compared = (self.cases - self.unbalanced).max(1) as f64;
        println!(
            "| {name} | {} | {} | {} | {} | {} | {:.4} | {:.4} | {:.2} | {:.2} | {:.1} |",
            self.cases,
            self.better,
            self.equal,
            self.worse,
            self.unbalanced,
            self.ours as f64 / self.theirs.max(1) as f64,
            libm::exp(self.ratios / compared),
            self.seconds,
            self.their_seconds,
            self.their_seconds / self.seconds,
        );
    }
}

fn report(cases: &[Case], rival: &[[Run; SEEDS]]) {
    println!(
        "| | cases | better | equal | worse | rival unbalanced | Λ, sums | Λ, geometric mean | s | rival's s | times |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    let row = |name: &str, keep: &dyn Fn(&Case) -> bool| {
        let mut row = Row::default();
        cases.iter().zip(rival).filter(|(case, _)| keep(case)).for_each(|(case, runs)| row.add(case, runs));
        row.print(name);
        row
    };
    for group in ["ER", "BA", "WS", "distance", "RandWire", "ResNet", "Inception", "DenseNet"] {
        row(group, &|case| case.group == group);
    }
    for parts in PARTS {
        row(&format!("k = {parts}"), &|case| case.parts == parts);
    }
    for epsilon in EPSILONS {
        row(&format!("ε = {epsilon}"), &|case| case.epsilon == epsilon);
    }
    for (least, most) in [(0, 32), (33, 128), (129, 1000)] {
        row(&format!("{least} to {most} vertices"), &|case| (least..=most).contains(&case.graph.vertices()));
    }
    let all = row("all", &|_| true);
    println!(
        "\nworse on {:.1} % of {}; our one call takes 1/{:.1} of the rival's five, 1/{:.1} of one of them",
        100.0 * all.worse as f64 / all.cases as f64,
        all.cases,
        all.their_seconds / all.seconds,
        all.their_seconds / all.seconds / SEEDS as f64
    );
    let relaxed = cases.iter().filter(|case| case.ours.bound > 1.0 + case.epsilon + 1e-9).count();
    println!("no partition within ε was found for {relaxed}; there both sides had the smallest that was");
}

/// Of the small ones, how many are proved; time apart from that of the partitions above.
fn prove(cases: &[Case], nodes: u64) {
    let small: Vec<&Case> = cases.iter().filter(|case| case.graph.vertices() <= 32 && case.parts <= 4).collect();
    println!("\n| parts | vertices | cases | proved | beaten | s | slowest, s |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let (mut proved, mut beaten) = (0, 0);
    for (parts, vertices) in [2, 3, 4].into_iter().flat_map(|parts| [16, 24, 32].map(|vertices| (parts, vertices))) {
        let own: Vec<&&Case> =
            small.iter().filter(|case| case.parts == parts && case.graph.vertices() == vertices).collect();
        let (mut row, mut better, mut seconds, mut slowest) = (0, 0, 0.0, 0.0_f64);
        for case in &own {
            let targets = vec![1.0; parts];
            let request = Request { targets: &targets, bound: case.ours.bound, effort: Effort::THOROUGH, known: None };
            let started = processor_seconds();
            let proof = exact::prove(&case.graph, &request, &case.ours, nodes);
            let took = processor_seconds() - started;
            row += usize::from(proof.optimal);
            better += usize::from(proof.partition.connectivity < case.ours.connectivity);
            seconds += took;
            slowest = slowest.max(took);
        }
        println!("| {parts} | {vertices} | {} | {row} | {better} | {seconds:.1} | {slowest:.1} |", own.len());
        proved += row;
        beaten += better;
    }
    println!(
        "\nwhether they are the best is settled for {proved} of {} ({:.0} %); a better one was found for {beaten}",
        small.len(),
        100.0 * proved as f64 / small.len() as f64
    );
}

/// METIS sees a graph, so its Λ is no fair race; this says by how much a graph misleads.
#[cfg(feature = "metis")]
fn beside_metis(cases: &[Case]) {
    let (mut logs, mut compared, mut unbalanced, mut seconds) = (0.0, 0_u32, 0_u32, 0.0);
    for case in cases {
        let started = processor_seconds();
        let epsilon = case.ours.bound - 1.0;
        let found = cnasc_place::partition::metis::metis(&case.graph, case.parts as u32, epsilon, 1);
        seconds += processor_seconds() - started;
        let Ok(part_of) = found else { continue };
        let mut loads = vec![0; case.parts];
        part_of.iter().zip(case.graph.weights()).for_each(|(&part, weight)| loads[part as usize] += weight);
        let share = case.graph.total_weight() as f64 / case.parts as f64;
        if loads.iter().any(|&load| load as f64 > share * case.ours.bound * (1.0 + 1e-9)) {
            unbalanced += 1;
            continue;
        }
        let theirs = case.graph.connectivity(&part_of);
        logs += libm::log(case.ours.connectivity.max(1) as f64 / theirs.max(1) as f64);
        compared += 1;
    }
    println!(
        "\nMETIS: beyond the bound on {unbalanced}; on the {compared} others our Λ is {:.4} of its, in the geometric mean; {seconds:.2} s",
        libm::exp(logs / f64::from(compared.max(1)))
    );
}
