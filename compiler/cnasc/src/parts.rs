//! Placing a network whose layers may be computed in parts: which of them, how, and who computes what, chosen on the simulator.
//!
//! `model-parallel` cuts every layer that can be cut over two devices, four, or all: by rows while the image is large, and then by channels, with
//! the change where it is fastest. `best` places whole layers first, and then cuts for as long as that wins, so that it is never worse for it:
//! heavy layers, so that several devices compute one, and layers whose output somebody waits for, so that rows are sent while their device
//! computes the next. All other strategies place whole layers.

use crate::failure::{Failure, codes};
use cnasc_base::{Diagnostic, Seed};
use cnasc_ir::architecture::{Node, NodeId, Role};
use cnasc_ir::op::Axis;
use cnasc_ir::split::{Cut, Piece, PieceKind};
use cnasc_ir::{Architecture, DeviceId, Fleet, Op, Plan, Split, TensorGraph, Weights};
use cnasc_lower::{cut_weights, lower, split};
use cnasc_place::schedule::{Placement, by_rank, finish};
use cnasc_place::{Pin, PlaceError, Strategy, Workload, plan, plan_pinned};
use std::collections::BTreeSet;

/// What `--strategy` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Every layer over several devices.
    ModelParallel,
    /// A strategy of the planner.
    Of(Strategy),
}

/// The name of [`Way::ModelParallel`].
const MODEL_PARALLEL: &str = "model-parallel";

/// A layer is heavy where it alone takes this share of the latency with whole layers on the fastest device.
const HEAVY: f64 = 0.05;

/// The most heavy layers that are looked at, and the most that are cut one after the other.
const MOST_HEAVY: usize = 6;
const MOST_CUT: usize = 4;

/// The most layers whose rows are sent early, and the numbers of messages that are tried.
const MOST_EARLY: usize = 4;
const MESSAGES: [usize; 2] = [2, 4];

/// The largest network that `best` cuts: others have no heavy layers, and their parts would take seconds to place.
const MOST_NODES: usize = 400;

/// The share of the latency that one more cut must save, to be more than rounding, and all cuts together: what it takes to cut tensors apart, join
/// them and start many small kernels is in no plan. Networks of 32 layers that were said to gain 5 % lost 40 % to it.
const WORTH: (f64, f64) = (1e-3, 0.1);

impl Way {
    /// The way that a word names.
    ///
    /// # Errors
    /// Where it names none, with those that there are.
    pub fn read(word: &str) -> Result<Self, Failure> {
        if word == MODEL_PARALLEL {
            return Ok(Self::ModelParallel);
        }
        let refuse = |problem| {
            let message = format!("{problem}, `{MODEL_PARALLEL}`");
            Failure::usage(Diagnostic::error(codes::OPTION, message))
        };
        word.parse().map(Self::Of).map_err(refuse)
    }
}

impl From<Strategy> for Way {
    fn from(strategy: Strategy) -> Self {
        Self::Of(strategy)
    }
}

impl std::fmt::Display for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ModelParallel => f.write_str(MODEL_PARALLEL),
            Self::Of(strategy) => strategy.fmt(f),
        }
    }
}

/// A network and where it is computed.
#[derive(Debug, Clone)]
pub struct Placed {
    /// Of [`architecture`](Self::architecture).
    pub plan: Plan,
    /// What its nodes cost.
    pub workload: Workload,
    split: Option<Split>,
}

impl Placed {
    /// The network as it was placed: `whole`, from which this was made, or the same with layers in parts.
    #[must_use]
    pub fn architecture<'a>(&'a self, whole: &'a Architecture) -> &'a Architecture {
        self.split.as_ref().map_or(whole, |split| &split.architecture)
    }

    /// The nodes of the whole network that are computed in parts.
    #[must_use]
    pub fn in_parts(&self) -> BTreeSet<NodeId> {
        self.split.as_ref().map(Split::in_parts).unwrap_or_default()
    }

    /// The tensor graph of what was placed, and its values, out of those of the whole network, not folded.
    #[must_use]
    pub fn valued(&self, graph: TensorGraph, weights: Weights) -> (TensorGraph, Weights) {
        let Some(split) = &self.split else { return (graph, weights) };
        let parts = lower(&split.architecture);
        let weights = cut_weights(&graph, &weights, split, &parts);
        (parts, weights)
    }
}

/// Places `architecture`, whose costs are `workload`.
///
/// # Errors
/// Where no placement has the memory and the links.
pub fn place(architecture: &Architecture, workload: &Workload, fleet: &Fleet, way: Way) -> Result<Placed, Failure> {
    let seed = Seed::new(architecture.provenance.seed).child("place");
    let planner = Planner { architecture, workload, fleet, seed };
    let whole = |strategy| {
        let plan = plan(workload, fleet, strategy, &planner.seed)?;
        Ok(Placed { plan, workload: workload.clone(), split: None })
    };
    let placed = match way {
        Way::ModelParallel => planner.model_parallel(),
        Way::Of(Strategy::Best) => planner.best(whole(Strategy::Best)),
        Way::Of(strategy) => whole(strategy),
    };
    placed.map_err(|error| Diagnostic::error(codes::PLACE, error.to_string()).into())
}

/// For each node how it is cut; whole where there is nothing.
type Cuts = Vec<Option<Cut>>;

struct Planner<'a> {
    architecture: &'a Architecture,
    workload: &'a Workload,
    fleet: &'a Fleet,
    seed: Seed,
}

impl Planner<'_> {
    /// The fastest of the ways to cut every layer.
    fn model_parallel(&self) -> Result<Placed, PlaceError> {
        let tried = self.every_layer().into_iter().map(|cuts| self.pinned(&cuts, MODEL_PARALLEL));
        let mut refused = None;
        let mut best: Option<Placed> = None;
        for placed in tried {
            match placed {
                Ok(placed) => best = Some(faster(best, placed)),
                Err(error) => refused = Some(error),
            }
        }
        let nothing = || PlaceError::Fleet("there is no device to cut layers for".to_owned());
        best.ok_or_else(|| refused.unwrap_or_else(nothing))
    }

    /// The fastest of `whole` and of what cutting gives.
    fn best(&self, whole: Result<Placed, PlaceError>) -> Result<Placed, PlaceError> {
        let limit = whole.as_ref().map_or(f64::INFINITY, |placed| placed.plan.latency);
        if self.fleet.devices.len() < 2 || self.architecture.nodes.len() > MOST_NODES {
            return whole;
        }
        let home = whole.as_ref().map_or(&[][..], |placed| &placed.plan.device_of);
        let mut ways = self.heavy(limit);
        ways.extend(whole.iter().flat_map(|placed| self.early(&placed.plan)));
        let everything = self.every_layer().into_iter().filter_map(|cuts| {
            let placed = self.pinned(&cuts, Strategy::Best.name()).ok()?;
            Some((placed.plan.latency, cuts))
        });
        let everything = everything.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, cuts)| cuts);
        let cuts = self.one_by_one(&ways, home, limit).into_iter().chain(everything);
        let tried = cuts.filter_map(|cuts| self.tried(&cuts, home, Strategy::Best));
        match tried.reduce(|before, placed| faster(Some(before), placed)) {
            Some(placed) if placed.plan.latency < limit * (1.0 - WORTH.1) => Ok(placed),
            _ => whole,
        }
    }

    /// Cuts the layer, and in the way, that saves most, and again until none saves anything. `home` has the devices of whole layers.
    fn one_by_one(&self, ways: &[(NodeId, Cut)], home: &[DeviceId], limit: f64) -> Option<Cuts> {
        let (mut cuts, mut least): (Cuts, f64) = (vec![None; self.architecture.nodes.len()], limit);
        for _ in 0..MOST_CUT {
            let open = ways.iter().filter(|(node, _)| cuts[node.index()].is_none());
            let tried = open.filter_map(|(node, cut)| {
                let mut cuts = cuts.clone();
                cuts[node.index()] = Some(cut.clone());
                Some((self.tried(&cuts, home, Strategy::Portfolio)?.plan.latency, cuts))
            });
            match tried.min_by(|a, b| a.0.total_cmp(&b.0)) {
                Some((latency, tried)) if latency < least * (1.0 - WORTH.0) => (least, cuts) = (latency, tried),
                _ => break,
            }
        }
        cuts.iter().any(Option::is_some).then_some(cuts)
    }

    /// By rows and by channels, over two devices, four, and all; the fastest ones.
    fn ways_to_cut(&self, node: NodeId) -> Vec<Cut> {
        let node = self.architecture.node(node);
        let mut cuts = Vec::new();
        for count in self.counts() {
            let shares = self.shares(count);
            if has_rows(node, count) {
                cuts.push(Cut { axis: Axis::Rows, shares: shares.clone() });
            }
            cuts.push(Cut { axis: Axis::Channels, shares });
        }
        cuts
    }

    /// The layers that alone take much of `limit`, the heaviest first, each in all ways to cut it.
    fn heavy(&self, limit: f64) -> Vec<(NodeId, Cut)> {
        let fastest = self.fleet.devices.iter().map(|device| device.compute).fold(f64::MIN_POSITIVE, f64::max);
        let seconds = |node: NodeId| self.workload.cost(node).flops as f64 / fastest;
        let limit = limit.min(self.workload.total_flops() as f64 / fastest);
        let mut heavy: Vec<NodeId> =
            self.workload.ids().filter(|&node| seconds(node) > 0.0 && seconds(node) >= HEAVY * limit).collect();
        heavy.sort_by(|a, b| seconds(*b).total_cmp(&seconds(*a)).then(a.cmp(b)));
        heavy.truncate(MOST_HEAVY);
        heavy.iter().flat_map(|&node| self.ways_to_cut(node).into_iter().map(move |cut| (node, cut))).collect()
    }

    /// The layers of a plan of whole ones whose output is longest on its way, each cut so that its device sends rows while it computes the
    /// next. None where that can't be worth it: even if every message took but half as long.
    fn early(&self, whole: &Plan) -> Vec<(NodeId, Cut)> {
        let mut halved = self.fleet.clone();
        halved.links.iter_mut().flatten().flatten().for_each(|link| link.rate *= 2.0);
        let copies = whole.copies.iter().map(|copy| (copy.node, copy.device)).collect();
        let placement = Placement { copies, ..by_rank(self.workload, &halved, whole.device_of.clone()) };
        let least =
            finish(self.workload, &halved, &whole.strategy, &placement).map_or(f64::INFINITY, |plan| plan.latency);
        if least > whole.latency * (1.0 - WORTH.1) {
            return Vec::new();
        }
        let mut sent: Vec<(f64, NodeId)> =
            whole.transfers.iter().map(|sent| (sent.span.end - sent.span.start, sent.node)).collect();
        sent.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut seen = BTreeSet::new();
        let nodes = sent.into_iter().map(|(_, node)| node).filter(|&node| seen.insert(node)).take(MOST_EARLY);
        let ways = nodes.flat_map(|node| MESSAGES.map(|count| (node, count)));
        ways.filter(|&(node, count)| has_rows(self.architecture.node(node), count))
            .map(|(node, count)| (node, Cut { axis: Axis::Rows, shares: vec![1.0; count] }))
            .collect()
    }

    /// The speeds of the `count` fastest devices; 0 for the others.
    fn shares(&self, count: usize) -> Vec<f64> {
        let speed = |device: &DeviceId| self.fleet.device(*device).compute;
        let mut devices: Vec<DeviceId> = self.fleet.ids().collect();
        devices.sort_by(|a, b| speed(b).total_cmp(&speed(a)).then(a.cmp(b)));
        let taken: BTreeSet<DeviceId> = devices.into_iter().take(count).collect();
        self.fleet.ids().map(|device| if taken.contains(&device) { speed(&device) } else { 0.0 }).collect()
    }

    /// Every layer over the fastest two devices, four, and all: more of them compute sooner and send more. By rows where its output has at
    /// least so many, for each number of rows that occurs, else by channels.
    fn every_layer(&self) -> Vec<Cuts> {
        let mut limits: BTreeSet<u32> = self.architecture.nodes.iter().map(|node| node.shape.height).collect();
        limits.insert(u32::MAX);
        let cut = |node: &Node, limit: u32, (count, shares): (usize, &[f64])| {
            let by_rows = node.shape.height >= limit && has_rows(node, count);
            let axis = if by_rows { Axis::Rows } else { Axis::Channels };
            (node.role != Role::Input).then(|| Cut { axis, shares: shares.to_vec() })
        };
        let over = |count: usize| {
            let shares = self.shares(count);
            let all =
                |&limit: &u32| self.architecture.nodes.iter().map(|node| cut(node, limit, (count, &shares))).collect();
            limits.iter().map(all).collect::<Vec<Cuts>>()
        };
        self.counts().into_iter().flat_map(over).collect()
    }

    /// Over how many devices it is tried to cut.
    fn counts(&self) -> BTreeSet<usize> {
        let count = self.fleet.devices.len();
        BTreeSet::from([2.min(count), 4.min(count), count])
    }

    /// The network cut so, and each part on its device.
    fn pinned(&self, cuts: &[Option<Cut>], name: &str) -> Result<Placed, PlaceError> {
        let (split, workload) = self.cut(cuts)?;
        let plan = plan_pinned(&workload, self.fleet, name, &pins(&split))?;
        Ok(Placed { plan, workload, split: Some(split) })
    }

    /// The network cut so, and placed by `strategy`, with each part on its device, or with each where the whole was, whichever is fastest. None
    /// where none can be.
    fn tried(&self, cuts: &[Option<Cut>], home: &[DeviceId], strategy: Strategy) -> Option<Placed> {
        let (split, workload) = self.cut(cuts).ok()?;
        let pinned = |pins: &[Pin]| plan_pinned(&workload, self.fleet, strategy.name(), pins).ok();
        let free = plan(&workload, self.fleet, strategy, &self.seed).ok();
        let found = [free, pinned(&pins(&split)), pinned(&pins_at(&split, home))];
        let plan = found.into_iter().flatten().min_by(|a, b| a.latency.total_cmp(&b.latency))?;
        Some(Placed { plan, workload, split: Some(split) })
    }

    fn cut(&self, cuts: &[Option<Cut>]) -> Result<(Split, Workload), PlaceError> {
        let split = split(self.architecture, cuts).map_err(|error| PlaceError::Layers(error.to_string()))?;
        let workload = Workload::sketch(&split.architecture).map_err(|error| PlaceError::Layers(error.to_string()))?;
        Ok((split, workload))
    }
}

/// Whether so many parts of the node's rows make sense: each has two of them, and no row needs the whole image.
fn has_rows(node: &Node, parts: usize) -> bool {
    let whole = |op: &Op| matches!(op, Op::Linear { .. } | Op::GlobalAvg);
    node.shape.height as usize >= 2 * parts && !node.ops.iter().any(whole)
}

fn pins(split: &Split) -> Vec<Pin> {
    let pin = |kind| match kind {
        PieceKind::Part(number) => Pin::On(DeviceId(number)),
        PieceKind::Slice => Pin::WithInput,
        PieceKind::Whole | PieceKind::Gather => Pin::Free,
    };
    split.pieces.iter().map(|piece| pin(piece.kind)).collect()
}

/// What is left of the nodes of the whole network on their devices, those that no plan has where they are best.
fn pins_at(split: &Split, home: &[DeviceId]) -> Vec<Pin> {
    let pin = |piece: &Piece| match piece.kind {
        PieceKind::Slice => Pin::WithInput,
        PieceKind::Gather => Pin::Free,
        PieceKind::Whole | PieceKind::Part(_) => {
            let device = piece.node().and_then(|node| home.get(node.index()));
            device.map_or(Pin::Free, |&device| Pin::On(device))
        }
    };
    split.pieces.iter().map(pin).collect()
}

/// The faster of two; of equals the one that was there before.
fn faster(before: Option<Placed>, placed: Placed) -> Placed {
    match before {
        Some(before) if before.plan.latency <= placed.plan.latency => before,
        _ => placed,
    }
}

#[cfg(test)]
mod tests;
