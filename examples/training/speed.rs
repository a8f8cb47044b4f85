//! Images a second that a network is trained at: by our kernels, and by burn's own operators alone. Prints one JSON document.
//!
//! `cargo run --release --features train --example training_speed -- NETWORK.arch.json THREADS BATCH STEPS [burn]`

use cnasc_ir::Architecture;
use cnasc_train::{Network, Optimizer, initial_weights};
use std::error::Error;
use std::time::Instant;

/// That of the program `cnasc`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [path, threads, batch, steps, rest @ ..] = words.as_slice() else {
        return Err("give NETWORK.arch.json THREADS BATCH STEPS [burn]".into());
    };
    let (threads, batch, steps): (usize, usize, usize) = (threads.parse()?, batch.parse()?, steps.parse()?);
    let architecture = Architecture::from_json(&std::fs::read_to_string(path)?)?;
    let graph = cnasc_lower::lower(&architecture);
    let network = Network::new(&graph, threads)?;
    let network = if rest.is_empty() { network } else { network.by_burn() };
    let mut weights = initial_weights(&graph, 1);
    let optimizer = Optimizer::Sgd { momentum: 0.9 };
    let mut memory = optimizer.memory(&graph);
    let mut rng = cnasc_base::Seed::new(1).rng();
    let elements = batch * network.input().elements() as usize;
    let images: Vec<f32> = (0..elements).map(|_| rng.unit() as f32 - 0.5).collect();
    let mut targets = vec![0.0; batch * network.classes()];
    (0..batch).for_each(|image| targets[image * network.classes() + rng.below(network.classes())] = 1.0);
    let mut times = Vec::new();
    for step in 0..steps + 3 {
        let began = Instant::now();
        let learnt = network.learn(&weights, images.clone(), targets.clone());
        optimizer.apply(&graph, &mut weights, &mut memory, &learnt.gradients, (0.01, 0.0, step as u64));
        // The first ones find memory and wake threads.
        if step >= 3 {
            times.push(began.elapsed().as_secs_f64());
        }
    }
    times.sort_by(f64::total_cmp);
    let median = times[times.len() / 2];
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")).and_then(|line| line.trim().strip_suffix(" kB"));
    let memory = peak.and_then(|kilobytes| kilobytes.trim().parse::<f64>().ok()).map(|kilobytes| kilobytes / 1e3);
    let document = serde_json::json!({
        "kernels": if rest.is_empty() { "cnasc" } else { "burn" },
        "threads": threads,
        "batch": batch,
        "step_ms": 1e3 * median,
        "images_per_second": batch as f64 / median,
        "memory_mb": memory,
    });
    println!("{document}");
    Ok(())
}
