//! A window on all channels as a matrix: what each place of the kernel sees, a row; where it lies, a column.

use cnasc_ir::op::{Slide, Window};

/// A window on images of one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patches {
    window: Window,
    /// Rows and columns of the image.
    from: [usize; 2],
    /// Of the output.
    pub to: [usize; 2],
}

impl Patches {
    /// The window on images of `height` × `width`, which fits them.
    pub fn new(window: &Window, height: usize, width: usize) -> Self {
        let places = |slide: &Slide, extent: usize| slide.places(extent as u32).unwrap_or(0) as usize;
        Self {
            window: *window,
            from: [height, width],
            to: [places(&window.rows, height), places(&window.columns, width)],
        }
    }

    /// Whether the matrix is the image.
    pub fn is_image(&self) -> bool {
        self.window == Window::square(1, 1, 0)
    }

    /// Rows of the matrix a channel.
    pub fn taps(&self) -> usize {
        self.window.taps() as usize
    }

    /// The matrix of an image.
    pub fn gather(&self, image: &[f32], matrix: &mut [f32]) {
        let [height, width] = self.from;
        let places = self.to[0] * self.to[1];
        let rows = matrix.chunks_exact_mut(places).enumerate();
        for (index, to) in rows {
            let plane = &image[index / self.taps() * height * width..][..height * width];
            self.each_row(index % self.taps(), |row, from_row, columns| {
                let to = &mut to[row * self.to[1]..][..self.to[1]];
                let Some(from_row) = from_row else {
                    to.fill(0.0);
                    return;
                };
                let from = &plane[from_row * width..][..width];
                to[..columns.first].fill(0.0);
                to[columns.end..].fill(0.0);
                let inside = &mut to[columns.first..columns.end];
                if columns.stride == 1 {
                    inside.copy_from_slice(&from[columns.start..][..inside.len()]);
                } else {
                    let from = from[columns.start.min(width)..].iter().step_by(columns.stride);
                    inside.iter_mut().zip(from).for_each(|(to, &from)| *to = from);
                }
            });
        }
    }

    /// Adds every element of a matrix to the pixel that it came from.
    pub fn scatter(&self, matrix: &[f32], image: &mut [f32]) {
        let [height, width] = self.from;
        let places = self.to[0] * self.to[1];
        for (index, from) in matrix.chunks_exact(places).enumerate() {
            let plane = &mut image[index / self.taps() * height * width..][..height * width];
            self.each_row(index % self.taps(), |row, to_row, columns| {
                let Some(to_row) = to_row else { return };
                let from = &from[row * self.to[1]..][columns.first..columns.end];
                let to = plane[to_row * width..][..width][columns.start.min(width)..].iter_mut();
                match columns.stride {
                    1 => to.zip(from).for_each(|(to, &from)| *to += from),
                    stride => to.step_by(stride).zip(from).for_each(|(to, &from)| *to += from),
                }
            });
        }
    }

    /// Tells of each output row which image row the tap sees there, if any, and which columns.
    fn each_row(&self, tap: usize, mut tell: impl FnMut(usize, Option<usize>, Columns)) {
        let kernel_columns = self.window.columns.kernel as usize;
        let (tap_row, tap_column) = (tap / kernel_columns, tap % kernel_columns);
        let columns = Columns::of(&self.window.columns, tap_column, self.from[1], self.to[1]);
        for row in 0..self.to[0] {
            let slide = &self.window.rows;
            let from = slide.start(row as u32) + (tap_row * slide.dilation as usize) as i64;
            let from = usize::try_from(from).ok().filter(|&from| from < self.from[0]);
            tell(row, from, columns);
        }
    }
}

/// The columns of an output row at which a tap lies on the image.
#[derive(Debug, Clone, Copy)]
struct Columns {
    /// The first, and the one behind the last.
    first: usize,
    end: usize,
    /// The image's column that the tap sees at the first.
    start: usize,
    stride: usize,
}

impl Columns {
    fn of(slide: &Slide, tap: usize, extent: usize, places: usize) -> Self {
        let stride = slide.stride as usize;
        let shift = (tap * slide.dilation as usize).cast_signed() - (slide.before as usize).cast_signed();
        // The image's column at output column o is o·stride + shift.
        let first = if shift < 0 { shift.unsigned_abs().div_ceil(stride) } else { 0 }.min(places);
        let past = extent.cast_signed() - shift;
        let end = if past <= 0 { 0 } else { past.unsigned_abs().div_ceil(stride) }.clamp(first, places.max(first));
        let start = (first * stride).cast_signed() + shift;
        Self { first, end, start: start.max(0).unsigned_abs(), stride }
    }
}
