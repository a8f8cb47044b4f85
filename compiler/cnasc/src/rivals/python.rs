//! Engines that are Python packages, each in a process of its own: a fault or the threads of one do not reach the others.

use super::{Files, Preparation, Runner};
use crate::failure::{Failure, codes};
use cnasc_base::Diagnostic;
use serde::Deserialize;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The other end of the pipe.
const SCRIPT: &str = include_str!("engine.py");

/// The environment that `.ci/run` makes, from the folder of the checkout.
const USUAL: &str = "target/peers";

/// A running engine.
#[derive(Debug)]
pub(super) struct Python {
    name: &'static str,
    version: String,
    preparation: Preparation,
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    answer: PathBuf,
    /// Where the engine complains.
    complaints: PathBuf,
}

#[derive(Debug, Deserialize)]
struct Ready {
    version: String,
    #[serde(flatten)]
    preparation: Preparation,
}

impl Python {
    /// Starts the engine and waits until it has answered once; says why where it can't run the model.
    pub(super) fn start(name: &'static str, files: &Files, threads: u32) -> Result<Result<Self, String>, Failure> {
        let python = interpreter()?;
        let answer = files.folder.join(format!("{name}.f32"));
        let complaints = files.folder.join(format!("{name}.log"));
        let log = File::create(&complaints).map_err(|error| Failure::unwritable(&complaints, &error))?;
        let mut command = Command::new(&python);
        command.args(["-c", SCRIPT, name]).args([&files.model, &files.input, &answer]).arg(threads.to_string());
        command.args(files.extents.map(|extent| extent.to_string()));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().map_err(|error| {
            let note = "the variable `CNASC_PEERS` or the folder `target/peers` says where Python is";
            absent(format!("`{}` does not start: {error}", python.display()), note)
        })?;
        let pipes = child.stdin.take().zip(child.stdout.take()).expect("both were asked for as pipes");
        let (requests, answers) = (pipes.0, BufReader::new(pipes.1));
        let preparation = Preparation { ready_ms: 0.0, memory_mib: None };
        let version = String::new();
        let mut engine = Self { name, version, preparation, child, requests, answers, answer, complaints };
        Ok(match engine.line().map(|line| serde_json::from_str::<Ready>(&line).map_err(|error| error.to_string())) {
            Ok(Ok(ready)) => {
                (engine.version, engine.preparation) = (ready.version, ready.preparation);
                Ok(engine)
            }
            Ok(Err(problem)) | Err(problem) => Err(problem),
        })
    }

    /// The next line that the engine prints, or what it complained of last.
    fn line(&mut self) -> Result<String, String> {
        let mut line = String::new();
        match self.answers.read_line(&mut line) {
            Ok(0) => Err(last_line(&self.complaints)),
            Ok(_) => Ok(line),
            Err(error) => Err(error.to_string()),
        }
    }

    fn failure(&self, problem: &str) -> Failure {
        Failure::running(codes::RUN, format!("{}: {problem}", self.name))
    }
}

impl Runner for Python {
    fn name(&self) -> &str {
        self.name
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn preparation(&self) -> Preparation {
        self.preparation
    }

    fn answer(&mut self) -> Result<Vec<f32>, Failure> {
        let bytes = std::fs::read(&self.answer).map_err(|error| Failure::unreadable(&self.answer, &error))?;
        Ok(bytes.as_chunks().0.iter().map(|&four| f32::from_le_bytes(four)).collect())
    }

    fn times(&mut self, warm: u32, runs: u32) -> Result<Vec<f64>, Failure> {
        // An engine that has ended is noticed by reading.
        let _ = writeln!(self.requests, "{warm} {runs}").and_then(|()| self.requests.flush());
        let line = self.line().map_err(|problem| self.failure(&problem))?;
        let times: Vec<f64> = serde_json::from_str(&line).map_err(|error| self.failure(&error.to_string()))?;
        if times.len() == runs as usize { Ok(times) } else { Err(self.failure("gave another number of times")) }
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // It holds nothing that would be lost, and may be hung.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The environment's Python.
fn interpreter() -> Result<PathBuf, Failure> {
    let named = std::env::var_os("CNASC_PEERS");
    let folder = named.clone().map_or_else(|| PathBuf::from(USUAL), PathBuf::from);
    let windows = folder.join("Scripts/python.exe");
    let python = if windows.exists() { windows } else { folder.join("bin/python") };
    if python.exists() {
        return Ok(python);
    }
    let place = if named.is_some() { "CNASC_PEERS" } else { "the folder of the checkout" };
    let message = format!("there is no Python environment in `{}`, of {place}", folder.display());
    let note = "make one: python3 -m venv target/peers && target/peers/bin/pip install --no-deps -r tests/peers/requirements.txt";
    Err(absent(message, note))
}

/// The last line of a log that says something.
fn last_line(log: &Path) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().rev().find(|line| !line.trim().is_empty());
    line.map_or_else(|| "it ended without a word".to_owned(), |line| line.chars().take(300).collect())
}

fn absent(message: impl Into<String>, note: &str) -> Failure {
    Failure::usage(Diagnostic::error(codes::RIVAL, message).note(note))
}
