//! Architecture → a Graphviz digraph: one vertex a node, one edge an input; dashed where a scaling block stands between.

use cnasc_ir::architecture::{Architecture, Node, Role};
use cnasc_ir::text::pipeline;
use std::fmt::Write as _;

/// The architecture in the DOT language.
#[must_use]
pub fn dot(architecture: &Architecture) -> String {
    let mut text = format!("digraph {} {{\n", quoted(&architecture.name));
    text.push_str("  rankdir=TB;\n");
    text.push_str("  node [shape=box, style=\"rounded,filled\", fontname=\"sans-serif\", fontsize=11];\n");
    for (index, node) in architecture.nodes.iter().enumerate() {
        vertex(&mut text, index, node);
    }
    for (to, node) in architecture.nodes.iter().enumerate() {
        for join in &node.inputs {
            let from = join.from.index();
            let scale = if join.scale.is_empty() {
                String::new()
            } else {
                format!(" [style=dashed, tooltip={}]", quoted(&pipeline(&join.scale)))
            };
            writeln!(text, "  n{from} -> n{to}{scale};").expect("a string takes everything");
        }
    }
    text.push_str("}\n");
    text
}

fn vertex(text: &mut String, index: usize, node: &Node) {
    let label = quoted(&format!("{}\n{}", node.name, node.shape));
    let (fill, tooltip) = (fill(node.role), quoted(&pipeline(&node.ops)));
    writeln!(text, "  n{index} [label={label}, fillcolor=\"{fill}\", tooltip={tooltip}];")
        .expect("a string takes everything");
}

fn fill(role: Role) -> &'static str {
    match role {
        Role::Input => "#dddddd",
        Role::Pipeline => "#eedd88",
        Role::Block => "#99ddff",
        Role::Gather => "#44bb99",
    }
}

/// A quoted string of the language; line breaks stay line breaks of a label.
fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{}\"", escaped.replace(|character: char| character.is_control(), " "))
}
