//! Kept results → the tables of the accuracy part, and Figure 2.

use super::{Extent, GROUPS, Job, Trained};
use crate::chart::{Axis, Chart, Layer, Mark, Panel};
use crate::figures::COLORS;
use crate::published;
use crate::statistics::{Interval, around, holm, spearman};
use crate::write;
use cnasc::failure::Failure;
use cnasc_ir::score::Exponents;
use cnasc_place::score::with_unit;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// A kept result, and what it is of.
type Kept<'a> = (&'a Job, Trained);

/// What Figure 2 shows.
const SHOWN: [&str; 3] = ["DP", "DP, other constants", "FB"];

/// Prints and writes `accuracy.md` and `figure-2.svg`, of what is kept of `all` trainings.
pub fn write_all(kept: &[Kept], all: usize, extent: &Extent) -> Result<(), Failure> {
    let trained: Vec<&Trained> = kept.iter().map(|(_, one)| one).collect();
    let mut out = opening(kept, all, extent);
    heading(&mut out, "Table I: without staging (the paper's: CIFAR-10)");
    let [baseline, unstaged] = published::UNSTAGED;
    rows(&mut out, &trained, &[("baseline", Some(baseline)), ("DP, uniform", Some(unstaged))]);
    heading(&mut out, "Tables II and III: staging (the paper's: Flower-102)");
    let [greedy, lot] = published::STAGINGS.map(|row| Some(row.0));
    rows(&mut out, &trained, &[("DP, greedy", greedy), ("DP, probabilistic", lot), ("DP, uniform", None)]);
    heading(&mut out, "Tables V and VI: families (the paper's: CIFAR-10)");
    let theirs = published::ACCURACY.map(|row| Some(row.0));
    let families: Vec<_> = ["baseline", "ER", "BA", "WS", "DP"].into_iter().zip(theirs).collect();
    rows(&mut out, &trained, &families);
    differences(&mut out, &trained);
    let chart = figure(&mut out, &trained);
    write(&extent.output_dir, "accuracy.md", &out, [("figure-2.svg", chart)].into_iter())
}

fn opening(kept: &[Kept], all: usize, extent: &Extent) -> String {
    let mut out = String::from(
        "<!-- Written by `cargo run --release --features train --example paper -- accuracy`: change it there. -->\n\n",
    );
    if kept.len() < all {
        let _ = writeln!(
            out,
            "**Not whole: {} of {all} trainings are done.** What follows is of these, some groups having one less.\n",
            kept.len()
        );
    }
    // Two groups may share a network, which was then trained once.
    let seconds: BTreeMap<_, f64> = kept.iter().map(|(job, one)| (job.path(extent), one.seconds)).collect();
    let distinct: BTreeSet<&str> = kept.iter().map(|(_, one)| one.hash.as_str()).collect();
    let _ = writeln!(
        out,
        "{} networks a group, {} groups, {} different networks in {} trainings: {} epochs of the first {} training images of `{}`, {} pixels wide, judged by all \
         test images; {:.0} minutes of one core that other work used too. That is few epochs of few images: what is found here is how networks \
         begin to learn, not where they end, and groups may change places by then.\n\n\
         Means with 95 % confidence intervals (Student's t) over the trainings of a group; what these differ in is said in the row. In \
         brackets the paper's, on other images. Its accuracy a parameter has no bracket: 5.38 for 80.70 % is not of millions of \
         parameters, since the network has 0.8 of them, and it does not say of what. Only ratios within a table can be compared.",
        extent.group,
        GROUPS.len(),
        distinct.len(),
        seconds.len(),
        extent.epochs,
        extent.images,
        extent.data.display(),
        extent.size,
        seconds.values().sum::<f64>() / 60.0
    );
    out
}

fn heading(out: &mut String, text: &str) {
    let _ = writeln!(out, "\n## {text}\n");
}

/// A row for each group, with the paper's mean accuracy.
fn rows(out: &mut String, all: &[&Trained], rows: &[(&str, Option<f64>)]) {
    out.push_str(
        "| | mean accuracy, % | best, % | parameters, k | accuracy, % a k parameters | over |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for &(name, theirs) in rows {
        let group: Vec<&Trained> = of(all, name).collect();
        if group.is_empty() {
            let _ = writeln!(out, "| {name} | none yet | | | | |");
            continue;
        }
        let accuracy = Interval::of(group.iter().map(|one| one.accuracy));
        let each = Interval::of(group.iter().map(|one| one.accuracy * 1e3 / one.params as f64));
        let best = group.iter().map(|one| one.accuracy).fold(0.0, f64::max);
        let params = group.iter().map(|one| one.params as f64 / 1e3).sum::<f64>() / group.len() as f64;
        let printed = theirs.map_or_else(String::new, |theirs| format!(" ({theirs:.2})"));
        let _ = writeln!(
            out,
            "| {name} | {:.2} ± {:.2}{printed} | {best:.2} | {params:.1} | {:.3} ± {:.3} | {} |",
            accuracy.mean,
            accuracy.half,
            each.mean,
            each.half,
            over(&group),
        );
    }
}

/// What the trainings of a group differ in.
fn over(group: &[&Trained]) -> String {
    let distinct: BTreeSet<&str> = group.iter().map(|one| one.hash.as_str()).collect();
    match distinct.len() {
        1 => format!("{} first weights of one network", group.len()),
        count => format!("{count} networks"),
    }
}

fn of<'a>(all: &[&'a Trained], name: &str) -> impl Iterator<Item = &'a Trained> + Clone {
    all.iter().copied().filter(move |one| one.group == name)
}

/// A comparison of the paper's: what it is of, the interval of ours, its print, and the paper's figure.
struct Comparison {
    words: String,
    found: Interval,
    shown: String,
    theirs: f64,
    printed: String,
}

impl Comparison {
    /// A difference of mean accuracies.
    fn of_means(all: &[&Trained], (a, b, theirs): (&str, &str, f64)) -> Self {
        let accuracies = |name: &str| of(all, name).map(|one| one.accuracy).collect::<Vec<f64>>();
        let found = Interval::between(&accuracies(a), &accuracies(b));
        Self {
            words: format!("{a} over {b}"),
            shown: format!("{:+.2} ± {:.2} points of %", found.mean, found.half),
            printed: format!("{theirs:+.2}"),
            found,
            theirs,
        }
    }

    /// A ratio of accuracies a parameter, of geometric means: a difference of logarithms.
    fn of_ratios(all: &[&Trained], (a, b, theirs): (&str, &str, f64)) -> Self {
        let logarithms =
            |name: &str| of(all, name).map(|one| libm::log(one.accuracy / one.params as f64)).collect::<Vec<f64>>();
        let found = Interval::between(&logarithms(a), &logarithms(b));
        let [low, middle, high] = [-1.0, 0.0, 1.0].map(|side| libm::exp(found.mean + side * found.half));
        Self {
            words: format!("{a} over {b}, accuracy a parameter"),
            shown: format!("times {middle:.2} ({low:.2} to {high:.2})"),
            printed: format!("times {theirs:.2}"),
            theirs: libm::log(theirs),
            found,
        }
    }

    /// In words, for its chance among all comparisons.
    fn verdict(&self, weighed: f64) -> &'static str {
        let is_alike = (self.found.mean > 0.0) == (self.theirs > 0.0);
        match (weighed < 0.05, self.found.chance < 0.05, is_alike) {
            (true, _, true) => "shows",
            (true, _, false) => "the other way round",
            (false, true, true) => "shows if it were the only comparison; not among all of these",
            (false, true, false) => "the other way round if it were the only comparison; not among all of these",
            (false, false, _) => "can't be told apart",
        }
    }
}

/// Comparisons that the paper makes, with Welch's intervals.
fn differences(out: &mut String, all: &[&Trained]) {
    let [baseline, er, ba, ws, dp] = published::ACCURACY.map(|row| row.0);
    let [(greedy, greedy_each), (lot, lot_each)] = published::STAGINGS;
    let means = [
        ("DP, probabilistic", "DP, greedy", lot - greedy),
        ("DP, uniform", "baseline", published::UNSTAGED[1] - published::UNSTAGED[0]),
        ("DP", "baseline", dp - baseline),
        ("ER", "DP", er - dp),
        ("DP", "BA", dp - ba),
        ("DP", "WS", dp - ws),
    ];
    let ratio = ("DP, probabilistic", "DP, greedy", lot_each / greedy_each);
    // Of one training nothing is known.
    let is_known = |row: &(&str, &str, f64)| [row.0, row.1].iter().all(|name| of(all, name).count() > 1);
    let means = means.into_iter().filter(is_known).map(|row| Comparison::of_means(all, row));
    let ratios = [ratio].into_iter().filter(is_known).map(|row| Comparison::of_ratios(all, row));
    let compared: Vec<Comparison> = means.chain(ratios).collect();
    let weighed = holm(&compared.iter().map(|one| one.found.chance).collect::<Vec<_>>());
    heading(out, "Does it show?");
    let _ = writeln!(
        out,
        "{} comparisons are made, so that one in twenty would be found by chance; verdicts hold all of them to 5 % together (Holm). A \
         comparison with the baseline knows of its first weights alone, since it is one network.\n",
        compared.len()
    );
    out.push_str("| | here, 95 % alone | the paper's | p among all | |\n| --- | --- | --- | --- | --- |\n");
    for (one, weighed) in compared.iter().zip(weighed) {
        let Comparison { words, shown, printed, .. } = one;
        let _ = writeln!(out, "| {words} | {shown} | {printed} | {} | {} |", rounded(weighed), one.verdict(weighed));
    }
}

/// A probability as it is told.
fn rounded(chance: f64) -> String {
    if chance < 0.001 { "< 0.001".to_owned() } else { format!("{chance:.3}") }
}

/// Accuracy against the score with one U_c, from the lowest score on.
fn figure(out: &mut String, all: &[&Trained]) -> Chart {
    let unit = all.iter().map(|one| one.score.unit).min().unwrap_or(1);
    let mut points: Vec<(f64, &Trained)> = all
        .iter()
        .filter(|one| SHOWN.contains(&one.group.as_str()))
        .map(|one| (with_unit(&one.score, unit, Exponents::PAPER).cs, *one))
        .collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    heading(out, "Figure 2: accuracy against CS on 4 units, one U_c for all");
    let told = |with_rival: bool| {
        let pairs: Vec<(f64, f64)> = points
            .iter()
            .filter(|(_, one)| with_rival || one.group != "FB")
            .map(|(cs, one)| (*cs, one.accuracy))
            .collect();
        let found = spearman(&pairs);
        let (low, high) = around(found, pairs.len());
        format!("{found:+.2} ({low:+.2} to {high:+.2}, {} networks)", pairs.len())
    };
    let _ = writeln!(
        out,
        "![Figure 2](figure-2.svg)\n\nSpearman's correlation of CS and accuracy, with 95 % intervals: {} of all, {} without FB.\n",
        told(true),
        told(false)
    );
    out.push_str("| | CS | accuracy, % | parameters, k |\n| --- | --- | --- | --- |\n");
    for (cs, one) in &points {
        let _ = writeln!(out, "| {} | {cs:.2} | {:.2} | {:.1} |", one.group, one.accuracy, one.params as f64 / 1e3);
    }
    picture(&points, &told(true))
}

fn picture(points: &[(f64, &Trained)], told: &str) -> Chart {
    let accuracies = || points.iter().map(|(_, one)| one.accuracy);
    let (least, most) = (accuracies().fold(100.0, f64::min), accuracies().fold(0.0, f64::max));
    let layer = |(name, color): (&str, _)| {
        let group = points.iter().filter(|(_, one)| one.group == name);
        Layer { mark: Mark::Dots(color), points: group.map(|(cs, one)| (*cs, one.accuracy, 0.0)).collect() }
    };
    Chart {
        title: "Figure 2: accuracy and the concurrency score".to_owned(),
        legend: SHOWN.iter().zip(COLORS).map(|(name, color)| (Mark::Dots(color), (*name).to_owned())).collect(),
        panels: vec![Panel {
            title: format!("Spearman {told}"),
            x: Axis::from_zero("CS on 4 units, lower is better", points.last().map_or(1.0, |(cs, _)| *cs)),
            y: Axis {
                label: "test accuracy, %".to_owned(),
                from: (least - 1.0).floor(),
                to: (most + 1.0).ceil(),
                log: false,
                words: vec![],
            },
            layers: SHOWN.into_iter().zip(COLORS).map(layer).collect(),
        }],
        columns: 1,
    }
}
