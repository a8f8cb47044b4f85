//! What a search with fidelities finds is what judging everything and choosing afterwards would, at the cost of few.
#![allow(clippy::panic, reason = "a failing test panics, in its helpers too")]

use cnasc_base::Sources;
use cnasc_ir::Program;
use cnasc_ir::program::{Measure, Objective};
use cnasc_search::{Candidate, Done, Job, Outcome, Run, Study, pareto};

const LIMIT: u64 = 300;

/// A search with these entries on a fleet of `memory`.
fn program(memory: &str, entries: &str) -> Program {
    let text = format!(
        "use std::blocks::sepconv\nuse std::generators::ws\n\
         device board {{\n compute 8 GFLOP/s\n memory {memory}\n cores 1\n}}\n\
         fleet shelf {{\n node b[2]: board\n link b <-> b: 1 Gbit/s, 200 us\n}}\n\
         network net(n: int, k: int, p: real, width: int) {{\n input image(3, 16, 16)\n stem conv(3, width) -> bn -> relu\n\
         body ws(n: n, k: k, p: p) of sepconv\n head global_avg -> linear(10)\n}}\n\
         search s {{\n over net(n: in 6 .. 12, k: in {{2, 4}}, p: in 0.0 .. 1.0, width: in 4 .. 64 step 4)\n on shelf\n\
         budget {LIMIT} candidates\n seed 5\n{entries}\n}}\n"
    );
    let mut sources = Sources::default();
    let file = sources.add("search.cnas", text);
    let (program, found) = cnasc_frontend::compile(&mut sources, file);
    program.unwrap_or_else(|| panic!("{:?}", found.iter().next()))
}

/// Runs it, the jobs of each request in an order of the caller's.
fn outcome(program: &Program, order: impl Fn(Vec<Job<'_>>) -> Vec<Done>) -> Outcome {
    let study = Study::new(program, &program.searches[0], 5).expect("a search that can be run");
    let mut run = Run::new(&study, LIMIT, 3);
    loop {
        let jobs = run.ask();
        if jobs.is_empty() {
            return run.outcome();
        }
        run.tell(order(jobs));
    }
}

fn in_turn(jobs: Vec<Job<'_>>) -> Vec<Done> {
    jobs.into_iter().map(Job::run).collect()
}

/// The last first, on two threads.
fn from_behind(jobs: Vec<Job<'_>>) -> Vec<Done> {
    let mut first = jobs;
    let second = first.split_off(first.len() / 2);
    let backwards = |jobs: Vec<Job<'_>>| {
        let mut done: Vec<Done> = jobs.into_iter().rev().map(Job::run).collect();
        done.reverse();
        done
    };
    let (mut done, rest) = std::thread::scope(|scope| {
        let rest = scope.spawn(|| backwards(second));
        (backwards(first), rest.join().expect("no panic"))
    });
    done.extend(rest);
    done
}

const TWO_LOOKS: &str = "fidelity {\n minimize params\n maximize nodes\n keep 20\n}\nminimize latency\nmaximize flops";

/// The objectives of a candidate, all to be minimised.
fn values(objectives: &[Objective], candidate: &Candidate) -> Vec<f64> {
    let value = |of: &Objective| candidate.figures.value(of.measure).expect("a figure that was asked for");
    objectives.iter().map(|of| if of.maximize { -value(of) } else { value(of) }).collect()
}

#[test]
fn a_fidelity_keeps_what_choosing_afterwards_would() {
    let all_of = "minimize params\nminimize latency\nminimize nodes\nminimize flops\nwhere params >= 0";
    let all = program("1 GiB", all_of);
    let study = Study::new(&all, &all.searches[0], 5).expect("a search that can be run");
    // Everything in full, none of it dropped: as many ranked as there are.
    let mut run = Run::new(&study, LIMIT, usize::try_from(LIMIT).expect("it is small"));
    loop {
        let jobs = run.ask();
        if jobs.is_empty() {
            break;
        }
        run.tell(in_turn(jobs));
    }
    let mut everything = run.outcome().ranked;
    everything.sort_by_key(|candidate| candidate.proposal.index);

    let two = program("1 GiB", TWO_LOOKS);
    let search = &two.searches[0];
    let cheap: Vec<Vec<f64>> =
        everything.iter().map(|candidate| values(&search.fidelities[0].objectives, candidate)).collect();
    let mut kept = pareto::best(&cheap, 20);
    kept.sort_unstable();
    let dear: Vec<Vec<f64>> = kept.iter().map(|&at| values(&search.objectives, &everything[at])).collect();
    let expected: Vec<&str> = pareto::front(&dear).into_iter().map(|at| everything[kept[at]].hash.as_str()).collect();

    let found = outcome(&two, in_turn);
    let front: Vec<&str> = found.ranked[..found.front].iter().map(|candidate| candidate.hash.as_str()).collect();
    assert_eq!(front, expected);
    let distinct = everything.len() as u64;
    assert_eq!(
        found.looks.iter().map(|look| (look.judged, look.feasible)).collect::<Vec<_>>(),
        [(distinct, distinct), (20, 20)]
    );
}

#[test]
fn the_order_of_jobs_and_the_number_of_threads_do_not_matter() {
    let three = "fidelity {\n minimize depth\n maximize width\n where nodes >= 7\n keep 60\n}\n\
        fidelity {\n minimize concurrency_score\n keep 12\n}\nminimize latency\nminimize params";
    for entries in [TWO_LOOKS, three, "minimize latency\nmaximize flops\nwhere params <= 5 K"] {
        let program = program("1 GiB", entries);
        let once = outcome(&program, in_turn);
        assert_eq!(once, outcome(&program, from_behind));
        assert!(once.front > 0 && once.looks[0].judged > 100, "{:?}", once.looks);
        assert!(once.looks.windows(2).all(|pair| pair[1].judged < pair[0].judged));
    }
}

/// Boards so small that wide networks fit none of them: whoever places one is told so.
#[test]
fn what_a_fidelity_passes_over_is_never_placed() {
    let count = |outcome: &Outcome| outcome.impossible.values().sum::<u64>();
    let fidelity = |best: &str| format!("fidelity {{\n {best} params\n keep 10\n}}\nminimize latency");
    let in_full = outcome(&program("96 KiB", "minimize latency"), in_turn);
    assert!(count(&in_full) > 50, "{:?}", in_full.impossible);
    let small = outcome(&program("96 KiB", &fidelity("minimize")), in_turn);
    assert_eq!((count(&small), small.looks[1].judged), (0, 10));
    let large = outcome(&program("96 KiB", &fidelity("maximize")), in_turn);
    assert_eq!((count(&large), large.looks[1].judged), (10, 10));
}

#[test]
fn constraints_of_the_search_hold_in_a_fidelity_as_far_as_they_are_known() {
    let entries = "fidelity {\n maximize params\n where nodes <= 9\n keep 10\n}\n\
        where params <= 5 K\nwhere latency <= 1 s\nminimize latency";
    let found = outcome(&program("1 GiB", entries), in_turn);
    assert_eq!(found.looks[1].judged, 10);
    assert!(found.ranked.iter().all(|best| best.figures.counts.params <= 5_000 && best.figures.counts.nodes <= 9));
    assert_eq!(found.broken.keys().copied().collect::<Vec<_>>(), [Measure::Params, Measure::Nodes]);
}

#[test]
fn the_best_have_all_their_figures() {
    let found = outcome(&program("1 GiB", "minimize params"), in_turn);
    assert!(found.ranked.len() >= 3 && found.unit > 0);
    assert!(found.ranked.iter().all(|best| best.figures.score.is_some() && best.figures.placed.is_some()));
}
