//! What a test failed of, as findings at the place of the expectation.

use super::snapshot::Settled;
use super::{Job, Ran};
use crate::failure::codes;
use cnasc_base::{Diagnostic, Diagnostics, Sources};
use cnasc_expand::testing::{Changed, Verdict};
use cnasc_ir::program::{Expectation, Expected};

/// How many changed samples are told in full.
const SAMPLES: usize = 3;

/// How many lines of new samples are shown to who is asked about them.
const LINES: usize = 24;

/// How many changes of one sample are told.
const CHANGES: usize = 12;

/// All that a test failed of.
pub(super) fn of(sources: &Sources, ran: &Ran<'_>) -> Diagnostics {
    let mut findings = Diagnostics::default();
    match &ran.outcome {
        Err(found) => findings.push((**found).clone()),
        Ok(outcome) => {
            for (expectation, verdict) in ran.job.test.expectations.iter().zip(&outcome.verdicts) {
                let found = match verdict {
                    Verdict::Statistic { holds: true, .. } => None,
                    Verdict::Statistic { found, sample, .. } => {
                        Some(statistic(sources, ran, expectation, *found, *sample, &outcome.of))
                    }
                    Verdict::Snapshot => ran.snapshot.as_ref().and_then(|settled| snapshot(&ran.job, settled)),
                };
                found.into_iter().for_each(|found| findings.push(found));
            }
        }
    }
    findings
}

fn statistic(
    sources: &Sources,
    ran: &Ran<'_>,
    expectation: &Expectation,
    found: Option<f64>,
    sample: Option<(u64, u64)>,
    of: &str,
) -> Diagnostic {
    let written = sources.slice(expectation.location);
    let label = found.map_or_else(|| "no sample has a value".to_owned(), |found| format!("found {}", number(found)));
    let asked = &ran.job.test.sample;
    let samples = if asked.count == 1 { "1 sample".to_owned() } else { format!("{} samples", asked.count) };
    let diagnostic = Diagnostic::error(codes::EXPECTATION, format!("`{written}` does not hold"))
        .label(expectation.location, label)
        .note(format!("over {samples} of {of} from seed {}", asked.seed));
    match sample {
        Some((place, seed)) => diagnostic.note(format!("first in sample {place}, which is drawn from seed {seed}")),
        None => diagnostic,
    }
}

/// What is wrong with a snapshot, and what to do about it; none where nothing is.
pub(super) fn snapshot(job: &Job<'_>, settled: &Settled) -> Option<Diagnostic> {
    let found = difference(job, settled)?;
    let (Settled::Missing { new: Some(new) } | Settled::Changed { new: Some(new), .. }) = settled else {
        return Some(found);
    };
    let accept = format!("if they are as they should be: cnasc test {} --accept", job.path().display());
    Some(found.note(format!("the samples are in {}", new.display())).note(accept))
}

/// What is asked about: how the samples differ from those that were accepted, or how they begin where none were.
pub(super) fn question(job: &Job<'_>, settled: &Settled, samples: &str) -> Option<Diagnostic> {
    let found = difference(job, settled)?;
    if !matches!(settled, Settled::Missing { .. }) {
        return Some(found);
    }
    let mut lines: Vec<&str> = samples.lines().take(LINES).collect();
    let more = format!("and {} more lines", samples.lines().count().saturating_sub(LINES));
    if samples.lines().nth(LINES).is_some() {
        lines.push(&more);
    }
    Some(found.note(lines.join("\n")))
}

fn difference(job: &Job<'_>, settled: &Settled) -> Option<Diagnostic> {
    let is_snapshot = |expectation: &&Expectation| expectation.kind == Expected::Snapshot;
    let place = job.test.expectations.iter().find(is_snapshot)?.location;
    let changes = match settled {
        Settled::Same | Settled::Accepted => return None,
        Settled::Missing { .. } => {
            let message = format!("\"{}\" has no snapshot to compare with yet", job.test.name);
            return Some(Diagnostic::error(codes::NO_SNAPSHOT, message).label(place, "never accepted"));
        }
        Settled::Changed { changes, .. } => changes,
    };
    let message = format!("the samples of \"{}\" are not those that were accepted", job.test.name);
    let count = changes.len();
    // The last samples of many have one hash together.
    let least = if changes.iter().any(|change| change.sample.starts_with("samples")) { "at least " } else { "" };
    let (s, differ) = if count == 1 { ("", "differs") } else { ("s", "differ") };
    let label = format!("{least}{count} sample{s} {differ}");
    let mut diagnostic = Diagnostic::error(codes::SNAPSHOT, message).label(place, label);
    for change in changes.iter().take(SAMPLES) {
        diagnostic = diagnostic.note(told(change));
    }
    if count > SAMPLES {
        diagnostic = diagnostic.note(format!("and {} more", count - SAMPLES));
    }
    Some(diagnostic)
}

/// A changed sample: a line for all, then one a node or edge.
fn told(change: &Changed) -> String {
    let mut lines = vec![format!("{}: {}", change.sample, change.how)];
    if let Some(difference) = &change.difference {
        let all = difference.lines();
        lines.extend(all.iter().take(CHANGES).map(|line| format!("  {line}")));
        if all.len() > CHANGES {
            lines.push(format!("  and {} more", all.len() - CHANGES));
        }
    }
    lines.join("\n")
}

/// A number for people: at most six digits behind the point.
pub(super) fn number(value: f64) -> String {
    let text = format!("{value:.6}");
    let short = text.trim_end_matches('0').trim_end_matches('.');
    // A number that is too small for six digits is not 0.
    if short.trim_start_matches('-') == "0" && value != 0.0 { format!("{value:e}") } else { short.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_never_wrongly_zero() {
        let texts: Vec<String> = [5.0, 5.25, 1.0 / 3.0, 0.0, 1e-9, -2.5].map(number).to_vec();
        assert_eq!(texts, ["5", "5.25", "0.333333", "0", "1e-9", "-2.5"]);
    }
}
