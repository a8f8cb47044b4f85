//! A finished search as people and programs read it.

use super::Found;
use super::finish::Measured;
use super::progress::figure;
use crate::commands::score::tell;
use crate::output::{count, milliseconds, table};
use cnasc_ir::Edit;
use cnasc_ir::program::{Measure, Objective};
use cnasc_search::{Candidate, Looked, Proposal};
use serde::Serialize;
use std::collections::BTreeMap;

/// The word of the language for `measure`.
pub fn word(measure: Measure) -> &'static str {
    match measure {
        Measure::Params => "params",
        Measure::Flops => "flops",
        Measure::Macs => "macs",
        Measure::Latency => "latency",
        Measure::MeasuredLatency => "measured_latency",
        Measure::Memory => "memory",
        Measure::ConcurrencyScore => "concurrency_score",
        Measure::Depth => "depth",
        Measure::Width => "width",
        Measure::Nodes => "nodes",
        Measure::Communication => "communication",
        Measure::Accuracy => "accuracy",
        Measure::Energy => "energy",
    }
}

/// The search as programs read it; the fields of the command line's contract first.
#[derive(Debug, Serialize)]
pub struct Document<'a> {
    study: &'a str,
    evaluated: u64,
    front: Vec<Row<'a>>,
    measured: Vec<MeasuredRow<'a>>,
    seed: u64,
    looks: Vec<LookRow>,
    feasible: u64,
    duplicates: u64,
    broken: BTreeMap<&'static str, u64>,
    impossible: &'a BTreeMap<String, u64>,
    unit_bytes: u64,
    seconds: f64,
    weights: &'static str,
    answer: Answer<'a>,
    files: Vec<String>,
}

/// A fidelity, or the search's own look, whose `keep` is null.
#[derive(Debug, Serialize)]
struct LookRow {
    measures: Vec<&'static str>,
    judged: u64,
    feasible: u64,
    /// How many pass on to the next look.
    passed: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Row<'a> {
    hash: &'a str,
    seed: u64,
    values: BTreeMap<&'static str, f64>,
    params: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    edits: &'a [Edit],
}

#[derive(Debug, Serialize)]
struct MeasuredRow<'a> {
    hash: &'a str,
    seed: u64,
    predicted_single_ms: f64,
    measured_single_ms: f64,
    predicted_fleet_ms: f64,
    measured_fleet_ms: f64,
    fleet_uses: usize,
    predicted_best_ms: f64,
    best_uses: usize,
    difference: f64,
}

#[derive(Debug, Serialize)]
struct Answer<'a> {
    image: &'a str,
    class: usize,
    class_name: Option<&'a String>,
    label: Option<usize>,
}

/// All of it in one document.
pub fn document<'a>(found: &'a Found<'_>, measured: &'a Measured) -> Document<'a> {
    let outcome = &found.outcome;
    let best = outcome.ranked.iter().zip(&measured.rows);
    Document {
        study: &found.search.name,
        evaluated: found.evaluated,
        front: outcome.ranked[..outcome.front].iter().map(front_row).collect(),
        measured: best
            .map(|(candidate, row)| MeasuredRow {
                hash: &candidate.hash,
                seed: candidate.proposal.seed,
                predicted_single_ms: row.predicted_single * 1e3,
                measured_single_ms: row.measured_single * 1e3,
                predicted_fleet_ms: row.predicted_spread * 1e3,
                measured_fleet_ms: row.measured_spread * 1e3,
                fleet_uses: row.spread_over,
                predicted_best_ms: row.predicted_best * 1e3,
                best_uses: row.used,
                difference: row.difference,
            })
            .collect(),
        seed: found.seed,
        looks: looked(found),
        feasible: outcome.feasible,
        duplicates: outcome.duplicates,
        broken: outcome.broken.iter().map(|(measure, count)| (word(*measure), *count)).collect(),
        impossible: &outcome.impossible,
        unit_bytes: outcome.unit,
        seconds: found.seconds,
        weights: "seeded random, not trained",
        answer: Answer {
            image: &measured.answer.image,
            class: measured.answer.class,
            class_name: measured.answer.names.get(measured.answer.class),
            label: measured.answer.label,
        },
        files: measured.files.iter().map(|path| path.display().to_string()).collect(),
    }
}

fn front_row(candidate: &Candidate) -> Row<'_> {
    let measures = [
        Measure::ConcurrencyScore,
        Measure::Latency,
        Measure::MeasuredLatency,
        Measure::Params,
        Measure::Flops,
        Measure::Macs,
        Measure::Memory,
        Measure::Depth,
        Measure::Width,
        Measure::Nodes,
        Measure::Communication,
        Measure::Energy,
        Measure::Accuracy,
    ];
    let values = measures.iter().filter_map(|&measure| Some((word(measure), candidate.figures.value(measure)?)));
    let Proposal { seed, edits, .. } = &candidate.proposal;
    Row { hash: &candidate.hash, seed: *seed, values: values.collect(), params: &candidate.arguments, edits }
}

/// The summary, the table of the best, the winner's answer, and where its files are.
pub fn for_people(found: &Found<'_>, measured: &Measured) -> String {
    let mut text = summary(found);
    text.push('\n');
    text.push_str(&best(found, measured));
    text.push_str(&legend(found, measured));
    let winner = &found.outcome.ranked[0];
    let arguments: Vec<String> = winner.arguments.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    text.push_str(&format!("\nwinner   {}\n", arguments.join(", ")));
    for (rank, candidate) in (1..=measured.rows.len()).zip(&found.outcome.ranked) {
        let edits: String = candidate.proposal.edits.iter().map(|edit| format!(" --edit {edit}")).collect();
        if !edits.is_empty() {
            text.push_str(&format!("edits    of rank {rank}:{edits}\n"));
        }
    }
    let answer = &measured.answer;
    let name =
        |class: usize| answer.names.get(class).map_or_else(|| class.to_string(), |name| format!("{class} {name}"));
    let label = answer.label.map_or_else(String::new, |label| format!(", labelled {}", name(label)));
    text.push_str(&format!("answer   {}: class {}{label}\n", answer.image, name(answer.class)));
    for path in &measured.files {
        text.push_str(&format!("wrote    {}\n", path.display()));
    }
    text
}

fn summary(found: &Found<'_>) -> String {
    let outcome = &found.outcome;
    let mut text = format!(
        "search {}: {} candidates in {:.1} s ({:.0} a second), seed {}\n",
        found.search.name,
        found.evaluated,
        found.seconds,
        found.evaluated as f64 / found.seconds.max(1e-9),
        found.seed,
    );
    text.push_str(&format!("  {} keep every constraint, {} of them on the front", outcome.feasible, outcome.front));
    if outcome.duplicates > 0 {
        text.push_str(&format!("; {} drawn twice", outcome.duplicates));
    }
    text.push('\n');
    if !found.search.fidelities.is_empty() {
        text.push_str(&looks(found));
    }
    for (measure, count) in &outcome.broken {
        text.push_str(&format!("  {count} break the constraint on {}\n", word(*measure)));
    }
    for (why, count) in outcome.impossible.iter().take(5) {
        text.push_str(&format!("  {count} give no network: {why}\n"));
    }
    text
}

/// A line for each look: by what it judged how many, and how many were kept for the next one.
fn looks(found: &Found<'_>) -> String {
    let mut text = String::new();
    for (place, look) in looked(found).into_iter().enumerate() {
        let by = look.measures.join(", ");
        let name = if look.passed.is_some() { format!("fidelity {}", place + 1) } else { "in full".to_owned() };
        text.push_str(&format!("  {name}: {} judged by {by}, {} keep its constraints", look.judged, look.feasible));
        if let Some(passed) = look.passed {
            text.push_str(&format!(", {passed} go on"));
        }
        text.push('\n');
    }
    text
}

/// What each look saw, the search's own last.
fn looked(found: &Found<'_>) -> Vec<LookRow> {
    let search = found.search;
    let words = |objectives: &[Objective]| objectives.iter().map(|objective| word(objective.measure)).collect();
    let fidelities = search.fidelities.iter().map(|fidelity| (words(&fidelity.objectives), true));
    let all = fidelities.chain([(words(&search.objectives), false)]);
    let seen = found.outcome.looks.iter().copied().chain(std::iter::repeat(Looked::default()));
    all.zip(seen)
        .map(|((measures, goes_on), Looked { judged, feasible, passed })| LookRow {
            measures,
            judged,
            feasible,
            passed: goes_on.then_some(passed),
        })
        .collect()
}

fn best(found: &Found<'_>, measured: &Measured) -> String {
    let mut headings =
        vec!["rank", "CS", "δ_w", "Λ′", "η", "alone", "(meas)", "spread", "(meas)", "best", "params", "FLOPs", "seed"];
    let told = [Measure::MeasuredLatency, Measure::Accuracy, Measure::Energy]
        .into_iter()
        .filter(|&measure| found.outcome.ranked.iter().any(|candidate| candidate.figures.value(measure).is_some()));
    let told: Vec<Measure> = told.collect();
    headings.extend(told.iter().map(|&measure| word(measure)));
    let rows: Vec<Vec<String>> = found
        .outcome
        .ranked
        .iter()
        .zip(&measured.rows)
        .enumerate()
        .map(|(rank, (candidate, row))| {
            let [cs, delta_w, lambda, eta] = score_columns(candidate);
            let mut cells = vec![
                (rank + 1).to_string(),
                cs,
                delta_w,
                lambda,
                eta,
                milliseconds(row.predicted_single),
                milliseconds(row.measured_single),
                format!("{} on {}", milliseconds(row.predicted_spread), row.spread_over),
                milliseconds(row.measured_spread),
                format!("{} on {}", milliseconds(row.predicted_best), row.used),
                count(candidate.figures.counts.params),
                count(candidate.figures.counts.flops),
                candidate.proposal.seed.to_string(),
            ];
            let value = |&measure: &Measure| candidate.figures.value(measure);
            cells.extend(
                told.iter().map(|measure| value(measure).map_or_else(String::new, |value| figure(*measure, value))),
            );
            cells
        })
        .collect();
    table(&headings, &[], &rows)
}

/// The concurrency score and its parts.
fn score_columns(candidate: &Candidate) -> [String; 4] {
    match &candidate.figures.score {
        Some(score) => [
            format!("{:.3}{}", score.cs, if score.floored { "*" } else { "" }),
            format!("{:.3}", score.delta_w),
            format!("{:.2}", score.lambda),
            format!("{:.3}", score.eta),
        ],
        None => [const { String::new() }; 4],
    }
}

fn legend(found: &Found<'_>, measured: &Measured) -> String {
    let fleet = found.study.fleet();
    let devices = fleet.devices.len();
    let worst = measured.rows.iter().map(|row| row.difference).fold(0.0, f64::max);
    let mut text = format!(
        "\nLatencies in ms, predicted on {}:\n\
         the whole network alone on the fastest device, its balanced partition spread over the fleet, and the best plan,\n\
         with how many devices compute. (meas) ran here, its cores shared out to the devices.\n",
        tell(fleet),
    );
    let alone = measured.rows.iter().filter(|row| row.used == 1).count();
    if alone > 0 && devices > 1 {
        let all = measured.rows.len();
        let which = if alone == all { format!("all {all}") } else { format!("{alone} of the {all}") };
        text.push_str(&format!(
            "For {which} the best plan leaves the other devices idle: sending takes longer than computing.\n"
        ));
    }
    let inputs = if measured.real { "real images" } else { "tensors of noise" };
    text.push_str(&format!(
        "Every answer on {} {inputs} is within {worst:.0e} of the scalar reference. U_c = {} B.\n",
        measured.images, found.outcome.unit
    ));
    let floored = |candidate: &Candidate| candidate.figures.score.as_ref().is_some_and(|score| score.floored);
    if found.outcome.ranked.iter().take(measured.rows.len()).any(floored) {
        text.push_str("* nothing is sent: Λ is taken as one smallest edge, so that CS does not vanish\n");
    }
    text
}
