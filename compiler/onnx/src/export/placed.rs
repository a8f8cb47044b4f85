//! A placed network: one model a device, and the whole with the placement written into it.

use super::writer::Writer;
use super::{ExportError, Gates, Network, check};
use crate::proto::{DeviceConfiguration, Entry, Model};
use cnasc_ir::architecture::NodeId;
use cnasc_ir::{DeviceId, Fleet, Op, Plan, TensorId};
use std::collections::BTreeSet;

/// The version of the messages that knows devices.
const IR_VERSION: i64 = 11;

/// The models of a placed network.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed {
    /// The whole network; each node says on which devices it runs and its tensors lie, as IR version 11 has it.
    pub whole: Model,
    /// What each device computes, in the order of their ids, without those that compute nothing. Its inputs are what it receives, its
    /// outputs what it sends, under the names that they have in the whole; the image is an input of every device that needs it and
    /// an output of none. The answer is an output of every device that computes it.
    ///
    /// A device may send a tensor before it has received all: such outputs depend on some of the inputs only. Devices that take
    /// whole images have the whole network.
    pub devices: Vec<(DeviceId, Model)>,
}

/// Writes `network` as `plan` places it on `fleet`.
///
/// # Errors
/// As [`export`](super::export), and where the plan is not one of the network on the fleet.
pub fn placed(network: Network<'_>, gates: Gates, plan: &Plan, fleet: &Fleet) -> Result<Placed, ExportError> {
    check(network)?;
    check_plan(network, plan, fleet)?;
    let mut devices = Vec::new();
    for device in fleet.ids() {
        if let Some(model) = share(network, gates, plan, fleet, device)? {
            devices.push((device, model));
        }
    }
    Ok(Placed { whole: whole(network, gates, plan, fleet)?, devices })
}

fn check_plan(network: Network<'_>, plan: &Plan, fleet: &Fleet) -> Result<(), ExportError> {
    let (nodes, devices) = (network.nodes.len(), fleet.devices.len());
    let known = |node: NodeId| node.index() < nodes;
    let fits = plan.device_of.len() == nodes
        && plan.order.len() == devices
        && plan.device_of.iter().all(|device| device.index() < devices)
        && plan.order.iter().flatten().all(|&node| known(node))
        && plan.replicas.iter().all(|replica| replica.device.index() < devices)
        && plan.transfers.iter().all(|transfer| known(transfer.node));
    let problem = || format!("`{}`: the plan is not one of this network on fleet `{}`", network.name, fleet.name);
    if fits { Ok(()) } else { Err(ExportError::Unfit(problem())) }
}

fn whole(network: Network<'_>, gates: Gates, plan: &Plan, fleet: &Fleet) -> Result<Model, ExportError> {
    let mut writer = Writer::new(network, gates);
    for id in network.graph.ids() {
        let node = network.graph.step(id).node;
        let replicas = plan.replicas.iter().map(|replica| replica.device);
        let hosts: BTreeSet<DeviceId> = plan.hosts(node).chain(replicas).collect();
        let hosts = hosts.into_iter().map(|device| i64::from(device.0)).collect();
        writer.place = Some((fleet.name.clone(), hosts));
        writer.step(id);
    }
    writer.give(network.graph.output());
    let mut model = writer.finish(network.name)?;
    model.ir_version = IR_VERSION;
    model.configuration.push(DeviceConfiguration {
        name: fleet.name.clone(),
        num_devices: i32::try_from(fleet.devices.len()).unwrap_or(i32::MAX),
        device: fleet.devices.iter().map(|device| device.name.clone()).collect(),
    });
    Ok(model)
}

/// What a device computes; nothing where that is nothing.
fn share(
    network: Network<'_>,
    gates: Gates,
    plan: &Plan,
    fleet: &Fleet,
    device: DeviceId,
) -> Result<Option<Model>, ExportError> {
    let graph = network.graph;
    let is_replica = plan.replicas.iter().any(|replica| replica.device == device);
    let of_plan = || plan.order[device.index()].iter().copied().collect();
    let own: BTreeSet<NodeId> = if is_replica { graph.steps.iter().map(|step| step.node).collect() } else { of_plan() };
    let computes = |id: &TensorId| own.contains(&graph.step(*id).node) && graph.step(*id).op != Op::Input;
    let steps: Vec<TensorId> = graph.ids().filter(computes).collect();
    if steps.is_empty() {
        return Ok(None);
    }
    let mut writer = Writer::new(network, gates);
    for id in steps {
        for &input in &graph.step(id).inputs {
            if !computes(&input) {
                writer.take(input);
            }
        }
        writer.step(id);
    }
    let outputs = graph.node_outputs();
    let sent = plan.transfers.iter().filter(|transfer| transfer.from == device).map(|transfer| transfer.node);
    let mut given: BTreeSet<TensorId> = sent.map(|node| outputs[node.index()]).filter(computes).collect();
    if computes(&graph.output()) {
        given.insert(graph.output());
    }
    for id in given {
        writer.give(id);
    }
    let name = &fleet.device(device).name;
    let mut model = writer.finish(&format!("{}.{name}", network.name))?;
    model.metadata_props.push(Entry { key: "device".to_owned(), value: name.clone() });
    Ok(Some(model))
}
