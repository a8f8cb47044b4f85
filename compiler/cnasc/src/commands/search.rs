//! `cnasc search FILE`: evaluates candidates on all cores, ranks them, compiles the best and runs them on their fleet on real images.

use crate::Session;
use crate::cli::SearchArgs;
use crate::commands::refuse;
use crate::failure::{Exit, Failure, codes};
use crate::pipeline;
use cnasc_base::Diagnostic;
use cnasc_ir::Program;
use cnasc_ir::program::{Budget, Search};
use cnasc_search::{Evaluated, Outcome, Study};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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
    let evaluated = evaluate(session, args, &study, search);
    let count = evaluated.len() as u64;
    let outcome = study.conclude(evaluated, args.top.into());
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

/// All candidates of the budget in the order of their indices, whatever the number of workers.
fn evaluate(session: &Session, args: &SearchArgs, study: &Study<'_>, search: &Search) -> Vec<Evaluated> {
    let (limit, deadline) = match (args.budget, search.budget) {
        (Some(candidates), _) | (None, Budget::Candidates(candidates)) => (candidates, None),
        (None, Budget::Seconds(seconds)) => (u64::MAX, Some(Instant::now() + Duration::from_secs_f64(seconds))),
    };
    let workers = args.workers.map_or_else(cores, usize::from);
    let bar = progress(session, limit);
    let next = AtomicU64::new(0);
    let kept = AtomicU64::new(0);
    let late = AtomicBool::new(false);
    let work = || {
        let mut done = Vec::new();
        loop {
            // Indices are handed out in order and each one taken is finished, so that what is done is always 0 … k.
            if late.load(Ordering::Relaxed) || deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                late.store(true, Ordering::Relaxed);
                return done;
            }
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= limit {
                return done;
            }
            let evaluated = study.evaluate(index);
            if matches!(evaluated, Evaluated::Feasible(_)) {
                kept.fetch_add(1, Ordering::Relaxed);
            }
            done.push((index, evaluated));
            bar.set_message(format!("{} kept", kept.load(Ordering::Relaxed)));
            bar.inc(1);
        }
    };
    let mut all = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let joined = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        // A worker's panic is a bug of ours, already reported; it must not pass for a shorter search.
        joined.flat_map(|done| done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect::<Vec<_>>()
    });
    bar.finish_and_clear();
    all.sort_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, evaluated)| evaluated).collect()
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
