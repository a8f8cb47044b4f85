//! How candidates are proposed: at random, over a grid, or by what earlier ones gave. One strategy a file.
//!
//! A strategy is asked for genomes and told how the candidates made of them were judged by the first look. It draws from streams of
//! the study's seed alone and is told in the order of the candidates, so that what it proposes next is the same on any number of threads.

mod evolution;
mod genes;
mod grid;
mod nsga2;
mod order;
pub mod random;
mod tpe;

use cnasc_base::Seed;
use cnasc_expand::space::{SearchVariable, Setting};
use cnasc_ir::Edit;
use cnasc_ir::program::{Cost, Strategy};
use genes::{Genes, Genome};

use crate::candidate::Proposal;
use random::candidate_seed;
use std::collections::BTreeMap;

/// How a candidate was judged.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    /// It keeps every constraint; its objectives, all to be minimised.
    Kept(Vec<f64>),
    /// It misses constraints of this cost by so much; what is dearer is unknown.
    Missed {
        /// Of the constraints that it misses.
        cost: Cost,
        /// As shares of their limits, summed.
        violation: f64,
    },
    /// It is no network, or none that fits the fleet.
    Nothing,
}

/// A judged candidate.
#[derive(Debug, Clone, PartialEq)]
struct Observed {
    genome: Genome,
    verdict: Verdict,
}

/// A strategy under way.
#[derive(Debug)]
pub(crate) struct Proposer {
    seed: u64,
    genes: Genes,
    method: Method,
    /// How many it proposed.
    count: u64,
    /// What was proposed and is not judged yet.
    asked: Vec<Genome>,
}

#[derive(Debug)]
enum Method {
    Random,
    Grid(grid::Grid),
    Evolution(evolution::Evolution),
    Nsga2(nsga2::Nsga2),
    Tpe(tpe::Tpe),
}

impl Proposer {
    /// The strategy of a study with `seed` over these variables.
    pub(crate) fn new(strategy: &Strategy, variables: Vec<SearchVariable>, seed: u64) -> Self {
        let stream = Seed::new(seed).child("strategy");
        let genes = Genes::new(variables, strategy.edits());
        let method = match strategy {
            // Where a variable has no values, drawing says so candidate by candidate.
            _ if !genes.can_be_drawn() => Method::Random,
            Strategy::Random | Strategy::SuccessiveHalving { .. } | Strategy::Hyperband { .. } => Method::Random,
            Strategy::Grid { points, draws } => Method::Grid(grid::Grid::new(&genes, *points, *draws)),
            Strategy::Evolution { population, sample, .. } => {
                Method::Evolution(evolution::Evolution::new(*population, *sample, stream))
            }
            Strategy::Nsga2 { population, .. } => Method::Nsga2(nsga2::Nsga2::new(*population, stream)),
            Strategy::Tpe { startup, candidates } => Method::Tpe(tpe::Tpe::new(*startup, *candidates, stream)),
        };
        Self { seed, genes, method, count: 0, asked: Vec::new() }
    }

    /// The next candidates, at most `room`, numbered as if there had been no others; none where there are no more. `known` are the first
    /// of them as an earlier run had them, where it went so far.
    pub(crate) fn ask(&mut self, room: u64, known: &[&Proposal]) -> Vec<Proposal> {
        let first = self.count;
        // A genome that is drawn afresh is what `random` would draw as this candidate.
        let fresh = |genes: &Genes, offset: usize| genes.random(candidate_seed(self.seed, first + offset as u64));
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let genes = &self.genes;
        self.asked = match &mut self.method {
            Method::Random => return self.random(room),
            Method::Grid(grid) => {
                let points = grid.ask(genes, room).into_iter().enumerate();
                points
                    .map(|(offset, settings)| Genome {
                        settings,
                        graph: candidate_seed(self.seed, first + offset as u64),
                        edits: Vec::new(),
                    })
                    .collect()
            }
            Method::Evolution(evolution) => evolution.ask(genes, room, fresh),
            Method::Nsga2(nsga2) => nsga2.ask(genes, room, fresh),
            Method::Tpe(tpe) => tpe.ask(genes, room, known, fresh),
        };
        self.count += self.asked.len() as u64;
        let asked = self.asked.iter().enumerate();
        asked
            .map(|(offset, genome)| Proposal {
                index: first + offset as u64,
                seed: genome.graph,
                settings: self.genes.named(&genome.settings),
                edits: genome.edits.clone(),
            })
            .collect()
    }

    /// This candidate instead of its own: what was set, what it is drawn from and what is changed then. Variables that are left open are drawn.
    pub(crate) fn host(&mut self, seed: u64, set: &BTreeMap<String, Setting>, edits: &[Edit]) -> Proposal {
        let settings = self.genes.named(&self.genes.with(seed, set).settings);
        // What is set of variables that do not exist is forgotten, for it is not in the records either.
        self.asked = vec![Genome { edits: edits.to_vec(), ..self.genes.with(seed, &settings) }];
        Proposal { index: 0, seed, settings, edits: edits.to_vec() }
    }

    fn random(&mut self, room: usize) -> Vec<Proposal> {
        let first = self.count;
        self.count += room as u64;
        (first..self.count).map(|index| random::propose(self.seed, index)).collect()
    }

    /// Whether what it proposes depends on what came before.
    pub(crate) fn learns(&self) -> bool {
        match self.method {
            Method::Random | Method::Grid(_) => false,
            Method::Evolution(_) | Method::Nsga2(_) | Method::Tpe(_) => true,
        }
    }

    /// How the candidates asked for last were judged, in their order; where there are fewer, these were the last ones.
    pub(crate) fn tell(&mut self, verdicts: Vec<Verdict>) {
        let asked = std::mem::take(&mut self.asked);
        let observed = asked.into_iter().zip(verdicts).map(|(genome, verdict)| Observed { genome, verdict });
        match &mut self.method {
            Method::Random | Method::Grid(_) => {}
            Method::Evolution(evolution) => evolution.tell(observed),
            Method::Nsga2(nsga2) => nsga2.tell(observed),
            Method::Tpe(tpe) => tpe.tell(observed),
        }
    }
}
