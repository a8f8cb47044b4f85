//! Images with their classes: the bytes of files → [`Images`].
//!
//! Pixels are bytes in the order channel, row, column. Files are taken as hostile: every size is checked against the bytes that are there.

mod cifar;
mod idx;
mod mat;
mod pickle;

pub use cifar::{Cifar, cifar, cifar_pickled};
pub use idx::idx;
pub use mat::mat;

use cnasc_ir::Shape;
use cnasc_ir::architecture::Preprocess;

/// A set of images of one shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Images {
    /// Of each.
    pub shape: Shape,
    /// All pixels, image after image.
    pub pixels: Vec<u8>,
    /// The class of each.
    pub labels: Vec<u16>,
}

impl Images {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The pixels of one.
    #[must_use]
    pub fn image(&self, index: usize) -> &[u8] {
        let size = self.shape.elements() as usize;
        &self.pixels[index * size..][..size]
    }

    /// One more than the greatest class.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.labels.iter().max().map_or(0, |&most| usize::from(most) + 1)
    }

    /// The first so many.
    #[must_use]
    pub fn first(&self, count: usize) -> Self {
        let count = count.min(self.len());
        let size = self.shape.elements() as usize;
        Self { shape: self.shape, pixels: self.pixels[..count * size].to_vec(), labels: self.labels[..count].to_vec() }
    }

    /// These.
    #[must_use]
    pub fn chosen(&self, indices: &[usize]) -> Self {
        let pixels = indices.iter().flat_map(|&index| self.image(index)).copied().collect();
        Self { shape: self.shape, pixels, labels: indices.iter().map(|&index| self.labels[index]).collect() }
    }

    /// The same images for a network that takes `wanted`: in the middle of a larger black one, grey ones with their channel repeated.
    ///
    /// # Errors
    /// Where they are larger, or have several channels and not as many.
    pub fn fit(&self, wanted: Shape) -> Result<Self, String> {
        let Shape { channels, height, width } = self.shape;
        let repeats = channels == 1 || channels == wanted.channels;
        if !repeats || height > wanted.height || width > wanted.width {
            return Err(format!("the images are {}, the network takes {wanted}", self.shape));
        }
        if self.shape == wanted {
            return Ok(self.clone());
        }
        let top = ((wanted.height - height) / 2) as usize;
        let left = ((wanted.width - width) / 2) as usize;
        let (height, width, to_width) = (height as usize, width as usize, wanted.width as usize);
        let mut pixels = vec![0; self.len() * wanted.elements() as usize];
        for (index, to) in pixels.chunks_exact_mut(wanted.elements() as usize).enumerate() {
            let image = self.image(index);
            for (channel, to) in to.chunks_exact_mut(wanted.plane() as usize).enumerate() {
                let from = &image[if channels == 1 { 0 } else { channel * height * width }..][..height * width];
                for (row, from) in from.chunks_exact(width).enumerate() {
                    to[(top + row) * to_width + left..][..width].copy_from_slice(from);
                }
            }
        }
        Ok(Self { shape: wanted, pixels, labels: self.labels.clone() })
    }

    /// The mean and deviation of each channel's pixels in 0..1.
    #[must_use]
    pub fn statistics(&self) -> Preprocess {
        let channels = self.shape.channels as usize;
        let (mut sums, mut squares) = (vec![0_u64; channels], vec![0_u64; channels]);
        for (index, plane) in self.pixels.chunks_exact(self.shape.plane() as usize).enumerate() {
            for &pixel in plane {
                sums[index % channels] += u64::from(pixel);
                squares[index % channels] += u64::from(pixel) * u64::from(pixel);
            }
        }
        let count = (self.len() as u64 * self.shape.plane()).max(1) as f64;
        let mean = |channel: usize| sums[channel] as f64 / count;
        let deviation =
            |channel: usize| (squares[channel] as f64 / count - mean(channel) * mean(channel)).max(0.0).sqrt();
        // Images without contrast have no deviation to divide by.
        let positive = |deviation: f64| if deviation > 1e-3 * 255.0 { deviation } else { 255.0 };
        Preprocess {
            mean: (0..channels).map(|channel| (mean(channel) / 255.0) as f32).collect(),
            deviation: (0..channels).map(|channel| (positive(deviation(channel)) / 255.0) as f32).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smaller_images_lie_in_the_middle() {
        let images = Images { shape: Shape::new(1, 1, 2), pixels: vec![7, 9], labels: vec![3] };
        let fitted = images.fit(Shape::new(2, 3, 4)).expect("they are smaller");
        let plane = [0, 0, 0, 0, 0, 7, 9, 0, 0, 0, 0, 0];
        assert_eq!(fitted.pixels, [plane, plane].concat());
        assert_eq!((fitted.labels, fitted.shape), (vec![3], Shape::new(2, 3, 4)));
        assert!(images.fit(Shape::new(1, 1, 1)).is_err());
        let coloured = Images { shape: Shape::new(3, 1, 1), pixels: vec![1, 2, 3], labels: vec![0] };
        assert!(coloured.fit(Shape::new(1, 1, 1)).is_err());
        assert_eq!(coloured.fit(Shape::new(3, 1, 1)), Ok(coloured));
    }

    #[test]
    fn statistics_are_of_each_channel() {
        let images =
            Images { shape: Shape::new(2, 1, 2), pixels: vec![0, 255, 51, 51, 0, 255, 51, 51], labels: vec![0, 1] };
        let Preprocess { mean, deviation } = images.statistics();
        assert_eq!(mean, [0.5, 0.2]);
        assert_eq!(deviation, [0.5, 1.0], "one without contrast is left as it is");
    }
}
