//! Which figure of an untrained network predicts what training comes to: proxies of every kept network × its accuracy → correlations.

use super::{Extent, Job, Trained, images, jobs, kept};
use crate::statistics::{around, spearman};
use crate::study::in_parallel;
use crate::write;
use cnasc::failure::{Failure, codes};
use cnasc_base::{Diagnostic, Sources};
use cnasc_ir::score::Exponents;
use cnasc_lower::lower;
use cnasc_place::score::with_unit;
use cnasc_train::data::Images;
use cnasc_train::proxy::{Batch, Proxy};
use cnasc_train::{initial_weights, prepared};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Instant;

/// Images that a proxy looks at.
const LOOKED_AT: usize = 64;

/// Groups that differ from the others in more than their wiring, so that any count of anything tells them apart.
const APART: [&str; 3] = ["baseline", "FB", "DP, uniform"];

/// A network with the means over its trainings.
struct Network {
    group: String,
    accuracy: f64,
    figures: Vec<f64>,
}

/// Writes `proxies.md`.
pub fn study(sources: &mut Sources, extent: &Extent) -> Result<(), Failure> {
    let (train, test) = images(extent)?;
    let jobs = jobs(sources, extent, (&train, &test))?;
    let kept = kept(&jobs, extent);
    let started = Instant::now();
    let mut distinct: BTreeMap<_, &(&Job, Trained)> = BTreeMap::new();
    for one in &kept {
        distinct.entry((one.1.hash.as_str(), one.0.seed)).or_insert(one);
    }
    let distinct: Vec<&(&Job, Trained)> = distinct.into_values().collect();
    let unit = kept.iter().map(|(_, one)| one.score.unit).min().unwrap_or(1);
    let measured = in_parallel(distinct.len() as u64, |index| {
        let (job, trained) = distinct[index as usize];
        figures(job, trained, &train, unit)
    })?;
    let seconds = started.elapsed().as_secs_f64() / distinct.len().max(1) as f64;
    let mut networks: BTreeMap<&str, Vec<(&Trained, Vec<f64>)>> = BTreeMap::new();
    for ((_, trained), figures) in distinct.iter().copied().zip(measured) {
        networks.entry(&trained.hash).or_default().push((trained, figures));
    }
    let networks: Vec<Network> = networks.into_values().map(|trainings| mean(&trainings)).collect();
    write(&extent.output_dir, "proxies.md", &table(&networks, seconds), std::iter::empty())
}

/// Names of the figures: proxies, then counts that cost nothing.
fn names() -> Vec<&'static str> {
    Proxy::ALL.iter().map(|proxy| proxy.word()).chain(["parameters", "FLOPs", "CS, negative"]).collect()
}

fn figures(job: &Job, trained: &Trained, train: &Images, unit: u64) -> Result<Vec<f64>, Diagnostic> {
    let graph = lower(&job.architecture);
    let weights = initial_weights(&graph, job.seed);
    let looked_at = train.first(LOOKED_AT);
    let prepared = prepared(&train.statistics(), &looked_at);
    let classes: Vec<usize> = looked_at.labels.iter().map(|&label| label.into()).collect();
    let batch = Batch { images: &prepared, classes: &classes, seed: job.seed };
    let fails = |error| Diagnostic::error(codes::UNTRAINABLE, format!("`{}`: {error}", job.group));
    let mut figures = Vec::new();
    for proxy in Proxy::ALL {
        figures.push(proxy.measure(&graph, &weights, batch).map_err(fails)?);
    }
    figures.extend([trained.params as f64, trained.flops as f64]);
    figures.push(-with_unit(&trained.score, unit, Exponents::PAPER).cs);
    Ok(figures)
}

fn mean(trainings: &[(&Trained, Vec<f64>)]) -> Network {
    let count = trainings.len().max(1) as f64;
    let (first, figures) = &trainings[0];
    Network {
        group: first.group.clone(),
        accuracy: trainings.iter().map(|(one, _)| one.accuracy).sum::<f64>() / count,
        figures: (0..figures.len())
            .map(|index| trainings.iter().map(|(_, figures)| figures[index]).sum::<f64>() / count)
            .collect(),
    }
}

fn table(networks: &[Network], seconds: f64) -> String {
    let mut out = String::from(
        "<!-- Written by `cargo run --release --features train --example paper -- proxies`: change it there. -->\n\n",
    );
    let alike: Vec<&Network> = networks.iter().filter(|one| !APART.contains(&one.group.as_str())).collect();
    let all: Vec<&Network> = networks.iter().collect();
    let _ = writeln!(
        out,
        "Spearman's correlation with the accuracy after training, with 95 % intervals (Bonett and Wright), over the {} different networks of \
         [`accuracy.md`](accuracy.md), and over the {} that differ in wiring and staging alone: without the baseline, FB, and networks of \
         uniform channels. Each figure is of the weights that training began with and {LOOKED_AT} training images; of a network that was trained \
         several times it and the accuracy are means. All five together took {seconds:.1} s a network on one thread.\n",
        all.len(),
        alike.len()
    );
    out.push_str("| | all | wired alike |\n| --- | --- | --- |\n");
    for (index, name) in names().into_iter().enumerate() {
        let told = |networks: &[&Network]| {
            let pairs: Vec<(f64, f64)> = networks.iter().map(|one| (one.figures[index], one.accuracy)).collect();
            let found = spearman(&pairs);
            let (low, high) = around(found, pairs.len());
            format!("{found:+.2} ({low:+.2} to {high:+.2})")
        };
        let _ = writeln!(out, "| {name} | {} | {} |", told(&all), told(&alike));
    }
    out
}
