//! `cnasc search --watch`: looks on while others search.

use super::{Limit, progress};
use crate::Session;
use crate::cli::SearchArgs;
use crate::failure::{Exit, Failure};
use crate::storage::Watcher;
use cnasc_ir::program::Search;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// How often it looks.
const OFTEN: Duration = Duration::from_millis(500);

/// What was seen last, for programs.
#[derive(Debug, Serialize)]
struct Seen<'a> {
    study: &'a str,
    candidates: u64,
    kept: u64,
    front: usize,
    best: BTreeMap<&'static str, f64>,
}

/// Shows how far the study is until its budget is spent; where there is no terminal, or a program reads, once.
pub fn run(session: &Session, args: &SearchArgs, search: &Search, seed: u64) -> Result<Exit, Failure> {
    // The arguments are checked: there is one.
    let url = args.storage.as_deref().unwrap_or_default();
    let mut watcher = Watcher::open(url, search, seed)?;
    let limit = Limit::new(args, search);
    let line = progress::line(session, limit.known());
    // What was there before does not count for the speed.
    watcher.look()?;
    line.reset();
    line.set_position(watcher.candidates);
    line.reset_eta();
    while !line.is_hidden() && !session.output.is_json() && watcher.candidates < limit.candidates {
        line.set_position(watcher.candidates);
        line.set_message(progress::found(watcher.kept, &watcher.front, watcher.objectives()));
        std::thread::sleep(OFTEN);
        watcher.look()?;
    }
    line.finish_and_clear();
    if session.output.is_json() {
        let ideal = watcher.objectives().iter().zip(watcher.front.ideal());
        let best = ideal.map(|(objective, least)| {
            (super::word(objective.measure), if objective.maximize { -least } else { least })
        });
        session.output.json(&Seen {
            study: watcher.name(),
            candidates: watcher.candidates,
            kept: watcher.kept,
            front: watcher.front.items().len(),
            best: best.collect(),
        });
    } else {
        let found = progress::found(watcher.kept, &watcher.front, watcher.objectives());
        session.output.text(&format!("{}: {} candidates, {found}\n", watcher.name(), watcher.candidates));
    }
    Ok(Exit::Done)
}
