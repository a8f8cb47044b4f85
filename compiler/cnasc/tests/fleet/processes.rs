//! Nodes as processes of this machine, their keys, and a network on them.

use crate::proxy::Relay;
use cnasc_bundle::Bundle;
use cnasc_fleet::remote::coordinator::assign;
use cnasc_fleet::remote::{Coordinator, Keys, Steady};
use cnasc_fleet::{Answer, Local};
use cnasc_transport::net::{COORDINATOR, Net};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

pub const LONG: Duration = Duration::from_secs(30);

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the workspace is above").to_owned()
}

pub fn shown(path: &Path) -> String {
    path.display().to_string()
}

pub fn quickstart() -> String {
    shown(&root().join("examples/quickstart.cnas"))
}

/// A network that keeps three nodes busy for several milliseconds each.
pub fn heavy() -> String {
    shown(&root().join("examples/randwire.cnas"))
}

pub fn image() -> String {
    shown(&root().join("examples/data/ankle-boot.png"))
}

pub fn cnasc(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cnasc")).args(args).output().expect("the binary starts")
}

#[track_caller]
pub fn json(status: i32, args: &[&str]) -> Value {
    let all: Vec<&str> = ["--format", "json", "-q"].iter().chain(args).copied().collect();
    let output = cnasc(&all);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "cnasc {args:?}\n{stderr}");
    let text = String::from_utf8(output.stdout).expect("output is UTF-8");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A fleet whose nodes are processes. They are ended when it is dropped.
pub struct Processes {
    pub folder: tempfile::TempDir,
    pub nodes: Vec<Option<Child>>,
    /// Where nodes listen behind their relays, and those; none where they are reached directly.
    pub relays: Vec<(String, Relay)>,
}

impl Processes {
    /// Keys of `count` nodes, called n0, n1, …, none of which runs yet.
    pub fn new(count: usize) -> Self {
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
        Self { folder, nodes: (0..count).map(|_| None).collect(), relays: Vec::new() }
    }

    /// The same, each node behind a relay.
    #[cfg(unix)]
    pub fn relayed(count: usize) -> Self {
        let mut all = Self::new(count);
        let keys = Keys::load(all.folder.path(), COORDINATOR).expect("its keys").settings(&[], &[]);
        for known in keys.connect {
            let inner = TcpListener::bind("127.0.0.1:0").and_then(|held| held.local_addr()).expect("a free port");
            let outer = TcpListener::bind(known).expect("it was free a moment ago");
            all.relays.push((inner.to_string(), Relay::start(outer, inner)));
        }
        (0..count).for_each(|node| all.start(node));
        all
    }

    pub fn running(count: usize) -> Self {
        let mut all = Self::new(count);
        (0..count).for_each(|node| all.start(node));
        all
    }

    /// Starts a node and waits until it says that it listens.
    pub fn start(&mut self, node: usize) {
        self.start_with(node, &[]);
    }

    pub fn start_with(&mut self, node: usize, more: &[&str]) {
        let name = format!("n{node}");
        let mut child = Command::new(env!("CARGO_BIN_EXE_cnasc"))
            .args(["node", "--name", &name, "--keys", &shown(self.folder.path())])
            .args(self.relays.get(node).iter().flat_map(|(inner, _)| ["--listen", inner]))
            .args(more)
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

    pub fn kill(&mut self, node: usize) {
        let mut child = self.nodes[node].take().expect("it runs");
        child.kill().expect("it is ours");
        child.wait().expect("it ends");
    }

    pub fn path(&self) -> String {
        shown(self.folder.path())
    }

    pub fn coordinator(&self) -> Coordinator {
        let coordinator = Coordinator::join(self.folder.path(), &[], LONG).expect("it joins");
        let wanted: Vec<String> =
            (0..self.nodes.len()).filter(|&at| self.nodes[at].is_some()).map(|at| format!("n{at}")).collect();
        assert_eq!(coordinator.wait_for(&wanted), Vec::<String>::new());
        coordinator
    }

    /// Answers of the bundle by these nodes, which are all there, whatever becomes of them.
    pub fn steady(&self, bundle: Bundle) -> Steady {
        let coordinator = self.coordinator();
        let nodes = members(&bundle, &coordinator);
        Steady::start(coordinator, bundle, nodes, Box::new(cnasc::pipeline::place_again)).expect("all are there")
    }

    /// Joins with the keys of a member, as one would who has taken them.
    pub fn member(&self, name: &str) -> Net {
        let keys = Keys::load(self.folder.path(), name).expect("its keys");
        let mut settings = keys.settings(&["127.0.0.1:0".to_owned()], &[]);
        let others = Keys::load(self.folder.path(), COORDINATOR).expect("its keys").settings(&[], &[]);
        settings.connect = others.connect;
        Net::join(&settings).expect("it joins")
    }

    /// A network on four devices, each of which has something to do.
    pub fn bundle(&self) -> Bundle {
        self.bundle_of(&quickstart(), 4)
    }

    /// That of a source file, on so many devices.
    pub fn bundle_of(&self, file: &str, count: usize) -> Bundle {
        let path = self.folder.path().join("net.bundle");
        let fleet = self.folder.path().join("some.cnas");
        let text = format!(
            "use std::devices::x86_core\n\nfleet some {{\n    node core[{count}]: x86_core\n    link core <-> core: 40 Gbit/s, 20 us\n}}\n"
        );
        std::fs::write(&fleet, text).expect("a file");
        json(0, &["build", file, "--fleet", &shown(&fleet), "--strategy", "hypergraph", "-o", &shown(&path)]);
        Bundle::read(&std::fs::read(&path).expect("a file")).expect("a bundle")
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        self.relays.iter().for_each(|(_, relay)| relay.end());
        for child in self.nodes.iter_mut().flatten() {
            // It may have ended on its own; then the test has said why.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

pub fn pixels(bundle: &Bundle) -> Vec<f32> {
    let pixels: Vec<f32> = (0..bundle.input().elements()).map(|at| (at % 17) as f32 / 17.0).collect();
    bundle.prepare(&pixels).expect("as many as it takes")
}

pub fn local(bundle: &Bundle, image: &[f32]) -> Answer {
    Local::start(bundle).and_then(|mut local| local.infer(image)).expect("it runs here")
}

/// The answer of another plan for the same image.
#[track_caller]
pub fn assert_near(wanted: &[f32], found: &[f32], what: &str) {
    assert_eq!(wanted.len(), found.len(), "{what}");
    let largest = wanted.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    let off = wanted.iter().zip(found).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(off <= 1e-4 * largest, "{what} is off by {off}");
}

pub fn members(bundle: &Bundle, coordinator: &Coordinator) -> Vec<String> {
    assign(bundle, &coordinator.nodes()).expect("as many nodes as devices")
}

/// Sends a signal to a node.
#[cfg(unix)]
pub fn signal(node: &Child, name: &str) {
    let id = node.id().to_string();
    assert!(Command::new("kill").args([name, &id]).status().expect("there is a kill").success());
}
