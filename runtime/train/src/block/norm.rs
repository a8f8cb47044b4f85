//! Batch norm on planes: statistics of parts that are put together in one order, and its gradient.

use super::lanes::{LANES, added, total};
use super::vectorised;
use pulp::{Arch, Simd, WithSimd};

/// How many values there are, their mean, and the sum of their squared distances from it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// Of some values.
    pub fn of(values: &[f32]) -> Self {
        let count = values.len() as f64;
        let mean = f64::from(Arch::new().dispatch(Sum { values, of: |value| value })) / count;
        let middle = mean as f32;
        let squares = Arch::new().dispatch(Sum { values, of: |value| (value - middle) * (value - middle) });
        Self { count, mean, squares: f64::from(squares) }
    }

    /// Of both, Chan, Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances", 1979.
    pub fn with(self, other: Self) -> Self {
        if self.count == 0.0 {
            return other;
        }
        let count = self.count + other.count;
        let distance = other.mean - self.mean;
        Self {
            count,
            mean: self.mean + distance * other.count / count,
            squares: self.squares + other.squares + distance * distance * self.count * other.count / count,
        }
    }

    /// The mean, and the squares divided by the number of values.
    pub fn mean_and_variance(self) -> (f32, f32) {
        (self.mean as f32, (self.squares / self.count.max(1.0)) as f32)
    }
}

/// Σ of(value). Jobs and not closures, so that they are computed on wide vectors.
struct Sum<'a, F> {
    values: &'a [f32],
    of: F,
}

impl<F: Fn(f32) -> f32> WithSimd for Sum<'_, F> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f32 {
        let Self { values, of } = self;
        let (chunks, rest) = values.as_chunks::<LANES>();
        let mut sums = [0.0_f32; LANES];
        for chunk in chunks {
            sums.iter_mut().zip(chunk).for_each(|(sum, &value)| *sum += of(value));
        }
        total(sums) + rest.iter().map(|&value| of(value)).sum::<f32>()
    }
}

/// Σ gradient, and Σ gradient · (value − mean).
pub fn sums(values: &[f32], gradients: &[f32], mean: f32) -> [f32; 2] {
    Arch::new().dispatch(Sums { values, gradients, mean })
}

struct Sums<'a> {
    values: &'a [f32],
    gradients: &'a [f32],
    mean: f32,
}

impl WithSimd for Sums<'_> {
    type Output = [f32; 2];

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> [f32; 2] {
        let Self { values, gradients, mean } = self;
        let mut plain = [0.0_f32; LANES];
        let mut moved = [0.0_f32; LANES];
        let ((values, values_rest), (gradients, rest)) = (values.as_chunks::<LANES>(), gradients.as_chunks::<LANES>());
        for (values, gradients) in values.iter().zip(gradients) {
            plain.iter_mut().zip(gradients).for_each(|(sum, gradient)| *sum += gradient);
            moved = added::<S>(moved, gradients, &values.map(|value| value - mean));
        }
        let rest = values_rest.iter().zip(rest);
        let rest = rest.fold([0.0, 0.0], |[plain, moved], (value, gradient)| {
            [plain + gradient, moved + gradient * (value - mean)]
        });
        [total(plain) + rest[0], total(moved) + rest[1]]
    }
}

/// to = value · factor + shift.
pub fn scale(to: &mut [f32], values: &[f32], factor: f32, shift: f32) {
    vectorised(|| to.iter_mut().zip(values).for_each(|(to, &value)| *to = value * factor + shift));
}

/// to = a·gradient + b·value + c, which batch norm's gradient is for each channel.
pub fn blend(to: &mut [f32], (gradients, values): (&[f32], &[f32]), [a, b, c]: [f32; 3]) {
    vectorised(|| {
        let from = gradients.iter().zip(values);
        to.iter_mut().zip(from).for_each(|(to, (&gradient, &value))| *to = a * gradient + (b * value + c));
    });
}
