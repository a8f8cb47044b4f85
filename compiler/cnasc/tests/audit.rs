//! `cnasc audit` end to end, through the real binary: generators of a file and of the library, and given graphs, among them both
//! bugs of public implementations that paper.md A5 describes.

#![allow(clippy::panic, reason = "a failing test panics, in its helpers too")]

use serde_json::Value;
use std::path::Path;
use std::process::Command;

const WS: &str = "std::generators::ws(n: 32, k: 4, p: 0.75)";

/// Status, standard output and standard error.
fn cnasc(args: &[&str]) -> (i32, String, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the workspace is above");
    let mut command = Command::new(env!("CARGO_BIN_EXE_cnasc"));
    let output = command.current_dir(root).args(args).output().expect("the binary starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    let stderr = text(output.stderr);
    assert!(!stderr.contains("bug:"), "{stderr}");
    (output.status.code().expect("an exit status"), text(output.stdout), stderr)
}

#[track_caller]
fn json(status: i32, args: &[&str]) -> Value {
    let (found, text, _) = cnasc(&[&["--format", "json", "-q", "audit"], args].concat());
    assert_eq!(found, status, "{text}");
    serde_json::from_str(&text).expect("one document")
}

fn figure<'a>(audit: &'a Value, name: &str) -> &'a Value {
    let figures = audit["figures"].as_array().expect("a list");
    figures.iter().find(|row| row["figure"] == name).unwrap_or_else(|| panic!("no {name} in {audit}"))
}

fn doubts(audit: &Value) -> Vec<&str> {
    audit["doubts"].as_array().expect("a list").iter().filter_map(Value::as_str).collect()
}

/// Edge lists in a folder, with the numbers of nodes and edges in front as the public files have them.
fn files(graphs: &[Vec<(u32, u32)>]) -> (tempfile::TempDir, Vec<String>) {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |(index, edges): (usize, &Vec<(u32, u32)>)| {
        let path = folder.path().join(format!("ws-4-075-{}.txt", index + 3));
        let lines: String = edges.iter().map(|(a, b)| format!("{a} {b}\n")).collect();
        std::fs::write(&path, format!("32\n{}\n{lines}", edges.len())).expect("a file");
        path.display().to_string()
    };
    let paths = graphs.iter().enumerate().map(write).collect();
    (folder, paths)
}

/// A ring of 32 nodes, each joined to the two nearest on either side.
fn lattice() -> Vec<(u32, u32)> {
    (0..32).flat_map(|i| [(i, (i + 1) % 32), (i, (i + 2) % 32)]).collect()
}

/// The same with three of four edges moved to far places, as a sound WS(4, 0.75) would: each to a place of its own.
fn rewired(shift: u32) -> Vec<(u32, u32)> {
    let move_edge = |(place, (from, to)): (u32, (u32, u32))| {
        if (place + shift).is_multiple_of(4) {
            (from, to)
        } else {
            (from, (from + 5 + place % 2 * 7 + (place * shift) % 5) % 32)
        }
    };
    (0..).zip(lattice()).map(move_edge).collect()
}

#[test]
fn lattices_sold_as_rewired_are_found() {
    let (_folder, paths) = files(&[lattice(), lattice(), lattice()]);
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let audit = &json(1, &[&["--item", WS, "--graphs"], &paths[..]].concat())[0];
    assert_eq!((&audit["passed"], &audit["graphs"]), (&false.into(), &3.into()));
    let share = figure(audit, "rewired share");
    assert_eq!(share["mean"], 0.0);
    assert!(share["p"].as_f64().expect("a p-value") < 1e-100, "{share}");
    assert!(doubts(audit).contains(&"rewired share"), "{audit}");
    let (status, text, stderr) =
        cnasc(&[&["--color", "never", "audit", "--item", WS, "--graphs"], &paths[..]].concat());
    assert_eq!(status, 1);
    assert!(stderr.contains("cnasc explain E0613"), "{stderr}");
    insta::assert_snapshot!(text, @"
    ws(n: 32, k: 4, p: 0.75): 3 given graphs, held against theory and 1000 draws from seed 1

    figure            found  expected           p  deviation  least  greatest
    nodes                32        32       1.000          0     32        32
    edges                64        64       1.000          0     64        64
    rewired share         0    0.7107  3.9e-104 !
    components            1         1       1.000          0      1         1
    depth                32    10.117   3.9e-71 !          0     32        32
    width                 1     6.303   3.3e-13 !          0      1         1
    different graphs      1             1.6e-29 !

    degree     nodes  expected
         2    0.00 %   11.55 %
         3    0.00 %   27.28 %
         4  100.00 %   28.98 %
         5    0.00 %   19.38 %
         6    0.00 %    8.79 %
         7    0.00 %    2.95 %
         8    0.00 %    0.79 %
         9    0.00 %    0.23 %
        10    0.00 %    0.03 %
        11    0.00 %    0.01 %
    all together: p = 1.3e-54 !

    IN DOUBT: rewired share, depth, width, different graphs, degree (p below 1.25e-4 = 0.001 / 8 checks)
    ");
}

#[test]
fn one_wiring_in_every_stage_is_found() {
    let same = rewired(1);
    let (_folder, paths) = files(&[same.clone(), same.clone(), same]);
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let audit = &json(1, &[&["--item", WS, "--graphs"], &paths[..]].concat())[0];
    assert!(doubts(audit).contains(&"different graphs"), "{audit}");
    assert_eq!(figure(audit, "different graphs")["mean"], 1.0);
    // Three of their own are not doubted for that.
    let (_folder, paths) = files(&[rewired(1), rewired(2), rewired(3)]);
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let (_, text, _) = cnasc(&[&["--format", "json", "audit", "--item", WS, "--graphs"], &paths[..]].concat());
    let audit: Value = serde_json::from_str(&text).expect("one document");
    assert!(!doubts(&audit[0]).contains(&"different graphs"), "{audit}");
    assert!(!doubts(&audit[0]).contains(&"rewired share"), "{audit}");
}

#[test]
fn a_files_own_generators_are_sound() {
    let audits = json(0, &["examples/quickstart.cnas", "-n", "300"]);
    let families: Vec<&str> =
        audits.as_array().expect("a list").iter().filter_map(|one| one["family"].as_str()).collect();
    assert_eq!(families, ["the body of search `edge`", "local(n: 32, reach: 4.0)"]);
    let local = json(0, &["examples/quickstart.cnas", "-n", "300", "--item", "local stays local"]);
    assert_eq!(local[0], audits[1]);
    let other = json(0, &["examples/quickstart.cnas", "-n", "300", "--item", "local(reach: 4.0, n: 32)"]);
    assert_eq!(other[0], audits[1], "the same family by its arguments");
    let seeded = json(0, &["examples/quickstart.cnas", "-n", "300", "--item", "local stays local", "--seed", "2"]);
    assert_ne!(seeded[0]["figures"], audits[1]["figures"]);
    let distances = &audits[1]["distributions"][1];
    assert_eq!((&distances["figure"], &distances["shares"][0]["at"]), (&"ring distance".into(), &1.into()));
}

#[test]
fn a_generator_of_the_library_for_people() {
    let (status, text, _) = cnasc(&["audit", "--item", "er(n: 8, p: 0.25)", "-n", "200"]);
    assert_eq!(status, 0, "{text}");
    insta::assert_snapshot!(text, @"
    er(n: 8, p: 0.25): 200 graphs drawn from seed 1

    figure               found  expected      p  deviation  least  greatest
    nodes                    8         8  1.000          0      8         8
    edges                6.845         7  0.339     2.2797      2        13
    deviation of edges  2.2797    2.2913  0.816
    components            2.39                      1.2392      1         6
    depth                 3.32                      0.8726      2         6
    width                 3.86                      0.9926      2         6
    different graphs       200            1.000

    degree    nodes  expected
         0  14.25 %   13.35 %
         1  32.19 %   31.15 %
         2  29.25 %   31.15 %
         3  18.06 %   17.30 %
         4   5.00 %    5.77 %
         5   1.25 %    1.15 %
         6   0.00 %    0.13 %
         7   0.00 %    0.01 %
    all together: p = 0.432

    ring distance    pairs  expected
                1  23.81 %   25.00 %
                2  24.25 %   25.00 %
                3  25.44 %   25.00 %
                4  24.12 %   25.00 %
    all together: p = 0.704

    in keeping with its family (no p below 1.67e-4 = 0.001 / 6 checks)
    ");
}

#[test]
fn what_cannot_be_audited_is_told() {
    let code = |status: i32, args: &[&str]| {
        let found = json(status, args);
        found[0]["code"].as_str().expect("a code").to_owned()
    };
    let quickstart = "examples/quickstart.cnas";
    let (folder, paths) = files(&[lattice()]);
    assert_eq!(code(2, &[]), "E0603");
    assert_eq!(code(1, &[quickstart, "--item", "nothing(n: 3)"]), "E0201");
    assert_eq!(code(1, &[quickstart, "--item", "local(n: 3"]), "E0103");
    assert_eq!(code(1, &["--item", "no_such(n: 3)"]), "E0203");
    assert_eq!(code(2, &[quickstart, "--graphs", &paths[0]]), "E0603");
    assert_eq!(code(2, &[quickstart, "--item", "edge", "--graphs", &paths[0]]), "E0603");
    assert_eq!(code(1, &["--item", WS, "--graphs", "no/such/file"]), "E0601");
    let wrong = folder.path().join("wrong.txt");
    std::fs::write(&wrong, "0 1\n1 x\n").expect("a file");
    let found = json(1, &["--item", WS, "--graphs", &wrong.display().to_string()]);
    assert_eq!((&found[0]["code"], &found[0]["spans"][0]["line"]), (&"E0602".into(), &2.into()));
}
