//! What one candidate of a search costs: `cargo run --release -p cnasc-search --example candidate_speed`.

use cnasc_base::{Seed, Sources};
use cnasc_ir::{Edit, EditKind};
use cnasc_place::{ScoreOptions, Strategy, Workload, plan, score};
use cnasc_search::{Proposal, draw};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

/// That of the program `cnasc`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SEEDS: u64 = 300;

/// How many edits a candidate has that is edited.
const EDITS: usize = 4;

fn program(nodes: u32) -> String {
    format!(
        "use std::blocks::sepconv
use std::devices::rpi4
use std::generators::distance
use std::stagings::probabilistic

fleet shelf {{
    node pi[4]: rpi4
    link pi <-> pi: 1 Gbit/s, 200 us
}}

network net(wiring: generator, width: int) {{
    input image(3, 32, 32)
    stem  conv(3, width) -> bn -> relu
    body  wiring of sepconv staged probabilistic
    head  global_avg -> linear(10)
}}

search speed {{
    over     net(wiring: distance(n: {nodes}), width: in {{16, 32}})
    on       shelf
    minimize concurrency_score
    budget   1 candidates
}}
"
    )
}

fn main() {
    println!("milliseconds a candidate, mean of {SEEDS}, one thread, 4 devices");
    println!(
        "{:>6} {:>8} {:>8} {:>8} {:>12} {:>12} {:>8} {:>8}   {:>22}",
        "nodes", "expand", "edited", "costs", "score 1 eps", "score 5 eps", "plan", "hash", "drawn, scored 1 eps a s"
    );
    for nodes in [32, 96] {
        measure(nodes);
    }
}

fn measure(nodes: u32) {
    let mut sources = Sources::default();
    let file = sources.add("speed.cnas", program(nodes));
    let (program, _) = cnasc_frontend::compile(&mut sources, file);
    let program = program.expect("the program above is right");
    let search = &program.searches[0];
    let fleet = &program.fleets[search.on.index()];
    let edits: Vec<Edit> =
        (0..EDITS).map(|number| Edit { kind: EditKind::ALL[number % 3], number: number as u64 }).collect();
    let mut spent = [0.0; 7];
    for seed in 0..SEEDS {
        let root = Seed::new(seed);
        let mut lap = Lap::start();
        let drawn =
            draw(&program, &search.over, &BTreeMap::new(), seed).expect("every draw of this space is a network");
        spent[0] += lap.seconds();
        let edited = Proposal { index: 0, seed, settings: BTreeMap::new(), edits: edits.clone() };
        black_box(edited.draw(&program, &search.over).expect("so is every edited one"));
        spent[6] += lap.seconds();
        let workload = Workload::sketch(&drawn.architecture).expect("the network is verified");
        spent[1] += lap.seconds();
        black_box(score(&workload, 4, &ScoreOptions::fast(root.clone())));
        spent[2] += lap.seconds();
        black_box(score(&workload, 4, &ScoreOptions::new(root.clone())));
        spent[3] += lap.seconds();
        black_box(plan(&workload, fleet, Strategy::Portfolio, &root).expect("the boards have memory enough"));
        spent[4] += lap.seconds();
        black_box(drawn.architecture.hash());
        spent[5] += lap.seconds();
    }
    let [expand, costs, one, five, placed, hash, edited] = spent.map(|seconds| seconds * 1e3 / SEEDS as f64);
    let each = 1e3 / (expand + costs + one);
    println!(
        "{nodes:>6} {expand:>8.3} {edited:>8.3} {costs:>8.3} {one:>12.3} {five:>12.3} {placed:>8.3} {hash:>8.3}   {each:>22.0}"
    );
}

/// A stopwatch.
struct Lap(Instant);

impl Lap {
    fn start() -> Self {
        Self(Instant::now())
    }

    /// Seconds since the last call.
    fn seconds(&mut self) -> f64 {
        let now = Instant::now();
        now.duration_since(std::mem::replace(&mut self.0, now)).as_secs_f64()
    }
}
