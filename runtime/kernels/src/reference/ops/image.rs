//! Reductions, resizing, transposed convolutions and products of matrices.

use super::Operands;
use cnasc_ir::op::{Axis, Between, Reduce, Reduction, Resize, Slide, Window};

impl Operands<'_> {
    pub fn reduce(&self, reduce: Reduce, output: &mut [f32]) {
        let shape = self.input_shape();
        let [channels, rows, columns] =
            Axis::ALL.map(|axis| if reduce.axes.has(axis) { shape.extent(axis) as usize } else { 1 });
        let (height, width) = (shape.height as usize, shape.width as usize);
        self.each_output(output, |channel, row, column| {
            let places = (0..channels).flat_map(|c| (0..rows).flat_map(move |y| (0..columns).map(move |x| (c, y, x))));
            let values = places.map(|(c, y, x)| {
                // A place of an axis that is reduced is 0, of one that is not the step along it.
                self.input(0)[((channel + c) * height + row + y) * width + column + x]
            });
            match reduce.to {
                Reduction::Mean => values.sum::<f32>() / (channels * rows * columns) as f32,
                Reduction::Sum => values.sum(),
                Reduction::Max => values.fold(f32::NEG_INFINITY, f32::max),
            }
        });
    }

    pub fn resize(&self, resize: &Resize, output: &mut [f32]) {
        let shape = self.input_shape();
        self.each_output(output, |channel, row, column| {
            let plane = self.plane(channel);
            let rows = resize.between(Axis::Rows, row as u32, shape.height);
            let columns = resize.between(Axis::Columns, column as u32, shape.width);
            let along = |row: u32| {
                let value = |column: u32| plane[(row * shape.width + column) as usize];
                mix(columns, value(columns.low), value(columns.high))
            };
            mix(rows, along(rows.low), along(rows.high))
        });
    }

    pub fn conv_transpose(&self, window: &Window, groups: usize, bias: bool, output: &mut [f32]) {
        let (from, to) = (self.input_shape(), self.shape);
        let plane = to.plane() as usize;
        for (channel, values) in output.chunks_mut(plane).enumerate() {
            values.fill(if bias { self.param(1)[channel] } else { 0.0 });
        }
        let per_group = from.channels as usize / groups;
        let out_per_group = to.channels as usize / groups;
        let taps = window.taps() as usize;
        for channel in 0..from.channels as usize {
            let weights = &self.param(0)[channel * out_per_group * taps..][..out_per_group * taps];
            let first = channel / per_group * out_per_group;
            for (index, kernel) in weights.chunks_exact(taps).enumerate() {
                let to = &mut output[(first + index) * plane..][..plane];
                self.spread(window, self.plane(channel), kernel, to);
            }
        }
    }

    /// Adds one plane, each pixel times the kernel, to another.
    fn spread(&self, window: &Window, from: &[f32], kernel: &[f32], to: &mut [f32]) {
        let (height, width) = (self.shape.height, self.shape.width);
        let columns = self.input_shape().width as usize;
        let place = |slide: &Slide, place: usize, tap: u32, extent: u32| {
            let place = slide.start(place as u32) + i64::from(tap * slide.dilation);
            usize::try_from(place).ok().filter(|&place| place < extent as usize)
        };
        for (pixel, value) in from.iter().enumerate() {
            for (tap, weight) in kernel.iter().enumerate() {
                let (tap_row, tap_column) = (tap as u32 / window.columns.kernel, tap as u32 % window.columns.kernel);
                let row = place(&window.rows, pixel / columns, tap_row, height);
                let column = place(&window.columns, pixel % columns, tap_column, width);
                if let (Some(row), Some(column)) = (row, column) {
                    to[row * width as usize + column] += value * weight;
                }
            }
        }
    }

    pub fn matmul(&self, output: &mut [f32]) {
        let inner = self.input_shape().width as usize;
        let (height, width) = (self.shape.height as usize, self.shape.width as usize);
        self.each_output(output, |channel, row, column| {
            let left = &self.input(0)[(channel * height + row) * inner..][..inner];
            let right = &self.input(1)[channel * inner * width..][..inner * width];
            left.iter().zip(right.iter().skip(column).step_by(width)).map(|(a, b)| a * b).sum()
        });
    }
}

fn mix(between: Between, low: f32, high: f32) -> f32 {
    low * (1.0 - between.part) + high * between.part
}
