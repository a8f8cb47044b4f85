//! Each invariant of an architecture, broken once; the file's round trip; the short text.

use cnasc_ir::Shape;
use cnasc_ir::architecture::{Architecture, Join, Node, NodeId, Role};
use cnasc_ir::op::{Axis, Gate, Op, Window};

fn conv(kernel: u32, channels: u32) -> Op {
    Op::Conv { window: Window::same(kernel, 1), groups: 1, channels, bias: false }
}

fn join(from: u32, scale: &[Op]) -> Join {
    Join { from: NodeId(from), scale: scale.to_vec() }
}

fn node(name: &str, role: Role, inputs: Vec<Join>, ops: &[Op], shape: Shape) -> Node {
    Node { name: name.to_owned(), role, inputs, ops: ops.to_vec(), shape }
}

/// image → stem → two blocks, the second of half size → head that joins the stem and both.
fn nodes() -> Vec<Node> {
    let pool = Op::max_pool(2, 2);
    let weighted = Op::WeightedSum { gate: Gate::SigmoidWeights };
    let down = [pool.clone(), conv(1, 16)];
    vec![
        node("image", Role::Input, vec![], &[], Shape::new(1, 8, 8)),
        node("stem", Role::Pipeline, vec![join(0, &[])], &[conv(3, 8), Op::BatchNorm], Shape::new(8, 8, 8)),
        node("body.0", Role::Block, vec![join(1, &[])], &[Op::Relu, pool, conv(1, 16)], Shape::new(16, 4, 4)),
        node("body.1", Role::Block, vec![join(1, &down), join(2, &[])], &[weighted], Shape::new(16, 4, 4)),
        node(
            "head",
            Role::Pipeline,
            vec![join(1, &down), join(2, &[]), join(3, &[])],
            &[Op::Mean, Op::GlobalAvg, Op::Linear { outputs: 10, bias: true }],
            Shape::new(10, 1, 1),
        ),
    ]
}

#[test]
fn the_short_text() {
    let architecture = Architecture::new("small", nodes()).expect("the nodes are right");
    insta::assert_snapshot!(cnasc_ir::text::short(&architecture, true), @"
    network small 1x8x8, 5 nodes, hash 679396e23d00f75b
    stem = image: conv3 8 -> bn : 8x8x8
    body.0 = stem: relu -> maxpool2 -> pointwise 16 : 16x4x4
    body.1 = stem (maxpool2 -> pointwise 16) + body.0: weighted : 16x4x4
    head = stem (maxpool2 -> pointwise 16) + body.0 + body.1: mean -> global_avg -> linear 10 : 10x1x1
    ");
}

#[test]
fn reading_back_gives_the_same() {
    let architecture = Architecture::new("small", nodes()).expect("the nodes are right");
    let text = architecture.to_json();
    assert_eq!(Architecture::from_json(&text).expect("what was written can be read"), architecture);
    let mut renamed = architecture.clone();
    renamed.provenance.seed = 9;
    renamed.name = "other".to_owned();
    let read = Architecture::from_json(&renamed.to_json()).expect("name and seed are not part of the identity");
    assert_eq!(read.hash(), architecture.hash());
}

#[test]
fn a_changed_file_is_refused() {
    let text = Architecture::new("small", nodes()).expect("the nodes are right").to_json();
    let refuse = |text: &str| Architecture::from_json(text).expect_err("the file is wrong").to_string();
    assert!(refuse(&text.replace("\"kernel\": 3", "\"kernel\": 5")).contains("hash"));
    assert_eq!(
        refuse(&text.replace("cnasc.arch/1", "cnasc.arch/9")),
        "the file has format `cnasc.arch/9`, this release reads `cnasc.arch/1`"
    );
    assert!(refuse(&text[..text.len() / 2]).starts_with("not an architecture file"));
    assert!(refuse(&text.replace("\"role\"", "\"rule\"")).starts_with("not an architecture file"));
}

/// Changes the nodes and gives what `verify` says of them.
fn broken(change: impl FnOnce(&mut Vec<Node>)) -> String {
    let mut nodes = nodes();
    change(&mut nodes);
    Architecture::new("small", nodes).expect_err("an invariant is broken").to_string()
}

#[test]
fn every_invariant_is_checked() {
    assert!(broken(|nodes| nodes.truncate(1)).contains("needs an image and an answer"));
    assert!(broken(|nodes| nodes[2].name = "stem".to_owned()).contains("same name"));
    assert!(broken(|nodes| nodes[2].role = Role::Input).contains("first and has no inputs"));
    assert!(broken(|nodes| nodes[1].inputs.clear()).contains("first and has no inputs"));
    assert!(broken(|nodes| nodes[3].inputs[1] = join(1, &[])).contains("stands there twice"));
    assert!(broken(|nodes| nodes[2].inputs = vec![join(3, &[])]).contains("earlier node"));
    assert!(broken(|nodes| nodes[2].inputs = vec![join(u32::MAX, &[])]).contains("earlier node"));
    assert!(broken(|nodes| nodes[2].shape.channels = 17).contains("recorded is 17x4x4"));
    assert!(broken(|nodes| nodes[3].inputs[0].scale.clear()).contains("one shape"));
    assert!(broken(|nodes| nodes[3].ops.clear()).contains("joins them"));
    assert!(broken(|nodes| drop(nodes[4].inputs.pop())).contains("nothing takes its output"));
    assert!(broken(|nodes| nodes[0].shape = Shape::new(0, 8, 8)).contains("empty or too large"));
    assert!(broken(|nodes| nodes[0].shape = Shape::new(1 << 20, 1 << 20, 1)).contains("empty or too large"));
}

#[test]
fn pathological_numbers_do_not_overflow() {
    let huge = Op::Conv { window: Window::square(u32::MAX, 1, u32::MAX), groups: 1, channels: u32::MAX, bias: false };
    assert!(huge.output(&[Shape::new(1, 8, 8)]).is_err());
    let zero = Op::Conv { window: Window::square(0, 0, 0), groups: 0, channels: 0, bias: false };
    assert!(zero.output(&[Shape::new(1, 8, 8)]).is_err());
    let inputs = vec![Shape::new(1 << 20, 1, 1); 5000];
    assert!(Op::Concat { axis: Axis::Channels }.output(&inputs).is_err());
}

/// Operators such as concatenation depend on the order of a node's inputs, so it is kept and part of the identity.
#[test]
fn inputs_stand_in_any_order() {
    let drawn = Architecture::new("small", nodes()).unwrap();
    let mut swapped = nodes();
    swapped[4].inputs.swap(0, 1);
    let swapped = Architecture::new("small", swapped).unwrap();
    assert_ne!(drawn.hash(), swapped.hash());
    assert_eq!(Architecture::from_json(&swapped.to_json()).unwrap(), swapped);
}
