//! `cnasc bench` through the real binary: the fields of its contract, and what they must add up to.

#![allow(clippy::panic, reason = "a failing test panics, in its helpers too")]

use serde_json::Value;
use std::path::Path;
use std::process::Command;

fn quickstart() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the workspace is above");
    root.join("examples/quickstart.cnas").display().to_string()
}

/// Standard output of a bench of the example that exits with `status`.
#[track_caller]
fn bench(status: i32, form: &str, args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cnasc"));
    command.args(["--format", form, "-q", "bench", &quickstart()]).args(args);
    let output = command.output().expect("the binary starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{args:?}\n{stderr}");
    String::from_utf8(output.stdout).expect("output is UTF-8")
}

#[track_caller]
fn json(status: i32, args: &[&str]) -> Value {
    let text = bench(status, "json", args);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn latencies_keep_the_contract() {
    let rows = json(0, &["--threads", "1,2", "--backend", "jit", "--runs", "5"]);
    let rows = rows.as_array().expect("a list");
    assert_eq!(rows.len(), 2);
    for (row, threads) in rows.iter().zip([1, 2]) {
        assert_eq!(row["threads"], threads);
        assert_eq!(row["backend"], "jit");
        for field in ["median_ms", "min_ms", "gflops", "ready_ms"] {
            assert!(row[field].as_f64().is_some_and(|value| value > 0.0), "{field}: {row}");
        }
        assert!(row["model"].is_string());
    }
}

#[test]
fn a_profile_accounts_for_all_time_and_all_operations() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("trace.json").display().to_string();
    let report = json(0, &["--profile", "--runs", "3", "--trace", &path]);
    let sum = |list: &str, field: &str| -> f64 {
        let parts = report[list].as_array().expect("a list");
        parts.iter().map(|part| part[field].as_f64().expect("a number")).sum()
    };
    let close = |a: f64, b: f64| (a - b).abs() <= 1e-9 * b.abs();
    for list in ["kernels", "nodes"] {
        assert!(close(sum(list, "ms"), report["ms"].as_f64().expect("a number")), "{list}: {report}");
        assert!(close(sum(list, "share"), 1.0), "{list}: {report}");
        // Every operation is some call's, whatever was fused into what.
        assert!(close(sum(list, "gflop"), report["gflop"].as_f64().expect("a number")), "{list}: {report}");
    }
    let trace: Value = serde_json::from_slice(&std::fs::read(&path).expect("the trace")).expect("JSON");
    let calls = trace["traceEvents"].as_array().expect("a list").iter().filter(|event| event["ph"] == "X");
    assert_eq!(calls.count() as f64, sum("nodes", "calls"));
    let people = bench(0, "human", &["--profile", "--runs", "2"]);
    assert!(people.contains("on one thread") && people.contains("The slowest"), "{people}");
}

#[test]
fn a_profile_is_of_one_thread() {
    for args in [["--threads", "2"], ["--backend", "reference"], ["--strategy", "heft"]] {
        let refused = json(2, &[&["--profile"], &args[..]].concat());
        assert_eq!(refused[0]["code"], "E0606", "{args:?}");
    }
}
