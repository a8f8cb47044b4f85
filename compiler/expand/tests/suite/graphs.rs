//! Single graphs with known answers, directions, and measures against petgraph.

use crate::programs::{HERE, binary, generator, graphs, int, named, program, variable};
use cnasc_base::Seed;
use cnasc_expand::{Closure, Dag, draw};
use cnasc_ir::Program;
use cnasc_ir::program::{BinaryOp, Declared, Generator, GeneratorId, Order, Variable, Wiring};
use petgraph::graph::UnGraph;

fn one(name: &str, args: &[f64]) -> Dag {
    let program = program();
    let family = generator(&program, name, args);
    draw(&program, &family, &Seed::new(1)).expect("the family's numbers are within bounds")
}

/// The graph with just these edges.
fn listed(nodes: i64, edges: &[(i64, i64)], order: Order) -> Dag {
    let is = |name, value| binary(BinaryOp::Equal, variable(name), int(value));
    let edge = |&(i, j): &(i64, i64)| binary(BinaryOp::And, is(Variable::I, i), is(Variable::J, j));
    let any = edges.iter().map(edge).reduce(|all, edge| binary(BinaryOp::Or, all, edge)).expect("edges are listed");
    let generator = Generator {
        name: "listed".to_owned(),
        params: Vec::new(),
        nodes: int(nodes),
        wiring: Wiring::Edges(any),
        order,
        each: None,
        dealt: None,
        location: HERE,
    };
    let program = Program { generators: vec![generator], ..Program::default() };
    let closure = Closure { of: Declared::Generator(GeneratorId::new(0)), args: Vec::new() };
    draw(&program, &closure, &Seed::new(0)).expect("conditions need no bounds")
}

#[test]
fn a_chain_is_as_deep_as_it_is_long() {
    let dag = one("chain", &[5.0]);
    assert_eq!(dag.predecessors, [vec![], vec![0], vec![1], vec![2], vec![3]]);
    assert_eq!(dag.sinks(), [4]);
    let measures = dag.measures();
    assert_eq!((measures.edges, measures.depth, measures.width(), measures.components), (4, 5, 1, 1));
    assert_eq!(measures.degrees, [1, 2, 2, 2, 1]);
    assert_eq!(measures.ring_lengths, [1; 4]);
}

#[test]
fn certain_and_impossible_edges() {
    let all = one("er", &[6.0, 1.0]).measures();
    assert_eq!((all.edges, all.depth, all.components), (15, 6, 1));
    let none = one("er", &[6.0, 0.0]);
    assert_eq!(none.sinks(), [0, 1, 2, 3, 4, 5]);
    let none = none.measures();
    assert_eq!((none.edges, none.depth, none.width(), none.components), (0, 1, 6, 6));
    let single = one("er", &[1.0, 0.5]).measures();
    assert_eq!((single.edges, single.depth, single.widths, single.components), (0, 1, vec![1], 1));
}

#[test]
fn ring_lengths_go_the_shorter_way() {
    let dag = listed(8, &[(0, 7), (0, 4), (2, 7)], Order::Index);
    assert_eq!(dag.predecessors[7], [0, 2]);
    assert_eq!(dag.measures().ring_lengths, [4, 1, 3]);
}

#[test]
fn depth_first_takes_smaller_numbers_first() {
    // 0 – 3 – 1 – 2 with 3 – 2, and 4 – 5 apart: from 0 to 3, to 1, to 2; then 4, 5.
    let edges = [(0, 3), (1, 3), (1, 2), (2, 3), (4, 5)];
    let dag = listed(6, &edges, Order::Dfs);
    assert_eq!(dag.origin, [0, 3, 1, 2, 4, 5]);
    assert_eq!(dag.predecessors, [vec![], vec![0], vec![1], vec![1, 2], vec![], vec![4]]);
    let measures = dag.measures();
    assert_eq!((measures.depth, measures.components), (4, 2));
    // Lengths are those of the numbers before: 3 of 0–3, 2 of 1–3, 1 of the others.
    assert_eq!(measures.ring_lengths, [3, 2, 1, 1, 1]);
    assert_eq!(listed(6, &edges, Order::Index).predecessors, [vec![], vec![], vec![1], vec![0, 1, 2], vec![], vec![4]]);
}

/// Depth-first order renumbers the very graph that index order shows.
#[test]
fn orders_share_their_edges() {
    let program = program();
    let (index, dfs) = (generator(&program, "er", &[30.0, 0.1]), generator(&program, "er_dfs", &[30.0, 0.1]));
    let undirected = |dag: &Dag| {
        let mut edges = Vec::new();
        for (to, inputs) in dag.predecessors.iter().enumerate() {
            for &from in inputs {
                let ends = (dag.origin[from as usize], dag.origin[to]);
                edges.push((ends.0.min(ends.1), ends.0.max(ends.1)));
            }
        }
        edges.sort_unstable();
        edges
    };
    for (a, b) in graphs(&program, &index, 50).zip(graphs(&program, &dfs, 50)) {
        assert_eq!(undirected(&a), undirected(&b));
    }
}

#[test]
fn measures_agree_with_petgraph() {
    let program = program();
    for (name, args) in [("er", &[40.0, 0.05][..]), ("er_dfs", &[40.0, 0.05]), ("distance", &[40.0, 0.5, 0.4, 1.0])] {
        let family = generator(&program, name, args);
        for dag in graphs(&program, &family, 100) {
            let mut graph = UnGraph::<(), ()>::new_undirected();
            let nodes: Vec<_> = (0..dag.nodes).map(|_| graph.add_node(())).collect();
            for (to, inputs) in dag.predecessors.iter().enumerate() {
                assert!(inputs.windows(2).all(|pair| pair[0] < pair[1]), "ascending, without repetition");
                assert!(inputs.iter().all(|&from| (from as usize) < to));
                for &from in inputs {
                    graph.add_edge(nodes[from as usize], nodes[to], ());
                }
            }
            let measures = dag.measures();
            assert_eq!(measures.components, petgraph::algo::connected_components(&graph));
            assert_eq!(measures.edges, graph.edge_count());
            assert_eq!(measures.degrees, nodes.iter().map(|&node| graph.edges(node).count()).collect::<Vec<_>>());
            assert_eq!(measures.widths.iter().sum::<usize>(), dag.nodes);
        }
    }
}

#[test]
fn seeds_decide_everything() {
    let program = program();
    for (name, args) in
        [("er", &[20.0, 0.3][..]), ("ba", &[20.0, 3.0]), ("ws", &[20.0, 4.0, 0.5]), ("local", &[20.0, 4.0])]
    {
        let family = generator(&program, name, args);
        let draw = |seed| draw(&program, &family, &Seed::new(seed)).expect("the family's numbers are within bounds");
        assert_eq!(draw(5), draw(5), "{name}");
        assert_ne!(draw(5), draw(6), "{name}");
    }
}

/// One pair, one draw: raising a probability only adds edges.
#[test]
fn a_pair_keeps_its_draw() {
    let program = program();
    let edges = |p| {
        let er = generator(&program, "er", &[25.0, p]);
        draw(&program, &er, &Seed::new(9)).expect("0 ≤ p ≤ 1").predecessors
    };
    for (few, many) in edges(0.2).iter().zip(edges(0.4)) {
        assert!(few.iter().all(|from| many.contains(from)));
    }
}

/// Ids are no part of what is drawn: the same declaration elsewhere in the table gives the same graph.
#[test]
fn declarations_may_move() {
    let program = program();
    let mut moved = program.clone();
    moved.generators.reverse();
    let er = generator(&program, "er", &[25.0, 0.2]);
    let there = Closure { of: named(&moved, "er"), args: er.args.clone() };
    assert_ne!(er.of, there.of);
    assert_eq!(draw(&program, &er, &Seed::new(2)), draw(&moved, &there, &Seed::new(2)));
}
