//! Tests of the language: statistics by hand, networks by their blocks, snapshots and what has changed in them.

use crate::programs::{HERE, int, make, program, real};
use cnasc_expand::testing::{Outcome, Verdict, changes, run, sample_seed};
use cnasc_ir::Program;
use cnasc_ir::program::{BinaryOp, Expectation, Expected, Figure, Sample, Statistic, Test};

fn test(program: &Program, count: u64, of: (&str, Vec<cnasc_ir::program::Expr>), expected: &[Expected]) -> Outcome {
    let of = make(program, of.0, of.1);
    let expectations = expected.iter().map(|&kind| Expectation { kind, location: HERE }).collect();
    let test = Test { name: "t".to_owned(), sample: Sample { count, of, seed: 1 }, expectations, location: HERE };
    run(program, &test).expect("the samples can be drawn")
}

/// What a statistic of a chain of five is, and whether a comparison with `limit` holds.
fn of_chain(statistic: Statistic, figure: Figure, op: BinaryOp, limit: f64) -> (Option<f64>, bool) {
    let program = program();
    let expected = Expected::Statistic { statistic, figure, op, limit };
    let outcome = test(&program, 3, ("chain", vec![int(5)]), &[expected]);
    let verdict = match outcome.verdicts.as_slice() {
        [Verdict::Statistic { found, holds, .. }] => Some((*found, *holds)),
        _ => None,
    };
    verdict.expect("one statistic was asked for")
}

#[test]
fn statistics_of_a_chain() {
    use BinaryOp::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
    use Figure::{Components, Degree, Depth, Edges, Nodes, RingLength, Width};
    use Statistic::{Max, Mean, Min};
    assert_eq!(of_chain(Mean, Degree, Equal, 1.6), (Some(1.6), true));
    assert_eq!(of_chain(Max, Degree, LessEqual, 2.0), (Some(2.0), true));
    assert_eq!(of_chain(Min, Degree, Greater, 1.0), (Some(1.0), false));
    assert_eq!(of_chain(Max, Depth, Less, 5.0), (Some(5.0), false));
    assert_eq!(of_chain(Mean, Width, NotEqual, 1.0), (Some(1.0), false));
    assert_eq!(of_chain(Min, Edges, GreaterEqual, 4.0), (Some(4.0), true));
    assert_eq!(of_chain(Mean, Components, Equal, 1.0), (Some(1.0), true));
    assert_eq!(of_chain(Mean, Nodes, Equal, 5.0), (Some(5.0), true));
    assert_eq!(of_chain(Max, RingLength, Equal, 1.0), (Some(1.0), true));
}

#[test]
fn a_figure_that_no_sample_has_holds_nothing() {
    let program = program();
    let expected = Expected::Statistic {
        statistic: Statistic::Mean,
        figure: Figure::RingLength,
        op: BinaryOp::Less,
        limit: 100.0,
    };
    let outcome = test(&program, 4, ("er", vec![int(6), real(0.0)]), &[expected]);
    assert_eq!(outcome.verdicts, [Verdict::Statistic { found: None, holds: false, sample: None }]);
    assert_eq!(outcome.snapshot, None);
}

#[test]
fn the_greatest_value_names_its_sample() {
    let program = program();
    let expected =
        Expected::Statistic { statistic: Statistic::Max, figure: Figure::Edges, op: BinaryOp::Less, limit: 0.0 };
    let outcome = test(&program, 50, ("er", vec![int(10), real(0.4)]), &[expected]);
    let [Verdict::Statistic { found: Some(found), sample: Some((place, seed)), .. }] = outcome.verdicts[..] else {
        panic!("{outcome:?}");
    };
    assert_eq!(seed, sample_seed(1, place - 1));
    let closure = crate::programs::generator(&program, "er", &[10.0, 0.4]);
    let again = cnasc_expand::draw(&program, &closure, &cnasc_base::Seed::new(seed)).expect("it was drawn before");
    assert_eq!(again.measures().edges as f64, found);
}

/// A network's nodes are its blocks: the stem, the head and the gather before the head are none.
#[test]
fn a_network_is_measured_by_its_blocks() {
    let program = program();
    let figures = [Figure::Nodes, Figure::Edges, Figure::Depth, Figure::Width, Figure::Components];
    let expected = figures.map(|figure| Expected::Statistic {
        statistic: Statistic::Mean,
        figure,
        op: BinaryOp::Equal,
        limit: 0.0,
    });
    let values = |wiring| {
        let args = vec![wiring, int(4), make(&program, "sepconv", vec![]), make(&program, "flat", vec![])];
        let outcome = test(&program, 2, ("fashion", args), &expected);
        let found = outcome.verdicts.iter().map(|verdict| match verdict {
            Verdict::Statistic { found, .. } => found.expect("a network has blocks"),
            Verdict::Snapshot => panic!("none was asked for"),
        });
        found.collect::<Vec<f64>>()
    };
    assert_eq!(values(make(&program, "chain", vec![int(5)])), [5.0, 4.0, 5.0, 1.0, 1.0]);
    assert_eq!(values(make(&program, "er", vec![int(6), real(0.0)])), [6.0, 0.0, 1.0, 6.0, 6.0]);
}

#[test]
fn a_snapshot_shows_few_samples_whole_and_pins_all() {
    let program = program();
    let text = |count: u64, p: f64| {
        let outcome = test(&program, count, ("er", vec![int(4), real(p)]), &[Expected::Snapshot]);
        assert_eq!(outcome.verdicts, [Verdict::Snapshot]);
        outcome.snapshot.expect("one was asked for")
    };
    insta::assert_snapshot!(text(6, 0.5), @"
    sample 1, seed 8125376136008758
    graph er(n: 4, p: 0.5), 4 nodes, 3 edges
    0
    1
    2 = 0 + 1
    3 = 2

    sample 2, seed 7322939074203090
    graph er(n: 4, p: 0.5), 4 nodes, 3 edges
    0
    1 = 0
    2 = 1
    3 = 2

    sample 3, seed 7130889025428526
    graph er(n: 4, p: 0.5), 4 nodes, 2 edges
    0
    1
    2
    3 = 1 + 2

    sample 4, seed 6577987201496554
    graph er(n: 4, p: 0.5), 4 nodes, 2 edges
    0
    1
    2 = 0
    3 = 0

    sample 5, seed 5840413388751007: 3 edges, hash 63b1605bfa3fb4b7
    sample 6, seed 2834468175438541: 4 edges, hash 3589b65c1fa890e6
    ");
    let many = text(70, 0.5);
    assert_eq!(many.lines().filter(|line| line.starts_with("sample ")).count(), 64);
    assert!(many.lines().last().is_some_and(|line| line.starts_with("samples 65 to 70: hash ")), "{many}");
    assert_eq!(changes(&many, &many), []);
    assert_eq!(changes(&text(6, 0.5), &text(6, 0.5).replace('\n', "\n\n")), []);
    let told: Vec<String> =
        changes(&text(6, 0.5), &text(5, 0.45)).into_iter().map(|one| format!("{}: {}", one.sample, one.how)).collect();
    insta::assert_snapshot!(told.join("\n"), @"
    sample 1: the same graph under another name
    sample 2: the same graph under another name
    sample 3: 2 edges removed
    sample 4: the same graph under another name
    sample 6: is gone
    ");
}

#[test]
fn changes_name_nodes_and_edges() {
    let before = "sample 1, seed 5\ngraph g, 3 nodes, 2 edges\n0\n1 = 0\n2 = 1\n\nsample 2, seed 6: 4 edges, hash ab\n";
    let after = before.replace("2 = 1", "2 = 0 + 1").replace("4 edges, hash ab", "5 edges, hash cd");
    let changed = changes(before, &after);
    let told: Vec<String> = changed.iter().map(|one| format!("{}: {}", one.sample, one.how)).collect();
    assert_eq!(
        told,
        ["sample 1: 1 edge added", "sample 2: was seed 6: 4 edges, hash ab, is seed 6: 5 edges, hash cd",]
    );
    let difference = changed[0].difference.as_ref().expect("both are drawings");
    assert_eq!(difference.lines(), ["+ edge 0 → 2"]);
    assert_eq!(changes(before, "garbage").len(), 3);
    assert_eq!(changes("", ""), []);
}
