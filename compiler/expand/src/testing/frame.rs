//! A block or a staging that is sampled → a network around it, since neither is anything alone.
//!
//! A block stands at the three nodes of a graph whose last takes from the other two, so that its aggregate is seen, behind an
//! image of 16×32×32. A staging stages a chain of 32 blocks of one `relu`, behind an image of 16×64×64. Both are in the manual:
//! a change here changes accepted snapshots.

use cnasc_base::Location;
use cnasc_ir::Program;
use cnasc_ir::program::{
    Block, BlockId, Declared, Expr, ExprKind, Generator, GeneratorId, Make, Network, NetworkId, Operator, Order,
    Sample, Section, Stage, Wiring,
};

/// Edges of the graph that a block is seen in.
const MEETING: [(u32, u32); 2] = [(0, 2), (1, 2)];

/// Blocks in the chain that a staging is seen in.
const CHAIN: u32 = 32;

/// Channels of either image.
const CHANNELS: i64 = 16;

/// Height and width of the image before a block, and before a staged chain.
const SIZES: [i64; 2] = [32, 64];

/// The program with the network that is drawn, and that network; none where what is sampled is drawn by itself.
pub(super) fn framed(program: &Program, sample: &Sample) -> Option<(Program, Make)> {
    let ExprKind::Make(made) = &sample.of.kind else { return None };
    let here = sample.of.location;
    let whole = |number: i64| Expr { kind: ExprKind::Int(number), location: here };
    let (name, size, edges, nodes) = match made.of {
        Declared::Block(id) => (&program.blocks.get(id.index())?.name, SIZES[0], MEETING.to_vec(), 3),
        Declared::Staging(id) => {
            let chain = (1..CHAIN).map(|to| (to - 1, to)).collect();
            (&program.stagings.get(id.index())?.name, SIZES[1], chain, i64::from(CHAIN))
        }
        _ => return None,
    };
    let make = |of: Declared| Expr { kind: ExprKind::Make(Make { of, args: Vec::new() }), location: here };
    let wiring = make(Declared::Generator(GeneratorId::new(program.generators.len())));
    let (block, staging) = match made.of {
        Declared::Block(_) => (sample.of.clone(), None),
        _ => (make(Declared::Block(BlockId::new(program.blocks.len()))), Some(sample.of.clone())),
    };
    let network = Network {
        name: name.clone(),
        params: Vec::new(),
        input: [CHANNELS, size, size].map(whole),
        sections: vec![Section::Body { wiring, block, staging, location: here }],
        location: here,
    };
    let mut framed = program.clone();
    framed.generators.push(given(whole(nodes), edges, here));
    framed.blocks.push(relu(here));
    framed.networks.push(network);
    let of = Declared::Network(NetworkId::new(program.networks.len()));
    Some((framed, Make { of, args: Vec::new() }))
}

fn given(nodes: Expr, edges: Vec<(u32, u32)>, location: Location) -> Generator {
    Generator {
        name: "graph".to_owned(),
        params: Vec::new(),
        nodes,
        wiring: Wiring::Given(edges),
        order: Order::Index,
        each: None,
        dealt: None,
        location,
    }
}

fn relu(location: Location) -> Block {
    let stage = Stage { operator: Operator::Relu, args: Vec::new(), inner: Vec::new(), location };
    Block { name: "relu".to_owned(), params: Vec::new(), pipeline: vec![stage], location }
}
