//! Plan × fleet → joules of an inference: each device's declared power for as long as it computes.
//!
//! What devices take while they wait or send is not in it: boards differ in that by more than networks do.

use cnasc_ir::fleet::{DeviceId, Fleet};
use cnasc_ir::plan::{Plan, Span};

/// Joules of one inference; none where a device that computes has no declared power.
#[must_use]
pub fn energy(plan: &Plan, fleet: &Fleet) -> Option<f64> {
    fleet.ids().map(|device| joules(plan, fleet, device)).sum()
}

/// What one device takes: power × the time in which any of its cores computes.
fn joules(plan: &Plan, fleet: &Fleet, device: DeviceId) -> Option<f64> {
    let own = plan.device_of.iter().zip(&plan.spans).filter(|(on, _)| **on == device).map(|(_, span)| *span);
    let copies = plan.copies.iter().filter(|copy| copy.device == device).map(|copy| copy.span);
    let mut spans: Vec<Span> = own.chain(copies).filter(|span| span.end > span.start).collect();
    if spans.is_empty() {
        return Some(0.0);
    }
    spans.sort_by(|a, b| a.start.total_cmp(&b.start));
    let (mut busy, mut until) = (0.0, f64::NEG_INFINITY);
    for span in spans {
        busy += (span.end - span.start.max(until)).max(0.0);
        until = until.max(span.end);
    }
    fleet.device(device).power.map(|power| power * busy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{by_rank, finish};
    use crate::{Strategy, Workload, plan, sample};
    use cnasc_base::Seed;
    use cnasc_ir::fleet::{Backend, Device, Link};

    fn fleet(powers: [Option<f64>; 2]) -> Fleet {
        let (name, kind) = ("pi".to_owned(), "pi".to_owned());
        let device = Device { name, kind, compute: 1e9, memory: 1e12, cores: 1, backend: Backend::Jit, power: None };
        let mut fleet = Fleet::uniform("boards", 2, &device, Link { rate: 1e9, latency: 1e-4 });
        fleet.devices.iter_mut().zip(powers).for_each(|(device, power)| device.power = power);
        fleet
    }

    /// However the work is spread, each operation takes as long on either device.
    #[test]
    fn work_is_paid_where_it_is_done() {
        let workload: Workload = sample::workload(&Seed::new(1), 30);
        let seconds = workload.total_flops() as f64 / 1e9;
        let alone = plan(&workload, &fleet([Some(3.0), Some(3.0)]), Strategy::Single, &Seed::new(0)).expect("it fits");
        let near = |found: Option<f64>, wanted: f64| found.is_some_and(|found| (found / wanted - 1.0).abs() < 1e-9);
        assert!(near(energy(&alone, &fleet([Some(3.0), Some(5.0)])), 3.0 * seconds));
        assert!(near(energy(&alone, &fleet([Some(3.0), None])), 3.0 * seconds), "the other one does nothing");
        assert_eq!(energy(&alone, &fleet([None, Some(3.0)])), None);
        let devices = (0..workload.len()).map(|node| DeviceId::new(node % 2)).collect();
        let both = fleet([Some(2.0), Some(2.0)]);
        let spread = finish(&workload, &both, "heft", &by_rank(&workload, &both, devices)).expect("it fits");
        assert!(near(energy(&spread, &both), 2.0 * seconds));
    }
}
