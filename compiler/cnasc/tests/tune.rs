//! `cnasc tune` through the real binary: what it keeps, who reads it, and what becomes of a file that is none.

#![allow(clippy::panic, reason = "a failing test panics, in its helpers too")]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn example(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the workspace is above");
    root.join("examples").join(name).display().to_string()
}

/// With a cache folder of the test's own.
#[track_caller]
fn cnasc(status: i32, cache: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cnasc"));
    let output = command.args(args).env("XDG_CACHE_HOME", cache).output().expect("the binary starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{args:?}\n{stderr}");
    output
}

#[track_caller]
fn tune(cache: &Path, args: &[&str]) -> Value {
    let output = cnasc(0, cache, &[&["--format", "json", "tune"], args].concat());
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn kept(path: &Path) -> serde_json::Map<String, Value> {
    let kept: Value = serde_json::from_slice(&std::fs::read(path).expect("the file")).expect("JSON");
    kept["kernels"].as_object().expect("kernels by key").clone()
}

#[test]
fn what_is_found_is_added_up_and_kept() {
    let cache = tempfile::tempdir().expect("a folder");
    let first = tune(cache.path(), &[&example("quickstart.cnas")]);
    let file = PathBuf::from(first["file"].as_str().expect("a path"));
    assert!(file.starts_with(cache.path()) && file.extension().is_some_and(|ending| ending == "json"), "{first}");
    let kernels = first["kernels"].as_array().expect("a list");
    for (total, field) in [("usual_ms", "usual_nanoseconds"), ("ms", "nanoseconds")] {
        let sum: f64 = kernels.iter().map(|row| row["calls"].as_f64().unwrap() * row[field].as_f64().unwrap()).sum();
        let total = first[total].as_f64().expect("a number");
        assert!(total > 0.0 && (sum / 1e6 - total).abs() <= 1e-9 * total, "{first}");
    }
    let before = kept(&file);
    assert_eq!(before.len(), kernels.len());
    // Another network's are added to them, and one of the same kernels needs no more room.
    tune(cache.path(), &[&example("randwire.cnas"), "--item", "stage", "--set", "channels=20"]);
    let both = kept(&file);
    assert!(both.len() > before.len() && before.keys().all(|key| both.contains_key(key)));
    tune(cache.path(), &[&example("quickstart.cnas")]);
    assert_eq!(kept(&file).len(), both.len());

    let people = cnasc(0, cache.path(), &["tune", &example("quickstart.cnas")]);
    let people = String::from_utf8(people.stdout).expect("UTF-8");
    assert!(people.contains("kernels measured on one thread") && people.contains("kept in "), "{people}");
}

/// What one has measured while another did is not lost.
#[test]
fn several_may_tune_at_once() {
    let networks = ["channels=8", "channels=12", "channels=16", "channels=20"];
    let source = example("randwire.cnas");
    let of = |set| ["--format", "json", "tune", &source, "--item", "stage", "--set", set];
    let (alone, together) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let started = networks.map(|set| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cnasc"));
        command.args(of(set)).env("XDG_CACHE_HOME", together.path()).stdout(Stdio::piped());
        command.spawn().expect("the binary starts")
    });
    let file = |output: Output| -> PathBuf {
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        report["file"].as_str().expect("a path").into()
    };
    let files = started.map(|child| file(child.wait_with_output().expect("it was started here")));
    let one_by_one = networks.map(|set| file(cnasc(0, alone.path(), &of(set))));
    let keys = |file: &Path| kept(file).keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&files[0]), keys(&one_by_one[0]));
}

/// That it can't be kept is known before anything is measured.
#[test]
fn a_cache_that_is_no_folder_is_told_of() {
    let cache = tempfile::NamedTempFile::new().expect("a file");
    let refused = cnasc(3, cache.path(), &["tune", &example("quickstart.cnas")]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("error[E0701]"), "{refused:?}");
    let told = cnasc(0, cache.path(), &["bench", &example("quickstart.cnas"), "--runs", "1"]);
    assert!(!String::from_utf8_lossy(&told.stderr).contains("warning"), "{told:?}");
}

#[test]
fn whatever_was_found_the_answers_are_the_same() {
    let cache = tempfile::tempdir().expect("a folder");
    let file = PathBuf::from(tune(cache.path(), &[&example("quickstart.cnas")])["file"].as_str().expect("a path"));
    let text = std::fs::read_to_string(&file).expect("the file");
    for form in ["taps", "winograd", "two-vectors", "three-vectors", "four-vectors", "short-passes", "long-passes"] {
        let mut all: Value = serde_json::from_str(&text).expect("JSON");
        for kernel in all["kernels"].as_object_mut().expect("kernels").values_mut() {
            kernel["form"] = form.into();
        }
        std::fs::write(&file, all.to_string()).expect("it can be written");
        let run = ["run", &example("quickstart.cnas"), "--input", &example("data/ankle-boot.png"), "--verify"];
        let told = cnasc(0, cache.path(), &run);
        assert!(!String::from_utf8_lossy(&told.stderr).contains("warning"), "{form}: {told:?}");
    }
}

#[test]
fn a_damaged_file_is_told_of_and_left_alone() {
    let cache = tempfile::tempdir().expect("a folder");
    let file = PathBuf::from(tune(cache.path(), &[&example("quickstart.cnas")])["file"].as_str().expect("a path"));
    let whole = std::fs::read_to_string(&file).expect("the file");
    let bench = ["bench", &example("quickstart.cnas"), "--runs", "1"];
    for damaged in
        [&whole[..whole.len() / 2], "", "[]", &whole.replace("\"usual\"", "\"fast\""), &whole.replacen('1', "2", 1)]
    {
        std::fs::write(&file, damaged).expect("it can be written");
        let told = cnasc(0, cache.path(), &bench);
        let stderr = String::from_utf8_lossy(&told.stderr).into_owned();
        assert!(stderr.contains("warning[E0602]") && stderr.contains("--no-tuning"), "{damaged:.40}: {stderr}");
        let told = cnasc(0, cache.path(), &[&bench[..], &["--no-tuning"]].concat());
        assert!(!String::from_utf8_lossy(&told.stderr).contains("E0602"));
        let refused = cnasc(1, cache.path(), &["tune", &example("quickstart.cnas")]);
        assert!(String::from_utf8_lossy(&refused.stderr).contains("error[E0602]"));
        assert_eq!(std::fs::read_to_string(&file).expect("the file"), damaged);
    }
}

#[test]
fn without_a_place_to_keep_it_that_is_said() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cnasc"));
    command.args(["tune", &example("quickstart.cnas")]).env("XDG_CACHE_HOME", "relative").env("HOME", "nowhere");
    let output = command.output().expect("the binary starts");
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("error[E0701]"), "{output:?}");
}
