//! Architecture, and its placement where there is one, → one self-contained SVG.
//!
//! Data flows from top to bottom, a row a step of depth (Sugiyama's method: rows, order within rows, coordinates). Boxes are coloured
//! by the device that computes them, or by the size of their image where nothing is placed. The same input gives the same bytes.

mod draw;
mod figures;
mod layer;
mod legend;
mod order;
mod palette;
mod position;
mod straighten;

use crate::lower::lower;
use cnasc_ir::{Architecture, DeviceId, Fleet, NodeId, Plan, Shape, TensorGraph};
use std::fmt::Write as _;

/// Free space around everything.
const MARGIN: f64 = 32.0;
/// A drawing is at least so wide, so that its legend has room.
const LEAST_WIDTH: f64 = 720.0;

/// The drawing. Nodes and edges that a plan does not fit are drawn as not placed.
#[must_use]
pub fn svg(architecture: &Architecture, placement: Option<(&Plan, &Fleet)>) -> String {
    let picture = Picture::new(architecture, placement);
    let mut layers = layer::Layers::new(architecture);
    order::arrange(&mut layers);
    let positions = position::position(&layers);
    let width = positions.width.max(LEAST_WIDTH) + 2.0 * MARGIN;
    let mut body = String::new();
    let top = legend::draw(&mut body, &picture, width);
    let left = (width - positions.width) / 2.0;
    let drawing = draw::Drawing { picture: &picture, layers: &layers, positions: &positions, left, top };
    drawing.edges(&mut body);
    drawing.nodes(&mut body);
    let height = top + positions.height + MARGIN;
    frame(&architecture.name, width, height, &body)
}

/// The outermost element. White lies under everything, so that the drawing reads on a dark page as well.
fn frame(name: &str, width: f64, height: f64, body: &str) -> String {
    let name = figures::xml(name);
    let mut text = String::with_capacity(body.len() + 1000);
    let size = format!("width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\"");
    writeln!(
        text,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" {size} role=\"img\" style=\"max-width:100%;height:auto\">"
    )
    .expect("a string takes everything");
    writeln!(text, "<title>{name}</title>").expect("a string takes everything");
    text.push_str("<g font-family=\"Inter, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif\" fill=\"#1f2933\">\n");
    writeln!(text, "<rect width=\"{width:.0}\" height=\"{height:.0}\" rx=\"10\" fill=\"#ffffff\"/>")
        .expect("a string takes everything");
    text.push_str(body);
    text.push_str("</g>\n</svg>\n");
    text
}

/// What is drawn: the network, what its nodes cost, and what colours them.
struct Picture<'a> {
    architecture: &'a Architecture,
    graph: TensorGraph,
    /// FLOPs of each node.
    work: Vec<u64>,
    colouring: Colouring<'a>,
}

/// What a box's colour says.
enum Colouring<'a> {
    /// The size of its image; all sizes that there are, the largest first.
    Size(Vec<(u32, u32)>),
    /// Who computes it.
    Device(&'a Plan, &'a Fleet),
}

impl<'a> Picture<'a> {
    fn new(architecture: &'a Architecture, placement: Option<(&'a Plan, &'a Fleet)>) -> Self {
        let graph = lower(architecture);
        let mut work = vec![0_u64; architecture.nodes.len()];
        for step in &graph.steps {
            let work = &mut work[step.node.index()];
            *work = work.saturating_add(graph.flops(step));
        }
        let colouring = match placement {
            Some((plan, fleet)) => Colouring::Device(plan, fleet),
            None => Colouring::Size(sizes(architecture)),
        };
        Self { architecture, graph, work, colouring }
    }

    /// The device that a node is placed on; none where nothing is placed or the plan is another network's or fleet's.
    fn device(&self, node: usize) -> Option<DeviceId> {
        match self.colouring {
            Colouring::Size(_) => None,
            Colouring::Device(plan, fleet) => {
                plan.device_of.get(node).copied().filter(|device| device.index() < fleet.devices.len())
            }
        }
    }

    /// Whether an edge goes from one device to another.
    fn crosses(&self, from: usize, to: usize) -> bool {
        self.device(from) != self.device(to)
    }

    fn fill(&self, node: usize) -> palette::Colour {
        match &self.colouring {
            Colouring::Device(..) => self.device(node).map_or(palette::NEUTRAL, palette::device),
            Colouring::Size(sizes) => {
                let size = extent(self.architecture.node(NodeId::new(node)).shape);
                palette::level(sizes.iter().position(|other| *other == size).unwrap_or(0), sizes.len())
            }
        }
    }
}

fn extent(shape: Shape) -> (u32, u32) {
    (shape.height, shape.width)
}

fn sizes(architecture: &Architecture) -> Vec<(u32, u32)> {
    let mut sizes: Vec<(u32, u32)> = architecture.nodes.iter().map(|node| extent(node.shape)).collect();
    sizes.sort_unstable_by_key(|&(height, width)| std::cmp::Reverse((u64::from(height) * u64::from(width), height)));
    sizes.dedup();
    sizes
}
