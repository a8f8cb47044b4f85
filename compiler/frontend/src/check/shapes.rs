//! Network × what is known of its arguments → whether an image fits through its stems and heads.
//!
//! The sizes are those of the operators' own shape rules. What a drawn body makes of an image is not known before it is drawn.

use super::bounds::Violation;
use crate::constant::{Known, Value, value};
use crate::{codes, limits};
use cnasc_base::Location;
use cnasc_ir::Shape;
use cnasc_ir::program::{Aggregate, Block, Declared, Expr, ExprKind, Make, Network, Operator, Section, Stage};

/// Channels, height and width as far as they are known.
type Image = [Option<i64>; 3];

/// The declarations that parts and blocks are looked up in.
#[derive(Clone, Copy)]
pub(super) struct Declarations<'a> {
    pub(super) networks: &'a [Option<Network>],
    pub(super) blocks: &'a [Option<Block>],
}

/// The first place where an image does not fit.
pub(super) fn misfit(network: &Network, known: &Known<'_>, all: Declarations<'_>) -> Option<Violation> {
    let image: Image = [0, 1, 2].map(|index: usize| whole(Some(&network.input[index]), known));
    let first = network.input[0].location;
    let last = network.input[2].location;
    if let Some(violation) = too_large(&image, Location { end: last.end, ..first }) {
        return Some(violation);
    }
    Walk { all, steps: 0, level: 0 }.sections(image, &network.sections, known).err()
}

/// Follows an image through sections.
struct Walk<'a> {
    all: Declarations<'a>,
    /// How many operators were passed.
    steps: usize,
    /// How many parts and blocks this is inside of.
    level: usize,
}

/// The most parts and blocks inside each other that an image is followed into.
const LEVELS: usize = 16;

/// What is not known of an image.
const UNKNOWN: Image = [None; 3];

impl Walk<'_> {
    fn sections(&mut self, mut image: Image, sections: &[Section], known: &Known<'_>) -> Result<Image, Violation> {
        for section in sections {
            image = self.section(image, section, known)?;
        }
        Ok(image)
    }

    fn section(&mut self, image: Image, section: &Section, known: &Known<'_>) -> Result<Image, Violation> {
        match section {
            Section::Pipeline { stages, .. } => self.stages(image, stages, known),
            Section::Body { .. } => Ok(UNKNOWN),
            Section::Repeat { count, sections, .. } => {
                let Some(Value::Int(count)) = value(count, known) else { return Ok(UNKNOWN) };
                let mut image = image;
                for _ in 0..count {
                    let before = image;
                    image = self.sections(image, sections, known)?;
                    if image == before || self.steps > limits::SHAPE_STEPS {
                        break;
                    }
                }
                Ok(if self.steps > limits::SHAPE_STEPS { UNKNOWN } else { image })
            }
            Section::Branch { branches, joined, .. } => {
                let mut ends = Vec::with_capacity(branches.len());
                for branch in branches {
                    ends.push(self.sections(image, branch, known)?);
                }
                Ok(joined_image(&ends, *joined))
            }
            Section::Part { network, .. } => {
                let ExprKind::Make(Make { of: Declared::Network(id), args }) = &network.kind else {
                    return Ok(UNKNOWN);
                };
                let Some(Some(part)) = self.all.networks.get(id.index()) else { return Ok(UNKNOWN) };
                self.inside(image, args, known, |walk, image, known| walk.sections(image, &part.sections, known))
            }
        }
    }

    fn stages(&mut self, mut image: Image, stages: &[Stage], known: &Known<'_>) -> Result<Image, Violation> {
        for stage in stages {
            self.steps += 1;
            if self.steps > limits::SHAPE_STEPS {
                return Ok(UNKNOWN);
            }
            image = if stage.operator == Operator::Block {
                self.block(image, stage, known)?
            } else {
                passed(&image, stage, known)?
            };
            if let Some(violation) = too_large(&image, stage.location) {
                return Err(violation);
            }
        }
        Ok(image)
    }

    fn block(&mut self, image: Image, stage: &Stage, known: &Known<'_>) -> Result<Image, Violation> {
        let Some(Some(Expr { kind: ExprKind::Make(Make { of: Declared::Block(id), args }), .. })) = stage.args.first()
        else {
            return Ok(UNKNOWN);
        };
        let Some(Some(block)) = self.all.blocks.get(id.index()) else { return Ok(UNKNOWN) };
        self.inside(image, args, known, |walk, image, known| walk.stages(image, &block.pipeline, known))
    }

    /// Follows an image into a declaration with these arguments.
    fn inside(
        &mut self,
        image: Image,
        args: &[Expr],
        known: &Known<'_>,
        follow: impl FnOnce(&mut Self, Image, &Known<'_>) -> Result<Image, Violation>,
    ) -> Result<Image, Violation> {
        if self.level >= LEVELS {
            return Ok(UNKNOWN);
        }
        let params: Vec<Option<Value>> = args.iter().map(|arg| value(arg, known)).collect();
        self.level += 1;
        let image = follow(self, image, &Known { params: &params, edge: None });
        self.level -= 1;
        image
    }
}

/// The image where branches meet: pooled to the smallest, and all channels one behind the other or as many as the most.
fn joined_image(ends: &[Image], joined: Aggregate) -> Image {
    let all = |index: usize| ends.iter().map(|image| image[index]).collect::<Option<Vec<i64>>>();
    let channels = all(0).and_then(|channels| match joined {
        Aggregate::Concat => channels.iter().try_fold(0_i64, |sum, channels| sum.checked_add(*channels)),
        _ => channels.into_iter().max(),
    });
    [channels, all(1).and_then(|all| all.into_iter().min()), all(2).and_then(|all| all.into_iter().min())]
}

fn whole(expr: Option<&Expr>, known: &Known<'_>) -> Option<i64> {
    match value(expr?, known)? {
        Value::Int(value) if value >= 1 => Some(value),
        _ => None,
    }
}

/// A number of at least 0.
fn natural(expr: &Expr, known: &Known<'_>) -> Option<i64> {
    match value(expr, known)? {
        Value::Int(value) if value >= 0 => Some(value),
        _ => None,
    }
}

/// The image behind an operator.
fn passed(image: &Image, stage: &Stage, known: &Known<'_>) -> Result<Image, Violation> {
    let [channels, height, width] = *image;
    let written = |index: usize| stage.args.get(index).and_then(Option::as_ref);
    let arg = |index: usize| whole(written(index), known);
    let windows = |kernel: Option<i64>, stride: Option<i64>, padding: usize| {
        // A padding that was not given is half the kernel.
        let padding = match written(padding) {
            Some(expr) => natural(expr, known),
            None => kernel.map(|kernel| kernel / 2),
        };
        let padded = [height, width].map(|extent| Some(extent? + 2 * padding?));
        fits_window(padded, kernel, stage.location)?;
        Ok(padded.map(|extent| Some((extent? - kernel?) / stride? + 1)))
    };
    let [height, width] = match stage.operator {
        Operator::Conv => windows(arg(0), arg(2), 3)?,
        Operator::Pointwise => windows(Some(1), arg(1), usize::MAX)?,
        Operator::Depthwise | Operator::MaxPool | Operator::AvgPool => windows(arg(0), arg(1), 2)?,
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

/// A window needs an image, padding included, at least as large as it is.
fn fits_window([height, width]: [Option<i64>; 2], kernel: Option<i64>, location: Location) -> Result<(), Violation> {
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
