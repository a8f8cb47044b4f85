//! What of its input an operator needs to make a range of its output, and the operator that makes just that.

use cnasc_ir::op::{Axis, Slide, Window};
use cnasc_ir::{Op, Shape};
use std::ops::Range;

/// An operator cut to a range of its output.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Narrowed {
    /// It needs this range of its inputs along the same axis.
    Local(Op, Range<u32>),
    /// It needs all of its inputs.
    Dense(Op),
}

/// `op` cut to `wanted` of its output along `axis`, for inputs of which the first has shape `input`. None where it can't be cut there.
pub(super) fn narrow(op: &Op, axis: Axis, input: Shape, wanted: &Range<u32>) -> Option<Narrowed> {
    match axis {
        Axis::Channels => channels(op, input, wanted),
        Axis::Rows => rows(op, input, wanted),
        Axis::Columns => None,
    }
}

fn channels(op: &Op, input: Shape, wanted: &Range<u32>) -> Option<Narrowed> {
    let count = wanted.end - wanted.start;
    match *op {
        Op::Conv { window, groups: 1, bias, .. } => {
            Some(Narrowed::Dense(Op::Conv { window, groups: 1, channels: count, bias }))
        }
        Op::Conv { window, groups, channels, bias } => {
            let (made, taken) = (channels / groups.max(1), input.channels / groups.max(1));
            if made == 0 || !wanted.start.is_multiple_of(made) || !wanted.end.is_multiple_of(made) {
                return None;
            }
            let of_groups = wanted.start / made..wanted.end / made;
            let groups = of_groups.end - of_groups.start;
            let cut = Op::Conv { window, groups, channels: count, bias };
            Some(Narrowed::Local(cut, of_groups.start * taken..of_groups.end * taken))
        }
        Op::Linear { bias, .. } => Some(Narrowed::Dense(Op::Linear { outputs: count, bias })),
        Op::Concat { axis: Axis::Channels } => None,
        Op::MaxPool { .. } | Op::AvgPool { .. } | Op::GlobalAvg | Op::BatchNorm | Op::Concat { .. } => {
            Some(Narrowed::Local(op.clone(), wanted.clone()))
        }
        _ => by_element(op).then(|| Narrowed::Local(op.clone(), wanted.clone())),
    }
}

fn rows(op: &Op, input: Shape, wanted: &Range<u32>) -> Option<Narrowed> {
    let local = |op: Op, rows: Range<u32>| Some(Narrowed::Local(op, rows));
    let window_of = |window: &Window| {
        let (rows, needed) = slide(window.rows, input.height, wanted)?;
        Some((Window { rows, ..*window }, needed))
    };
    match *op {
        Op::Conv { ref window, groups, channels, bias } => {
            let (window, needed) = window_of(window)?;
            local(Op::Conv { window, groups, channels, bias }, needed)
        }
        Op::MaxPool { ref window } => {
            let (window, needed) = window_of(window)?;
            local(Op::MaxPool { window }, needed)
        }
        Op::AvgPool { ref window, counted } => {
            let (window, needed) = window_of(window)?;
            let [top, left, bottom, right] = counted;
            let counted = [top.min(window.rows.before), left, bottom.min(window.rows.after), right];
            local(Op::AvgPool { window, counted }, needed)
        }
        Op::Concat { axis: Axis::Rows } => None,
        Op::BatchNorm | Op::Concat { .. } | Op::Lrn { .. } => local(op.clone(), wanted.clone()),
        _ => by_element(op).then(|| Narrowed::Local(op.clone(), wanted.clone())),
    }
}

/// Whether each element of the output depends on the same element of the inputs alone.
fn by_element(op: &Op) -> bool {
    matches!(
        op,
        Op::WeightedSum { .. }
            | Op::Sum
            | Op::Mean
            | Op::Relu
            | Op::Sigmoid
            | Op::Clip { .. }
            | Op::LeakyRelu { .. }
            | Op::HardSwish
            | Op::HardSigmoid { .. }
    )
}

/// A slide that makes the places `wanted` alone, and the places of an image of `extent` that it goes over; padding is left only
/// where these end with the image. None where they would all be padding.
fn slide(whole: Slide, extent: u32, wanted: &Range<u32>) -> Option<(Slide, Range<u32>)> {
    let from = whole.start(wanted.start);
    let to = whole.start(wanted.end.checked_sub(1)?) + i64::try_from(whole.extent()).ok()?;
    let inside = from.max(0)..to.min(i64::from(extent));
    let before = u32::try_from(inside.start - from).ok()?;
    let after = u32::try_from(to - inside.end).ok()?;
    let needed = u32::try_from(inside.start).ok()?..u32::try_from(inside.end).ok()?;
    (!needed.is_empty()).then_some((Slide { before, after, ..whole }, needed))
}

/// Places `0..extent` dealt in these shares, each a multiple of `unit` but for the end; a share may get nothing.
pub(super) fn deal(extent: u32, shares: &[f64], unit: u32) -> Vec<Range<u32>> {
    let total: f64 = shares.iter().sum();
    let units = f64::from(extent) / f64::from(unit);
    let (mut sum, mut from) = (0.0, 0);
    let mut ranges = Vec::with_capacity(shares.len());
    for (index, share) in shares.iter().enumerate() {
        sum += share;
        // The cast saturates, and a share that is no number takes nothing.
        let to = ((units * sum / total).round() as u32).saturating_mul(unit).clamp(from, extent);
        let to = if index + 1 == shares.len() { extent } else { to };
        ranges.push(from..to);
        from = to;
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_dealt_whole() {
        assert_eq!(deal(10, &[1.0, 1.0], 1), [0..5, 5..10]);
        assert_eq!(deal(7, &[1.0, 1.0, 1.0, 1.0], 1), [0..2, 2..4, 4..5, 5..7]);
        assert_eq!(deal(100, &[3.0, 1.0], 16), [0..80, 80..100]);
        assert_eq!(deal(2, &[1.0, 0.0, 1.0, 1.0], 1), [0..1, 1..1, 1..1, 1..2]);
        assert_eq!(deal(20, &[1.0, 1.0], 16), [0..16, 16..20]);
    }

    #[test]
    fn a_window_keeps_its_padding_at_the_edges_alone() {
        let same = Slide::new(3, 1, 1);
        let (first, needed) = slide(same, 8, &(0..4)).expect("it lies on the image");
        assert_eq!((first.before, first.after, needed), (1, 0, 0..5));
        let (second, needed) = slide(same, 8, &(4..8)).expect("it lies on the image");
        assert_eq!((second.before, second.after, needed), (0, 1, 3..8));
        // A row of windows that lie beyond the image altogether.
        assert_eq!(slide(Slide::new(1, 1, 3), 2, &(0..1)), None);
    }

    #[test]
    fn groups_stay_together() {
        let window = Window::same(3, 1);
        let grouped = Op::Conv { window, groups: 4, channels: 8, bias: true };
        let input = Shape::new(12, 5, 5);
        let expected = Op::Conv { window, groups: 2, channels: 4, bias: true };
        assert_eq!(narrow(&grouped, Axis::Channels, input, &(2..6)), Some(Narrowed::Local(expected, 3..9)));
        assert_eq!(narrow(&grouped, Axis::Channels, input, &(1..6)), None);
    }
}
