//! Studies in a database: a search goes on where it was, however it ended, and Optuna reads what it left.

#![allow(clippy::panic, reason = "a failing test panics, in its helpers too")]

#[cfg(feature = "postgres")]
mod cluster;
mod place;
#[cfg(feature = "postgres")]
mod server;

use place::{PROGRAM, Place};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn a_study_goes_on_where_it_was() {
    goes_on(&Place::new());
}

fn goes_on(place: &Place) {
    let whole = place.search(0, &[]);
    let storage = place.storage();
    let kept = place.search(0, &["--storage", &storage, "--budget", "50"]);
    assert_eq!((kept["evaluated"].as_u64(), place.count("trials")), (Some(50), 50));
    let on = place.search(0, &["--storage", &storage]);
    assert_eq!((&on["front"], &on["duplicates"]), (&whole["front"], &whole["duplicates"]));
    let again = place.search(0, &["--storage", &storage, "--workers", "1"]);
    assert_eq!((&again["front"], &again["broken"]), (&whole["front"], &whole["broken"]));
    assert_eq!((place.count("trials"), place.count("studies")), (120, 1));
    // Another seed is another study of the same database; another program is refused.
    place.search(0, &["--storage", &storage, "--seed", "4", "--budget", "20"]);
    assert_eq!((place.count("trials"), place.count("studies")), (140, 2));
    std::fs::write(place.path("s.cnas"), PROGRAM.replace("conv(3, width)", "conv(5, width)")).expect("a file");
    assert_eq!(place.search(1, &["--storage", &storage])[0]["code"], "E0643");
    assert_eq!(place.search(2, &["--storage", "mysql://there"])[0]["code"], "E0643");
    assert_eq!(place.search(3, &["--storage", "sqlite:////nowhere/at/all.db"])[0]["code"], "E0643");
}

/// What is changed in graphs is kept with what they are drawn from.
#[test]
fn a_study_with_edits_goes_on() {
    let place = Place::new();
    let program = PROGRAM.replace("nsga2(population: 16)", "nsga2(population: 16, edits: 4)");
    assert_ne!(program, PROGRAM);
    std::fs::write(place.path("s.cnas"), program).expect("a file");
    let (whole, storage) = (place.search(0, &[]), place.storage());
    place.search(0, &["--storage", &storage, "--budget", "70"]);
    let on = place.search(0, &["--storage", &storage, "--workers", "1"]);
    assert_eq!((&on["front"], &on["duplicates"]), (&whole["front"], &whole["duplicates"]));
    place.is_whole(120);
    assert!(place.count("trial_user_attributes WHERE key = 'edits'") > 10);
}

/// The program with these looks and this strategy instead of its own.
fn looks(place: &Place, text: &str) {
    let own = "    minimize concurrency_score\n    maximize params\n    strategy nsga2(population: 16)\n";
    let program = PROGRAM.replace(own, text);
    assert_ne!(program, PROGRAM);
    std::fs::write(place.path("s.cnas"), program).expect("a file");
}

/// Trials end where the last look has judged their candidates, or another one has stopped them, wherever they began.
#[test]
fn a_study_of_hyperband_goes_on() {
    let place = Place::new();
    looks(
        &place,
        "    fidelity {\n        minimize concurrency_score\n        maximize depth\n    }\n    minimize latency\n    maximize nodes\n    strategy hyperband\n",
    );
    let (whole, storage) = (place.search(0, &[]), place.storage());
    place.search(0, &["--storage", &storage, "--budget", "50"]);
    place.is_whole(50);
    let on = place.search(0, &["--storage", &storage]);
    assert_eq!((&on["front"], &on["looks"]), (&whole["front"], &whole["looks"]));
    place.is_whole(120);
    let looked = |look: usize, what: &str| whole["looks"][look][what].as_i64().expect("a count");
    let had = |look: &str| place.count(&format!("trial_user_attributes WHERE key = '{look}'"));
    // Brackets that the smaller budget cut short passed more of fewer.
    assert!(had("look.2") >= looked(0, "passed") && had("look.1") == 0, "{}", whole["looks"]);
    let of = |state: &str, step: u32| {
        let with = format!(
            "trials t JOIN trial_intermediate_values v ON v.trial_id = t.trial_id WHERE t.state = '{state}' AND v.step = {step}"
        );
        place.count(&with)
    };
    // What was judged in full, and what stopped behind the first look; those that began late have no value of that one.
    assert_eq!(of("COMPLETE", 1), had("look.2"));
    assert!(of("COMPLETE", 2) >= looked(1, "feasible") && of("COMPLETE", 2) > of("COMPLETE", 1));
    assert_eq!((of("PRUNED", 1), of("PRUNED", 2)), (looked(0, "feasible") - had("look.2"), 0));
    let seen = place.search(0, &["--storage", &storage, "--watch"]);
    assert_eq!(seen["candidates"], 120);
    assert!(seen["best"]["depth"].as_f64().is_some_and(|depth| depth > 0.0), "{seen}");
}

/// A network that is drawn again ends as it did the first time, also where that is long ago.
#[test]
fn duplicates_end_as_their_first_did() {
    duplicates_end(&Place::new());
}

fn duplicates_end(place: &Place) {
    looks(
        place,
        "    fidelity {\n        minimize depth\n    }\n    minimize latency\n    maximize params\n    strategy successive_halving(reduction: 2)\n",
    );
    let program = std::fs::read_to_string(place.path("s.cnas")).expect("it was written");
    let (before, behind) = program.split_once("    over ").expect("it has a space");
    let (_, behind) = behind.split_once('\n').expect("and more");
    let few = "    over     net(wiring: ws(n: in 6 .. 8, k: in {2, 4}, p: 0.0), width: in 4 .. 16 step 4)\n";
    std::fs::write(place.path("s.cnas"), format!("{before}{few}{behind}")).expect("a file");
    let storage = place.storage();
    place.search(0, &["--storage", &storage, "--budget", "20"]);
    let found = place.search(0, &["--storage", &storage]);
    assert!(found["duplicates"].as_i64() > Some(90), "{found}");
    place.is_whole(120);
    // Trials of one network have one state, and those that were judged in full the same values.
    let states = "(SELECT value_json FROM trial_user_attributes a JOIN trials t ON t.trial_id = a.trial_id WHERE a.key = 'network' \
         GROUP BY value_json HAVING COUNT(DISTINCT t.state) > 1) AS mixed";
    assert_eq!(place.count(states), 0);
    let values = "(SELECT value_json FROM trial_user_attributes a JOIN trial_values v ON v.trial_id = a.trial_id WHERE a.key = 'network' \
         GROUP BY value_json, v.objective HAVING COUNT(DISTINCT v.value) > 1) AS mixed";
    assert_eq!((place.count(values), place.count("trials WHERE state = 'COMPLETE'") > 30), (0, true));
}

/// What a clock said in a later look is kept too, so that a study is the same whenever it is taken up, and by several processes at once.
#[test]
fn what_was_measured_is_not_measured_again() {
    let place = Place::new();
    looks(&place, MEASURED);
    let storage = place.storage();
    let budget = ["--storage", storage.as_str(), "--workers", "1"];
    let team: Vec<_> = (0..2).map(|_| place.command(&budget).spawn().expect("the binary starts")).collect();
    let found = team.into_iter().map(|child| {
        let output = child.wait_with_output().expect("it was started here");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let found: Value = serde_json::from_slice(&output.stdout).expect("a document");
        found["front"].clone()
    });
    let found: Vec<Value> = found.collect();
    assert_eq!((&found[0], &place.search(0, &budget)["front"]), (&found[1], &found[1]));
    place.is_whole(120);
}

/// A process that is killed while the best are measured loses no more than those that it was at.
#[test]
fn a_later_look_goes_on_where_it_was() {
    let place = Place::new();
    looks(&place, MEASURED);
    let storage = place.storage();
    let args = ["--storage", storage.as_str(), "--workers", "1"];
    let mut child = place.command(&args).stdout(Stdio::null()).spawn().expect("the binary starts");
    let said = "trial_user_attributes WHERE key = 'look.2'";
    let patience = Instant::now() + Duration::from_secs(60);
    while place.count(said) == 0 && Instant::now() < patience && child.try_wait().is_ok_and(|end| end.is_none()) {
        std::thread::sleep(Duration::from_millis(2));
    }
    // One that has ended can't be killed, and need not be.
    child.kill().ok();
    child.wait().expect("it was started here");
    let first = || place.ask(&format!("SELECT value_json FROM {said} ORDER BY trial_id DESC")).expect("a table");
    let before = first();
    assert!(before.as_ref().is_some_and(|said| said.contains("kept")), "{before:?}");
    let found = place.search(0, &args);
    assert_eq!(first(), before);
    assert_eq!(found["looks"][1]["judged"].as_i64(), Some(place.count(said)));
    place.is_whole(120);
}

/// Few of many are run.
const MEASURED: &str = "    fidelity {\n        minimize concurrency_score\n    }\n    minimize measured_latency\n    maximize params\n    strategy successive_halving(reduction: 8)\n";

#[test]
fn nothing_is_lost_when_a_search_is_killed() {
    let place = Place::new();
    let storage = place.storage();
    let budget = ["--storage", storage.as_str(), "--budget", "600"];
    for wanted in [1, 150, 300] {
        let mut child = place.command(&budget).spawn().expect("the binary starts");
        let patience = Instant::now() + Duration::from_secs(60);
        while place.count("trials") < wanted
            && Instant::now() < patience
            && child.try_wait().is_ok_and(|end| end.is_none())
        {
            std::thread::sleep(Duration::from_millis(2));
        }
        // One that has ended can't be killed, and need not be.
        child.kill().ok();
        child.wait().expect("it was started here");
    }
    let found = place.search(0, &budget);
    assert_eq!(found["front"], place.search(0, &["--budget", "600"])["front"]);
    place.is_whole(600);
}

#[test]
fn several_processes_search_together_and_any_may_die() {
    let place = Place::new();
    let storage = place.storage();
    let budget = ["--storage", storage.as_str(), "--budget", "500", "--workers", "1"];
    // The first makes the database.
    place.search(0, &["--storage", storage.as_str(), "--budget", "20"]);
    let patience = Instant::now() + Duration::from_secs(120);
    let mut wanted = 60;
    while wanted < 400 && Instant::now() < patience {
        let mut team: Vec<_> = (0..3).map(|_| place.command(&budget).spawn().expect("the binary starts")).collect();
        while place.count("trials") < wanted && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(3));
        }
        // All at once, wherever each of them is; one that has ended can't be killed, and need not be.
        team.iter_mut().for_each(|child| drop(child.kill()));
        team.iter_mut().for_each(|child| drop(child.wait()));
        wanted += 70;
    }
    let mut team: Vec<_> = (0..3).map(|_| place.command(&budget).spawn().expect("the binary starts")).collect();
    std::thread::sleep(Duration::from_millis(150));
    drop((team[0].kill(), team[0].wait()));
    for child in team.into_iter().skip(1) {
        let output = child.wait_with_output().expect("it was started here");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let found = place.search(0, &budget);
    assert_eq!(found["front"], place.search(0, &["--budget", "500"])["front"]);
    place.is_whole(500);
    // Who looks on sees the same.
    let seen = place.search(0, &["--storage", storage.as_str(), "--watch"]);
    assert_eq!((seen["study"].as_str(), seen["candidates"].as_u64()), (Some("s-3"), Some(500)));
    assert!(seen["front"].as_u64() > Some(0) && seen["best"]["params"].as_f64() > Some(0.0), "{seen}");
}

/// Four processes search one study; one after another is killed wherever it is, and another takes its place.
fn any_may_be_killed(place: &Place, kills: u64, longest: u64) {
    let storage = place.storage();
    let endless = ["--storage", storage.as_str(), "--budget", "1000000", "--workers", "1"];
    place.search(0, &["--storage", storage.as_str(), "--budget", "20"]);
    let start = || place.command(&endless).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let mut team: Vec<_> = (0..4).map(|_| start()).collect();
    let mut rng = cnasc_base::Seed::new(kills).rng();
    for kill in 0..kills {
        std::thread::sleep(Duration::from_micros((rng.unit() * 1000.0 * longest as f64) as u64));
        let victim = rng.below(team.len());
        let ended = team[victim].try_wait().expect("it was started here");
        assert_eq!(ended, None, "none ends by itself, before kill {kill}");
        team[victim].kill().expect("it was running");
        team[victim].wait().expect("it was started here");
        team[victim] = start();
    }
    for mut child in team {
        child.kill().expect("none ends by itself");
        child.wait().expect("it was started here");
    }
    // What the dead had claimed is within the next batches.
    let budget = (place.count("trials") + 300).to_string();
    let found = place.search(0, &["--storage", storage.as_str(), "--budget", &budget]);
    assert_eq!(found["front"], place.search(0, &["--budget", &budget])["front"], "as if nothing had happened");
    let trials: i64 = budget.parse().expect("a number");
    place.is_whole(trials);
    println!("{kills} kills, {trials} trials");
}

#[test]
fn four_processes_are_killed_at_random() {
    let place = Place::new();
    any_may_be_killed(&place, 6, 60);
    assert_eq!(place.count("pragma_integrity_check WHERE integrity_check = 'ok'"), 1);
}

/// `cargo test --release -p cnasc --test storage -- --ignored fifty`: half a minute.
#[test]
#[ignore = "half a minute; CI runs it by itself"]
fn four_processes_are_killed_fifty_times() {
    let place = Place::new();
    any_may_be_killed(&place, 50, 400);
    assert_eq!(place.count("pragma_integrity_check WHERE integrity_check = 'ok'"), 1);
}

/// A trial as `enqueue_trial` leaves it.
fn enqueue(place: &Place, fixed: &str, user: &[(&str, &str)]) -> String {
    let insert = "INSERT INTO trials (number, study_id, state) SELECT MAX(number) + 1, 1, 'WAITING' FROM trials WHERE study_id = 1 RETURNING trial_id";
    let trial = place.ask(insert).expect("a row").expect("a number");
    let attribute = |kind: &str, key: &str, value: &str| {
        let values = format!("VALUES ({trial}, '{key}', '{value}')");
        let insert = format!("INSERT INTO trial_{kind}_attributes (trial_id, key, value_json) {values}");
        place.ask(&insert).expect("a row");
    };
    attribute("system", "fixed_params", fixed);
    user.iter().for_each(|(key, value)| attribute("user", key, value));
    trial
}

#[test]
fn trials_that_others_add_are_judged() {
    others_add(&Place::new());
}

fn others_add(place: &Place) {
    let storage = place.storage();
    let storage = ["--storage", storage.as_str()];
    place.search(0, &[&storage[..], &["--budget", "40"]].concat());
    let whole = r#"{"wiring": "er", "wiring.er.n": 7, "wiring.er.p": 0.5, "width": 16.0}"#;
    let edits = ("edits", r#""move.4711 add.12""#);
    let added: [(&str, &[_]); 4] = [
        (whole, &[]),
        (r#"{"width": 12}"#, &[("seed", "77")]),
        (whole, &[("seed", r#""5""#)]),
        (whole, &[("seed", "5"), edits]),
    ];
    let good = added.map(|(fixed, user)| enqueue(place, fixed, user));
    let bad: [(&str, &[_]); 5] = [
        (r#"{"width": 11}"#, &[]),
        (r#"{"depth": 3}"#, &[]),
        ("[]", &[]),
        (whole, &[("edits", r#""move.4711 cut.3""#)]),
        (whole, &[("edits", "[4711]")]),
    ];
    let bad = bad.map(|(fixed, user)| enqueue(place, fixed, user));
    let found = place.search(0, &[&storage[..], &["--budget", "40"]].concat());
    assert_eq!(found["evaluated"].as_u64(), Some(44), "they come on top of the budget");
    let state = |trial: &String| -> String {
        let state = place.ask(&format!("SELECT state FROM trials WHERE trial_id = {trial}"));
        state.expect("a table").expect("a trial")
    };
    let value = |trial: &str, name: &str| -> Option<f64> {
        let select = format!("SELECT param_value FROM trial_params WHERE trial_id = {trial} AND param_name = '{name}'");
        place.ask(&select).expect("a table").map(|value| value.parse().expect("a number"))
    };
    assert!(bad.iter().all(|trial| state(trial) == "FAIL"));
    let told = |trial: &str, key: &str| {
        let select = format!("SELECT value_json FROM trial_user_attributes WHERE trial_id = {trial} AND key = '{key}'");
        place.ask(&select).expect("a table").unwrap_or_default()
    };
    for (trial, why) in bad.iter().zip(["width", "depth", "can't be read", "`cut.3` is no edit", "no text of edits"]) {
        let fate = told(trial, "fate");
        assert!(fate.starts_with("\"refused: E0644: ") && fate.contains(why), "{fate}");
    }
    let judged = |trial: &String| ["COMPLETE", "PRUNED"].contains(&state(trial).as_str());
    assert!(good.iter().all(judged), "{:?}", good.iter().map(state).collect::<Vec<_>>());
    // An edited graph is another one, and what `--edit` gives.
    assert_ne!(told(&good[2], "network"), told(&good[3], "network"));
    let source = place.path("s.cnas").display().to_string();
    let sets = ["wiring=er", "wiring.er.n=7", "wiring.er.p=0.5", "width=16"].map(|set| ["--set", set]).concat();
    let expand = ["--format", "json", "expand", &source, "--seed", "5", "--edit", "move.4711", "--edit", "add.12"];
    let output = Command::new(env!("CARGO_BIN_EXE_cnasc")).args(expand).args(sets).output().expect("the binary starts");
    let drawn: Value = serde_json::from_slice(&output.stdout).expect("a document");
    assert_eq!(drawn[0]["hash"].to_string(), told(&good[3], "network"));
    assert_eq!(told(&good[3], "edits"), edits.1);
    for trial in [&good[0], &good[2], &good[3]] {
        assert_eq!((value(trial, "wiring.er.n"), value(trial, "wiring.er.p")), (Some(7.0), Some(0.5)));
        assert_eq!((value(trial, "width"), value(trial, "wiring.ws.n")), (Some(16.0), None));
    }
    assert_eq!((value(&good[1], "width"), place.count("trial_params") > 0), (Some(12.0), true));
    // The study goes on behind them, and is the same however often it is taken up.
    let on = place.search(0, &storage);
    assert_eq!((on["evaluated"].as_u64(), place.count("trials WHERE state = 'WAITING'")), (Some(124), 0));
    let again = place.search(0, &[&storage[..], &["--workers", "1"]].concat());
    assert_eq!((&again["front"], &again["evaluated"]), (&on["front"], &on["evaluated"]));
    assert_eq!(place.count("trials"), 129);
}

/// What Optuna says of the study.
const SCRIPT: &str = r#"
import json, sys
import optuna
study = optuna.load_study(study_name="s-3", storage=sys.argv[1])
trials = study.trials
best = [t.number for t in study.best_trials]
print(json.dumps({
    "trials": len(trials),
    "directions": [d.name for d in study.directions],
    "states": {s: sum(t.state.name == s for t in trials) for s in ("COMPLETE", "PRUNED", "FAIL")},
    "best": best,
    "networks": sorted({trials[n].user_attrs["network"] for n in best}),
    "within": all(t.distributions[k]._contains(t.distributions[k].to_internal_repr(v)) for t in trials for k, v in t.params.items()),
    "names": sorted({k for t in trials for k in t.params}),
    "waiting": sum(t.state.name == "WAITING" for t in trials),
    "last": trials[-1].params,
}))
if len(sys.argv) > 2:
    study.enqueue_trial({"wiring": "ws", "wiring.ws.n": 9, "wiring.ws.k": "4", "wiring.ws.p": 0.25, "width": 8})
"#;

/// The Python of an environment that has these modules.
fn python(modules: &str) -> Option<std::path::PathBuf> {
    let Some(peers) = std::env::var_os("CNASC_PEERS") else {
        println!("left out: CNASC_PEERS names no Python environment");
        return None;
    };
    let python = Path::new(&peers).join("bin/python");
    let has = Command::new(&python).args(["-c", &format!("import {modules}")]).stderr(Stdio::null()).status();
    if !has.is_ok_and(|status| status.success()) {
        println!("left out: {} lacks one of {modules}", python.display());
        return None;
    }
    Some(python)
}

#[test]
fn a_dashboard_shows_the_front() {
    let Some(python) = python("optuna_dashboard") else { return };
    let place = Place::new();
    dashboard_shows(&place, &python, &place.storage());
}

fn dashboard_shows(place: &Place, python: &Path, theirs: &str) {
    let found = place.search(0, &["--storage", &place.storage()]);
    let front = found["front"].as_array().expect("a list").iter().map(|row| row["hash"].as_str().expect("a hash"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/peers/dashboard.py");
    let mut look = Command::new(python);
    let output = look.arg(script).arg(theirs).arg("--front").args(front).output().expect("Python starts");
    println!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What Optuna says of a study whose candidates stop early.
const STOPPED: &str = r#"
import json, sys
import optuna
from optuna.trial import TrialState
study = optuna.load_study(study_name="s-3", storage=sys.argv[1])
pruned = study.get_trials(states=[TrialState.PRUNED])
complete = study.get_trials(states=[TrialState.COMPLETE])
print(json.dumps({
    "stopped": sum(list(t.intermediate_values) == [1] for t in pruned),
    "full": sum(list(t.intermediate_values) == [1, 2] for t in complete),
    "last": all(t.intermediate_values[2] == t.values[0] for t in complete if t.intermediate_values),
    "running": len(study.get_trials(states=[TrialState.RUNNING])),
    "networks": sorted({t.user_attrs["network"] for t in study.best_trials}),
    "plotted": len(optuna.visualization.plot_intermediate_values(study).data) if optuna.visualization.is_available() else None,
}))
"#;

#[test]
fn optuna_reads_what_stopped() {
    let Some(python) = python("optuna") else { return };
    let place = Place::new();
    optuna_reads_stopped(&place, &python, &place.storage());
}

fn optuna_reads_stopped(place: &Place, python: &Path, theirs: &str) {
    looks(place, MEASURED);
    let ours = place.search(0, &["--storage", &place.storage()]);
    let output = Command::new(python).args(["-c", STOPPED, theirs]).output().expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let theirs: Value = serde_json::from_slice(&output.stdout).expect("what the script prints");
    let looked = |what: &str| ours["looks"][0][what].as_u64().expect("a count");
    let (kept, passed) = (looked("feasible"), looked("passed"));
    assert_eq!((theirs["stopped"].as_u64(), theirs["full"].as_u64()), (Some(kept - passed), Some(passed)), "{theirs}");
    assert_eq!((&theirs["last"], &theirs["running"]), (&serde_json::json!(true), &serde_json::json!(0)));
    assert_eq!(theirs["networks"], networks(&ours), "its best are the front");
    assert!(theirs["plotted"].is_null() || theirs["plotted"].as_u64() == Some(kept), "{theirs}");
    place.is_whole(120);
}

/// The hashes on the front of a search, in their order.
fn networks(found: &Value) -> Value {
    let front = found["front"].as_array().expect("a list").iter();
    let mut hashes: Vec<&str> = front.map(|row| row["hash"].as_str().expect("a hash")).collect();
    hashes.sort_unstable();
    serde_json::json!(hashes)
}

#[test]
fn optuna_reads_a_study() {
    let Some(python) = python("optuna") else { return };
    let place = Place::new();
    optuna_reads(&place, &python, &place.storage());
}

fn optuna_reads(place: &Place, python: &Path, theirs: &str) {
    let storage = place.storage();
    let ours = place.search(0, &["--storage", &storage]);
    let script = |more: &[&str]| -> Value {
        let output = Command::new(python).args(["-c", SCRIPT, theirs]).args(more).output().expect("Python starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("what the script prints")
    };
    let theirs = script(&["enqueue"]);
    assert_eq!(theirs["trials"].as_u64(), Some(120));
    assert_eq!(theirs["directions"], serde_json::json!(["MINIMIZE", "MAXIMIZE"]));
    assert!(theirs["states"]["COMPLETE"].as_u64() > Some(20) && theirs["states"]["PRUNED"].as_u64() > Some(0));
    assert_eq!(theirs["within"], true);
    assert_eq!(theirs["names"].as_array().map(Vec::len), Some(7), "{theirs}");
    assert_eq!(theirs["networks"], networks(&ours));
    let more = place.search(0, &["--storage", &storage]);
    let theirs = script(&[]);
    assert_eq!((more["evaluated"].as_u64(), theirs["trials"].as_u64()), (Some(121), Some(121)));
    assert_eq!((theirs["waiting"].as_u64(), theirs["last"]["wiring.ws.n"].as_u64()), (Some(0), Some(9)));
}
