//! A linear layer as an operator with kernels of our own for values and gradients, on several threads.

use crate::block::Threads;
use crate::lanes::LANES;
use crate::layout::numbers;
use crate::product::{Begin, Rows, Target, add_products, multiply};
use crate::room::Room;
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::NoCheckpointing;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};
use burn_backend::{BackendTypes, TensorData};
use burn_flex::{Flex, FlexTensor};
use burn_tensor::Tensor;
use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::{ParallelSlice, ParallelSliceMut};
use std::borrow::Cow;

type Learning = Autodiff<Flex, NoCheckpointing>;
type Learnt = <Learning as BackendTypes>::FloatTensorPrimitive;

/// Images, or outputs, that a thread takes at a time.
const PART: usize = 28;

/// The product of rows, an image each, and the rows of a matrix, an output each, plus a bias where it has elements.
///
/// # Panics
/// Where the tensors are not burn's on its backend `flex`, on which all are made.
pub fn apply(x: Tensor<2>, weight: Tensor<2>, bias: Tensor<1>, threads: &Threads) -> Tensor<2> {
    let made_on = "tensors are made on this backend";
    if !x.is_autodiff() {
        let [x, weight] = [x, weight].map(|of| of.try_into_primitive::<Flex>().expect(made_on).to_contiguous());
        let bias = bias.try_into_primitive::<Flex>().expect(made_on);
        return Tensor::from_primitive::<Flex>(forward(&x, &weight, numbers(&bias), threads));
    }
    let [x, weight] = [x, weight].map(|of| of.try_into_primitive::<Learning>().expect(made_on));
    let bias: Learnt = bias.try_into_primitive::<Learning>().expect(made_on);
    let nodes = [x.node(), weight.node(), bias.node()];
    let [x, weight] = [x, weight].map(|of| of.primitive().to_contiguous());
    let output = forward(&x, &weight, numbers(bias.primitive()), threads);
    let kept = Kept { x, weight, threads: threads.clone() };
    let output = match Step.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(step) => step.finish(kept, output),
        OpsKind::UnTracked(step) => step.finish(output),
    };
    Tensor::from_primitive::<Learning>(output)
}

fn forward(x: &FlexTensor, weight: &FlexTensor, bias: &[f32], threads: &Threads) -> FlexTensor {
    let [[images, inputs], [outputs, _]] = [x, weight].map(|of| of.layout().shape().dims());
    // Images as columns: there are fewer of their numbers to turn than of the weights'.
    let width = images.next_multiple_of(LANES);
    let mut values = threads.install(|| {
        let columns = turned(numbers(x), inputs, width);
        let values = product((numbers(weight), inputs), (&columns, width), images);
        turned(&values, images, outputs)
    });
    for row in values.chunks_exact_mut(outputs) {
        row.iter_mut().zip(bias).for_each(|(value, bias)| *value += bias);
    }
    FlexTensor::from_data(TensorData::new(values, [images, outputs]))
}

/// A matrix of so many columns with its rows as columns, and zeros up to `width` of them.
fn turned(matrix: &[f32], columns: usize, width: usize) -> Vec<f32> {
    let mut turned = vec![0.0; columns * width];
    turned.par_chunks_mut(LANES * width).enumerate().for_each(|(block, to)| {
        // A line of the caches at a time, which is of as many rows.
        for (first, rows) in (0..).step_by(LANES).zip(matrix.chunks(LANES * columns)) {
            for (column, to) in (block * LANES..).zip(to.chunks_exact_mut(width)) {
                let rows = rows.chunks_exact(columns);
                to[first..].iter_mut().zip(rows).for_each(|(to, row)| *to = row[column]);
            }
        }
    });
    turned
}

/// The product of rows of so many numbers and a matrix whose rows have `width`, of which `count` are wanted.
fn product((rows, length): (&[f32], usize), (matrix, width): (&[f32], usize), count: usize) -> Vec<f32> {
    let mut room = Room::new(rows.len() / length * count);
    let parts = room.parts(PART * count);
    rows.par_chunks(PART * length).zip(parts).for_each(|(numbers, to)| {
        let places = |width: usize| -> Vec<usize> { (0..numbers.len() / length).map(|row| row * width).collect() };
        let rows = Rows { numbers, places: &places(length), parts: &[0], length };
        let target = Target { numbers: to.open(), places: &places(count), distance: 0, count };
        multiply(rows, (matrix, width), target, Begin::Zero);
    });
    room.into_numbers()
}

/// A matrix whose rows fill vectors.
fn filled(matrix: &[f32], columns: usize) -> (Cow<'_, [f32]>, usize) {
    let width = columns.next_multiple_of(LANES);
    if width == columns {
        return (matrix.into(), width);
    }
    let mut filled = vec![0.0; matrix.len() / columns * width];
    filled
        .chunks_exact_mut(width)
        .zip(matrix.chunks_exact(columns))
        .for_each(|(to, row)| to[..columns].copy_from_slice(row));
    (filled.into(), width)
}

/// For each output a row: the sum over images of its gradient times the image.
fn of_weights((x, inputs): (&[f32], usize), (gradient, outputs): (&[f32], usize)) -> Vec<f32> {
    let width = inputs.next_multiple_of(LANES);
    let mut sums = vec![0.0; outputs * width];
    let places: Vec<usize> = (0..x.len() / inputs).map(|image| image * outputs).collect();
    sums.par_chunks_mut(PART * width).enumerate().for_each(|(index, to)| {
        let rows = Rows { numbers: gradient, places: &places, parts: &[index * PART], length: to.len() / width };
        add_products(rows, (x, inputs), (to, width));
    });
    if width == inputs {
        return sums;
    }
    sums.chunks_exact(width).flat_map(|row| &row[..inputs]).copied().collect()
}

/// What the gradient needs of the values.
#[derive(Debug, Clone)]
struct Kept {
    x: FlexTensor,
    weight: FlexTensor,
    threads: Threads,
}

#[derive(Debug)]
struct Step;

impl Backward<Flex, 3> for Step {
    type State = Kept;

    fn backward(self, ops: Ops<Kept, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let gradient = numbers(&gradient);
        let Kept { x, weight, threads } = ops.state;
        let [[images, inputs], [outputs, _]] = [&x, &weight].map(|of| of.layout().shape().dims());
        let [of_x, of_weight, of_bias] = ops.parents;
        let [of_input, of_matrix] = threads.install(|| {
            let (matrix, width) = filled(numbers(&weight), inputs);
            [
                of_x.as_ref().map(|_| product((gradient, outputs), (&matrix, width), inputs)),
                of_weight.as_ref().map(|_| of_weights((numbers(&x), inputs), (gradient, outputs))),
            ]
        });
        let mut of_row = vec![0.0; outputs];
        for row in gradient.chunks_exact(outputs) {
            of_row.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        let found = [(of_x, of_input, vec![images, inputs]), (of_weight, of_matrix, vec![outputs, inputs])];
        for (node, values, extents) in found.into_iter().chain([(of_bias, Some(of_row), vec![outputs])]) {
            if let (Some(node), Some(values)) = (node, values) {
                gradients.register::<Flex>(node.id, FlexTensor::from_data(TensorData::new(values, extents)));
            }
        }
    }
}
