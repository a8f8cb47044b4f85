//! What differs between two drawings: every kind of change once, and the text form as good as the architecture itself.

use cnasc_ir::architecture::{Architecture, Join, Node, NodeId, Role};
use cnasc_ir::diff::{Sketch, architectures};
use cnasc_ir::op::Op;
use cnasc_ir::{Shape, text};

fn node(name: &str, role: Role, inputs: &[(u32, &[Op])], ops: &[Op], side: u32) -> Node {
    let join = |(from, scale): &(u32, &[Op])| Join { from: NodeId(*from), scale: scale.to_vec() };
    let inputs = inputs.iter().map(join).collect();
    Node { name: name.to_owned(), role, inputs, ops: ops.to_vec(), shape: Shape::new(4, side, side) }
}

fn pool(kernel: u32) -> Op {
    Op::max_pool(kernel, 2)
}

fn network(nodes: Vec<Node>) -> Architecture {
    Architecture::new("small", nodes).expect("the nodes are right")
}

fn before() -> Architecture {
    network(vec![
        node("image", Role::Input, &[], &[], 8),
        node("body.0", Role::Block, &[(0, &[])], &[Op::Relu], 8),
        node("body.1", Role::Block, &[(0, &[]), (1, &[])], &[Op::Sum], 8),
        node("body.2", Role::Block, &[(1, &[pool(2)]), (2, &[pool(2)])], &[Op::Sum], 4),
        node("body.3", Role::Block, &[(3, &[])], &[Op::Relu], 4),
        node("head", Role::Pipeline, &[(4, &[])], &[Op::BatchNorm], 4),
    ])
}

/// `body.3` is gone, `body.9` is new, `body.1` averages, one edge is gone, one is new, one is pooled otherwise.
fn after() -> Architecture {
    network(vec![
        node("image", Role::Input, &[], &[], 8),
        node("body.0", Role::Block, &[(0, &[])], &[Op::Relu], 8),
        node("body.1", Role::Block, &[(1, &[])], &[Op::Mean], 8),
        node("body.2", Role::Block, &[(1, &[pool(1)]), (2, &[pool(2)])], &[Op::Sum], 4),
        node("body.9", Role::Block, &[(2, &[pool(2)])], &[Op::Sigmoid], 4),
        node("head", Role::Pipeline, &[(3, &[]), (4, &[])], &[Op::Sum], 4),
    ])
}

#[test]
fn every_kind_of_change() {
    let difference = architectures(&before(), &after());
    insta::assert_snapshot!(format!("{}\n{}", difference.summary(), difference.lines().join("\n")), @"
    1 node added, 1 node removed, 2 nodes changed, 2 edges added, 2 edges removed, 1 edge changed
    - node body.3 = body.2: relu : 4x4x4
    + node body.9 = body.1 (maxpool2): sigmoid : 4x4x4
    ~ node body.1: `sum` → `mean`
    ~ node head: `bn` → `sum`
    - edge image → body.1
    - edge body.3 → head
    + edge body.2 → head
    + edge body.9 → head
    ~ edge body.0 → body.2: scaled by `maxpool2` → `maxpool1/2`
    ");
}

#[test]
fn the_same_is_no_difference() {
    let difference = architectures(&before(), &before());
    assert!(difference.is_empty());
    assert_eq!(difference.summary(), "no difference");
    assert!(difference.lines().is_empty());
}

#[test]
fn the_short_text_says_as_much() {
    for architecture in [before(), after()] {
        let read = Sketch::read(&text::short(&architecture, true)).expect("it is a short text");
        assert_eq!(read, Sketch::of(&architecture));
    }
}

#[test]
fn a_graph_alone() {
    let before = Sketch::read("graph er(n: 3, p: 0.5), 3 nodes, 2 edges\n0\n1 = 0\n2 = 1\n").expect("a graph");
    let after = Sketch::read("graph er(n: 3, p: 0.5), 3 nodes, 2 edges\n0\n1 = 0\n2 = 0\n").expect("a graph");
    assert_eq!(before.difference(&after).lines(), ["- edge 1 → 2", "+ edge 0 → 2"]);
}

#[test]
fn other_texts_are_no_sketch() {
    for text in ["", "anything\n", "network small 1x8x8, 5 nodes\na b c\n", "three, 5 birds\n"] {
        assert_eq!(Sketch::read(text), None, "{text}");
    }
}
