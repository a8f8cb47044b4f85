//! A program of the user's that tells a network's accuracy: JSON to its standard input, JSON from its standard output.
//!
//! It gets `{"architecture": …, "figures": {"params": …}, "arguments": {"width": "16"}, "seed": …}` and says `{"accuracy": 0.93}`. It is started
//! without a shell, in the folder of the source file, several at once, and must tell the same of the same network. When its time
//! is over, it and all that it has started are ended.

use crate::commands::search::show::word;
use crate::failure::{Failure, codes};
use cnasc_base::Diagnostic;
use cnasc_ir::program::Measure;
use cnasc_search::{Draw, Figures};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The most that is taken from its standard output, and of what it says beside.
const MOST: (usize, usize) = (1 << 20, 4 << 10);

/// How often it is looked whether it has ended.
const LOOK: Duration = Duration::from_millis(5);

/// What is known of a network before accuracy is.
const KNOWN: [Measure; 12] = [
    Measure::Params,
    Measure::Flops,
    Measure::Macs,
    Measure::Depth,
    Measure::Width,
    Measure::Nodes,
    Measure::ConcurrencyScore,
    Measure::Latency,
    Measure::MeasuredLatency,
    Measure::Memory,
    Measure::Communication,
    Measure::Energy,
];

/// A program, found.
#[derive(Debug)]
pub struct Command {
    program: PathBuf,
    arguments: Vec<String>,
    folder: PathBuf,
    within: Duration,
}

#[derive(Serialize)]
struct Question<'a> {
    architecture: serde_json::Value,
    figures: BTreeMap<&'static str, f64>,
    arguments: &'a BTreeMap<String, String>,
    seed: u64,
}

#[derive(Deserialize)]
struct Told {
    accuracy: f64,
}

/// What a program left behind.
struct Left {
    status: ExitStatus,
    told: Vec<u8>,
    said: Vec<u8>,
}

impl Command {
    /// The first word is a program: with a `/` in it a file beside the source, else one of the folders in `PATH`.
    ///
    /// # Errors
    /// Where there is none.
    pub fn find(words: &[String], within: f64, folder: &Path) -> Result<Self, Failure> {
        let missing = |name: &str| Diagnostic::error(codes::COMMAND, format!("there is no program `{name}`"));
        let Some((name, arguments)) = words.split_first() else { return Err(missing("").into()) };
        let beside = name.contains('/').then(|| folder.join(name));
        let program = match beside {
            Some(path) => path.canonicalize().ok().filter(|path| path.is_file()),
            None => std::env::var_os("PATH")
                .and_then(|paths| std::env::split_paths(&paths).map(|at| at.join(name)).find(|path| path.is_file())),
        };
        let note = "`command` takes a program and its arguments, each a word in quotation marks: command(\"python3\", \"judge.py\")";
        let program = program.ok_or_else(|| missing(name).note(note))?;
        let within = Duration::try_from_secs_f64(within).unwrap_or(Duration::MAX);
        Ok(Self { program, arguments: arguments.to_vec(), folder: folder.to_owned(), within })
    }

    /// What it tells.
    ///
    /// # Errors
    /// Where it can't be started, takes too long, fails, or tells no accuracy.
    pub fn ask(&self, network: &Draw, known: &Figures) -> Result<f64, Diagnostic> {
        let name = self.program.file_name().unwrap_or_default().to_string_lossy();
        let wrong = |what: String| Diagnostic::error(codes::COMMAND, format!("`{name}` {what}"));
        let question = Question {
            architecture: serde_json::from_str(&network.architecture.to_json())
                .expect("what was written as JSON is JSON"),
            figures: KNOWN.into_iter().filter_map(|of| Some((word(of), known.value(of)?))).collect(),
            arguments: &network.arguments,
            seed: network.architecture.provenance.seed,
        };
        let question = serde_json::to_vec(&question).expect("names and finite numbers always serialise");
        let child = self.start().map_err(|error| wrong(format!("can't be started: {error}")))?;
        let left = attend(child, &question, self.within).map_err(|error| wrong(format!("was lost: {error}")))?;
        let Some(Left { status, told, said }) = left else {
            return Err(wrong(format!("took more than {} s", self.within.as_secs_f64())));
        };
        if !status.success() {
            let said = String::from_utf8_lossy(&said).into_owned();
            let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing").trim();
            return Err(wrong(format!("failed ({status}): {}", last.chars().take(200).collect::<String>())));
        }
        if told.len() > MOST.0 {
            return Err(wrong(format!("told more than {} bytes", MOST.0)));
        }
        let told: Told = serde_json::from_slice(&told)
            .map_err(|error| wrong(format!("told no {{\"accuracy\": NUMBER}}: {error}")))?;
        Ok(told.accuracy)
    }

    fn start(&self) -> std::io::Result<Child> {
        let mut command = std::process::Command::new(&self.program);
        command.args(&self.arguments).current_dir(&self.folder);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own can be ended as a whole, and an interrupt at the terminal leaves it time to tell.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command.spawn()
    }
}

/// Asks a process and waits for its end; none where that is not within the time.
fn attend(mut child: Child, question: &[u8], within: Duration) -> std::io::Result<Option<Left>> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        // A process that does not read its question may answer all the same.
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(question)));
        let told = scope.spawn(move || stdout.map_or(Vec::new(), |from| beginning(from, MOST.0 + 1)));
        let said = scope.spawn(move || stderr.map_or(Vec::new(), |from| ending(from, MOST.1)));
        let ended = wait(&mut child, within);
        // Whatever it started must not keep the pipes open.
        end(&mut child);
        let status = child.wait();
        let (told, said) = (told.join().unwrap_or_default(), said.join().unwrap_or_default());
        Ok(ended?.then_some(Left { status: status?, told, said }))
    })
}

/// Whether it ended within the time.
fn wait(child: &mut Child, within: Duration) -> std::io::Result<bool> {
    let began = Instant::now();
    while !has_ended(child)? {
        if began.elapsed() >= within {
            return Ok(false);
        }
        std::thread::sleep(LOOK.min(within.saturating_sub(began.elapsed())));
    }
    Ok(true)
}

/// Whether it has ended; it stays to be waited for, so that its number is nobody else's yet.
#[cfg(unix)]
fn has_ended(child: &Child) -> std::io::Result<bool> {
    use rustix::process::{WaitId, WaitIdOptions, waitid};
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    Ok(waitid(WaitId::Pid(number(child)), options)?.is_some())
}

/// Ends what is left of a process and its group.
#[cfg(unix)]
fn end(child: &mut Child) {
    // There may be nobody left in it.
    let _ = rustix::process::kill_process_group(number(child), rustix::process::Signal::KILL);
}

#[cfg(unix)]
fn number(child: &Child) -> rustix::process::Pid {
    rustix::process::Pid::from_child(child)
}

#[cfg(not(unix))]
fn has_ended(child: &mut Child) -> std::io::Result<bool> {
    Ok(child.try_wait()?.is_some())
}

#[cfg(not(unix))]
fn end(child: &mut Child) {
    let _ = child.kill();
}

/// The first bytes; all others are read and dropped, so that nobody waits to write them.
fn beginning(mut from: impl Read, most: usize) -> Vec<u8> {
    let mut kept = Vec::new();
    let read = from.by_ref().take(most as u64).read_to_end(&mut kept);
    if read.is_ok() {
        let _ = std::io::copy(&mut from, &mut std::io::sink());
    }
    kept
}

/// The last bytes.
fn ending(mut from: impl Read, most: usize) -> Vec<u8> {
    let (mut kept, mut piece) = (Vec::new(), [0; 1024]);
    while let Ok(count @ 1..) = from.read(&mut piece) {
        kept.extend_from_slice(&piece[..count]);
        kept.drain(..kept.len().saturating_sub(most));
    }
    kept
}

#[cfg(all(test, unix))]
#[allow(clippy::panic, reason = "a failing test panics, in its helpers too")]
mod tests {
    use super::*;
    use cnasc_base::Sources;
    use cnasc_place::Workload;
    use cnasc_search::Counts;

    /// What `sh -c SCRIPT` tells of a small network, with so many seconds.
    fn asked(script: &str, within: f64) -> Result<f64, String> {
        let words = ["sh", "-c", script].map(str::to_owned);
        let command = Command::find(&words, within, Path::new(".")).unwrap_or_else(|_| panic!("a shell is there"));
        let text = "network f(width: int) {\n input image(1, 8, 8)\n stem conv(3, width) -> relu\n head global_avg -> linear(2)\n}\n\
                    device d {\n compute 1 GFLOP/s\n memory 1 GiB\n cores 1\n}\nfleet one {\n node d[1]: d\n}\n\
                    search s {\n over f(width: in 4 .. 8)\n on one\n minimize params\n budget 1 candidates\n}\n";
        let mut sources = Sources::default();
        let file = sources.add("s.cnas", text);
        let (program, found) = cnasc_frontend::compile(&mut sources, file);
        let program = program.unwrap_or_else(|| panic!("{:?}", found.iter().next()));
        let drawn = cnasc_search::draw(&program, &program.searches[0].over, &BTreeMap::new(), 3).expect("a network");
        let workload = Workload::sketch(&drawn.architecture).expect("it is verified");
        let known =
            Figures { counts: Counts::new(&workload), score: None, placed: None, measured: None, accuracy: None };
        command.ask(&drawn, &known).map_err(|found| found.message)
    }

    #[test]
    fn it_gets_the_network_and_tells() {
        assert_eq!(asked("cat > /dev/null; echo '{\"accuracy\": 0.25}'", 60.0), Ok(0.25));
        let script = "grep -q '\"architecture\":{.*\"figures\":{\"depth\":.*\"arguments\":{\"width\":.*\"seed\":3}' && echo '{\"accuracy\": 1}'";
        assert_eq!(asked(script, 60.0), Ok(1.0));
        assert_eq!(asked("echo '{\"accuracy\": 0.5}'", 60.0), Ok(0.5), "that it does not read is its affair");
    }

    #[test]
    fn what_goes_wrong_is_said() {
        let failed = asked("echo one >&2; echo two >&2; exit 3", 60.0).expect_err("it fails");
        assert_eq!(failed, "`sh` failed (exit status: 3): two");
        let untold = asked("echo maybe", 60.0).expect_err("it tells nothing");
        assert!(untold.starts_with("`sh` told no {\"accuracy\": NUMBER}"), "{untold}");
        let long = asked("head -c 2000000 /dev/zero", 60.0).expect_err("it tells too much");
        assert_eq!(long, "`sh` told more than 1048576 bytes");
        let words = ["no-such-program".to_owned()];
        assert!(Command::find(&words, 1.0, Path::new(".")).is_err());
        assert!(Command::find(&["./sh".to_owned()], 1.0, Path::new(".")).is_err(), "with a slash it is a file");
    }

    #[test]
    fn what_takes_too_long_is_ended_with_all_that_it_started() {
        let began = Instant::now();
        let slow = asked("sleep 600 & sleep 600", 0.2).expect_err("its time is over");
        assert_eq!(slow, "`sh` took more than 0.2 s");
        // What has ended may have left something behind that holds its pipes.
        assert_eq!(asked("sleep 600 & echo '{\"accuracy\": 0.5}'", 60.0), Ok(0.5));
        assert!(began.elapsed() < Duration::from_secs(300), "nobody waited for what was left");
    }
}
