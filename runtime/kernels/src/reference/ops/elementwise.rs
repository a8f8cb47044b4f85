//! Element-wise operators: activations, two tensors with broadcasting, and normalisations over neighbours.

use super::{Operands, sigmoid};
use cnasc_ir::op::{Arithmetic, Axis};
use cnasc_ir::{Op, Shape};

/// What an activation makes of a value; other operators are none.
pub fn activation(op: &Op, value: f32) -> Option<f32> {
    Some(match *op {
        Op::Relu => {
            if value > 0.0 {
                value
            } else {
                0.0
            }
        }
        Op::Sigmoid => sigmoid(value),
        Op::Clip { min, max } => value.max(min).min(max),
        Op::LeakyRelu { slope } => {
            if value < 0.0 {
                slope * value
            } else {
                value
            }
        }
        Op::HardSwish => value * (value / 6.0 + 0.5).clamp(0.0, 1.0),
        Op::HardSigmoid { alpha, beta } => (alpha * value + beta).clamp(0.0, 1.0),
        _ => return None,
    })
}

impl Operands<'_> {
    /// Each element by an activation.
    pub fn activate(&self, output: &mut [f32]) {
        for (to, &from) in output.iter_mut().zip(self.input(0)) {
            *to = activation(&self.step.op, from).unwrap_or(from);
        }
    }

    pub fn arithmetic(&self, function: Arithmetic, output: &mut [f32]) {
        let shapes = [0, 1].map(|index| self.graph.step(self.step.inputs[index]).shape);
        self.each_output(output, |channel, row, column| {
            let [left, right] = [0, 1].map(|index| self.input(index)[place(shapes[index], channel, row, column)]);
            match function {
                Arithmetic::Add => left + right,
                Arithmetic::Sub => left - right,
                Arithmetic::Mul => left * right,
                Arithmetic::Div => left / right,
            }
        });
    }

    pub fn softmax(&self, axis: Axis, output: &mut [f32]) {
        // In plain order the values along an axis lie so far apart.
        let stride = match axis {
            Axis::Channels => self.shape.plane() as usize,
            Axis::Rows => self.shape.width as usize,
            Axis::Columns => 1,
        };
        let count = self.shape.extent(axis) as usize;
        let input = self.input(0);
        for start in (0..output.len()).filter(|place| place / stride % count == 0) {
            let line = (0..count).map(|index| start + index * stride);
            let greatest = line.clone().fold(f32::NEG_INFINITY, |most, place| most.max(input[place]));
            let exponential = |place: usize| libm::expf(input[place] - greatest);
            let sum: f32 = line.clone().map(exponential).sum();
            line.for_each(|place| output[place] = exponential(place) / sum);
        }
    }

    pub fn lrn(&self, size: u32, (alpha, beta, bias): (f32, f32, f32), output: &mut [f32]) {
        let (before, behind) = ((size - 1) as usize / 2, size as usize / 2);
        self.each_output(output, |channel, row, column| {
            let value = |channel| self.input(0)[place(self.shape, channel, row, column)];
            let last = (channel + behind).min(self.shape.channels as usize - 1);
            let squares: f32 =
                (channel.saturating_sub(before)..=last).map(|channel| value(channel) * value(channel)).sum();
            value(channel) / libm::powf(bias + alpha / size as f32 * squares, beta)
        });
    }
}

/// Where a value lies in plain order; in a tensor of extent 1 along an axis, for all places there.
fn place(shape: Shape, channel: usize, row: usize, column: usize) -> usize {
    let along = |place: usize, extent: u32| if extent == 1 { 0 } else { place };
    let (channel, row, column) = (along(channel, shape.channels), along(row, shape.height), along(column, shape.width));
    (channel * shape.height as usize + row) * shape.width as usize + column
}
