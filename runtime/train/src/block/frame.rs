//! An image with zeros around it, on which each tap of a window lies at a fixed distance from the window's place. The channels of a pixel
//! are side by side.

use crate::lanes::{load, store, vectors};
use cnasc_ir::op::{Slide, Window};
use pulp::{Arch, Simd, WithSimd};

/// A window on images of one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Channels of the image.
    channels: usize,
    /// Rows and columns of the image.
    from: [usize; 2],
    /// Of the output.
    pub to: [usize; 2],
    /// Rows and columns of zeros before the image.
    before: [usize; 2],
    /// Rows and columns with them.
    extents: [usize; 2],
    /// Elements of a pixel: the channels, and as many zeros as fill vectors where that is asked for.
    pub width: usize,
    /// For each place of the output where the window's first tap lies.
    pub places: Vec<usize>,
    /// Rows and columns of the window.
    pub kernel: [usize; 2],
    /// For each tap its distance from the first.
    pub taps: Vec<usize>,
}

impl Frame {
    /// The window on images of these channels, rows and columns, which it fits; a pixel has `width` elements.
    pub fn new(window: &Window, [channels, height, width_]: [usize; 3], width: usize) -> Self {
        let both = |of: fn(&Slide) -> u32| [of(&window.rows) as usize, of(&window.columns) as usize];
        let (kernel, stride, dilation) =
            (both(|slide| slide.kernel), both(|slide| slide.stride), both(|slide| slide.dilation));
        let (before, after) = (both(|slide| slide.before), both(|slide| slide.after));
        let extents = [height + before[0] + after[0], width_ + before[1] + after[1]];
        let places = |axis: usize| (extents[axis] - (kernel[axis] - 1) * dilation[axis] - 1) / stride[axis] + 1;
        let to = [places(0), places(1)];
        let grid = |count: [usize; 2], step: [usize; 2]| {
            let at = move |row: usize, column: usize| (row * step[0] * extents[1] + column * step[1]) * width;
            (0..count[0]).flat_map(move |row| (0..count[1]).map(move |column| at(row, column))).collect()
        };
        let (places, taps) = (grid(to, stride), grid(kernel, dilation));
        Self { channels, from: [height, width_], to, before, extents, width, places, kernel, taps }
    }

    /// Elements of the image with its zeros.
    pub fn size(&self) -> usize {
        self.extents[0] * self.extents[1] * self.width
    }

    /// Whether an image is its own frame.
    pub fn is_image(&self) -> bool {
        self.extents == self.from && self.width == self.channels
    }

    /// What lies together in both: where in the image, where in the frame, and how many elements.
    fn runs(&self) -> impl Iterator<Item = [usize; 3]> {
        let [height, width] = self.from;
        let pixels = if self.width == self.channels { width } else { 1 };
        (0..height).flat_map(move |row| {
            (0..width).step_by(pixels).map(move |column| {
                let framed = (row + self.before[0]) * self.extents[1] + column + self.before[1];
                [(row * width + column) * self.channels, framed * self.width, pixels * self.channels]
            })
        })
    }

    /// Puts an image, or where `relu` its positive part, into a frame whose other elements are zeros.
    pub fn fill(&self, image: &[f32], relu: bool, frame: &mut [f32]) {
        Arch::new().dispatch(Fill { window: self, image, relu, frame });
    }

    /// Adds the image inside a frame to `to`; where there is a `mask`, only where that is positive.
    pub fn take(&self, frame: &[f32], mask: Option<&[f32]>, to: &mut [f32]) {
        Arch::new().dispatch(Take { window: self, frame, mask, to });
    }
}

struct Fill<'a> {
    window: &'a Frame,
    image: &'a [f32],
    relu: bool,
    frame: &'a mut [f32],
}

impl WithSimd for Fill<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { window, image, relu, frame } = self;
        let zeros = simd.splat_f32s(0.0);
        for [at, framed, count] in window.runs() {
            let (from, to) = (&image[at..][..count], &mut frame[framed..][..count]);
            if !relu {
                to.copy_from_slice(from);
                continue;
            }
            for [first, end] in vectors::<S>(count) {
                store(simd, &mut to[first..end], simd.max_f32s(load(simd, &from[first..end]), zeros));
            }
        }
    }
}

struct Take<'a> {
    window: &'a Frame,
    frame: &'a [f32],
    mask: Option<&'a [f32]>,
    to: &'a mut [f32],
}

impl WithSimd for Take<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { window, frame, mask, to } = self;
        for [at, framed, count] in window.runs() {
            let mask = mask.map(|mask| &mask[at..][..count]);
            Pass { from: &frame[framed..][..count], mask, to: &mut to[at..][..count] }.with_simd(simd);
        }
    }
}

/// Adds numbers to `to`; where there is a `mask`, only where that is positive.
pub fn pass(from: &[f32], mask: Option<&[f32]>, to: &mut [f32]) {
    Arch::new().dispatch(Pass { from, mask, to });
}

struct Pass<'a> {
    from: &'a [f32],
    mask: Option<&'a [f32]>,
    to: &'a mut [f32],
}

impl WithSimd for Pass<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { from, mask, to } = self;
        let zeros = simd.splat_f32s(0.0);
        for [first, end] in vectors::<S>(from.len()) {
            let mut passed = load(simd, &from[first..end]);
            if let Some(mask) = mask {
                let is_positive = simd.less_than_f32s(zeros, load(simd, &mask[first..end]));
                passed = simd.select_f32s(is_positive, passed, zeros);
            }
            let to = &mut to[first..end];
            store(simd, to, simd.add_f32s(load(simd, to), passed));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_holds_the_image_and_each_tap_lies_where_it_should() {
        let slide = |kernel, stride, dilation, before, after| Slide { kernel, stride, dilation, before, after };
        let window = Window { rows: slide(3, 2, 1, 1, 0), columns: slide(2, 1, 2, 2, 1) };
        let (channels, height, width) = (3, 5, 4);
        for pixel in [channels, 16] {
            let frame = Frame::new(&window, [channels, height, width], pixel);
            assert_eq!((frame.to, frame.size()), ([2, 5], 6 * 7 * pixel));
            let image: Vec<f32> = (0..channels * height * width).map(|at| at as f32 - 20.5).collect();
            let mut framed = vec![0.0; frame.size()];
            frame.fill(&image, true, &mut framed);
            for (place, &at) in frame.places.iter().enumerate() {
                for (tap, &distance) in frame.taps.iter().enumerate() {
                    let row = (place / 5 * 2 + tap / 2).checked_sub(1).filter(|&row| row < height);
                    let column = (place % 5 + tap % 2 * 2).checked_sub(2).filter(|&column| column < width);
                    for channel in 0..channels {
                        let wanted =
                            row.zip(column).map(|(row, column)| image[(row * width + column) * channels + channel]);
                        assert_eq!(framed[at + distance + channel], wanted.unwrap_or(0.0).max(0.0));
                    }
                }
            }
            let mut taken = vec![1.0; image.len()];
            frame.take(&framed, None, &mut taken);
            assert!(taken.iter().zip(&image).all(|(taken, value)| *taken == value.max(0.0) + 1.0));
            framed.fill(7.0);
            taken.fill(0.0);
            frame.take(&framed, Some(&image), &mut taken);
            assert!(taken.iter().zip(&image).all(|(&taken, &value)| taken == if value > 0.0 { 7.0 } else { 0.0 }));
        }
        assert!(Frame::new(&Window::square(1, 2, 0), [3, 4, 4], 3).is_image());
    }
}
