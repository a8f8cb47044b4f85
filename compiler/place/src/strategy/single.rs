//! Everything on one device: the fastest that has the memory. Never sends, so no link can fail it.

use super::{PlaceError, by_speed};
use crate::memory;
use crate::schedule::Placement;
use crate::workload::Workload;
use cnasc_ir::fleet::{DeviceId, Fleet};

/// The placement.
///
/// # Errors
/// Where no device has the memory; names the one that lacks least.
pub(super) fn place(workload: &Workload, fleet: &Fleet) -> Result<Placement, PlaceError> {
    let mut least: Option<memory::Shortage> = None;
    for device in by_speed(fleet) {
        let placement = on(workload, device);
        match memory::shortage(workload, fleet, &placement) {
            None => return Ok(placement),
            // All devices would need the same, so the one with the most memory lacks least.
            Some(lack) if least.is_none_or(|other| lack.has > other.has) => least = Some(lack),
            Some(_) => {}
        }
    }
    let lack = least.expect("a verified fleet has a device, and none of them fits");
    Err(PlaceError::memory(fleet, lack))
}

/// Everything on `device`.
pub(super) fn on(workload: &Workload, device: DeviceId) -> Placement {
    Placement::new(vec![device; workload.len()], workload.ids().collect())
}
