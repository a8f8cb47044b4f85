//! Graphs × the family that they are said to come from → figures, what theory expects of them, and p-values.
//!
//! An [`Auditor`] is shown graphs one by one, with the generator and arguments that each is to be held against, and gives a
//! [`Report`]. Figures that theory says nothing of are compared with graphs drawn from the family, where a second auditor saw
//! such. A p-value is the probability that a sound generator is as far from what is expected as what was found; the report
//! doubts a family where one of its m p-values is below [`LEVEL`] / m (Bonferroni), so that a sound generator is doubted
//! once in a thousand audits.
//!
//! `theory` says what is expected, `judge` computes the p-values, `subjects` finds the generators that a program uses.

mod given;
mod judge;
mod moments;
mod statistics;
mod subjects;
mod theory;

pub use given::graph;
pub use subjects::{Subject, subjects};

use crate::generate::Dag;
use crate::value::Closure;
use cnasc_base::Diagnostic;
use cnasc_ir::Program;
use moments::Moments;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use theory::{Expected, Theory};

/// How often all checks together doubt a sound generator.
pub const LEVEL: f64 = 0.001;

/// What an audit found.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// How many graphs were looked at.
    pub graphs: u64,
    /// Figures of the whole graphs.
    pub rows: Vec<Row>,
    /// Distributions.
    pub tables: Vec<Table>,
}

/// One figure over all graphs.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its name.
    pub figure: &'static str,
    /// Its mean.
    pub mean: f64,
    /// Standard deviation, least and greatest, where each graph has one value.
    pub spread: Option<(f64, f64, f64)>,
    /// The mean that is expected.
    pub expected: Option<f64>,
    /// How likely a sound generator is as far off.
    pub p: Option<f64>,
}

/// A distribution over whole numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Of what: `degree`, `ring distance`.
    pub figure: &'static str,
    /// What the shares are of.
    pub of: &'static str,
    /// The number, the share found, and the share expected.
    pub shares: Vec<(usize, f64, Option<f64>)>,
    /// How likely a sound generator is as far off.
    pub p: Option<f64>,
}

impl Report {
    /// All checks with their p-values.
    pub fn checks(&self) -> impl Iterator<Item = (&'static str, f64)> + '_ {
        let rows = self.rows.iter().filter_map(|row| row.p.map(|p| (row.figure, p)));
        rows.chain(self.tables.iter().filter_map(|table| table.p.map(|p| (table.figure, p))))
    }

    /// The p-value below which a check is doubted.
    #[must_use]
    pub fn threshold(&self) -> f64 {
        LEVEL / self.checks().count().max(1) as f64
    }

    /// The checks that a sound generator would hardly ever fail so clearly.
    #[must_use]
    pub fn doubts(&self) -> Vec<(&'static str, f64)> {
        let threshold = self.threshold();
        self.checks().filter(|(_, p)| *p < threshold).collect()
    }
}

/// What was seen of graphs so far.
#[derive(Debug)]
pub struct Auditor<'a> {
    program: &'a Program,
    /// The theory of the family seen last; most audits are of one.
    last: Option<(Closure, Theory)>,
    /// Whether all graphs were held against the same family.
    one_family: bool,
    nodes: Tally,
    edges: Tally,
    components: Tally,
    depth: Tally,
    width: Tally,
    /// How often each number of edges was found.
    edge_counts: BTreeMap<usize, u64>,
    degrees: Degrees,
    lattice: Lattice,
    /// For each ring distance from 1 the edges found.
    distances: Vec<u64>,
    /// The same that theory expects, and how many pairs there were.
    expected_distances: Option<Vec<(u64, Expected)>>,
    /// How often each graph was seen.
    identities: BTreeMap<[u8; 16], u64>,
}

/// A figure that each graph has once.
#[derive(Debug, Clone, Copy)]
struct Tally {
    found: Moments,
    /// What theory expects of all graphs together; nothing where it is silent of one of them.
    expected: Option<Expected>,
    /// Whether a graph misses what theory is sure of.
    broken: bool,
}

impl Tally {
    fn new() -> Self {
        Self { found: Moments::default(), expected: Some(Expected::default()), broken: false }
    }

    fn add(&mut self, found: usize, theory: Option<Expected>) {
        let found = found as f64;
        self.found.add(found);
        self.broken |= theory.is_some_and(|theory| theory.variance == 0.0 && theory.mean != found);
        self.expected = self.expected.zip(theory).map(|(mut sum, theory)| {
            sum.add(theory);
            sum
        });
    }
}

/// How many nodes have each degree from 0.
#[derive(Debug, Default)]
struct Degrees {
    /// Over graphs; a degree's moments begin with the first graph that has it.
    found: Vec<Moments>,
    /// The same, less what theory expects of that graph.
    off: Vec<Moments>,
    /// What theory expects, over all graphs; nothing where it is silent.
    expected: Option<Vec<f64>>,
}

/// Edges off the ring's lattice, of graphs that have one.
#[derive(Debug, Default)]
struct Lattice {
    found: u64,
    edges: u64,
    /// Whether every graph had a lattice, and the edges expected off it where theory knows.
    expected: Option<Option<f64>>,
}

impl<'a> Auditor<'a> {
    /// One that has seen nothing.
    #[must_use]
    pub fn new(program: &'a Program) -> Self {
        Self {
            program,
            last: None,
            one_family: true,
            nodes: Tally::new(),
            edges: Tally::new(),
            components: Tally::new(),
            depth: Tally::new(),
            width: Tally::new(),
            edge_counts: BTreeMap::new(),
            degrees: Degrees { expected: Some(Vec::new()), ..Degrees::default() },
            lattice: Lattice { expected: Some(Some(0.0)), ..Lattice::default() },
            distances: Vec::new(),
            expected_distances: Some(Vec::new()),
            identities: BTreeMap::new(),
        }
    }

    /// Looks at a graph that is said to come from `family`.
    ///
    /// # Errors
    /// Where the family is no generator, or a number of it has no value.
    pub fn add(&mut self, family: &Closure, dag: &Dag) -> Result<(), Diagnostic> {
        if self.last.as_ref().is_none_or(|(last, _)| last != family) {
            self.one_family &= self.last.is_none();
            self.last = Some((family.clone(), Theory::new(self.program, family)?));
        }
        let Some((_, theory)) = self.last.take() else { return Ok(()) };
        let measures = dag.measures();
        self.nodes.add(dag.nodes, theory.nodes);
        self.edges.add(measures.edges, theory.edges);
        self.components.add(measures.components, theory.components);
        self.depth.add(measures.depth, None);
        self.width.add(measures.width(), None);
        *self.edge_counts.entry(measures.edges).or_default() += 1;
        self.degrees.add(self.graphs(), &measures.degrees, theory.degrees.as_deref());
        self.lattice.add(&measures.ring_lengths, theory.off_lattice);
        self.distance(&measures.ring_lengths, theory.distances.as_deref());
        *self.identities.entry(identity(dag)).or_default() += 1;
        self.last = Some((family.clone(), theory));
        Ok(())
    }

    fn distance(&mut self, lengths: &[usize], theory: Option<&[(u64, Expected)]>) {
        for &length in lengths {
            if self.distances.len() < length {
                self.distances.resize(length, 0);
            }
            // An edge joins two nodes, which are at least one step apart.
            if let Some(count) = length.checked_sub(1).and_then(|at| self.distances.get_mut(at)) {
                *count += 1;
            }
        }
        self.expected_distances = self.expected_distances.take().zip(theory).map(|(mut sums, theory)| {
            sums.resize(sums.len().max(theory.len()), (0, Expected::default()));
            for ((pairs, sum), (more, expected)) in sums.iter_mut().zip(theory) {
                *pairs += more;
                sum.add(*expected);
            }
            sums
        });
    }

    /// What was found; `reference` saw graphs that were drawn from the same family.
    #[must_use]
    pub fn report(&self, reference: Option<&Auditor<'_>>) -> Report {
        judge::report(self, reference)
    }

    fn graphs(&self) -> f64 {
        self.nodes.found.count
    }

    /// How many graphs were seen that had been seen before.
    fn repeated(&self) -> u64 {
        self.identities.values().map(|count| count - 1).sum()
    }
}

impl Degrees {
    /// `seen` counts the graphs, this one included.
    fn add(&mut self, seen: f64, degrees: &[usize], theory: Option<&[f64]>) {
        let mut counts: Vec<f64> = Vec::new();
        for &degree in degrees {
            if counts.len() <= degree {
                counts.resize(degree + 1, 0.0);
            }
            counts[degree] += 1.0;
        }
        let known = self.found.len().max(counts.len()).max(theory.map_or(0, <[f64]>::len));
        counts.resize(known, 0.0);
        let fresh = Moments::default().with_zeros(seen - 1.0);
        self.found.resize(known, fresh);
        self.off.resize(known, fresh);
        for (degree, &count) in counts.iter().enumerate() {
            let expected = theory.and_then(|theory| theory.get(degree)).copied().unwrap_or(0.0);
            self.found[degree].add(count);
            self.off[degree].add(count - expected);
        }
        self.expected = self.expected.take().zip(theory).map(|(mut sums, theory)| {
            sums.resize(sums.len().max(theory.len()), 0.0);
            sums.iter_mut().zip(theory).for_each(|(sum, expected)| *sum += expected);
            sums
        });
    }
}

impl Lattice {
    fn add(&mut self, lengths: &[usize], theory: Option<(usize, Option<f64>)>) {
        let Some((around, share)) = theory else {
            self.expected = None;
            return;
        };
        self.found += lengths.iter().filter(|&&length| length > around / 2).count() as u64;
        self.edges += lengths.len() as u64;
        let edges = lengths.len() as f64;
        self.expected = self.expected.map(|sum| sum.zip(share).map(|(sum, share)| sum + share * edges));
    }
}

/// A graph's edges between its nodes as they were numbered before ordering.
fn identity(dag: &Dag) -> [u8; 16] {
    let mut edges = Vec::new();
    for (inputs, &to) in dag.predecessors.iter().zip(&dag.origin) {
        for &from in inputs {
            let from = dag.origin[from as usize];
            edges.push((from.min(to), from.max(to)));
        }
    }
    edges.sort_unstable();
    let mut hasher = Sha256::new();
    hasher.update((dag.nodes as u64).to_le_bytes());
    for (from, to) in edges {
        hasher.update(from.to_le_bytes());
        hasher.update(to.to_le_bytes());
    }
    let mut short = [0; 16];
    short.copy_from_slice(&hasher.finalize()[..16]);
    short
}
