//! `cnasc test` and `cnasc diff` end to end, through the real binary: what passes, what fails and how it is told, snapshots on disk.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const PROGRAM: &str = "\
use std::blocks::sepconv
use std::generators::chain

generator dense(n: int) {
    nodes n
    edge(i, j) with probability 0.5
}

network small(wiring: generator) {
    input image(1, 8, 8)
    stem  conv(3, 4)
    body  wiring of sepconv
    head  global_avg -> linear(2)
}

test \"holds\" {
    sample 20 of chain(n: 6) seed 3
    expect max(depth) == 6
    expect mean(degree) < 2
}

test \"does not hold\" {
    sample 20 of chain(n: 6) seed 3
    expect 4 > max(edges)
    expect min(nodes) >= 6
}

test \"kept\" {
    sample 2 of small(wiring: dense(n: 4)) seed 9
    expect snapshot
}
";

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(program: &str) -> Self {
        let folder = Self(tempfile::tempdir().expect("a folder"));
        folder.write(program);
        folder
    }

    fn write(&self, program: &str) {
        std::fs::write(self.source(), program).expect("a file");
    }

    fn source(&self) -> PathBuf {
        self.0.path().join("small.cnas")
    }

    fn snapshot(&self, ending: &str) -> PathBuf {
        self.0.path().join("snapshots").join(format!("small__kept.{ending}"))
    }

    /// Status and standard output of `cnasc test` in this folder.
    fn test(&self, output: &[&str], options: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cnasc"));
        command.current_dir(self.0.path()).args(output).args(["test", "small.cnas"]).args(options).stdin(Stdio::null());
        said(&command.output().expect("the binary starts"))
    }

    fn json(&self, status: i32, options: &[&str]) -> Value {
        let (found, text) = self.test(&["--format", "json", "-q"], options);
        assert_eq!(found, status, "{text}");
        serde_json::from_str(&text).expect("one document")
    }
}

fn said(output: &Output) -> (i32, String) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains("bug:"), "{stderr}");
    (output.status.code().expect("an exit status"), String::from_utf8(output.stdout.clone()).expect("UTF-8"))
}

#[test]
fn a_report_for_people() {
    let folder = Folder::new(PROGRAM);
    let (status, text) = folder.test(&["--color", "never"], &[]);
    assert_eq!(status, 1);
    insta::assert_snapshot!(text, @r#"
    small.cnas
      passed  holds: 20 samples of chain(n: 6)
      FAILED  does not hold: 20 samples of chain(n: 6)

    error[E0610]: `4 > max(edges)` does not hold
       ┌─ small.cnas:24:12
       │
    24 │     expect 4 > max(edges)
       │            ^^^^^^^^^^^^^^ found 5
       │
       = over 20 samples of chain(n: 6) from seed 3
       = first in sample 1, which is drawn from seed 859966512932258

      FAILED  kept: 2 samples of small(wiring: dense(n: 4))

    error[E0612]: "kept" has no snapshot to compare with yet
       ┌─ small.cnas:30:12
       │
    30 │     expect snapshot
       │            ^^^^^^^^ never accepted
       │
       = the samples are in snapshots/small__kept.snap.new
       = if they are as they should be: cnasc test small.cnas --accept

    1 passed, 2 failed
    "#);
}

#[test]
fn a_list_for_programs() {
    let folder = Folder::new(PROGRAM);
    let rows = folder.json(1, &[]);
    let passed: Vec<bool> = rows.as_array().expect("a list").iter().map(|row| row["passed"] == true).collect();
    assert_eq!(passed, [true, false, false]);
    let wrong = &rows[1]["expectations"][0];
    assert_eq!(
        (&wrong["expect"], &wrong["found"], &wrong["limit"]),
        (&"4 > max(edges)".into(), &5.0.into(), &4.0.into())
    );
    assert_eq!((&wrong["line"], &wrong["passed"]), (&24.into(), &false.into()));
    assert_eq!(rows[1]["expectations"][1]["passed"], true);
    assert_eq!(rows[1]["findings"][0]["code"], "E0610");
    assert_eq!(rows[2]["findings"][0]["code"], "E0612");
    assert_eq!(rows[2]["expectations"][0]["snapshot"], "missing");
}

#[test]
fn a_snapshot_from_first_to_last() {
    let folder = Folder::new(PROGRAM);
    assert_eq!(folder.json(1, &[])[2]["passed"], false);
    assert!(folder.snapshot("snap.new").exists() && !folder.snapshot("snap").exists());
    assert_eq!(folder.json(1, &["--accept"])[2]["expectations"][0]["snapshot"], "accepted");
    assert!(!folder.snapshot("snap.new").exists());
    let kept = insta::Snapshot::from_file(&folder.snapshot("snap")).expect("insta reads it");
    assert_eq!(kept.metadata().source(), Some("small.cnas"));
    assert_eq!(kept.metadata().expression(), Some("2 of small(wiring: dense(n: 4)) seed 9"));
    insta::assert_snapshot!(kept.as_text().expect("a text").to_string(), @"
    sample 1, seed 7865658545658910
    network small 1x8x8, 7 nodes, hash 79a13cb92e143172
    stem = image: conv3 4 +bias : 4x8x8
    body.0 = stem: relu -> depthwise3 -> pointwise 4 -> bn : 4x8x8
    body.1 = body.0: relu -> depthwise3 -> pointwise 4 -> bn : 4x8x8
    body.2 = body.0: relu -> depthwise3 -> pointwise 4 -> bn : 4x8x8
    body.3 = body.1 + body.2: weighted -> relu -> depthwise3 -> pointwise 4 -> bn : 4x8x8
    head = body.3: global_avg -> linear 2 : 2x1x1

    sample 2, seed 3141014880565165
    network small 1x8x8, 7 nodes, hash 043aaf0584c720b8
    stem = image: conv3 4 +bias : 4x8x8
    body.0 = stem: relu -> depthwise3 -> pointwise 4 -> bn : 4x8x8
    body.1 = body.0: relu -> depthwise3 -> pointwise 4 -> bn : 4x8x8
    body.2 = body.1: relu -> depthwise3 -> pointwise 4 -> bn : 4x8x8
    body.3 = body.0 + body.2: weighted -> relu -> depthwise3 -> pointwise 4 -> bn : 4x8x8
    head = body.3: global_avg -> linear 2 : 2x1x1
    ");
    assert_eq!(folder.json(1, &[])[2]["expectations"][0]["snapshot"], "same");

    folder.write(&PROGRAM.replace("probability 0.5", "probability 0.6").replace("conv(3, 4)", "conv(5, 4)"));
    let row = &folder.json(1, &[])[2];
    assert_eq!(row["findings"][0]["code"], "E0611");
    let change = &row["expectations"][0]["changes"][0];
    assert_eq!(change["sample"], "sample 1");
    assert_eq!(change["difference"]["nodes_changed"][0]["node"], "stem");
    let pending = insta::Snapshot::from_file(&folder.snapshot("snap.new")).expect("insta reads it");
    assert_eq!(pending.metadata().assertion_line(), Some(28));
    let (_, text) = folder.test(&["--color", "never"], &[]);
    let told = text.split("error[E0611]").nth(1).expect("the snapshot's finding");
    insta::assert_snapshot!(told, @r#"
    : the samples of "kept" are not those that were accepted
       ┌─ small.cnas:30:12
       │
    30 │     expect snapshot
       │            ^^^^^^^^ 2 samples differ
       │
       = sample 1: 1 node changed
           ~ node stem: `conv3 4 +bias` → `conv5 4 +bias`
       = sample 2: 1 node changed
           ~ node stem: `conv3 4 +bias` → `conv5 4 +bias`
       = the samples are in snapshots/small__kept.snap.new
       = if they are as they should be: cnasc test small.cnas --accept

    1 passed, 2 failed
    "#);

    // Back again: what was pending is gone.
    folder.write(PROGRAM);
    assert_eq!(folder.json(1, &[])[2]["passed"], true);
    assert!(!folder.snapshot("snap.new").exists());
}

#[test]
fn reviewing_needs_a_terminal() {
    let folder = Folder::new(PROGRAM);
    let (status, text) = folder.test(&["--format", "json"], &["--review"]);
    assert_eq!(status, 2);
    assert!(text.contains("E0606") && text.contains("terminal"), "{text}");
    assert!(!folder.snapshot("snap.new").exists(), "nothing is run");
    assert_eq!(folder.test(&[], &["--review", "--accept"]).0, 2, "one or the other");
}

#[test]
fn a_wrong_file_is_no_failed_test() {
    let folder = Folder::new("test \"t\" {\n    sample 1 of nothing\n    expect snapshot\n}\n");
    assert_eq!(folder.json(1, &[])[0]["code"], "E0201");
    folder.write("");
    assert_eq!(folder.test(&[], &[]), (0, "0 passed, 0 failed\n".to_owned()));
}

#[test]
fn samples_that_cannot_be_drawn_are_told() {
    let rule = "generator g(n: int) {\n    nodes n\n    edge(i, j) with probability 0.5 / ((i - 17) * (i - 17) + (j - 23) * (j - 23))\n}\n";
    let folder =
        Folder::new(&format!("{rule}\ntest \"t\" {{\n    sample 2 of g(n: 40)\n    expect max(depth) < 90\n}}\n"));
    let rows = folder.json(1, &[]);
    assert_eq!((&rows[0]["passed"], &rows[0]["findings"][0]["code"]), (&false.into(), &"E0502".into()), "{rows}");
}

#[test]
fn the_examples_pass_their_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the workspace is above");
    let mut command = Command::new(env!("CARGO_BIN_EXE_cnasc"));
    command.current_dir(root).args(["--format", "json", "test", "examples/quickstart.cnas"]);
    let (status, text) = said(&command.output().expect("the binary starts"));
    assert_eq!(status, 0, "{text}");
}

#[test]
fn diff_tells_nodes_and_edges() {
    let folder = Folder::new(PROGRAM);
    let cnasc = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cnasc"));
        said(&command.current_dir(folder.0.path()).args(args).output().expect("the binary starts"))
    };
    for seed in ["1", "2"] {
        let set = ["--set", "wiring=dense(n: 4)", "--item", "small"];
        let (status, text) = cnasc(&[&["expand", "small.cnas", "--seed", seed, "--emit", "json"], &set[..]].concat());
        assert_eq!(status, 0, "{text}");
        std::fs::write(folder.0.path().join(format!("{seed}.arch.json")), text).expect("a file");
    }
    assert_eq!(cnasc(&["diff", "1.arch.json", "1.arch.json"]), (0, "the same network\n".to_owned()));
    let (status, text) = cnasc(&["diff", "1.arch.json", "2.arch.json"]);
    assert_eq!(status, 1);
    insta::assert_snapshot!(text, @"
    1 node added, 1 node changed, 4 edges added, 5 edges removed
    + node body.out = body.0 + body.2 + body.3: mean : 4x8x8
    ~ node body.3: `weighted -> relu -> depthwise3 -> pointwise 4 -> bn` → `relu -> depthwise3 -> pointwise 4 -> bn`
    - edge body.0 → body.1
    - edge body.0 → body.2
    - edge body.1 → body.3
    - edge body.2 → body.3
    - edge body.3 → head
    + edge stem → body.1
    + edge body.1 → body.2
    + edge stem → body.3
    + edge body.out → head
    ");
    let (_, text) = cnasc(&["--format", "json", "diff", "1.arch.json", "2.arch.json"]);
    let document: Value = serde_json::from_str(&text).expect("one document");
    assert_eq!(document["same"], false);
    assert!(document["difference"]["edges_added"].is_array());
    assert_eq!(cnasc(&["diff", "1.arch.json", "small.cnas.no"]).0, 1);
}

/// Of 64 pixels and 16 channels a limit of 128 leaves three halvings: 32, 64, 128 channels of 32, 16, 8 pixels.
#[test]
fn stagings_and_blocks_are_sampled_in_a_network_of_their_own() {
    let folder = Folder::new(
        "staging all(limit: int) {\n    policy   greedy\n    channels double up to limit\n    shrink   maxpool(2)\n}\n\n\
         block cell(side: int) = aggregate(concat) -> conv(side) -> relu\n\n\
         test \"staging\" {\n    sample 2 of all(limit: 128) seed 1\n    expect max(channels) == 128\n    expect min(channels) == 32\n    \
         expect max(size) == 32\n    expect min(size) == 8\n    expect max(nodes) == 32\n}\n\n\
         test \"kept\" {\n    sample 1 of cell(side: 5) seed 1\n    expect snapshot\n    expect mean(channels) == 16\n}\n",
    );
    let rows = folder.json(0, &["--accept"]);
    assert_eq!((&rows[0]["of"], &rows[1]["of"]), (&"all(limit: 128)".into(), &"cell(side: 5)".into()));
    let kept = insta::Snapshot::from_file(&folder.snapshot("snap")).expect("insta reads it");
    insta::assert_snapshot!(kept.as_text().expect("a text").to_string(), @"
    sample 1, seed 8125376136008758
    network cell 16x32x32, 4 nodes, hash 2bc11b0e23721b9b
    body.0 = image: conv5 16 +bias -> relu : 16x32x32
    body.1 = image: conv5 16 +bias -> relu : 16x32x32
    body.2 = body.0 + body.1: concat -> conv5 16 +bias -> relu : 16x32x32
    ");
}
