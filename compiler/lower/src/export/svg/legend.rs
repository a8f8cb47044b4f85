//! The head of a drawing: what it shows, the figures of the whole, and what colours and lines mean.

use super::figures::{bytes, count, seconds, xml};
use super::palette::{self, Colour};
use super::{Colouring, MARGIN, Picture};
use cnasc_ir::architecture::Role;
use cnasc_ir::{DeviceId, Fleet, Plan};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Distance of two rows of entries.
const ROW: f64 = 24.0;
/// Where an entry's text starts.
const INDENT: f64 = 32.0;

/// What stands before an entry's text.
enum Sign {
    /// A box, with a device's number in it where it stands for a device.
    Box(Colour, Option<usize>),
    /// A line of a colour, width and dash.
    Line(&'static str, f64, bool),
    /// A box's bar.
    Bar,
}

/// Draws the head and gives the y where the network begins.
pub(super) fn draw(text: &mut String, picture: &Picture<'_>, width: f64) -> f64 {
    let mut y = 50.0;
    let name = xml(&picture.architecture.name);
    line(text, y, &format!("font-size=\"22\" font-weight=\"700\">{name}"));
    y += 24.0;
    line(text, y, &format!("font-size=\"13\" fill=\"{}\">{}", palette::MUTED, xml(&figures(picture))));
    if let Colouring::Device(plan, fleet) = picture.colouring {
        y += 20.0;
        line(text, y, &format!("font-size=\"13\" fill=\"{}\">{}", palette::MUTED, xml(&placed(picture, plan, fleet))));
    }
    y += 20.0;
    y += grid(text, y, width, &colours(picture));
    y += grid(text, y, width, &lines(picture)) + 8.0;
    let end = width - MARGIN;
    writeln!(text, "<path d=\"M{MARGIN} {y:.1}H{end:.1}\" stroke=\"#e4e7eb\"/>").expect("a string takes everything");
    y + 26.0
}

/// Draws entries in columns as wide as the widest of them, and gives the height of all rows.
fn grid(text: &mut String, y: f64, width: f64, entries: &[(Sign, String)]) -> f64 {
    let widest = entries.iter().map(|(_, label)| text_width(label)).fold(0.0, f64::max);
    let column = INDENT + widest + 22.0;
    let columns = (((width - 2.0 * MARGIN) / column) as usize).max(1);
    for (index, (sign, label)) in entries.iter().enumerate() {
        let x = MARGIN + column * (index % columns) as f64;
        entry(text, x, y + ROW * (index / columns) as f64, sign, label);
    }
    ROW * entries.len().div_ceil(columns) as f64
}

fn line(text: &mut String, y: f64, attributes_and_text: &str) {
    writeln!(text, "<text x=\"{MARGIN}\" y=\"{y:.1}\" {attributes_and_text}</text>")
        .expect("a string takes everything");
}

fn figures(picture: &Picture<'_>) -> String {
    let architecture = picture.architecture;
    let hash: String = architecture.hash().chars().take(12).collect();
    let (params, flops) = (count(picture.graph.total_params()), count(picture.graph.total_flops()));
    let (nodes, input) = (architecture.nodes.len(), architecture.input());
    format!("input {input} · {nodes} nodes · {params} parameters · {flops} FLOPs · hash {hash}")
}

fn placed(picture: &Picture<'_>, plan: &Plan, fleet: &Fleet) -> String {
    let used: BTreeSet<DeviceId> = (0..picture.work.len()).filter_map(|node| picture.device(node)).collect();
    let (used, all, name) = (used.len(), fleet.devices.len(), &fleet.name);
    let (strategy, latency, bound) = (&plan.strategy, seconds(plan.latency), seconds(plan.bound));
    format!(
        "placed by {strategy} on {used} of the {all} devices of {name} · predicted {latency} (no placement is below {bound})"
    )
}

fn colours(picture: &Picture<'_>) -> Vec<(Sign, String)> {
    let size = |(index, &(height, width)): (usize, &(u32, u32)), count: usize| {
        (Sign::Box(palette::level(index, count), None), format!("image {height}×{width}"))
    };
    match &picture.colouring {
        Colouring::Size(sizes) => sizes.iter().enumerate().map(|entry| size(entry, sizes.len())).collect(),
        Colouring::Device(_, fleet) => devices(picture, fleet),
    }
}

fn lines(picture: &Picture<'_>) -> Vec<(Sign, String)> {
    let mut entries = Vec::new();
    if let Colouring::Device(plan, _) = picture.colouring
        && plan.sent_bytes > 0
    {
        let sent = format!("between devices, {} in all", bytes(plan.sent_bytes));
        entries.push((Sign::Line(palette::SENT, 2.2, false), sent));
    }
    if picture.architecture.nodes.iter().any(|node| node.inputs.iter().any(|join| !join.scale.is_empty())) {
        entries.push((Sign::Line(palette::LINE, 1.2, true), "scaled to fit the join".to_owned()));
    }
    entries.push((Sign::Bar, "work relative to the heaviest node".to_owned()));
    entries
}

/// One entry for each device that computes anything: its name, how many blocks it computes, and its share of the work.
fn devices(picture: &Picture<'_>, fleet: &Fleet) -> Vec<(Sign, String)> {
    let mut shares = vec![(0_usize, 0_u128); fleet.devices.len()];
    for (node, work) in picture.work.iter().enumerate() {
        let Some(device) = picture.device(node) else { continue };
        let share = &mut shares[device.index()];
        share.0 += usize::from(picture.architecture.nodes[node].role == Role::Block);
        share.1 += u128::from(*work);
    }
    let total = shares.iter().map(|share| share.1).sum::<u128>().max(1);
    let entry = |(index, (blocks, work)): (usize, (usize, u128))| {
        if work == 0 {
            return None;
        }
        let name = super::figures::shortened(&fleet.devices[index].name, 24);
        let blocks = if blocks == 1 { "1 block".to_owned() } else { format!("{blocks} blocks") };
        let percent = 100.0 * work as f64 / total as f64;
        let sign = Sign::Box(palette::device(DeviceId::new(index)), Some(index));
        Some((sign, format!("{name}: {blocks}, {percent:.0} % of the work")))
    };
    shares.into_iter().enumerate().filter_map(entry).collect()
}

fn entry(text: &mut String, x: f64, y: f64, sign: &Sign, label: &str) {
    let (middle, end) = (y + 8.0, x + 22.0);
    match sign {
        Sign::Box(colour, number) => {
            let Colour { fill, ink } = *colour;
            write!(
                text,
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"22\" height=\"16\" rx=\"4\" fill=\"{fill}\" {STROKE}/>"
            )
            .expect("a string takes everything");
            if let Some(number) = number {
                let (x, y) = (x + 11.0, y + 11.5);
                write!(text, "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"10\" text-anchor=\"middle\" fill=\"{ink}\">{number}</text>")
                    .expect("a string takes everything");
            }
        }
        Sign::Line(stroke, width, dashed) => {
            let dash = if *dashed { " stroke-dasharray=\"4 3\"" } else { "" };
            write!(
                text,
                "<path d=\"M{x:.1} {middle:.1}H{end:.1}\" stroke=\"{stroke}\" stroke-width=\"{width}\"{dash}/>"
            )
            .expect("a string takes everything");
        }
        Sign::Bar => {
            let y = y + 6.5;
            write!(text, "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"22\" height=\"3\" rx=\"1.5\" fill=\"#16202a\" fill-opacity=\".18\"/>")
                .expect("a string takes everything");
            write!(text, "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"13\" height=\"3\" rx=\"1.5\" fill=\"#16202a\" fill-opacity=\".75\"/>")
                .expect("a string takes everything");
        }
    }
    let (x, y) = (x + INDENT, y + 12.5);
    writeln!(text, "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"13\">{}</text>", xml(label))
        .expect("a string takes everything");
}

/// The edge of boxes.
pub(super) const STROKE: &str = "stroke=\"#16202a\" stroke-opacity=\".35\"";

/// An upper estimate of a text's width at 13 pixels, for common fonts.
fn text_width(text: &str) -> f64 {
    7.4 * text.chars().map(|character| if u32::from(character) < 0x250 { 1.0 } else { 2.0 }).sum::<f64>()
}
