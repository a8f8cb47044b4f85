//! Operators that move elements, as nodes of ONNX.

use super::operator::onnx_axis;
use super::writer::{Writer, int, text, whole};
use cnasc_ir::op::{Axis, Fill, Pad, Slice};
use cnasc_ir::{Shape, TensorId};

impl Writer<'_> {
    /// `input` with the extents of an image of this shape.
    pub(super) fn reshape(&mut self, shape: Shape, name: &str, input: String, output: &str) {
        let extents = self.integers(&format!("{name}.extents"), &whole(shape));
        self.node("Reshape", name, vec![input, extents], output, Vec::new());
    }

    pub(super) fn slice(&mut self, slice: &Slice, name: &str, input: String, output: &str) {
        let (start, step) = (i64::from(slice.start), i64::from(slice.step));
        let last = start + i64::from(slice.count.saturating_sub(1)) * step;
        // A bound below 0 counts from the axis' end: none but one far below stands for the place before the first.
        let end = if step < 0 && last == 0 { i64::MIN + 1 } else { last + step.signum() };
        let bounds = [("starts", start), ("ends", end), ("axes", onnx_axis(slice.axis)), ("steps", step)];
        let bounds = bounds.map(|(role, value)| self.integers(&format!("{name}.{role}"), &[value]));
        let inputs = std::iter::once(input).chain(bounds).collect();
        self.node("Slice", name, inputs, output, Vec::new());
    }

    /// As `Pad` where every version of it can do that, else by naming for each place of an axis the one that it takes.
    pub(super) fn pad(&mut self, id: TensorId, pad: &Pad, name: &str, input: String, output: &str) {
        let shape = self.step_of(self.step_of(id).inputs[0]).shape;
        let once =
            Axis::ALL.iter().all(|axis| pad.before[axis.index()].max(pad.after[axis.index()]) < shape.extent(*axis));
        let mode = match pad.fill {
            Fill::Constant(_) => "constant",
            Fill::Edge => "edge",
            Fill::Reflect if once => "reflect",
            Fill::Reflect | Fill::Wrap => return self.gather(pad, shape, name, input, output),
        };
        let along = |sides: [u32; 3]| std::iter::once(0).chain(sides.map(i64::from));
        let sides: Vec<i64> = along(pad.before).chain(along(pad.after)).collect();
        let mut inputs = vec![input, self.integers(&format!("{name}.sides"), &sides)];
        if let Fill::Constant(value) = pad.fill {
            inputs.push(self.constant(&format!("{name}.fill"), vec![], &[value]));
        }
        self.node("Pad", name, inputs, output, vec![text("mode", mode)]);
    }

    fn gather(&mut self, pad: &Pad, shape: Shape, name: &str, mut input: String, output: &str) {
        for axis in Axis::ALL {
            let extent = shape.extent(axis);
            let padded = pad.before[axis.index()] + extent + pad.after[axis.index()];
            let places: Vec<i64> =
                (0..padded).filter_map(|place| pad.source(axis, place, extent)).map(i64::from).collect();
            let places = self.integers(&format!("{name}.{axis}"), &places);
            let last = axis == Axis::Columns;
            let label = if last { name.to_owned() } else { self.names.fresh(&format!("{name}.padded_{axis}")) };
            let made = if last { output.to_owned() } else { label.clone() };
            self.node("Gather", &label, vec![input, places], &made, vec![int("axis", onnx_axis(axis))]);
            input = made;
        }
    }
}
