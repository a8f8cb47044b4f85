//! Network with arguments × seed → architecture.
//!
//! Sections become nodes in their order: a pipeline one node, a body one node a vertex of its drawn graph. Vertices without
//! predecessors take the section before; the mean of those without successors goes on, in a node of its own where they are
//! several. The streams of a body are named after it and what they decide (`network/body/wiring`, `network/body/staging`;
//! `body2` for the second), so that adding a section or editing a staging leaves the other draws alone.

use crate::codes;
use crate::evaluate::{self, Scope};
use crate::generate::{self, Dag};
use crate::join::{self, Met, Mismatch};
use crate::pipeline::{Misfit, Pipeline};
use crate::staging::Stager;
use crate::value::{Closure, signature};
use cnasc_base::{Diagnostic, Location, Seed};
use cnasc_ir::architecture::{Join, MAX_NODES, Node, Role};
use cnasc_ir::op::Op;
use cnasc_ir::program::{Aggregate, Declared, Expr, Network, Section, Stage};
use cnasc_ir::{Architecture, NodeId, Program, Shape};
use std::collections::BTreeMap;

/// Draws the network. `provenance.arguments` is set; `provenance.seed` is left 0 for the caller, who alone knows the number that
/// `seed` came from.
///
/// # Errors
/// Where the closure is no network, a number has no value or is out of bounds, or shapes do not fit.
pub fn expand(program: &Program, network: &Closure, seed: &Seed) -> Result<Architecture, Diagnostic> {
    let declaration = match network.of {
        Declared::Network(id) => program.networks.get(id.index()),
        _ => None,
    }
    .ok_or_else(|| evaluate::wrong_declaration("a network", network.of))?;
    let scope = Scope::of(&network.args);
    let mut drawing =
        Drawing { program, scope, seed: seed.child("network"), nodes: Vec::new(), sections: BTreeMap::new() };
    drawing.image(declaration)?;
    for section in &declaration.sections {
        match section {
            Section::Pipeline { name, stages } => drawing.pipeline(name, stages, declaration.location)?,
            Section::Body { wiring, block, staging, location } => {
                drawing.body(wiring, block, staging.as_ref(), *location)?;
            }
        }
    }
    let mut architecture = Architecture::new(declaration.name.as_str(), drawing.nodes).map_err(|error| {
        let message = format!("network `{}` is no whole network: {error}", declaration.name);
        Diagnostic::error(codes::ARCHITECTURE, message).label(declaration.location, "declared here")
    })?;
    let params = signature(program, network.of).1;
    architecture.provenance.arguments =
        params.iter().zip(&network.args).map(|(param, arg)| (param.name.clone(), arg.text(program))).collect();
    Ok(architecture)
}

/// A network as far as it is drawn.
struct Drawing<'a> {
    program: &'a Program,
    scope: Scope<'a>,
    seed: Seed,
    /// At least the image, once that is there; the last one is what the next section takes.
    nodes: Vec<Node>,
    /// How many sections of a name there are so far.
    sections: BTreeMap<String, usize>,
}

impl Drawing<'_> {
    fn image(&mut self, network: &Network) -> Result<(), Diagnostic> {
        let mut extents = [0; 3];
        for (extent, expr) in extents.iter_mut().zip(&network.input) {
            let found = evaluate::whole(expr, &self.scope)?;
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

    /// The name of the next section of this kind: `stem`, then `stem` + `separator` + `2`.
    fn section(&mut self, kind: &str, separator: &str) -> String {
        let count = self.sections.entry(kind.to_owned()).or_insert(0);
        *count += 1;
        if *count == 1 { kind.to_owned() } else { format!("{kind}{separator}{count}") }
    }

    fn pipeline(&mut self, name: &str, stages: &[Stage], location: Location) -> Result<(), Diagnostic> {
        let name = self.section(name, ".");
        let pipeline = Pipeline::resolve(stages, &self.scope)?;
        let (from, input) = self.last();
        let mut ops = Vec::with_capacity(stages.len());
        let shape = pipeline
            .apply(&[input], input.channels, &mut ops)
            .map_err(|misfit| misfit.at_node(&name, stages.first().map_or(location, |stage| stage.location)))?;
        self.add(name, Role::Pipeline, vec![Join { from, scale: Vec::new() }], ops, shape);
        Ok(())
    }

    fn body(
        &mut self,
        wiring: &Expr,
        block: &Expr,
        staging: Option<&Expr>,
        location: Location,
    ) -> Result<(), Diagnostic> {
        let label = self.section("body", "");
        let seed = self.seed.child(&label);
        let (program, scope) = (self.program, self.scope);
        let generator = evaluate::made(wiring, &scope, "a generator", |of| matches!(of, Declared::Generator(_)))?;
        let block = evaluate::made(block, &scope, "a block", |of| matches!(of, Declared::Block(_)))?;
        let staging = staging
            .map(|expr| evaluate::made(expr, &scope, "a staging", |of| matches!(of, Declared::Staging(_))))
            .transpose()?;
        let dag = generate::draw(program, &generator, &seed.child("wiring"))?;
        if self.nodes.len() + dag.nodes > MAX_NODES {
            let message = format!("the network would have more than {MAX_NODES} nodes");
            return Err(Diagnostic::error(codes::NODES, message).label(location, "this body is too large"));
        }
        let stager = Stager::new(program, staging.as_ref(), &seed.child("staging"))?;
        let body = Body { label, location, dag: &dag, pipeline: block_pipeline(program, &block)?, stager };
        self.blocks(body)
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
            let shape = body.stager.stage(depth, plain, &mut ops)?;
            self.add(name, Role::Block, met.joins, ops, shape);
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
        let last = self.nodes.last().expect("the image is drawn before any section");
        (NodeId::new(self.nodes.len() - 1), last.shape)
    }

    fn add(&mut self, name: String, role: Role, inputs: Vec<Join>, ops: Vec<Op>, shape: Shape) {
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

fn block_pipeline(program: &Program, block: &Closure) -> Result<Pipeline, Diagnostic> {
    let declaration = match block.of {
        Declared::Block(id) => program.blocks.get(id.index()),
        _ => None,
    }
    .ok_or_else(|| evaluate::wrong_declaration("a block", block.of))?;
    Pipeline::resolve(&declaration.pipeline, &Scope::of(&block.args))
}
