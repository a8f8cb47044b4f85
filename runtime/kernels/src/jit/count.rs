//! Whole numbers in generated code, for the kernels that reckon where an element lies.

use super::emit::Emitter;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{InstBuilder, Value};

impl Emitter<'_> {
    /// A count by 2 to the power of `bits`, rounded down.
    pub fn quotient(&mut self, count: Value, bits: u32) -> Value {
        self.builder().ins().ushr_imm_u(count, i64::from(bits))
    }

    /// What that leaves.
    pub fn remainder(&mut self, count: Value, bits: u32) -> Value {
        let mask = self.count((1 << bits) - 1);
        self.builder().ins().band(count, mask)
    }

    /// A count times a number that is known now.
    pub fn multiply_count(&mut self, count: Value, factor: u64) -> Value {
        let factor = self.count(factor);
        self.builder().ins().imul(count, factor)
    }

    /// The sum of two counts.
    pub fn add_counts(&mut self, a: Value, b: Value) -> Value {
        self.builder().ins().iadd(a, b)
    }

    /// A count below `limit` plus `by`, which is 0 or 1, or plus one; starts again from zero at the limit. The second value is 1 where it did.
    pub fn advance(&mut self, count: Value, by: Option<Value>, limit: u64) -> (Value, Value) {
        let next = match by {
            Some(by) => self.add_counts(count, by),
            None => self.add_count(count, 1),
        };
        let (limit, zero) = (self.count(limit), self.count(0));
        let ends = self.builder().ins().icmp(IntCC::Equal, next, limit);
        let next = self.builder().ins().select(ends, zero, next);
        (next, self.builder().ins().uextend(I64, ends))
    }
}
