//! The results of all tests: for people a line a test and what it failed of, for programs a list.

use super::findings;
use super::{Ran, snapshot::Settled};
use crate::Session;
use cnasc_base::{Sources, render};
use cnasc_expand::testing::Verdict;
use cnasc_ir::program::{Expectation, Expected};
use serde::Serialize;

/// One test.
#[derive(Debug, Serialize)]
struct Row {
    file: String,
    test: String,
    passed: bool,
    samples: u64,
    /// Absent where no sample could be drawn.
    of: Option<String>,
    seed: u64,
    expectations: Vec<Judged>,
    /// What it failed of, as `cnasc check` gives findings.
    findings: serde_json::Value,
}

/// One expectation.
#[derive(Debug, Serialize)]
struct Judged {
    /// As written.
    expect: String,
    passed: bool,
    /// The statistic; absent for snapshots and where no sample has a value.
    found: Option<f64>,
    /// What it was compared with.
    limit: Option<f64>,
    /// `same`, `accepted`, `missing` or `changed`, for snapshots.
    snapshot: Option<&'static str>,
    /// The samples of a snapshot that differ.
    changes: Vec<Change>,
    line: usize,
    column: usize,
}

#[derive(Debug, Serialize)]
struct Change {
    sample: String,
    how: String,
    difference: Option<cnasc_ir::diff::Difference>,
}

pub(super) fn print(session: &Session, ran: &[Ran<'_>]) {
    if session.output.is_json() {
        let rows: Vec<Row> = ran.iter().map(|ran| row(&session.sources, ran)).collect();
        session.output.json(&rows);
        return;
    }
    let mut file = None;
    for one in ran {
        if file != Some(one.job.path()) {
            session.output.text(&format!("{}\n", one.job.path().display()));
            file = Some(one.job.path());
        }
        session.output.text(&line(one));
        let findings = findings::of(&session.sources, one);
        if !findings.is_empty() {
            // What is rendered is safe to print, and has the colours of the terminal.
            session.output.raw(&format!("\n{}\n", session.output.shown(&session.sources, &findings).trim_end()));
            session.output.raw("\n");
        }
    }
    let passed = ran.iter().filter(|ran| ran.passed()).count();
    session.output.text(&format!("{passed} passed, {} failed\n", ran.len() - passed));
}

fn line(ran: &Ran<'_>) -> String {
    let word = if ran.passed() { "passed" } else { "FAILED" };
    let test = ran.job.test;
    let count = test.sample.count;
    let what = match &ran.outcome {
        Ok(outcome) => format!(": {count} sample{} of {}", if count == 1 { "" } else { "s" }, outcome.of),
        Err(_) => String::new(),
    };
    let accepted = if matches!(ran.snapshot, Some(Settled::Accepted)) { ", snapshot accepted" } else { "" };
    format!("  {word}  {}{what}{accepted}\n", test.name)
}

fn row(sources: &Sources, ran: &Ran<'_>) -> Row {
    let test = ran.job.test;
    let outcome = ran.outcome.as_ref().ok();
    let verdicts = outcome.map_or(&[] as &[Verdict], |outcome| &outcome.verdicts);
    let judged = test.expectations.iter().zip(verdicts);
    let findings = render::json(sources, &findings::of(sources, ran));
    Row {
        file: ran.job.path().display().to_string(),
        test: test.name.clone(),
        passed: ran.passed(),
        samples: test.sample.count,
        of: outcome.map(|outcome| outcome.of.clone()),
        seed: test.sample.seed,
        expectations: judged.map(|(expectation, verdict)| self::judged(sources, ran, expectation, verdict)).collect(),
        findings: serde_json::to_value(findings).expect("findings always serialise"),
    }
}

fn judged(sources: &Sources, ran: &Ran<'_>, expectation: &Expectation, verdict: &Verdict) -> Judged {
    let location = expectation.location;
    let (line, column) = sources.line_column(location.file, location.start);
    let (passed, found) = match verdict {
        Verdict::Statistic { holds, found, .. } => (*holds, *found),
        Verdict::Snapshot => (ran.snapshot.as_ref().is_some_and(Settled::holds), None),
    };
    let limit = match expectation.kind {
        Expected::Statistic { limit, .. } => Some(limit),
        Expected::Snapshot => None,
    };
    let settled = ran.snapshot.as_ref().filter(|_| *verdict == Verdict::Snapshot);
    let changes = match settled {
        Some(Settled::Changed { changes, .. }) => changes.as_slice(),
        _ => &[],
    };
    let change = |change: &cnasc_expand::testing::Changed| Change {
        sample: change.sample.clone(),
        how: change.how.clone(),
        difference: change.difference.clone(),
    };
    Judged {
        expect: sources.slice(location).to_owned(),
        passed,
        found,
        limit,
        snapshot: settled.map(Settled::word),
        changes: changes.iter().map(change).collect(),
        line,
        column,
    }
}
