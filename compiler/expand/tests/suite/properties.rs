//! Whatever the family, the staging and the widths: an expanded network keeps every rule, and refusals are findings.

use crate::programs::{binary, fashion, generator, int, program, stage};
use cnasc_base::Seed;
use cnasc_expand::{Value, expand, expand_edited};
use cnasc_ir::architecture::Role;
use cnasc_ir::program::{BinaryOp, Operator};
use cnasc_ir::{Architecture, Edit, EditKind, NodeId};
use petgraph::Direction;
use petgraph::visit::{Dfs, Reversed};
use proptest::prelude::*;

fn family() -> impl Strategy<Value = (&'static str, Vec<f64>)> {
    let unit = || 0.0..=1.0_f64;
    prop_oneof![
        (1..40_u32, unit(), any::<bool>())
            .prop_map(|(n, p, dfs)| (if dfs { "er_dfs" } else { "er" }, vec![f64::from(n), p])),
        (2..40_u32, 1..39_u32).prop_map(|(n, m)| ("ba", vec![f64::from(n), f64::from(1 + m % (n - 1))])),
        (3..40_u32, 1..20_u32, unit())
            .prop_map(|(n, k, p)| ("ws", vec![f64::from(n), f64::from(2 * (1 + (k - 1) % ((n - 1) / 2))), p])),
        (1..40_u32, unit(), unit(), 0.1..3.0_f64)
            .prop_map(|(n, p, alpha, beta)| ("distance", vec![f64::from(n), p, alpha, beta])),
        (1..40_u32, 0.1..20.0_f64).prop_map(|(n, reach)| ("local", vec![f64::from(n), reach])),
        (1..40_u32).prop_map(|n| ("chain", vec![f64::from(n)])),
    ]
}

fn staging() -> impl Strategy<Value = (&'static str, Vec<Value>)> {
    let limit = || (1..300_i64).prop_map(Value::Int);
    prop_oneof![
        Just(("flat", Vec::new())),
        limit().prop_map(|limit| ("greedy", vec![limit])),
        (limit(), 0.0..=1.0_f64).prop_map(|(limit, p)| ("gentle", vec![limit, Value::Real(p)])),
        limit().prop_map(|limit| ("fixed", vec![limit])),
        limit().prop_map(|limit| ("strided", vec![limit])),
    ]
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let edit =
        (0..EditKind::ALL.len(), any::<u64>()).prop_map(|(kind, number)| Edit { kind: EditKind::ALL[kind], number });
    proptest::collection::vec(edit, 0..8)
}

/// Every node is on a way from the image to the answer.
fn is_whole(architecture: &Architecture) -> bool {
    let graph = architecture.graph();
    let ends = |direction| graph.externals(direction).collect::<Vec<_>>();
    let (sources, sinks) = (ends(Direction::Incoming), ends(Direction::Outgoing));
    let ([source], [sink]) = (sources.as_slice(), sinks.as_slice()) else { return false };
    let (mut down, mut up) = (Dfs::new(&graph, *source), Dfs::new(Reversed(&graph), *sink));
    let (mut below, mut above) = (0, 0);
    while down.next(&graph).is_some() {
        below += 1;
    }
    while up.next(Reversed(&graph)).is_some() {
        above += 1;
    }
    graph[*source] == NodeId(0) && below == graph.node_count() && above == graph.node_count()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn expansion_always_verifies(
        (name, args) in family(),
        staging in staging(),
        width in 1..40_i64,
        block in prop_oneof![Just("sepconv"), Just("plain"), Just("concat"), Just("mean")],
        growth in 1.0..4.0_f64,
        image in 1..64_i64,
        edits in edits(),
        seed in any::<u64>(),
    ) {
        let mut program = program();
        program.networks[0].input = [int(3), int(image), int(image)];
        for staging in &mut program.stagings {
            staging.growth.kind = cnasc_ir::program::ExprKind::Real(growth);
        }
        let network = fashion(&program, generator(&program, name, &args), width, block, staging.clone());
        let draw = || expand_edited(&program, &network, &edits, &Seed::new(seed));
        let drawn = draw().expect("square images with these stagings always meet");
        prop_assert_eq!(drawn.verify(), Ok(()));
        prop_assert!(is_whole(&drawn));
        prop_assert_eq!(&Architecture::from_json(&drawn.to_json()).expect("it reads what it wrote"), &drawn);
        prop_assert_eq!(&draw().expect("as before"), &drawn);
        prop_assert_eq!(&drawn.provenance.edits, &edits);
        // Edits act on edges alone.
        let plain = expand(&program, &network, &Seed::new(seed)).expect("as before");
        let blocks = |of: &Architecture| {
            let blocks = of.nodes.iter().filter(|node| node.role != Role::Gather);
            blocks.map(|node| node.name.clone()).collect::<Vec<_>>()
        };
        prop_assert_eq!(blocks(&plain), blocks(&drawn));
        prop_assert!(!edits.is_empty() || plain == drawn);
        if let ("greedy" | "gentle" | "fixed" | "strided", [Value::Int(limit), ..]) = (staging.0, staging.1.as_slice()) {
            let most = (*limit).max(width);
            prop_assert!(drawn.nodes[1..drawn.nodes.len() - 1].iter().all(|node| i64::from(node.shape.channels) <= most));
        }
    }

    /// Numbers that no checker has seen: an architecture or a finding, never a panic.
    #[test]
    fn hostile_numbers_are_findings(
        numbers in proptest::collection::vec(prop_oneof![any::<i64>(), -2..70_i64], 6),
        n in 1..12_u32,
        seed in any::<u64>(),
    ) {
        let mut program = program();
        program.networks[0].input[1] = int(numbers[0]);
        program.networks[0].input[2] = binary(BinaryOp::Add, int(numbers[0]), int(numbers[5]));
        program.blocks[0].pipeline.insert(2, stage(Operator::Conv, &numbers[1..4]));
        program.stagings[1].shrink = vec![stage(Operator::AvgPool, &numbers[3..5])];
        program.stagings[1].growth = int(numbers[4]);
        let wiring = generator(&program, "er", &[f64::from(n), 0.4]);
        let network = fashion(&program, wiring, numbers[5], "sepconv", ("greedy", vec![Value::Int(numbers[2])]));
        match expand(&program, &network, &Seed::new(seed)) {
            Ok(drawn) => prop_assert_eq!(drawn.verify(), Ok(())),
            Err(finding) => prop_assert!(finding.code.0.starts_with("E05")),
        }
    }
}
