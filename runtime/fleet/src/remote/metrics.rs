//! What a node has done, as numbers that Prometheus collects: counters that the node's threads raise → one page of text.
//!
//! The page is served over plain HTTP, one request at a time, because it is small and says nothing secret but how busy the node is; where
//! it is served is the owner's choice. A request is read up to [`MAX_REQUEST`] bytes and [`PATIENCE`], whatever it says, so that
//! nobody can hold memory or the thread.

use cnasc_bundle::Action;
use cnasc_node::Outcome;
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The most bytes of a request that are read.
const MAX_REQUEST: usize = 4096;

/// For how long a client may take to send its request, and to read the page.
const PATIENCE: Duration = Duration::from_secs(2);

/// Upper ends of the buckets of inferences by their time on the node, in seconds: each about twice the one before.
const BUCKETS: [f64; 14] = [1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1.0, 5.0];

/// The counters. Each is exact; two that are read together may be of moments a little apart.
#[derive(Debug)]
pub struct Metrics {
    started: Instant,
    /// Inferences that ended, well or not.
    pub inferences: AtomicU64,
    /// Of them, those that failed.
    pub failed: AtomicU64,
    /// Deployments that became ready.
    pub deployments: AtomicU64,
    /// Calls that were refused.
    pub refused: AtomicU64,
    operators: AtomicU64,
    bytes_sent: AtomicU64,
    bytes_received: AtomicU64,
    computing_ns: AtomicU64,
    total_ns: AtomicU64,
    /// Inferences of at most so long; longer ones are in none.
    buckets: [AtomicU64; BUCKETS.len()],
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            inferences: AtomicU64::default(),
            failed: AtomicU64::default(),
            deployments: AtomicU64::default(),
            refused: AtomicU64::default(),
            operators: AtomicU64::default(),
            bytes_sent: AtomicU64::default(),
            bytes_received: AtomicU64::default(),
            computing_ns: AtomicU64::default(),
            total_ns: AtomicU64::default(),
            buckets: std::array::from_fn(|_| AtomicU64::default()),
        }
    }
}

impl Metrics {
    /// Counts an inference that was done, by the actions of the share that did it.
    pub fn done(&self, actions: &[Action], outcome: &Outcome) {
        let computing = actions.iter().zip(&outcome.timings).filter(|(action, _)| is_computing(action));
        let computing: f64 = computing.map(|(_, timing)| timing.end - timing.start).sum();
        let total = outcome.timings.last().map_or(0.0, |timing| timing.end);
        add(&self.inferences, 1);
        add(&self.operators, outcome.operators as u64);
        add(&self.bytes_sent, outcome.bytes_sent);
        add(&self.bytes_received, outcome.bytes_received);
        add(&self.computing_ns, (computing * 1e9) as u64);
        add(&self.total_ns, (total * 1e9) as u64);
        if let Some(bucket) = BUCKETS.iter().position(|&end| total <= end) {
            add(&self.buckets[bucket], 1);
        }
    }

    /// Counts one that failed.
    pub fn failed(&self) {
        add(&self.inferences, 1);
        add(&self.failed, 1);
    }

    /// The page, in the text format of Prometheus.
    #[must_use]
    pub fn page(&self) -> String {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut page = String::new();
        let counts = [
            ("inferences", "Inferences that ended, well or not.", of(&self.inferences)),
            ("inferences_failed", "Inferences that failed.", of(&self.failed)),
            ("deployments", "Shares that were compiled and became ready.", of(&self.deployments)),
            ("calls_refused", "Calls that were refused.", of(&self.refused)),
            ("operators", "Operators executed.", of(&self.operators)),
            ("sent_bytes", "Bytes of tensors sent to other nodes.", of(&self.bytes_sent)),
            ("received_bytes", "Bytes of tensors received from other nodes.", of(&self.bytes_received)),
        ];
        for (name, help, value) in counts {
            one(&mut page, &format!("cnasc_{name}_total"), "counter", help, &value.to_string());
        }
        let computing = seconds(of(&self.computing_ns)).to_string();
        one(&mut page, "cnasc_computing_seconds_total", "counter", "Seconds spent computing.", &computing);
        self.histogram(&mut page);
        let up = self.started.elapsed().as_secs_f64().to_string();
        one(&mut page, "cnasc_up_seconds", "gauge", "Seconds since the node started.", &up);
        if let Some(bytes) = resident_bytes() {
            let help = "Memory that the node takes.";
            one(&mut page, "process_resident_memory_bytes", "gauge", help, &bytes.to_string());
        }
        page
    }

    fn histogram(&self, page: &mut String) {
        let name = "cnasc_inference_seconds";
        let mut lines = format!("# HELP {name} Time of inferences on this node, waiting for others included.\n");
        lines += &format!("# TYPE {name} histogram\n");
        let mut below = 0;
        for (end, count) in BUCKETS.iter().zip(&self.buckets) {
            below += count.load(Ordering::Relaxed);
            lines += &format!("{name}_bucket{{le=\"{end}\"}} {below}\n");
        }
        let [all, failed] = [&self.inferences, &self.failed].map(|counter| counter.load(Ordering::Relaxed));
        // Read after the buckets, so that it is not less than their sum.
        let done = all.saturating_sub(failed).max(below);
        let total = seconds(self.total_ns.load(Ordering::Relaxed));
        lines += &format!("{name}_bucket{{le=\"+Inf\"}} {done}\n{name}_sum {total}\n{name}_count {done}\n");
        page.push_str(&lines);
    }
}

fn is_computing(action: &Action) -> bool {
    matches!(action, Action::Compute { .. })
}

fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

fn one(page: &mut String, name: &str, kind: &str, help: &str, value: &str) {
    // Writing to a string can't fail.
    let _ = writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
}

/// Memory of this process in bytes, where the system tells.
#[must_use]
pub fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// Serves the page at `address` for as long as the process lives; gives where, which is of interest where the port was 0.
///
/// # Errors
/// Where it can't be listened at, or there is no thread.
pub fn serve(metrics: Arc<Metrics>, address: SocketAddr) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(address)?;
    let bound = listener.local_addr()?;
    std::thread::Builder::new().name("metrics".to_owned()).spawn(move || {
        for stream in listener.incoming() {
            match stream {
                // A client that goes away in the middle wanted no more.
                Ok(mut stream) => drop(answer(&mut stream, &metrics)),
                // As when there are too many open files: looking again at once would only keep a core busy.
                Err(_) => std::thread::sleep(PATIENCE / 20),
            }
        }
    })?;
    Ok(bound)
}

fn answer(stream: &mut TcpStream, metrics: &Metrics) -> std::io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    let head = match read_head(stream)? {
        Some(line) if line.starts_with("GET /metrics ") || line.starts_with("GET / ") => "200 OK",
        Some(line) if line.starts_with("GET ") => "404 Not Found",
        _ => "400 Bad Request",
    };
    let page = if head.starts_with("200") { metrics.page() } else { String::new() };
    let length = page.len();
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    write!(
        stream,
        "HTTP/1.1 {head}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{page}"
    )
}

/// The first line of a request, once its head is there whole: an answer to less would be cut off by what is still coming.
fn read_head(stream: &mut TcpStream) -> std::io::Result<Option<String>> {
    let deadline = Instant::now() + PATIENCE;
    let mut head = [0; MAX_REQUEST];
    let mut length = 0;
    while length < head.len() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut head[length..])? {
            0 => return Ok(None),
            more => length += more,
        }
        if head[..length].windows(4).any(|end| end == b"\r\n\r\n") {
            let line = head[..length].split(|&byte| byte == b'\r').next().unwrap_or_default();
            return Ok(Some(String::from_utf8_lossy(line).into_owned()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cnasc_ir::TensorId;
    use cnasc_node::Timing;

    fn outcome(end: f64) -> Outcome {
        let timings = vec![Timing { start: 0.0, end: end / 2.0 }, Timing { start: end / 2.0, end }];
        Outcome { answer: None, operators: 3, bytes_sent: 100, bytes_received: 7, began: Instant::now(), timings }
    }

    fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        // A request that is cut off is answered by a closed connection.
        let _ = stream.read_to_string(&mut answer);
        answer
    }

    #[test]
    fn what_was_done_is_on_the_page() {
        let metrics = Arc::new(Metrics::default());
        let actions = [Action::Compute { steps: vec![TensorId(1)] }, Action::Send { tensor: TensorId(1), to: vec![] }];
        metrics.done(&actions, &outcome(0.004));
        metrics.done(&actions, &outcome(60.0));
        metrics.failed();
        let address = serve(Arc::clone(&metrics), "127.0.0.1:0".parse().unwrap()).unwrap();
        let page = ask(address, "GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n");
        assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
        for line in [
            "cnasc_inferences_total 3",
            "cnasc_inferences_failed_total 1",
            "cnasc_operators_total 6",
            "cnasc_sent_bytes_total 200",
            "cnasc_received_bytes_total 14",
            "cnasc_computing_seconds_total 30.002",
            "cnasc_inference_seconds_bucket{le=\"0.002\"} 0",
            "cnasc_inference_seconds_bucket{le=\"0.005\"} 1",
            "cnasc_inference_seconds_bucket{le=\"5\"} 1",
            "cnasc_inference_seconds_bucket{le=\"+Inf\"} 2",
            "cnasc_inference_seconds_sum 60.004",
            "cnasc_inference_seconds_count 2",
        ] {
            assert!(page.lines().any(|found| found == line), "`{line}` is not in\n{page}");
        }
        assert!(ask(address, "GET /other HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404"));
    }

    /// Long, cut off, or no HTTP at all: the page is still served afterwards.
    #[test]
    fn hostile_requests_end() {
        let metrics = Arc::new(Metrics::default());
        let address = serve(Arc::clone(&metrics), "127.0.0.1:0".parse().unwrap()).unwrap();
        drop(TcpStream::connect(address).unwrap());
        ask(address, &"x".repeat(3 * MAX_REQUEST));
        assert!(!ask(address, "\u{0}\r\n\r\n").starts_with("HTTP/1.1 200"));
        assert!(ask(address, "GET / HTTP/1.0\r\n\r\n").contains("cnasc_up_seconds"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn memory_is_known() {
        assert!(resident_bytes().is_some_and(|bytes| bytes > 1 << 20));
    }
}
