//! What became of a candidate as text that reads back to the bit: words and numbers between spaces.

use super::read::Known;
use crate::commands::search::word;
use cnasc_base::Diagnostic;
use cnasc_ir::program::Measure;
use cnasc_ir::score::{Score, Tried};
use cnasc_search::candidate::Evaluated;
use cnasc_search::study::PLACE;
use cnasc_search::{Candidate, Counts, Fate, Figures, Placed, Proposal};
use std::collections::BTreeMap;
use std::str::{FromStr, SplitAsciiWhitespace};

/// The measures that a constraint may be broken on.
const MEASURES: [Measure; 13] = [
    Measure::Params,
    Measure::Flops,
    Measure::Macs,
    Measure::Latency,
    Measure::MeasuredLatency,
    Measure::Memory,
    Measure::ConcurrencyScore,
    Measure::Depth,
    Measure::Width,
    Measure::Nodes,
    Measure::Communication,
    Measure::Accuracy,
    Measure::Energy,
];

/// `kept FIGURES`, `broken MEASURE VIOLATION` or `impossible REASON`.
pub fn verdict(verdict: &Result<Figures, Evaluated>) -> String {
    match verdict {
        Ok(kept) => format!("kept {}", figures(kept)),
        Err(judged) => text(&Fate::Judged(judged.clone())),
    }
}

/// What [`verdict`] says.
pub fn read_verdict(text: &str) -> Option<Result<Figures, Evaluated>> {
    let (kind, rest) = text.split_once(' ')?;
    if kind == "kept" { read_figures(rest).map(Ok) } else { read_stopped(kind, rest).map(Err) }
}

/// The candidate that a fate says it is a duplicate of.
pub fn duplicate_of(text: &str) -> Option<u64> {
    text.strip_prefix("duplicate ")?.parse().ok()
}

/// `kept`, `broken MEASURE VIOLATION`, `impossible REASON` or `duplicate NUMBER`.
pub fn text(fate: &Fate) -> String {
    match fate {
        Fate::Judged(Evaluated::Feasible(_)) => "kept".to_owned(),
        Fate::Judged(Evaluated::Infeasible { violation, broken }) => format!("broken {} {violation}", word(*broken)),
        Fate::Judged(Evaluated::Impossible(why)) => format!("impossible {}", why.message),
        Fate::Duplicate(first) => format!("duplicate {first}"),
    }
}

/// The state of the trial that it makes of a candidate, which may have been judged `in_full`; `trials` are those of the candidates that it may be
/// one with.
pub fn state(fate: &Fate, in_full: bool, trials: &BTreeMap<u64, Known>) -> &'static str {
    match fate {
        Fate::Judged(Evaluated::Feasible(_)) if !in_full => "RUNNING",
        Fate::Judged(Evaluated::Feasible(_)) => "COMPLETE",
        Fate::Judged(Evaluated::Infeasible { .. }) => "PRUNED",
        Fate::Judged(Evaluated::Impossible(_)) => "FAIL",
        Fate::Duplicate(first) => trials.get(first).map_or("FAIL", |known| known.state),
    }
}

/// What [`text`] says, with the figures of a candidate that was kept.
pub fn read(
    text: &str,
    figures: Option<&String>,
    proposal: &Proposal,
    arguments: &BTreeMap<String, String>,
    hash: Option<&str>,
) -> Option<Fate> {
    let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
    Some(match kind {
        "kept" => Fate::Judged(Evaluated::Feasible(Box::new(Candidate {
            proposal: proposal.clone(),
            arguments: arguments.clone(),
            hash: hash?.to_owned(),
            figures: read_figures(figures?)?,
        }))),
        "duplicate" => Fate::Duplicate(rest.parse().ok()?),
        _ => Fate::Judged(read_stopped(kind, rest)?),
    })
}

fn read_stopped(kind: &str, rest: &str) -> Option<Evaluated> {
    match kind {
        "broken" => {
            let (measure, violation) = rest.split_once(' ')?;
            let broken = MEASURES.into_iter().find(|known| word(*known) == measure)?;
            let violation = violation.parse().ok().filter(|violation: &f64| !violation.is_nan())?;
            Some(Evaluated::Infeasible { violation, broken })
        }
        "impossible" => Some(Evaluated::Impossible(Box::new(Diagnostic::error(PLACE, rest)))),
        _ => None,
    }
}

/// Parameters, FLOPs, multiply-adds, nodes, depth, width; latency, memory, bytes sent and energy, or `-`; the score and what was tried for it, or
/// `-`; accuracy, or `-`; measured latency, where it was measured. Energy may be `-` too.
pub fn figures(figures: &Figures) -> String {
    let Counts { params, flops, macs, nodes, depth, width } = figures.counts;
    let mut text = format!("{params} {flops} {macs} {nodes} {depth} {width}");
    match &figures.placed {
        Some(Placed { latency, memory, communication, energy }) => {
            text.push_str(&format!(" {latency} {memory} {communication} {}", perhaps(*energy)));
        }
        None => text.push_str(" -"),
    }
    match &figures.score {
        Some(score) => {
            let Score { devices, cs, delta_w, lambda, eta, communication, unit, floored, epsilon, tried } = score;
            text.push_str(&format!(
                " {devices} {cs} {delta_w} {lambda} {eta} {communication} {unit} {floored} {epsilon} {}",
                tried.len()
            ));
            for Tried { epsilon, delta_w, communication, cs } in tried {
                text.push_str(&format!(" {epsilon} {delta_w} {communication} {cs}"));
            }
        }
        None => text.push_str(" -"),
    }
    text.push_str(&format!(" {}", perhaps(figures.accuracy)));
    if let Some(measured) = figures.measured {
        text.push_str(&format!(" {measured}"));
    }
    text
}

/// A figure, or `-` where there is none.
fn perhaps(figure: Option<f64>) -> String {
    figure.map_or_else(|| "-".to_owned(), |figure| figure.to_string())
}

fn read_perhaps(word: &str) -> Option<Option<f64>> {
    if word == "-" { Some(None) } else { word.parse().ok().map(Some) }
}

pub fn read_figures(text: &str) -> Option<Figures> {
    let words = &mut text.split_ascii_whitespace();
    let counts = Counts {
        params: next(words)?,
        flops: next(words)?,
        macs: next(words)?,
        nodes: next(words)?,
        depth: next(words)?,
        width: next(words)?,
    };
    let placed = match words.next()? {
        "-" => None,
        latency => Some(Placed {
            latency: latency.parse().ok()?,
            memory: next(words)?,
            communication: next(words)?,
            energy: read_perhaps(words.next()?)?,
        }),
    };
    let score = match words.next()? {
        "-" => None,
        devices => Some(read_score(devices.parse().ok()?, words)?),
    };
    let accuracy = read_perhaps(words.next()?)?;
    let measured = words.next().map(str::parse).transpose().ok()?;
    let figures = Figures { counts, score, placed, measured, accuracy };
    // Nothing that was judged has one, and nothing would beat it.
    let is_nan = |measure| figures.value(measure).is_some_and(f64::is_nan);
    (words.next().is_none() && !MEASURES.into_iter().any(is_nan)).then_some(figures)
}

fn read_score(devices: u32, words: &mut SplitAsciiWhitespace<'_>) -> Option<Score> {
    let mut score = Score {
        devices,
        cs: next(words)?,
        delta_w: next(words)?,
        lambda: next(words)?,
        eta: next(words)?,
        communication: next(words)?,
        unit: next(words)?,
        floored: next(words)?,
        epsilon: next(words)?,
        tried: Vec::new(),
    };
    let count: usize = next(words)?;
    for _ in 0..count {
        score.tried.push(Tried {
            epsilon: next(words)?,
            delta_w: next(words)?,
            communication: next(words)?,
            cs: next(words)?,
        });
    }
    Some(score)
}

fn next<T: FromStr>(words: &mut SplitAsciiWhitespace<'_>) -> Option<T> {
    words.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fates_read_back_to_the_bit() {
        let counts = Counts { params: 1, flops: u64::MAX, macs: 3, nodes: 4, depth: 5, width: 6 };
        let third = 1.0_f64 / 3.0;
        let tried = vec![Tried { epsilon: 0.1, delta_w: 1.0 + f64::EPSILON, communication: 7, cs: third }; 2];
        let score = Score {
            devices: 4,
            cs: third,
            delta_w: 1e-300,
            lambda: 2e22,
            eta: 0.1 + 0.2,
            communication: 9,
            unit: 8,
            floored: true,
            epsilon: 0.03,
            tried,
        };
        let placed = Placed { latency: third * 1e-5, memory: 11, communication: 12, energy: None };
        let powered = Placed { energy: Some(third), ..placed };
        let proposal = Proposal { index: 7, seed: 8, settings: BTreeMap::new(), edits: Vec::new() };
        for (score, placed, measured, accuracy) in [
            (None, None, None, None),
            (Some(score.clone()), None, None, Some(third)),
            (None, Some(placed), Some(third * 1e-3), None),
            (Some(score), Some(powered), Some(0.1), Some(1.0)),
        ] {
            let figures_of = Figures { counts, score, placed, measured, accuracy };
            let verdicts = [
                Ok(figures_of.clone()),
                Err(Evaluated::Infeasible { violation: third, broken: Measure::MeasuredLatency }),
                Err(Evaluated::Impossible(Box::new(Diagnostic::error(PLACE, "it does not fit")))),
            ];
            for said in verdicts {
                assert_eq!(read_verdict(&verdict(&said)), Some(said));
            }
            let written = figures(&figures_of);
            let (before, _) = written.rsplit_once(' ').expect("several words");
            assert_eq!(read_figures(&format!("{before} NaN")), None);
            let candidate = Candidate {
                proposal: proposal.clone(),
                arguments: BTreeMap::new(),
                hash: "abc".to_owned(),
                figures: figures_of.clone(),
            };
            let written = figures(&figures_of);
            let fates = [
                Fate::Judged(Evaluated::Feasible(Box::new(candidate))),
                Fate::Judged(Evaluated::Infeasible { violation: third, broken: Measure::Latency }),
                Fate::Judged(Evaluated::Impossible(Box::new(Diagnostic::error(PLACE, "it does not fit")))),
                Fate::Duplicate(3),
            ];
            for fate in fates {
                let again = read(&text(&fate), Some(&written), &proposal, &BTreeMap::new(), Some("abc"));
                assert_eq!(again, Some(fate));
            }
        }
        assert_eq!(read("kept", None, &proposal, &BTreeMap::new(), None), None);
        assert_eq!(read_figures("1 2 3"), None);
    }
}
