//! The graph of a model as it grows: nodes, and the constants that they read.

use super::names::Names;
use super::{ExportError, Gates, MAX_BYTES, Network};
use crate::proto::{
    Attribute, AttributeKind, Dimension, ElementKind, Extent, Graph, Model, Node, NodeDeviceConfiguration, OperatorSet,
    ShardingSpec, Tensor, TensorShape, TensorType, Type, ValueInfo,
};
use cnasc_ir::tensor::{ParamId, Step};
use cnasc_ir::{Op, Shape, TensorId};
use prost::Message;
use std::collections::BTreeSet;

/// The version of the messages where nothing newer is used: read by every engine in use.
const IR_VERSION: i64 = 8;
/// The operators where nothing newer is used, for the same reason.
const OPSET: i64 = 17;

/// Collects what the steps come to.
pub(super) struct Writer<'a> {
    pub(super) network: Network<'a>,
    pub(super) gates: Gates,
    pub(super) names: Names,
    /// For each step whether its tensor is `[1, elements]`.
    flat: Vec<bool>,
    /// What is in the model already: given, or computed.
    known: BTreeSet<TensorId>,
    stored: BTreeSet<ParamId>,
    /// Where the steps that follow run: the name of the configuration, and numbers of devices in it.
    pub(super) place: Option<(String, Vec<i64>)>,
    opset: i64,
    /// Of constants.
    bytes: u64,
    graph: Graph,
}

impl<'a> Writer<'a> {
    pub(super) fn new(network: Network<'a>, gates: Gates) -> Self {
        Self {
            network,
            gates,
            names: Names::new(network),
            flat: flat(network),
            known: BTreeSet::new(),
            stored: BTreeSet::new(),
            place: None,
            opset: OPSET,
            bytes: 0,
            graph: Graph::default(),
        }
    }

    pub(super) fn step_of(&self, id: TensorId) -> &'a Step {
        self.network.graph.step(id)
    }

    /// Adds a step; what it reads must be in the model.
    pub(super) fn step(&mut self, id: TensorId) {
        if self.network.graph.step(id).op == Op::Input {
            self.take(id);
            return;
        }
        self.operator(id);
        self.known.insert(id);
        let info = self.info(id);
        self.graph.value_info.push(info);
    }

    /// Makes a tensor one that is given from outside, unless it is in the model already.
    pub(super) fn take(&mut self, id: TensorId) {
        if self.known.insert(id) {
            let info = self.info(id);
            self.graph.input.push(info);
        }
    }

    /// Makes a tensor of the model one that is asked for.
    pub(super) fn give(&mut self, id: TensorId) {
        let info = self.info(id);
        self.graph.value_info.retain(|one| one.name != info.name);
        if self.step_of(id).op == Op::Input {
            // A tensor can't be both given and asked for under one name.
            let name = self.names.fresh(&format!("{}.answer", info.name));
            self.node(
                "Identity",
                &self.names.operators[id.index()].clone(),
                vec![info.name.clone()],
                &name,
                Vec::new(),
            );
            self.graph.output.push(ValueInfo { name, ..info });
            return;
        }
        self.graph.output.push(info);
    }

    /// Whether the tensor is `[1, elements]`.
    pub(super) fn is_flat(&self, id: TensorId) -> bool {
        self.flat[id.index()]
    }

    /// The extents of a tensor in the model.
    pub(super) fn extents(&self, id: TensorId) -> Vec<i64> {
        let shape = self.step_of(id).shape;
        if self.is_flat(id) { vec![1, shape.channels.into()] } else { whole(shape) }
    }

    fn info(&self, id: TensorId) -> ValueInfo {
        let dim = self.extents(id).into_iter().map(|extent| Dimension { value: Some(Extent::Value(extent)) }).collect();
        let tensor = TensorType { elem_type: ElementKind::Float.into(), shape: Some(TensorShape { dim }) };
        let name = self.names.tensors[id.index()].clone();
        ValueInfo { name, r#type: Some(Type { tensor_type: Some(tensor) }), doc_string: String::new() }
    }

    /// The name of a tensor of extents `[1, channels, height, width]`, reshaped for the operator called `operator` where it is flat.
    pub(super) fn image(&mut self, id: TensorId, operator: &str) -> String {
        let name = self.names.tensors[id.index()].clone();
        if !self.is_flat(id) {
            return name;
        }
        let extents = self.integers(&format!("{operator}.extents"), &whole(self.step_of(id).shape));
        let output = self.names.fresh(&format!("{operator}.image"));
        self.node("Reshape", &output, vec![name, extents], &output, Vec::new());
        output
    }

    /// Adds a node with one output.
    pub(super) fn node(
        &mut self,
        op_type: &str,
        name: &str,
        input: Vec<String>,
        output: &str,
        attribute: Vec<Attribute>,
    ) {
        let output = vec![output.to_owned()];
        self.node_of_many(op_type, name, input, output, attribute);
    }

    /// Adds a node.
    pub(super) fn node_of_many(
        &mut self,
        op_type: &str,
        name: &str,
        input: Vec<String>,
        output: Vec<String>,
        attribute: Vec<Attribute>,
    ) {
        let (name, op_type) = (name.to_owned(), op_type.to_owned());
        let device_configurations = self.placement(&input, &output);
        let node = Node { input, output, name, op_type, attribute, device_configurations, ..Node::default() };
        self.graph.node.push(node);
    }

    /// That each tensor of a node lies whole on every device that computes the node.
    fn placement(&self, input: &[String], output: &[String]) -> Vec<NodeDeviceConfiguration> {
        let Some((configuration_id, device)) = self.place.clone() else { return Vec::new() };
        // An input that is left out has no name.
        let tensors = input.iter().chain(output).filter(|name| !name.is_empty());
        let spec = |name: &String| ShardingSpec { tensor_name: name.clone(), device: device.clone() };
        let sharding_spec = tensors.map(spec).collect();
        vec![NodeDeviceConfiguration { configuration_id, sharding_spec, pipeline_stage: None }]
    }

    /// Says that an operator of this version is used.
    pub(super) fn needs_opset(&mut self, version: i64) {
        self.opset = self.opset.max(version);
    }

    /// The name of a parameter, stored in the model with its values.
    pub(super) fn param(&mut self, id: ParamId) -> String {
        let name = self.names.params[id.index()].clone();
        if self.stored.insert(id) {
            let spec = &self.network.graph.params[id.index()];
            let dims: Vec<i64> = spec.extents.iter().map(|&extent| extent.into()).collect();
            self.floats(name.clone(), dims, self.network.weights.of(id));
        }
        name
    }

    /// A constant of floats under a name that is not taken.
    pub(super) fn constant(&mut self, wanted: &str, dims: Vec<i64>, values: &[f32]) -> String {
        let name = self.names.fresh(wanted);
        self.floats(name.clone(), dims, values);
        name
    }

    fn floats(&mut self, name: String, dims: Vec<i64>, values: &[f32]) {
        let raw_data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.store(Tensor { dims, data_type: ElementKind::Float.into(), name, raw_data, ..Tensor::default() });
    }

    /// A row of whole numbers as a constant.
    pub(super) fn integers(&mut self, wanted: &str, values: &[i64]) -> String {
        let name = self.names.fresh(wanted);
        let raw_data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let (dims, data_type) = (vec![values.len() as i64], ElementKind::Int64.into());
        self.store(Tensor { dims, data_type, name: name.clone(), raw_data, ..Tensor::default() });
        name
    }

    fn store(&mut self, tensor: Tensor) {
        self.bytes += tensor.raw_data.len() as u64;
        self.graph.initializer.push(tensor);
    }

    /// The model.
    pub(super) fn finish(mut self, name: &str) -> Result<Model, ExportError> {
        name.clone_into(&mut self.graph.name);
        let model = Model {
            ir_version: IR_VERSION,
            producer_name: "cnasc".to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            graph: Some(self.graph),
            opset_import: vec![OperatorSet { domain: String::new(), version: self.opset }],
            ..Model::default()
        };
        // The constants alone first, because lengths beyond the limit are not to be relied on.
        let bytes = if self.bytes > MAX_BYTES { self.bytes } else { model.encoded_len() as u64 };
        if bytes > MAX_BYTES { Err(ExportError::TooLarge { name: name.to_owned(), bytes }) } else { Ok(model) }
    }
}

/// The extents of an image's tensor in the model.
pub(super) fn whole(shape: Shape) -> Vec<i64> {
    [1, shape.channels, shape.height, shape.width].map(i64::from).to_vec()
}

/// For each step whether its tensor is written as `[1, elements]`: what a linear layer makes, and what works element by element on
/// such tensors alone makes of them.
fn flat(network: Network<'_>) -> Vec<bool> {
    let mut flat: Vec<bool> = Vec::with_capacity(network.graph.steps.len());
    for step in &network.graph.steps {
        let all = !step.inputs.is_empty() && step.inputs.iter().all(|input| flat[input.index()]);
        flat.push(super::operator::makes_flat(&step.op, all));
    }
    flat
}

/// A whole number as a setting.
pub(super) fn int(name: &str, i: i64) -> Attribute {
    Attribute { name: name.to_owned(), i, r#type: AttributeKind::Int.into(), ..Attribute::default() }
}

/// Whole numbers as a setting.
pub(super) fn ints(name: &str, ints: impl IntoIterator<Item = u32>) -> Attribute {
    let ints = ints.into_iter().map(i64::from).collect();
    Attribute { name: name.to_owned(), ints, r#type: AttributeKind::Ints.into(), ..Attribute::default() }
}

/// A real number as a setting.
pub(super) fn float(name: &str, f: f32) -> Attribute {
    Attribute { name: name.to_owned(), f, r#type: AttributeKind::Float.into(), ..Attribute::default() }
}

/// A word as a setting.
pub(super) fn text(name: &str, word: &str) -> Attribute {
    let s = word.as_bytes().to_vec();
    Attribute { name: name.to_owned(), s, r#type: AttributeKind::Text.into(), ..Attribute::default() }
}
