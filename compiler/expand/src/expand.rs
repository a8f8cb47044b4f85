//! Network with arguments × seed → architecture.
//!
//! Sections become nodes in their order: a pipeline one node, a body one node a vertex of its drawn graph. Vertices without
//! predecessors take the section before; the mean of those without successors goes on, in a node of its own where they are
//! several. What stands inside `repeat`, `branch` and `part` is named after them (`repeat.2.layer`, `branch.1.body.7`,
//! `part.stem`), with counts of its own, so that a section more inside renames nothing outside. The streams of a body are named after it and what they decide (`network/body/wiring`, `network/body/staging`;
//! `body2` for the second), so that adding a section or editing a staging leaves the other draws alone. Edits change drawn graphs before
//! their vertices become nodes; which body one acts on is drawn from its number.

use crate::bodies;
use crate::codes;
use crate::evaluate::{self, Scope};
use crate::generate::{self, Dag};
use crate::join::{self, Met, Mismatch};
use crate::pipeline::{Misfit, Pipeline, Place, aggregate_op, declared_block};
use crate::staging::Stager;
use crate::value::{Closure, signature};
use cnasc_base::{Diagnostic, Location, Seed};
use cnasc_ir::architecture::{Join, MAX_NODES, Node, Role};
use cnasc_ir::op::Op;
use cnasc_ir::program::{Aggregate, Declared, Expr, Network, Section, Stage};
use cnasc_ir::{Architecture, Edit, NodeId, Program, Shape};
use std::collections::BTreeMap;

/// Draws the network. `provenance.arguments` is set; `provenance.seed` is left 0 for the caller, who alone knows the number that
/// `seed` came from.
///
/// # Errors
/// Where the closure is no network, a number has no value or is out of bounds, or shapes do not fit.
pub fn expand(program: &Program, network: &Closure, seed: &Seed) -> Result<Architecture, Diagnostic> {
    expand_edited(program, network, &[], seed)
}

/// The same with changes of the drawn graphs, which are as valid as drawn ones; `provenance.edits` is set too.
///
/// # Errors
/// As [`expand`].
pub fn expand_edited(
    program: &Program,
    network: &Closure,
    edits: &[Edit],
    seed: &Seed,
) -> Result<Architecture, Diagnostic> {
    let chosen = network.clone().chosen();
    let network = &chosen;
    let declaration = declared_network(program, network)?;
    let scope = Scope::of(&network.args);
    let bodies = if edits.is_empty() { 0 } else { bodies::count(program, &declaration.sections, &scope) };
    let dealt = if bodies == 0 { Vec::new() } else { dealt(edits, bodies) };
    let mut drawing = Drawing::new(program, seed.child("network"), dealt);
    drawing.image(declaration, &scope)?;
    drawing.sections(&declaration.sections, &scope, &mut Frame::default())?;
    debug_assert!(edits.is_empty() || drawing.bodies == bodies, "each edit belongs to one of the bodies");
    let mut architecture = Architecture::new(declaration.name.as_str(), drawing.nodes).map_err(|error| {
        let message = format!("network `{}` is no whole network: {error}", declaration.name);
        Diagnostic::error(codes::ARCHITECTURE, message).label(declaration.location, "declared here")
    })?;
    let params = signature(program, network.of).1;
    architecture.provenance.arguments =
        params.iter().zip(&network.args).map(|(param, arg)| (param.name.clone(), arg.text(program))).collect();
    architecture.provenance.edits = edits.to_vec();
    Ok(architecture)
}

/// Deals edits to so many bodies.
fn dealt(edits: &[Edit], bodies: usize) -> Vec<Vec<Edit>> {
    let mut dealt = vec![Vec::new(); bodies];
    for edit in edits {
        dealt[Seed::new(edit.number).child("body").rng().below(bodies)].push(*edit);
    }
    dealt
}

/// The network of a closure.
pub fn declared_network<'a>(program: &'a Program, closure: &Closure) -> Result<&'a Network, Diagnostic> {
    match closure.of {
        Declared::Network(id) => program.networks.get(id.index()),
        _ => None,
    }
    .ok_or_else(|| evaluate::wrong_declaration("a network", closure.of))
}

/// The most times that sections are repeated.
pub const MAX_REPEATS: i64 = 1_000;

/// The most sections that are walked through, those without nodes among them.
pub const MAX_STEPS: usize = 1 << 17;

/// The most operators of a network.
const MAX_OPERATORS: usize = 1 << 24;

/// The most sections inside each other; keeps the walk within any thread's stack.
pub const MAX_LEVELS: usize = 64;

/// A network as far as it is drawn.
struct Drawing<'a> {
    program: &'a Program,
    seed: Seed,
    /// At least the image, once that is there.
    nodes: Vec<Node>,
    /// What the next section takes.
    cursor: NodeId,
    /// How many sections were walked through.
    steps: usize,
    /// How many operators the nodes have.
    operators: usize,
    /// How many bodies there are so far.
    bodies: usize,
    /// What is changed in the graph of each body; nothing in those that are not listed.
    edits: Vec<Vec<Edit>>,
}

/// The names of sections side by side.
#[derive(Default)]
struct Frame {
    /// Before each name.
    prefix: String,
    /// How many sections of a name there are so far.
    counts: BTreeMap<String, usize>,
    /// How many sections this is inside of.
    level: usize,
}

impl Frame {
    /// The name of the next section of this kind: `stem`, then `stem` + `separator` + `2`.
    fn section(&mut self, kind: &str, separator: &str) -> String {
        let count = self.counts.entry(kind.to_owned()).or_insert(0);
        *count += 1;
        if *count == 1 { format!("{}{kind}", self.prefix) } else { format!("{}{kind}{separator}{count}", self.prefix) }
    }

    /// The names inside the section called `label`.
    fn inside(&self, label: &str) -> Self {
        Self { prefix: format!("{label}."), counts: BTreeMap::new(), level: self.level + 1 }
    }
}

impl<'a> Drawing<'a> {
    fn new(program: &'a Program, seed: Seed, edits: Vec<Vec<Edit>>) -> Self {
        Self { program, seed, nodes: Vec::new(), cursor: NodeId(0), steps: 0, operators: 0, bodies: 0, edits }
    }

    fn sections(&mut self, sections: &[Section], scope: &Scope<'_>, frame: &mut Frame) -> Result<(), Diagnostic> {
        for section in sections {
            self.section(section, scope, frame)?;
        }
        Ok(())
    }

    fn section(&mut self, section: &Section, scope: &Scope<'_>, frame: &mut Frame) -> Result<(), Diagnostic> {
        match section {
            Section::Pipeline { name, stages } => self.pipeline(name, stages, scope, frame),
            Section::Body { wiring, block, staging, location } => {
                let exprs = (wiring, block, staging.as_ref());
                self.body(exprs, *location, scope, frame)
            }
            Section::Repeat { count, sections, location } => self.repeat(count, sections, *location, scope, frame),
            Section::Branch { name, branches, joined, location } => {
                let label = frame.section(name, "");
                let alone = name == "residual";
                self.branch(branches, *joined, (&label, alone, *location), scope, frame)
            }
            Section::Part { network, location } => self.part(network, *location, scope, frame),
        }
    }

    /// Counts a step into sections, and refuses to go too far.
    fn enter(&mut self, frame: &Frame, here: Location) -> Result<(), Diagnostic> {
        self.steps += 1;
        if frame.level > MAX_LEVELS {
            let message = format!("sections stand more than {MAX_LEVELS} levels inside each other");
            return Err(Diagnostic::error(codes::TOO_DEEP, message).label(here, "this one is too deep"));
        }
        if self.steps > MAX_STEPS || self.nodes.len() > MAX_NODES {
            let message = format!("the network would have more than {MAX_STEPS} sections or {MAX_NODES} nodes");
            return Err(Diagnostic::error(codes::NODES, message).label(here, "too many from here on"));
        }
        self.within(here)
    }

    /// Refuses a network of too many operators.
    fn within(&self, here: Location) -> Result<(), Diagnostic> {
        if self.operators <= MAX_OPERATORS {
            return Ok(());
        }
        let message = format!("the network would have more than {MAX_OPERATORS} operators");
        Err(Diagnostic::error(codes::NODES, message).label(here, "too many from here on"))
    }

    fn repeat(
        &mut self,
        count: &Expr,
        sections: &[Section],
        here: Location,
        scope: &Scope<'_>,
        frame: &mut Frame,
    ) -> Result<(), Diagnostic> {
        let label = frame.section("repeat", "");
        let found = evaluate::whole(count, scope)?;
        if !(0..=MAX_REPEATS).contains(&found) {
            let message = format!("sections can't be repeated {found} times; it may be 0 to {MAX_REPEATS}");
            return Err(Diagnostic::error(codes::ARGUMENT, message).label(count.location, format!("this is {found}")));
        }
        for round in 1..=found {
            let mut inside = frame.inside(&format!("{label}.{round}"));
            self.enter(&inside, here)?;
            self.sections(sections, scope, &mut inside)?;
        }
        Ok(())
    }

    fn branch(
        &mut self,
        branches: &[Vec<Section>],
        joined: Aggregate,
        (label, alone, here): (&str, bool, Location),
        scope: &Scope<'_>,
        frame: &Frame,
    ) -> Result<(), Diagnostic> {
        let from = self.cursor;
        let mut ends = Vec::with_capacity(branches.len());
        for (branch, sections) in (1..).zip(branches) {
            self.cursor = from;
            let mut inside = if alone { frame.inside(label) } else { frame.inside(&format!("{label}.{branch}")) };
            self.enter(&inside, here)?;
            self.sections(sections, scope, &mut inside)?;
            ends.push(self.cursor);
        }
        ends.sort_unstable();
        if ends.len() < 2 || ends.windows(2).any(|pair| pair[0] == pair[1]) {
            let found = Diagnostic::error(codes::ARCHITECTURE, format!("two branches of `{label}` do nothing"));
            return Err(found.label(here, "these branches").note("at most one branch may pass on what it gets"));
        }
        let name = format!("{label}.out");
        let met = self.meet(&ends, joined != Aggregate::Concat, &name, here)?;
        let op = aggregate_op(joined);
        let shape = op
            .output(&met.shapes)
            .map_err(|error| Misfit { problem: error.to_string(), location: None }.at_node(&name, here))?;
        self.add(name, Role::Pipeline, met.joins, vec![op], shape);
        Ok(())
    }

    fn part(&mut self, network: &Expr, here: Location, scope: &Scope<'_>, frame: &mut Frame) -> Result<(), Diagnostic> {
        let label = frame.section("part", "");
        let mut inside = frame.inside(&label);
        self.enter(&inside, here)?;
        let closure = evaluate::made(network, scope, "a network", |of| {
            matches!(of, Declared::Network(_) | Declared::AnyNetwork)
        })?
        .chosen();
        let declaration = declared_network(self.program, &closure)?;
        self.sections(&declaration.sections, &Scope::of(&closure.args), &mut inside)
    }

    fn image(&mut self, network: &Network, scope: &Scope<'_>) -> Result<(), Diagnostic> {
        let mut extents = [0; 3];
        for (extent, expr) in extents.iter_mut().zip(&network.input) {
            let found = evaluate::whole(expr, scope)?;
            *extent = u32::try_from(found).unwrap_or(0);
            if !(1..=Shape::MAX_EXTENT).contains(extent) {
                let message = format!("an image can't have an extent of {found}; it may be 1 to {}", Shape::MAX_EXTENT);
                return Err(Diagnostic::error(codes::IMAGE, message).label(expr.location, format!("this is {found}")));
            }
        }
        let shape = Shape::new(extents[0], extents[1], extents[2]);
        if !shape.is_valid() {
            let message = format!("an image of {shape} has more than {} elements", Shape::MAX_ELEMENTS);
            return Err(Diagnostic::error(codes::IMAGE, message).label(network.input[0].location, "too large"));
        }
        self.add("image".to_owned(), Role::Input, Vec::new(), Vec::new(), shape);
        Ok(())
    }

    fn pipeline(
        &mut self,
        name: &str,
        stages: &[Stage],
        scope: &Scope<'_>,
        frame: &mut Frame,
    ) -> Result<(), Diagnostic> {
        let name = frame.section(name, ".");
        let here = stages.first().map_or(Location::new(cnasc_base::FileId(0), 0, 0), |stage| stage.location);
        self.enter(frame, here)?;
        let pipeline = Pipeline::resolve(self.program, stages, scope, Place::Section)?;
        let (from, input) = self.last();
        let mut ops = Vec::with_capacity(stages.len());
        let shape = pipeline.apply(&[input], input.channels, &mut ops).map_err(|misfit| misfit.at_node(&name, here))?;
        self.add(name, Role::Pipeline, vec![Join { from, scale: Vec::new() }], ops, shape);
        Ok(())
    }

    fn body(
        &mut self,
        (wiring, block, staging): (&Expr, &Expr, Option<&Expr>),
        location: Location,
        scope: &Scope<'_>,
        frame: &mut Frame,
    ) -> Result<(), Diagnostic> {
        let label = frame.section("body", "");
        self.enter(frame, location)?;
        let seed = self.seed.child(&label);
        let program = self.program;
        let generator = evaluate::made(wiring, scope, "a generator", |of| matches!(of, Declared::Generator(_)))?;
        let block = evaluate::made(block, scope, "a block", |of| matches!(of, Declared::Block(_)))?;
        let staging = staging
            .map(|expr| evaluate::made(expr, scope, "a staging", |of| matches!(of, Declared::Staging(_))))
            .transpose()?;
        let mut dag = generate::draw(program, &generator, &seed.child("wiring"))?;
        self.edits.get(self.bodies).into_iter().flatten().for_each(|&edit| dag.edit(edit));
        self.bodies += 1;
        if self.nodes.len() + dag.nodes > MAX_NODES {
            let message = format!("the network would have more than {MAX_NODES} nodes");
            return Err(Diagnostic::error(codes::NODES, message).label(location, "this body is too large"));
        }
        let stager = Stager::new(program, staging.as_ref(), &seed.child("staging"))?;
        let pipeline = Pipeline::resolve(
            program,
            &declared_block(program, &block)?.pipeline,
            &Scope::of(&block.args),
            Place::Node,
        )?;
        self.blocks(Body { label, location, dag: &dag, pipeline, stager })
    }

    fn blocks(&mut self, mut body: Body<'_>) -> Result<(), Diagnostic> {
        let (source, first) = (self.last().0, self.nodes.len());
        let node_of = |vertex: u32| NodeId::new(first + vertex as usize);
        let project = body.pipeline.aggregate != Some(Aggregate::Concat);
        self.nodes.reserve(body.dag.nodes + 1);
        let mut inputs = Vec::new();
        let depths = body.dag.depths();
        for (vertex, (predecessors, depth)) in body.dag.predecessors.iter().zip(depths).enumerate() {
            inputs.clear();
            inputs.extend(predecessors.iter().map(|&from| node_of(from)));
            if inputs.is_empty() {
                inputs.push(source);
            }
            let name = format!("{}.{vertex}", body.label);
            let met = self.meet(&inputs, project, &name, body.location)?;
            let mut ops = Vec::with_capacity(8);
            let plain = body
                .pipeline
                .apply(&met.shapes, met.channels, &mut ops)
                .map_err(|misfit| misfit.at_node(&name, body.location))?;
            let shape = body.stager.stage((depth, plain), (&body.pipeline, &met.shapes), &mut ops)?;
            self.add(name, Role::Block, met.joins, ops, shape);
            self.within(body.location)?;
        }
        let sinks: Vec<NodeId> = body.dag.sinks().into_iter().map(node_of).collect();
        if sinks.len() > 1 {
            self.gather(&body.label, &sinks, body.location)?;
        }
        Ok(())
    }

    fn gather(&mut self, label: &str, sinks: &[NodeId], location: Location) -> Result<(), Diagnostic> {
        let name = format!("{label}.out");
        let met = self.meet(sinks, true, &name, location)?;
        let shape = Op::Mean
            .output(&met.shapes)
            .map_err(|error| Misfit { problem: error.to_string(), location: None }.at_node(&name, location))?;
        self.add(name, Role::Gather, met.joins, vec![Op::Mean], shape);
        Ok(())
    }

    /// The joins of a node with these inputs.
    fn meet(&self, inputs: &[NodeId], project: bool, name: &str, location: Location) -> Result<Met, Diagnostic> {
        let inputs: Vec<(NodeId, Shape)> = inputs.iter().map(|&from| (from, self.nodes[from.index()].shape)).collect();
        join::meet(&inputs, project).map_err(|Mismatch { from, shape, target: (height, width) }| {
            let from = &self.nodes[from.index()].name;
            let message =
                format!("node `{name}`: its input `{from}` is {shape}, which no pooling brings to {height}x{width}");
            Diagnostic::error(codes::JOIN, message)
                .label(location, "in this body")
                .note("inputs of a node are pooled to the smallest height and width among them")
        })
    }

    /// What the next section takes.
    fn last(&self) -> (NodeId, Shape) {
        (self.cursor, self.nodes[self.cursor.index()].shape)
    }

    /// Adds a node, which the next one takes where nobody says otherwise.
    fn add(&mut self, name: String, role: Role, inputs: Vec<Join>, ops: Vec<Op>, shape: Shape) {
        self.cursor = NodeId::new(self.nodes.len());
        self.operators += ops.len() + inputs.iter().map(|join| join.scale.len()).sum::<usize>();
        self.nodes.push(Node { name, role, inputs, ops, shape });
    }
}

/// What the vertices of one drawn graph are made from.
struct Body<'a> {
    label: String,
    location: Location,
    dag: &'a Dag,
    pipeline: Pipeline,
    stager: Stager<'a>,
}
