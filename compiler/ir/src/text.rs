//! The short text form of an architecture, which snapshots show: one line a node, so that one changed draw is one changed line.
//!
//! ```text
//! network fashion 1x28x28, 4 nodes, hash 5f0c…
//! stem   = image: conv3 16 -> bn -> relu : 16x28x28
//! body.0 = stem: relu -> depthwise3 -> pointwise 16 -> bn : 16x28x28
//! body.1 = stem + body.0 (maxpool2 -> pointwise 32): weighted -> relu -> … : 32x14x14
//! ```

use crate::architecture::{Architecture, Join, Node};
use crate::op::Op;
use std::fmt::Write as _;

/// The architecture in the short form, ending in a line break. The hash is left out where `hash` is false, for comparing drawings.
#[must_use]
pub fn short(architecture: &Architecture, hash: bool) -> String {
    let mut text =
        format!("network {} {}, {} nodes", architecture.name, architecture.input(), architecture.nodes.len());
    if hash {
        text.push_str(", hash ");
        text.push_str(&architecture.hash()[..16]);
    }
    text.push('\n');
    for node in &architecture.nodes[1..] {
        line(&mut text, architecture, node);
    }
    text
}

fn line(text: &mut String, architecture: &Architecture, node: &Node) {
    let joins: Vec<String> = node.inputs.iter().map(|join| join_text(architecture, join)).collect();
    let ops = if node.ops.is_empty() { String::new() } else { format!(": {}", pipeline(&node.ops)) };
    writeln!(text, "{} = {}{ops} : {}", node.name, joins.join(" + "), node.shape).expect("a string takes everything");
}

fn join_text(architecture: &Architecture, join: &Join) -> String {
    let from = &architecture.node(join.from).name;
    if join.scale.is_empty() { from.clone() } else { format!("{from} ({})", pipeline(&join.scale)) }
}

/// Operators as `relu -> depthwise3 -> pointwise 16`.
#[must_use]
pub fn pipeline(ops: &[Op]) -> String {
    ops.iter().map(ToString::to_string).collect::<Vec<_>>().join(" -> ")
}
