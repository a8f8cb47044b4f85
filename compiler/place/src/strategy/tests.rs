//! Strategies against each other, on random networks and fleets; limits of memory and links.

use super::*;
use crate::sample;
use crate::verify::{deadlock_free, verify};
use cnasc_ir::fleet::{Backend, Device, Link};
use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, proptest};

fn fleet(count: usize, seed: u64) -> Fleet {
    let device = Device {
        name: "pi".to_owned(),
        kind: "pi".to_owned(),
        compute: 2e9,
        memory: 1e9,
        cores: 4,
        backend: Backend::Jit,
        power: None,
    };
    let mut fleet = Fleet::uniform("shelf", count, &device, Link { rate: 1e9, latency: 2e-4 });
    let mut rng = Seed::new(seed).child("fleet").rng();
    if seed % 2 == 1 {
        for device in &mut fleet.devices {
            device.compute *= 1.0 + rng.below(3) as f64;
        }
        for link in fleet.links.iter_mut().flatten().flatten() {
            link.rate *= 0.1 + rng.unit();
        }
    }
    fleet
}

#[test]
fn names_are_read_back_and_others_are_explained() {
    for strategy in Strategy::ALL {
        assert_eq!(strategy.to_string().parse(), Ok(strategy));
    }
    let error = "fastest".parse::<Strategy>().expect_err("it is not one of them");
    insta::assert_snapshot!(error, @"
    there is no strategy `fastest`; there are `single`, `data-parallel`, `components`, `hypergraph`, `heft`, `peft`, `cpop`, `earliest`, `clusters`, `interval`, `portfolio`, `best`, `optimal`
    ");
}

#[test]
fn nothing_is_placed_where_nothing_fits() {
    let workload = sample::workload(&Seed::new(1), 20);
    let mut small = fleet(3, 0);
    for (index, device) in small.devices.iter_mut().enumerate() {
        device.memory = 30_000.0 + index as f64;
    }
    for strategy in Strategy::ALL {
        let error = plan(&workload, &small, strategy, &Seed::new(1)).expect_err("a share needs more than 30 kB");
        assert!(matches!(&error, PlaceError::Memory { needs, has, .. } if needs > has), "{strategy}: {error}");
    }
    let error = plan(&workload, &small, Strategy::Best, &Seed::new(1)).expect_err("as above");
    insta::assert_snapshot!(error, @"device `pi[2]` needs 1.5 MiB of memory and has 29.3 KiB");
}

#[test]
fn what_fits_no_device_alone_is_spread() {
    let workload = sample::workload(&Seed::new(1), 40);
    let mut tight = fleet(4, 0);
    let order: Vec<_> = workload.ids().collect();
    let whole = memory::needs(&workload, 1, &Placement::new(vec![DeviceId(0); workload.len()], order))[0];
    for device in &mut tight.devices {
        device.memory = whole as f64 * 0.7;
    }
    assert!(plan(&workload, &tight, Strategy::Single, &Seed::new(1)).is_err());
    let best = plan(&workload, &tight, Strategy::Best, &Seed::new(1)).expect("two devices have the memory");
    verify(&best, &workload, &tight).expect("it is a plan");
}

#[test]
fn single_takes_the_fastest_that_has_the_memory() {
    let workload = sample::workload(&Seed::new(1), 20);
    let mut mixed = fleet(3, 0);
    mixed.devices[1].compute *= 4.0;
    mixed.devices[1].memory = 1000.0;
    mixed.devices[2].compute *= 2.0;
    let plan = plan(&workload, &mixed, Strategy::Single, &Seed::new(1)).expect("two devices have the memory");
    assert!(plan.device_of.iter().all(|&device| device == DeviceId(2)));
}

#[test]
fn where_no_link_leads_nothing_is_sent() {
    let workload = sample::workload(&Seed::new(2), 30);
    let mut islands = fleet(3, 0);
    for (a, b) in [(0, 2), (2, 0), (1, 2), (2, 1)] {
        islands.links[a][b] = None;
    }
    let error = plan(&workload, &islands, Strategy::Hypergraph, &Seed::new(1)).expect_err("all three are used");
    insta::assert_snapshot!(error, @"the placement sends from device `pi[1]` to `pi[2]`, and no link leads there");
    let best = plan(&workload, &islands, Strategy::Best, &Seed::new(1)).expect("one or two devices do");
    verify(&best, &workload, &islands).expect("it is a plan");
    let unsound = Fleet { devices: vec![], ..islands };
    assert!(matches!(plan(&workload, &unsound, Strategy::Best, &Seed::new(1)), Err(PlaceError::Fleet(_))));
}

/// Each change to a sound plan is noticed.
#[test]
fn wrong_plans_are_refused() {
    let workload = sample::workload(&Seed::new(4), 30);
    let fleet = fleet(3, 1);
    let sound = plan(&workload, &fleet, Strategy::Hypergraph, &Seed::new(1)).expect("it fits");
    verify(&sound, &workload, &fleet).expect("it is a plan");
    type Change = (&'static str, fn(&mut Plan));
    let changes: [Change; 12] = [
        ("computed nowhere", |plan| plan.order.iter_mut().for_each(|order| order.truncate(1))),
        ("computed twice", |plan| plan.order.iter_mut().for_each(|order| order.extend(order.first().copied()))),
        ("not its own", |plan| plan.device_of.iter_mut().for_each(|device| *device = DeviceId(9))),
        ("wait for each other", |plan| plan.order.iter_mut().for_each(|order| order.reverse())),
        ("is not sent", |plan| plan.transfers.truncate(1)),
        ("is not needed", |plan| plan.transfers.push(plan.transfers[0].clone())),
        ("the output has", |plan| plan.transfers[0].bytes += 1),
        ("which should be", |plan| plan.spans[3].end += 1.0),
        ("are said", |plan| plan.latency *= 1.5),
        ("said to be", |plan| plan.connectivity += 1),
        ("should be", |plan| plan.transfers[0].span.start = f64::NAN),
        ("starts before", |plan| {
            let Some(span) = plan.spans.last_mut() else { return };
            *span = cnasc_ir::plan::Span { start: 0.0, end: span.end - span.start };
        }),
    ];
    for (expect, change) in changes {
        let mut plan = sound.clone();
        change(&mut plan);
        let problem = verify(&plan, &workload, &fleet).expect_err(expect);
        assert!(problem.contains(expect), "{expect}: {problem}");
    }
}

/// Against every assignment of a few nodes to two devices, each in the order by rank.
#[test]
fn small_ones_are_placed_as_well_as_by_trying_all() {
    for seed in 0..16 {
        let workload = sample::workload(&Seed::new(seed), 9);
        let fleet = fleet(2, seed);
        let mut simulator = Simulator::new(&workload, &fleet);
        let mut least = f64::INFINITY;
        for code in 0..1_u32 << workload.len() {
            let device_of = (0..workload.len()).map(|node| DeviceId(code >> node & 1)).collect();
            let placement = crate::schedule::by_rank(&workload, &fleet, device_of);
            least = least.min(simulator.latency(&placement));
        }
        let best = plan(&workload, &fleet, Strategy::Best, &Seed::new(seed)).expect("everything fits");
        assert!(best.latency <= least * (1.0 + 1e-12), "seed {seed}: {} is above {least}", best.latency);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn best_is_best_and_all_plans_hold(seed in 0_u64..10_000, nodes in 4_usize..40, count in 1_usize..5) {
        let workload = sample::workload(&Seed::new(seed), nodes);
        let fleet = fleet(count, seed);
        let best = plan(&workload, &fleet, Strategy::Best, &Seed::new(seed)).expect("everything fits");
        for strategy in Strategy::ALL.into_iter().filter(|strategy| *strategy != Strategy::Optimal) {
            let plan = plan(&workload, &fleet, strategy, &Seed::new(seed)).expect("everything fits");
            prop_assert_eq!(verify(&plan, &workload, &fleet), Ok(()));
            prop_assert!(deadlock_free(&plan, &workload));
            // On one device all plans differ by the order in which the same seconds are added up.
            let rounding = if count == 1 { 1.0 + 1e-12 } else { 1.0 };
            prop_assert!(best.latency <= plan.latency * rounding, "{} is faster", strategy);
            if plan.copies.is_empty() {
                prop_assert_eq!(plan.connectivity, plan.sent_bytes);
            }
            if strategy == Strategy::Best {
                prop_assert_eq!(&plan, &best);
            }
        }
    }
}
