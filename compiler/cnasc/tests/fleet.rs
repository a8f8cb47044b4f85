//! A fleet of several machines, as processes of this one: real nodes on loopback with mutual TLS, and what happens to those who should not
//! be heard, to what is not signed, and to nodes that die.

#![cfg(feature = "fleet")]
#![allow(clippy::panic, reason = "a failing test panics, in its helpers too")]

use cnasc_bundle::Bundle;
use cnasc_fleet::remote::coordinator::assign;
use cnasc_fleet::remote::protocol::RefusalKind;
use cnasc_fleet::remote::{Coordinator, Keys, RemoteError, Steady};
use cnasc_fleet::{Answer, Local};
use cnasc_transport::net::{COORDINATOR, Net, NetError};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(30);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the workspace is above").to_owned()
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn quickstart() -> String {
    shown(&root().join("examples/quickstart.cnas"))
}

fn image() -> String {
    shown(&root().join("examples/data/ankle-boot.png"))
}

fn cnasc(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cnasc")).args(args).output().expect("the binary starts")
}

#[track_caller]
fn json(status: i32, args: &[&str]) -> Value {
    let all: Vec<&str> = ["--format", "json", "-q"].iter().chain(args).copied().collect();
    let output = cnasc(&all);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "cnasc {args:?}\n{stderr}");
    let text = String::from_utf8(output.stdout).expect("output is UTF-8");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A fleet whose nodes are processes. They are ended when it is dropped.
struct Processes {
    folder: tempfile::TempDir,
    nodes: Vec<Option<Child>>,
}

impl Processes {
    /// Keys of `count` nodes, called n0, n1, …, none of which runs yet.
    fn new(count: usize) -> Self {
        let held: Vec<TcpListener> =
            (0..count).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
        let address = |at: usize| held[at].local_addr().expect("it is bound");
        let nodes: Vec<String> = (0..count).map(|at| format!("n{at}={}", address(at))).collect();
        drop(held);
        let folder = tempfile::tempdir().expect("a folder");
        let mut args = vec!["fleet".to_owned(), "init".to_owned(), shown(folder.path())];
        args.extend(nodes.into_iter().flat_map(|node| ["--node".to_owned(), node]));
        let members = json(0, &args.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(members["nodes"].as_array().map(Vec::len), Some(count));
        Self { folder, nodes: (0..count).map(|_| None).collect() }
    }

    fn running(count: usize) -> Self {
        let mut all = Self::new(count);
        (0..count).for_each(|node| all.start(node));
        all
    }

    /// Starts a node and waits until it says that it listens.
    fn start(&mut self, node: usize) {
        let name = format!("n{node}");
        let mut child = Command::new(env!("CARGO_BIN_EXE_cnasc"))
            .args(["node", "--name", &name, "--keys", &shown(self.folder.path())])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut line = String::new();
        let output = child.stdout.take().expect("it is piped");
        let mut output = BufReader::new(output);
        output.read_line(&mut line).expect("a line");
        assert!(line.contains(&format!("node `{name}` of fleet `home` listens")), "{line}");
        // What it says later would fill the pipe.
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        self.nodes[node] = Some(child);
    }

    fn kill(&mut self, node: usize) {
        let mut child = self.nodes[node].take().expect("it runs");
        child.kill().expect("it is ours");
        child.wait().expect("it ends");
    }

    fn path(&self) -> String {
        shown(self.folder.path())
    }

    fn coordinator(&self) -> Coordinator {
        let coordinator = Coordinator::join(self.folder.path(), &[], LONG).expect("it joins");
        let wanted: Vec<String> =
            (0..self.nodes.len()).filter(|&at| self.nodes[at].is_some()).map(|at| format!("n{at}")).collect();
        assert_eq!(coordinator.wait_for(&wanted), Vec::<String>::new());
        coordinator
    }

    /// Joins with the keys of a member, as one would who has taken them.
    fn member(&self, name: &str) -> Net {
        let keys = Keys::load(self.folder.path(), name).expect("its keys");
        let mut settings = keys.settings(&["127.0.0.1:0".to_owned()], &[]);
        let others = Keys::load(self.folder.path(), COORDINATOR).expect("its keys").settings(&[], &[]);
        settings.connect = others.connect;
        Net::join(&settings).expect("it joins")
    }

    /// A network on four devices, each of which has something to do.
    fn bundle(&self) -> Bundle {
        let path = self.folder.path().join("net.bundle");
        let fleet = self.folder.path().join("four.cnas");
        let text = "use std::devices::x86_core\n\nfleet four {\n    node core[4]: x86_core\n    link core <-> core: 40 Gbit/s, 20 us\n}\n";
        std::fs::write(&fleet, text).expect("a file");
        json(0, &["build", &quickstart(), "--fleet", &shown(&fleet), "--strategy", "hypergraph", "-o", &shown(&path)]);
        Bundle::read(&std::fs::read(&path).expect("a file")).expect("a bundle")
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for child in self.nodes.iter_mut().flatten() {
            // It may have ended on its own; then the test has said why.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn pixels(bundle: &Bundle) -> Vec<f32> {
    let pixels: Vec<f32> = (0..bundle.input().elements()).map(|at| (at % 17) as f32 / 17.0).collect();
    bundle.prepare(&pixels).expect("as many as it takes")
}

fn local(bundle: &Bundle, image: &[f32]) -> Answer {
    Local::start(bundle).and_then(|mut local| local.infer(image)).expect("it runs here")
}

fn members(bundle: &Bundle, coordinator: &Coordinator) -> Vec<String> {
    assign(bundle, &coordinator.nodes()).expect("as many nodes as devices")
}

#[test]
fn four_processes_answer_as_four_threads_do() {
    let mut fleet = Processes::running(4);
    let (here, there) = (fleet.path() + "/here.npy", fleet.path() + "/there.npy");
    let (file, image, keys) = (quickstart(), image(), fleet.path());
    let run = |where_: [&str; 2], output: &str| {
        let common =
            ["run", &file, "--strategy", "hypergraph", "--verify", "--input", &image, &image, "--output", output];
        json(0, &common.iter().copied().chain(where_).collect::<Vec<_>>())
    };
    let local = run(["--local", "4"], &here);
    let remote = run(["--fleet", &keys], &there);
    assert_eq!(std::fs::read(&here).expect("written"), std::fs::read(&there).expect("written"), "bit for bit");
    for (local, remote) in local.as_array().expect("rows").iter().zip(remote.as_array().expect("rows")) {
        let done = |row: &Value| -> Vec<[u64; 3]> {
            let devices = row["devices"].as_array().expect("devices").iter();
            let of = |device: &Value, what: &str| device[what].as_u64().expect("a number");
            devices.map(|one| ["operators", "sent_bytes", "received_bytes"].map(|what| of(one, what))).collect()
        };
        assert_eq!(done(local), done(remote), "the same work, counted by the nodes");
        assert_eq!(done(remote).iter().filter(|device| device[0] > 0).count(), 4, "every process computes: {remote}");
        assert!(remote["difference"].as_f64().expect("verified") <= 1e-4);
    }
    let status = json(0, &["fleet", "status", &keys]);
    assert_eq!(status[3]["inferences"], 2);
    fleet.kill(2);
    let began = Instant::now();
    let found =
        json(3, &["run", &file, "--strategy", "hypergraph", "--input", &image, "--fleet", &keys, "--deadline", "2"]);
    assert_eq!(found[0]["code"], "E0705", "{found}");
    assert!(found[0]["message"].as_str().expect("a text").contains("n2"), "{found}");
    assert!(began.elapsed() < LONG, "it does not hang");
    let status = json(0, &["fleet", "status", &keys, "--deadline", "1"]);
    assert_eq!([2, 3].map(|node| status[node]["here"].as_bool()), [Some(false), Some(true)]);
}

/// Removes a node from the lists of all other members.
fn lock_out(fleet: &Processes, node: &str, members: &[&str]) {
    for member in members {
        let path = fleet.folder.path().join(member).join("fleet.json");
        let mut list: Value = serde_json::from_slice(&std::fs::read(&path).expect("a list")).expect("JSON");
        list["nodes"].as_array_mut().expect("nodes").retain(|entry| entry["name"] != node);
        std::fs::write(&path, list.to_string()).expect("written");
    }
}

#[test]
fn who_is_not_listed_gets_nothing() {
    let mut fleet = Processes::new(3);
    lock_out(&fleet, "n2", &["n0", "n1", COORDINATOR]);
    fleet.start(0);
    fleet.start(1);
    let coordinator = fleet.coordinator();
    let stranger = fleet.member("n2");
    let call =
        |from: &Net| from.call("n0", "status", vec![], Duration::from_secs(5)).and_then(|call| call.wait(1 << 20));
    // Enough for the coordinator to see both nodes several times over.
    assert_eq!(stranger.wait_for(&["n0".to_owned()], Duration::from_secs(2)), ["n0"], "it is told of nobody");
    assert_eq!(call(&stranger), Err(NetError::Absent("n0".to_owned())), "it can call nobody");
    assert!(!coordinator.here().contains(&"n2".to_owned()), "nobody is told of it");
    assert!(coordinator.status("n0").is_ok());
    drop(stranger);
    // A node that is listed is seen, and can't call either: that is the coordinator's.
    fleet.kill(1);
    let node = fleet.member("n1");
    assert_eq!(node.wait_for(&["n0".to_owned()], LONG), Vec::<String>::new());
    assert_eq!(call(&node), Err(NetError::Absent("n0".to_owned())));
    assert!(coordinator.status("n0").is_ok());
    // One with certificates of another fleet does not even connect.
    let other = Processes::new(3);
    let mut settings = Keys::load(other.folder.path(), COORDINATOR).unwrap().settings(&[], &[]);
    settings.connect = Keys::load(fleet.folder.path(), COORDINATOR).unwrap().settings(&[], &[]).connect;
    let foreign = Net::join(&settings).expect("it has keys");
    assert_eq!(foreign.wait_for(&["n0".to_owned()], Duration::from_secs(2)), ["n0"]);
    assert_eq!(call(&foreign), Err(NetError::Absent("n0".to_owned())));
}

#[test]
fn only_what_is_signed_is_executed() {
    let fleet = Processes::running(4);
    let bundle = fleet.bundle();
    let image = pixels(&bundle);
    let own_key = fleet.folder.path().join(COORDINATOR).join("sign.key");
    let key = std::fs::read(&own_key).expect("the coordinator's");
    let other = Processes::new(1);
    let false_key = std::fs::read(other.folder.path().join(COORDINATOR).join("sign.key")).expect("another's");
    let mut coordinator = fleet.coordinator();
    let nodes = members(&bundle, &coordinator);
    std::fs::write(&own_key, false_key).expect("written");
    let refused = coordinator.deploy(&bundle, &nodes);
    assert!(
        matches!(&refused, Err(RemoteError::Refused { refusal, .. }) if refusal.kind == RefusalKind::Signature),
        "{refused:?}"
    );
    assert!(coordinator.infer(&image).is_err(), "nothing was deployed");
    std::fs::write(&own_key, key).expect("written");
    coordinator.deploy(&bundle, &nodes).expect("signed by the fleet's own key");
    assert_eq!(coordinator.infer(&image).expect("an answer").output, local(&bundle, &image).output);
    drop(coordinator);
    hostile_calls(&fleet);
    let mut coordinator = fleet.coordinator();
    coordinator.deploy(&bundle, &nodes).expect("the nodes are still up");
    assert_eq!(coordinator.infer(&image).expect("an answer").output, local(&bundle, &image).output);
}

/// Calls that no coordinator makes: each is refused, or has no answer, and none does harm.
fn hostile_calls(fleet: &Processes) {
    let net = fleet.member(COORDINATOR);
    assert_eq!(net.wait_for(&["n0".to_owned()], LONG), Vec::<String>::new());
    let signed = {
        let keys = Keys::load(fleet.folder.path(), COORDINATOR).expect("its keys");
        let offer = format!(
            r#"{{"fleet":"home","node":"n0","run":{},"network":"x","part":"{}","bytes":10,"members":["n0"]}}"#,
            u64::MAX - 1,
            "ab".repeat(32),
        );
        let signature = keys.sign(offer.as_bytes()).expect("its key");
        serde_json::json!({ "offer": offer, "signature": signature }).to_string()
    };
    let altered = signed.replace("\\\"bytes\\\":10", "\\\"bytes\\\":11");
    assert_ne!(altered, signed);
    let garbage = |seed: u32, len: usize| {
        (0..len).map(|at| (seed.wrapping_add(at as u32).wrapping_mul(2_654_435_761) >> 24) as u8).collect::<Vec<u8>>()
    };
    let mut calls: Vec<(&str, Vec<u8>)> = vec![
        ("offer", altered.into_bytes()),
        ("offer", vec![b'['; 100_000]),
        ("start", br#"{"run":18446744073709551615,"patience_ms":18446744073709551615}"#.to_vec()),
        ("part", vec![0; 8 << 20]),
        ("infer", vec![255; 1 << 20]),
        ("nothing", vec![]),
    ];
    for seed in 0..100 {
        for verb in ["offer", "part", "start", "infer", "stop", "status"] {
            calls.push((verb, garbage(seed, seed as usize * 7)));
        }
    }
    for (verb, bytes) in calls {
        let answer = net.call("n0", verb, bytes, LONG).and_then(|call| call.wait(1 << 20));
        let answer = answer.unwrap_or_else(|error| panic!("{verb}: {error}"));
        assert!(verb == "status" || String::from_utf8_lossy(&answer).contains("\"Err\""), "{verb} was taken");
    }
    // A signed offer for which other bytes come.
    let call = |verb: &str, bytes: Vec<u8>| net.call("n1", verb, bytes, LONG).and_then(|call| call.wait(1 << 20));
    let for_another = call("offer", signed.into_bytes()).expect("an answer");
    assert!(String::from_utf8_lossy(&for_another).contains("another node"), "it is for n0");
}

#[test]
fn a_node_that_dies_is_replaced_and_one_that_returns_is_used() {
    let mut fleet = Processes::running(4);
    let bundle = fleet.bundle();
    let image = pixels(&bundle);
    let wanted = local(&bundle, &image).output;
    let coordinator = fleet.coordinator();
    let nodes = members(&bundle, &coordinator);
    let mut steady =
        Steady::start(coordinator, bundle, nodes, Box::new(cnasc::pipeline::place_again)).expect("all are there");
    let largest = wanted.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    let ask = |steady: &mut Steady| {
        let (answer, bundle) = steady.infer(&image).expect("an answer all the same");
        let off = wanted.iter().zip(&answer.output).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off <= 1e-4 * largest, "off by {off}");
        bundle.fleet.devices.len()
    };
    assert_eq!(ask(&mut steady), 4);
    for (killed, left) in [(1, 3), (0, 2), (3, 1)] {
        fleet.kill(killed);
        assert_eq!(ask(&mut steady), left, "after n{killed} died");
        assert_eq!(ask(&mut steady), left);
    }
    assert_eq!(steady.moves(), 3);
    fleet.start(1);
    assert_eq!(steady.coordinator().wait_for(&["n1".to_owned()]), Vec::<String>::new());
    assert_eq!(ask(&mut steady), 2, "it is used again");
    fleet.kill(1);
    fleet.kill(2);
    let began = Instant::now();
    let error = steady.infer(&image).expect_err("nobody is left");
    assert!(error.is_absence(), "{error}");
    assert!(began.elapsed() < LONG);
}

/// A node that hangs holds its connection; its silence gives it away.
#[cfg(unix)]
#[test]
fn a_node_that_hangs_is_left_out() {
    let fleet = Processes::running(4);
    let bundle = fleet.bundle();
    let image = pixels(&bundle);
    let coordinator = fleet.coordinator();
    let nodes = members(&bundle, &coordinator);
    let mut steady =
        Steady::start(coordinator, bundle, nodes, Box::new(cnasc::pipeline::place_again)).expect("all are there");
    steady.infer(&image).expect("an answer");
    let signal = |name: &str| {
        let id = fleet.nodes[2].as_ref().expect("it runs").id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().expect("there is a kill").success());
    };
    signal("-STOP");
    let (_, left) = steady.infer(&image).expect("an answer without it");
    assert_eq!(left.fleet.devices.len(), 3);
    signal("-CONT");
    assert_eq!(steady.coordinator().wait_for(&["n2".to_owned()]), Vec::<String>::new());
    let (_, all) = steady.infer(&image).expect("an answer with it");
    assert_eq!(all.fleet.devices.len(), 4);
}
