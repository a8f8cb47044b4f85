//! One candidate: drawn, measured and held against the constraints, the cheapest figure first and no dearer one than is asked for.

use crate::look::Look;
use crate::study::{PLACE, Study};
use crate::{canonical, constraint};
use cnasc_base::{Diagnostic, Seed};
use cnasc_expand::expand_edited;
use cnasc_expand::space::{self, Setting};
use cnasc_ir::program::{Cost, Make, Measure, Program};
use cnasc_ir::score::Score;
use cnasc_ir::{Architecture, Edit, Fleet, Plan};
use cnasc_place::workload::Cost as NodeCost;
use cnasc_place::{ScoreOptions, Strategy, Workload, energy, memory, plan, score, structure, verify};
use std::collections::BTreeMap;

/// What makes a candidate: everything else about it follows from this.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// Its place in the study, from 0.
    pub index: u64,
    /// What every draw of its graph, and every variable that is not set, grows from.
    pub seed: u64,
    /// The search variables that are set instead of drawn.
    pub settings: BTreeMap<String, Setting>,
    /// What is changed in the graphs that were drawn, in this order.
    pub edits: Vec<Edit>,
}

impl Proposal {
    /// Draws its network from the space `over`.
    ///
    /// # Errors
    /// Where the values that the variables take give no network, or a setting names no variable or lies outside its domain.
    pub fn draw(&self, program: &Program, over: &Make) -> Result<Draw, Diagnostic> {
        let root = Seed::new(self.seed);
        let sampled = space::bind(program, over, &self.settings, &root)?;
        let mut architecture = expand_edited(program, &sampled.network, &self.edits, &root)?;
        architecture.provenance.seed = self.seed;
        Ok(Draw { architecture, arguments: sampled.arguments })
    }
}

/// A candidate's identity and figures, small enough to keep thousands of; [`draw`] makes its network again.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// What reproduces it.
    pub proposal: Proposal,
    /// Its network's arguments, search variables with the values they took.
    pub arguments: BTreeMap<String, String>,
    /// Its architecture's hash.
    pub hash: String,
    /// What it measures, as far as it was asked for.
    pub figures: Figures,
}

/// The figures of a candidate in base units; [`Measure`] says what each one is.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// What is counted in the network alone.
    pub counts: Counts,
    /// [`Measure::ConcurrencyScore`] and its parts, where a partition was made.
    pub score: Option<Score>,
    /// What a placement on the fleet says, where there was one.
    pub placed: Option<Placed>,
    /// [`Measure::MeasuredLatency`], where it was measured.
    pub measured: Option<f64>,
    /// [`Measure::Accuracy`], where it was asked for; as the last look that did so was told.
    pub accuracy: Option<f64>,
}

/// The figures of a placement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placed {
    /// [`Measure::Latency`]
    pub latency: f64,
    /// [`Measure::Memory`]
    pub memory: u64,
    /// [`Measure::Communication`]
    pub communication: u64,
    /// [`Measure::Energy`], where all devices that compute have a declared power.
    pub energy: Option<f64>,
}

/// What became of one candidate.
#[derive(Debug, Clone, PartialEq)]
pub enum Evaluated {
    /// It keeps every constraint.
    Feasible(Box<Candidate>),
    /// It breaks a constraint; nothing dearer than what showed it was computed.
    Infeasible {
        /// What it misses of the broken constraints of one cost, as shares of their limits, summed.
        violation: f64,
        /// The first constraint that it breaks.
        broken: Measure,
    },
    /// Its arguments give no network, or no network that fits the fleet.
    Impossible(Box<Diagnostic>),
}

impl Evaluated {
    pub(crate) fn impossible(why: String) -> Self {
        Self::Impossible(Box::new(Diagnostic::error(PLACE, why)))
    }
}

/// A network drawn from a space.
#[derive(Debug, Clone, PartialEq)]
pub struct Draw {
    /// The network.
    pub architecture: Architecture,
    /// What each search variable was set to, as source text.
    pub arguments: BTreeMap<String, String>,
}

/// Draws the network that `seed` names from the space `over`, some of its variables fixed instead of drawn.
///
/// # Errors
/// As [`Proposal::draw`].
pub fn draw(
    program: &Program,
    over: &Make,
    settings: &BTreeMap<String, Setting>,
    seed: u64,
) -> Result<Draw, Diagnostic> {
    Proposal { index: 0, seed, settings: settings.clone(), edits: Vec::new() }.draw(program, over)
}

/// A candidate whose network is at hand, so that dearer figures can be had.
#[derive(Debug, Clone)]
pub(crate) struct Drawn {
    pub(crate) candidate: Candidate,
    /// What isomorphic networks have in common, where nothing that they are judged by tells them apart.
    pub(crate) form: Option<String>,
    workload: Workload,
}

impl Drawn {
    /// Draws what `proposal` says and counts it.
    pub(crate) fn new(study: &Study<'_>, proposal: Proposal) -> Result<Self, Evaluated> {
        let drawn = proposal.draw(study.program, study.over());
        let Draw { architecture, arguments } = drawn.map_err(|why| Evaluated::Impossible(Box::new(why)))?;
        let workload = Workload::sketch(&architecture).map_err(|error| Evaluated::impossible(error.to_string()))?;
        let figures =
            Figures { counts: Counts::new(&workload), score: None, placed: None, measured: None, accuracy: None };
        let form = study.counts_alone().then(|| canonical::hash(&architecture)).flatten();
        let hash = architecture.hash().to_owned();
        Ok(Self { candidate: Candidate { proposal, arguments, hash, figures }, form, workload })
    }

    /// What the look says of it; figures that it has already are not computed again.
    pub(crate) fn judge(mut self, study: &Study<'_>, look: &Look<'_>) -> Evaluated {
        for cost in [Cost::Count, Cost::Score, Cost::Plan, Cost::Run, Cost::Training] {
            if cost > look.cost {
                break;
            }
            if look.needs(cost)
                && let Err(impossible) = self.measure(study, look, cost)
            {
                return impossible;
            }
            if let Some(broken) = look.broken(cost, &self.candidate.figures) {
                return broken;
            }
        }
        Evaluated::Feasible(Box::new(self.candidate))
    }

    /// Computes the figures of this cost.
    fn measure(&mut self, study: &Study<'_>, look: &Look<'_>, cost: Cost) -> Result<(), Evaluated> {
        let root = Seed::new(self.candidate.proposal.seed);
        let Figures { score: rated, placed, measured, .. } = &mut self.candidate.figures;
        match cost {
            Cost::Score if rated.is_none() => {
                *rated = Some(score(
                    &self.workload,
                    study.devices(),
                    &ScoreOptions::by(&study.search.score, root.child("score")),
                ));
            }
            Cost::Plan if placed.is_none() => {
                let found = plan(&self.workload, study.fleet(), Strategy::Portfolio, &root.child("place"));
                let found = found.map_err(|error| Evaluated::impossible(error.to_string()))?;
                let memory = fullest(&self.workload, study.fleet(), &found);
                let (latency, communication) = (found.latency, found.sent_bytes);
                *placed = Some(Placed { latency, memory, communication, energy: energy(&found, study.fleet()) });
            }
            Cost::Run if measured.is_none() => {
                let drawn = self.redrawn(study)?;
                self.candidate.figures.measured = Some(told(study.teller.latency(&drawn, study.fleet()), "latency")?);
            }
            Cost::Training => self.candidate.figures.accuracy = Some(self.accuracy(study, look)?),
            _ => {}
        }
        Ok(())
    }
}

impl Drawn {
    /// The network once more, for a teller: those that are held have their costs alone.
    fn redrawn(&self, study: &Study<'_>) -> Result<Draw, Evaluated> {
        let drawn = self.candidate.proposal.draw(study.program, study.over());
        drawn.map_err(|why| Evaluated::Impossible(Box::new(why)))
    }

    /// What the look's teller says of the network.
    fn accuracy(&self, study: &Study<'_>, look: &Look<'_>) -> Result<f64, Evaluated> {
        let Some(way) = look.accuracy else { return Err(Evaluated::impossible("nothing tells accuracy".to_owned())) };
        let drawn = self.redrawn(study)?;
        told(study.teller.accuracy(way, &drawn, &self.candidate.figures), "accuracy")
    }
}

/// What a teller said, where it is a number.
fn told(said: Result<f64, Diagnostic>, of: &str) -> Result<f64, Evaluated> {
    let value = said.map_err(|why| Evaluated::Impossible(Box::new(why)))?;
    if value.is_finite() { Ok(value) } else { Err(Evaluated::impossible(format!("its {of} is no number"))) }
}

/// Bytes that the fullest device needs.
fn fullest(workload: &Workload, fleet: &Fleet, placed: &Plan) -> u64 {
    let placement = verify::placement(placed, workload);
    let needs = placement.map(|placement| memory::needs(workload, fleet.devices.len(), &placement));
    needs.into_iter().flatten().max().unwrap_or(0)
}

/// A drawn network's figures that need neither partition nor fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// [`Measure::Params`]
    pub params: u64,
    /// [`Measure::Flops`]
    pub flops: u64,
    /// [`Measure::Macs`]
    pub macs: u64,
    /// [`Measure::Nodes`]
    pub nodes: u64,
    /// [`Measure::Depth`]
    pub depth: u64,
    /// [`Measure::Width`]
    pub width: u64,
}

impl Counts {
    /// Of the network that `workload` is the work of.
    #[must_use]
    pub fn new(workload: &Workload) -> Self {
        let counted = structure::counted(workload);
        let widths = structure::widths(workload.dag(), &counted);
        let sum = |of: fn(&NodeCost) -> u64| workload.costs().iter().map(of).fold(0, u64::saturating_add);
        Self {
            params: sum(|cost| cost.params),
            flops: sum(|cost| cost.flops),
            macs: sum(|cost| cost.macs),
            nodes: counted.iter().filter(|&&counts| counts).count() as u64,
            depth: widths.len() as u64,
            width: widths.into_iter().max().unwrap_or(0) as u64,
        }
    }
}

impl Figures {
    /// The value of `measure`, or none where it was not computed.
    #[must_use]
    pub fn value(&self, measure: Measure) -> Option<f64> {
        let counts = &self.counts;
        let count = match measure {
            Measure::Energy => return self.placed?.energy,
            Measure::Accuracy => return self.accuracy,
            Measure::MeasuredLatency => return self.measured,
            Measure::ConcurrencyScore => return self.score.as_ref().map(|score| score.cs),
            Measure::Latency => return self.placed.map(|placed| placed.latency),
            Measure::Memory => self.placed?.memory,
            Measure::Communication => self.placed?.communication,
            Measure::Params => counts.params,
            Measure::Flops => counts.flops,
            Measure::Macs => counts.macs,
            Measure::Depth => counts.depth,
            Measure::Width => counts.width,
            Measure::Nodes => counts.nodes,
        };
        Some(count as f64)
    }
}

impl Look<'_> {
    /// The verdict of the constraints of one cost, where any of them is broken.
    fn broken(&self, at: Cost, figures: &Figures) -> Option<Evaluated> {
        let mut broken = None;
        let mut total = 0.0;
        for constraint in self.constraints.iter().filter(|constraint| constraint.measure.cost() == at) {
            let missed =
                figures.value(constraint.measure).map_or(0.0, |value| constraint::violation(constraint, value));
            if missed > 0.0 {
                total += missed;
                broken = broken.or(Some(constraint.measure));
            }
        }
        broken.map(|broken| Evaluated::Infeasible { violation: total, broken })
    }
}
