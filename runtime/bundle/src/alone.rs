//! A bundle for many devices → the same network on one, to compare with.

use crate::bundle::{Bundle, BundleError};
use cnasc_ir::architecture::NodeId;
use cnasc_ir::fleet::{Backend, Device};
use cnasc_ir::plan::Span;
use cnasc_ir::{DeviceId, Fleet, Plan};

impl Bundle {
    /// The whole network on one device like the fleet's first, with memory enough, executed by `backend`. Its plan predicts nothing: all its
    /// times are 0.
    ///
    /// # Errors
    /// Where this bundle was changed so that it no longer fits together.
    pub fn alone(&self, backend: Backend) -> Result<Self, BundleError> {
        self.on_one(self.fleet.devices.first().map(|device| Device { backend, ..device.clone() }))
    }

    /// The same on one device like `device` of the fleet, executed as that is.
    ///
    /// # Errors
    /// As [`alone`](Self::alone), and where the fleet has no such device.
    pub fn alone_on(&self, device: DeviceId) -> Result<Self, BundleError> {
        self.on_one(self.fleet.devices.get(device.index()).cloned())
    }

    fn on_one(&self, device: Option<Device>) -> Result<Self, BundleError> {
        let device = device.map(|device| Device { memory: f64::MAX, ..device });
        let nodes = self.nodes.len();
        let plan = Plan {
            strategy: "single".to_owned(),
            device_of: vec![DeviceId(0); nodes],
            copies: Vec::new(),
            order: vec![(0..nodes).map(NodeId::new).collect()],
            spans: vec![Span::default(); nodes],
            transfers: Vec::new(),
            latency: 0.0,
            bound: 0.0,
            connectivity: 0,
            sent_bytes: 0,
            replicas: Vec::new(),
        };
        let name = self.fleet.name.clone();
        let fleet =
            Fleet { name, devices: device.into_iter().collect(), links: vec![vec![None]], ..self.fleet.clone() };
        let alone = Self { plan, fleet, ..self.clone() };
        alone.verify()?;
        Ok(alone)
    }
}
