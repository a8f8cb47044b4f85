//! The values of a tensor on their way: single precision as they are in memory, or half precision in half the bytes.
//!
//! Half precision is IEEE 754 binary16, rounded to the nearest, ties to even: 11 significant bits, so a value within
//! ±65,504 and not below 6.1·10⁻⁵ arrives with a relative error of at most 2⁻¹¹; below that the error is at most 2⁻²⁵, above it
//! infinity arrives. Whatever arrives is computed with in single precision.

use cnasc_ir::fleet::Precision;
use half::f16;
use half::slice::HalfFloatSliceExt;
use std::sync::Arc;

/// Values in the order of bundles, without the lanes that pad channels. Shared, because several devices may take them.
#[derive(Debug, Clone, PartialEq)]
pub enum Payload {
    /// As they are in memory.
    Single(Arc<[f32]>),
    /// Rounded.
    Half(Arc<[f16]>),
}

impl Payload {
    /// Zeros, to be [set](Self::set).
    #[must_use]
    pub fn zeros(precision: Precision, len: usize) -> Self {
        match precision {
            Precision::F32 => Self::Single(vec![0.0; len].into()),
            Precision::F16 => Self::Half(vec![f16::ZERO; len].into()),
        }
    }

    /// Takes over `values`; in the same memory where nobody else holds it and the number is the same.
    pub fn set(&mut self, values: &[f32]) {
        match self {
            Self::Single(own) => match Arc::get_mut(own).filter(|own| own.len() == values.len()) {
                Some(own) => own.copy_from_slice(values),
                None => *own = Arc::from(values),
            },
            Self::Half(own) => match Arc::get_mut(own).filter(|own| own.len() == values.len()) {
                Some(own) => own.convert_from_f32_slice(values),
                None => *own = values.iter().map(|&value| f16::from_f32(value)).collect(),
            },
        }
    }

    /// Writes the values to `into`; gives whether it has as many places as there are values, and does nothing where not.
    #[must_use]
    pub fn copy_to(&self, into: &mut [f32]) -> bool {
        if self.len() != into.len() {
            return false;
        }
        match self {
            Self::Single(own) => into.copy_from_slice(own),
            Self::Half(own) => own.convert_to_f32_slice(into),
        }
        true
    }

    /// The values in single precision.
    #[must_use]
    pub fn to_vec(&self) -> Vec<f32> {
        let mut values = vec![0.0; self.len()];
        let fits = self.copy_to(&mut values);
        debug_assert!(fits, "made as long as it has to be");
        values
    }

    /// Number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Single(own) => own.len(),
            Self::Half(own) => own.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes on the wire.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Single(own) => size_of_val(&**own) as u64,
            Self::Half(own) => size_of_val(&**own) as u64,
        }
    }
}

impl From<&[f32]> for Payload {
    fn from(values: &[f32]) -> Self {
        Self::Single(values.into())
    }
}

impl From<Vec<f32>> for Payload {
    fn from(values: Vec<f32>) -> Self {
        Self::Single(values.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn through(precision: Precision, value: f32) -> f32 {
        let mut payload = Payload::zeros(precision, 1);
        payload.set(&[value]);
        payload.to_vec()[0]
    }

    #[test]
    fn what_half_precision_holds() {
        let exact = [0.0, -1.0, 0.5, 2048.0, 65504.0, 6.103_515_6e-5];
        assert_eq!(exact.map(|value| through(Precision::F16, value)), exact);
        assert_eq!(through(Precision::F16, 2049.0), 2048.0, "ties go to even");
        assert_eq!(through(Precision::F16, 65520.0), f32::INFINITY);
        let half = Payload::zeros(Precision::F16, 6);
        assert_eq!((half.len(), half.bytes(), Payload::zeros(Precision::F32, 6).bytes()), (6, 12, 24));
    }

    #[test]
    fn memory_that_a_receiver_holds_is_left_alone() {
        for precision in [Precision::F32, Precision::F16] {
            let mut payload = Payload::zeros(precision, 2);
            payload.set(&[1.0, 2.0]);
            let held = payload.clone();
            payload.set(&[3.0, 4.0]);
            assert_eq!((held.to_vec(), payload.to_vec()), (vec![1.0, 2.0], vec![3.0, 4.0]));
            assert!(!payload.copy_to(&mut [0.0; 3]));
        }
    }

    proptest! {
        #[test]
        fn errors_are_within_the_documented(value in -65504_f32..65504.0) {
            let error = (through(Precision::F16, value) - value).abs();
            prop_assert!(error <= (value.abs() / 2048.0).max(1.0 / 33_554_432.0), "{value}: {error}");
            prop_assert_eq!(through(Precision::F32, value), value);
        }
    }
}
