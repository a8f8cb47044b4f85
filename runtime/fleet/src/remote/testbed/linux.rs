//! Machines made of one: a network namespace a node, joined by a bridge through veth pairs whose both ends a token bucket slows down, and
//! a control group a node that has a part of a core.
//!
//! It is done by `ip` and `tc`, because that is what one can repeat by hand. Everything has the number of the process that made it in its
//! name; what belongs to a process that is no more is removed first. The token bucket is small, because a large one
//! would let through a tensor at full speed. Bandwidth quotas of control groups have the shortest periods that Linux takes, because a
//! node that computes for half of a second and sleeps for the other is no slow node. Still Linux sees only at timer ticks that a quota is
//! used up, so that they do for what takes long; nodes that pace themselves are slow from step to step.

use super::super::RemoteError;
use super::{PREFIX, Wanted, is_running, owner, patiently};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where namespaces have names.
const NAMES: &str = "/run/netns";

/// The port that nodes listen at, each in its own namespace.
const PORT: u16 = 7441;

/// How long a burst at full speed may be, in seconds at the limited rate, and in bytes at least: two packets. The timer that fills the
/// bucket is late by tens of microseconds: with 50 µs a link of 941 Mbit/s carried 0.55 of that, with 400 µs 0.9, and 1.1 in 64 KiB.
const BURST: (f64, f64) = (400e-6, 3200.0);

/// Bytes of a packet: those of Ethernet, and larger ones where the bucket holds several. What the network costs this machine's processors, which
/// a network card would do, grows with the number of packets.
const PACKETS: (f64, f64) = (1500.0, 9000.0);

/// The shortest quota of processor time that Linux takes, in microseconds, and its longest period.
const QUOTA_US: f64 = 1000.0;
const LONGEST_PERIOD_US: f64 = 1e6;

/// Why there can be no namespaces here, if so.
#[must_use]
pub fn lacks() -> Option<String> {
    if !cfg!(target_os = "linux") {
        return Some("this system has no network namespaces".to_owned());
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let user = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    // The second number is the one that counts.
    if user.and_then(|line| line.split_whitespace().nth(1)) != Some("0") {
        return Some("without root there are no network namespaces".to_owned());
    }
    for tool in ["ip", "tc"] {
        if Command::new(tool).arg("-V").output().is_err() {
            return Some(format!("the program `{tool}` of iproute2 is missing"));
        }
    }
    let name = format!("{PREFIX}-{}-try", std::process::id());
    let problem = run(&["ip", "netns", "add", &name]).err();
    let _ = run(&["ip", "netns", "del", &name]);
    problem.map(|problem| format!("this system makes no network namespaces ({problem})"))
}

/// The namespaces of a testbed. Dropping them takes them down.
#[derive(Debug)]
pub struct Namespaces {
    process: u32,
    count: usize,
    groups: Option<Groups>,
    lacking: Vec<String>,
}

impl Namespaces {
    /// Clears what others left behind; nothing is built yet.
    #[must_use]
    pub fn after_clearing() -> Self {
        clear();
        Self { process: std::process::id(), count: 0, groups: Groups::find(), lacking: Vec::new() }
    }

    /// Builds the namespaces, links and groups of `wanted`.
    ///
    /// # Errors
    /// What `ip` and `tc` say, or that it was stopped.
    pub fn build(&mut self, wanted: &[Wanted], stopped: &dyn Fn() -> bool) -> Result<(), RemoteError> {
        let bridge = self.bridge();
        all(&[
            &["ip", "link", "add", &bridge, "type", "bridge"],
            &["ip", "addr", "add", &format!("{}.254/24", self.net()), "dev", &bridge],
            &["ip", "link", "set", &bridge, "up"],
        ])?;
        if self.groups.is_none() && wanted.iter().any(|wanted| wanted.quota().is_some()) {
            self.lacking.push("there are no control groups for processors here: all nodes have whole cores".to_owned());
        }
        for (at, wanted) in wanted.iter().enumerate() {
            if stopped() {
                return Err(RemoteError::System("stopped while the network was built".to_owned()));
            }
            self.count = at + 1;
            self.join(at, wanted)?;
            if let Some(share) = wanted.quota() {
                self.make_group(at, share);
            }
        }
        Ok(())
    }

    /// What is not as wanted, in words.
    #[must_use]
    pub fn lacking(&self) -> &[String] {
        &self.lacking
    }

    /// Where a node listens.
    #[must_use]
    pub fn address(&self, at: usize) -> String {
        format!("{}.{}:{PORT}", self.net(), at + 1)
    }

    /// The words that start a program in a node's namespace.
    #[must_use]
    pub fn within(&self, at: usize, words: &[&str]) -> Vec<String> {
        let name = self.namespace(at);
        ["ip", "netns", "exec", &name].iter().chain(words).map(|&word| word.to_owned()).collect()
    }

    /// Puts a process of a node into its group.
    pub fn slow_down(&self, at: usize, process: u32, lacking: &mut Vec<String>) {
        let Some(groups) = &self.groups else { return };
        if let Err(error) = std::fs::write(groups.folder(self.process, at).join("cgroup.procs"), process.to_string()) {
            lacking.push(format!("node {at} has a whole core: its process can't be put into a group: {error}"));
        }
    }

    /// A network of its own a process, as far as there are any.
    fn net(&self) -> String {
        format!("10.213.{}", self.process % 250 + 1)
    }

    // Names of network devices have 15 letters at most.
    fn bridge(&self) -> String {
        format!("cnb{}", self.process)
    }

    fn link(&self, at: usize) -> String {
        format!("cnv{}-{at}", self.process)
    }

    fn namespace(&self, at: usize) -> String {
        format!("{PREFIX}-{}-{at}", self.process)
    }

    fn join(&mut self, at: usize, wanted: &Wanted) -> Result<(), RemoteError> {
        let (name, link, bridge) = (self.namespace(at), self.link(at), self.bridge());
        let address = format!("{}.{}/24", self.net(), at + 1);
        let burst = wanted.rate.map(|rate| (rate / 8.0 * BURST.0).max(BURST.1));
        let packet = if burst.is_none_or(|burst| burst > 3.0 * PACKETS.1) { PACKETS.1 } else { PACKETS.0 }.to_string();
        all(&[
            &["ip", "netns", "add", &name],
            &[
                "ip", "link", "add", &link, "mtu", &packet, "type", "veth", "peer", "name", "eth0", "mtu", &packet,
                "netns", &name,
            ],
            &["ip", "link", "set", &link, "master", &bridge],
            &["ip", "link", "set", &link, "up"],
            &["ip", "-n", &name, "addr", "add", &address, "dev", "eth0"],
            &["ip", "-n", &name, "link", "set", "eth0", "up"],
            &["ip", "-n", &name, "link", "set", "lo", "up"],
        ])?;
        // What Linux uses where nobody chose: BBR, which some do, takes a link for slower after each pause. Where it can't be had, so be it.
        let choose = "echo cubic > /proc/sys/net/ipv4/tcp_congestion_control";
        let _ = run(&["ip", "netns", "exec", &name, "sh", "-c", choose]);
        if let (Some(rate), Some(burst)) = (wanted.rate, burst) {
            let (bits, burst) = (format!("{rate:.0}bit"), format!("{burst:.0}"));
            let shape = ["root", "handle", "1:", "tbf", "rate", &bits, "burst", &burst, "latency", "200ms"];
            let inner: &[&str] = &["tc", "-n", &name, "qdisc", "add", "dev", "eth0"];
            let outer: &[&str] = &["tc", "qdisc", "add", "dev", &link];
            all(&[&[inner, &shape].concat(), &[outer, &shape].concat()])?;
        }
        if wanted.latency > 0.0 {
            self.delay(&name, wanted);
        }
        Ok(())
    }

    /// A delay on the way out, where the kernel has `netem`.
    fn delay(&mut self, name: &str, wanted: &Wanted) {
        let parent = if wanted.rate.is_some() { ["parent", "1:"] } else { ["root", ""] };
        let delay = format!("{:.0}us", wanted.latency * 1e6);
        let words = ["tc", "-n", name, "qdisc", "add", "dev", "eth0", parent[0], parent[1], "netem", "delay", &delay];
        let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
        let message = "the kernel has no `netem`: messages take no longer than they must, whatever latency is declared";
        if run(&words).is_err() && !self.lacking.iter().any(|one| one == message) {
            self.lacking.push(message.to_owned());
        }
    }

    fn make_group(&mut self, at: usize, share: f64) {
        let Some(groups) = &self.groups else { return };
        if let Err(error) = groups.make(self.process, at, share) {
            self.lacking.push(format!("node {at} has a whole core: {error}"));
        }
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for at in 0..self.count {
            remove(&self.namespace(at));
            if let Some(groups) = &self.groups {
                groups.remove(&groups.folder(self.process, at));
            }
        }
        // Gone already where it was never made.
        let _ = run(&["ip", "link", "del", &self.bridge()]);
    }
}

/// Removes a namespace and ends what still runs in it.
fn remove(namespace: &str) {
    if let Ok(processes) = run(&["ip", "netns", "pids", namespace]) {
        processes.split_whitespace().for_each(|process| drop(run(&["kill", "-KILL", process])));
    }
    let _ = run(&["ip", "netns", "del", namespace]);
}

/// Removes what processes left behind that are no more.
fn clear() {
    let names = |folder: &Path| -> Vec<String> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    };
    let is_left = |name: &String| owner(name).is_some_and(|owner| !is_running(owner));
    for name in names(Path::new(NAMES)).into_iter().filter(is_left) {
        remove(&name);
    }
    for link in names(Path::new("/sys/class/net")) {
        let owner = link.strip_prefix("cnb").and_then(|rest| rest.parse().ok());
        if owner.is_some_and(|owner| !is_running(owner)) {
            let _ = run(&["ip", "link", "del", &link]);
        }
    }
    if let Some(groups) = Groups::find() {
        for name in names(&groups.root).into_iter().filter(is_left) {
            groups.remove(&groups.root.join(name));
        }
    }
}

/// Control groups for processors, of either version.
#[derive(Debug)]
struct Groups {
    root: PathBuf,
    second: bool,
}

impl Groups {
    fn find() -> Option<Self> {
        // The second is where systems put it that have both versions.
        for second in ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(PathBuf::from) {
            let controllers = std::fs::read_to_string(second.join("cgroup.controllers")).unwrap_or_default();
            if controllers.split_whitespace().any(|one| one == "cpu") {
                // Where it is on already nothing changes.
                let _ = std::fs::write(second.join("cgroup.subtree_control"), "+cpu");
                return Some(Self { root: second, second: true });
            }
        }
        let mut first = ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"].into_iter().map(PathBuf::from);
        let root = first.find(|root| root.join("cpu.cfs_period_us").is_file())?;
        Some(Self { root, second: false })
    }

    fn folder(&self, process: u32, at: usize) -> PathBuf {
        self.root.join(format!("{PREFIX}-{process}-{at}"))
    }

    fn make(&self, process: u32, at: usize, share: f64) -> std::io::Result<()> {
        let folder = self.folder(process, at);
        std::fs::create_dir(&folder)?;
        let Some((quota, period)) = quota(share) else { return Ok(()) };
        if self.second {
            return std::fs::write(folder.join("cpu.max"), format!("{quota} {period}"));
        }
        std::fs::write(folder.join("cpu.cfs_period_us"), period.to_string())?;
        std::fs::write(folder.join("cpu.cfs_quota_us"), quota.to_string())
    }

    fn remove(&self, folder: &Path) {
        // A group can't be removed while the system still buries its last process.
        patiently(|| !folder.exists() || std::fs::remove_dir(folder).is_ok());
    }
}

/// Microseconds of a core in a period of so many, for a part of a core.
fn quota(share: f64) -> Option<(u64, u64)> {
    if share >= 1.0 {
        return None;
    }
    let period = (QUOTA_US / share.max(1e-3)).min(LONGEST_PERIOD_US).round();
    Some(((share * period).max(QUOTA_US).round() as u64, period as u64))
}

fn all(commands: &[&[&str]]) -> Result<(), RemoteError> {
    commands.iter().try_for_each(|words| run(words).map(drop).map_err(RemoteError::System))
}

/// What a command prints.
fn run(words: &[&str]) -> Result<String, String> {
    let (program, arguments) = words.split_first().ok_or("no command")?;
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("can't run `{program}`: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let problem = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{}`: {}", words.join(" "), problem.trim()))
}

#[cfg(test)]
mod tests {
    use super::super::SlowedBy;
    use super::*;

    #[test]
    fn parts_of_a_core() {
        assert_eq!(quota(0.5), Some((1000, 2000)));
        assert_eq!(quota(0.75), Some((1000, 1333)));
        assert_eq!(quota(0.0), Some((1000, 1_000_000)), "the least that there is");
        assert_eq!(quota(1.0), None);
    }

    /// A process that never rests is stopped again and again, in either version of control groups.
    fn holds_back(namespaces: &mut Namespaces, group: &Path) {
        let mut busy = Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        let mut lacking = Vec::new();
        namespaces.slow_down(0, busy.id(), &mut lacking);
        let held_back = patiently(|| {
            let figures = std::fs::read_to_string(group.join("cpu.stat")).unwrap_or_default();
            let times = figures.lines().find_map(|line| line.strip_prefix("nr_throttled "));
            times.and_then(|times| times.parse::<u64>().ok()).is_some_and(|times| times > 3)
        });
        busy.kill().and_then(|()| busy.wait()).unwrap();
        assert!(held_back && lacking.is_empty(), "{lacking:?}");
    }

    /// Only where it is allowed; elsewhere there is a reason, which is all that can be asked for.
    #[test]
    fn namespaces_are_taken_down() {
        let _turn = super::super::tests::TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(reason) = lacks() {
            assert!(!reason.is_empty());
            return;
        }
        let by = SlowedBy::Quota;
        let wanted = |name: &str| Wanted { name: name.to_owned(), share: 0.5, by, rate: Some(1e9), latency: 1e-3 };
        let mut namespaces = Namespaces::after_clearing();
        namespaces.build(&[wanted("a"), wanted("b")], &|| false).unwrap();
        let names = [0, 1].map(|at| Path::new(NAMES).join(namespaces.namespace(at)));
        let bridge = Path::new("/sys/class/net").join(namespaces.bridge());
        assert!(names.iter().all(|name| name.exists()) && bridge.exists());
        let shape = run(&["tc", "-n", &namespaces.namespace(1), "qdisc", "show", "dev", "eth0"]).unwrap();
        assert!(shape.contains("tbf") && shape.contains("rate 1Gbit"), "{shape}");
        let (words, other) = (namespaces.within(0, &["ping", "-c", "1", "-W", "2"]), namespaces.address(1));
        assert_eq!(words[3], namespaces.namespace(0));
        assert!(other.ends_with(".2:7441"), "{other}");
        let groups = Groups::find().map(|groups| [0, 1].map(|at| groups.folder(namespaces.process, at)));
        let groups = groups.filter(|groups| groups[0].is_dir());
        if let Some([group, _]) = &groups {
            holds_back(&mut namespaces, group);
        }
        drop(namespaces);
        assert!(groups.is_none_or(|groups| groups.iter().all(|group| !group.exists())));
        assert!(names.iter().all(|name| !name.exists()) && !bridge.exists());
    }
}
