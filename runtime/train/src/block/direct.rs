//! Convolutions of all channels without a matrix, for windows that move by one: values, the image's gradient, which is such a convolution too,
//! and the kernel's.
//!
//! Planes lie one after the other with their padding around them, so that each tap sees a row of the image at a fixed distance from the
//! output's row. A few rows of sums stay in registers while all channels and taps are added to them.

use super::lanes::LANES;
use cnasc_ir::op::{Slide, Window};
use pulp::bytemuck::{cast_slice, pod_read_unaligned};
use pulp::{Arch, Simd, WithSimd};

/// Outputs whose sums are in registers together.
const OUTPUTS: usize = 8;
/// Taps whose sums are, when the kernel's gradient is computed.
const TAPS: usize = 8;

/// A window that moves by one, on planes of one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Direct {
    /// Rows and columns of a plane.
    from: [usize; 2],
    /// Of the output.
    to: [usize; 2],
    /// Rows and columns of zeros before the plane.
    before: [usize; 2],
    /// Columns of the padded plane.
    columns: usize,
    /// Elements of the padded plane.
    padded: usize,
    /// Of each tap, from the output's place in the padded plane.
    distances: Vec<usize>,
}

impl Direct {
    /// The window on planes of `height` × `width`, which fits them, where this way is worth it: of rows that fill their vectors badly, products
    /// of matrices are faster.
    pub fn new(window: &Window, height: usize, width: usize) -> Option<Self> {
        let Window { rows, columns } = window;
        if rows.stride != 1 || columns.stride != 1 {
            return None;
        }
        // Where a window sees one pixel, a plane is one row.
        let from = if *window == Window::square(1, 1, 0) { [1, height * width] } else { [height, width] };
        let padded = [(rows, from[0]), (columns, from[1])]
            .map(|(slide, extent)| extent + slide.before as usize + slide.after as usize);
        let reach = |slide: &Slide| (slide.kernel as usize - 1) * slide.dilation as usize;
        let to = [padded[0] - reach(rows), padded[1] - reach(columns)];
        let distance =
            |row: u32, column: u32| (row * rows.dilation) as usize * padded[1] + (column * columns.dilation) as usize;
        let taps = (0..rows.kernel).flat_map(|row| (0..columns.kernel).map(move |column| distance(row, column)));
        let is_worth_it = to[1].next_multiple_of(LANES) * 2 <= to[1] * 3;
        is_worth_it.then(|| Self {
            from,
            to,
            before: [rows.before as usize, columns.before as usize],
            columns: padded[1],
            padded: padded[0] * padded[1],
            distances: taps.collect(),
        })
    }

    /// The convolution of the output's gradient that is the image's, where there is one: taps change places with those opposite.
    pub fn back(window: &Window, height: usize, width: usize) -> Option<Self> {
        let turned = |slide: &Slide| {
            let reach = (slide.kernel - 1) * slide.dilation;
            let [before, after] = [slide.before, slide.after].map(|side| reach.checked_sub(side));
            Some(Slide { before: before?, after: after?, ..*slide })
        };
        let back = Window { rows: turned(&window.rows)?, columns: turned(&window.columns)? };
        let places = |slide: &Slide, extent: usize| slide.places(extent as u32).unwrap_or(0) as usize;
        Self::new(&back, places(&window.rows, height), places(&window.columns, width))
    }

    /// An image with its padding, made in `room`, or the image itself where that is enough. Only this makes something of `room`.
    pub fn planes<'a>(&self, channels: usize, image: &'a [f32], room: &'a mut Vec<f32>) -> &'a [f32] {
        // Vectors may reach behind the last plane.
        let size = channels * self.padded + LANES;
        let [height, width] = self.from;
        if self.padded == height * width && image.len() >= size {
            return image;
        }
        room.resize(size, 0.0);
        for (plane, padded) in image.chunks_exact(height * width).zip(room.chunks_exact_mut(self.padded)) {
            for (row, from) in plane.chunks_exact(width).enumerate() {
                padded[(row + self.before[0]) * self.columns + self.before[1]..][..width].copy_from_slice(from);
            }
        }
        room
    }

    /// The convolution of planes: `to` becomes an image of as many outputs as the kernels were packed for.
    pub fn apply(&self, planes: &[f32], kernels: &Kernels, to: &mut [f32]) {
        Arch::new().dispatch(Apply { window: self, planes, kernels, to });
    }

    /// Adds the gradient of the kernels to `to`: for each channel and tap a row of outputs. `gradient` has the outputs of a place beside each other, as
    /// [`turned`] puts them.
    pub fn add_kernels(&self, planes: &[f32], gradient: &[f32], to: &mut [f32]) {
        let outputs = gradient.len() / (self.to[0] * self.to[1]);
        let job = AddKernels { window: self, planes, gradient, outputs, to };
        Arch::new().dispatch(job);
    }
}

/// Kernels in the order that they are read in: by [`OUTPUTS`], then channels, taps and outputs.
#[derive(Debug, Clone, Default)]
pub struct Kernels {
    values: Vec<[f32; OUTPUTS]>,
    channels: usize,
}

impl Kernels {
    /// Of a matrix that has a row an output.
    pub fn forth(matrix: &[f32], [outputs, channels, taps]: [usize; 3]) -> Self {
        Self::packed([outputs, channels, taps], |output, channel, tap| {
            matrix[(output * channels + channel) * taps + tap]
        })
    }

    /// Of the same matrix for [`Direct::back`], where outputs are channels and channels outputs.
    pub fn back(matrix: &[f32], [outputs, channels, taps]: [usize; 3]) -> Self {
        Self::packed([channels, outputs, taps], |channel, output, tap| {
            matrix[(output * channels + channel) * taps + taps - 1 - tap]
        })
    }

    fn packed([outputs, channels, taps]: [usize; 3], of: impl Fn(usize, usize, usize) -> f32) -> Self {
        let mut values = Vec::with_capacity(outputs.div_ceil(OUTPUTS) * channels * taps);
        for first in (0..outputs).step_by(OUTPUTS) {
            for channel in 0..channels {
                for tap in 0..taps {
                    let at = |lane: usize| if first + lane < outputs { of(first + lane, channel, tap) } else { 0.0 };
                    values.push(std::array::from_fn(at));
                }
            }
        }
        Self { values, channels }
    }
}

/// `to` becomes the image with the channels of a place beside each other, and zeros behind them up to whole vectors.
pub fn turned(image: &[f32], channels: usize, to: &mut [f32]) {
    let (places, width) = (image.len() / channels, channels.next_multiple_of(LANES));
    for (first, planes) in image.chunks(LANES * places).enumerate() {
        for (place, to) in to.chunks_exact_mut(width).enumerate() {
            let to = to[first * LANES..][..LANES].iter_mut();
            to.zip(planes.chunks_exact(places)).for_each(|(to, plane)| *to = plane[place]);
        }
    }
}

struct Apply<'a> {
    window: &'a Direct,
    planes: &'a [f32],
    kernels: &'a Kernels,
    to: &'a mut [f32],
}

impl WithSimd for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { window, planes, kernels, to } = self;
        let [rows, width] = window.to;
        let starts = (0..rows).flat_map(|row| (0..width).step_by(S::F32_LANES).map(move |column| [row, column]));
        let starts: Vec<[usize; 2]> = starts.collect();
        let size = kernels.channels * window.distances.len();
        for (to, values) in to.chunks_mut(OUTPUTS * rows * width).zip(kernels.values.chunks_exact(size)) {
            for pair in starts.chunks(2) {
                // The last one may be alone: then it is computed twice.
                let pair = [pair[0], pair[pair.len() - 1]];
                let places = pair.map(|[row, column]| row * window.columns + column);
                let sums = tile(simd, window, planes, values, places);
                for (to, sums) in to.chunks_exact_mut(rows * width).zip(sums) {
                    for ([row, column], sum) in pair.into_iter().zip(sums) {
                        let to = &mut to[row * width..][column..width.min(column + S::F32_LANES)];
                        simd.partial_store_f32s(to, sum);
                    }
                }
            }
        }
    }
}

/// Two vectors of each of some outputs, at two places of the padded plane.
#[inline(always)]
fn tile<S: Simd>(
    simd: S,
    window: &Direct,
    planes: &[f32],
    kernels: &[[f32; OUTPUTS]],
    [first, second]: [usize; 2],
) -> [[S::f32s; 2]; OUTPUTS] {
    let mut sums = [[simd.splat_f32s(0.0); 2]; OUTPUTS];
    let taps = window.distances.len();
    for (channel, kernels) in kernels.chunks_exact(taps).enumerate() {
        let plane = &planes[channel * window.padded..][..window.padded + LANES];
        for (&distance, kernels) in window.distances.iter().zip(kernels) {
            let seen = [first, second].map(|place| vector::<S>(&plane[place + distance..]));
            for (sums, &kernel) in sums.iter_mut().zip(kernels) {
                let kernel = simd.splat_f32s(kernel);
                sums[0] = simd.mul_add_e_f32s(kernel, seen[0], sums[0]);
                sums[1] = simd.mul_add_e_f32s(kernel, seen[1], sums[1]);
            }
        }
    }
    sums
}

/// The first numbers of a slice.
#[inline(always)]
fn vector<S: Simd>(numbers: &[f32]) -> S::f32s {
    pod_read_unaligned(cast_slice(&numbers[..S::F32_LANES]))
}

struct AddKernels<'a> {
    window: &'a Direct,
    planes: &'a [f32],
    gradient: &'a [f32],
    /// Of a place, with the zeros that fill vectors.
    outputs: usize,
    to: &'a mut [f32],
}

impl WithSimd for AddKernels<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { window, planes, gradient, outputs, to } = self;
        let taps = window.distances.len();
        for (index, to) in to.chunks_mut(TAPS * outputs).enumerate() {
            let last = to.len() / outputs - 1;
            // Where fewer are left, the last is computed several times and kept once.
            let offsets: [usize; TAPS] = std::array::from_fn(|place| {
                let row = index * TAPS + place.min(last);
                row / taps * window.padded + window.distances[row % taps]
            });
            for first in (0..outputs).step_by(S::F32_LANES) {
                let mut sums = [simd.splat_f32s(0.0); TAPS];
                for (row, gradient) in gradient.chunks_exact(window.to[1] * outputs).enumerate() {
                    let mut seen = [&planes[..0]; TAPS];
                    for (seen, offset) in seen.iter_mut().zip(offsets) {
                        *seen = &planes[offset + row * window.columns..][..window.to[1]];
                    }
                    for (column, gradient) in gradient.chunks_exact(outputs).enumerate() {
                        let gradient = vector::<S>(&gradient[first..]);
                        for (sum, seen) in sums.iter_mut().zip(seen) {
                            *sum = simd.mul_add_e_f32s(simd.splat_f32s(seen[column]), gradient, *sum);
                        }
                    }
                }
                for (to, sum) in to.chunks_exact_mut(outputs).zip(sums) {
                    let to = &mut to[first..][..S::F32_LANES];
                    simd.partial_store_f32s(to, simd.add_f32s(vector::<S>(to), sum));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small whole numbers, of which sums are exact in any order.
    fn some(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|index| ((index * 7 + seed) % 11) as f32 - 5.0).collect()
    }

    fn window(kernel: u32, dilation: u32, [before, after]: [u32; 2]) -> Window {
        let slide = Slide { kernel, stride: 1, dilation, before, after };
        Window { rows: slide, columns: Slide { before: after, after: before, ..slide } }
    }

    /// Each product of a convolution: places in the image, the matrix of kernels and the output.
    fn products(window: &Window, [channels, outputs]: [usize; 2], [height, width]: [usize; 2]) -> Vec<[usize; 3]> {
        let mut found = Vec::new();
        let at = |slide: &Slide, place: u32, tap: u32, extent: usize| {
            usize::try_from(slide.start(place) + i64::from(tap * slide.dilation)).ok().filter(|&at| at < extent)
        };
        let [rows, columns] = [(&window.rows, height), (&window.columns, width)]
            .map(|(slide, extent)| slide.places(extent as u32).expect("it fits"));
        let taps = window.rows.kernel * window.columns.kernel;
        for output in 0..outputs {
            for channel in 0..channels {
                for place in 0..rows * columns {
                    for tap in 0..taps {
                        let [row, column] = [
                            at(&window.rows, place / columns, tap / window.columns.kernel, height),
                            at(&window.columns, place % columns, tap % window.columns.kernel, width),
                        ];
                        let (Some(row), Some(column)) = (row, column) else { continue };
                        found.push([
                            (channel * height + row) * width + column,
                            (output * channels + channel) * taps as usize + tap as usize,
                            output * (rows * columns) as usize + place as usize,
                        ]);
                    }
                }
            }
        }
        found
    }

    #[test]
    fn values_and_gradients_are_sums_of_products() {
        for (window, [channels, outputs], [height, width]) in [
            (window(1, 1, [0, 0]), [3, 9], [5, 7]),
            (window(3, 1, [1, 1]), [2, 17], [4, 14]),
            (window(5, 1, [2, 2]), [1, 8], [6, 28]),
            (window(3, 2, [1, 3]), [2, 3], [9, 33]),
            (window(2, 1, [0, 0]), [3, 2], [3, 16]),
        ] {
            let products = products(&window, [channels, outputs], [height, width]);
            let taps = (window.rows.kernel * window.columns.kernel) as usize;
            let matrix = some(outputs * channels * taps, 1);
            let image = some(channels * height * width, 2);
            let direct = Direct::new(&window, height, width).expect("rows are long enough");
            let gradient = some(outputs * direct.to[0] * direct.to[1], 3);
            let extents = [outputs, channels, taps];

            let mut room = Vec::new();
            let planes = direct.planes(channels, &image, &mut room);
            let (mut found, mut wanted) = (vec![7.0; gradient.len()], vec![0.0; gradient.len()]);
            direct.apply(planes, &Kernels::forth(&matrix, extents), &mut found);
            products.iter().for_each(|&[image_at, tap, to]| wanted[to] += image[image_at] * matrix[tap]);
            assert_eq!(found, wanted, "{window:?}");

            let padded = outputs.next_multiple_of(LANES);
            let mut beside = vec![0.0; direct.to[0] * direct.to[1] * padded];
            turned(&gradient, outputs, &mut beside);
            let (mut found, mut wanted) = (vec![1.0; channels * taps * padded], vec![1.0; matrix.len()]);
            direct.add_kernels(planes, &beside, &mut found);
            products.iter().for_each(|&[image_at, tap, to]| wanted[tap] += image[image_at] * gradient[to]);
            let rows = channels * taps;
            let of_rows: Vec<f32> = (0..matrix.len()).map(|at| found[at % rows * padded + at / rows]).collect();
            assert_eq!(of_rows, wanted, "{window:?}");

            let back = Direct::back(&window, height, width).expect("rows are long enough");
            let mut room = Vec::new();
            let planes = back.planes(outputs, &gradient, &mut room);
            let (mut found, mut wanted) = (vec![7.0; image.len()], vec![0.0; image.len()]);
            back.apply(planes, &Kernels::back(&matrix, extents), &mut found);
            products.iter().for_each(|&[image_at, tap, to]| wanted[image_at] += gradient[to] * matrix[tap]);
            assert_eq!(found, wanted, "{window:?}");
        }
    }

    #[test]
    fn windows_for_which_matrices_are_better_are_left_to_them() {
        let strided = Slide { kernel: 3, stride: 2, dilation: 1, before: 1, after: 1 };
        assert_eq!(Direct::new(&Window { rows: strided, columns: strided }, 32, 32), None, "it moves by two");
        assert_eq!(Direct::new(&window(3, 1, [1, 1]), 7, 7), None, "rows fill less than half a vector");
        assert_eq!(Direct::back(&window(1, 1, [1, 1]), 16, 16), None, "the image is smaller than what is seen of it");
    }
}
