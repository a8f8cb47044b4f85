//! From an image to the network's input tensor: pixels in 0..1, in the order channel, row, column → (pixel − mean) / deviation,
//! in the blocked order of [`layout`].
//!
//! Reading and resizing pictures is the command line's job.

use crate::layout;
use cnasc_ir::Shape;
use cnasc_ir::architecture::Preprocess;

/// The image or the preprocessing does not fit the network's input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// Too few or too many values.
    #[error("the network takes an image of {shape}, which is {} values, found {found}", shape.elements())]
    Size {
        /// The network's input.
        shape: Shape,
        /// Values found.
        found: usize,
    },
    /// Too few or too many means or deviations, or values that can't be computed with.
    #[error("preprocessing for {channels} channels needs one finite mean and one positive deviation, or one a channel")]
    Preprocess {
        /// Of the network's input.
        channels: u32,
    },
}

/// The blocked input tensor of `shape` for `pixels` in 0..1 in plain order.
///
/// # Errors
/// Where there are not [`Shape::elements`] pixels, or `preprocess` does not fit the channels.
pub fn prepare(preprocess: &Preprocess, shape: Shape, pixels: &[f32]) -> Result<Vec<f32>, ImageError> {
    check_size(shape, pixels)?;
    if !preprocess.fits(shape.channels) {
        return Err(ImageError::Preprocess { channels: shape.channels });
    }
    let of = |values: &[f32], channel: usize| if values.len() == 1 { values[0] } else { values[channel] };
    let planes = pixels.chunks_exact(shape.plane() as usize).enumerate();
    let plain: Vec<f32> = planes
        .flat_map(|(channel, plane)| {
            let (mean, deviation) = (of(&preprocess.mean, channel), of(&preprocess.deviation, channel));
            plane.iter().map(move |pixel| (pixel - mean) / deviation)
        })
        .collect();
    block(shape, &plain)
}

/// The blocked input tensor of `shape` for `values` in plain order that are taken as they are.
///
/// # Errors
/// Where there are not [`Shape::elements`] values.
pub fn block(shape: Shape, values: &[f32]) -> Result<Vec<f32>, ImageError> {
    check_size(shape, values)?;
    let mut blocked = vec![0.0; layout::len(shape)];
    layout::to_blocked(shape, values, &mut blocked);
    Ok(blocked)
}

fn check_size(shape: Shape, values: &[f32]) -> Result<(), ImageError> {
    if values.len() as u64 == shape.elements() { Ok(()) } else { Err(ImageError::Size { shape, found: values.len() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_channel_has_its_mean_and_deviation() {
        let shape = Shape::new(2, 1, 2);
        let preprocess = Preprocess { mean: vec![0.5, 1.0], deviation: vec![0.25, 2.0] };
        let tensor = prepare(&preprocess, shape, &[0.0, 1.0, 0.0, 1.0]).unwrap();
        let at = |channel, column| tensor[layout::index(shape, channel, 0, column)];
        assert_eq!([at(0, 0), at(0, 1), at(1, 0), at(1, 1)], [-2.0, 2.0, -0.5, 0.0]);
        assert!((2..16).all(|lane| at(lane, 1) == 0.0), "the padded lanes stay zero");
    }

    #[test]
    fn one_mean_serves_all_channels() {
        let preprocess = Preprocess { mean: vec![1.0], deviation: vec![2.0] };
        let tensor = prepare(&preprocess, Shape::new(3, 1, 1), &[3.0, 5.0, 7.0]).unwrap();
        assert_eq!(tensor[..4], [1.0, 2.0, 3.0, 0.0]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let shape = Shape::new(3, 2, 2);
        let problem = prepare(&Preprocess::default(), shape, &[0.0; 11]).unwrap_err();
        assert_eq!(problem.to_string(), "the network takes an image of 3x2x2, which is 12 values, found 11");
        for (mean, deviation) in [(vec![0.0; 2], vec![1.0]), (vec![0.0], vec![0.0]), (vec![f32::NAN], vec![1.0])] {
            let refused = prepare(&Preprocess { mean, deviation }, shape, &[0.0; 12]);
            assert_eq!(refused, Err(ImageError::Preprocess { channels: 3 }));
        }
    }
}
