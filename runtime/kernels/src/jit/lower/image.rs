//! Reductions, resizing, transposed convolutions and products of matrices as calls.
//!
//! A pool reduces rows and columns; channels are turned into columns for it. A transposed convolution is a convolution with the kernel
//! turned half around, on an image whose pixels lie a stride apart among zeros.

use super::super::gather::Walk;
use super::super::interpolate::{Interpolate, Mixed};
use super::super::kernel::Kernel;
use super::super::pool::{self, Pool};
use super::super::product::Product;
use super::super::view::View;
use super::{Dense, Lowering};
use crate::CompileError;
use crate::jit::activation::Activation;
use cnasc_ir::op::{Axis, Interpolation, Reduce, Reduction, Resize, Slide, Window};
use cnasc_ir::tensor::Step;
use cnasc_ir::{Op, Shape, TensorId};
use std::sync::Arc;

impl Lowering<'_> {
    pub(super) fn reduce(&mut self, step: &Step, output: TensorId, reduce: Reduce) -> Result<(), CompileError> {
        let input = self.read(step.inputs[0]);
        let target = self.make(output)?;
        if !reduce.axes.has(Axis::Channels) {
            self.pooled(input, target, reduce);
            return Ok(());
        }
        let plane = Reduce { axes: reduce.axes.iter().filter(|&axis| axis != Axis::Channels).collect(), ..reduce };
        let mut from = input;
        if reduce.axes != [Axis::Channels].into_iter().collect() {
            let channels = self.program.buffers[input].shape.channels;
            let shape = step.shape.with(Axis::Channels, channels);
            from = self.add(View::plain(shape))?;
            self.pooled(input, from, plane);
        }
        // What is left has its channels and columns exchanged, and back.
        let shape = self.program.buffers[from].shape;
        let turned = self.turned(from, View::plain(Shape::new(shape.width, shape.height, shape.channels)))?;
        let single = self.add(View::plain(Shape::new(shape.width, shape.height, 1)))?;
        self.pooled(turned, single, Reduce { axes: [Axis::Columns].into_iter().collect(), ..reduce });
        self.gather(single, target, exchanged(self.program.buffers[single].shape));
        Ok(())
    }

    fn turned(&mut self, input: usize, view: View) -> Result<usize, CompileError> {
        let walks = exchanged(self.program.buffers[input].shape);
        let target = self.add(view)?;
        self.gather(input, target, walks);
        Ok(target)
    }

    /// Rows and columns reduced.
    fn pooled(&mut self, input: usize, output: usize, reduce: Reduce) {
        let (from, to) = (self.program.buffers[input], self.program.buffers[output]);
        let slide = |axis: Axis| Slide::new(if reduce.axes.has(axis) { from.shape.extent(axis) } else { 1 }, 1, 0);
        let window = Window { rows: slide(Axis::Rows), columns: slide(Axis::Columns) };
        let reduce = match reduce.to {
            Reduction::Mean => pool::Reduce::Mean { counted: [0; 4] },
            Reduction::Sum => pool::Reduce::Sum,
            Reduction::Max => pool::Reduce::Max,
        };
        self.call(Kernel::Pool(Pool::new(from, to, window, reduce)), vec![input], output);
    }

    pub(super) fn resize(&mut self, step: &Step, output: TensorId, resize: &Resize) -> Result<(), CompileError> {
        let from = self.graph.step(step.inputs[0]).shape;
        if resize.interpolation != Interpolation::Linear {
            let walks = Axis::ALL.map(|axis| {
                let low = |place| resize.between(axis, place, from.extent(axis)).low;
                if axis == Axis::Channels {
                    Walk::whole(axis, from.channels)
                } else {
                    Walk::of(axis, (0..step.shape.extent(axis)).map(low))
                }
            });
            return self.gather_whole(step, output, walks);
        }
        let places = [Axis::Rows, Axis::Columns].map(|axis| {
            let mixed = |place| {
                let between = resize.between(axis, place, from.extent(axis));
                Mixed { low: between.low, high: between.high, part: between.part.to_bits() }
            };
            (0..step.shape.extent(axis)).map(mixed).collect::<Arc<[Mixed]>>()
        });
        let input = self.read(step.inputs[0]);
        let target = self.make(output)?;
        let (input_view, output_view) = (self.program.buffers[input], self.program.buffers[target]);
        let interpolate = Interpolate { input: input_view, output: output_view, places };
        self.call(Kernel::Interpolate(interpolate), vec![input], target);
        Ok(())
    }

    pub(super) fn conv_transpose(
        &mut self,
        step: &Step,
        output: TensorId,
        activation: Activation,
    ) -> Result<(), CompileError> {
        let Op::ConvTranspose { ref window, groups, channels, bias, .. } = step.op else { return Ok(()) };
        let input = self.read(step.inputs[0]);
        let from = self.program.buffers[input].shape;
        let too_large = || CompileError::Memory { what: "an image with zeros between its pixels", bytes: u64::MAX };
        let reach = |slide: &Slide| u32::try_from(slide.extent() - 1).unwrap_or(u32::MAX);
        let padded = |extent: u32, slide: &Slide| extent.checked_add(reach(slide)).ok_or_else(too_large);
        let (height, width) = (padded(step.shape.height, &window.rows)?, padded(step.shape.width, &window.columns)?);
        let sparse = self.add(View::plain(Shape::new(from.channels, height, width)))?;
        self.fill(sparse, 0.0);
        let walks = [
            Walk::whole(Axis::Channels, from.channels),
            apart(Axis::Rows, &window.rows, reach(&window.rows), (from.height, height)),
            apart(Axis::Columns, &window.columns, reach(&window.columns), (from.width, width)),
        ];
        if walks.iter().all(|walk| !walk.places.is_empty()) {
            self.gather(input, sparse, walks);
        }
        let target = self.make(output)?;
        let weights = turned_around(self.weights.of(step.params[0]), window, groups, (from.channels, channels));
        let slide = |slide: &Slide| Slide { stride: 1, before: 0, after: 0, ..*slide };
        let window = Window { rows: slide(&window.rows), columns: slide(&window.columns) };
        let bias = bias.then(|| self.weights.of(step.params[1]));
        self.dense(sparse, target, Dense { window, groups, weights: weights.into(), bias, activation });
        Ok(())
    }

    pub(super) fn matmul(&mut self, step: &Step, output: TensorId) -> Result<(), CompileError> {
        let inputs = [self.read(step.inputs[0]), self.read(step.inputs[1])];
        let target = self.make(output)?;
        let views = inputs.map(|buffer| self.program.buffers[buffer]);
        let product = Product { inputs: views, output: self.program.buffers[target] };
        self.call(Kernel::Product(product), inputs.to_vec(), target);
        Ok(())
    }
}

/// Channels and columns exchanged.
fn exchanged(from: Shape) -> [Walk; 3] {
    [Axis::Columns, Axis::Rows, Axis::Channels].map(|axis| Walk::whole(axis, from.extent(axis)))
}

/// The places of an input axis that reach the output, where they lie on the axis with zeros in between.
fn apart(axis: Axis, slide: &Slide, reach: u32, (extent, places): (u32, u32)) -> Walk {
    let at = |place: u32| slide.start(place) + i64::from(reach);
    let inside = |place: &u32| (0..i64::from(places)).contains(&at(*place));
    let taken: Vec<u32> = (0..extent).filter(inside).collect();
    let start = taken.first().map_or(0, |&first| at(first));
    // It lies among the places, which are 32-bit numbers.
    let start = u32::try_from(start).unwrap_or(0);
    Walk { start, step: slide.stride, ..Walk::of(axis, taken.into_iter()) }
}

/// Weights `[in, out / groups, rows, columns]` as `[out, in / groups, rows, columns]`, rows and columns from last to first.
fn turned_around(weights: &[f32], window: &Window, groups: u32, (inputs, outputs): (u32, u32)) -> Vec<f32> {
    let taps = window.taps() as usize;
    let (per_group, out_per_group) = ((inputs / groups) as usize, (outputs / groups) as usize);
    let mut turned = Vec::with_capacity(weights.len());
    for output in 0..outputs as usize {
        let (group, member) = (output / out_per_group, output % out_per_group);
        for input in group * per_group..(group + 1) * per_group {
            let kernel = &weights[(input * out_per_group + member) * taps..][..taps];
            turned.extend(kernel.iter().rev());
        }
    }
    turned
}
