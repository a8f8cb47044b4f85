//! What audits found: tables for people, a list for programs.

use super::Audited;
use crate::Session;
use crate::cli::AuditArgs;
use crate::failure::codes;
use crate::output::table;
use cnasc_expand::audit::{LEVEL, Row, Table};
use serde::Serialize;

/// The most lines of a distribution that people are shown.
const LINES: usize = 24;

/// One audit.
#[derive(Debug, Serialize)]
struct Document<'a> {
    family: &'a str,
    graphs: u64,
    given: Vec<String>,
    draws: u64,
    seed: u64,
    passed: bool,
    /// The p-value below which a check is doubted.
    threshold: f64,
    doubts: Vec<&'static str>,
    figures: Vec<Figure>,
    distributions: Vec<Distribution>,
}

#[derive(Debug, Serialize)]
struct Figure {
    figure: &'static str,
    mean: f64,
    deviation: Option<f64>,
    least: Option<f64>,
    greatest: Option<f64>,
    expected: Option<f64>,
    p: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Distribution {
    figure: &'static str,
    of: &'static str,
    p: Option<f64>,
    shares: Vec<Share>,
}

#[derive(Debug, Serialize)]
struct Share {
    at: usize,
    found: f64,
    expected: Option<f64>,
}

pub(super) fn print(session: &Session, args: &AuditArgs, audited: &[Audited]) {
    if session.output.is_json() {
        let documents: Vec<Document<'_>> = audited.iter().map(|one| document(args, one)).collect();
        session.output.json(&documents);
        return;
    }
    for (index, one) in audited.iter().enumerate() {
        let gap = if index == 0 { "" } else { "\n" };
        session.output.text(&format!("{gap}{}", for_people(args, one)));
    }
    if audited.iter().any(|one| !one.report.doubts().is_empty()) {
        session.output.remark(&format!("`cnasc explain {}` tells what a doubt means", codes::DOUBT));
    }
}

fn document<'a>(args: &AuditArgs, one: &'a Audited) -> Document<'a> {
    let report = &one.report;
    let doubts = report.doubts();
    Document {
        family: &one.family,
        graphs: report.graphs,
        given: one.given.iter().map(|path| path.display().to_string()).collect(),
        draws: args.count,
        seed: args.seed,
        passed: doubts.is_empty(),
        threshold: report.threshold(),
        doubts: doubts.into_iter().map(|(check, _)| check).collect(),
        figures: report.rows.iter().map(figure).collect(),
        distributions: report.tables.iter().map(distribution).collect(),
    }
}

fn figure(row: &Row) -> Figure {
    Figure {
        figure: row.figure,
        mean: row.mean,
        deviation: row.spread.map(|(deviation, ..)| deviation),
        least: row.spread.map(|(_, least, _)| least),
        greatest: row.spread.map(|(.., greatest)| greatest),
        expected: row.expected,
        p: row.p,
    }
}

fn distribution(table: &Table) -> Distribution {
    let share = |&(at, found, expected): &(usize, f64, Option<f64>)| Share { at, found, expected };
    Distribution { figure: table.figure, of: table.of, p: table.p, shares: table.shares.iter().map(share).collect() }
}

fn for_people(args: &AuditArgs, one: &Audited) -> String {
    let report = &one.report;
    let (graphs, seed, draws) = (report.graphs, args.seed, args.count);
    let whence = if one.given.is_empty() {
        format!("{graphs} graphs drawn from seed {seed}")
    } else {
        format!("{graphs} given graphs, held against theory and {draws} draws from seed {seed}")
    };
    let mut text = format!("{}: {whence}\n\n", one.family);
    text.push_str(&rows(&report.rows, report.threshold()));
    for distribution in &report.tables {
        text.push('\n');
        text.push_str(&shares(distribution, report.threshold()));
    }
    text.push('\n');
    text.push_str(&verdict(one));
    text
}

fn rows(rows: &[Row], threshold: f64) -> String {
    let cell = |value: Option<f64>| value.map_or_else(String::new, number);
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            vec![
                row.figure.to_owned(),
                number(row.mean),
                cell(row.expected),
                probability(row.p, threshold),
                cell(row.spread.map(|(deviation, ..)| deviation)),
                cell(row.spread.map(|(_, least, _)| least)),
                cell(row.spread.map(|(.., greatest)| greatest)),
            ]
        })
        .collect();
    table(&["figure", "found", "expected", "p", "deviation", "least", "greatest"], &[0], &cells)
}

fn shares(distribution: &Table, threshold: f64) -> String {
    let percent = |share: f64| format!("{:.2} %", 100.0 * share);
    let mut cells: Vec<Vec<String>> = distribution
        .shares
        .iter()
        // Numbers that neither occur nor are expected say nothing.
        .filter(|(_, found, expected)| *found > 0.0 || expected.is_some_and(|expected| expected >= 5e-5))
        .map(|&(at, found, expected)| vec![at.to_string(), percent(found), expected.map_or_else(String::new, percent)])
        .collect();
    let more = cells.len().saturating_sub(LINES);
    cells.truncate(LINES);
    let mut text = table(&[distribution.figure, distribution.of, "expected"], &[], &cells);
    if more > 0 {
        text.push_str(&format!("and {more} more, with --format json\n"));
    }
    if distribution.p.is_some() {
        text.push_str(&format!("all together: p = {}\n", probability(distribution.p, threshold)));
    }
    text
}

fn verdict(one: &Audited) -> String {
    let report = &one.report;
    let (checks, threshold) = (report.checks().count(), report.threshold());
    let doubts: Vec<&str> = report.doubts().into_iter().map(|(check, _)| check).collect();
    let rule = format!("p below {} = {LEVEL} / {checks} checks", number(threshold));
    match (checks, doubts.as_slice()) {
        (0, _) => "no theory: nothing was checked\n".to_owned(),
        (_, []) => format!("in keeping with its family (no {rule})\n"),
        (_, doubts) => format!("IN DOUBT: {} ({rule})\n", doubts.join(", ")),
    }
}

/// A p-value for people, marked where it is doubted.
fn probability(p: Option<f64>, threshold: f64) -> String {
    match p {
        None => String::new(),
        Some(p) => {
            let mark = if p < threshold { " !" } else { "" };
            let text = match p {
                _ if p < 1e-300 => "< 1e-300".to_owned(),
                _ if p < 1e-3 => format!("{p:.1e}"),
                _ => format!("{p:.3}"),
            };
            text + mark
        }
    }
}

/// A number for people, with four digits that matter behind those before the point.
fn number(value: f64) -> String {
    let text = match value.abs() {
        size if size > 0.0 && size < 1e-3 => format!("{value:.2e}"),
        size if size < 10.0 => format!("{value:.4}"),
        size if size < 1000.0 => format!("{value:.3}"),
        _ => format!("{value:.1}"),
    };
    if text.contains('e') { text } else { text.trim_end_matches('0').trim_end_matches('.').to_owned() }
}
