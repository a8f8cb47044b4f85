//! The greatest value of each window as an operator with kernels of our own: planes side by side on several threads, and one number an output
//! kept for the gradient.

use crate::block::Threads;
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::NoCheckpointing;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};
use burn_backend::{BackendTypes, TensorData};
use burn_flex::{Flex, FlexTensor};
use burn_tensor::Tensor;
use cnasc_ir::op::{Slide, Window};
use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::{ParallelSlice, ParallelSliceMut};
use std::ops::Range;
use std::sync::Arc;

type Learning = Autodiff<Flex, NoCheckpointing>;
type Learnt = <Learning as BackendTypes>::FloatTensorPrimitive;

/// The pool of a batch, whose windows each hold a pixel.
///
/// # Panics
/// Where the tensor is not burn's on its backend `flex`, on which all are made.
pub fn max(x: Tensor<4>, window: &Window, [height, width]: [usize; 2], threads: &Threads) -> Tensor<4> {
    let made_on = "tensors are made on this backend";
    let [images, channels, rows, columns] = x.dims();
    let pool = Pool {
        from: [rows, columns],
        to: [images, channels, height, width],
        rows: seen(&window.rows, rows, height),
        columns: seen(&window.columns, columns, width),
        dilation: [window.rows.dilation as usize, window.columns.dilation as usize],
    };
    if !x.is_autodiff() {
        let x = x.try_into_primitive::<Flex>().expect(made_on).to_contiguous();
        return Tensor::from_primitive::<Flex>(pool.forward(&x, threads).0);
    }
    let x: Learnt = x.try_into_primitive::<Learning>().expect(made_on);
    let node = x.node();
    let (output, places) = pool.forward(&x.primitive().to_contiguous(), threads);
    let kept = Kept { pool: Arc::new(pool), places: places.into(), threads: threads.clone() };
    let output = match Step.prepare::<NoCheckpointing>([node]).compute_bound().stateful() {
        OpsKind::Tracked(step) => step.finish(kept, output),
        OpsKind::UnTracked(step) => step.finish(output),
    };
    Tensor::from_primitive::<Learning>(output)
}

/// Windows on planes of one size.
#[derive(Debug)]
struct Pool {
    /// Rows and columns of a plane.
    from: [usize; 2],
    /// Extents of the output.
    to: [usize; 4],
    /// For each row of the output the plane's rows that it sees: the first, and the one behind the last; every `dilation` one.
    rows: Vec<Range<usize>>,
    /// The same of columns.
    columns: Vec<Range<usize>>,
    dilation: [usize; 2],
}

fn seen(slide: &Slide, extent: usize, places: usize) -> Vec<Range<usize>> {
    let of_place = |place: usize| {
        let taps = slide.inside(place as u32, extent as u32, (0, 0));
        let at = |tap: u32| slide.start(place as u32) + i64::from(tap) * i64::from(slide.dilation);
        // Both taps lie on the plane, so that neither place is negative.
        let first = usize::try_from(at(taps.start)).unwrap_or(0);
        first..usize::try_from(at(taps.end.saturating_sub(1))).unwrap_or(0) + 1
    };
    (0..places).map(of_place).collect()
}

impl Pool {
    /// The output, and for each of its elements the place in the plane that it came from: the first of equals.
    fn forward(&self, x: &FlexTensor, threads: &Threads) -> (FlexTensor, Vec<u32>) {
        let [from, to] = self.sizes();
        let x = &x.storage::<f32>()[x.layout().start_offset()..][..x.layout().num_elements()];
        let mut output = vec![0.0; x.len() / from * to];
        let mut places = vec![0_u32; output.len()];
        threads.install(|| {
            let outputs = output.par_chunks_exact_mut(to).zip(places.par_chunks_exact_mut(to));
            x.par_chunks_exact(from)
                .zip(outputs)
                .for_each(|(plane, (output, places))| self.plane(plane, output, places));
        });
        (FlexTensor::from_data(TensorData::new(output, self.to)), places)
    }

    /// Elements of a plane and of its output.
    fn sizes(&self) -> [usize; 2] {
        [self.from[0] * self.from[1], self.to[2] * self.to[3]]
    }

    fn plane(&self, plane: &[f32], output: &mut [f32], places: &mut [u32]) {
        let width = self.from[1];
        let mut to = output.iter_mut().zip(places);
        for rows in &self.rows {
            for (columns, (output, place)) in self.columns.iter().zip(&mut to) {
                let (mut most, mut at) = (f32::NEG_INFINITY, rows.start * width + columns.start);
                // Counted by hand: a range with steps begins with a division, which here is as long as all else.
                let mut row = rows.start;
                while row < rows.end {
                    let mut column = columns.start;
                    while column < columns.end {
                        let value = plane[row * width + column];
                        if value > most {
                            (most, at) = (value, row * width + column);
                        }
                        column += self.dilation[1];
                    }
                    row += self.dilation[0];
                }
                // What is no number stays one, so that a run that diverges is noticed.
                *output = if most == f32::NEG_INFINITY { plane[at] } else { most };
                *place = at as u32;
            }
        }
    }
}

/// What the gradient needs of the values.
#[derive(Debug, Clone)]
struct Kept {
    pool: Arc<Pool>,
    places: Arc<[u32]>,
    threads: Threads,
}

#[derive(Debug)]
struct Step;

impl Backward<Flex, 1> for Step {
    type State = Kept;

    fn backward(self, ops: Ops<Kept, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let gradient =
            &gradient.storage::<f32>()[gradient.layout().start_offset()..][..gradient.layout().num_elements()];
        let [Some(node)] = ops.parents else { return };
        let Kept { pool, places, threads } = ops.state;
        let [from, to] = pool.sizes();
        let mut input = vec![0.0; gradient.len() / to * from];
        threads.install(|| {
            let gradients = gradient.par_chunks_exact(to).zip(places.par_chunks_exact(to));
            input.par_chunks_exact_mut(from).zip(gradients).for_each(|(plane, (gradient, places))| {
                places.iter().zip(gradient).for_each(|(&place, gradient)| plane[place as usize] += gradient);
            });
        });
        let [images, channels, ..] = pool.to;
        let shape = [images, channels, pool.from[0], pool.from[1]];
        gradients.register::<Flex>(node.id, FlexTensor::from_data(TensorData::new(input, shape)));
    }
}
