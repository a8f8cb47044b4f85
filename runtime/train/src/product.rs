//! Sums of products of rows of numbers with a matrix, a few rows and vectors at a time in registers: what convolutions of all channels are
//! made of, on whatever rows of an image their windows see.

#![allow(
    unsafe_code,
    reason = "innermost loops that check every place take several times as long; what they read is checked before"
)]
#![allow(
    clippy::needless_range_loop,
    reason = "the compiler keeps sums in registers where it sees early how often loops over several arrays run"
)]

use crate::lanes::{LANES, load_at, load_some, number_at, store_at, store_some};
use pulp::{Arch, Simd, WithSimd};

/// Vectors of a row whose sums are in registers together, for several rows.
const VECTORS: usize = 2;

/// Rows whose products are added at a time: their lines, which are read again and again, fit a core's nearest cache.
const NEAR: usize = 128;

/// How many of these rows there are: fewer on machines that have half as many registers.
const fn most<S: Simd>([wide, narrow]: [usize; 2]) -> usize {
    if S::F32_LANES == LANES { wide } else { narrow }
}

/// What is read: for each row the places at which its parts begin.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    pub numbers: &'a [f32],
    /// Where each row begins.
    pub places: &'a [usize],
    /// Where its parts do, from there.
    pub parts: &'a [usize],
    /// Numbers of a part.
    pub length: usize,
}

impl Rows<'_> {
    /// # Panics
    /// Where a row does not lie in the numbers.
    fn check(&self) {
        let most = |places: &[usize]| places.iter().max().copied().unwrap_or(0);
        assert!(most(self.places) + most(self.parts) + self.length <= self.numbers.len(), "rows lie in the numbers");
    }
}

/// Where it is written: for each row a place.
pub struct Target<'a> {
    pub numbers: &'a mut [f32],
    pub places: &'a [usize],
    /// How far behind these places.
    pub distance: usize,
    /// Numbers of a row.
    pub count: usize,
}

/// What sums begin with.
#[derive(Clone, Copy)]
pub enum Begin<'a> {
    /// Nothing.
    Zero,
    /// The same for every row, which fills vectors.
    Row(&'a [f32]),
    /// What is there.
    There,
}

/// Each row of the target becomes, or has added to it, the product of the row that is read and the matrix: for each number a row of `width`, which
/// fills vectors.
pub fn multiply(rows: Rows<'_>, (matrix, width): (&[f32], usize), target: Target<'_>, begin: Begin<'_>) {
    rows.check();
    assert_eq!(rows.places.len(), target.places.len(), "each row has its place");
    let most = target.places.iter().max().map_or(0, |most| most + target.distance + target.count);
    assert!(most <= target.numbers.len() && target.count <= width && width.is_multiple_of(LANES));
    assert!(rows.parts.len() * rows.length * width <= matrix.len());
    assert!(if let Begin::Row(row) = begin { width <= row.len() } else { true });
    Arch::new().dispatch(Multiply { rows, matrix, width, target, begin });
}

/// Adds to `to` the gradient of the matrix: for each number of a row the sum over rows of it times the gradient's row, which has `count` numbers
/// there and `width` in `to`, where it fills vectors.
pub fn add_products(rows: Rows<'_>, (gradient, count): (&[f32], usize), (to, width): (&mut [f32], usize)) {
    rows.check();
    assert!(rows.places.len() * count <= gradient.len());
    assert!(rows.parts.len() * rows.length * width <= to.len() && count <= width && width.is_multiple_of(LANES));
    Arch::new().dispatch(AddProducts { rows, gradient, count, to, width });
}

/// Vectors behind each other.
///
/// # Safety
/// They must lie there.
#[inline(always)]
unsafe fn lanes_at<S: Simd, const V: usize>(from: &[f32], at: usize) -> [S::f32s; V] {
    // SAFETY: the caller's.
    let first = unsafe { load_at::<S>(from, at) };
    let mut all = [first; V];
    for (v, vector) in all.iter_mut().enumerate().skip(1) {
        // SAFETY: the caller's.
        *vector = unsafe { load_at::<S>(from, at + v * S::F32_LANES) };
    }
    all
}

struct Multiply<'a> {
    rows: Rows<'a>,
    matrix: &'a [f32],
    width: usize,
    target: Target<'a>,
    begin: Begin<'a>,
}

impl WithSimd for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let mut first = 0;
        while first < self.target.count {
            let vectors = (self.target.count - first).div_ceil(S::F32_LANES);
            match vectors {
                1 => self.columns::<S, 1>(simd, first),
                _ => self.columns::<S, VECTORS>(simd, first),
            }
            first += vectors.min(VECTORS) * S::F32_LANES;
        }
    }
}

impl Multiply<'_> {
    /// Some vectors of all rows.
    #[inline(always)]
    fn columns<S: Simd, const V: usize>(&mut self, simd: S, first: usize) {
        let (from, to) = (self.rows.places, self.target.places);
        let mut at = 0;
        while at < to.len() {
            at += match (to.len() - at).min(most::<S>([7, 6])) {
                1 => self.tile::<S, 1, V>(simd, first, (from, to), at),
                2 | 3 => self.tile::<S, 2, V>(simd, first, (from, to), at),
                4 | 5 => self.tile::<S, 4, V>(simd, first, (from, to), at),
                6 => self.tile::<S, 6, V>(simd, first, (from, to), at),
                _ => self.tile::<S, 7, V>(simd, first, (from, to), at),
            }
        }
    }

    #[inline(always)]
    fn tile<S: Simd, const R: usize, const V: usize>(
        &mut self,
        simd: S,
        first: usize,
        (from, to): (&[usize], &[usize]),
        at: usize,
    ) -> usize {
        let (mut from_places, mut to_places) = ([0; R], [0; R]);
        from_places.copy_from_slice(&from[at..][..R]);
        to_places.copy_from_slice(&to[at..][..R]);
        let (from, to) = (from_places, to_places);
        let Self { rows: Rows { numbers, parts, length, .. }, matrix, width, ref mut target, begin } = *self;
        // Numbers of the last vector.
        let last = (target.count - first - (V - 1) * S::F32_LANES).min(S::F32_LANES);
        let counts: [usize; V] = std::array::from_fn(|v| if v + 1 < V { S::F32_LANES } else { last });
        let mut sums = [[simd.splat_f32s(0.0); V]; R];
        for r in 0..R {
            for v in 0..V {
                let at = first + v * S::F32_LANES;
                // SAFETY: the target's rows lie in its numbers and that of the beginning fills vectors, as `multiply` checked.
                sums[r][v] = unsafe {
                    match begin {
                        Begin::Zero => simd.splat_f32s(0.0),
                        Begin::Row(row) => load_at::<S>(row, at),
                        Begin::There => load_some(simd, target.numbers, to[r] + target.distance + at, counts[v]),
                    }
                };
            }
        }
        let mut at = first;
        for part in parts {
            let seen = from.map(|from| from + part);
            for place in 0..length {
                // SAFETY: every row's parts lie in the numbers, and the matrix has a row of whole vectors for each of a row's numbers, as
                // `multiply` checked.
                unsafe {
                    let row: [S::f32s; V] = lanes_at::<S, V>(matrix, at);
                    for r in 0..R {
                        let seen = simd.splat_f32s(number_at(numbers, seen[r].wrapping_add(place)));
                        for v in 0..V {
                            sums[r][v] = simd.mul_add_e_f32s(seen, row[v], sums[r][v]);
                        }
                    }
                }
                at = at.wrapping_add(width);
            }
        }
        for r in 0..R {
            for v in 0..V {
                let at = to[r] + target.distance + first + v * S::F32_LANES;
                // SAFETY: the target's rows lie in its numbers, as `multiply` checked.
                unsafe { store_some(simd, target.numbers, at, counts[v], sums[r][v]) };
            }
        }
        R
    }
}

struct AddProducts<'a> {
    rows: Rows<'a>,
    gradient: &'a [f32],
    count: usize,
    to: &'a mut [f32],
    width: usize,
}

impl WithSimd for AddProducts<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { rows: Rows { numbers, places, parts, length }, gradient, count, to, width } = self;
        for (places, gradient) in places.chunks(NEAR).zip(gradient.chunks(NEAR * count)) {
            for (part, to) in parts.iter().zip(to.chunks_exact_mut(length * width)) {
                Tap { numbers: &numbers[*part..], places, gradient, count, width }.all(simd, to);
            }
        }
    }
}

/// One part of the rows.
struct Tap<'a> {
    numbers: &'a [f32],
    places: &'a [usize],
    gradient: &'a [f32],
    count: usize,
    width: usize,
}

impl Tap<'_> {
    #[inline(always)]
    fn all<S: Simd>(&self, simd: S, to: &mut [f32]) {
        let mut first = 0;
        while first < self.count {
            let vectors = (self.count - first).div_ceil(S::F32_LANES);
            match vectors {
                1 => self.columns::<S, 1>(simd, first, to),
                _ => self.columns::<S, VECTORS>(simd, first, to),
            }
            first += vectors.min(VECTORS) * S::F32_LANES;
        }
    }

    #[inline(always)]
    fn columns<S: Simd, const V: usize>(&self, simd: S, first: usize, to: &mut [f32]) {
        let mut at = 0;
        while at * self.width < to.len() {
            let to = &mut to[at * self.width..];
            at += match (to.len() / self.width).min(most::<S>([8, 6])) {
                0..4 => self.tile::<S, 1, V>(simd, first, at, to),
                4 => self.tile::<S, 4, V>(simd, first, at, to),
                5 => self.tile::<S, 5, V>(simd, first, at, to),
                6 | 7 => self.tile::<S, 6, V>(simd, first, at, to),
                _ => self.tile::<S, 8, V>(simd, first, at, to),
            };
        }
    }

    #[inline(always)]
    fn tile<S: Simd, const R: usize, const V: usize>(&self, simd: S, first: usize, at: usize, to: &mut [f32]) -> usize {
        assert!(R * self.width <= to.len());
        // Numbers of the last vector of a gradient's row; those of the sums are whole.
        let last = (self.count - first - (V - 1) * S::F32_LANES).min(S::F32_LANES);
        let counts: [usize; V] = std::array::from_fn(|v| if v + 1 < V { S::F32_LANES } else { last });
        let mut sums = [[simd.splat_f32s(0.0); V]; R];
        for r in 0..R {
            // SAFETY: there are as many rows of whole vectors.
            sums[r] = unsafe { lanes_at::<S, V>(to, r * self.width + first) };
        }
        let mut behind = first;
        for &place in self.places {
            let mut row = [simd.splat_f32s(0.0); V];
            // SAFETY: every row's parts lie in the numbers, and the gradient has a row for each, as `add_products` checked.
            unsafe {
                for v in 0..V {
                    row[v] = load_some(simd, self.gradient, behind + v * S::F32_LANES, counts[v]);
                }
                for r in 0..R {
                    let seen = simd.splat_f32s(number_at(self.numbers, (place + at).wrapping_add(r)));
                    for v in 0..V {
                        sums[r][v] = simd.mul_add_e_f32s(seen, row[v], sums[r][v]);
                    }
                }
            }
            behind = behind.wrapping_add(self.count);
        }
        for r in 0..R {
            for v in 0..V {
                // SAFETY: there are as many rows of whole vectors.
                unsafe { store_at::<S>(to, r * self.width + first + v * S::F32_LANES, sums[r][v]) };
            }
        }
        R
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulp::Scalar;

    /// Small whole numbers, of which sums are exact in any order.
    fn some(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|index| ((index * 7 + seed) % 11) as f32 - 5.0).collect()
    }

    /// On as wide vectors as this machine has, on half as wide ones, and on none.
    fn on_all(mut job: impl FnMut(&dyn Fn(Job<'_>))) {
        job(&|job| match job {
            Job::Multiply(job) => Arch::new().dispatch(job),
            Job::AddProducts(job) => Arch::new().dispatch(job),
        });
        job(&|job| match job {
            Job::Multiply(job) => Scalar::new().vectorize(job),
            Job::AddProducts(job) => Scalar::new().vectorize(job),
        });
        #[cfg(target_arch = "x86_64")]
        if let Some(narrow) = pulp::x86::V3::try_new() {
            job(&|job| match job {
                Job::Multiply(job) => Simd::vectorize(narrow, job),
                Job::AddProducts(job) => Simd::vectorize(narrow, job),
            });
        }
    }

    enum Job<'a> {
        Multiply(Multiply<'a>),
        AddProducts(AddProducts<'a>),
    }

    #[test]
    fn rows_times_a_matrix_on_vectors_of_every_width() {
        let cases: [[usize; 3]; 6] = [[1, 1, 1], [3, 5, 17], [5, 9, 16], [7, 8, 33], [13, 4, 48], [150, 7, 20]];
        for [rows, length, count] in cases {
            let parts = [0, length + 3];
            let width = count.next_multiple_of(LANES);
            let numbers = some(rows * 2 + 3 * length + 3, 1);
            let places: Vec<usize> = (0..rows).map(|row| row * 2).collect();
            let targets: Vec<usize> = (0..rows).map(|row| row * (count + 1)).collect();
            let (matrix, row) = (some(2 * length * width, 2), some(width, 3));
            let gradient = some(rows * count, 4);
            let read = Rows { numbers: &numbers, places: &places, parts: &parts, length };
            let seen = |row: usize, at: usize| numbers[places[row] + parts[at / length] + at % length];
            let product = |row: usize, column: usize| -> f32 {
                (0..2 * length).map(|at| seen(row, at) * matrix[at * width + column]).sum()
            };
            let slope = |at: usize, column: usize| -> f32 {
                (0..rows).map(|row| seen(row, at) * gradient[row * count + column]).sum()
            };
            on_all(|run| {
                for (begin, first) in [(Begin::Zero, None), (Begin::Row(&row), Some(&row)), (Begin::There, None)] {
                    let before = some(rows * (count + 1) + 2, 5);
                    let mut after = before.clone();
                    let target = Target { numbers: &mut after, places: &targets, distance: 2, count };
                    run(Job::Multiply(Multiply { rows: read, matrix: &matrix, width, target, begin }));
                    let mut wanted = before.clone();
                    for (row, column) in (0..rows).flat_map(|row| (0..count).map(move |column| (row, column))) {
                        let to = &mut wanted[targets[row] + 2 + column];
                        let there = if matches!(begin, Begin::There) { *to } else { 0.0 };
                        *to = there + first.map_or(0.0, |first| first[column]) + product(row, column);
                    }
                    assert_eq!(after, wanted, "{rows} {length} {count}");
                }
                let mut sums = some(2 * length * width, 6);
                let mut wanted = sums.clone();
                for (at, column) in (0..2 * length).flat_map(|at| (0..count).map(move |column| (at, column))) {
                    wanted[at * width + column] += slope(at, column);
                }
                run(Job::AddProducts(AddProducts { rows: read, gradient: &gradient, count, to: &mut sums, width }));
                assert_eq!(sums, wanted, "{rows} {length} {count}");
            });
        }
    }

    #[test]
    #[should_panic(expected = "rows lie in the numbers")]
    fn rows_beyond_the_numbers_are_refused() {
        let rows = Rows { numbers: &[0.0; 4], places: &[0, 3], parts: &[0], length: 2 };
        add_products(rows, (&[0.0; 2], 1), (&mut [0.0; 32], 16));
    }
}
