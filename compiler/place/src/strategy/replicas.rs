//! Data parallelism: which devices can hold the whole network, and how long each takes for one image.
//!
//! Images that come together are dealt to these; one image is on one device from beginning to end, so its latency is that of the
//! device. Devices that lack the memory take none.

use super::single;
use crate::memory;
use crate::simulate::Simulator;
use crate::workload::Workload;
use cnasc_ir::fleet::Fleet;
use cnasc_ir::plan::Replica;

/// The devices that have the memory, ascending.
pub(super) fn of(workload: &Workload, fleet: &Fleet) -> Vec<Replica> {
    let mut simulator = Simulator::new(workload, fleet);
    let placements = fleet.ids().map(|device| (device, single::on(workload, device)));
    let fitting = placements.filter(|(_, placement)| memory::shortage(workload, fleet, placement).is_none());
    fitting.map(|(device, placement)| Replica { device, latency: simulator.latency(&placement) }).collect()
}
