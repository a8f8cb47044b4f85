//! A fleet of several machines on one: real nodes in processes of their own, with links as fast and cores as slow as a fleet declares.
//!
//! As root on Linux each node has a network namespace, a link of limited rate to a switch that all share, and a part of a core
//! ([`linux`]); elsewhere nodes are processes on loopback, as fast as the machine. Either way keys are new, everything is taken down
//! when the testbed is dropped, and what a killed one left behind is cleared when the next one is built. Nodes end when the
//! process that started them does, however that ends.

pub mod linux;

use super::RemoteError;
use super::keys::{Member, init};
use linux::Namespaces;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a node may take to say that it has joined.
const STARTING: Duration = Duration::from_secs(20);

/// What names of this program's folders and namespaces begin with; the number of the process that made them follows.
const PREFIX: &str = "cnasc-testbed";

/// How a node is given its part of a core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlowedBy {
    /// By itself: its thread that computes rests after each step, for as long as a slower core would still have computed.
    Pace,
    /// By a quota of a control group, which holds for all that the node does.
    Quota,
}

/// A node as it should be.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// Its part of one core of this machine; 1 and more is a core without a limit.
    pub share: f64,
    /// How it is kept to that.
    pub by: SlowedBy,
    /// Bits a second of its way in and of its way out; absent for no limit.
    pub rate: Option<f64>,
    /// Seconds that a message takes to its receiver at least.
    pub latency: f64,
}

impl Wanted {
    /// How many times slower than a core it makes itself.
    fn slowed(&self) -> Option<f64> {
        (self.by == SlowedBy::Pace && self.share < 1.0).then(|| 1.0 / self.share.max(1e-3))
    }

    /// The part of a core that its group has.
    fn quota(&self) -> Option<f64> {
        (self.by == SlowedBy::Quota && self.share < 1.0).then_some(self.share)
    }
}

/// A running testbed. Dropping it takes it down.
pub struct Testbed {
    folder: PathBuf,
    nodes: Vec<Child>,
    /// Taken down after the nodes.
    namespaces: Option<Namespaces>,
    lacking: Vec<String>,
}

impl Testbed {
    /// Builds one. `node` starts a node: a program and its first arguments, to which `--name`, `--keys` and `--with-parent` are added.
    /// `stopped` is asked between steps whether somebody wants it to end.
    ///
    /// # Errors
    /// Where a tool of the system says no, a node does not start, or it was stopped. Nothing is left behind then.
    pub fn build(node: &[String], wanted: &[Wanted], stopped: &dyn Fn() -> bool) -> Result<Self, RemoteError> {
        clear_folders();
        let folder = std::env::temp_dir().join(format!("{PREFIX}-{}", std::process::id()));
        let mut bed = Self { folder, nodes: Vec::new(), namespaces: None, lacking: Vec::new() };
        match linux::lacks() {
            None => {
                let namespaces = bed.namespaces.insert(Namespaces::after_clearing());
                namespaces.build(wanted, stopped)?;
                bed.lacking.extend(namespaces.lacking().iter().cloned());
            }
            Some(reason) => {
                bed.lacking.push(format!("{reason}: nodes are processes on loopback, without limits on links"));
            }
        }
        let addresses = match &bed.namespaces {
            Some(namespaces) => (0..wanted.len()).map(|at| namespaces.address(at)).collect(),
            None => free_ports(wanted.len())?,
        };
        let members: Vec<Member> = wanted
            .iter()
            .zip(addresses)
            .map(|(wanted, address)| Member { name: wanted.name.clone(), address })
            .collect();
        init(&bed.folder, "testbed", &members)?;
        for at in 0..wanted.len() {
            if stopped() {
                return Err(RemoteError::System("stopped while nodes were started".to_owned()));
            }
            bed.start(node, wanted, at)?;
        }
        Ok(bed)
    }

    /// The folder of the fleet's keys.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What is not as declared, in words.
    #[must_use]
    pub fn lacking(&self) -> &[String] {
        &self.lacking
    }

    /// The number of the process of each node.
    #[must_use]
    pub fn processes(&self) -> Vec<u32> {
        self.nodes.iter().map(Child::id).collect()
    }

    fn start(&mut self, node: &[String], wanted: &[Wanted], at: usize) -> Result<(), RemoteError> {
        let own: Vec<&str> = node.iter().map(String::as_str).collect();
        let words = match &self.namespaces {
            Some(namespaces) => namespaces.within(at, &own),
            None => own.iter().map(|&word| word.to_owned()).collect(),
        };
        let (program, arguments) =
            words.split_first().ok_or_else(|| RemoteError::System("no program of a node was given".to_owned()))?;
        let keys = self.folder.join(&wanted[at].name);
        let mut child = Command::new(program)
            .args(arguments)
            .args(["--name", &wanted[at].name, "--with-parent", "--keys"])
            .arg(&keys)
            .args(wanted[at].slowed().map(|times| format!("--slowed={times}")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| RemoteError::System(format!("can't start `{program}`: {error}")))?;
        if let Some(namespaces) = self.namespaces.as_ref().filter(|_| wanted[at].quota().is_some()) {
            namespaces.slow_down(at, child.id(), &mut self.lacking);
        }
        let said = child.stdout.take();
        // Before it is waited for, so that it is ended whatever happens.
        self.nodes.push(child);
        wait_until_it_listens(&wanted[at].name, said)
    }
}

impl Drop for Testbed {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            // One that has ended on its own needs no ending.
            let _ = node.kill();
            let _ = node.wait();
        }
        self.namespaces = None;
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A node says that it listens, in its first line.
fn wait_until_it_listens(name: &str, said: Option<std::process::ChildStdout>) -> Result<(), RemoteError> {
    let failed = |problem: &str| RemoteError::System(format!("node `{name}` {problem}"));
    let said = said.ok_or_else(|| failed("has no output"))?;
    let (lines, first) = std::sync::mpsc::channel();
    std::thread::Builder::new()
        .name("what a node says".to_owned())
        .spawn(move || {
            let mut said = BufReader::new(said);
            let mut line = String::new();
            let read = said.read_line(&mut line);
            // Whoever waited may have given up.
            let _ = lines.send(read.map(|_| line));
            // What it says later would fill the pipe.
            let _ = std::io::copy(&mut said, &mut std::io::sink());
        })
        .map_err(|error| failed(&format!("can't be listened to: {error}")))?;
    match first.recv_timeout(STARTING) {
        Ok(Ok(line)) if line.contains("listens at") => Ok(()),
        Ok(_) => Err(failed("ended before it had joined")),
        Err(_) => Err(failed("did not start in time")),
    }
}

/// Ports that were free a moment ago.
fn free_ports(count: usize) -> Result<Vec<String>, RemoteError> {
    let no_port = |error: std::io::Error| RemoteError::System(format!("no free port: {error}"));
    let held: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>().map_err(no_port)?;
    held.iter()
        .map(|one| one.local_addr().map(|address| address.to_string()))
        .collect::<Result<_, _>>()
        .map_err(no_port)
}

/// Removes the folders of testbeds whose process is no more.
fn clear_folders() {
    let Ok(entries) = std::fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(owner) = name.to_str().and_then(owner) else { continue };
        if !is_running(owner) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// The process that a name says it belongs to: `cnasc-testbed-PROCESS`, with more behind it or not.
fn owner(name: &str) -> Option<u32> {
    let rest = name.strip_prefix(PREFIX)?.strip_prefix('-')?;
    rest.split('-').next()?.parse().ok()
}

/// Whether there is such a process, and it is no other program that has the number now.
fn is_running(process: u32) -> bool {
    let own = std::fs::read_to_string("/proc/self/comm");
    match (own, std::fs::read_to_string(format!("/proc/{process}/comm"))) {
        (Ok(own), Ok(other)) => own == other || other.starts_with("cnasc"),
        (Ok(_), Err(_)) => false,
        // Nobody knows here.
        (Err(_), _) => true,
    }
}

/// Ends the process once whoever started it is gone, which closes its standard input.
///
/// # Errors
/// Where there is no thread.
pub fn end_with_parent() -> std::io::Result<()> {
    std::thread::Builder::new().name("parent".to_owned()).spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        std::process::exit(0);
    })?;
    Ok(())
}

/// Tries again, for a second at most, what the system may not be ready for yet.
fn patiently(mut works: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(1);
    loop {
        if works() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[cfg(test)]
#[allow(clippy::panic, reason = "a failing test panics")]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// What is built has the number of the process in its name, so that tests of one process take turns.
    pub(super) static TURN: Mutex<()> = Mutex::new(());

    #[test]
    fn names_say_who_made_them() {
        assert_eq!(owner("cnasc-testbed-12-3"), Some(12));
        assert_eq!(owner("cnasc-testbed-12"), Some(12));
        assert_eq!((owner("cnasc-testbed"), owner("other-12"), owner("cnasc-testbed-x")), (None, None, None));
        assert!(is_running(std::process::id()));
    }

    #[test]
    fn a_program_that_is_no_node_leaves_nothing() {
        let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let by = SlowedBy::Pace;
        let wanted = Wanted { name: "n0".to_owned(), share: 1.0, by, rate: None, latency: 0.0 };
        let built = Testbed::build(&["true".to_owned()], &[wanted], &|| false);
        let Err(error) = built else { panic!("`true` is no node") };
        assert!(error.to_string().contains("n0"), "{error}");
        assert!(!std::env::temp_dir().join(format!("{PREFIX}-{}", std::process::id())).exists());
    }
}
