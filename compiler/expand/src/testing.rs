//! `test` → samples → measures → verdicts.
//!
//! Sample k of a test with seed s is drawn from the number [`sample_seed`]`(s, k)`, whatever the test is called, so that
//! `cnasc expand --seed` draws the same network again. A graph alone is drawn as [`draw`] does, a network as [`expand`](crate::expand()) does;
//! a block or a staging stands in the network that `frame` puts around it.
//! What a snapshot holds is in `shown`, and what has changed since it was accepted is told there, too.

mod frame;
mod measured;
mod shown;

pub use measured::of_network;
pub use shown::{Changed, changes};

use crate::evaluate::{self, Scope, evaluate};
use crate::generate::{Dag, Measures, draw};
use crate::value::{Closure, Value};
use cnasc_base::{Diagnostic, Seed};
use cnasc_ir::program::{BinaryOp, Declared, Expected, Figure, Sample, Statistic, Test};
use cnasc_ir::{Architecture, Program};

/// What became of a test.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// What was sampled, as source text.
    pub of: String,
    /// One an expectation, in their order.
    pub verdicts: Vec<Verdict>,
    /// The samples' text, where a snapshot is expected.
    pub snapshot: Option<String>,
}

/// What became of an expectation.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The statistic was computed and compared.
    Statistic {
        /// Its value; none where no sample has a value, such as the ring length of graphs without edges.
        found: Option<f64>,
        /// Whether the expectation holds.
        holds: bool,
        /// The first sample, from 1, and its seed number, that the greatest or the least value comes from.
        sample: Option<(u64, u64)>,
    },
    /// The samples are to be compared with those that were accepted.
    Snapshot,
}

/// One sample.
#[derive(Debug)]
enum Drawn {
    Graph(Dag),
    Network(Architecture),
}

/// The number that sample `index`, from 0, of a test with `seed` is drawn from.
#[must_use]
pub fn sample_seed(seed: u64, index: u64) -> u64 {
    Seed::new(seed).child("samples").nth(index).number()
}

/// Draws the samples one after the other and decides what can be decided without a file.
///
/// # Errors
/// Where a sample can't be drawn; the finding says which one.
pub fn run(program: &Program, test: &Test) -> Result<Outcome, Diagnostic> {
    let closure = closure(&test.sample)?;
    let of = closure.text(program);
    let framed = frame::framed(program, &test.sample);
    let (program, closure) = match &framed {
        Some((program, network)) => (program, Closure { of: network.of, args: Vec::new() }),
        None => (program, closure),
    };
    let mut tallies: Vec<Option<Tally>> = test.expectations.iter().map(|one| Tally::new(one.kind)).collect();
    let mut shown = tallies.contains(&None).then(shown::Shown::default);
    for index in 0..test.sample.count {
        let seed = sample_seed(test.sample.seed, index);
        let drawn = sample(program, &closure, seed)
            .map_err(|found| found.note(format!("in sample {} of test \"{}\", seed {seed}", index + 1, test.name)))?;
        let measures = match &drawn {
            Drawn::Graph(dag) => dag.measures(),
            Drawn::Network(architecture) => of_network(architecture),
        };
        tallies.iter_mut().flatten().for_each(|tally| tally.add(&measures, (index + 1, seed)));
        if let Some(shown) = &mut shown {
            match &drawn {
                Drawn::Graph(dag) => shown.graph(seed, &of, dag),
                Drawn::Network(architecture) => shown.network(seed, architecture),
            }
        }
    }
    let verdicts = tallies.into_iter().map(|tally| tally.map_or(Verdict::Snapshot, Tally::verdict)).collect();
    Ok(Outcome { of, verdicts, snapshot: shown.map(shown::Shown::text) })
}

fn closure(sample: &Sample) -> Result<Closure, Diagnostic> {
    match evaluate(&sample.of, &Scope::default())? {
        Value::Made(closure) => Ok(closure),
        other => Err(evaluate::wrong_kind(sample.of.location, "a generator, a block, a staging or a network", &other)),
    }
}

fn sample(program: &Program, closure: &Closure, seed: u64) -> Result<Drawn, Diagnostic> {
    let root = Seed::new(seed);
    match closure.of {
        Declared::Network(_) => {
            let mut architecture = crate::expand(program, closure, &root)?;
            architecture.provenance.seed = seed;
            Ok(Drawn::Network(architecture))
        }
        _ => draw(program, closure, &root).map(Drawn::Graph),
    }
}

/// A statistic as far as samples were seen.
#[derive(Debug, Clone, PartialEq)]
struct Tally {
    statistic: Statistic,
    figure: Figure,
    op: BinaryOp,
    limit: f64,
    count: f64,
    sum: f64,
    /// The greatest or the least value so far, and the sample that it comes from.
    extreme: Option<(f64, (u64, u64))>,
}

impl Tally {
    /// None where a snapshot is expected.
    fn new(expected: Expected) -> Option<Self> {
        let Expected::Statistic { statistic, figure, op, limit } = expected else { return None };
        Some(Self { statistic, figure, op, limit, count: 0.0, sum: 0.0, extreme: None })
    }

    fn add(&mut self, measures: &Measures, sample: (u64, u64)) {
        match self.figure {
            Figure::RingLength => measures.ring_lengths.iter().for_each(|&value| self.value(value, sample)),
            Figure::Degree => measures.degrees.iter().for_each(|&value| self.value(value, sample)),
            Figure::Depth => self.value(measures.depth, sample),
            Figure::Width => self.value(measures.width(), sample),
            Figure::Edges => self.value(measures.edges, sample),
            Figure::Components => self.value(measures.components, sample),
            Figure::Nodes => self.value(measures.degrees.len(), sample),
            Figure::Channels => measures.channels.iter().for_each(|&value| self.value(value, sample)),
            Figure::Size => measures.sizes.iter().for_each(|&value| self.value(value, sample)),
        }
    }

    fn value(&mut self, value: usize, sample: (u64, u64)) {
        let value = value as f64;
        self.count += 1.0;
        self.sum += value;
        let beyond = |best: f64| if self.statistic == Statistic::Min { value < best } else { value > best };
        if self.extreme.is_none_or(|(best, _)| beyond(best)) {
            self.extreme = Some((value, sample));
        }
    }

    fn verdict(self) -> Verdict {
        let found = match self.statistic {
            Statistic::Mean => (self.count > 0.0).then(|| self.sum / self.count),
            Statistic::Max | Statistic::Min => self.extreme.map(|(value, _)| value),
        };
        let holds = found.is_some_and(|found| holds(self.op, found, self.limit));
        let sample = self.extreme.map(|(_, sample)| sample).filter(|_| self.statistic != Statistic::Mean);
        Verdict::Statistic { found, holds, sample }
    }
}

fn holds(op: BinaryOp, found: f64, limit: f64) -> bool {
    match op {
        BinaryOp::Equal => found == limit,
        BinaryOp::NotEqual => found != limit,
        BinaryOp::Less => found < limit,
        BinaryOp::LessEqual => found <= limit,
        BinaryOp::Greater => found > limit,
        BinaryOp::GreaterEqual => found >= limit,
        // The checker lets no other operator into an expectation.
        _ => false,
    }
}
