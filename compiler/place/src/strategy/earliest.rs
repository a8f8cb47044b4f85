//! Earliest finish time with contention: nodes by falling upward rank, each on the device where the simulator itself, with
//! all cards as they are booked so far, has it done first.

use super::heft::upward;
use crate::schedule::{Placement, ranked};
use crate::simulate::{Machine, Timeline};
use crate::workload::Workload;
use cnasc_ir::fleet::{DeviceId, Fleet};

/// The placement.
pub(super) fn place(workload: &Workload, fleet: &Fleet) -> Placement {
    let machine = Machine::new(workload, fleet);
    let order = ranked(&upward(workload, fleet));
    let mut booked = Timeline::new(&machine);
    let mut attempt = Timeline::new(&machine);
    let mut weights = vec![0_u64; fleet.devices.len()];
    let mut device_of = vec![DeviceId(0); workload.len()];
    for &node in &order {
        let mut best: Option<((bool, f64), DeviceId)> = None;
        for device in fleet.ids() {
            attempt.copy_from(&booked);
            let end = attempt.put(&machine, node.index(), device.index());
            let full = (weights[device.index()] + workload.cost(node).weights) as f64 > fleet.device(device).memory;
            if best.is_none_or(|(least, _)| (full, end) < least) {
                best = Some(((full, end), device));
            }
        }
        let (_, device) = best.expect("a verified fleet has a device");
        booked.put(&machine, node.index(), device.index());
        weights[device.index()] += workload.cost(node).weights;
        device_of[node.index()] = device;
    }
    Placement::new(device_of, order)
}
