//! Programs as users write them, drawn: sections inside sections, blocks inside pipelines, graphs of graphs, graphs from files,
//! degrees, fleets, and choices between networks. What can be counted is counted.

#![allow(clippy::panic, reason = "a failing test panics, in its helpers too")]

use cnasc_base::{Seed, Sources, render};
use cnasc_expand::{Closure, Dag, Value, bind, draw, expand, expand_edited, sample, variables};
use cnasc_ir::program::{Declared, GeneratorId, NetworkId};
use cnasc_ir::text::short;
use cnasc_ir::{Architecture, Edit, EditKind, Program};
use std::collections::BTreeMap;

const BLOCKS: &str =
    "block plain = aggregate(sum) -> conv(3) -> bn -> relu\nblock twice(first: block) = first -> plain\n";

fn program(text: &str) -> Program {
    let mut sources = Sources::default();
    let file = sources.add("main.cnas", text);
    let mut square = |_: &str, _: &str| Ok(("square.txt".to_owned(), "0 1\n1 2\n2 3\n3 0\n".to_owned()));
    let (program, found) = cnasc_frontend::compile_with(&mut sources, file, &mut square);
    program.unwrap_or_else(|| panic!("{}", render::human(&sources, &found, false)))
}

fn network(program: &Program, index: usize, args: Vec<Value>, seed: u64) -> Architecture {
    let closure = Closure { of: Declared::Network(NetworkId::new(index)), args };
    expand(program, &closure, &Seed::new(seed)).expect("the network fits")
}

/// The only network without parameters of a text.
fn drawn(text: &str) -> Architecture {
    network(&program(&format!("{BLOCKS}{text}")), 0, Vec::new(), 7)
}

fn graph(program: &Program, index: usize, args: Vec<Value>, seed: u64) -> Dag {
    let closure = Closure { of: Declared::Generator(GeneratorId::new(index)), args };
    draw(program, &closure, &Seed::new(seed)).expect("the numbers are within bounds")
}

fn edges(dag: &Dag) -> usize {
    dag.predecessors.iter().map(Vec::len).sum()
}

#[test]
fn sections_inside_sections_have_names_of_their_own() {
    let architecture = drawn(
        "network f {\n    input image(3, 8, 8)\n    stem conv(3, 4)\n    repeat 2 {\n        residual {\n            \
         layer conv(3, 4) -> bn\n            layer relu\n        }\n    }\n    branch {\n        layer conv(1, 2)\n    } {\n        \
         layer maxpool(2)\n    } {\n    } joined by concat\n    head global_avg -> linear(10)\n}\n",
    );
    insta::assert_snapshot!(short(&architecture, false), @r"
    network f 3x8x8, 12 nodes
    stem = image: conv3 4 +bias : 4x8x8
    repeat.1.residual.layer = stem: conv3 4 -> bn : 4x8x8
    repeat.1.residual.layer.2 = repeat.1.residual.layer: relu : 4x8x8
    repeat.1.residual.out = stem + repeat.1.residual.layer.2: sum : 4x8x8
    repeat.2.residual.layer = repeat.1.residual.out: conv3 4 -> bn : 4x8x8
    repeat.2.residual.layer.2 = repeat.2.residual.layer: relu : 4x8x8
    repeat.2.residual.out = repeat.1.residual.out + repeat.2.residual.layer.2: sum : 4x8x8
    branch.1.layer = repeat.2.residual.out: pointwise 2 +bias : 2x8x8
    branch.2.layer = repeat.2.residual.out: maxpool2 : 4x4x4
    branch.out = repeat.2.residual.out (maxpool2) + branch.1.layer (maxpool2) + branch.2.layer: concat : 10x4x4
    head = branch.out: global_avg -> linear 10 : 10x1x1
    ");
}

const MANY_BODIES: &str = "generator er(n: int) {\n    nodes n\n    edge(i, j) with probability 0.4\n}\nnetwork trunk {\n    \
     input image(4, 8, 8)\n    repeat 2 {\n        body er(n: 12) of plain\n    }\n}\nnetwork f(times: int, inner: network) {\n    \
     input image(3, 8, 8)\n    stem conv(3, 4)\n    repeat times {\n        body er(n: 12) of plain\n    }\n    branch {\n        \
     body er(n: 12) of plain\n    } {\n        body er(n: 12) of plain\n    } joined by sum\n    part inner\n}\n";

/// Wherever a body stands, an edit is of one of them, and over many edits of each.
#[test]
fn every_body_is_edited() {
    let program = program(&format!("{BLOCKS}{MANY_BODIES}"));
    let trunk = Closure { of: Declared::Network(NetworkId::new(0)), args: Vec::new() };
    let args = vec![Value::Int(3), Value::Made(trunk)];
    let closure = Closure { of: Declared::Network(NetworkId::new(1)), args };
    let inputs = |edits: &[Edit]| -> BTreeMap<String, Vec<String>> {
        let drawn = expand_edited(&program, &closure, edits, &Seed::new(7)).expect("it fits");
        let mut bodies: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for node in drawn.nodes.iter().filter(|node| node.name.contains("body")) {
            let (body, _) = node.name.rsplit_once('.').expect("a block has a number");
            let from = node.inputs.iter().map(|join| drawn.node(join.from).name.as_str()).collect::<Vec<_>>().join(" ");
            bodies.entry(body.to_owned()).or_default().push(from);
        }
        bodies
    };
    let plain = inputs(&[]);
    assert_eq!(plain.len(), 7);
    let mut touched: BTreeMap<String, usize> = BTreeMap::new();
    for number in 0..80 {
        let edited = inputs(&[Edit { kind: EditKind::Drop, number }]);
        let length = |of: &BTreeMap<String, Vec<String>>, body: &str| of[body].join(" ").split(' ').count();
        let fewer: Vec<&String> = plain.keys().filter(|body| length(&edited, body) < length(&plain, body)).collect();
        assert!(fewer.len() <= 1, "{fewer:?}");
        fewer.into_iter().for_each(|body| *touched.entry(body.clone()).or_default() += 1);
    }
    assert_eq!(touched.len(), 7, "{touched:?}");
}

/// What is repeated no time, however large, does not keep edits from the bodies behind it.
#[test]
fn sections_that_are_left_out_have_no_bodies() {
    let text = "generator er(n: int) {\n    nodes n\n    edge(i, j) with probability 0.4\n}\nnetwork f {\n    \
                input image(3, 8, 8)\n    stem conv(3, 4)\n    repeat 0 {\n        part n18\n    }\n    body er(n: 12) of plain\n}\n";
    let part = |level: u32| {
        let inside = if level == 0 {
            "body er(n: 3) of plain".to_owned()
        } else {
            format!("part n{0}\n    part n{0}", level - 1)
        };
        format!("network n{level} {{\n    input image(4, 8, 8)\n    {inside}\n}}\n")
    };
    let program = program(&format!("{BLOCKS}{text}{}", (0..=18).map(part).collect::<String>()));
    let closure = Closure { of: Declared::Network(NetworkId::new(0)), args: Vec::new() };
    let drawn = |edits: &[Edit]| {
        let drawn = expand_edited(&program, &closure, edits, &Seed::new(7)).expect("it is small");
        drawn.hash().to_owned()
    };
    assert_ne!(drawn(&[Edit { kind: EditKind::Drop, number: 1 }]), drawn(&[]));
}

/// A network of more bodies than can be drawn is a finding, edited or not.
#[test]
fn too_many_bodies_are_a_finding() {
    let text = "generator two {\n    nodes 2\n    edge(i, j) if i < j\n}\nnetwork f {\n    input image(3, 8, 8)\n    \
                repeat 1000 {\n repeat 1000 {\n repeat 1000 {\n repeat 1000 {\n repeat 1000 {\n repeat 1000 {\n repeat 1000 {\n \
                body two of plain\n }\n }\n }\n }\n }\n }\n }\n}\n";
    let program = program(&format!("{BLOCKS}{text}"));
    let closure = Closure { of: Declared::Network(NetworkId::new(0)), args: Vec::new() };
    let edits = [Edit { kind: EditKind::Move, number: 3 }];
    let found = |edits: &[Edit]| expand_edited(&program, &closure, edits, &Seed::new(7)).expect_err("it is too large");
    assert_eq!(found(&edits).code, found(&[]).code);
}

#[test]
fn a_block_in_a_pipeline_is_its_operators() {
    let architecture = drawn(
        "generator two {\n    nodes 2\n    edge(i, j) if i < j\n}\nnetwork f {\n    input image(3, 8, 8)\n    \
         stem conv(3, 4) -> plain\n    body two of twice(first: plain)\n}\n",
    );
    insta::assert_snapshot!(short(&architecture, false), @r"
    network f 3x8x8, 4 nodes
    stem = image: conv3 4 -> conv3 4 -> bn -> relu : 4x8x8
    body.0 = stem: conv3 4 -> bn -> relu -> conv3 4 -> bn -> relu : 4x8x8
    body.1 = body.0: conv3 4 -> bn -> relu -> conv3 4 -> bn -> relu : 4x8x8
    ");
}

/// A part is its sections: a network of a part has the operators, the weights and the shapes of the network it stands for.
#[test]
fn a_part_is_its_sections() {
    let text = "network inner(width: int) {\n    input image(3, 8, 8)\n    stem conv(3, width) -> relu\n    layer plain\n}\n\
        network outer(trunk: network) {\n    input image(3, 8, 8)\n    part trunk\n    head global_avg -> linear(10)\n}\n";
    let program = program(&format!("{BLOCKS}{text}"));
    let inner = Closure { of: Declared::Network(NetworkId::new(0)), args: vec![Value::Int(5)] };
    let alone = network(&program, 0, vec![Value::Int(5)], 3);
    let whole = network(&program, 1, vec![Value::Made(inner)], 3);
    for (part, node) in whole.nodes[1..3].iter().zip(&alone.nodes[1..]) {
        assert_eq!((&part.ops, part.shape), (&node.ops, node.shape));
        assert_eq!(part.name, format!("part.{}", node.name));
    }
}

/// He et al., "Deep Residual Learning", section 4.2: the network of 20 layers has 0.27 M weights. Counted by hand with
/// projections: 3·3·3·16, then three stages of three blocks, each two 3×3 convolutions, the 1×1 projections, norms and the
/// last layer.
#[test]
fn a_residual_network_has_the_weights_of_its_paper() {
    let stage = |width: u32, stride: u32| {
        format!(
            "    branch {{\n        layer conv(3, {width}, stride: {stride}) -> bn -> relu -> conv(3, {width}) -> bn\n    }} {{\n        \
             layer conv(1, {width}, stride: {stride}) -> bn\n    }} joined by sum\n    layer relu\n    repeat 2 {{\n        residual {{\n            \
             layer conv(3, {width}) -> bn -> relu -> conv(3, {width}) -> bn\n        }}\n        layer relu\n    }}\n"
        )
    };
    let text = format!(
        "network resnet {{\n    input image(3, 32, 32)\n    stem conv(3, 16) -> bn -> relu\n    repeat 3 {{\n        residual {{\n            \
         layer conv(3, 16) -> bn -> relu -> conv(3, 16) -> bn\n        }}\n        layer relu\n    }}\n{}{}    \
         head global_avg -> linear(10)\n}}\n",
        stage(32, 2),
        stage(64, 2)
    );
    let params: u64 = weights(&drawn(&text));
    let conv = |from: u64, to: u64, kernel: u64| from * to * kernel * kernel + 2 * to;
    let expected = conv(3, 16, 3)
        + 6 * conv(16, 16, 3)
        + conv(16, 32, 3)
        + 5 * conv(32, 32, 3)
        + conv(16, 32, 1)
        + conv(32, 64, 3)
        + 5 * conv(64, 64, 3)
        + conv(32, 64, 1)
        + 64 * 10
        + 10;
    assert_eq!(params, expected);
    assert!((270_000..280_000).contains(&params));
}

/// Trained numbers of convolutions, norms and linear layers.
fn weights(architecture: &Architecture) -> u64 {
    use cnasc_ir::op::Op;
    let mut sum = 0;
    for node in &architecture.nodes {
        let mut shapes = node.inputs.iter().map(|join| architecture.node(join.from).shape);
        let mut shape = shapes.next_back().unwrap_or(node.shape);
        for op in &node.ops {
            sum += match op {
                Op::Conv { window, groups, channels, bias } => {
                    let bias = if *bias { u64::from(*channels) } else { 0 };
                    window.taps() * u64::from(shape.channels / groups) * u64::from(*channels) + bias
                }
                Op::BatchNorm => 2 * u64::from(shape.channels),
                Op::Linear { outputs, .. } => u64::from(shape.channels * outputs + outputs),
                _ => 0,
            };
            shape = op.output(&[shape]).unwrap_or(shape);
        }
    }
    sum
}

/// A chain of complete graphs: n·m nodes, n·m(m−1)/2 edges inside, and one from each sink to each source between.
#[test]
fn a_graph_of_graphs_has_their_nodes_and_edges() {
    let text = "generator complete(n: int) {\n    nodes n\n    edge(i, j) if i < j\n}\n\
        generator chain(n: int, inner: generator) {\n    nodes n\n    edge(i, j) if j - i == 1\n    each inner\n}\n\
        generator er(n: int) {\n    nodes n\n    edge(i, j) with probability 0.5\n}\n";
    let program = program(text);
    let inner = |index: usize, n: i64| {
        Value::Made(Closure { of: Declared::Generator(GeneratorId::new(index)), args: vec![Value::Int(n)] })
    };
    let dag = graph(&program, 1, vec![Value::Int(5), inner(0, 4)], 1);
    assert_eq!((dag.nodes, edges(&dag)), (20, 5 * 6 + 4));
    assert_eq!(dag.measures().depth, 20);
    // Two levels: a chain of chains of complete graphs.
    let middle = Closure { of: Declared::Generator(GeneratorId::new(1)), args: vec![Value::Int(3), inner(0, 2)] };
    let dag = graph(&program, 1, vec![Value::Int(2), Value::Made(middle)], 1);
    assert_eq!((dag.nodes, edges(&dag)), (12, 2 * 3 + 2 * 2 + 1));
    // Every vertex has a stream of its own: the first graphs are the same whatever their number.
    let short = graph(&program, 1, vec![Value::Int(2), inner(2, 6)], 9);
    let long = graph(&program, 1, vec![Value::Int(4), inner(2, 6)], 9);
    assert_eq!(short.predecessors[..], long.predecessors[..12]);
    let parts: Vec<&[Vec<u32>]> = long.predecessors.chunks(6).collect();
    let inside = |part: usize| -> Vec<Vec<u32>> {
        let first = 6 * u32::try_from(part).expect("few parts");
        let own = |inputs: &Vec<u32>| inputs.iter().filter(|&&from| from >= first).map(|&from| from - first).collect();
        parts[part].iter().map(own).collect()
    };
    assert_ne!(inside(0), inside(1), "not one drawing copied");
}

#[test]
fn a_graph_that_was_read_is_drawn_as_it_is() {
    let dag = graph(&program("generator g {\n    graph \"square.txt\"\n}\n"), 0, Vec::new(), 5);
    assert_eq!(dag.predecessors, [vec![], vec![0], vec![1], vec![0, 2]]);
}

/// Pairs are decided in the order of i, then of j: a rule over degrees is a greedy matching.
#[test]
fn degrees_are_those_so_far() {
    let text = "generator match(n: int) {\n    nodes n\n    edge(i, j) if degree(i) == 0 and degree(j) == 0\n}\n\
        generator star(n: int, most: int) {\n    nodes n\n    edge(i, j) with probability min(1, max(0, most - degree(i)))\n}\n";
    let program = program(text);
    let dag = graph(&program, 0, vec![Value::Int(7)], 1);
    assert_eq!(dag.predecessors, [vec![], vec![0], vec![], vec![2], vec![], vec![4], vec![]]);
    let dag = graph(&program, 1, vec![Value::Int(6), Value::Int(2)], 1);
    // Node 0 takes two and wants no more, node 1 one more, node 2 has two by then; so do 3, 4 and 5.
    assert_eq!(dag.predecessors, [vec![], vec![0], vec![0, 1], vec![], vec![3], vec![3, 4]]);
}

/// Two groups joined by a relay: 1 KiB takes latency and 8192 bits at the rate, over both links from one end to the other.
#[test]
fn link_costs_are_seconds_by_the_quickest_way() {
    let text = "device d {\n    compute 1 GFLOP/s\n    memory 1 GiB\n    cores 1\n}\nlink slow = 8192 bit / 1 s, 1 s\n\
        fleet f {\n    node a: d\n    node b: d\n    node c: d\n    link a <-> b: slow\n    link b <-> c: slow\n}\n\
        generator g(n: int, on: fleet, low: time, high: time) {\n    nodes n\n    \
        edge(i, j) if link_cost(i, j) >= low and link_cost(j, i) <= high\n}\n";
    let program = program(text);
    let fleet = Value::Made(Closure { of: Declared::Fleet(cnasc_ir::program::FleetId::new(0)), args: Vec::new() });
    let with = |low: f64, high: f64| {
        let dag = graph(&program, 0, vec![Value::Int(6), fleet.clone(), Value::Real(low), Value::Real(high)], 1);
        dag.predecessors
    };
    // Nodes 0 and 3 are on device a, 1 and 4 on b, 2 and 5 on c.
    assert_eq!(with(0.0, 0.0), [vec![], vec![], vec![], vec![0], vec![1], vec![2]]);
    assert_eq!(with(2.0, 2.0), [vec![], vec![0], vec![1], vec![1], vec![0, 2, 3], vec![1, 4]]);
    assert_eq!(with(4.0, 4.0), [vec![], vec![], vec![0], vec![2], vec![], vec![0, 3]]);
}

#[test]
fn a_choice_between_networks_is_a_variable() {
    let text = "device d {\n    compute 1 GFLOP/s\n    memory 1 GiB\n    cores 1\n}\nfleet one {\n    node a: d\n}\n\
        network small(width: int) {\n    input image(1, 8, 8)\n    stem conv(3, width) -> relu\n}\n\
        network large {\n    input image(1, 8, 8)\n    stem conv(5, 64) -> relu\n    layer relu\n}\n\
        search s {\n    over in {small(width: in {2, 4}), large}\n    on one\n    minimize latency\n    budget 10 candidates\n}\n";
    let program = program(text);
    let over = &program.searches[0].over;
    let names: Vec<String> = variables(&program, over).into_iter().map(|variable| variable.name).collect();
    assert_eq!(names, ["network", "network.small.width"]);
    let mut met = std::collections::BTreeSet::new();
    for seed in 0..32 {
        let sampled = sample(&program, over, &Seed::new(seed)).expect("every draw is a network");
        let architecture = expand(&program, &sampled.network, &Seed::new(seed)).expect("it fits");
        assert_eq!(sampled.arguments.contains_key("network.small.width"), architecture.name == "small");
        met.insert(architecture.name);
    }
    assert_eq!(met.len(), 2);
    let variable = &variables(&program, over)[0];
    let settings = BTreeMap::from([("network".to_owned(), variable.read("large").expect("an alternative"))]);
    let bound = bind(&program, over, &settings, &Seed::new(1)).expect("a network");
    assert_eq!(bound.network.text(&program), "large");
}

#[test]
fn expansion_is_bounded() {
    let text = "network f(times: int) {\n    input image(1, 8, 8)\n    repeat times {\n        repeat times {\n            \
        repeat times {\n                layer relu\n            }\n        }\n    }\n}\n\
        generator deep(n: int) {\n    nodes n\n    edge(i, j) if j - i == 1\n}\n\
        generator wide(n: int, inner: generator) {\n    nodes n\n    edge(i, j) if j - i == 1\n    each inner\n}\n";
    let program = program(text);
    let closure = |times: i64| Closure { of: Declared::Network(NetworkId::new(0)), args: vec![Value::Int(times)] };
    let found = expand(&program, &closure(1000), &Seed::new(1)).expect_err("too many sections");
    assert_eq!(found.code.0, "E0511");
    assert_eq!(expand(&program, &closure(1001), &Seed::new(1)).expect_err("too often").code.0, "E0520");
    let inner = Closure { of: Declared::Generator(GeneratorId::new(0)), args: vec![Value::Int(1000)] };
    let args = vec![Value::Int(1000), Value::Made(inner)];
    let outer = Closure { of: Declared::Generator(GeneratorId::new(1)), args };
    assert_eq!(draw(&program, &outer, &Seed::new(1)).expect_err("a million nodes").code.0, "E0511");
}

#[test]
fn operators_of_the_literature_and_scales() {
    let architecture = drawn(
        "network f {\n    input image(3, 8, 8)\n    stem conv(3, 8) -> bn -> relu6 -> lrn(size: 3, k: 2)\n    \
         layer depthwise(3) -> clip(-1, 1.5) -> leaky_relu -> leaky_relu(slope: 0.2) -> hard_swish\n    \
         layer scale(global_avg -> pointwise(2) -> relu -> pointwise -> hard_sigmoid) -> bn\n    \
         layer scale(pointwise(1) -> bn -> scale(sigmoid))\n    head global_avg -> linear(10) -> softmax\n}\n",
    );
    architecture.verify().expect("it is sound");
    insta::assert_snapshot!(short(&architecture, false), @r"
    network f 3x8x8, 6 nodes
    stem = image: conv3 8 -> bn -> relu6 -> lrn 3 0.0001 0.75 2 : 8x8x8
    layer = stem: depthwise3 -> clip -1..1.5 -> leaky_relu 0.01 -> leaky_relu 0.2 -> hard_swish : 8x8x8
    layer.2 = layer: scale(global_avg, pointwise 2 +bias, relu, pointwise 8 +bias, hard_sigmoid 0.16666667 0.5) -> bn : 8x8x8
    layer.3 = layer.2: scale(pointwise 1, bn, scale(sigmoid)) : 8x8x8
    head = layer.3: global_avg -> linear 10 -> softmax : 10x1x1
    ");
}

#[test]
fn a_scale_that_does_not_fit_is_named() {
    let program = program("network f {\n    input image(3, 8, 8)\n    stem scale(maxpool(2))\n}\n");
    let closure = Closure { of: Declared::Network(NetworkId::new(0)), args: Vec::new() };
    let found = expand(&program, &closure, &Seed::new(1)).expect_err("its factor is a smaller image");
    insta::assert_snapshot!(found.message, @"node `stem`: scale(maxpool2) makes a factor of 3x4x4 for 3x8x8: its extents must be equal or 1");
    let numbers = |text: &str| {
        let text = format!("network f {{\n    input image(3, 8, 8)\n    stem {text}\n}}\n");
        let program = self::program(&text);
        expand(&program, &closure, &Seed::new(1)).expect_err("a number that does not fit").message
    };
    insta::assert_snapshot!(numbers("clip(2, 1)"), @"node `stem`: clip 2..1 has a least value of 2, which is above its greatest, 1");
    insta::assert_snapshot!(numbers("lrn(alpha: -1)"), @"node `stem`: lrn 5 -1 0.75 1 needs an alpha of at least 0 and a bias above 0");
}
