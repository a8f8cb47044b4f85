//! Drawings are well-formed, say what they should, keep boxes apart, and are the same every time.

use crate::networks::{Builder, conv, small, wired};
use cnasc_ir::architecture::Role;
use cnasc_ir::fleet::{Backend, Device, Link};
use cnasc_ir::{Architecture, DeviceId, Fleet, Op, Plan, Shape};
use cnasc_lower::export::{dot, svg};

fn fleet(count: usize) -> Fleet {
    let device = Device {
        name: "pi".to_owned(),
        kind: "rpi4".to_owned(),
        compute: 1e9,
        memory: 1e9,
        cores: 4,
        backend: Backend::Jit,
        power: None,
    };
    Fleet::uniform("shelf", count, &device, Link { rate: 1e9, latency: 2e-4 })
}

/// A plan that deals nodes out in turn.
fn plan(architecture: &Architecture, devices: usize) -> Plan {
    Plan {
        strategy: "hypergraph".to_owned(),
        device_of: (0..architecture.nodes.len()).map(|node| DeviceId::new(node % devices)).collect(),
        copies: vec![],
        order: vec![],
        spans: vec![],
        transfers: vec![],
        latency: 0.0123,
        bound: 0.008,
        connectivity: 0,
        sent_bytes: 3 << 19,
        replicas: Vec::new(),
    }
}

/// Parses a drawing and gives all its texts.
fn texts(drawing: &str) -> Vec<String> {
    let document = roxmltree::Document::parse(drawing).expect("a drawing is well-formed");
    let texts = document.descendants().filter(|element| element.has_tag_name("text"));
    texts.filter_map(|element| element.text().map(str::to_owned)).collect()
}

/// The corners of all boxes of nodes.
fn boxes(drawing: &str) -> Vec<(f64, f64)> {
    let document = roxmltree::Document::parse(drawing).expect("a drawing is well-formed");
    let corner = |element: roxmltree::Node<'_, '_>| {
        let number = |name: &str| element.attribute(name)?.parse().ok();
        Some((number("x")?, number("y")?))
    };
    let boxes = document.descendants().filter(|element| element.attribute("height") == Some("38"));
    boxes.filter_map(corner).collect()
}

#[test]
fn every_node_has_a_box_of_its_own() {
    for (seed, blocks, near, far) in [(1, 8, 0.4, 0.1), (2, 32, 0.35, 0.08), (3, 32, 0.1, 0.1), (4, 97, 0.4, 0.02)] {
        let architecture = wired(seed, blocks, near, far);
        let boxes = boxes(&svg(&architecture, None));
        assert_eq!(boxes.len(), architecture.nodes.len());
        for (index, a) in boxes.iter().enumerate() {
            for b in &boxes[..index] {
                // Coordinates are written to a tenth.
                let apart = (a.0 - b.0).abs() >= 78.0 + 13.7 || (a.1 - b.1).abs() >= 38.0 + 20.0;
                assert!(apart, "{a:?} and {b:?} touch in the network of seed {seed}");
            }
        }
    }
}

#[test]
fn says_what_it_shows() {
    let texts = texts(&svg(&small(), None)).join("\n");
    insta::assert_snapshot!(texts, @r"
    small
    input 2x4x4 · 7 nodes · 211 parameters · 4.68 k FLOPs · hash 53471339e85c
    image 4×4
    image 2×2
    image 1×1
    scaled to fit the join
    work relative to the heaviest node
    image
    2×4²
    stem
    4×4²
    body.0
    4×4²
    body.1
    6×2²
    body.out
    6×2²
    pass
    6×2²
    head
    3
    ");
}

#[test]
fn says_where_nodes_are_placed() {
    let architecture = small();
    let texts = texts(&svg(&architecture, Some((&plan(&architecture, 2), &fleet(3)))));
    insta::assert_snapshot!(texts[..10].join("\n"), @r"
    small
    input 2x4x4 · 7 nodes · 211 parameters · 4.68 k FLOPs · hash 53471339e85c
    placed by hypergraph on 2 of the 3 devices of shelf · predicted 12.3 ms (no placement is below 8.00 ms)
    0
    pi[0]: 1 block, 44 % of the work
    1
    pi[1]: 1 block, 56 % of the work
    between devices, 1.50 MiB in all
    scaled to fit the join
    work relative to the heaviest node
    ");
}

#[test]
fn the_same_every_time() {
    let architecture = wired(5, 40, 0.3, 0.05);
    let (plan, fleet) = (plan(&architecture, 4), fleet(4));
    assert_eq!(svg(&architecture, Some((&plan, &fleet))), svg(&architecture, Some((&plan, &fleet))));
}

#[test]
fn a_plan_of_another_network_is_drawn_as_far_as_it_goes() {
    let architecture = small();
    let other = Plan { device_of: vec![DeviceId(0), DeviceId(9)], ..plan(&architecture, 1) };
    let drawing = svg(&architecture, Some((&other, &fleet(2))));
    assert!(texts(&drawing).iter().any(|text| text.starts_with("placed by hypergraph on 1 of the 2 devices")));
}

#[test]
fn hostile_names_are_escaped() {
    let mut net = Builder::new(Shape::new(2, 2, 2));
    net.add("one", Role::Block, &[(0, vec![])], vec![conv(1, 2)]);
    net.add("two", Role::Block, &[(1, vec![])], vec![Op::Relu]);
    let mut architecture = net.finish("plain");
    // No verified architecture has such names; a picture must not rest on that.
    architecture.name = "a & b".to_owned();
    architecture.nodes[1].name = "</g><script>\u{1}".to_owned();
    architecture.nodes[2].name = "\"网络网络网络网络\\".to_owned();
    assert_eq!(texts(&svg(&architecture, None))[0], "a & b");
    assert!(dot(&architecture).contains(r#"label="\"网络网络网络网络\\\n2x2x2""#));
}

#[test]
fn wide_and_dense_networks_are_drawn() {
    let mut net = Builder::new(Shape::new(1, 1, 1));
    for index in 0..60 {
        net.add(&format!("n{index}"), Role::Block, &[(0, vec![])], vec![Op::Relu]);
    }
    for index in 60..90 {
        let all: Vec<(usize, Vec<Op>)> = (1..=index).map(|from| (from, vec![])).collect();
        net.add(&format!("n{index}"), Role::Block, &all, vec![Op::Sum]);
    }
    let architecture = net.finish("wide");
    assert_eq!(boxes(&svg(&architecture, None)).len(), architecture.nodes.len());
}

#[test]
fn graphviz_text() {
    insta::assert_snapshot!(dot(&small()), @r##"
    digraph "small" {
      rankdir=TB;
      node [shape=box, style="rounded,filled", fontname="sans-serif", fontsize=11];
      n0 [label="image\n2x4x4", fillcolor="#dddddd", tooltip=""];
      n1 [label="stem\n4x4x4", fillcolor="#eedd88", tooltip="conv3 4 -> bn -> relu"];
      n2 [label="body.0\n4x4x4", fillcolor="#99ddff", tooltip="depthwise3 -> pointwise 4 -> bn"];
      n3 [label="body.1\n6x2x2", fillcolor="#99ddff", tooltip="maxpool2 -> pointwise 6"];
      n4 [label="body.out\n6x2x2", fillcolor="#44bb99", tooltip="weighted"];
      n5 [label="pass\n6x2x2", fillcolor="#eedd88", tooltip=""];
      n6 [label="head\n3x1x1", fillcolor="#eedd88", tooltip="global_avg -> linear 3"];
      n0 -> n1;
      n1 -> n2;
      n1 -> n3;
      n2 -> n4 [style=dashed, tooltip="maxpool2 -> pointwise 6"];
      n3 -> n4;
      n4 -> n5;
      n5 -> n6;
    }
    "##);
}
