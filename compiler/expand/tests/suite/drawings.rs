//! Whole networks as people read them: each family × staging, joins, sections and names.

use crate::programs::{blocks, closure, fashion, generator, int, made, named, param, program, sepconv, stage};
use cnasc_base::Seed;
use cnasc_expand::{Value, expand};
use cnasc_ir::program::{Aggregate, Declared, Operator, Section};
use cnasc_ir::text::short;
use cnasc_ir::{Architecture, Program};

/// The staging policies with their arguments, by the name of the snapshot.
pub fn policies() -> Vec<(&'static str, (&'static str, Vec<Value>))> {
    vec![
        ("uniform", ("flat", Vec::new())),
        ("greedy", ("greedy", vec![Value::Int(32)])),
        ("probabilistic", ("gentle", vec![Value::Int(32), Value::Real(0.5)])),
        ("rule", ("fixed", vec![Value::Int(64)])),
    ]
}

pub const FAMILIES: [(&str, &[f64]); 5] = [
    ("er", &[8.0, 0.3]),
    ("ba", &[8.0, 2.0]),
    ("ws", &[8.0, 4.0, 0.5]),
    ("distance", &[10.0, 0.75, 0.5, 1.0]),
    ("er_dfs", &[8.0, 0.3]),
];

fn drawn(
    program: &Program,
    family: (&str, &[f64]),
    block: &str,
    staging: (&str, Vec<Value>),
    seed: u64,
) -> Architecture {
    let network = fashion(program, generator(program, family.0, family.1), 8, block, staging);
    expand(program, &network, &Seed::new(seed)).expect("the network fits")
}

#[test]
fn families_and_policies() {
    let program = program();
    for family in FAMILIES {
        for (policy, staging) in policies() {
            let architecture = drawn(&program, family, "sepconv", staging, 7);
            insta::assert_snapshot!(format!("{}_{policy}", family.0), short(&architecture, false));
        }
    }
}

/// What joins several inputs: nothing written is a sum, a concatenation needs equal sizes only.
#[test]
fn aggregates() {
    let program = program();
    let text = |block| short(&drawn(&program, ("ba", &[6.0, 2.0]), block, ("greedy", vec![Value::Int(16)]), 3), false);
    insta::assert_snapshot!("aggregate_none", text("plain"));
    insta::assert_snapshot!("aggregate_concat", text("concat"));
    insta::assert_snapshot!("aggregate_mean", text("mean"));
}

#[test]
fn strided_shrinking_meets_pooling() {
    let program = program();
    let architecture = drawn(&program, ("ba", &[6.0, 2.0]), "sepconv", ("strided", vec![Value::Int(64)]), 1);
    insta::assert_snapshot!("strided", short(&architecture, false));
}

/// The staging's stream is its own: with another staging the same nodes are joined.
#[test]
fn staging_leaves_the_edges_alone() {
    let program = program();
    let wires = |architecture: &Architecture| -> Vec<(String, Vec<u32>)> {
        let froms = |node: &cnasc_ir::architecture::Node| node.inputs.iter().map(|join| join.from.0).collect();
        architecture.nodes.iter().map(|node| (node.name.clone(), froms(node))).collect()
    };
    for family in FAMILIES {
        let drawings: Vec<_> = policies()
            .into_iter()
            .map(|(_, staging)| wires(&drawn(&program, family, "sepconv", staging, 11)))
            .collect();
        assert!(drawings.windows(2).all(|pair| pair[0] == pair[1]), "{}", family.0);
    }
}

/// One draw a node: a lower limit only takes stagings away.
#[test]
fn limits_do_not_move_the_draws() {
    let program = program();
    let channels = |limit| -> Vec<u32> {
        let staging = ("gentle", vec![Value::Int(limit), Value::Real(0.5)]);
        drawn(&program, ("chain", &[12.0]), "sepconv", staging, 4)
            .nodes
            .iter()
            .map(|node| node.shape.channels)
            .collect()
    };
    let (low, high) = (channels(16), channels(64));
    let first = low.iter().zip(&high).position(|(low, high)| low != high).expect("64 allows more than 16");
    assert_eq!(low[first], 16, "the drawings part where the limit is reached");
    assert!(low.iter().zip(&high).all(|(low, high)| low == &(*high).min(16)));
}

/// Repeated sections have names of their own, and a second body is another drawing.
#[test]
fn sections_repeat() {
    let mut program = program();
    let network = &mut program.networks[0];
    let body = network.sections[1].clone();
    let narrow = Section::Pipeline { name: "stem".to_owned(), stages: vec![stage(Operator::MaxPool, &[2, 2])] };
    network.sections = vec![network.sections[0].clone(), narrow, body.clone(), body, network.sections[2].clone()];
    let wiring = generator(&program, "er", &[8.0, 0.3]);
    let twice = fashion(&program, wiring, 8, "sepconv", ("flat", Vec::new()));
    let architecture = expand(&program, &twice, &Seed::new(7)).expect("the network fits");
    insta::assert_snapshot!("sections_repeat", short(&architecture, false));
    // The first body is the one that the network with one body has.
    let once = drawn(&self::program(), ("er", &[8.0, 0.3]), "sepconv", ("flat", Vec::new()), 7);
    let inputs = |architecture: &Architecture, name: &str| -> Vec<String> {
        let node = architecture.nodes.iter().find(|node| node.name == name).expect("both have eight blocks");
        let mut names: Vec<String> = node.inputs.iter().map(|join| architecture.node(join.from).name.clone()).collect();
        names.retain(|name| name.starts_with("body"));
        names
    };
    for vertex in 0..8 {
        let name = format!("body.{vertex}");
        assert_eq!(inputs(&architecture, &name), inputs(&once, &name));
    }
}

/// Biases: behind the last `bn` of a pipeline, and of every `linear`.
#[test]
fn biases_stand_where_no_norm_follows() {
    let mut program = program();
    let conv = |channels| stage(Operator::Conv, &[3, channels, 1]);
    program.networks[0].sections = vec![
        Section::Pipeline {
            name: "stem".to_owned(),
            stages: vec![conv(4), stage(Operator::Relu, &[]), conv(6), stage(Operator::BatchNorm, &[]), conv(8)],
        },
        Section::Pipeline {
            name: "head".to_owned(),
            stages: vec![
                stage(Operator::Depthwise, &[3, 2]),
                stage(Operator::Pointwise, &[]),
                stage(Operator::AvgPool, &[2]),
                stage(Operator::Linear, &[10]),
            ],
        },
    ];
    let network = fashion(&program, generator(&program, "chain", &[2.0]), 8, "sepconv", ("flat", Vec::new()));
    let architecture = expand(&program, &network, &Seed::new(7)).expect("the network fits");
    insta::assert_snapshot!(short(&architecture, false), @r"
    network fashion 1x28x28, 3 nodes
    stem = image: conv3 4 -> relu -> conv3 6 -> bn -> conv3 8 +bias : 8x28x28
    head = stem: depthwise3/2 -> pointwise 8 +bias -> avgpool2 -> linear 10 : 10x1x1
    ");
}

/// Arguments are recorded as source text and reach blocks.
#[test]
fn arguments_are_recorded_and_passed_on() {
    let mut program = program();
    let mut block = blocks().remove(0);
    block.name = "wide".to_owned();
    block.params = program.generators[1].params[1..].to_vec();
    block.pipeline = sepconv(Some(Aggregate::Sum));
    block.pipeline[2].args = vec![Some(int(5)), Some(int(1))];
    block.pipeline[3].args = vec![Some(param(0))];
    program.blocks.push(block);
    let args = vec![
        Value::Made(generator(&program, "local", &[3.0, 4.1])),
        Value::Int(8),
        made(&program, "wide", vec![Value::Int(12)]),
        made(&program, "greedy", vec![Value::Int(24)]),
    ];
    let network = closure(&program, "fashion", args);
    assert!(matches!(named(&program, "wide"), Declared::Block(_)));
    let architecture = expand(&program, &network, &Seed::new(1)).expect("the network fits");
    insta::assert_debug_snapshot!(architecture.provenance.arguments, @r#"
    {
        "block": "wide(m: 12)",
        "staging": "greedy(limit: 24)",
        "width": "8",
        "wiring": "local(n: 3, reach: 4.1)",
    }
    "#);
    insta::assert_snapshot!("arguments", short(&architecture, false));
}
