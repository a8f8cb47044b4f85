//! Samples → the text of a snapshot, and two such texts → what has changed.
//!
//! The first [`FULL`] samples are shown whole, those up to [`LISTED`] by their edges and hash, and the rest by one hash of all, so
//! that every sample is pinned exactly and the file stays readable. Sections begin with `sample K` and are set apart by empty
//! lines.

use crate::generate::Dag;
use cnasc_ir::diff::{Difference, Sketch};
use cnasc_ir::{Architecture, text};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// How many samples are shown whole.
const FULL: u64 = 4;

/// How many samples are shown at all; the others have one hash together.
const LISTED: u64 = 64;

/// The text as far as samples were added.
#[derive(Debug, Default)]
pub(super) struct Shown {
    count: u64,
    text: String,
    rest: Sha256,
}

impl Shown {
    pub(super) fn graph(&mut self, seed: u64, of: &str, dag: &Dag) {
        let edges = dag.predecessors.iter().map(Vec::len).sum();
        self.add(seed, edges, &hash(dag), || graph(of, dag, edges));
    }

    pub(super) fn network(&mut self, seed: u64, architecture: &Architecture) {
        let edges = architecture.nodes.iter().map(|node| node.inputs.len()).sum();
        self.add(seed, edges, architecture.hash(), || text::short(architecture, true));
    }

    fn add(&mut self, seed: u64, edges: usize, hash: &str, whole: impl FnOnce() -> String) {
        self.count += 1;
        if self.count > LISTED {
            self.rest.update(hash.as_bytes());
            return;
        }
        let short = &hash[..16.min(hash.len())];
        let added = if self.count <= FULL {
            let gap = if self.count == 1 { "" } else { "\n" };
            write!(self.text, "{gap}sample {}, seed {seed}\n{}", self.count, whole())
        } else {
            let gap = if self.count == FULL + 1 { "\n" } else { "" };
            writeln!(self.text, "{gap}sample {}, seed {seed}: {edges} edges, hash {short}", self.count)
        };
        added.expect("a string takes everything");
    }

    pub(super) fn text(mut self) -> String {
        if self.count > LISTED {
            let hash = hexadecimal(&self.rest.finalize());
            writeln!(self.text, "samples {} to {}: hash {}", LISTED + 1, self.count, &hash[..16])
                .expect("a string takes everything");
        }
        self.text
    }
}

/// A graph's short text: one line a node, its predecessors behind it.
fn graph(of: &str, dag: &Dag, edges: usize) -> String {
    let mut text = format!("graph {of}, {} nodes, {edges} edges\n", dag.nodes);
    for (node, inputs) in dag.predecessors.iter().enumerate() {
        let inputs: Vec<String> = inputs.iter().map(ToString::to_string).collect();
        let equals = if inputs.is_empty() { "" } else { " = " };
        writeln!(text, "{node}{equals}{}", inputs.join(" + ")).expect("a string takes everything");
    }
    text
}

/// A graph's identity: its edges, and its nodes' numbers before they were ordered.
fn hash(dag: &Dag) -> String {
    let mut hasher = Sha256::new();
    for (inputs, origin) in dag.predecessors.iter().zip(&dag.origin) {
        hasher.update(origin.to_le_bytes());
        hasher.update((inputs.len() as u64).to_le_bytes());
        inputs.iter().for_each(|from| hasher.update(from.to_le_bytes()));
    }
    hexadecimal(&hasher.finalize())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes everything");
        text
    })
}

/// A sample that is not what was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// `sample 3`, or `samples 65 to 200`.
    pub sample: String,
    /// How it was and how it is, in words.
    pub how: String,
    /// Nodes and edges, where both drawings are shown whole.
    pub difference: Option<Difference>,
}

/// What has changed from one snapshot's text to another's. Empty where nothing has, but for the spacing.
#[must_use]
pub fn changes(accepted: &str, found: &str) -> Vec<Changed> {
    let (before, after) = (sections(accepted), sections(found));
    let mut changes = Vec::new();
    for section in &after {
        match before.iter().find(|other| other.sample == section.sample) {
            Some(old) => changes.extend(changed(old, section)),
            None => changes.push(Changed::only(section.sample, "is new")),
        }
    }
    let gone = before.iter().filter(|old| after.iter().all(|section| section.sample != old.sample));
    changes.extend(gone.map(|old| Changed::only(old.sample, "is gone")));
    changes
}

impl Changed {
    fn only(sample: &str, how: &str) -> Self {
        Self { sample: sample.to_owned(), how: how.to_owned(), difference: None }
    }
}

/// A part of a snapshot's text.
struct Section<'a> {
    /// `sample 3`
    sample: &'a str,
    /// What follows on its line, such as `, seed 7: 12 edges`.
    about: &'a str,
    /// The lines below it.
    body: String,
}

fn sections(text: &str) -> Vec<Section<'_>> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
        if line.starts_with("sample") {
            let end = line.find([',', ':']).unwrap_or(line.len());
            sections.push(Section { sample: &line[..end], about: &line[end..], body: String::new() });
        } else if let Some(last) = sections.last_mut() {
            last.body.push_str(line);
            last.body.push('\n');
        } else {
            // What stands before the first sample is a section of its own, so that nothing is overlooked.
            sections.push(Section { sample: "the text", about: "", body: format!("{line}\n") });
        }
    }
    sections
}

fn changed(old: &Section<'_>, new: &Section<'_>) -> Option<Changed> {
    if (old.about, &old.body) == (new.about, &new.body) {
        return None;
    }
    let sketches = Sketch::read(&old.body).zip(Sketch::read(&new.body));
    let difference = sketches.map(|(old, new)| old.difference(&new)).filter(|difference| !difference.is_empty());
    let how = match &difference {
        Some(difference) => difference.summary(),
        None if old.body == new.body => {
            let plain = |about: &str| about.trim_start_matches([',', ':', ' ']).to_owned();
            format!("was {}, is {}", plain(old.about), plain(new.about))
        }
        None => first_lines(&old.body, &new.body),
    };
    Some(Changed { sample: new.sample.to_owned(), how, difference })
}

/// The first line that is only in one of two texts, for texts that are no drawings.
fn first_lines(old: &str, new: &str) -> String {
    let count = |text: &str| {
        text.lines().fold(BTreeMap::new(), |mut counts: BTreeMap<String, usize>, line| {
            *counts.entry(line.to_owned()).or_default() += 1;
            counts
        })
    };
    let (olds, news) = (count(old), count(new));
    let only = |text: &str, others: &BTreeMap<String, usize>| {
        text.lines().find(|line| !others.contains_key(*line)).unwrap_or("its order").to_owned()
    };
    format!("was `{}`, is `{}`", only(old, &news), only(new, &olds))
}
