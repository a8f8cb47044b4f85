//! `cnasc search FILE`: evaluates candidates on all cores, ranks them, compiles the best and runs them on their fleet on real images.

use crate::Session;
use crate::cli::SearchArgs;
use crate::failure::{Exit, Failure, codes};
use crate::storage::Storage;
use crate::{machine, pipeline};
use cnasc_base::{Diagnostic, Seed};
use cnasc_ir::Program;
use cnasc_ir::program::{Budget, Search};
use cnasc_search::{Outcome, Record, Run, Study};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use workers::Workers;

mod finish;
mod progress;
mod shared;
mod show;
mod tell;
mod watch;
mod workers;

pub use show::word;

/// Searches, measures the best, shows them, and leaves the winner in a folder.
pub fn run(session: &mut Session, args: &SearchArgs) -> Result<Exit, Failure> {
    let (program, _) = pipeline::check(&mut session.sources, &args.file)?;
    let search = find(&program, args)?;
    let seed = args.seed.unwrap_or(search.seed);
    if args.watch {
        return watch::run(session, args, search, seed);
    }
    let study = Study::new(&program, search, seed)?;
    let tellers = tell::Tellers::find(args, &program, search)?;
    let study = study.told_by(&tellers);
    pipeline::has_backends(study.fleet())?;
    let images = finish::Images::find(args, &study)?;
    let mut kept = Kept::open(session, args, &study, search, seed)?;
    let started = Instant::now();
    let workers = Workers { count: args.workers.map_or_else(machine::cores, usize::from), quiet: &tellers.quiet };
    let run = evaluate(session, args, &study, search, workers, &mut kept)?;
    let count = run.drawn();
    let outcome = run.outcome();
    let seconds = started.elapsed().as_secs_f64();
    if outcome.ranked.is_empty() {
        return Err(none_kept(search, &outcome, count));
    }
    let found = Found { study, search, outcome, evaluated: count, seconds, seed };
    let measured = finish::measure(session, args, &found, &images)?;
    if session.output.is_json() {
        session.output.json(&show::document(&found, &measured));
    } else {
        session.output.text(&show::for_people(&found, &measured));
        session.output.remark(pipeline::UNTRAINED);
    }
    Ok(Exit::Done)
}

/// Where candidates are kept, and what is known from there.
struct Kept {
    storage: Option<Storage>,
    records: Vec<Record>,
}

impl Kept {
    fn open(
        session: &Session,
        args: &SearchArgs,
        study: &Study<'_>,
        search: &Search,
        seed: u64,
    ) -> Result<Self, Failure> {
        let Some(url) = &args.storage else { return Ok(Self { storage: None, records: Vec::new() }) };
        let (storage, records) = Storage::open(url, study, search, seed, &origin(study.program(), search))?;
        if !records.is_empty() {
            session.output.remark(&format!("{} candidates are known from `{}`", records.len(), storage.place()));
        }
        Ok(Self { storage: Some(storage), records })
    }
}

/// What a study is of: the program with all that it takes from other files, and the search.
fn origin(program: &Program, search: &Search) -> String {
    Seed::new(0).child(&format!("{program:?}")).child(&search.name).number().to_string()
}

/// A finished search.
struct Found<'a> {
    study: Study<'a>,
    search: &'a Search,
    outcome: Outcome,
    evaluated: u64,
    seconds: f64,
    seed: u64,
}

fn find<'a>(program: &'a Program, args: &SearchArgs) -> Result<&'a Search, Failure> {
    let names: Vec<&str> = program.searches.iter().map(|search| search.name.as_str()).collect();
    let found = match &args.item {
        Some(name) => program.searches.iter().find(|search| search.name == *name),
        None if names.len() == 1 => program.searches.first(),
        None => None,
    };
    found.ok_or_else(|| {
        let file = args.file.display();
        let message = match (&args.item, names.as_slice()) {
            (_, []) => format!("`{file}` declares no search"),
            (Some(name), _) => format!("`{file}` declares no search `{name}`"),
            (None, _) => format!("`{file}` declares several searches: name one by --item"),
        };
        let diagnostic = Diagnostic::error(codes::ITEM, message);
        Failure::input(if names.is_empty() {
            diagnostic
        } else {
            diagnostic.note(format!("it has `{}`", names.join("`, `")))
        })
    })
}

/// How long a search goes on.
#[derive(Debug, Clone, Copy)]
struct Limit {
    candidates: u64,
    time: Option<Instant>,
}

impl Limit {
    /// As the command line says, else as the search does.
    fn new(args: &SearchArgs, search: &Search) -> Self {
        match (args.budget, search.budget) {
            (Some(candidates), _) | (None, Budget::Candidates(candidates)) => Self { candidates, time: None },
            (None, Budget::Seconds(seconds)) => {
                Self { candidates: u64::MAX, time: Some(Instant::now() + Duration::from_secs_f64(seconds)) }
            }
        }
    }

    /// How many candidates there will be.
    fn known(&self) -> Option<u64> {
        self.time.is_none().then_some(self.candidates)
    }
}

/// Looks at all candidates of the budget; the outcome does not depend on the number of workers.
fn evaluate<'a>(
    session: &Session,
    args: &SearchArgs,
    study: &Study<'a>,
    search: &Search,
    workers: Workers<'_>,
    kept: &mut Kept,
) -> Result<Run<'a>, Failure> {
    let limit = Limit::new(args, search);
    let line = progress::line(session, limit.known());
    let stopped = stopped(session);
    let mut run = Run::new(study, limit.candidates, args.top.into());
    let recalled = kept.records.len() as u64;
    run.recall(std::mem::take(&mut kept.records));
    let over = || stopped.load(Ordering::Relaxed) || limit.time.is_some_and(|end| Instant::now() >= end);
    let show = |run: &Run<'_>| {
        if line.position() < recalled {
            // What is known from before does not count for the speed.
            line.set_position(recalled);
            line.reset_eta();
        }
        line.set_position(run.drawn());
        line.set_message(progress::found(run.passed() as u64, run.front(), run.objectives()));
    };
    if let Some(storage) = &mut kept.storage {
        shared::draw(&mut run, storage, workers, over, show)?;
    }
    if let Some(storage) = &mut kept.storage {
        shared::look_on(&mut run, storage, workers, show)?;
        storage.close()?;
    }
    loop {
        let jobs = run.ask();
        if jobs.is_empty() {
            break;
        }
        // Only the drawing of candidates can be cut short: what was drawn is judged.
        let draws = run.draws();
        run.tell(workers.work(jobs, || draws && over()));
        show(&run);
    }
    line.finish_and_clear();
    if stopped.load(Ordering::Relaxed) {
        let again = if args.storage.is_some() { "; the same command goes on from there" } else { "" };
        session.output.remark(&format!("stopped after {} candidates{again}", run.drawn()));
    }
    Ok(run)
}

/// Becomes true when the user interrupts: no candidate is drawn any more, and those that were are ranked. A second time ends the
/// process; what is in a database stays whole.
fn stopped(session: &Session) -> Arc<AtomicBool> {
    let stopped = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stopped);
    let set = ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            // 128 and the number of the signal, as shells have it.
            std::process::exit(130);
        }
    });
    if set.is_err() {
        session.output.remark("note: an interrupt ends the process at once");
    }
    stopped
}

/// Why nothing was found, so that the reader knows which limit to move.
fn none_kept(search: &Search, outcome: &Outcome, evaluated: u64) -> Failure {
    let message = format!("none of {evaluated} candidates of search `{}` keeps its constraints", search.name);
    let mut diagnostic = Diagnostic::error(codes::NO_CANDIDATE, message);
    for (measure, count) in &outcome.broken {
        diagnostic = diagnostic.note(format!("{count} break the constraint on {}", word(*measure)));
    }
    for (why, count) in outcome.impossible.iter().take(3) {
        diagnostic = diagnostic.note(format!("{count} give no network: {why}"));
    }
    for constraint in &search.constraints {
        diagnostic = diagnostic.label(constraint.location, "");
    }
    Failure::input(diagnostic)
}

/// The folder for the winner: as asked, or `results/NAME` where the command was started.
fn folder(args: &SearchArgs, search: &Search) -> std::path::PathBuf {
    args.output_dir.clone().unwrap_or_else(|| Path::new("results").join(&search.name))
}
