//! The greatest value of each window as an operator with kernels of our own: images side by side on several threads, and one number an
//! output kept for the gradient.

use crate::block::Threads;
use crate::lanes::{load, store, vectors};
use crate::layout::{numbers, owned, side_by_side, tensor};
use crate::room::Room;
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::NoCheckpointing;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};
use burn_backend::BackendTypes;
use burn_flex::Flex;
use burn_tensor::Tensor;
use cnasc_ir::op::{Slide, Window};
use pulp::{Arch, Simd, WithSimd};
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};
use rayon::slice::ParallelSlice;
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
    let places = |slide: &Slide, extent: usize, count: usize| -> Vec<Vec<usize>> {
        (0..count).map(|place| seen(slide, extent, place)).collect()
    };
    let [of_rows, of_columns] = [places(&window.rows, rows, height), places(&window.columns, columns, width)];
    let seen = |rows: &[usize], of_columns: &[usize]| -> Vec<usize> {
        rows.iter().flat_map(|row| of_columns.iter().map(move |column| (row * columns + column) * channels)).collect()
    };
    let windows = of_rows.iter().flat_map(|rows| of_columns.iter().map(|columns| seen(rows, columns))).collect();
    let pool = Pool { from: [rows, columns], to: [images, channels, height, width], windows };
    if !x.is_autodiff() {
        let x = side_by_side(&x.try_into_primitive::<Flex>().expect(made_on));
        return Tensor::from_primitive::<Flex>(tensor(pool.forward(numbers(&x), threads).0, pool.to));
    }
    let x: Learnt = x.try_into_primitive::<Learning>().expect(made_on);
    let node = x.node();
    let (output, places) = pool.forward(numbers(&side_by_side(x.primitive())), threads);
    let output = tensor(output, pool.to);
    let kept = Kept { x, pool: Arc::new(pool), places: places.into(), threads: threads.clone() };
    let output = match Step.prepare::<NoCheckpointing>([node]).compute_bound().stateful() {
        OpsKind::Tracked(step) => step.finish(kept, output),
        OpsKind::UnTracked(step) => step.finish(output),
    };
    Tensor::from_primitive::<Learning>(output)
}

/// Windows on images of one size.
#[derive(Debug)]
struct Pool {
    /// Rows and columns of an image.
    from: [usize; 2],
    /// Extents of the output.
    to: [usize; 4],
    /// For each pixel of the output where those begin that its window sees.
    windows: Vec<Vec<usize>>,
}

/// The rows or columns of an image that a window sees at this place.
fn seen(slide: &Slide, extent: usize, place: usize) -> Vec<usize> {
    let taps = slide.inside(place as u32, extent as u32, (0, 0));
    let at = |tap: u32| slide.start(place as u32) + i64::from(tap) * i64::from(slide.dilation);
    // Taps inside lie on the image, so that no place is negative.
    taps.filter_map(|tap| usize::try_from(at(tap)).ok()).collect()
}

impl Pool {
    /// The output, and for each of its elements which of the pixels that its window sees it came from: the first of equals.
    fn forward(&self, x: &[f32], threads: &Threads) -> (Vec<f32>, Vec<f32>) {
        let [from, to] = self.sizes();
        let count = x.len() / from * to;
        let (mut output, mut places) = (Room::new(count), Room::new(count));
        threads.install(|| {
            let outputs = output.parts(to).into_par_iter().zip(places.parts(to));
            x.par_chunks_exact(from).zip(outputs).for_each(|(x, (output, places))| {
                Arch::new().dispatch(Values { pool: self, x, output: output.open(), places: places.open() });
            });
        });
        (output.into_numbers(), places.into_numbers())
    }

    /// Elements of an image and of its output.
    fn sizes(&self) -> [usize; 2] {
        let channels = self.to[1];
        [self.from[0] * self.from[1] * channels, self.to[2] * self.to[3] * channels]
    }
}

/// An image's values. A job and not a closure, so that it is computed on wide vectors.
struct Values<'a> {
    pool: &'a Pool,
    x: &'a [f32],
    output: &'a mut [f32],
    places: &'a mut [f32],
}

impl WithSimd for Values<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { pool, x, output, places } = self;
        let channels = pool.to[1];
        let outputs = output.chunks_exact_mut(channels).zip(places.chunks_exact_mut(channels));
        for (window, (output, places)) in pool.windows.iter().zip(outputs) {
            for [first, end] in vectors::<S>(channels) {
                let seen = |at: usize| load(simd, &x[at..][first..end]);
                // What is no number stays one, so that a run that diverges is noticed.
                let (mut most, mut place) = (seen(window[0]), simd.splat_f32s(0.0));
                for (other, &at) in window.iter().enumerate().skip(1) {
                    let value = seen(at);
                    let is_more = simd.less_than_f32s(most, value);
                    most = simd.select_f32s(is_more, value, most);
                    place = simd.select_f32s(is_more, simd.splat_f32s(other as f32), place);
                }
                store(simd, &mut output[first..end], most);
                store(simd, &mut places[first..end], place);
            }
        }
    }
}

/// An image's gradient, which is added to `to`.
struct Slopes<'a> {
    pool: &'a Pool,
    gradient: &'a [f32],
    places: &'a [f32],
    to: &'a mut [f32],
}

impl WithSimd for Slopes<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { pool, gradient, places, to } = self;
        let channels = pool.to[1];
        let outputs = gradient.chunks_exact(channels).zip(places.chunks_exact(channels));
        for (window, (gradient, places)) in pool.windows.iter().zip(outputs) {
            for [first, end] in vectors::<S>(channels) {
                let (gradient, place) = (load(simd, &gradient[first..end]), load(simd, &places[first..end]));
                for (other, &at) in window.iter().enumerate() {
                    let is_it = simd.equal_f32s(place, simd.splat_f32s(other as f32));
                    let to = &mut to[at..][first..end];
                    let share = simd.select_f32s(is_it, gradient, simd.splat_f32s(0.0));
                    store(simd, to, simd.add_f32s(load(simd, to), share));
                }
            }
        }
    }
}

/// What the gradient needs of the values.
#[derive(Debug, Clone)]
struct Kept {
    /// What the gradient belongs to.
    x: Learnt,
    pool: Arc<Pool>,
    places: Arc<Vec<f32>>,
    threads: Threads,
}

#[derive(Debug)]
struct Step;

impl Backward<Flex, 1> for Step {
    type State = Kept;

    fn backward(self, ops: Ops<Kept, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = side_by_side(&gradients.consume::<Flex>(&ops.node));
        let gradient = numbers(&gradient);
        let [Some(node)] = ops.parents else { return };
        let Kept { x, pool, places, threads } = ops.state;
        let [from, to] = pool.sizes();
        // What other steps left of the input's gradient is added to in its place.
        let there = gradients.remove::<Flex>(&x).map_or_else(Vec::new, owned);
        let mut input = Room::behind(there, gradient.len() / to * from);
        threads.install(|| {
            let gradients = gradient.par_chunks_exact(to).zip(places.par_chunks_exact(to));
            input.parts(from).into_par_iter().zip(gradients).for_each(|(to, (gradient, places))| {
                Arch::new().dispatch(Slopes { pool: &pool, gradient, places, to: to.open() });
            });
        });
        let [images, channels, ..] = pool.to;
        gradients
            .register::<Flex>(node.id, tensor(input.into_numbers(), [images, channels, pool.from[0], pool.from[1]]));
    }
}
