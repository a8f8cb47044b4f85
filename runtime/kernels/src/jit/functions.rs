//! Exponentials, logarithms and what is made of them, in vectors of four floats, off by a few units in the last place.
//!
//! The polynomials are those of Cephes' single-precision functions (S. L. Moshier, "Methods and Programs for Mathematical Functions", 1989).

use super::emit::Emitter;
use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::types::{F32X4, I32X4};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value};

impl Emitter<'_> {
    /// 1 / (1 + e⁻ˣ).
    pub fn sigmoid(&mut self, value: Value) -> Value {
        let minus = self.builder().ins().fneg(value);
        let exponential = self.exponential(minus);
        let one = self.splat(1.0);
        let denominator = self.add(exponential, one);
        self.divide(one, denominator)
    }

    /// eˣ, of values bounded to ±87.
    ///
    /// It is 2ⁿ · eʳ with n = round(x / ln 2) and |r| ≤ ln 2 / 2; ln 2 is split in two so that r is exact, and eʳ is a polynomial. Adding
    /// 1.5 · 2²³ rounds to a whole number and leaves it in the low bits.
    pub fn exponential(&mut self, value: Value) -> Value {
        let value = self.bounded(value, -87.0, 87.0);
        let (scale, magic) = (self.splat(std::f32::consts::LOG2_E), self.splat(12_582_912.0));
        let shifted = self.multiply_add(value, scale, magic);
        let whole = self.take(shifted, magic);
        let (coarse, fine) = (self.splat(-0.693_359_4), self.splat(2.121_944_4e-4));
        let rest = self.multiply_add(whole, coarse, value);
        let rest = self.multiply_add(whole, fine, rest);
        let factors = [1.987_569_1e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_6e-1, 0.5];
        let polynomial = self.polynomial(rest, &factors);
        let square = self.multiply(rest, rest);
        let power = self.multiply_add(polynomial, square, rest);
        let one = self.splat(1.0);
        let power = self.add(power, one);
        let bits = self.bits(shifted);
        let exponent = self.builder().ins().ishl_imm_u(bits, 23);
        let power = self.bits(power);
        let exponential = self.builder().ins().iadd(power, exponent);
        self.floats(exponential)
    }

    /// ln x, of positive numbers that are not subnormal.
    ///
    /// With x = m · 2ⁿ and √½ ≤ m < √2 it is n · ln 2 + ln m, ln 2 again in two parts, and ln m a polynomial in m − 1.
    pub fn logarithm(&mut self, value: Value) -> Value {
        let bits = self.bits(value);
        let exponent = self.builder().ins().ushr_imm_u(bits, 23);
        let exponent = self.builder().ins().fcvt_from_sint(F32X4, exponent);
        let bias = self.splat(126.0);
        let exponent = self.take(exponent, bias);
        // The mantissa with the exponent of a half.
        let (mask, half) = (self.splat(f32::from_bits(0x007f_ffff)), self.splat(0.5));
        let mantissa = self.builder().ins().band(value, mask);
        let mantissa = self.builder().ins().bor(mantissa, half);
        let (root, one) = (self.splat(std::f32::consts::FRAC_1_SQRT_2), self.splat(1.0));
        let small = self.builder().ins().fcmp(FloatCC::LessThan, mantissa, root);
        let small = self.floats(small);
        let (again, off) = (self.builder().ins().band(mantissa, small), self.builder().ins().band(one, small));
        let exponent = self.take(exponent, off);
        let rest = self.take(mantissa, one);
        let rest = self.add(rest, again);
        let factors = [
            7.037_683_6e-2,
            -1.151_461e-1,
            1.167_699_9e-1,
            -1.242_014_1e-1,
            1.424_932_3e-1,
            -1.666_805_7e-1,
            2.000_071_5e-1,
            -2.499_999_4e-1,
            3.333_333e-1,
        ];
        let polynomial = self.polynomial(rest, &factors);
        let square = self.multiply(rest, rest);
        let cube = self.multiply(square, rest);
        let (fine, minus_half) = (self.splat(-2.121_944_4e-4), self.splat(-0.5));
        let error = self.multiply(exponent, fine);
        let error = self.multiply_add(polynomial, cube, error);
        let error = self.multiply_add(square, minus_half, error);
        let coarse = self.splat(0.693_359_4);
        let sum = self.add(rest, error);
        self.multiply_add(exponent, coarse, sum)
    }

    /// A polynomial, its factors from the highest power on.
    fn polynomial(&mut self, at: Value, factors: &[f32]) -> Value {
        let mut sum = self.splat(factors[0]);
        for &factor in &factors[1..] {
            let factor = self.splat(factor);
            sum = self.multiply_add(sum, at, factor);
        }
        sum
    }

    fn bits(&mut self, value: Value) -> Value {
        self.builder().ins().bitcast(I32X4, MemFlagsData::new(), value)
    }

    fn floats(&mut self, bits: Value) -> Value {
        self.builder().ins().bitcast(F32X4, MemFlagsData::new(), bits)
    }
}
