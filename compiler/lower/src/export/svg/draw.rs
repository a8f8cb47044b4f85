//! Boxes and the lines between them.

use super::Picture;
use super::figures::{count, shape, shortened, xml};
use super::layer::Layers;
use super::legend::STROKE;
use super::palette;
use super::position::{BOX_HEIGHT, BOX_WIDTH, Positions};
use cnasc_ir::architecture::{Node, Role};
use cnasc_ir::text::pipeline;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Everything that a network's drawing needs, and where its corner is.
pub(super) struct Drawing<'a> {
    pub(super) picture: &'a Picture<'a>,
    pub(super) layers: &'a Layers,
    pub(super) positions: &'a Positions,
    pub(super) left: f64,
    pub(super) top: f64,
}

/// Length of the bar of the heaviest node.
const BAR: f64 = 36.0;

/// A drawing with more pieces of line than this has thin ones.
const DENSE: usize = 300;

/// How a piece of line looks: a piece that several edges share is sent where any of them is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Look {
    sent: bool,
    scaled: bool,
}

impl Drawing<'_> {
    /// All lines, those between devices above the others.
    pub(super) fn edges(&self, text: &mut String) {
        let looks = self.pieces();
        let entries = self.entries(&looks);
        // Many heavy lines would hide what they join.
        let (plain, heavy) = if looks.len() > DENSE { (1.0, 1.6) } else { (1.2, 2.2) };
        let mut paths: BTreeMap<Look, String> = BTreeMap::new();
        for (&(from, to), &look) in &looks {
            let entry = entries.get(&(from, to)).copied().unwrap_or(0.0);
            self.piece(paths.entry(look).or_default(), from, to, entry);
        }
        for (look, path) in paths {
            let (stroke, width) = if look.sent { (palette::SENT, heavy) } else { (palette::LINE, plain) };
            let dash = if look.scaled { " stroke-dasharray=\"4 3\"" } else { "" };
            writeln!(text, "<path d=\"{path}\" fill=\"none\" stroke=\"{stroke}\" stroke-width=\"{width}\"{dash}/>")
                .expect("a string takes everything");
        }
    }

    /// The pieces of line between spots and how each looks.
    fn pieces(&self) -> BTreeMap<(usize, usize), Look> {
        let mut looks: BTreeMap<(usize, usize), Look> = BTreeMap::new();
        for (to, node) in self.picture.architecture.nodes.iter().enumerate() {
            for join in &node.inputs {
                let from = join.from.index();
                let sent = self.picture.crosses(from, to);
                let path = self.layers.path(from, to);
                for pair in path.windows(2) {
                    let look = looks.entry((pair[0], pair[1])).or_default();
                    look.sent |= sent;
                    // Scaling belongs to the consumer: only the last piece shows it.
                    look.scaled |= pair[1] == to && !join.scale.is_empty();
                }
            }
        }
        looks
    }

    /// Where on a box's upper edge each line ends, from its middle: side by side in the order in which they come.
    fn entries(&self, looks: &BTreeMap<(usize, usize), Look>) -> BTreeMap<(usize, usize), f64> {
        let mut into: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for &(from, to) in looks.keys().filter(|(_, to)| !self.layers.spots[*to].bend) {
            into.entry(to).or_default().push(from);
        }
        let mut entries = BTreeMap::new();
        for (to, mut from) in into {
            from.sort_by(|&a, &b| self.positions.x[a].total_cmp(&self.positions.x[b]));
            let step = (BOX_WIDTH - 20.0) / from.len() as f64;
            let step = step.min(11.0);
            let middle = (from.len() - 1) as f64 / 2.0;
            for (index, from) in from.into_iter().enumerate() {
                entries.insert((from, to), (index as f64 - middle) * step);
            }
        }
        entries
    }

    /// A line from the lower edge of one row to the upper edge of another, upright at both ends; at a bend it goes on through the row.
    fn piece(&self, path: &mut String, from: usize, to: usize, entry: f64) {
        let (x1, y1) = (self.x(from), self.y(from) + BOX_HEIGHT);
        let (x2, y2) = (self.x(to) + entry, self.y(to));
        let middle = (y1 + y2) / 2.0;
        write!(path, "M{x1:.1} {y1:.1}C{x1:.1} {middle:.1} {x2:.1} {middle:.1} {x2:.1} {y2:.1}")
            .expect("a string takes everything");
        if self.layers.spots[to].bend {
            write!(path, "V{:.1}", y2 + BOX_HEIGHT).expect("a string takes everything");
        }
    }

    /// All boxes.
    pub(super) fn nodes(&self, text: &mut String) {
        let heaviest = self.picture.work.iter().copied().max().unwrap_or(0).max(1);
        for (index, node) in self.picture.architecture.nodes.iter().enumerate() {
            let share = self.picture.work[index] as f64 / heaviest as f64;
            self.node(text, index, node, share);
        }
    }

    fn node(&self, text: &mut String, index: usize, node: &Node, share: f64) {
        let palette::Colour { fill, ink } = self.picture.fill(index);
        let (middle, y) = (self.x(index), self.y(index));
        let x = middle - BOX_WIDTH / 2.0;
        // What is no block of the drawn graph is rounder.
        let round = if node.role == Role::Block { 7.0 } else { 15.0 };
        let mut put = |piece: std::fmt::Arguments<'_>| text.write_fmt(piece).expect("a string takes everything");
        put(format_args!("<g fill=\"{ink}\" text-anchor=\"middle\"><title>{}</title>", xml(&self.about(index, node))));
        put(format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{BOX_WIDTH}\" height=\"{BOX_HEIGHT}\" rx=\"{round}\" fill=\"{fill}\" {STROKE}/>"
        ));
        let name = xml(&shortened(&node.name, 10));
        put(format_args!(
            "<text x=\"{middle:.1}\" y=\"{:.1}\" font-size=\"11\" font-weight=\"600\">{name}</text>",
            y + 14.5
        ));
        let size = shape(node.shape);
        put(format_args!("<text x=\"{middle:.1}\" y=\"{:.1}\" font-size=\"10.5\">{size}</text>", y + 26.5));
        if let Some(device) = self.picture.device(index) {
            let (x, y) = (x + 14.0, y + 35.0);
            put(format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"8\">{}</text>", device.0));
        }
        let (bar, y) = (middle - BAR / 2.0, y + 30.5);
        put(format_args!(
            "<rect x=\"{bar:.1}\" y=\"{y:.1}\" width=\"{BAR}\" height=\"3\" rx=\"1.5\" fill-opacity=\".16\"/>"
        ));
        if share > 0.0 {
            let width = (BAR * share).max(1.5);
            put(format_args!(
                "<rect x=\"{bar:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"3\" rx=\"1.5\" fill-opacity=\".75\"/>"
            ));
        }
        put(format_args!("</g>\n"));
    }

    /// What a reader sees who points at a node.
    fn about(&self, index: usize, node: &Node) -> String {
        let mut about = format!("{}: {}, {} FLOPs", node.name, node.shape, count(self.picture.work[index]));
        for join in &node.inputs {
            let from = &self.picture.architecture.node(join.from).name;
            let scale = if join.scale.is_empty() { String::new() } else { format!(" ({})", pipeline(&join.scale)) };
            about.push_str(&format!("\nfrom {from}{scale}"));
        }
        if !node.ops.is_empty() {
            about.push_str(&format!("\n{}", pipeline(&node.ops)));
        }
        about
    }

    fn x(&self, spot: usize) -> f64 {
        self.left + self.positions.x[spot]
    }

    fn y(&self, spot: usize) -> f64 {
        self.top + self.positions.y[self.layers.spots[spot].row]
    }
}
