//! Generator with arguments × seed → DAG: an undirected random graph of one of the families, given a direction.
//!
//! Erdős–Rényi and every user-written probability are in `edges`, Barabási–Albert in `attach`, Watts–Strogatz in `lattice`,
//! directions in `order`, graphs of graphs in `nest`, changes of a drawn graph in `edit`. All edges of a graph are drawn from the one stream `edges` of the seed given here.

mod attach;
mod costs;
mod edges;
mod edit;
mod lattice;
mod measures;
mod nest;
mod order;

pub use measures::Measures;

use costs::Costs;

use crate::codes;
use crate::evaluate::{self, Context, Scope};
use crate::value::{Closure, Value};
use cnasc_base::{Diagnostic, Location, Seed};
use cnasc_ir::Program;
use cnasc_ir::program::{Declared, Expr, Generator, Wiring};

/// The most nodes of one drawn graph.
pub const MAX_NODES: usize = 100_000;

/// The most edges of one drawn graph.
pub const MAX_EDGES: usize = 10_000_000;

/// A drawn graph; every edge goes from a smaller to a larger node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dag {
    /// How many nodes.
    pub nodes: usize,
    /// For each node the nodes that it takes inputs from, ascending.
    pub predecessors: Vec<Vec<u32>>,
    /// For each node its number in the undirected graph, before it was ordered.
    pub origin: Vec<u32>,
}

/// An undirected edge, the smaller node first.
type Edge = (u32, u32);

/// Draws a graph of the family `generator`.
///
/// # Errors
/// Where the closure is no generator, a number of its declaration has no value or is out of bounds, or the graph would be
/// larger than [`MAX_NODES`] or [`MAX_EDGES`].
pub fn draw(program: &Program, generator: &Closure, seed: &Seed) -> Result<Dag, Diagnostic> {
    draw_nested(program, generator, 0, seed)
}

/// The same for a generator that is `level` levels inside others.
fn draw_nested(program: &Program, generator: &Closure, level: usize, seed: &Seed) -> Result<Dag, Diagnostic> {
    let Declared::Generator(id) = generator.of else {
        return Err(evaluate::wrong_declaration("a generator", generator.of));
    };
    let Some(family) = program.generators.get(id.index()) else {
        return Err(evaluate::wrong_declaration("a generator", generator.of));
    };
    let nodes = node_count(family, &generator.args)?;
    let mut rng = seed.child("edges").rng();
    let scope = scope(&generator.args, nodes);
    let edges = match &family.wiring {
        Wiring::Edges(odds) => edges::draw(odds, &generator.args, nodes, costs(program, family, generator), &mut rng)?,
        Wiring::Attach { edges } => {
            let each = attach_count(edges, &scope, nodes)?;
            attach::draw(nodes, each, &mut rng)
        }
        Wiring::Lattice { neighbours, rewired } => {
            let around = neighbour_count(neighbours, &scope, nodes)?;
            lattice::draw(nodes, around, evaluate::probability(rewired, &scope)?, &mut rng)
        }
        Wiring::Given(edges) => given(edges, nodes, family)?,
    };
    let dag = order::direct(nodes, &edges, family.order);
    let Some(each) = &family.each else { return Ok(dag) };
    let inner =
        evaluate::made(each, &Scope::of(&generator.args), "a generator", |of| matches!(of, Declared::Generator(_)))?;
    nest::expand(program, &dag, &inner, (each.location, level), seed)
}

/// The probability of every pair i < j in their order; a condition gives 0 or 1. None where pairs are not independent of each
/// other, because their probabilities depend on degrees.
pub(crate) fn pair_probabilities(
    program: &Program,
    generator: &Closure,
    odds: &Expr,
    nodes: usize,
) -> Result<Option<Vec<f64>>, Diagnostic> {
    let Declared::Generator(id) = generator.of else { return Ok(None) };
    let costs = program.generators.get(id.index()).and_then(|family| costs(program, family, generator));
    edges::probabilities(odds, &generator.args, nodes, costs)
}

/// The costs of messages between the devices of the fleet that a generator was given.
fn costs(program: &Program, family: &Generator, generator: &Closure) -> Option<Costs> {
    match generator.args.get(family.dealt?)? {
        Value::Made(Closure { of: Declared::Fleet(id), .. }) => program.fleets.get(id.index()).map(Costs::new),
        _ => None,
    }
}

/// The edges of a graph that was read, which the reader has put in order; a hand-made program's may be out of bounds.
fn given(edges: &[Edge], nodes: usize, family: &Generator) -> Result<Vec<Edge>, Diagnostic> {
    check_edges(edges.len(), family.location)?;
    let apart = edges.windows(2).all(|pair| pair[0] < pair[1]);
    if apart && edges.iter().all(|&(from, to)| from < to && (to as usize) < nodes) {
        return Ok(edges.to_vec());
    }
    let message = format!("the edges that `{}` was given are not those of a graph of {nodes} nodes", family.name);
    Err(Diagnostic::error(codes::EDGES, message).label(family.location, "declared here"))
}

fn node_count(family: &Generator, args: &[Value]) -> Result<usize, Diagnostic> {
    let found = evaluate::whole(&family.nodes, &Scope::of(args))?;
    match usize::try_from(found) {
        Ok(nodes) if (1..=MAX_NODES).contains(&nodes) => Ok(nodes),
        _ => {
            let message =
                format!("a graph of `{}` would have {found} nodes; it may have 1 to {MAX_NODES}", family.name);
            Err(Diagnostic::error(codes::NODES, message).label(family.nodes.location, format!("this is {found}")))
        }
    }
}

fn attach_count(edges: &Expr, scope: &Scope<'_>, nodes: usize) -> Result<usize, Diagnostic> {
    let found = evaluate::whole(edges, scope)?;
    let each = usize::try_from(found).ok().filter(|each| (1..nodes).contains(each)).ok_or_else(|| {
        let message = format!("each node is to attach {found} edges in a graph of {nodes} nodes");
        Diagnostic::error(codes::ATTACH, message)
            .label(edges.location, format!("this is {found}; it may be 1 to {}", nodes - 1))
            .note("the first m nodes start without edges, and every further one attaches m")
    })?;
    check_edges(each * (nodes - each), edges.location)?;
    Ok(each)
}

fn neighbour_count(neighbours: &Expr, scope: &Scope<'_>, nodes: usize) -> Result<usize, Diagnostic> {
    let found = evaluate::whole(neighbours, scope)?;
    let around =
        usize::try_from(found).ok().filter(|k| k.is_multiple_of(2) && (2..nodes).contains(k)).ok_or_else(|| {
            let message = format!("a lattice of {nodes} nodes can't have {found} neighbours a node");
            Diagnostic::error(codes::LATTICE, message)
                .label(neighbours.location, format!("this is {found}; it must be even, at least 2 and below {nodes}"))
                .note("a lattice of k joins each node to the k/2 nearest on either side of the ring")
        })?;
    check_edges(nodes * (around / 2), neighbours.location)?;
    Ok(around)
}

/// Refuses a graph of too many edges, before it is allocated where their number is known.
fn check_edges(count: usize, here: Location) -> Result<(), Diagnostic> {
    if count <= MAX_EDGES {
        return Ok(());
    }
    let message = format!("a graph would have more than {MAX_EDGES} edges");
    Err(Diagnostic::error(codes::EDGES, message).label(here, "these edges are too many"))
}

fn scope(args: &[Value], nodes: usize) -> Scope<'_> {
    let nodes = i64::try_from(nodes).expect("nodes are bounded by MAX_NODES");
    Scope { params: args, context: Context { nodes: Some(nodes), ..Context::default() } }
}

/// A node's number as it is stored.
fn id(index: usize) -> u32 {
    u32::try_from(index).expect("nodes are bounded by MAX_NODES")
}
