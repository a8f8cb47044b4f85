//! Reductions and resizing, as nodes of ONNX.

use super::operator::onnx_axis;
use super::writer::{Writer, int, text, whole};
use cnasc_ir::Shape;
use cnasc_ir::op::{Coordinates, Interpolation, Reduce, Reduction, Resize, Rounding};

impl Writer<'_> {
    pub(super) fn reduce(&mut self, reduce: Reduce, name: &str, input: String, output: &str) {
        let axes: Vec<i64> = reduce.axes.iter().map(onnx_axis).collect();
        let axes = self.integers(&format!("{name}.axes"), &axes);
        let op_type = match reduce.to {
            Reduction::Sum => "ReduceSum",
            Reduction::Mean => "ReduceMean",
            Reduction::Max => "ReduceMax",
        };
        if reduce.to != Reduction::Sum {
            // Their axes are an input since then, a sum's since 13.
            self.needs_opset(18);
        }
        self.node(op_type, name, vec![input, axes], output, vec![int("keepdims", 1)]);
    }

    pub(super) fn resize(&mut self, resize: &Resize, from: Shape, name: &str, input: String, output: &str) {
        let [rows, columns] = resize.scales;
        let reached = [(from.height, rows, resize.height), (from.width, columns, resize.width)];
        // No region of interest; scales where they give these extents, since coordinates hang on them.
        let mut inputs = vec![input, String::new()];
        if reached.iter().all(|&(extent, scale, to)| (extent as f32 * scale).floor() as u32 == to) {
            inputs.push(self.constant(&format!("{name}.scales"), vec![4], &[1.0, 1.0, rows, columns]));
        } else {
            let to = Shape::new(from.channels, resize.height, resize.width);
            inputs.extend([String::new(), self.integers(&format!("{name}.sizes"), &whole(to))]);
        }
        let mut settings = vec![text("coordinate_transformation_mode", self.coordinates(resize.coordinates))];
        match resize.interpolation {
            Interpolation::Linear => settings.push(text("mode", "linear")),
            Interpolation::Nearest(rounding) => {
                let rounding = match rounding {
                    Rounding::PreferFloor => "round_prefer_floor",
                    Rounding::PreferCeil => "round_prefer_ceil",
                    Rounding::Floor => "floor",
                    Rounding::Ceil => "ceil",
                };
                settings.extend([text("mode", "nearest"), text("nearest_mode", rounding)]);
            }
        }
        self.node("Resize", name, inputs, output, settings);
    }

    fn coordinates(&mut self, coordinates: Coordinates) -> &'static str {
        match coordinates {
            Coordinates::HalfPixel => "half_pixel",
            Coordinates::PytorchHalfPixel => "pytorch_half_pixel",
            Coordinates::HalfPixelSymmetric => {
                self.needs_opset(19);
                "half_pixel_symmetric"
            }
            Coordinates::AlignCorners => "align_corners",
            Coordinates::Asymmetric => "asymmetric",
        }
    }
}
