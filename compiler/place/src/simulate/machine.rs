//! What a simulation knows before it has a placement: how long each node takes on each device, each message on each link,
//! and the least that has to follow a node.

use super::timeline::Message;
use crate::dag::Dag;
use crate::workload::Workload;
use cnasc_ir::architecture::NodeId;
use cnasc_ir::fleet::{DeviceId, Fleet};
use cnasc_ir::plan::Transfer;

/// The figures of one workload on one fleet, as flat arrays.
#[derive(Debug, Clone)]
pub(crate) struct Machine<'a> {
    workload: &'a Workload,
    devices: usize,
    /// Seconds of node v on device d, at `v * devices + d`.
    seconds: Vec<f64>,
    /// Bytes of each node's output as it travels.
    bytes: Vec<u64>,
    /// Latency, and seconds a byte, from device a to b at `a * devices + b`; infinite where no link is.
    links: Vec<(f64, f64)>,
    /// How many nodes each device computes at once.
    lanes: Vec<usize>,
    cores: Vec<usize>,
    /// For each node the longest way from its end to the answer, every node on its fastest device and nothing sent.
    rest: Vec<f64>,
}

impl<'a> Machine<'a> {
    /// Kernels take FLOPs over the device's FLOP/s.
    pub(crate) fn new(workload: &'a Workload, fleet: &Fleet) -> Self {
        let costs = workload.costs().iter();
        let seconds = costs.flat_map(|cost| fleet.devices.iter().map(move |d| cost.flops as f64 / d.compute)).collect();
        Self::of(workload, fleet, seconds)
    }

    /// Kernels take `seconds[node][device]`.
    pub(crate) fn measured(workload: &'a Workload, fleet: &Fleet, seconds: &[Vec<f64>]) -> Result<Self, String> {
        let devices = fleet.devices.len();
        if seconds.len() != workload.len() || seconds.iter().any(|row| row.len() != devices) {
            return Err(format!("there must be a time for each of {} nodes on {devices} devices", workload.len()));
        }
        if seconds.iter().flatten().any(|&time| !time.is_finite() || time < 0.0) {
            return Err("a kernel's time must be a number of seconds, at least 0".to_owned());
        }
        Ok(Self::of(workload, fleet, seconds.concat()))
    }

    fn of(workload: &'a Workload, fleet: &Fleet, seconds: Vec<f64>) -> Self {
        let devices = fleet.devices.len();
        let links = fleet.links.iter().flatten();
        let links = links.map(|link| link.map_or((f64::INFINITY, 0.0), |link| (link.latency, 8.0 / link.rate)));
        let mut rest = vec![0.0_f64; workload.len()];
        for node in (0..workload.len()).rev() {
            for &to in workload.dag().consumers(node) {
                let to = to as usize;
                let row = &seconds[to * devices..(to + 1) * devices];
                rest[node] = rest[node].max(row.iter().copied().fold(f64::INFINITY, f64::min) + rest[to]);
            }
        }
        Self {
            workload,
            devices,
            bytes: workload.costs().iter().map(|cost| fleet.wire_bytes(cost.bytes)).collect(),
            links: links.collect(),
            lanes: vec![1; devices],
            cores: fleet.devices.iter().map(|device| device.cores as usize).collect(),
            seconds,
            rest,
        }
    }

    pub(crate) fn use_cores(&mut self) {
        self.lanes.clone_from(&self.cores);
    }

    pub(crate) fn add_packing(&mut self, seconds: f64) {
        for (_, byte) in &mut self.links {
            *byte += seconds;
        }
    }

    pub(crate) fn workload(&self) -> &'a Workload {
        self.workload
    }

    pub(crate) fn dag(&self) -> &'a Dag {
        self.workload.dag()
    }

    pub(crate) fn nodes(&self) -> usize {
        self.workload.len()
    }

    pub(crate) fn devices(&self) -> usize {
        self.devices
    }

    pub(crate) fn lanes(&self) -> &[usize] {
        &self.lanes
    }

    /// Seconds of a node on a device.
    pub(crate) fn seconds(&self, node: usize, device: usize) -> f64 {
        self.seconds[node * self.devices + device]
    }

    /// Seconds of a node's output on its way; infinite where no link leads, also from a device to itself.
    pub(crate) fn message(&self, node: usize, from: usize, to: usize) -> f64 {
        let (latency, byte) = self.links[from * self.devices + to];
        latency + byte * self.bytes[node] as f64
    }

    /// Seconds that pass at least between the end of a node and the answer.
    pub(crate) fn rest(&self, node: usize) -> f64 {
        self.rest[node]
    }

    pub(crate) fn transfer(&self, message: &Message) -> Transfer {
        let Message { node, from, to, span } = *message;
        let bytes = self.bytes[node as usize];
        Transfer { node: NodeId(node), from: DeviceId(from), to: DeviceId(to), bytes, span }
    }
}
