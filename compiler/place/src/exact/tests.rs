//! The exact solver against trying everything.

use super::*;
use crate::dag::{Dag, Rows};
use crate::sample;
use crate::workload::Cost;
use cnasc_base::random::{Rng, Seed};
use cnasc_ir::architecture::Role;
use cnasc_ir::fleet::{Backend, Device, Link};

fn fleet(count: usize, equal: bool, rng: &mut Rng) -> Fleet {
    let device = Device {
        name: "d".to_owned(),
        kind: "d".to_owned(),
        compute: 1.0,
        memory: 1e12,
        cores: 1,
        backend: Backend::Jit,
        power: None,
    };
    let mut fleet = Fleet::uniform("fleet", count, &device, Link { rate: 8.0, latency: 0.25 });
    if !equal {
        for device in &mut fleet.devices {
            device.compute = 1.0 + rng.below(3) as f64;
        }
        for link in fleet.links.iter_mut().flatten().flatten() {
            link.rate *= 0.5 + rng.unit();
        }
    }
    fleet
}

/// Few nodes with small whole numbers, so that many schedules tie.
fn network(nodes: usize, rng: &mut Rng) -> Workload {
    let mut inputs = Rows::default();
    let mut used = vec![false; nodes];
    let mut costs = Vec::new();
    for node in 0..nodes {
        let mut row: Vec<u32> = (0..node as u32).filter(|_| rng.chance(0.4)).collect();
        if node + 1 == nodes {
            row = (0..node as u32).filter(|&from| !used[from as usize] || row.contains(&from)).collect();
        } else if node > 0 && row.is_empty() {
            row.push(rng.below(node) as u32);
        }
        row.iter().for_each(|&from| used[from as usize] = true);
        inputs.push(row);
        let role = if node == 0 { Role::Input } else { Role::Block };
        let flops = if node == 0 { 0 } else { 1 + rng.below(6) as u64 };
        costs.push(Cost { flops, bytes: 1 + rng.below(4) as u64, weights: 100, ..Cost::of(role) });
    }
    Workload::from_costs(Dag::new(inputs).expect("inputs ascend"), costs).expect("it is a network")
}

/// The least latency over all orders and all sets of devices.
fn by_trying(workload: &Workload, fleet: &Fleet) -> f64 {
    fn go(workload: &Workload, machine: &Machine, timeline: &Timeline, placed: u32, least: &mut f64) {
        let nodes = workload.len();
        if placed.count_ones() as usize == nodes {
            *least = least.min(timeline.latency());
            return;
        }
        for node in 0..nodes {
            let ready = workload.dag().inputs(node).iter().all(|&input| placed >> input & 1 == 1);
            if placed >> node & 1 == 1 || !ready {
                continue;
            }
            for devices in 1_u32..1 << machine.devices() {
                if devices.count_ones() > 1 && (node == 0 || node + 1 == nodes) {
                    continue;
                }
                let mut after = timeline.clone();
                if put(machine, &mut after, Step { node, devices }) < *least {
                    go(workload, machine, &after, placed | 1 << node, least);
                }
            }
        }
    }
    let machine = Machine::new(workload, fleet);
    let mut least = f64::INFINITY;
    go(workload, &machine, &Timeline::new(&machine), 0, &mut least);
    least
}

#[test]
fn proves_what_trying_everything_finds() {
    for seed in 0..60 {
        let mut rng = Seed::new(seed).rng();
        let nodes = 3 + rng.below(4);
        let workload = network(nodes, &mut rng);
        let fleet = fleet(2 + rng.below(2), seed % 2 == 0, &mut rng);
        let least = by_trying(&workload, &fleet);
        let solution = solve(&workload, &fleet, None, usize::MAX).expect("it is small");
        assert!(solution.is_proved(), "seed {seed}");
        assert!((solution.latency - least).abs() <= 1e-9 * least, "seed {seed}: {} for {least}", solution.latency);
        let best = solution.best.expect("everything fits");
        assert_eq!(Simulator::new(&workload, &fleet).latency(&best), solution.latency, "seed {seed}");
    }
}

#[test]
fn a_limit_leaves_a_bound_below_the_optimum() {
    for seed in 0..20 {
        let mut rng = Seed::new(seed).rng();
        let workload = network(9, &mut rng);
        let fleet = fleet(3, seed % 2 == 0, &mut rng);
        let proved = solve(&workload, &fleet, None, 2_000_000).expect("it is small");
        assert!(proved.is_proved(), "seed {seed}");
        for limit in [1, 10, 100, 1000] {
            let cut = solve(&workload, &fleet, None, limit).expect("it is small");
            assert!(cut.bound <= proved.latency * (1.0 + 1e-12) && cut.latency >= proved.latency * (1.0 - 1e-12));
        }
    }
}

#[test]
fn memory_is_kept_and_large_networks_are_left_alone() {
    let mut rng = Seed::new(1).rng();
    let workload = network(8, &mut rng);
    let mut tight = fleet(2, true, &mut rng);
    let alone = Placement::new(vec![DeviceId(0); 8], workload.ids().collect());
    let whole = memory::needs(&workload, 1, &alone)[0];
    for device in &mut tight.devices {
        device.memory = whole as f64 * 0.8;
    }
    let found = solve(&workload, &tight, Some(&alone), usize::MAX).expect("it is small");
    let best = found.best.expect("two devices have the memory");
    assert_eq!(memory::shortage(&workload, &tight, &best), None);
    for device in &mut tight.devices {
        device.memory = 1.0;
    }
    let none = solve(&workload, &tight, Some(&alone), usize::MAX).expect("it is small");
    assert_eq!((none.best, none.latency), (None, f64::INFINITY));
    assert_eq!(solve(&sample::workload(&Seed::new(1), 65), &tight, None, 1), None);
}
