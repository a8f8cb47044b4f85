//! `cnasc diff BEFORE AFTER`: nodes and edges that were added, removed or changed.

use crate::Session;
use crate::cli::{DiffArgs, DrawArgs};
use crate::failure::{Exit, Failure};
use crate::model;
use cnasc_ir::diff::{Difference, architectures};
use serde::Serialize;

#[derive(Debug, Serialize)]
struct Compared {
    same: bool,
    before: String,
    after: String,
    difference: Difference,
}

/// Compares; the status is that of a wrong input where the networks differ, so that scripts can ask.
pub fn run(session: &mut Session, args: &DiffArgs) -> Result<Exit, Failure> {
    let own = DrawArgs::default();
    let (before, _) = model::load_one(session, &args.before, &own)?;
    let (after, _) = model::load_one(session, &args.after, &own)?;
    let difference = architectures(&before, &after);
    let same = before.hash() == after.hash();
    if session.output.is_json() {
        let [before, after] = [before, after].map(|one| one.hash().to_owned());
        session.output.json(&Compared { same, before, after, difference });
    } else if same {
        session.output.text("the same network\n");
    } else {
        let lines: Vec<String> = difference.lines().iter().map(|line| format!("{line}\n")).collect();
        session.output.text(&format!("{}\n{}", difference.summary(), lines.concat()));
    }
    Ok(if same { Exit::Done } else { Exit::Input })
}
