//! The command line end to end, through the real binary: exit statuses, the JSON of the contract, and what lands in files.

#![allow(clippy::panic, reason = "a failing test panics, in its helpers too")]

mod searches;

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the workspace is above").to_owned()
}

fn quickstart() -> String {
    root().join("examples/quickstart.cnas").display().to_string()
}

fn cnasc(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cnasc")).args(args).output().expect("the binary starts")
}

/// Standard output of a run that exits with `status`.
#[track_caller]
fn text(status: i32, args: &[&str]) -> String {
    let output = cnasc(args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "cnasc {args:?}\n{stderr}");
    assert!(!stderr.contains("bug:"), "{stderr}");
    String::from_utf8(output.stdout).expect("output is UTF-8")
}

/// The one JSON document of a run.
#[track_caller]
fn json(status: i32, args: &[&str]) -> Value {
    // In front, because a command that is not there yet takes all that follows it.
    let all: Vec<&str> = ["--format", "json", "-q"].iter().chain(args).copied().collect();
    let text = text(status, &all);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A file of its own folder.
fn file(name: &str, contents: impl AsRef<[u8]>) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    std::fs::write(&path, contents).expect("a file");
    let path = path.display().to_string();
    (folder, path)
}

#[track_caller]
fn first_code(document: &Value) -> &str {
    document[0]["code"].as_str().unwrap_or_else(|| panic!("no code in {document}"))
}

#[test]
fn check_says_where() {
    assert_eq!(json(0, &["check", &quickstart()]), serde_json::json!([]));
    let wrong = std::fs::read_to_string(quickstart()).expect("the example").replace("sepconv staged", "sepcon staged");
    let (_folder, path) = file("wrong.cnas", &wrong);
    let found = json(1, &["check", &path]);
    let first = &found[0];
    let start = first["spans"][0]["start"].as_u64().expect("a span") as usize;
    let end = first["spans"][0]["end"].as_u64().expect("a span") as usize;
    assert_eq!(&wrong[start..end], "sepcon");
    assert_eq!(first["suggestion"]["replacement"], "sepconv");
    for field in ["code", "severity", "message", "file"] {
        assert!(first[field].is_string(), "{field} is missing: {first}");
    }
    for field in ["line", "column"] {
        assert!(first["spans"][0][field].is_u64(), "{field} is missing: {first}");
    }
    let code = first_code(&found);
    assert!(text(0, &["explain", code]).starts_with(&format!("# {code}")));
}

/// The manual's example of findings is what a program gets.
#[test]
fn findings_are_as_the_manual_says() {
    let manual = std::fs::read_to_string(root().join("grammar/README.md")).expect("the manual");
    let (_, rest) = manual.split_once("```json\n").expect("an example");
    let example: Value = serde_json::from_str(rest.split("```").next().unwrap_or_default()).expect("it is JSON");
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("small.cnas"), "use std::blocks::sepcnv\n").expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_cnasc"));
    let output = command.current_dir(folder.path()).args(["--format", "json", "check", "small.cnas"]).output();
    let output = output.expect("the binary starts");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).expect("one document"), example);
}

#[test]
fn exit_statuses() {
    text(2, &["frobnicate"]);
    text(2, &["expand"]);
    assert_eq!(first_code(&json(1, &["check", "no/such/file.cnas"])), "E0601");
    assert_eq!(first_code(&json(2, &["explain", "E9999"])), "E0606");
    assert_eq!(first_code(&json(2, &["train", "--data", "x"])), "E0606");
    if cfg!(not(feature = "train")) {
        assert_eq!(first_code(&json(2, &["train", &quickstart(), "-o", "nowhere"])), "E0614");
    }
    assert_eq!(first_code(&json(2, &["lsp"])), "E0920");
    assert_eq!(first_code(&json(2, &["plan", &quickstart(), "--strategy", "luck"])), "E0606");
    assert_eq!(first_code(&json(2, &["plan", &quickstart(), "--fleet", "nowhere"])), "E0605");
    assert_eq!(first_code(&json(1, &["expand", &quickstart(), "--item", "nothing"])), "E0603");
    assert_eq!(first_code(&json(1, &["expand", &quickstart(), "--set", "wiring.m=3"])), "E0604");
    assert_eq!(first_code(&json(1, &["expand", &quickstart(), "--set", "width=17"])), "E0531");
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let example = quickstart();
    let draw = |seed: &str| text(0, &["expand", &example, "--seed", seed, "--emit", "json"]);
    assert_eq!(draw("5"), draw("5"));
    assert_ne!(draw("5"), draw("6"));
    let several = json(0, &["expand", &example, "--seed", "5", "-n", "2", "--emit", "json"]);
    let six: Value = serde_json::from_str(&draw("6")).expect("an architecture");
    assert_eq!(several[1]["hash"], six["hash"], "seeds count up");
}

#[test]
fn the_order_of_declarations_does_not_matter() {
    let program = std::fs::read_to_string(quickstart()).expect("the example");
    // Declarations begin in the first column behind an empty line.
    let mut parts: Vec<&str> = program.split("\n\n").collect();
    let head: Vec<&str> = parts.drain(..2).collect();
    parts.reverse();
    let reordered = format!("{}\n\n{}\n", head.join("\n\n"), parts.join("\n\n"));
    assert_ne!(program, reordered);
    let (_folder, path) = file("reordered.cnas", reordered);
    for seed in ["1", "2", "3"] {
        let hash = |file: &str| json(0, &["expand", file, "--seed", seed])[0]["hash"].clone();
        assert_eq!(hash(&path), hash(&quickstart()));
    }
}

#[test]
fn an_architecture_goes_through_its_file() {
    let written = text(0, &["expand", &quickstart(), "--seed", "3", "--emit", "json"]);
    let (_folder, path) = file("net.arch.json", &written);
    assert_eq!(text(0, &["expand", &path, "--emit", "json"]), written);
    let short = text(0, &["expand", &path]);
    let drawn = text(0, &["expand", &quickstart(), "--seed", "3"]);
    assert_eq!(short, drawn);
    assert!(text(0, &["expand", &path, "--emit", "dot"]).starts_with("digraph"));
    assert!(text(0, &["expand", &path, "--emit", "svg"]).contains("<svg"));
    let (_folder, broken) = file("net.arch.json", written.replacen("\"kernel\": 3", "\"kernel\": 5", 1));
    assert_eq!(first_code(&json(1, &["expand", &broken])), "E0602");
}

#[test]
fn scores_follow_from_their_parts() {
    let rows = json(0, &["score", &quickstart(), "-n", "4"]);
    let rows = rows.as_array().expect("a list");
    assert_eq!(rows.len(), 4);
    for row in rows {
        let number = |field: &str| row[field].as_f64().unwrap_or_else(|| panic!("{field} is missing: {row}"));
        let cube = number("delta_w") * number("lambda").powi(3).sqrt() * number("eta");
        assert!((number("cs") - cube.cbrt()).abs() < 1e-9 * number("cs"), "{row}");
        for field in ["seed", "nodes", "latency_ms", "params", "flops"] {
            assert!(number(field) > 0.0, "{field}: {row}");
        }
        assert_eq!(row["hash"].as_str().map(str::len), Some(64));
    }
}

#[test]
fn plans_never_lose_to_one_device() {
    let example = quickstart();
    let latency = |strategy: &str| {
        let plan = json(0, &["plan", &example, "--strategy", strategy]);
        for field in ["bound_ms", "gap", "connectivity", "sent_bytes"] {
            assert!(plan[field].is_number(), "{field} is missing: {plan}");
        }
        assert_eq!(plan["device_of"]["image"].as_str().map(|name| name.starts_with("pi")), Some(true));
        let (latency, bound) = (plan["latency_ms"].as_f64().unwrap(), plan["bound_ms"].as_f64().unwrap());
        assert!(latency >= bound * (1.0 - 1e-12), "{strategy}: {latency} is below {bound}");
        latency
    };
    let best = latency("best");
    let half = json(0, &["plan", &example, "--strategy", "hypergraph", "--transfer", "f16"]);
    let whole = json(0, &["plan", &example, "--strategy", "hypergraph"]);
    assert_eq!(half["fleet"]["transfer"], "f16");
    assert!(half["latency_ms"].as_f64() < whole["latency_ms"].as_f64(), "half the bytes take less time");
    let folder = tempfile::tempdir().expect("a folder");
    let declared = folder.path().join("half.cnas").display().to_string();
    let source = std::fs::read_to_string(&example).expect("the example");
    std::fs::write(&declared, source.replacen("\n    link ", "\n    transfer f16\n    link ", 1)).expect("a file");
    let declared_half = json(0, &["plan", &declared, "--strategy", "hypergraph"]);
    assert_eq!(declared_half["latency_ms"], half["latency_ms"], "declared or asked for");
    let overruled = json(0, &["plan", &declared, "--strategy", "hypergraph", "--transfer", "f32"]);
    assert_eq!(overruled["latency_ms"], whole["latency_ms"], "the command line has the last word");
    for strategy in ["single", "hypergraph", "heft", "components"] {
        assert!(best <= latency(strategy) * (1.0 + 1e-12), "best loses to {strategy}");
    }
    assert!(text(0, &["plan", &example, "--emit", "svg"]).contains("<svg"));
    let trace: Value = serde_json::from_str(&text(0, &["plan", &example, "--emit", "trace"])).expect("a trace");
    assert!(trace["traceEvents"].as_array().is_some_and(|events| events.len() > 10));
}

#[test]
fn what_is_foretold_and_what_happens_are_traced_alike() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run.json").display().to_string();
    let (example, boot) = (quickstart(), root().join("examples/data/ankle-boot.png").display().to_string());
    let plan = ["plan", &example, "--seed", "3", "--fleet", "shelf", "--strategy", "hypergraph", "--emit", "trace"];
    let foretold: Value = serde_json::from_str(&text(0, &plan)).expect("JSON");
    let mut run = vec!["run", &example, "--seed", "3", "--fleet", "shelf", "--strategy", "hypergraph"];
    run.extend(["--input", &boot, "--trace", &path]);
    text(0, &run);
    let happened: Value = serde_json::from_str(&std::fs::read_to_string(&path).expect("the trace")).expect("JSON");
    assert_eq!(foretold["otherData"], happened["otherData"]);
    let of = |trace: &Value, wanted: &dyn Fn(&Value) -> bool, fields: &[&str]| {
        let events = trace["traceEvents"].as_array().expect("events").iter().filter(|event| wanted(event));
        let mut found: Vec<String> =
            events.map(|event| fields.iter().map(|field| format!("{} ", event[field])).collect()).collect();
        found.sort();
        assert!(!found.is_empty());
        found
    };
    // Devices and rows have the same names and numbers, and the same tensors arrive at the same devices.
    let named = |event: &Value| event["ph"] == "M";
    let fields = ["name", "pid", "tid", "args"];
    assert_eq!(of(&foretold, &named, &fields), of(&happened, &named, &fields));
    let received = |event: &Value| event["cat"] == "receive";
    let fields = ["name", "ph", "pid", "tid"];
    assert_eq!(of(&foretold, &received, &fields), of(&happened, &received, &fields));
}

#[test]
fn the_answer_is_the_same_on_any_number_of_devices() {
    let boot = root().join("examples/data/ankle-boot.png").display().to_string();
    let images = root().join("examples/data/t10k-images-idx3-ubyte.gz#0").display().to_string();
    let outputs = |extra: &[&str]| -> Vec<f64> {
        let example = quickstart();
        let mut args = vec!["run", &example, "--seed", "3", "--verify", "--input", &boot, &images];
        args.extend(extra);
        let rows = json(0, &args);
        assert_eq!(rows[0]["output"], rows[1]["output"], "the picture is the first image of the set");
        assert_eq!(rows[1]["label"], 9);
        let output = rows[0]["output"].as_array().expect("a list");
        output.iter().map(|value| value.as_f64().expect("a number")).collect()
    };
    let wanted = outputs(&["--backend", "reference"]);
    assert_eq!(wanted.len(), 10);
    let largest = wanted.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    // With `--verify` it fails where half precision costs more than is promised.
    outputs(&["--fleet", "shelf", "--strategy", "hypergraph", "--transfer", "f16"]);
    let parallel = &["--local", "3", "--strategy", "model-parallel"][..];
    for extra in [&["--local", "1"][..], &["--local", "2"], &["--local", "4"], &["--fleet", "shelf"], parallel] {
        for (a, b) in outputs(extra).iter().zip(&wanted) {
            assert!((a - b).abs() <= 1e-4 * largest, "{extra:?}: {a} and {b}");
        }
    }
}

/// Whole images on each device: as many answers, the same ones, dealt evenly; one is not there sooner.
#[test]
fn data_parallelism_deals_images() {
    let example = quickstart();
    let plan = json(0, &["plan", &example, "--seed", "3", "--fleet", "shelf", "--strategy", "data-parallel"]);
    let single = json(0, &["plan", &example, "--seed", "3", "--fleet", "shelf", "--strategy", "single"]);
    assert_eq!((&plan["latency_ms"], &plan["sent_bytes"]), (&single["latency_ms"], &serde_json::json!(0)));
    let devices = plan["fleet"]["devices"].as_array().expect("a list").len();
    assert_eq!(plan["plan"]["replicas"].as_array().map(Vec::len), Some(devices));
    let rate = |plan: &Value| plan["images_per_second"].as_f64().expect("a rate");
    assert!((rate(&plan) / rate(&single) - devices as f64).abs() < 1e-9, "equal boards");
    let table = text(0, &["plan", &example, "--seed", "3", "--fleet", "shelf", "--strategy", "data-parallel"]);
    assert!(table.contains("one image takes as long as on one device"), "{table}");

    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let images: Vec<String> = (0..4)
        .map(|index| root().join(format!("examples/data/t10k-images-idx3-ubyte.gz#{index}")).display().to_string())
        .collect();
    let run = |extra: &[&str]| {
        let mut args = vec!["run"];
        args.extend(extra);
        args.extend(["--verify", "--input"]);
        args.extend(images.iter().map(String::as_str));
        json(0, &args)
    };
    let alone = run(&[&example, "--seed", "3"]);
    let dealt = run(&[&example, "--seed", "3", "--local", "2", "--strategy", "data-parallel"]);
    let trace = path("trace.json");
    text(
        0,
        &["build", &example, "--seed", "3", "--fleet", "shelf", "--strategy", "data-parallel", "-o", &path("a.bundle")],
    );
    let shipped = run(&[&path("a.bundle"), "--trace", &trace]);
    for index in 0..4 {
        assert_eq!(dealt[index]["output"], alone[index]["output"], "image {index}");
        assert_eq!(shipped[index]["output"], alone[index]["output"], "image {index}");
        let device = |rows: &Value| rows[index]["devices"][0]["device"].as_str().unwrap_or_default().to_owned();
        assert_eq!(device(&dealt), format!("core[{}]", index % 2));
    }
    let trace: Value = serde_json::from_str(&std::fs::read_to_string(&trace).expect("the trace")).expect("JSON");
    assert!(trace["traceEvents"].as_array().is_some_and(|events| events.len() > 2));
    let rows = json(0, &["bench", &example, "--threads", "2", "--strategy", "data-parallel", "--runs", "6"]);
    assert_eq!(rows[0]["strategy"], "data-parallel");
    assert!(rows[0]["images_per_second"].as_f64().is_some_and(|rate| rate > 0.0), "{rows}");
}

#[test]
fn tensors_and_bundles_go_through_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let boot = root().join("examples/data/ankle-boot.png").display().to_string();
    text(0, &["build", &quickstart(), "--seed", "3", "--fleet", "shelf", "-o", &path("net.bundle")]);
    let (output, trace) = (path("out.npy"), path("trace.json"));
    let rows =
        json(0, &["run", &path("net.bundle"), "--input", &boot, "--output", &output, "--trace", &trace, "--verify"]);
    let npy = std::fs::read(&output).expect("the output");
    assert_eq!(&npy[..6], b"\x93NUMPY");
    let last = f32::from_le_bytes(npy[npy.len() - 4..].try_into().expect("four bytes"));
    assert_eq!(Some(last), rows[0]["output"][9].as_f64().map(|value| value as f32));
    let trace: Value = serde_json::from_str(&std::fs::read_to_string(&trace).expect("the trace")).expect("JSON");
    assert!(trace["traceEvents"].is_array());

    let mut bytes = std::fs::read(path("net.bundle")).expect("the bundle");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path("changed.bundle"), &bytes).expect("a file");
    assert_eq!(first_code(&json(1, &["run", &path("changed.bundle"), "--input", &boot])), "E0602");
    assert_eq!(first_code(&json(1, &["run", &quickstart(), "--input", &output])), "E0607");
    let (_folder, text_file) = file("fake.png", "not a picture");
    assert_eq!(first_code(&json(1, &["run", &quickstart(), "--input", &text_file])), "E0602");
}

/// `shelf` of the example, its boards on the three backends in turn.
#[test]
fn burn_is_there_where_it_was_built_in() {
    let boot = root().join("examples/data/ankle-boot.png").display().to_string();
    let example = std::fs::read_to_string(quickstart()).expect("the example");
    let boards = "fleet mixed {\n    node a: plain\n    node b: slow\n    node c: burning\n    link a <-> b: 1 Gbit/s, 200 us\n    \
        link b <-> c: 1 Gbit/s, 200 us\n    link a <-> c: 1 Gbit/s, 200 us\n}\n";
    let device = |name: &str, backend: &str| {
        format!("device {name} {{\n    compute 1 GFLOP/s\n    memory 1 GiB\n    cores 1\n    backend {backend}\n}}\n")
    };
    let program =
        [&example, boards, &device("plain", "jit"), &device("slow", "reference"), &device("burning", "burn")].concat();
    let (_folder, path) = file("mixed.cnas", program);
    json(0, &["check", &path]);
    let mixed =
        ["run", &path, "--seed", "3", "--fleet", "mixed", "--strategy", "hypergraph", "--verify", "--input", &boot];
    let bench = ["bench", &path, "--backend", "burn", "--runs", "2"];
    if !cfg!(feature = "burn") {
        assert_eq!(first_code(&json(2, &mixed)), "E0614");
        assert_eq!(first_code(&json(2, &bench)), "E0614");
        return;
    }
    let rows = json(0, &mixed);
    let devices = rows[0]["devices"].as_array().expect("a list");
    let worked = |backend: &str| {
        devices.iter().any(|device| device["backend"] == backend && device["operators"].as_u64() > Some(0))
    };
    assert!(["jit", "reference", "burn"].iter().all(|backend| worked(backend)), "{devices:?}");
    assert_eq!(json(0, &bench)[0]["backend"], "burn");
}

#[test]
fn fmt_is_canonical() {
    let example = quickstart();
    text(0, &["fmt", "--check", &example]);
    let canonical = std::fs::read_to_string(&example).expect("the example");
    let (_folder, path) = file("loose.cnas", canonical.replace("    ", "  "));
    text(1, &["fmt", "--check", &path]);
    text(0, &["fmt", &path]);
    assert_eq!(std::fs::read_to_string(&path).expect("the file"), canonical);
    let (_folder, broken) = file("broken.cnas", "network {");
    text(1, &["fmt", &broken]);
}

#[test]
fn completions_name_the_commands() {
    assert!(text(0, &["completions", "bash"]).contains("cnasc"));
}

#[test]
fn programs_use_files_beside_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    write("lib/graphs.cnas", "generator given {\n    graph \"ring.txt\"\n}\n");
    write("lib/ring.txt", "0 1\n1 2\n2 3\n0 3\n");
    let network = "use \"lib/graphs.cnas\"::given\nuse std::blocks::sepconv\n\nnetwork n(width: int = 4) {\n    \
                   input image(1, 8, 8)\n    stem  conv(3, width)\n    body  given of sepconv\n    head  linear(2)\n}\n";
    let main = write("main.cnas", network);
    let text = text(0, &["expand", &main]);
    assert!(text.contains("body.3 = body.0 + body.2"), "{text}");
    let wider = json(0, &["expand", &main, "--set", "width=6"]);
    assert_ne!(wider[0]["hash"], json(0, &["expand", &main])[0]["hash"]);
    let missing = write("missing.cnas", "use \"lib/none.cnas\"::given\n");
    assert_eq!(first_code(&json(1, &["check", &missing])), "E0226");
}

/// Every command of the README's tour, in its order and in one folder, with the example for FILE. Other engines need the Python
/// environment that `CNASC_PEERS` names (`tests/peers/requirements.txt`).
#[test]
fn the_readmes_tour_runs() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("the README");
    let rows = readme.lines().filter(|line| line.starts_with("| ") && line.contains("`cnasc "));
    let commands: Vec<&str> = rows.flat_map(|row| row.split('`')).filter(|part| part.starts_with("cnasc ")).collect();
    assert!(commands.len() >= 8, "the tour is gone: {commands:?}");
    let folder = tempfile::tempdir().expect("a folder");
    for command in commands {
        if command.contains("--against") && std::env::var_os("CNASC_PEERS").is_none() {
            eprintln!("left out, as CNASC_PEERS names no Python environment: {command}");
            continue;
        }
        let words = command.split_whitespace().skip(1);
        let words: Vec<String> = words
            .map(|word| match word {
                "FILE" => quickstart(),
                _ if word.starts_with("examples/") => root().join(word).display().to_string(),
                _ => word.to_owned(),
            })
            .collect();
        let output = Command::new(env!("CARGO_BIN_EXE_cnasc")).args(&words).current_dir(folder.path()).output();
        let output = output.expect("the binary starts");
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn hypergraphs_are_written_partitioned_and_proved() {
    let hypergraph = text(0, &["plan", &quickstart(), "--emit", "hgr"]);
    let header: Vec<usize> = hypergraph.lines().next().unwrap().split(' ').map(|word| word.parse().unwrap()).collect();
    assert_eq!(header[2], 11);
    let (folder, path) = file("net.hgr", &hypergraph);
    let found = json(0, &["partition", &path, "-k", "4", "--epsilon", "0.1", "--seed", "7", "-o"]);
    assert!(found["imbalance"].as_f64().unwrap() <= found["epsilon"].as_f64().unwrap() + 1e-9);
    let written = std::fs::read_to_string(folder.path().join("net.hgr.part.4")).expect("the parts");
    let parts: Vec<u64> = written.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(found["part_of"], serde_json::json!(parts));
    assert_eq!(parts.len(), header[1]);
    // Λ counted here, from the file alone.
    let mut km1 = 0;
    for line in hypergraph.lines().skip(1).take(header[0]) {
        let numbers: Vec<u64> = line.split(' ').map(|word| word.parse().unwrap()).collect();
        let touched: std::collections::BTreeSet<u64> =
            numbers[1..].iter().map(|pin| parts[*pin as usize - 1]).collect();
        km1 += numbers[0] * (touched.len() as u64 - 1);
    }
    assert_eq!(found["km1"], km1);

    let (_folder, ring) = file("ring.hgr", "6 6\n1 2\n2 3\n3 4\n4 5\n5 6\n6 1\n");
    let text = text(0, &["partition", &ring, "--shares", "2,1", "--epsilon", "0", "--prove"]);
    assert!(text.contains("km1 2, proved to be the least") && text.contains("loads 4 2"), "{text}");
}

#[test]
fn wrong_hypergraphs_and_requests_are_refused() {
    let (_folder, path) = file("wrong.hgr", "2 3\n1 2\n1 4\n");
    assert_eq!(first_code(&json(1, &["partition", &path, "-k", "2"])), "E0602");
    assert_eq!(first_code(&json(1, &["partition", "nowhere.hgr", "-k", "2"])), "E0601");
    for wrong in
        [&["-k", "0"][..], &[], &["--shares", "1,-1"], &["-k", "2", "--epsilon", "-1"], &["-k", "2", "--shares", "1"]]
    {
        let all: Vec<&str> = ["partition", &path].iter().chain(wrong).copied().collect();
        assert!(matches!(cnasc(&all).status.code(), Some(1 | 2)), "{wrong:?}");
    }
}

#[test]
fn a_profile_is_a_device_that_fleets_use() {
    let folder = tempfile::tempdir().expect("a folder");
    let here = folder.path().join("here.cnas").display().to_string();
    let profile = json(0, &["profile", "--each", "1", "-o", &here]);
    assert!(profile["compute"].as_f64().is_some_and(|rate| rate > 0.0), "{profile}");
    assert!(profile["kernels"].as_array().is_some_and(|kernels| kernels.len() > 10), "{profile}");
    for check in profile["checks"].as_array().expect("networks that it was tried on") {
        assert!(check["ratio"].as_f64().is_some_and(|ratio| ratio > 0.0), "{check}");
    }
    text(0, &["fmt", "--check", &here]);
    let fleet =
        "use \"here.cnas\"::here\n\nfleet two {\n    node core[2]: here\n    link core <-> core: 1 Gbit/s, 20 us\n}\n";
    let path = folder.path().join("fleet.cnas");
    std::fs::write(&path, fleet).expect("a file");
    assert_eq!(json(0, &["check", &path.display().to_string()]), serde_json::json!([]));
    let plan = json(0, &["plan", &quickstart(), "--fleet", &format!("{}:two", path.display())]);
    assert_eq!(plan["fleet"]["devices"][1]["kind"], "here");

    for name in ["9.cnas", "in.cnas", "edge-node.cnas", "here.txt"] {
        let wrong = folder.path().join(name);
        assert_eq!(first_code(&json(2, &["profile", "-o", &wrong.display().to_string()])), "E0606");
        assert!(!wrong.exists());
    }
}

#[test]
fn score_tells_the_shape_and_the_partition() {
    let scored = json(0, &["score", &quickstart(), "--devices", "3", "--detail"]);
    let (row, detail) = (&scored[0], &scored[0]["detail"]);
    let sum = |value: &Value| value.as_array().map(|all| all.iter().filter_map(Value::as_u64).sum::<u64>());
    assert_eq!(sum(&detail["widths"]), row["nodes"].as_u64());
    assert_eq!(detail["longest_path"], row["depth"]);
    assert_eq!(detail["epsilon"], row["score"]["epsilon"]);
    let rows = detail["traffic"].as_array().expect("a row a unit");
    assert_eq!(rows.iter().filter_map(sum).sum::<u64>(), row["score"]["communication"].as_u64().expect("bytes"));
    assert_eq!(detail["loads"].as_array().map(Vec::len), Some(3));
    assert!(json(0, &["score", &quickstart()])[0].get("detail").is_none());
    assert!(text(0, &["score", &quickstart(), "--detail"]).contains("blocks by depth:"));
}

#[test]
fn the_papers_networks_are_there() {
    let file = |name| root().join("examples/paper").join(name).display().to_string();
    for name in ["paper.cnas", "latency.cnas"] {
        assert_eq!(json(0, &["check", &file(name)]), serde_json::json!([]));
    }
    let drawn = json(0, &["score", &file("paper.cnas"), "--item", "dp_40", "-n", "2", "--devices", "4"]);
    assert_eq!(drawn[1]["nodes"], 40);
    assert_eq!(drawn[1]["seed"], 2);
}
