//! A window on each channel by itself: values and gradients of an image in its frame, as many channels at once as a vector has.

#![allow(
    unsafe_code,
    reason = "innermost loops that check every tap take several times as long; each place is checked for all of its taps"
)]
#![allow(
    clippy::needless_range_loop,
    reason = "the compiler keeps sums in registers where it sees early how often loops over several arrays run"
)]

use super::frame::Frame;
use crate::lanes::{LANES, load, load_at, store, store_at, vectors};
use cnasc_ir::op::Window;
use pulp::{Arch, Simd, WithSimd};

/// Taps whose weights are in registers together.
const TAPS: usize = 9;

/// A depthwise convolution on images of one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Depthwise {
    /// Its pixels fill whole vectors.
    pub frame: Frame,
    channels: usize,
}

impl Depthwise {
    /// The window on images of these channels, rows and columns, which it fits.
    pub fn new(window: &Window, extents: [usize; 3]) -> Self {
        let channels = extents[0];
        Self { frame: Frame::new(window, extents, channels.next_multiple_of(LANES)), channels }
    }

    /// Elements of packed kernels.
    pub fn sums(&self) -> usize {
        self.frame.taps.len() * self.frame.width
    }

    /// Kernels, one behind the other, by taps: each a row of channels with zeros behind.
    pub fn packed(&self, kernels: &[f32]) -> Vec<f32> {
        let (taps, width) = (self.frame.taps.len(), self.frame.width);
        let mut packed = vec![0.0; self.sums()];
        for (channel, kernel) in kernels.chunks_exact(taps).enumerate() {
            packed[channel..].iter_mut().step_by(width).zip(kernel).for_each(|(to, &from)| *to = from);
        }
        packed
    }

    /// The reverse.
    pub fn unpacked(&self, packed: &[f32]) -> Vec<f32> {
        let width = self.frame.width;
        (0..self.channels).flat_map(|channel| packed[channel..].iter().step_by(width).copied()).collect()
    }

    /// Values at all places, by packed kernels.
    pub fn forward(&self, frame: &[f32], kernels: &[f32], to: &mut [f32]) {
        for (first, distances) in self.groups() {
            let job = Values { of: self, frame, kernels: &kernels[first * self.frame.width..], to: &mut *to };
            let is_added = first > 0;
            match distances.try_into() {
                Ok(distances) => Arch::new().dispatch(Grouped::<_, TAPS> { job, distances, is_added }),
                Err(_) => Arch::new().dispatch(Grouped { job, distances: [distances[0]], is_added }),
            }
        }
    }

    /// From the gradient at all places: adds those of the frame and of the packed kernels.
    pub fn backward(
        &self,
        (frame, kernels, gradient): (&[f32], &[f32], &[f32]),
        (to_frame, to_kernels): (&mut [f32], &mut [f32]),
    ) {
        for (first, distances) in self.groups() {
            let begin = first * self.frame.width;
            let (kernels, to_kernels, to_frame) = (&kernels[begin..], &mut to_kernels[begin..], &mut *to_frame);
            let job = Slopes { of: self, frame, kernels, gradient, to_frame, to_kernels };
            match distances.try_into() {
                Ok(distances) => Arch::new().dispatch(Grouped::<_, TAPS> { job, distances, is_added: true }),
                Err(_) => Arch::new().dispatch(Grouped { job, distances: [distances[0]], is_added: true }),
            }
        }
    }

    /// The distances of nine taps at once as often as that goes, and of each of the others, with how many taps are before them.
    fn groups(&self) -> impl Iterator<Item = (usize, &[usize])> {
        let taps = &self.frame.taps;
        let rest = taps.len() / TAPS * TAPS;
        let nines = (0..rest).step_by(TAPS).map(|first| (first, &taps[first..first + TAPS]));
        nines.chain((rest..taps.len()).map(|first| (first, &taps[first..=first])))
    }
}

/// A job for some taps.
struct Grouped<J, const N: usize> {
    job: J,
    distances: [usize; N],
    /// Whether to what is there.
    is_added: bool,
}

struct Values<'a> {
    of: &'a Depthwise,
    frame: &'a [f32],
    kernels: &'a [f32],
    to: &'a mut [f32],
}

impl<const N: usize> WithSimd for Grouped<Values<'_>, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { job: Values { of, frame, kernels, to }, distances, is_added } = self;
        let Frame { width, places, .. } = &of.frame;
        let reach = distances.iter().max().map_or(0, |most| most + S::F32_LANES);
        for [first, end] in vectors::<S>(of.channels) {
            let mut weights = [simd.splat_f32s(0.0); N];
            for tap in 0..N {
                weights[tap] = load(simd, &kernels[tap * width + first..]);
            }
            for (place, to) in places.iter().zip(to.chunks_exact_mut(of.channels)) {
                let (seen, to) = (&frame[place + first..][..reach], &mut to[first..end]);
                let mut sum = if is_added { load(simd, to) } else { simd.splat_f32s(0.0) };
                for tap in 0..N {
                    // SAFETY: all that is seen from the place lies in the frame.
                    let seen = unsafe { load_at::<S>(seen, distances[tap]) };
                    sum = simd.mul_add_e_f32s(weights[tap], seen, sum);
                }
                store(simd, to, sum);
            }
        }
    }
}

struct Slopes<'a> {
    of: &'a Depthwise,
    frame: &'a [f32],
    kernels: &'a [f32],
    gradient: &'a [f32],
    to_frame: &'a mut [f32],
    to_kernels: &'a mut [f32],
}

impl<const N: usize> WithSimd for Grouped<Slopes<'_>, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { job: Slopes { of, frame, kernels, gradient, to_frame, to_kernels }, distances, .. } = self;
        let Frame { width, places, .. } = &of.frame;
        let reach = distances.iter().max().map_or(0, |most| most + S::F32_LANES);
        for [first, end] in vectors::<S>(of.channels) {
            let mut weights = [simd.splat_f32s(0.0); N];
            let mut sums = weights;
            for tap in 0..N {
                weights[tap] = load(simd, &kernels[tap * width + first..]);
                sums[tap] = load(simd, &to_kernels[tap * width + first..]);
            }
            for (place, gradient) in places.iter().zip(gradient.chunks_exact(of.channels)) {
                let gradient = load(simd, &gradient[first..end]);
                let (seen, to) = (&frame[place + first..][..reach], &mut to_frame[place + first..][..reach]);
                for tap in 0..N {
                    // SAFETY: all that is seen from the place lies in both frames.
                    unsafe {
                        sums[tap] = simd.mul_add_e_f32s(gradient, load_at::<S>(seen, distances[tap]), sums[tap]);
                        let whole = simd.mul_add_e_f32s(gradient, weights[tap], load_at::<S>(to, distances[tap]));
                        store_at::<S>(to, distances[tap], whole);
                    }
                }
            }
            for tap in 0..N {
                store(simd, &mut to_kernels[tap * width + first..], sums[tap]);
            }
        }
    }
}
