//! `cnasc test FILE…`: runs the test blocks of source files, in parallel, and reports in their order.

mod findings;
mod report;
mod snapshot;

use crate::Session;
use crate::cli::TestArgs;
use crate::failure::{Exit, Failure, codes};
use crate::pipeline;
use cnasc_base::{Diagnostic, Diagnostics, FileId};
use cnasc_expand::testing::{self, Outcome};
use cnasc_ir::Program;
use cnasc_ir::program::Test;
use snapshot::{Place, Settled, Wish};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A source file whose tests are run.
struct File {
    path: PathBuf,
    program: Program,
    id: FileId,
}

/// One test and what it needs.
#[derive(Clone, Copy)]
struct Job<'a> {
    file: &'a File,
    test: &'a Test,
}

/// What became of one test.
struct Ran<'a> {
    job: Job<'a>,
    /// Or why a sample could not be drawn.
    outcome: Result<Outcome, Box<Diagnostic>>,
    /// What became of its snapshot, if it has one.
    snapshot: Option<Settled>,
}

/// Runs all tests of all files; exits with 1 where one fails.
pub fn run(session: &mut Session, args: &TestArgs) -> Result<Exit, Failure> {
    if args.review && !std::io::stdin().is_terminal() {
        let found = Diagnostic::error(codes::OPTION, "--review asks on a terminal, and standard input is none")
            .note("`--accept` takes every snapshot as it is now; `cargo insta review` asks, too");
        return Err(Failure::usage(found));
    }
    let files = load(session, &args.files)?;
    let tests = |file: &'_ File| file.program.tests.iter().filter(|test| test.location.file == file.id).count();
    let mut jobs = Vec::with_capacity(files.iter().map(tests).sum());
    for file in &files {
        // Modules that the file uses have their own tests, which are run by naming them.
        let own = file.program.tests.iter().filter(|test| test.location.file == file.id);
        jobs.extend(own.map(|test| Job { file, test }));
    }
    let outcomes = in_parallel(&jobs);
    let wish = match args {
        TestArgs { accept: true, .. } => Wish::Accept,
        TestArgs { review: true, .. } => Wish::Ask,
        _ => Wish::Compare,
    };
    let mut ran = Vec::with_capacity(jobs.len());
    let mut places = snapshot::Places::default();
    for (job, outcome) in jobs.into_iter().zip(outcomes) {
        ran.push(settle(session, &mut places, job, outcome, wish)?);
    }
    report::print(session, &ran);
    Ok(if ran.iter().all(Ran::passed) { Exit::Done } else { Exit::Input })
}

/// Reads and checks every file; what is wrong with any of them is told at once.
fn load(session: &mut Session, paths: &[PathBuf]) -> Result<Vec<File>, Failure> {
    let (mut files, mut wrong) = (Vec::new(), Diagnostics::default());
    for path in paths {
        let id = pipeline::read_source(&mut session.sources, path)?;
        let (program, diagnostics) = pipeline::compile_source(&mut session.sources, id);
        match program {
            Some(program) => files.push(File { path: path.clone(), program, id }),
            None => wrong.extend(diagnostics),
        }
    }
    if wrong.is_empty() { Ok(files) } else { Err(Failure::input(wrong)) }
}

/// The outcomes in the order of the jobs, however many threads there are.
fn in_parallel(jobs: &[Job<'_>]) -> Vec<Result<Outcome, Box<Diagnostic>>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(jobs.len());
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(jobs.len())));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((place, job)) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|place| jobs.get(place).map(|job| (place, job)))
                {
                    let outcome = testing::run(&job.file.program, job.test).map_err(Box::new);
                    done.lock().expect("no thread panics while it holds the list").push((place, outcome));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("no thread panics while it holds the list");
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

/// Compares a test's snapshot with the accepted one, where it has one.
fn settle<'a>(
    session: &Session,
    places: &mut snapshot::Places,
    job: Job<'a>,
    outcome: Result<Outcome, Box<Diagnostic>>,
    wish: Wish,
) -> Result<Ran<'a>, Failure> {
    let place = places.next(&job.file.path, &job.test.name);
    let found = outcome.as_ref().ok().and_then(|outcome| outcome.snapshot.as_deref());
    let snapshot = match found {
        Some(found) => {
            let place = Place { expression: expression(session, job.test), line: line(session, job.test), ..place };
            let ask = |settled: &Settled| {
                let finding = findings::question(&job, settled, found);
                finding.map(|finding| session.output.shown(&session.sources, &finding.into())).unwrap_or_default()
            };
            Some(snapshot::settle(&place, found, wish, ask)?)
        }
        None => None,
    };
    Ok(Ran { job, outcome, snapshot })
}

/// What a snapshot is of, as written: `200 of local(n: 32, reach: 4.0) seed 1`.
fn expression(session: &Session, test: &Test) -> String {
    let sample = &test.sample;
    format!("{} of {} seed {}", sample.count, session.sources.slice(sample.of.location), sample.seed)
}

fn line(session: &Session, test: &Test) -> usize {
    session.sources.line_column(test.location.file, test.location.start).0
}

impl Job<'_> {
    fn path(&self) -> &Path {
        &self.file.path
    }
}

impl Ran<'_> {
    fn passed(&self) -> bool {
        let Ok(outcome) = &self.outcome else { return false };
        let holds = |verdict: &testing::Verdict| match verdict {
            testing::Verdict::Statistic { holds, .. } => *holds,
            testing::Verdict::Snapshot => self.snapshot.as_ref().is_some_and(Settled::holds),
        };
        outcome.verdicts.iter().all(holds)
    }
}
