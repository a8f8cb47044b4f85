//! Element-wise work in one pass: a sum of tensors, each with a weight or without, and the activation behind it.
//!
//! An activation alone is a sum of one. Sums of more tensors than registers hold weights for are made in several passes.

use super::activation::Activation;
use super::emit::{Emitter, QUADS, VECTOR};
use super::kernel::Arguments;
use super::view::View;
use cranelift_codegen::ir::Value;

/// The most tensors of one pass: as many weights stay in registers beside the sums.
pub const MOST_INPUTS: usize = 8;

/// What the code depends on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sum {
    /// All of the output's shape, each with its own border.
    pub inputs: Vec<View>,
    pub output: View,
    /// Whether each input has a factor.
    pub weighted: bool,
    /// Whether inputs go through the sigmoid first.
    pub sigmoid: bool,
    /// Whether it adds to what the output holds.
    pub accumulate: bool,
    /// What is done to the sums.
    pub activation: Activation,
}

impl Sum {
    pub fn emit(&self, emit: &mut Emitter<'_>, arguments: &Arguments) {
        let factors: Vec<Value> = if self.weighted {
            (0..self.inputs.len() as u64).map(|index| emit.load_splat(arguments.weights, index)).collect()
        } else {
            Vec::new()
        };
        let views = || self.inputs.iter().chain([&self.output]);
        let pointers = arguments.inputs.iter().chain([&arguments.output]);
        let starts: Vec<Value> =
            pointers.zip(views()).map(|(&pointer, view)| emit.offset(pointer, view.origin())).collect();
        let moving = |starts: &[Value], pitch: fn(&View) -> u64| -> Vec<(Value, u64)> {
            starts.iter().copied().zip(views().map(pitch)).collect()
        };
        let masked = self.masked() && self.output.spare_lanes() > 0;
        if !masked && views().all(|view| view.border == 0) {
            let pixels = self.output.len() / View::PIXEL;
            emit.each(pixels, &moving(&starts, |_| View::PIXEL), |emit, pixel| {
                self.pixel(emit, pixel, &factors, View::PIXEL);
            });
            return;
        }
        emit.each(self.output.height(), &moving(&starts, View::row_pitch), |emit, row| {
            let plain = self.output.blocks() - u64::from(masked);
            emit.each(plain, &moving(row, View::block_pitch), |emit, block| {
                emit.each(self.output.width(), &moving(block, |_| View::PIXEL), |emit, pixel| {
                    self.pixel(emit, pixel, &factors, View::PIXEL);
                });
            });
            if masked {
                let last: Vec<Value> =
                    row.iter().zip(views()).map(|(&row, view)| emit.offset(row, plain * view.block_pitch())).collect();
                let lanes = View::PIXEL - self.output.spare_lanes();
                emit.each(self.output.width(), &moving(&last, |_| View::PIXEL), |emit, pixel| {
                    self.pixel(emit, pixel, &factors, lanes);
                });
            }
        });
    }

    /// Whether something becomes of zeros, which padded lanes must not.
    fn masked(&self) -> bool {
        self.sigmoid || !self.activation.keeps_zero()
    }

    /// One pixel of one block, of which so many lanes are channels; the last pointer is the output's.
    fn pixel(&self, emit: &mut Emitter<'_>, pointers: &[Value], factors: &[Value], lanes: u64) {
        let (&output, inputs) = pointers.split_last().expect("a kernel has an output");
        for quad in 0..QUADS {
            let start = quad * VECTOR;
            let mut sum = self.accumulate.then(|| emit.load(output, start));
            for (index, &input) in inputs.iter().enumerate() {
                let mut value = emit.load(input, start);
                if self.sigmoid {
                    value = emit.sigmoid(value);
                }
                sum = Some(match (sum, factors.get(index)) {
                    (Some(sum), Some(&factor)) => emit.multiply_add(value, factor, sum),
                    (Some(sum), None) => emit.add(sum, value),
                    (None, Some(&factor)) => emit.multiply(value, factor),
                    (None, None) => value,
                });
            }
            let mut value = sum.unwrap_or_else(|| emit.splat(0.0));
            value = self.activation.emit(emit, value);
            if self.masked() {
                // The sigmoid of a padded lane is one half.
                value = emit.keep_lanes(value, lanes.saturating_sub(start));
            }
            emit.store(value, output, start);
        }
    }
}
