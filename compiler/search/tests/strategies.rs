//! Each strategy gives the same on any number of threads, keeps to its space, and those that learn find more than chance does.
#![allow(clippy::panic, reason = "a failing test panics, in its helpers too")]

use cnasc_base::Sources;
use cnasc_ir::Program;
use cnasc_search::{Candidate, Done, Job, Outcome, Record, Run, Study};
use std::collections::BTreeSet;

const LEARNING: [&str; 8] = [
    "evolution(population: 24, sample: 6)",
    "nsga2(population: 24)",
    "tpe(startup: 20)",
    "tpe(startup: 1, candidates: 1)",
    "nsga2(population: 1)",
    "evolution(population: 16, sample: 6, edits: 4)",
    "nsga2(population: 16, edits: 4)",
    "nsga2(population: 4, edits: 1)",
];

const TWO: &str = "minimize depth\nmaximize params\nwhere params <= 40 K\nwhere concurrency_score <= 8";

/// A search of this space with these entries.
fn program(over: &str, entries: &str, budget: u64) -> Program {
    let text = format!(
        "use std::blocks::sepconv\nuse std::generators::ws\nuse std::generators::er\n\
         device board {{\n compute 8 GFLOP/s\n memory 1 GiB\n cores 1\n}}\n\
         fleet shelf {{\n node b[2]: board\n link b <-> b: 1 Gbit/s, 200 us\n}}\n\
         network net(wiring: generator, width: int) {{\n input image(3, 16, 16)\n stem conv(3, width) -> bn -> relu\n\
         body wiring of sepconv\n head global_avg -> linear(10)\n}}\n\
         search s {{\n over {over}\n on shelf\n budget {budget} candidates\n seed 5\n{entries}\n}}\n"
    );
    let mut sources = Sources::default();
    let file = sources.add("search.cnas", text);
    let (program, found) = cnasc_frontend::compile(&mut sources, file);
    program.unwrap_or_else(|| panic!("{:?}", found.iter().next()))
}

/// Variables of every kind, some of which exist under one choice alone.
const MIXED: &str = "net(wiring: in {ws(n: in 6 .. 14, k: in {2, 4}, p: in 0.0 .. 1.0), er(n: in 6 .. 14, p: in log 0.1 .. 0.9)}, \
    width: in 4 .. 64 step 4)";

fn outcome(program: &Program, budget: u64, seed: u64, order: impl Fn(Vec<Job<'_>>) -> Vec<Done>) -> (Outcome, u64) {
    let study = Study::new(program, &program.searches[0], seed).expect("a search that can be run");
    let mut run = Run::new(&study, budget, usize::try_from(budget).expect("it is small"));
    loop {
        let jobs = run.ask();
        if jobs.is_empty() {
            let drawn = run.drawn();
            return (run.outcome(), drawn);
        }
        run.tell(order(jobs));
    }
}

fn in_turn(jobs: Vec<Job<'_>>) -> Vec<Done> {
    jobs.into_iter().map(Job::run).collect()
}

/// The second half at the same time as the first, on another thread.
fn on_two_threads(jobs: Vec<Job<'_>>) -> Vec<Done> {
    let mut first = jobs;
    let second = first.split_off(first.len() / 2);
    std::thread::scope(|scope| {
        let rest = scope.spawn(|| in_turn(second));
        let mut done = in_turn(first);
        done.extend(rest.join().expect("no panic"));
        done
    })
}

#[test]
fn the_number_of_threads_does_not_matter() {
    for strategy in LEARNING.into_iter().chain(["random", "grid", "grid(points: 3, draws: 2)"]) {
        let program = program(MIXED, &format!("{TWO}\nstrategy {strategy}"), 150);
        let (once, drawn) = outcome(&program, 150, 5, in_turn);
        assert_eq!(once, outcome(&program, 150, 5, on_two_threads).0, "{strategy}");
        assert_eq!(drawn, 150, "{strategy}");
        assert!(once.front > 0, "{strategy}");
    }
}

#[test]
fn what_is_found_can_be_drawn_again() {
    for strategy in LEARNING {
        let program = program(MIXED, &format!("{TWO}\nstrategy {strategy}"), 150);
        let (found, _) = outcome(&program, 150, 6, in_turn);
        let over = &program.searches[0].over;
        let mut indices = BTreeSet::new();
        for Candidate { proposal, arguments, hash, .. } in &found.ranked {
            let again = proposal.draw(&program, over).expect("it was drawn before");
            assert_eq!((again.architecture.hash(), &again.arguments), (hash.as_str(), arguments), "{strategy}");
            assert_eq!(proposal.settings.len(), arguments.len(), "only what exists is set");
            assert!(indices.insert(proposal.index));
        }
        let edits = found.ranked.iter().map(|candidate| candidate.proposal.edits.len()).max();
        let most = strategy
            .rsplit_once("edits: ")
            .map_or(0, |(_, most)| most.trim_end_matches(')').parse().expect("a number"));
        assert!(edits.is_some_and(|edits| (most == 0) == (edits == 0) && edits <= most), "{strategy}: {edits:?}");
    }
}

#[test]
fn learning_finds_more_than_chance() {
    // The largest network below a limit that few keep: the best of 240 candidates, over five seeds.
    let entries = "maximize params\nwhere params <= 20 K\nwhere nodes >= 12";
    let best = |strategy: &str| -> Vec<u64> {
        let program = program(MIXED, &format!("{entries}\nstrategy {strategy}"), 240);
        let params =
            |seed| outcome(&program, 240, seed, in_turn).0.ranked.first().map_or(0, |best| best.figures.counts.params);
        (0..5).map(params).collect()
    };
    let chance: u64 = best("random").iter().sum();
    for strategy in &LEARNING[..3] {
        let found: u64 = best(strategy).iter().sum();
        assert!(found > chance, "{strategy}: {found} against {chance}");
    }
}

/// Draws of this family have one number of edges, and each input of a node has a weight: fewer or more of them are due to edits alone.
#[test]
fn edits_find_what_draws_do_not() {
    let best = |objective: &str, strategy: &str| {
        let entries = format!("{objective} params\nstrategy {strategy}");
        let program = program("net(wiring: ws(n: 24, k: 4, p: 0.5), width: 8)", &entries, 200);
        outcome(&program, 200, 5, in_turn).0.ranked[0].figures.counts.params
    };
    let (least, most) = (best("minimize", "random"), best("maximize", "random"));
    for strategy in ["evolution(population: 24, sample: 8, edits: 12)", "nsga2(population: 24, edits: 12)"] {
        let found = (best("minimize", strategy), best("maximize", strategy));
        assert!(found.0 + 3 < least && found.1 > most + 3, "{strategy}: {found:?} against {least}, {most}");
    }
}

#[test]
fn a_grid_visits_every_combination_once() {
    let count = |over: &str, strategy: &str| {
        let program = program(over, &format!("minimize params\nstrategy {strategy}"), 1000);
        let study = Study::new(&program, &program.searches[0], 5).expect("a search that can be run");
        let mut run = Run::new(&study, 1000, 1000);
        loop {
            let jobs = run.ask();
            if jobs.is_empty() {
                break;
            }
            run.tell(in_turn(jobs));
        }
        let drawn = run.drawn();
        let found = run.outcome();
        let met: BTreeSet<String> = found.ranked.iter().map(|found| format!("{:?}", found.arguments)).collect();
        (drawn, met.len() as u64)
    };
    // 2 · 3 · 3 for the first generator, 2 · 4 for the second, by 3 widths.
    let mixed = "net(wiring: in {ws(n: in {8, 10}, k: in {2, 4, 6}, p: in 0.3 .. 1.0), er(n: in 8 .. 9, p: in 0.3 .. 0.9 step 0.2)}, \
        width: in 4 .. 12 step 4)";
    assert_eq!(count(mixed, "grid(points: 3)"), ((18 + 8) * 3, (18 + 8) * 3));
    assert_eq!(count(mixed, "grid(points: 3, draws: 4)").0, (18 + 8) * 3 * 4);
}

#[test]
fn a_run_that_is_cut_short_goes_on_where_it_was() {
    for strategy in LEARNING.into_iter().chain(["random", "grid(points: 3)"]) {
        let program = program(MIXED, &format!("{TWO}\nstrategy {strategy}"), 100);
        let study = Study::new(&program, &program.searches[0], 5).expect("a search that can be run");
        let (whole, _) = outcome(&program, 100, 5, in_turn);
        // Cut after so many requests, in the middle of the last one, as a limit of time cuts it.
        for requests in [1, 4, 9] {
            let mut records = Vec::new();
            let mut first = Run::new(&study, 100, 100);
            for request in 0.. {
                let mut jobs = first.ask();
                if jobs.is_empty() {
                    break;
                }
                if first.draws() && request >= requests {
                    jobs.truncate(jobs.len() / 2);
                }
                first.tell(in_turn(jobs));
                records.extend(first.take_records());
            }
            let numbers: Vec<u64> = records.iter().map(|record| record.proposal.index).collect();
            assert_eq!(numbers, (0..first.drawn()).collect::<Vec<_>>(), "{strategy}");
            let mut second = Run::new(&study, 100, 100);
            second.recall(records.clone());
            let mut again = Vec::new();
            loop {
                let jobs = second.ask();
                if jobs.is_empty() {
                    break;
                }
                second.tell(in_turn(jobs));
                again.extend(second.take_records());
            }
            assert_eq!(
                (second.strayed(), records.len() + again.len()),
                (None, 100),
                "{strategy}: nothing is done twice"
            );
            assert_eq!(second.outcome(), whole, "{strategy}");
        }
    }
}

#[test]
fn records_of_another_study_are_noticed() {
    let program = program(MIXED, &format!("{TWO}\nstrategy nsga2(population: 20)"), 60);
    let study = |seed| Study::new(&program, &program.searches[0], seed).expect("a search that can be run");
    let mut first = Run::new(&study(5), 60, 1);
    let mut records = Vec::new();
    while first.drawn() < 60 {
        let jobs = first.ask();
        first.tell(in_turn(jobs));
        records.extend(first.take_records());
    }
    let mut other = Run::new(&study(6), 60, 1);
    other.recall(records);
    other.ask();
    assert_eq!(other.strayed(), Some(0));
}

/// Three processes that see each other's records late, in turns that a seed decides.
#[test]
fn a_batch_may_be_shared() {
    for strategy in LEARNING.into_iter().chain(["random", "grid(points: 3)"]) {
        let program = program(MIXED, &format!("{TWO}\nstrategy {strategy}"), 90);
        let study = Study::new(&program, &program.searches[0], 5).expect("a search that can be run");
        let (whole, _) = outcome(&program, 90, 5, in_turn);
        let mut runs: Vec<Run<'_>> = (0..3).map(|_| Run::new(&study, 90, 90)).collect();
        let mut log: Vec<Record> = Vec::new();
        let mut over = [false; 3];
        let mut rng = cnasc_base::Seed::new(1).rng();
        while over.contains(&false) {
            let turn = rng.below(3);
            let run = &mut runs[turn];
            let wanted = run.wanted(|_, _| Ok::<_, std::convert::Infallible>(None)).expect("nobody fails");
            let Some(wanted) = wanted else {
                over[turn] = true;
                continue;
            };
            // A part of what nobody has done yet, or what others did meanwhile.
            let done: BTreeSet<u64> = log.iter().map(|record| record.proposal.index).collect();
            let mine = wanted.iter().filter(|proposal| !done.contains(&proposal.index));
            let part = if run.is_settled() { 1 + rng.below(wanted.len()) } else { wanted.len() };
            let mine: Vec<_> = mine.take(part).cloned().collect();
            if mine.is_empty() || rng.chance(0.5) {
                run.recall(log.clone());
            } else {
                let (mut share, draws) = run.share(mine);
                let judges = share.drawn(in_turn(draws));
                let records = share.judged(in_turn(judges));
                run.recall(records.clone());
                log.extend(records);
            }
        }
        assert_eq!(log.len(), 90, "{strategy}: nothing is done twice");
        for mut run in runs {
            loop {
                let jobs = run.ask();
                if jobs.is_empty() {
                    break;
                }
                run.tell(in_turn(jobs));
            }
            assert_eq!(run.outcome(), whole, "{strategy}");
        }
    }
}
