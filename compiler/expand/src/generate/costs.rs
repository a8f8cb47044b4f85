//! Fleet → what a small message costs between the devices that nodes are dealt to: node i is on device i modulo their number.
//!
//! The cost is the seconds in which 1 KiB arrives by the quickest way over links, one after the other (Floyd and Warshall's
//! shortest paths); 0 on one device.

use cnasc_ir::Fleet;

/// The message whose time is the cost, in bytes.
const MESSAGE: u64 = 1024;

/// Seconds between each two devices.
pub(super) struct Costs {
    devices: usize,
    /// Row after row; infinite where no way leads.
    seconds: Vec<f64>,
}

impl Costs {
    /// The costs of a fleet, which has at least one device.
    pub(super) fn new(fleet: &Fleet) -> Self {
        let devices = fleet.devices.len().max(1);
        let mut seconds = vec![f64::INFINITY; devices * devices];
        for (from, row) in fleet.links.iter().enumerate().take(devices) {
            for (to, link) in row.iter().enumerate().take(devices) {
                if let Some(link) = link {
                    seconds[from * devices + to] = link.seconds(MESSAGE);
                }
            }
        }
        for device in 0..devices {
            seconds[device * devices + device] = 0.0;
        }
        for middle in 0..devices {
            for from in 0..devices {
                for to in 0..devices {
                    let detour = seconds[from * devices + middle] + seconds[middle * devices + to];
                    if detour < seconds[from * devices + to] {
                        seconds[from * devices + to] = detour;
                    }
                }
            }
        }
        Self { devices, seconds }
    }

    /// Seconds between the devices of two nodes.
    #[inline]
    pub(super) fn between(&self, i: usize, j: usize) -> f64 {
        self.seconds[(i % self.devices) * self.devices + j % self.devices]
    }

    /// Whether a way leads from each device to each other.
    pub(super) fn all_finite(&self) -> bool {
        self.seconds.iter().all(|seconds| seconds.is_finite())
    }
}
