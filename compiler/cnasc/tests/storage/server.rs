//! The same on a server of PostgreSQL, and what may go wrong with one.

use super::place::Place;
use super::{
    any_may_be_killed, dashboard_shows, duplicates_end, goes_on, optuna_reads, optuna_reads_stopped, others_add, python,
};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn a_study_on_a_server_goes_on_where_it_was() {
    let Some(place) = Place::on_a_server() else { return };
    goes_on(&place);
}

#[test]
fn trials_that_others_add_on_a_server_are_judged() {
    let Some(place) = Place::on_a_server() else { return };
    others_add(&place);
}

#[test]
fn duplicates_on_a_server_end_as_their_first_did() {
    let Some(place) = Place::on_a_server() else { return };
    duplicates_end(&place);
}

#[test]
fn four_processes_on_a_server_are_killed_at_random() {
    let Some(place) = Place::on_a_server() else { return };
    any_may_be_killed(&place, 6, 60);
}

/// `cargo test --release -p cnasc --test storage -- --ignored fifty`: a minute.
#[test]
#[ignore = "half a minute; CI runs it by itself"]
fn four_processes_on_a_server_are_killed_fifty_times() {
    let Some(place) = Place::on_a_server() else { return };
    any_may_be_killed(&place, 50, 400);
}

#[test]
fn a_server_may_go_and_come_back() {
    let Some(place) = Place::on_a_server() else { return };
    let storage = place.storage();
    let budget = ["--storage", storage.as_str(), "--budget", "1500", "--workers", "1"];
    let team: Vec<_> = (0..2).map(|_| place.command(&budget).spawn().expect("the binary starts")).collect();
    let patience = Instant::now() + Duration::from_secs(60);
    for wanted in [200, 500] {
        while place.count("trials") < wanted && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(3));
        }
        // At once, as in a crash; it recovers what was committed.
        place.server().control("restart");
        assert!(place.count("trials") < 1500, "it went while they searched");
    }
    for child in team {
        let output = child.wait_with_output().expect("it was started here");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    let found = place.search(0, &budget);
    assert_eq!(found["front"], place.search(0, &["--budget", "1500"])["front"]);
    place.is_whole(1500);
}

#[test]
fn what_a_server_refuses_is_said() {
    let Some(place) = Place::on_a_server() else { return };
    let said = |storage: &str, status: i32| -> String {
        let found = place.search(status, &["--storage", storage, "--budget", "20"]);
        assert_eq!(found[0]["code"], "E0643");
        let text = found[0].to_string();
        assert!(!text.contains("p@ss") && !text.contains("p%40ss"), "no password is shown: {text}");
        text
    };
    let storage = place.storage();
    assert!(said(&storage.replace("p%40ss", "pass"), 3).contains("password authentication failed"));
    assert!(said(&storage.replace("/postgres?", "/nowhere?"), 3).contains("nowhere"));
    assert!(said(&storage.replace("host=", "port=x&host="), 2).contains("port"));
    // What is searched already by others, by another release, and while nobody answers.
    place.search(0, &["--storage", &storage, "--budget", "20"]);
    place.ask("UPDATE studies SET study_name = 'other'").expect("a study");
    place.ask("INSERT INTO studies (study_name) VALUES ('s-3')").expect("a study");
    assert!(said(&storage, 3).contains("directions"));
    place.ask("UPDATE version_info SET schema_version = 13").expect("a version");
    assert!(said(&storage, 1).contains("schema version 13"));
    place.server().control("stop");
    assert!(said(&storage, 3).contains("can't be read or written"));
}

/// A study as Optuna makes it, with a trial that waits.
const MAKE: &str = r#"
import sys
import optuna
study = optuna.create_study(study_name="s-3", storage=sys.argv[1], directions=["minimize", "maximize"])
study.enqueue_trial({"wiring": "ws", "wiring.ws.n": 9, "wiring.ws.k": "4", "wiring.ws.p": 0.25, "width": 8})
"#;

/// The tables of a database, with the types of their columns, and what is unique or refers to others.
const SCHEMA: &str = "SELECT md5(string_agg(line, ';' ORDER BY line)) FROM (
    SELECT format('%s.%s %s %s', table_name, column_name, udt_name, is_nullable) AS line FROM information_schema.columns
        WHERE table_schema = 'public' AND table_name NOT LIKE 'cnasc%'
    UNION ALL SELECT format('%s %s', conrelid::regclass, pg_get_constraintdef(oid)) FROM pg_constraint
        WHERE conrelid <> 0 AND conrelid::regclass::text NOT LIKE 'cnasc%' AND connamespace = 'public'::regnamespace
    UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename NOT LIKE 'cnasc%'
    UNION ALL SELECT format('%s %s', enumtypid::regtype, string_agg(enumlabel, ',' ORDER BY enumsortorder)) FROM pg_enum GROUP BY enumtypid
) AS lines";

#[test]
fn optuna_and_this_program_share_a_server() {
    let Some(python) = python("optuna, psycopg2") else { return };
    let (Some(ours), Some(theirs)) = (Place::on_a_server(), Place::on_a_server()) else { return };
    let url = theirs.server().url("postgresql+psycopg2");
    let made = Command::new(&python).args(["-c", MAKE, &url]).stderr(Stdio::null()).status();
    assert!(made.is_ok_and(|status| status.success()));
    optuna_reads(&ours, &python, &ours.server().url("postgresql+psycopg2"));
    assert_eq!(ours.ask(SCHEMA), theirs.ask(SCHEMA), "the tables are those that Optuna makes");
    // A study that Optuna has begun is taken up, and the URL is understood as SQLAlchemy writes it.
    let found = theirs.search(0, &["--storage", &url, "--budget", "40"]);
    assert_eq!((found["evaluated"].as_u64(), theirs.count("trials WHERE state = 'WAITING'")), (Some(41), 0));
}

#[test]
fn optuna_reads_what_stopped_on_a_server() {
    let Some(python) = python("optuna, psycopg2") else { return };
    let Some(place) = Place::on_a_server() else { return };
    optuna_reads_stopped(&place, &python, &place.server().url("postgresql+psycopg2"));
}

#[test]
fn a_dashboard_shows_the_front_on_a_server() {
    let Some(python) = python("optuna_dashboard, psycopg2") else { return };
    let Some(place) = Place::on_a_server() else { return };
    dashboard_shows(&place, &python, &place.server().url("postgresql+psycopg2"));
}
