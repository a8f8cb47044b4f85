//! Network × what is known of its arguments → whether an image fits through its stems and heads.
//!
//! The sizes are those of the operators' own shape rules: convolutions are padded by half their kernel, pools by nothing. What
//! a drawn body makes of an image is not known before it is drawn.

use super::bounds::Violation;
use crate::codes;
use crate::constant::{Known, Value, value};
use cnasc_base::Location;
use cnasc_ir::Shape;
use cnasc_ir::program::{Expr, Network, Operator, Section, Stage};

/// Channels, height and width as far as they are known.
type Image = [Option<i64>; 3];

/// The first place where an image does not fit.
pub(super) fn misfit(network: &Network, known: &Known<'_>) -> Option<Violation> {
    let mut image: Image = [0, 1, 2].map(|index: usize| whole(Some(&network.input[index]), known));
    let first = network.input[0].location;
    let last = network.input[2].location;
    if let Some(violation) = too_large(&image, Location { end: last.end, ..first }) {
        return Some(violation);
    }
    for section in &network.sections {
        match section {
            Section::Pipeline { stages, .. } => {
                for stage in stages {
                    match passed(&image, stage, known) {
                        Ok(next) => image = next,
                        Err(violation) => return Some(violation),
                    }
                    if let Some(violation) = too_large(&image, stage.location) {
                        return Some(violation);
                    }
                }
            }
            Section::Body { .. } => image = [None; 3],
        }
    }
    None
}

fn whole(expr: Option<&Expr>, known: &Known<'_>) -> Option<i64> {
    match value(expr?, known)? {
        Value::Int(value) if value >= 1 => Some(value),
        _ => None,
    }
}

/// The image behind an operator.
fn passed(image: &Image, stage: &Stage, known: &Known<'_>) -> Result<Image, Violation> {
    let [channels, height, width] = *image;
    let arg = |index: usize| whole(stage.args.get(index).and_then(Option::as_ref), known);
    let windows = |kernel: Option<i64>, stride: Option<i64>, padded: bool| {
        [height, width].map(|extent| {
            let (extent, kernel, stride) = (extent?, kernel?, stride?);
            let padding = if padded { 2 * (kernel / 2) } else { 0 };
            Some((extent + padding - kernel) / stride + 1)
        })
    };
    let [height, width] = match stage.operator {
        Operator::Conv => windows(arg(0), arg(2), true),
        Operator::Depthwise => windows(arg(0), arg(1), true),
        Operator::MaxPool | Operator::AvgPool => {
            fits_pool(image, arg(0), stage.location)?;
            windows(arg(0), arg(1), false)
        }
        Operator::GlobalAvg | Operator::Linear => [Some(1), Some(1)],
        _ => [height, width],
    };
    let channels = match stage.operator {
        Operator::Conv => arg(1),
        Operator::Pointwise | Operator::Linear => arg(0),
        _ => channels,
    };
    Ok([channels, height, width])
}

/// A pool needs an image at least as large as its window.
fn fits_pool(image: &Image, kernel: Option<i64>, location: Location) -> Result<(), Violation> {
    let [_, height, width] = *image;
    let (Some(kernel), Some(least)) = (kernel, [height, width].into_iter().flatten().min()) else { return Ok(()) };
    if kernel <= least {
        return Ok(());
    }
    let size = |extent: Option<i64>| extent.map_or("?".to_owned(), |extent| extent.to_string());
    Err(Violation {
        code: codes::SHAPE,
        message: format!("a window of {kernel}×{kernel} does not fit an image of {}×{}", size(height), size(width)),
        location,
        label: format!("the image that reaches this is {}×{}", size(height), size(width)),
        note: Some("no operator may shrink an image below 1×1"),
        argument: false,
    })
}

fn too_large(image: &Image, location: Location) -> Option<Violation> {
    let [Some(channels), Some(height), Some(width)] = *image else { return None };
    let elements = channels.checked_mul(height).and_then(|plane| plane.checked_mul(width));
    if elements.and_then(|elements| u64::try_from(elements).ok()).is_some_and(|count| count <= Shape::MAX_ELEMENTS) {
        return None;
    }
    Some(Violation {
        code: codes::SHAPE,
        message: format!("{channels}×{height}×{width} is more than the {} numbers of one tensor", Shape::MAX_ELEMENTS),
        location,
        label: "too large".to_owned(),
        note: None,
        argument: false,
    })
}
