//! Candidates scored and placements simulated a second, on one core: `cargo run --release -p cnasc-place --example place_speed`.
//! Times are of the processor.

use cnasc_base::random::Seed;
use cnasc_ir::architecture::NodeId;
use cnasc_ir::fleet::{Backend, Device, DeviceId, Fleet, Link};
use cnasc_place::schedule::by_rank;
use cnasc_place::simulate::Simulator;
use cnasc_place::{Effort, ScoreOptions, Strategy, Workload, plan, sample, score};
use std::hint::black_box;

const DEVICES: u32 = 4;

fn main() {
    for nodes in [32, 96] {
        let workloads: Vec<Workload> = (0..20).map(|index| sample::workload(&Seed::new(7).nth(index), nodes)).collect();
        println!("{nodes} nodes, {DEVICES} devices");
        let fast = ScoreOptions::fast(Seed::new(1));
        scoring("partition + score, one epsilon, fast", &workloads, &fast);
        scoring("partition + score, five epsilons, thorough", &workloads, &ScoreOptions::thorough(Seed::new(1)));
        scoring("the same, ten times the effort", &workloads, &longer());
        simulating(&workloads);
        placing(&workloads);
    }
}

fn longer() -> ScoreOptions {
    let Effort { starts, steps } = Effort::THOROUGH;
    ScoreOptions { effort: Effort { starts: 10 * starts, steps: 10 * steps }, ..ScoreOptions::thorough(Seed::new(1)) }
}

/// Also prints the mean Λ at the ε that all options have, so that speed is not bought with quality unseen.
fn scoring(name: &str, workloads: &[Workload], options: &ScoreOptions) {
    let rate = rate(workloads, |workload| score(workload, DEVICES, options).cs);
    let mut bytes = 0;
    for workload in workloads {
        let tried = score(workload, DEVICES, options).tried;
        bytes += tried.iter().find(|tried| tried.epsilon == 1.1).map_or(0, |tried| tried.communication);
    }
    println!("  {rate:>9.0}/s  {name}; Λ at 1.1: {:.0} kB", bytes as f64 / 1e3 / workloads.len() as f64);
}

fn simulating(workloads: &[Workload]) {
    let fleet = fleet();
    let mut rng = Seed::new(2).rng();
    let mut cases: Vec<_> = Vec::new();
    for workload in workloads {
        let device_of = workload.ids().map(|_: NodeId| DeviceId::new(rng.below(DEVICES as usize))).collect();
        cases.push((Simulator::new(workload, &fleet), by_rank(workload, &fleet, device_of)));
    }
    let started = processor_seconds();
    let mut count = 0;
    while processor_seconds() - started < 1.0 {
        for (simulator, placement) in &mut cases {
            black_box(simulator.latency(placement));
            count += 1;
        }
    }
    println!(
        "  {:>9.0}/s  simulated latency of a random placement",
        f64::from(count) / (processor_seconds() - started)
    );
}

fn placing(workloads: &[Workload]) {
    let fleet = fleet();
    // `optimal` takes seconds, and is measured by `plan_quality`.
    for strategy in Strategy::ALL.into_iter().filter(|strategy| *strategy != Strategy::Optimal) {
        let started = processor_seconds();
        let plans = workloads.iter().map(|workload| plan(workload, &fleet, strategy, &Seed::new(3)));
        let latencies: Vec<f64> = plans.flatten().map(|plan| plan.latency).collect();
        let took = (processor_seconds() - started) / workloads.len() as f64;
        let mean = latencies.iter().sum::<f64>() / latencies.len() as f64;
        println!("  {:>9.1} ms {strategy}: mean latency {:.2} ms", 1e3 * took, 1e3 * mean);
    }
}

fn rate(workloads: &[Workload], run: impl Fn(&Workload) -> f64) -> f64 {
    let started = processor_seconds();
    let mut count = 0;
    while processor_seconds() - started < 1.0 {
        for workload in workloads {
            black_box(run(workload));
            count += 1;
        }
    }
    f64::from(count) / (processor_seconds() - started)
}

/// Seconds that this thread has computed, so that a busy machine says the same.
fn processor_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + 1e-9 * time.tv_nsec as f64
}

fn fleet() -> Fleet {
    let device = Device {
        name: "pi".to_owned(),
        kind: "pi".to_owned(),
        compute: 8e9,
        memory: 2e9,
        cores: 4,
        backend: Backend::Jit,
        power: None,
    };
    Fleet::uniform("shelf", DEVICES as usize, &device, Link { rate: 1e9, latency: 2e-4 })
}
