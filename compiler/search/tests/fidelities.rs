//! What a search with fidelities finds is what judging everything and choosing afterwards would, at the cost of few.
#![allow(clippy::panic, reason = "a failing test panics, in its helpers too")]

use cnasc_base::Diagnostic;
use cnasc_base::Sources;
use cnasc_ir::program::Accuracy;
use cnasc_ir::program::{Measure, Objective};
use cnasc_ir::{Fleet, Program};
use cnasc_place::Workload;
use cnasc_search::candidate::Evaluated;
use cnasc_search::{
    Candidate, Counts, Done, Draw, Fate, Figures, Further, Job, Outcome, Record, Run, Silent, Study, Teller, pareto,
};
use std::sync::Mutex;

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
    told(program, &Silent, order)
}

/// The same with somebody who tells accuracy.
fn told(program: &Program, teller: &dyn Teller, order: impl Fn(Vec<Job<'_>>) -> Vec<Done>) -> Outcome {
    let study = Study::new(program, &program.searches[0], 5).expect("a search that can be run").told_by(teller);
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
    let halved =
        "fidelity {\n minimize depth\n}\nfidelity {\n minimize concurrency_score\n}\nminimize latency\nstrategy ";
    let [halving, bands] = ["successive_halving", "hyperband(reduction: 4)"].map(|way| format!("{halved}{way}"));
    for entries in [TWO_LOOKS, three, &halving, &bands, "minimize latency\nmaximize flops\nwhere params <= 5 K"] {
        let program = program("1 GiB", entries);
        let once = outcome(&program, in_turn);
        assert_eq!(once, outcome(&program, from_behind));
        assert!(once.front > 0 && once.looks[0].judged > 100, "{:?}", once.looks);
        // A bracket that begins later has candidates of its own.
        let later = entries.contains("hyperband");
        assert!(later || once.looks.windows(2).all(|pair| pair[1].judged < pair[0].judged));
    }
}

/// Of several objectives those that others beat stop first, whatever proposed them: none that stopped beats one that went on.
#[test]
fn what_is_beaten_stops_early() {
    let two = |keep: &str, strategy: &str| {
        format!(
            "fidelity {{\n minimize params\n maximize nodes\n{keep}}}\nminimize latency\nmaximize depth\nstrategy {strategy}"
        )
    };
    for (entries, passed) in [
        (two(" keep 20\n", "random"), 20),
        (two(" keep 20\n", "nsga2(population: 30)"), 20),
        (two(" keep 20\n", "evolution(population: 30, edits: 2)"), 20),
        (two("", "successive_halving(reduction: 5)"), LIMIT / 5),
    ] {
        let program = program("1 GiB", &entries);
        let study = Study::new(&program, &program.searches[0], 5).expect("a search that can be run");
        let mut run = Run::new(&study, LIMIT, usize::try_from(LIMIT).expect("it is small"));
        let mut looked: Vec<Candidate> = Vec::new();
        loop {
            let jobs = run.ask();
            if jobs.is_empty() {
                break;
            }
            run.tell(in_turn(jobs));
            looked.extend(run.take_records().into_iter().filter_map(|record| match record.fate {
                Fate::Judged(Evaluated::Feasible(candidate)) => Some(*candidate),
                _ => None,
            }));
        }
        let went_on = run.outcome().ranked;
        assert_eq!(went_on.len() as u64, passed, "{entries}");
        let first = &program.searches[0].fidelities[0].objectives;
        let on = |candidate: &Candidate| went_on.iter().any(|other| other.hash == candidate.hash);
        let (on, stopped): (Vec<Candidate>, Vec<Candidate>) = looked.into_iter().partition(on);
        assert!(on.len() as u64 == passed && !stopped.is_empty(), "{entries}");
        let beats = |a: &Candidate, b: &Candidate| pareto::dominates(&values(first, a), &values(first, b));
        assert!(!stopped.iter().any(|stopped| on.iter().any(|on| beats(stopped, on))), "{entries}");
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

/// One in three of 300, and one in three of those.
#[test]
fn successive_halving_keeps_its_share_of_each_look() {
    let looks = |keep: [&str; 2]| {
        format!(
            "fidelity {{\n minimize depth\n maximize width\n{}}}\nfidelity {{\n minimize concurrency_score\n{}}}\nminimize latency\n",
            keep[0], keep[1]
        )
    };
    let halved = outcome(&program("1 GiB", &format!("{}strategy successive_halving", looks(["", ""]))), in_turn);
    let kept = outcome(&program("1 GiB", &looks([" keep 100\n", " keep 33\n"])), in_turn);
    assert_eq!(halved, kept);
    assert_eq!((halved.looks[0].passed, halved.looks[1].passed), (100, 33));
}

/// With two looks and a reduction of 3: three candidates of which one passes, two that begin at the second look, and so on.
#[test]
fn hyperband_begins_brackets_at_each_look() {
    let found =
        outcome(&program("1 GiB", "fidelity {\n minimize params\n}\nminimize latency\nstrategy hyperband"), in_turn);
    let judged: Vec<u64> = found.looks.iter().map(|look| look.judged).collect();
    // 300 candidates are 60 rounds of five; those that were drawn before are judged where they were first.
    assert_eq!(judged[0] + judged[1] - found.looks[0].passed + found.duplicates, LIMIT);
    assert!(found.looks[0].passed <= 60 && found.looks[0].passed > 50, "{:?}", found.looks);
    assert!(judged[0] <= 180 && judged[0] > 140, "{judged:?}");
    let begun_late = found.ranked.iter().filter(|best| best.proposal.index % 5 >= 3).count();
    assert!(begun_late > 0, "some of the best were never looked at cheaply");
}

/// Tells shares of a number of parameters, and remembers who asked.
#[derive(Debug, Default)]
struct Counting(Mutex<Vec<(&'static str, u64)>>);

impl Teller for Counting {
    fn accuracy(&self, way: &Accuracy, network: &Draw, known: &Figures) -> Result<f64, Diagnostic> {
        let others = network.architecture.nodes.len() as u64 - known.counts.nodes;
        assert!(
            (3..=4).contains(&others),
            "beside its blocks the network has image, stem, head, and a mean where it has several ends"
        );
        let params = known.counts.params;
        let (who, value) = match way {
            Accuracy::Proxy { name, .. } => (*name, -(params as f64)),
            Accuracy::Command { words, .. } => {
                assert_eq!(words, &["judge", "--well"]);
                ("command", 1.0 / params as f64)
            }
            Accuracy::Trained { .. } => ("trained", 0.0),
        };
        self.0.lock().expect("nobody panics while holding it").push((who, params));
        if params.is_multiple_of(7) {
            Err(Diagnostic::error(cnasc_search::study::PLACE, "it does not learn"))
        } else {
            Ok(value)
        }
    }

    /// As if each parameter took a microsecond.
    fn latency(&self, network: &Draw, fleet: &Fleet) -> Result<f64, Diagnostic> {
        assert_eq!(fleet.devices.len(), 2);
        let workload = Workload::sketch(&network.architecture).expect("it is verified");
        let params = Counts::new(&workload).params;
        self.0.lock().expect("nobody panics while holding it").push(("clock", params));
        Ok(params as f64 * 1e-6)
    }
}

#[test]
fn accuracy_is_what_the_teller_of_a_look_says() {
    let entries = "where params <= 4 K\nfidelity {\n maximize accuracy\n accuracy proxy(zen)\n keep 9\n}\n\
        maximize accuracy\naccuracy command(\"judge\", \"--well\", within: 1 min)\nwhere accuracy >= 0.0";
    let program = program("1 GiB", entries);
    let teller = Counting::default();
    let found = told(&program, &teller, in_turn);
    assert_eq!(found, told(&program, &Counting::default(), from_behind));
    let asked = teller.0.into_inner().expect("nobody panicked");
    let (proxies, commands): (Vec<_>, Vec<_>) = asked.iter().partition(|(who, _)| *who == "zen");
    assert!(asked.iter().all(|(_, params)| *params <= 4000), "a limit of what is counted spares the dear look");
    assert_eq!(commands.len(), 9);
    let mut least: Vec<u64> =
        proxies.iter().map(|(_, params)| *params).filter(|params| !params.is_multiple_of(7)).collect();
    least.sort_unstable();
    let best = &found.ranked[0];
    assert_eq!(best.figures.counts.params, least[0]);
    assert_eq!(best.figures.accuracy, Some(1.0 / least[0] as f64), "of the last look");
    let failed = proxies.iter().filter(|(_, params)| params.is_multiple_of(7)).count() as u64;
    assert_eq!(found.impossible.get("it does not learn"), (failed > 0).then_some(&failed));
}

/// Networks are run after all that is cheaper has been decided, before accuracy is asked for, and once.
#[test]
fn what_is_measured_is_measured_late_and_once() {
    let entries = "where params <= 6 K\nwhere measured_latency <= 4 ms\nfidelity {\n minimize measured_latency\n keep 9\n}\n\
        maximize accuracy\nminimize measured_latency\naccuracy command(\"judge\", \"--well\", within: 1 min)";
    let program = program("1 GiB", entries);
    let teller = Counting::default();
    let found = told(&program, &teller, in_turn);
    assert_eq!(found, told(&program, &Counting::default(), from_behind));
    let asked = teller.0.into_inner().expect("nobody panicked");
    let (clock, commands): (Vec<_>, Vec<_>) = asked.iter().partition(|(who, _)| *who == "clock");
    assert!(clock.iter().all(|(_, params)| *params <= 6000), "a limit of what is counted spares the run");
    assert_eq!((clock.len() as u64, commands.len()), (found.looks[0].judged - found.broken[&Measure::Params], 9));
    let slow = clock.iter().filter(|(_, params)| *params > 4000).count() as u64;
    assert_eq!(found.broken.get(&Measure::MeasuredLatency), Some(&slow));
    let mut soonest: Vec<u64> = clock.iter().map(|(_, params)| *params).collect();
    soonest.sort_unstable();
    for best in &found.ranked {
        assert!(soonest[..9].contains(&best.figures.counts.params));
        assert_eq!(best.figures.measured, Some(best.figures.counts.params as f64 * 1e-6));
    }
}

/// What later looks said is not asked for again, wherever the run ended before; and another one's word counts.
#[test]
fn later_looks_go_on_where_they_were() {
    let entries = "fidelity {\n minimize depth\n maximize width\n keep 60\n}\nfidelity {\n minimize concurrency_score\n keep 12\n}\n\
        minimize measured_latency\nmaximize accuracy\naccuracy command(\"judge\", \"--well\", within: 1 min)";
    let program = program("1 GiB", entries);
    let whole = told(&program, &Counting::default(), in_turn);
    let run = |records: &[Record], further: &[Further], teller: &Counting| {
        let study = Study::new(&program, &program.searches[0], 5).expect("a search that can be run").told_by(teller);
        let mut run = Run::new(&study, LIMIT, 3);
        run.recall(records.to_vec());
        run.recall_further(further.to_vec());
        let (mut new, mut said, mut asked) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            let jobs = run.ask_some(5);
            if jobs.is_empty() {
                return (run.outcome(), new, said, asked);
            }
            if let Some(look) = run.later_look() {
                assert!(jobs.len() <= 5);
                asked.extend(jobs.iter().map(|job| (look, job.candidate())));
            }
            run.tell(in_turn(jobs));
            new.extend(run.take_records());
            said.extend(run.further());
        }
    };
    let (found, records, further, asked) = run(&[], &[], &Counting::default());
    assert_eq!(found, whole);
    assert_eq!(asked.len(), 72);
    for known in [0, 1, 33, 60, 66, 72] {
        let teller = Counting::default();
        let (found, _, said, again) = run(&records, &further[..known], &teller);
        assert_eq!((&found, said.len(), &again[..]), (&whole, 72 - known, &asked[known..]));
        let clock = teller.0.into_inner().expect("nobody panicked").iter().filter(|(who, _)| *who == "clock").count();
        assert_eq!(clock, 12.min(72 - known));
    }
    let mut slower = further.clone();
    let first = whole.ranked[0].proposal.index;
    let one = slower.iter_mut().find(|one| (one.index, one.look) == (first, 2)).expect("it was judged in full");
    one.verdict.as_mut().expect("it keeps all").measured = Some(7.0);
    let (found, ..) = run(&records, &slower, &Counting::default());
    assert!(found.ranked.iter().any(|best| best.figures.measured == Some(7.0)));
}

#[test]
fn what_nobody_can_tell_is_refused() {
    let refused = |entries: &str| {
        let program = program("1 GiB", entries);
        let found = Study::new(&program, &program.searches[0], 1).expect_err("it asks for too much");
        found.iter().map(|found| found.code.0).collect::<Vec<_>>()
    };
    assert_eq!(refused("maximize accuracy"), ["E0616"]);
    assert_eq!(refused("minimize latency\nwhere accuracy >= 0.5"), ["E0616"]);
    assert_eq!(refused("minimize energy"), ["E0617"]);
}
