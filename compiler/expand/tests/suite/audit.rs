//! Sound generators are not doubted, and unsound ones are: both bugs of paper.md A5 among them.

use crate::programs::{generator, graphs, program};
use cnasc_expand::audit::{Auditor, Report, graph};
use cnasc_expand::{Closure, Dag};
use cnasc_ir::Program;

fn doubts(report: &Report) -> Vec<&'static str> {
    report.doubts().into_iter().map(|(check, _)| check).collect()
}

/// Audits draws of one family against another's theory, and against draws of that where `reference` asks for some.
fn audit(program: &Program, drawn: impl Iterator<Item = Dag>, family: &Closure, reference: u64) -> Report {
    let mut auditor = Auditor::new(program);
    drawn.for_each(|dag| auditor.add(family, &dag).expect("the family has a theory"));
    let mut draws = Auditor::new(program);
    graphs(program, family, reference).for_each(|dag| draws.add(family, &dag).expect("the family has a theory"));
    auditor.report((reference > 0).then_some(&draws))
}

#[test]
fn sound_generators_are_not_doubted() {
    let program = program();
    for (name, args) in [
        ("er", &[32.0, 0.2][..]),
        ("er", &[40.0, 0.0]),
        ("er", &[12.0, 1.0]),
        ("er", &[1.0, 0.5]),
        ("ba", &[32.0, 5.0]),
        ("ws", &[32.0, 4.0, 0.75]),
        ("ws", &[32.0, 4.0, 0.0]),
        ("ws", &[60.0, 6.0, 1.0]),
        ("ws", &[10.0, 4.0, 0.5]),
        ("distance", &[40.0, 0.75, 0.5, 1.0]),
        ("local", &[32.0, 4.0]),
        ("chain", &[9.0]),
        ("er_dfs", &[24.0, 0.3]),
    ] {
        let family = generator(&program, name, args);
        let report = audit(&program, graphs(&program, &family, 1_000), &family, 0);
        assert_eq!(doubts(&report), Vec::<&str>::new(), "{name} {args:?}: {report:#?}");
        assert_eq!(report.graphs, 1_000);
    }
}

/// Theory and draws agree closely enough that fifty times as many graphs would not be doubted either.
#[test]
fn the_rewired_share_is_that_of_theory() {
    let program = program();
    for (n, k, p) in [(32.0, 4.0, 0.1), (32.0, 4.0, 0.75), (32.0, 4.0, 1.0), (50.0, 8.0, 0.5), (100.0, 2.0, 0.75)] {
        let family = generator(&program, "ws", &[n, k, p]);
        let report = audit(&program, graphs(&program, &family, 20_000), &family, 0);
        let row = report.rows.iter().find(|row| row.figure == "rewired share").expect("a lattice has one");
        let expected = row.expected.expect("the graph is sparse");
        let error = (expected * (1.0 - expected) / (20_000.0 * n * k / 2.0)).sqrt();
        assert!((row.mean - expected).abs() < 4.0 * error, "ws({n}, {k}, {p}): {} for {expected} ± {error}", row.mean);
        assert!(expected < p && expected > 0.9 * p, "a few come back: {expected} of {p}");
    }
}

/// A ring on which every node is joined to its k/2 nearest on either side.
fn ring(nodes: u32, around: u32) -> Dag {
    let edges: Vec<(u32, u32)> =
        (0..nodes).flat_map(|i| (1..=around / 2).map(move |step| (i, (i + step) % nodes))).collect();
    graph(nodes as usize, &edges)
}

/// Bug i: the files that were sold as WS(4, 0.75) hold lattices, none of whose edges is rewired.
#[test]
fn lattices_sold_as_rewired_are_found() {
    let program = program();
    let family = generator(&program, "ws", &[32.0, 4.0, 0.75]);
    let report = audit(&program, std::iter::repeat_n(ring(32, 4), 3), &family, 1_000);
    let share = report.rows.iter().find(|row| row.figure == "rewired share").expect("a lattice has one");
    assert_eq!(share.mean, 0.0);
    assert!(share.p.expect("theory knows it") < 1e-100, "{share:?}");
    let found = doubts(&report);
    for check in ["rewired share", "different graphs", "depth", "degree"] {
        assert!(found.contains(&check), "{check} is not doubted: {report:#?}");
    }
    assert!(!found.contains(&"edges") && !found.contains(&"nodes"), "their numbers are right: {found:?}");
    // One lattice alone is enough.
    let one = audit(&program, std::iter::once(ring(32, 4)), &family, 1_000);
    assert!(doubts(&one).contains(&"rewired share"));
}

/// Bug ii: one seed for every stage gives them one wiring. Each graph alone is sound; that they are the same is not.
#[test]
fn one_wiring_in_every_stage_is_found() {
    let program = program();
    for (name, args) in [("ws", &[32.0, 4.0, 0.75][..]), ("er", &[32.0, 0.2]), ("ba", &[32.0, 5.0])] {
        let family = generator(&program, name, args);
        let first = graphs(&program, &family, 1).next().expect("one was asked for");
        let report = audit(&program, std::iter::repeat_n(first, 3), &family, 1_000);
        assert!(doubts(&report).contains(&"different graphs"), "{name}: {report:#?}");
        let three = audit(&program, graphs(&program, &family, 3), &family, 1_000);
        assert_eq!(doubts(&three), Vec::<&str>::new(), "{name}: {three:#?}");
    }
}

/// The same of a generator's own draws, where there is nothing to compare with but theory.
#[test]
fn draws_that_are_all_the_same_are_found() {
    let program = program();
    for (name, args) in [("ws", &[32.0, 4.0, 0.25][..]), ("er", &[32.0, 0.2]), ("local", &[32.0, 4.0])] {
        let family = generator(&program, name, args);
        let first = graphs(&program, &family, 1).next().expect("one was asked for");
        let report = audit(&program, std::iter::repeat_n(first, 20), &family, 0);
        assert!(doubts(&report).contains(&"different graphs"), "{name}: {report:#?}");
    }
}

#[test]
fn another_family_is_found() {
    let program = program();
    let check = |drawn: (&str, &[f64]), said: (&str, &[f64]), expect: &str| {
        let (drawn, said) = (generator(&program, drawn.0, drawn.1), generator(&program, said.0, said.1));
        let report = audit(&program, graphs(&program, &drawn, 300), &said, 0);
        assert!(doubts(&report).contains(&expect), "{expect} is not doubted: {report:#?}");
    };
    check(("er", &[32.0, 0.21]), ("er", &[32.0, 0.2]), "edges");
    check(("distance", &[32.0, 0.75, 0.5, 1.0]), ("distance", &[32.0, 0.74, 0.52, 1.0]), "ring distance");
    check(("ba", &[32.0, 4.0]), ("ba", &[32.0, 5.0]), "edges");
    check(("ba", &[32.0, 5.0]), ("er", &[32.0, 135.0 / 496.0]), "degree");
    check(("ba", &[32.0, 5.0]), ("er", &[32.0, 135.0 / 496.0]), "deviation of edges");
    check(("ws", &[32.0, 4.0, 0.7]), ("ws", &[32.0, 4.0, 0.75]), "rewired share");
    check(("er", &[31.0, 0.2]), ("er", &[32.0, 0.2]), "nodes");
    check(("er", &[32.0, 0.1]), ("ba", &[32.0, 5.0]), "components");
}

/// Means of er(3, 0.5), by counting its eight graphs: 1.5 edges, 2 · 1/4 + … components.
#[test]
fn expectations_of_a_small_graph() {
    let program = program();
    let family = generator(&program, "er", &[3.0, 0.5]);
    let report = audit(&program, graphs(&program, &family, 500), &family, 0);
    let expected = |figure: &str| report.rows.iter().find(|row| row.figure == figure).and_then(|row| row.expected);
    assert_eq!(expected("nodes"), Some(3.0));
    assert_eq!(expected("edges"), Some(1.5));
    let deviation = expected("deviation of edges").expect("its distribution is known");
    assert!((deviation - 0.75_f64.sqrt()).abs() < 1e-12, "{deviation}");
    let degrees: Vec<Option<f64>> = report.tables[0].shares.iter().map(|(_, _, expected)| *expected).collect();
    assert_eq!(degrees, [Some(0.25), Some(0.5), Some(0.25)]);
    assert_eq!(report.rows.last().map(|row| row.mean), Some(8.0), "there are eight graphs, and all were drawn");
}
