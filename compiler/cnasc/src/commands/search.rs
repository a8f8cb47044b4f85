//! `cnasc search FILE`: evaluates candidates on all cores, ranks them, compiles the best and runs them on their fleet on real images.

use crate::Session;
use crate::cli::SearchArgs;
use crate::commands::refuse;
use crate::failure::{Exit, Failure, codes};
use crate::pipeline;
use cnasc_base::Diagnostic;
use cnasc_ir::Program;
use cnasc_ir::program::{Budget, Search};
use cnasc_search::{Done, Job, Outcome, Run, Study};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

mod finish;
mod show;

/// Searches, measures the best, shows them, and leaves the winner in a folder.
pub fn run(session: &mut Session, args: &SearchArgs) -> Result<Exit, Failure> {
    let (program, _) = pipeline::check(&mut session.sources, &args.file)?;
    let search = find(&program, args)?;
    let seed = args.seed.unwrap_or(search.seed);
    let study = Study::new(&program, search, seed)?;
    pipeline::has_backends(study.fleet())?;
    refuse("--storage", args.storage.as_ref())?;
    let images = finish::Images::find(args, &study)?;
    let started = Instant::now();
    let run = evaluate(session, args, &study, search);
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

/// Looks at all candidates of the budget; the outcome does not depend on the number of workers.
fn evaluate<'a>(session: &Session, args: &SearchArgs, study: &Study<'a>, search: &Search) -> Run<'a> {
    let (limit, deadline) = match (args.budget, search.budget) {
        (Some(candidates), _) | (None, Budget::Candidates(candidates)) => (candidates, None),
        (None, Budget::Seconds(seconds)) => (u64::MAX, Some(Instant::now() + Duration::from_secs_f64(seconds))),
    };
    let workers = args.workers.map_or_else(cores, usize::from);
    let bar = progress(session, limit);
    let mut run = Run::new(study, limit, args.top.into());
    loop {
        let jobs = run.ask();
        if jobs.is_empty() {
            break;
        }
        // Only the drawing of candidates can be cut short: what was drawn is judged.
        let deadline = deadline.filter(|_| run.draws());
        run.tell(work(jobs, workers, deadline));
        bar.set_position(run.drawn());
        bar.set_message(format!("{} kept", run.passed()));
    }
    bar.finish_and_clear();
    run
}

/// What the jobs give, in their order; behind the deadline none is begun any more.
fn work(jobs: Vec<Job<'_>>, workers: usize, deadline: Option<Instant>) -> Vec<Done> {
    let workers = workers.min(jobs.len());
    let jobs = Mutex::new(jobs.into_iter().enumerate());
    let work = || {
        let mut done = Vec::new();
        loop {
            // Jobs are handed out in order and each one taken is finished, so that what is done is always 0 … k.
            let next = {
                let mut jobs = jobs.lock().expect("no worker panics while it holds the list");
                if deadline.is_some_and(|deadline| Instant::now() >= deadline) { None } else { jobs.next() }
            };
            let Some((place, job)) = next else { return done };
            done.push((place, job.run()));
        }
    };
    let mut all = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let joined = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        // A worker's panic is a bug of ours, already reported; it must not pass for a shorter search.
        joined.flat_map(|done| done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect::<Vec<_>>()
    });
    all.sort_by_key(|(place, _)| *place);
    all.into_iter().map(|(_, done)| done).collect()
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn progress(session: &Session, limit: u64) -> ProgressBar {
    if !session.output.shows_progress() {
        return ProgressBar::hidden();
    }
    let bar = if limit == u64::MAX { ProgressBar::no_length() } else { ProgressBar::new(limit) };
    let template = "{bar:30} {pos}/{len} candidates, {per_sec}, {msg}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// Why nothing was found, so that the reader knows which limit to move.
fn none_kept(search: &Search, outcome: &Outcome, evaluated: u64) -> Failure {
    let message = format!("none of {evaluated} candidates of search `{}` keeps its constraints", search.name);
    let mut diagnostic = Diagnostic::error(codes::NO_CANDIDATE, message);
    for (measure, count) in &outcome.broken {
        diagnostic = diagnostic.note(format!("{count} break the constraint on {}", show::word(*measure)));
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
