//! A file's bytes → its graph: what belongs to the answer, in an order in which it can be computed.

use super::error::{ImportError, shown};
use crate::proto::{Extent, Graph, Model, Node, Tensor, ValueInfo};
use prost::Message;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

/// The oldest and the newest version of ONNX's own operators that is read.
pub(super) const OPSETS: std::ops::RangeInclusive<i64> = 7..=28;

/// The most nodes of a graph.
const MAX_NODES: usize = 1 << 20;

/// A graph that may be walked without looking back.
#[derive(Debug)]
pub(super) struct Source {
    /// The version of ONNX's own operators.
    pub opset: i64,
    /// The graph's name.
    pub name: String,
    /// The nodes that the outputs need, each behind those that it reads.
    pub nodes: Vec<Node>,
    /// Initialisers by name.
    pub constants: BTreeMap<String, Tensor>,
    /// What is given and read, in the order of the file.
    pub inputs: Vec<Input>,
    /// Names of what is asked for.
    pub outputs: Vec<String>,
}

/// A tensor that is given.
#[derive(Debug)]
pub(super) struct Input {
    /// Its name.
    pub name: String,
    /// The number of its element type.
    pub kind: i32,
    /// Its extents, as far as the file says them; none where it says not even how many.
    pub dims: Option<Vec<Option<i64>>>,
}

fn malformed<T>(problem: impl Into<String>) -> Result<T, ImportError> {
    Err(ImportError::Malformed(problem.into()))
}

/// Decodes and checks a file.
pub(super) fn decode(bytes: &[u8]) -> Result<Source, ImportError> {
    super::wire::check(bytes)?;
    let model = Model::decode(bytes).or_else(|error| malformed(format!("is no ONNX model: {error}")))?;
    let opset = opset(&model)?;
    let Some(mut graph) = model.graph else { return malformed("is an ONNX model without a graph") };
    if graph.node.len() > MAX_NODES {
        return malformed(format!("has {} nodes; up to {MAX_NODES} are read", graph.node.len()));
    }
    let mut constants = BTreeMap::new();
    for tensor in std::mem::take(&mut graph.initializer) {
        let name = tensor.name.clone();
        if constants.insert(name.clone(), tensor).is_some() {
            return malformed(format!("gives constant `{}` twice", shown(&name)));
        }
    }
    let outputs: Vec<String> = graph.output.iter().map(|output| output.name.clone()).collect();
    if outputs.is_empty() {
        return malformed("has no output");
    }
    let given: BTreeSet<&str> = graph.input.iter().map(|input| input.name.as_str()).collect();
    let order = order(&graph, &constants, &given, &outputs)?;
    let read: BTreeSet<&str> =
        order.iter().flat_map(|&index| &graph.node[index].input).chain(&outputs).map(String::as_str).collect();
    let live = |input: &&ValueInfo| read.contains(input.name.as_str()) && !constants.contains_key(&input.name);
    let inputs = graph.input.iter().filter(live).map(describe).collect();
    let name = std::mem::take(&mut graph.name);
    let mut nodes: Vec<Option<Node>> = graph.node.into_iter().map(Some).collect();
    let nodes = order.into_iter().filter_map(|index| nodes[index].take()).collect();
    Ok(Source { opset, name, nodes, constants, inputs, outputs })
}

/// The version of ONNX's own operators that a model means.
fn opset(model: &Model) -> Result<i64, ImportError> {
    let own = model.opset_import.iter().find(|set| is_own(&set.domain));
    let Some(own) = own else { return malformed("does not say which version of ONNX's operators it means") };
    if OPSETS.contains(&own.version) {
        return Ok(own.version);
    }
    let (first, last) = (OPSETS.start(), OPSETS.end());
    malformed(format!("means version {} of ONNX's operators; versions {first} to {last} are read", own.version))
}

/// Whether a domain is ONNX's own.
pub(super) fn is_own(domain: &str) -> bool {
    domain.is_empty() || domain == "ai.onnx"
}

fn describe(input: &ValueInfo) -> Input {
    let tensor = input.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref());
    let extent = |value: &Option<Extent>| match value {
        Some(Extent::Value(value)) => Some(*value),
        _ => None,
    };
    let shape = tensor.and_then(|tensor| tensor.shape.as_ref());
    Input {
        name: input.name.clone(),
        kind: tensor.map_or(0, |tensor| tensor.elem_type),
        dims: shape.map(|shape| shape.dim.iter().map(|dim| extent(&dim.value)).collect()),
    }
}

/// The nodes that the outputs need, by index, each behind those that it reads; among several that could be next, the first of the file.
fn order(
    graph: &Graph,
    constants: &BTreeMap<String, Tensor>,
    given: &BTreeSet<&str>,
    outputs: &[String],
) -> Result<Vec<usize>, ImportError> {
    let makers = makers(graph, constants, given)?;
    let maker = |name: &str, reader: &str| match makers.get(name) {
        Some(&index) => Ok(Some(index)),
        None if name.is_empty() || constants.contains_key(name) || given.contains(name) => Ok(None),
        None => malformed(format!("{reader} reads `{}`, which nothing makes", shown(name))),
    };
    let mut needs: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    let mut open = Vec::new();
    for output in outputs {
        open.extend(maker(output, "the graph's output")?);
    }
    while let Some(index) = open.pop() {
        if needs.contains_key(&index) {
            continue;
        }
        let reader = format!("node `{}`", shown(label(&graph.node[index])));
        let mut sources = BTreeSet::new();
        for name in &graph.node[index].input {
            sources.extend(maker(name, &reader)?);
        }
        open.extend(&sources);
        needs.insert(index, sources);
    }
    sorted(graph, &needs)
}

/// Kahn's algorithm.
fn sorted(graph: &Graph, needs: &BTreeMap<usize, BTreeSet<usize>>) -> Result<Vec<usize>, ImportError> {
    let mut missing: BTreeMap<usize, usize> = needs.iter().map(|(&index, sources)| (index, sources.len())).collect();
    let mut readers: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (&index, sources) in needs {
        for &source in sources {
            readers.entry(source).or_default().push(index);
        }
    }
    let ready = missing.iter().filter(|(_, count)| **count == 0).map(|(&index, _)| Reverse(index));
    let mut ready: BinaryHeap<Reverse<usize>> = ready.collect();
    let mut order = Vec::with_capacity(needs.len());
    while let Some(Reverse(index)) = ready.pop() {
        order.push(index);
        missing.remove(&index);
        for &reader in readers.get(&index).into_iter().flatten() {
            if let Some(count) = missing.get_mut(&reader) {
                *count -= 1;
                if *count == 0 {
                    ready.push(Reverse(reader));
                }
            }
        }
    }
    match missing.keys().next() {
        None => Ok(order),
        Some(&index) => {
            malformed(format!("node `{}` is part of a cycle or behind one", shown(label(&graph.node[index]))))
        }
    }
}

/// Which node makes a tensor.
fn makers<'a>(
    graph: &'a Graph,
    constants: &BTreeMap<String, Tensor>,
    given: &BTreeSet<&str>,
) -> Result<BTreeMap<&'a str, usize>, ImportError> {
    let mut makers = BTreeMap::new();
    for (index, node) in graph.node.iter().enumerate() {
        for name in node.output.iter().filter(|name| !name.is_empty()) {
            let taken = constants.contains_key(name) || given.contains(name.as_str());
            if taken || makers.insert(name.as_str(), index).is_some() {
                return malformed(format!(
                    "node `{}` makes `{}`, which is there already",
                    shown(label(node)),
                    shown(name)
                ));
            }
        }
    }
    Ok(makers)
}

/// What people may know a node by: its name or, where it has none, its first output.
pub(super) fn label(node: &Node) -> &str {
    if node.name.is_empty() { node.output.first().map_or("", String::as_str) } else { &node.name }
}
