//! Depthwise convolutions: each vector of four channels on its own, its taps held in registers while it runs along the row.
//!
//! Padding is the input view's border, so all pixels are alike. Kernels with more taps than registers hold load them as they go.

use super::activation::Activation;
use super::emit::{Emitter, QUADS, VECTOR};
use super::kernel::Arguments;
use super::tiles::Tiles;
use super::view::View;
use cnasc_ir::op::Window;
use cranelift_codegen::ir::Value;

/// Up to so many taps stay in registers.
const TAPS_HELD: u64 = 9;
/// Pixels of a tile beside held taps, of sixteen registers.
const PIXELS_BESIDE_TAPS: u64 = 4;
/// Pixels of a tile where taps are loaded.
const PIXELS: u64 = 8;

/// What the code depends on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Depthwise {
    pub input: View,
    pub output: View,
    /// Its padding is at most the input's border.
    pub window: Window,
    pub activation: Activation,
}

impl Depthwise {
    /// Whether its window has one side, one stride, the same padding all around, and no gaps; then the next three say which.
    pub fn is_square(&self) -> bool {
        let (rows, columns) = (self.window.rows, self.window.columns);
        rows == columns && rows.dilation == 1 && rows.before == rows.after
    }

    /// The side of a square window.
    pub fn kernel(&self) -> u32 {
        self.window.rows.kernel
    }

    /// The stride of a square window.
    pub fn stride(&self) -> u32 {
        self.window.rows.stride
    }

    /// The padding of a square window.
    pub fn padding(&self) -> u32 {
        self.window.rows.before
    }

    /// Floats of the packed weights.
    pub fn packed_len(&self) -> u64 {
        self.input.blocks() * QUADS * self.vector_len()
    }

    /// For each vector of channels its biases, then tap by tap its weights; zero in padded lanes. `weights` are `[channels, 1, k, k]`.
    pub fn pack(&self, weights: &[f32], bias: Option<&[f32]>) -> Vec<u32> {
        self.pack_vectors(VECTOR, weights, bias)
    }

    /// The same for vectors of so many floats.
    pub fn pack_vectors(&self, vector: u64, weights: &[f32], bias: Option<&[f32]>) -> Vec<u32> {
        let channels = u64::from(self.input.shape.channels);
        let mut packed = Vec::with_capacity(self.packed_len() as usize);
        for first in (0..self.input.blocks() * View::PIXEL).step_by(vector as usize) {
            let lanes = first..first + vector;
            packed.extend(lanes.clone().map(|lane| match bias {
                Some(bias) if lane < channels => bias[lane as usize].to_bits(),
                _ => 0,
            }));
            for tap in 0..self.taps() {
                let weight = |lane| if lane < channels { weights[(lane * self.taps() + tap) as usize] } else { 0.0 };
                packed.extend(lanes.clone().map(|lane| weight(lane).to_bits()));
            }
        }
        packed
    }

    pub fn emit(&self, emit: &mut Emitter<'_>, arguments: &Arguments) {
        let input = emit.offset(arguments.inputs[0], self.input.corner(&self.window));
        let output = emit.offset(arguments.output, self.output.origin());
        let step = u64::from(self.window.rows.stride) * self.input.row_pitch();
        emit.each(self.output.height(), &[(input, step), (output, self.output.row_pitch())], |emit, row| {
            let weights = arguments.weights;
            let blocks = [
                (row[0], self.input.block_pitch()),
                (row[1], self.output.block_pitch()),
                (weights, QUADS * self.vector_len()),
            ];
            emit.each(self.output.blocks(), &blocks, |emit, block| {
                let quads = [(block[0], VECTOR), (block[1], VECTOR), (block[2], self.vector_len())];
                emit.each(QUADS, &quads, |emit, quad| self.row(emit, quad[0], quad[1], quad[2]));
            });
        });
    }

    /// One row of one vector of channels.
    fn row(&self, emit: &mut Emitter<'_>, input: Value, output: Value, weights: Value) {
        let bias = emit.load(weights, 0);
        let held: Option<Vec<Value>> = (self.taps() <= TAPS_HELD)
            .then(|| (0..self.taps()).map(|tap| emit.load(weights, (tap + 1) * VECTOR)).collect());
        let stride = u64::from(self.window.columns.stride) * View::PIXEL;
        let (mut from, mut to) = (input, output);
        let most = if held.is_some() { PIXELS_BESIDE_TAPS } else { PIXELS };
        for (size, count) in Tiles::of(self.output.width(), most).groups() {
            emit.each(count, &[(from, size * stride), (to, size * View::PIXEL)], |emit, pixels| {
                let sums = vec![bias; size as usize];
                let sums = match &held {
                    Some(taps) => self.held_taps(emit, pixels[0], taps, sums),
                    None => self.loaded_taps(emit, pixels[0], weights, &sums),
                };
                for (pixel, sum) in (0_u64..).zip(sums) {
                    let value = self.activation.emit(emit, sum);
                    emit.store(value, pixels[1], pixel * View::PIXEL);
                }
            });
            from = emit.offset(from, count * size * stride);
            to = emit.offset(to, count * size * View::PIXEL);
        }
    }

    fn held_taps(&self, emit: &mut Emitter<'_>, input: Value, taps: &[Value], mut sums: Vec<Value>) -> Vec<Value> {
        let columns = u64::from(self.window.columns.kernel);
        let (down, right) = self.tap_pitches();
        for (tap, &weight) in (0_u64..).zip(taps) {
            let start = tap / columns * down + tap % columns * right;
            self.tap(emit, input, start, weight, &mut sums);
        }
        sums
    }

    fn loaded_taps(&self, emit: &mut Emitter<'_>, input: Value, weights: Value, sums: &[Value]) -> Vec<Value> {
        let (rows, columns) = (u64::from(self.window.rows.kernel), u64::from(self.window.columns.kernel));
        let (down, right) = self.tap_pitches();
        let weights = emit.offset(weights, VECTOR);
        let moving = [(input, down), (weights, columns * VECTOR)];
        emit.repeat(rows, &moving, sums, |emit, row, sums| {
            emit.repeat(columns, &[(row[0], right), (row[1], VECTOR)], sums, |emit, tap, sums| {
                let mut sums = sums.to_vec();
                let weight = emit.load(tap[1], 0);
                self.tap(emit, tap[0], 0, weight, &mut sums);
                sums
            })
        })
    }

    /// Adds one tap to the sum of each pixel.
    fn tap(&self, emit: &mut Emitter<'_>, input: Value, start: u64, weight: Value, sums: &mut [Value]) {
        let stride = u64::from(self.window.columns.stride) * View::PIXEL;
        for (pixel, sum) in (0_u64..).zip(sums) {
            let value = emit.load(input, start + pixel * stride);
            *sum = emit.multiply_add(value, weight, *sum);
        }
    }

    fn taps(&self) -> u64 {
        self.window.taps()
    }

    /// From a tap to the one below it and to the one at its right.
    fn tap_pitches(&self) -> (u64, u64) {
        let (rows, columns) = (u64::from(self.window.rows.dilation), u64::from(self.window.columns.dilation));
        (rows * self.input.row_pitch(), columns * View::PIXEL)
    }

    /// Floats of the packed weights of one vector of channels.
    fn vector_len(&self) -> u64 {
        (self.taps() + 1) * VECTOR
    }
}
