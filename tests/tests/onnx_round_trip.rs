//! cnasc → ONNX: what `--emit onnx` writes passes ONNX's checker, and ONNX Runtime answers as our kernels do, for every network of the
//! standard library, for drawn ones, and for the shares of placed ones. → cnasc: what is written is taken in again, and answers alike.
//!
//! All but the last needs the Python environment that `.ci/run` makes: `cargo test --release -p cnasc-tests --test onnx_round_trip`, after
//! `python3 -m venv target/peers && target/peers/bin/pip install --no-deps -r tests/peers/requirements.txt`. Without it the tests say so and
//! do nothing.

#![allow(clippy::panic, reason = "a failing test panics, in its helpers too")]

use clap::Parser;
use cnasc::cli::{Cli, Command as Words};
use cnasc::exchange::Valued;
use cnasc::images::Input;
use cnasc::output::Output;
use cnasc::{Session, model, pipeline};
use cnasc_fleet::Local;
use cnasc_ir::Architecture;
use cnasc_ir::fleet::Backend;
use cnasc_onnx::import::{Options, import};
use cnasc_place::{Strategy, plan};
use cnasc_tests::{peers, placed};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

/// What is promised of all backends, ONNX Runtime among them.
const PROMISED: f64 = 1e-4;

/// Drawn networks that go through ONNX.
const DRAWN: u64 = 100;

/// The other engine.
struct Peer {
    child: Child,
    jobs: ChildStdin,
    found: BufReader<ChildStdout>,
    folder: tempfile::TempDir,
}

impl Peer {
    /// Starts it where the environment is there.
    fn start() -> Option<Self> {
        let python = peers::folder()?.join("bin/python");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/agree.py");
        let mut command = Command::new(python);
        command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("Python starts");
        let jobs = child.stdin.take().expect("it was asked for");
        let found = BufReader::new(child.stdout.take().expect("it was asked for"));
        Some(Self { child, jobs, found, folder: tempfile::tempdir().expect("a folder") })
    }

    /// By how much ONNX Runtime differs on these models.
    fn difference(&mut self, models: &[PathBuf], image: &[f32], answer: &[f32]) -> f64 {
        let floats = |name: &str, values: &[f32]| {
            let path = self.folder.path().join(name);
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            std::fs::write(&path, bytes).expect("the folder takes files");
            path
        };
        let (input, answer) = (floats("input", image), floats("answer", answer));
        let job = serde_json::json!({ "models": models, "input": input, "answer": answer });
        writeln!(self.jobs, "{job}").expect("Python reads");
        let mut line = String::new();
        self.found.read_line(&mut line).expect("Python writes");
        let found: serde_json::Value =
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("ONNX Runtime does not take {models:?}; see above"));
        found["difference"].as_f64().expect("a number")
    }

    /// The model as it is and with everything folded, against our kernels; the larger difference.
    fn check(&mut self, session: &mut Session, architecture: &Architecture) -> f64 {
        let (input, answer) = answered(session, architecture);
        let mut worst = 0.0_f64;
        for folded in [false, true] {
            let path = self.folder.path().join("model.onnx");
            let model = Valued::of(architecture, None, folded).expect("it has weights").onnx().expect("it is small");
            std::fs::write(&path, model).expect("the folder takes files");
            let difference = self.difference(&[path], &input.values, &answer);
            assert!(difference <= PROMISED, "{}: off by {difference:e}, folded: {folded}", architecture.name);
            worst = worst.max(difference);
        }
        worst
    }
}

/// An image and what our kernels make of it.
fn answered(session: &mut Session, architecture: &Architecture) -> (Input, Vec<f32>) {
    let fleet = model::local_fleet(session, 1).expect("a device");
    let bundle = pipeline::compile(architecture, &fleet, Strategy::Single, None).expect("it compiles");
    let input = Input::noise(bundle.input(), 1);
    let image = pipeline::prepare(&bundle, &input).expect("the image fits");
    let answer = Local::start(&bundle).expect("it starts").infer(&image).expect("it answers").output;
    (input, answer)
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It waits for more, and has nothing to lose.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What `cnasc expand` with these words draws.
fn draw(words: &[&str]) -> (Session, Vec<Architecture>) {
    let cli = Cli::parse_from(["cnasc", "-q", "expand"].iter().chain(words));
    let Words::Expand(args) = &cli.command else { panic!("the words are of `expand`") };
    let mut session = Session { sources: cnasc_base::Sources::default(), output: Output::new(&cli.output) };
    let loaded = model::load(&mut session, &args.file, &args.draw, args.count);
    let loaded = loaded.unwrap_or_else(|failure| panic!("{words:?}: {:?}", failure.diagnostics));
    (session, loaded.architectures)
}

/// Networks of the standard library and what they need to be told; one of each file at least.
const LIBRARY: &[(&str, &[&str])] = &[
    ("cifarnet::cifarnet", &[]),
    ("concurrent::cifar", &["wiring=ba(n: 40, m: 5)"]),
    ("concurrent::flower", &["wiring=er(n: 40, p: 0.2)"]),
    ("densenet::densenet121", &[]),
    ("inception::inception_v1", &[]),
    ("lcp::lcp2", &["branch=trunk(divide: 8)"]),
    ("lcp::lcp4", &["branch=trunk(divide: 8)"]),
    ("lcp::lcp8", &["branch=trunk(divide: 16)"]),
    ("mobilenet::mobilenet_v2", &[]),
    ("randwire::randwire_small", &["wiring=ws(n: 32, k: 4, p: 0.75)", "width=22"]),
    ("randwire::randwire_regular", &["wiring=ba(n: 32, m: 5)", "half=ba(n: 16, m: 5)", "width=22"]),
    ("resnet::resnet18", &[]),
    ("resnet::resnet50", &[]),
    ("squeezenet::squeezenet", &[]),
    ("vgg::vgg16", &[]),
];

#[test]
fn onnx_runtime_agrees_on_the_standard_library() {
    let Some(mut peer) = Peer::start() else { return };
    for (path, settings) in LIBRARY {
        let began = Instant::now();
        let path = format!("std::networks::{path}");
        let sets = settings.iter().flat_map(|setting| ["--set", setting]);
        let words: Vec<&str> = [path.as_str()].into_iter().chain(sets).collect();
        let (mut session, drawn) = draw(&words);
        let off = peer.check(&mut session, &drawn[0]);
        println!("{path}: off by {off:.1e}, {:.1?}", began.elapsed());
    }
}

#[test]
fn every_file_of_networks_is_in_the_list() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../stdlib/networks");
    let files = std::fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("an entry").path());
    let stem = |path: PathBuf| path.file_stem().expect("a name").to_string_lossy().into_owned();
    let there: BTreeSet<String> = files.map(stem).collect();
    let listed: BTreeSet<String> =
        LIBRARY.iter().map(|(path, _)| path.split("::").next().unwrap_or_default().to_owned()).collect();
    assert_eq!(there, listed);
}

#[test]
fn onnx_runtime_agrees_on_drawn_networks() {
    let Some(mut peer) = Peer::start() else { return };
    let space = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/space.cnas").display().to_string();
    let (mut session, drawn) = draw(&[&space, "-n", &DRAWN.to_string()]);
    let worst = drawn.iter().map(|architecture| peer.check(&mut session, architecture)).fold(0.0, f64::max);
    println!("{DRAWN} networks, off by {worst:.1e} at most");
    let hashes: BTreeSet<&str> = drawn.iter().map(Architecture::hash).collect();
    assert!(hashes.len() as u64 > DRAWN * 9 / 10, "the networks differ");
}

/// Shares joined by the names of what they send and receive are the network, on plans where devices wait for each other too.
#[test]
fn the_shares_of_a_placed_network_are_the_network() {
    let Some(mut peer) = Peer::start() else { return };
    let space = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/space.cnas").display().to_string();
    let (mut session, drawn) = draw(&[&space, "-n", "12"]);
    let mut spread = 0;
    for (architecture, strategy) in
        drawn.iter().zip([Strategy::Hypergraph, Strategy::Heft, Strategy::Components].into_iter().cycle())
    {
        let fleet = model::local_fleet(&mut session, 3).expect("devices");
        let (_, workload) = pipeline::analyse(architecture).expect("it is small");
        let placed = plan(&workload, &fleet, strategy, &cnasc_base::Seed::new(1)).expect("it fits");
        let bundle = pipeline::compile(architecture, &fleet, Strategy::Single, None).expect("it compiles");
        let input = Input::noise(bundle.input(), 1);
        let image = pipeline::prepare(&bundle, &input).expect("the image fits");
        let answer = Local::start(&bundle).expect("it starts").infer(&image).expect("it answers").output;
        let folder = peer.folder.path().join("placed");
        let valued = Valued::of(architecture, None, false).expect("it has weights");
        let written = valued.write_placed(&folder, architecture, &placed, &fleet).expect("it is written");
        let paths: Vec<PathBuf> = written.iter().map(PathBuf::from).collect();
        // The whole is the first.
        for models in [&paths[..1], &paths[1..]] {
            let off = peer.difference(models, &input.values, &answer);
            assert!(off <= PROMISED, "{models:?} by {strategy}: off by {off:e}");
        }
        spread += usize::from(paths.len() > 2);
    }
    assert!(spread >= 4, "only {spread} networks were spread");
}

#[test]
fn what_goes_out_comes_in_again() {
    let space = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/space.cnas").display().to_string();
    let drawn = draw(&[&space, "-n", "20"]);
    // ReLU6 and depthwise, branches and normalisation, mere convolutions.
    let library = ["mobilenet::mobilenet_v2", "inception::inception_v1", "squeezenet::squeezenet"];
    let library = library.map(|path| draw(&[&format!("std::networks::{path}")]));
    for (mut session, architectures) in [drawn].into_iter().chain(library) {
        for architecture in &architectures {
            let (input, answer) = answered(&mut session, architecture);
            for folded in [false, true] {
                let model =
                    Valued::of(architecture, None, folded).expect("it has weights").onnx().expect("it is small");
                let options = Options { name: "again".to_owned(), shapes: BTreeMap::new(), max_elements: 1 << 28 };
                let again = import(&model, &options, &mut |_| Err("it has no other file".to_owned()));
                let again = again.unwrap_or_else(|error| panic!("{}, folded: {folded}: {error}", architecture.name));
                let bundle = placed::bundle(&again.architecture, &again.weights, 1, Backend::Jit);
                let off = placed::difference(&placed::answer(&bundle, &input.values), &answer);
                assert!(f64::from(off) <= PROMISED, "{}, folded: {folded}: off by {off:e}", architecture.name);
            }
        }
    }
}
