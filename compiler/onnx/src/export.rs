//! Tensor graph and weights → ONNX model, whole or one a device.
//!
//! Names are stable, so that files can be compared and weights found again:
//! - the tensor that a node of the architecture makes is called as the node: `body.3`; the image is called as the input node;
//! - an operator is called as its parameters begin, `body.3.conv2`, and one without parameters `<node>.<operator><k>`, where `k` counts
//!   those of its kind in the node from 1; tensors inside a node are called as the operator that makes them;
//! - a parameter is called as in the tensor graph: `body.3.conv2.weight`;
//! - what ONNX needs beside has the operator's name before its own: `body.3.weighted_sum1.term1`.
//!
//! A name that is taken already gets a `~` behind it. Tensors have a batch of one image: `[1, channels, height, width]`, and
//! `[1, elements]` from a linear layer on.

mod image;
mod movement;
mod names;
mod operator;
mod placed;
mod writer;

#[cfg(test)]
mod tests;

use crate::proto::Model;
use cnasc_ir::{TensorGraph, Weights};
use prost::Message;
use writer::Writer;

pub use placed::{Placed, placed};

/// A network to be written: a verified graph with weights that fit it.
#[derive(Debug, Clone, Copy)]
pub struct Network<'a> {
    /// Its name.
    pub name: &'a str,
    /// The names of the architecture's nodes, one a node of the graph.
    pub nodes: &'a [String],
    /// What is computed.
    pub graph: &'a TensorGraph,
    /// With which values, in the order of the graph's parameters.
    pub weights: &'a Weights,
}

/// How the gates of weighted sums are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gates {
    /// One tensor a weighted sum, `body.3.weighted_sum1.gate`, that the model splits: what training and [`Weights`] know.
    Together,
    /// One constant a term, which spares engines that do not compute constants beforehand the splitting.
    Apart,
}

/// Why a network can't be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// The file format has a limit.
    #[error("`{name}` would take {bytes} bytes as one ONNX file, which may have {MAX_BYTES}")]
    TooLarge {
        /// The network.
        name: String,
        /// Its size.
        bytes: u64,
    },
    /// The parts are of different networks.
    #[error("{0}")]
    Unfit(String),
}

/// The most bytes of a message of Google's protocol buffers, and so of an ONNX file.
pub const MAX_BYTES: u64 = (1 << 31) - 1;

/// The whole network as one model: the image in, the answer out.
///
/// # Errors
/// Where it would be larger than an ONNX file may be, or graph, weights and names do not fit each other.
pub fn export(network: Network<'_>, gates: Gates) -> Result<Model, ExportError> {
    check(network)?;
    let mut writer = Writer::new(network, gates);
    for id in network.graph.ids() {
        writer.step(id);
    }
    writer.give(network.graph.output());
    writer.finish(network.name)
}

/// The bytes of a file.
#[must_use]
pub fn encode(model: &Model) -> Vec<u8> {
    model.encode_to_vec()
}

fn check(network: Network<'_>) -> Result<(), ExportError> {
    let Network { graph, weights, nodes, name } = network;
    let unfit = |problem: &str| Err(ExportError::Unfit(format!("`{name}`: {problem}")));
    if let Err(error) = graph.verify() {
        return unfit(&error.to_string());
    }
    if !weights.fits(graph) {
        return unfit("the weights are not those of the graph's parameters");
    }
    if nodes.len() != graph.nodes as usize {
        return unfit(&format!("has {} nodes, {} names were given", graph.nodes, nodes.len()));
    }
    Ok(())
}
