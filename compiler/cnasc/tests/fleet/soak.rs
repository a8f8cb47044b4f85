//! Many inferences while nodes are killed, stopped, cut off and started again: every answer is right to the last bit, or there is an error.

use crate::processes::{Processes, pixels, signal};
use cnasc_bundle::Bundle;
use cnasc_fleet::Local;
use cnasc_fleet::remote::coordinator::MAX_IN_FLIGHT;
use cnasc_fleet::remote::metrics::resident_bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Different images, so that an answer to another one would be noticed.
const IMAGES: usize = 8;

/// The reference answers of one placement, which is computed here on threads.
struct Reference {
    /// Held, so that no other bundle gets its address.
    _bundle: Arc<Bundle>,
    outputs: Vec<Vec<f32>>,
}

/// What is done to a node, one after the other.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Kill,
    Stop,
    CutOff,
}

/// Hurts one node after the other, never the last one, until it is told to end. Gives what it has done.
fn hurt(fleet: &mut Processes, ended: &AtomicBool) -> [u32; 3] {
    let mut done = [0; 3];
    for round in 0_usize.. {
        let node = (round * 5 + round / 3) % 3;
        let fault = [Fault::Kill, Fault::Stop, Fault::Kill, Fault::CutOff][round % 4];
        wait(Duration::from_millis(1500), ended);
        match fault {
            Fault::Kill => {
                fleet.kill(node);
                wait(Duration::from_millis(700), ended);
                fleet.start(node);
            }
            Fault::Stop => {
                let child = fleet.nodes[node].as_ref().expect("it runs");
                signal(child, "-STOP");
                wait(Duration::from_millis(2500), ended);
                signal(child, "-CONT");
            }
            Fault::CutOff => {
                let relay = &fleet.relays[node].1;
                relay.cut(true);
                wait(Duration::from_millis(2500), ended);
                relay.cut(false);
            }
        }
        done[fault as usize] += 1;
        if ended.load(Ordering::Relaxed) {
            break;
        }
    }
    done
}

fn wait(time: Duration, ended: &AtomicBool) {
    let until = Instant::now() + time;
    while Instant::now() < until && !ended.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Memory of a process in bytes.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().map_or(0, |kilobytes| kilobytes * 1024)
}

/// `CNASC_SOAK` says how many inferences; 10,000 where it is absent.
#[test]
#[ignore = "minutes: cargo test --release -p cnasc --features fleet --test fleet -- --ignored --nocapture soak"]
fn soak() {
    let count: usize = std::env::var("CNASC_SOAK").ok().and_then(|count| count.parse().ok()).unwrap_or(10_000);
    let mut fleet = Processes::relayed(4);
    let bundle = fleet.bundle();
    let images: Vec<Vec<f32>> =
        (1..=IMAGES).map(|at| pixels(&bundle).iter().map(|pixel| pixel / at as f32).collect()).collect();
    // It is never hurt, so that what its memory does is seen over the whole time.
    let spared = fleet.nodes[3].as_ref().expect("it runs").id();
    let mut steady = fleet.steady(bundle);
    let ended = AtomicBool::new(false);
    let began = Instant::now();
    std::thread::scope(|scope| {
        let hurting = scope.spawn(|| hurt(&mut fleet, &ended));
        let mut references: BTreeMap<usize, Reference> = BTreeMap::new();
        let (mut errors, mut answers, mut longest) = (Vec::new(), 0, 0.0_f64);
        let mut memory = Vec::new();
        let mut next = 0;
        while answers + errors.len() < count {
            while next < count && steady.in_flight() < MAX_IN_FLIGHT {
                steady.begin(images[next % IMAGES].clone());
                next += 1;
            }
            let index = answers + errors.len();
            match steady.finish().expect("some are in flight") {
                Ok(given) => {
                    let key = Arc::as_ptr(&given.bundle) as usize;
                    let reference = references.entry(key).or_insert_with(|| reference(&given.bundle, &images));
                    assert_eq!(given.answer.output, reference.outputs[index % IMAGES], "answer {index} is wrong");
                    longest = longest.max(given.answer.seconds);
                    answers += 1;
                }
                Err(error) => errors.push(error.to_string()),
            }
            if index % (count / 200).max(1) == 0 {
                memory.push(resident(spared));
            }
            if index % (count / 10).max(1) == 0 {
                println!(
                    "{index}: {:.0} s, {} moves, {} errors, {longest:.2} s at most; here {:.1} MB, the spared node {:.1} MB",
                    began.elapsed().as_secs_f64(),
                    steady.moves(),
                    errors.len(),
                    resident_bytes().unwrap_or(0) as f64 / 1e6,
                    resident(spared) as f64 / 1e6,
                );
            }
        }
        ended.store(true, Ordering::Relaxed);
        let [killed, stopped, cut] = hurting.join().expect("it does not panic");
        println!(
            "{answers} of {count} answered in {:.0} s over {} placements; {killed} times a node was killed, {stopped} times stopped, {cut} times cut off; errors: {errors:#?}",
            began.elapsed().as_secs_f64(),
            references.len(),
        );
        assert!(answers * 100 >= count * 99, "too many errors: {errors:?}");
        // What is needed for a moment, as while a connection is replaced, comes and goes; what leaks is never given back, and shows in the least
        // of a while. In the first quarter all that is kept for good comes to be.
        let quarters: Vec<u64> =
            memory.chunks(memory.len().div_ceil(4)).filter_map(|some| some.iter().min().copied()).collect();
        println!("the least that the spared node had in each quarter: {quarters:?} bytes");
        assert!(quarters[3] <= quarters[1] + quarters[1] / 20, "the spared node grew: {quarters:?} bytes");
    });
}

fn reference(bundle: &Arc<Bundle>, images: &[Vec<f32>]) -> Reference {
    let mut local = Local::start(bundle).expect("it runs here");
    let outputs = images.iter().map(|image| local.infer(image).expect("an answer").output).collect();
    Reference { _bundle: Arc::clone(bundle), outputs }
}
