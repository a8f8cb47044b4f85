//! The meaning of a tensor graph, as directly as it can be written, in f64. Shares no code with folding or with any kernel.

use cnasc_ir::op::{Axis, Gate, Slide, Window};
use cnasc_ir::tensor::Step;
use cnasc_ir::{Op, Shape, TensorGraph, Weights};

/// The values of all tensors in the order channel, row, column.
pub fn evaluate(graph: &TensorGraph, weights: &Weights, image: &[f64]) -> Vec<Vec<f64>> {
    let mut tensors: Vec<Vec<f64>> = Vec::new();
    for step in &graph.steps {
        let inputs: Vec<&[f64]> = step.inputs.iter().map(|input| tensors[input.index()].as_slice()).collect();
        let made = if step.op == Op::Input { image.to_vec() } else { apply(graph, weights, step, &inputs) };
        assert_eq!(made.len() as u64, step.shape.elements(), "{}", step.op);
        tensors.push(made);
    }
    tensors
}

fn apply(graph: &TensorGraph, weights: &Weights, step: &Step, inputs: &[&[f64]]) -> Vec<f64> {
    let param = |index: usize| -> Vec<f64> {
        step.params.get(index).map_or(Vec::new(), |&id| weights.of(id).iter().map(|&value| f64::from(value)).collect())
    };
    let shape = graph.input_shapes(step)[0];
    let map = |function: &dyn Fn(f64) -> f64| inputs[0].iter().map(|&value| function(value)).collect();
    let join = |term: &dyn Fn(usize, f64) -> f64| -> Vec<f64> {
        (0..inputs[0].len()).map(|at| inputs.iter().enumerate().map(|(j, input)| term(j, input[at])).sum()).collect()
    };
    let first = param(0);
    match step.op {
        Op::Input => unreachable!("the image is given"),
        Op::WeightedSum { gate: Gate::Plain } => join(&|j, x| first[j] * x),
        Op::WeightedSum { gate: Gate::SigmoidWeights } => join(&|j, x| sigmoid(first[j]) * x),
        Op::WeightedSum { gate: Gate::SigmoidInputs } => join(&|j, x| first[j] * sigmoid(x)),
        Op::Sum => join(&|_, x| x),
        Op::Mean => join(&|_, x| x / inputs.len() as f64),
        Op::Concat { axis: Axis::Channels } => inputs.concat(),
        Op::Concat { axis } => {
            assert_eq!(axis, Axis::Rows, "networks are cut so");
            let channels = shape.channels as usize;
            let channel = |input: &&[f64], c: usize| {
                let plane = input.len() / channels;
                input[c * plane..(c + 1) * plane].to_vec()
            };
            (0..channels).flat_map(|c| inputs.iter().flat_map(move |input| channel(input, c))).collect()
        }
        Op::Relu => map(&|x| x.max(0.0)),
        Op::Sigmoid => map(&sigmoid),
        Op::Clip { min, max } => map(&|x| x.clamp(f64::from(min), f64::from(max))),
        Op::LeakyRelu { slope } => map(&|x| if x < 0.0 { f64::from(slope) * x } else { x }),
        Op::HardSwish => map(&|x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0)),
        Op::HardSigmoid { alpha, beta } => map(&|x| (f64::from(alpha) * x + f64::from(beta)).clamp(0.0, 1.0)),
        Op::Softmax { axis } => {
            assert_eq!(axis, Axis::Channels, "networks are drawn so");
            let plane = shape.plane() as usize;
            let total =
                |place: usize| inputs[0].iter().skip(place % plane).step_by(plane).map(|&x| libm::exp(x)).sum::<f64>();
            inputs[0].iter().enumerate().map(|(place, &x)| libm::exp(x) / total(place)).collect()
        }
        Op::Lrn { size, alpha, beta, bias } => {
            let (before, behind) = (i64::from(size - 1) / 2, i64::from(size) / 2);
            let normed = |[c, y, x]: [i64; 3]| {
                let squares: f64 = (c - before..=c + behind)
                    .filter(|&c| (0..i64::from(shape.channels)).contains(&c))
                    .map(|c| at((shape, inputs[0]), [c, y, x]).powi(2))
                    .sum();
                let base = f64::from(bias) + f64::from(alpha) / f64::from(size) * squares;
                at((shape, inputs[0]), [c, y, x]) / libm::pow(base, f64::from(beta))
            };
            places(shape).map(normed).collect()
        }
        Op::Add | Op::Sub | Op::Mul | Op::Div => {
            let shapes = graph.input_shapes(step);
            let value = |index: usize, place: [i64; 3]| {
                let extents = [shapes[index].channels, shapes[index].height, shapes[index].width];
                let place = [0, 1, 2].map(|axis| if extents[axis] == 1 { 0 } else { place[axis] });
                at((shapes[index], inputs[index]), place)
            };
            let of = |place| match step.op {
                Op::Add => value(0, place) + value(1, place),
                Op::Sub => value(0, place) - value(1, place),
                Op::Mul => value(0, place) * value(1, place),
                _ => value(0, place) / value(1, place),
            };
            places(step.shape).map(of).collect()
        }
        Op::Constant { .. } => first,
        Op::Conv { window, groups, .. } => {
            conv((shape, inputs[0]), step.shape, &first, &param(1), (&window, i64::from(groups)))
        }
        Op::BatchNorm => {
            let [shift, mean, variance] = [1, 2, 3].map(param);
            let plane = shape.plane() as usize;
            let norm = |(at, x): (usize, &f64)| {
                let c = at / plane;
                (x - mean[c]) / (variance[c] + 1e-5).sqrt() * first[c] + shift[c]
            };
            inputs[0].iter().enumerate().map(norm).collect()
        }
        Op::MaxPool { window } => {
            windows((shape, inputs[0]), step.shape, &window, |window| window.fold(f64::MIN, f64::max))
        }
        Op::AvgPool { window, .. } => {
            windows((shape, inputs[0]), step.shape, &window, |values| values.sum::<f64>() / window.taps() as f64)
        }
        Op::GlobalAvg => {
            let plane = shape.plane() as usize;
            inputs[0].chunks(plane).map(|channel| channel.iter().sum::<f64>() / plane as f64).collect()
        }
        Op::Linear { outputs, bias } => {
            let row = |index: usize| -> f64 {
                let row = &first[index * inputs[0].len()..][..inputs[0].len()];
                row.iter().zip(inputs[0]).map(|(w, x)| w * x).sum::<f64>() + if bias { param(1)[index] } else { 0.0 }
            };
            (0..outputs as usize).map(row).collect()
        }
        Op::Slice(slice) => {
            let from = |place: [i64; 3]| {
                let along = |axis: usize| {
                    if axis == slice.axis.index() {
                        i64::from(slice.start) + place[axis] * i64::from(slice.step)
                    } else {
                        place[axis]
                    }
                };
                at((shape, inputs[0]), [0, 1, 2].map(along))
            };
            places(step.shape).map(from).collect()
        }
        Op::Pad(_)
        | Op::Transpose(_)
        | Op::Reshape(_)
        | Op::Reduce(_)
        | Op::Resize(_)
        | Op::ConvTranspose { .. }
        | Op::MatMul
        | Op::Scale { .. } => unreachable!("networks are drawn without"),
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-x))
}

fn places(shape: Shape) -> impl Iterator<Item = [i64; 3]> {
    let [channels, height, width] = [shape.channels, shape.height, shape.width].map(i64::from);
    (0..channels).flat_map(move |c| (0..height).flat_map(move |y| (0..width).map(move |x| [c, y, x])))
}

fn at((shape, values): (Shape, &[f64]), [c, y, x]: [i64; 3]) -> f64 {
    let (height, width) = (i64::from(shape.height), i64::from(shape.width));
    let inside = (0..height).contains(&y) && (0..width).contains(&x);
    if inside { values[((c * height + y) * width + x) as usize] } else { 0.0 }
}

/// The input place of a tap at an output place.
fn seen(window: &Window, [y, x]: [i64; 2], [dy, dx]: [i64; 2]) -> [i64; 2] {
    let along = |slide: &Slide, place: i64, tap: i64| {
        place * i64::from(slide.stride) + tap * i64::from(slide.dilation) - i64::from(slide.before)
    };
    [along(&window.rows, y, dy), along(&window.columns, x, dx)]
}

fn conv(
    input: (Shape, &[f64]),
    output: Shape,
    weight: &[f64],
    bias: &[f64],
    (window, groups): (&Window, i64),
) -> Vec<f64> {
    let (rows, columns) = window.kernel();
    let (per_group, out_per_group) = (i64::from(input.0.channels) / groups, i64::from(output.channels) / groups);
    let value = |[c, y, x]: [i64; 3]| {
        let taps = Shape::new(per_group as u32, rows, columns);
        let sum: f64 = places(taps)
            .map(|[i, dy, dx]| {
                let [row, column] = seen(window, [y, x], [dy, dx]);
                let place = ((c * per_group + i) * i64::from(rows) + dy) * i64::from(columns) + dx;
                weight[place as usize] * at(input, [c / out_per_group * per_group + i, row, column])
            })
            .sum();
        sum + bias.get(c as usize).copied().unwrap_or(0.0)
    };
    places(output).map(value).collect()
}

/// Windows without padding.
fn windows(
    input: (Shape, &[f64]),
    output: Shape,
    window: &Window,
    reduce: impl Fn(&mut dyn Iterator<Item = f64>) -> f64,
) -> Vec<f64> {
    let (rows, columns) = window.kernel();
    let value = |[c, y, x]: [i64; 3]| {
        let taps = places(Shape::new(1, rows, columns));
        reduce(&mut taps.map(|[_, dy, dx]| {
            let [row, column] = seen(window, [y, x], [dy, dx]);
            at(input, [c, row, column])
        }))
    };
    places(output).map(value).collect()
}
