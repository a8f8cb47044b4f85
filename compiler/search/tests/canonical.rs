//! Canonical hashes say what an isomorphism test says, however nodes are called and ordered; and networks that have one in common are judged
//! once where nothing that they are judged by can tell them apart.
#![allow(clippy::panic, reason = "a failing test panics, in its helpers too")]

use cnasc_base::{Seed, Sources};
use cnasc_ir::architecture::{Join, Node, NodeId};
use cnasc_ir::{Architecture, Program};
use cnasc_search::canonical::hash;
use cnasc_search::{Fate, Job, Run, Study, draw};
use petgraph::algo::is_isomorphic_matching;
use petgraph::graph::DiGraph;
use std::collections::{BTreeMap, BTreeSet};

fn program(wiring: &str, entries: &str) -> Program {
    let names = ["er", "ws", "ba", "parallel", "layered", "complete", "fork_join"];
    let uses: String = names.iter().map(|name| format!("use std::generators::{name}\n")).collect();
    let text = format!(
        "use std::blocks::sepconv\nuse std::devices::rpi4\n{uses}\
         fleet shelf {{\n node b[2]: rpi4\n link b <-> b: 1 Gbit/s, 200 us\n}}\n\
         network net(wiring: generator, width: int) {{\n input image(3, 16, 16)\n stem conv(3, width) -> bn -> relu\n\
         body wiring of sepconv\n head global_avg -> linear(10)\n}}\n\
         search s {{\n over net(wiring: {wiring}, width: in {{4, 8}})\n on shelf\n budget 300 candidates\n{entries}\n}}\n"
    );
    let mut sources = Sources::default();
    let file = sources.add("search.cnas", text);
    let (program, found) = cnasc_frontend::compile(&mut sources, file);
    program.unwrap_or_else(|| panic!("{:?}", found.iter().next()))
}

fn drawn(program: &Program, seed: u64) -> Architecture {
    let drawn = draw(program, &program.searches[0].over, &BTreeMap::new(), seed);
    drawn.unwrap_or_else(|why| panic!("{why:?}")).architecture
}

/// Other names, another order.
fn shuffled(architecture: &Architecture, seed: u64) -> Architecture {
    let mut rng = Seed::new(seed).rng();
    let nodes = &architecture.nodes;
    let mut place: BTreeMap<usize, usize> = BTreeMap::new();
    let mut order = Vec::new();
    while order.len() < nodes.len() {
        let ready = |&node: &usize| {
            !place.contains_key(&node) && nodes[node].inputs.iter().all(|join| place.contains_key(&join.from.index()))
        };
        // The answer stays the last.
        let mut ready: Vec<usize> = (0..nodes.len() - 1).filter(ready).collect();
        if ready.is_empty() {
            ready.push(nodes.len() - 1);
        }
        let next = ready[rng.below(ready.len())];
        place.insert(next, order.len());
        order.push(next);
    }
    let renamed = order.iter().enumerate().map(|(at, &node)| {
        let from = &nodes[node];
        let mut inputs: Vec<Join> = from.inputs.clone();
        inputs.iter_mut().for_each(|join| join.from = NodeId::new(place[&join.from.index()]));
        inputs.sort_by_key(|join| join.from.index());
        Node { name: format!("n{at}"), inputs, ..from.clone() }
    });
    Architecture::new(architecture.name.clone(), renamed.collect()).expect("the same network in another order")
}

fn graph(architecture: &Architecture) -> DiGraph<String, String> {
    let mut graph = DiGraph::new();
    let label = |node: &Node| format!("{:?} {:?} {}", node.role, node.ops, node.shape);
    let indices: Vec<_> = architecture.nodes.iter().map(|node| graph.add_node(label(node))).collect();
    for (to, node) in architecture.nodes.iter().enumerate() {
        for join in &node.inputs {
            graph.add_edge(indices[join.from.index()], indices[to], format!("{:?}", join.scale));
        }
    }
    graph
}

#[test]
fn one_hash_is_one_class_of_isomorphic_networks() {
    // So small that many are isomorphic, not all of them alike.
    let program = program("in {er(n: in 3 .. 5, p: 0.5), ws(n: in 4 .. 6, k: 2, p: 0.5)}", "minimize params");
    let all: Vec<Architecture> = (0..120).map(|seed| drawn(&program, seed)).collect();
    let hashes: Vec<String> = all.iter().map(|one| hash(one).expect("a small graph")).collect();
    let graphs: Vec<_> = all.iter().map(graph).collect();
    let mut alike = 0;
    for a in 0..all.len() {
        for b in 0..a {
            let same = is_isomorphic_matching(&graphs[a], &graphs[b], |x, y| x == y, |x, y| x == y);
            assert_eq!(hashes[a] == hashes[b], same, "{:?} {:?}", all[a].nodes, all[b].nodes);
            alike += u32::from(same && all[a].hash() != all[b].hash());
        }
    }
    let distinct: BTreeSet<&String> = hashes.iter().collect();
    assert!(alike > 20 && distinct.len() > 20, "{alike} pairs, {} classes", distinct.len());
}

#[test]
fn names_and_order_do_not_matter() {
    let wirings = [
        ("er(n: 40, p: 0.15)", true),
        ("ba(n: 60, m: 3)", true),
        ("ws(n: 30, k: 4, p: 0.3)", true),
        ("complete(n: 12)", true),
        ("layered(width: 3, depth: 3)", true),
        ("parallel(branches: 9, length: 1)", true),
        // More symmetries than are looked at: both are given up.
        ("parallel(branches: 9, length: 4)", false),
    ];
    for (wiring, can_be_told) in wirings {
        let program = program(wiring, "minimize params");
        for seed in 0..6 {
            let network = drawn(&program, seed);
            let found = hash(&network);
            assert_eq!(found.is_some(), can_be_told, "{wiring}");
            for other in 0..4 {
                assert_eq!(hash(&shuffled(&network, other)), found, "{wiring}");
            }
        }
    }
}

#[test]
fn isomorphic_networks_are_judged_once_where_that_is_the_same() {
    let wiring = "er(n: in 3 .. 5, p: 0.5)";
    let judged = |entries: &str| {
        let program = program(wiring, entries);
        let study = Study::new(&program, &program.searches[0], 1).expect("a search that can be run");
        let mut run = Run::new(&study, 300, 300);
        let mut records = Vec::new();
        loop {
            let jobs = run.ask();
            if jobs.is_empty() {
                break;
            }
            run.tell(jobs.into_iter().map(Job::run).collect());
            records.extend(run.take_records());
        }
        let judged: Vec<_> = records.iter().filter(|record| matches!(record.fate, Fate::Judged(_))).collect();
        let classes: BTreeSet<_> = judged.iter().map(|record| hash(&drawn(&program, record.proposal.seed))).collect();
        let hashes: BTreeSet<_> = records.iter().map(|record| &record.hash).collect();
        (judged.len(), classes.len(), hashes.len())
    };
    let (counted, classes, hashes) = judged("minimize params\nmaximize depth");
    assert_eq!(counted, classes);
    assert!(classes < hashes, "{classes} classes of {hashes} networks");
    // A partition is found by a heuristic, to which the order of nodes matters.
    let (scored, _, hashes) = judged("minimize concurrency_score");
    assert_eq!(scored, hashes);
}
