//! Depthwise convolutions and sums by microkernels, row by row.
//!
//! A call may cover some of the output's rows only, so that two threads share one step.

use super::conv::word;
use super::depthwise::Depthwise;
use super::emit::Emitter;
use super::kernel::Arguments;
use super::sum::Sum;
use super::view::View;
use crate::micro::aggregate::Aggregate;
use crate::micro::depthwise::{Depthwise as Head, MOST_ROWS};
use crate::micro::{Isa, Micro};
use cranelift_codegen::ir::Value;

/// For tensors held whole: no row comes round to another's place.
pub const NO_RING: u64 = u32::MAX as u64;

/// A depthwise convolution.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DepthwiseRows {
    pub depthwise: Depthwise,
    pub isa: Isa,
    /// Output rows, from the first to before the second.
    pub rows: (u32, u32),
}

impl DepthwiseRows {
    /// Whether there is a microkernel for it.
    pub fn serves(depthwise: &Depthwise) -> bool {
        depthwise.is_square() && depthwise.kernel() as usize <= MOST_ROWS
    }

    pub fn new(depthwise: Depthwise, isa: Isa) -> Self {
        let rows = (0, depthwise.output.shape.height);
        Self { depthwise, isa, rows }
    }

    pub fn pack(&self, weights: &[f32], bias: Option<&[f32]>) -> Vec<u32> {
        self.depthwise.pack_vectors(self.isa.lanes() as u64, weights, bias)
    }

    pub fn table(&self) -> Vec<u32> {
        self.table_of(NO_RING, &self.depthwise.input, self.depthwise.output.block_pitch())
    }

    /// For an input of which `ring` rows are kept, laid out as `input`'s, and an output whose blocks are so many floats apart.
    pub fn table_of(&self, ring: u64, input: &View, output_pitch: u64) -> Vec<u32> {
        let kernel = u64::from(self.depthwise.kernel());
        let head = [
            self.depthwise.output.width(),
            self.depthwise.output.blocks(),
            kernel,
            kernel,
            u64::from(self.depthwise.stride()) * View::PIXEL,
            1,
            View::PIXEL,
            ring,
            input.row_pitch(),
            input.block_pitch(),
            output_pitch,
        ];
        let head: Vec<u64> = head.into_iter().chain(self.depthwise.activation.words()).collect();
        assert_eq!(head.len() * 4, size_of::<Head>(), "the head has these words");
        head.into_iter().map(word).collect()
    }

    pub fn emit(&self, emit: &mut Emitter<'_>, arguments: &Arguments) {
        let Depthwise { input, output, .. } = &self.depthwise;
        let stride = u64::from(self.depthwise.stride());
        let (start, count) = (u64::from(self.rows.0), u64::from(self.rows.1 - self.rows.0));
        let from = emit.offset(arguments.inputs[0], input.corner(&self.depthwise.window));
        let to = emit.offset(arguments.output, output.origin() + start * output.row_pitch());
        let first = emit.count(start * stride);
        emit.repeat(count, &[(to, output.row_pitch())], &[first], |emit, to, first| {
            emit.call(Micro::Depthwise, &[arguments.table, from, first[0], to[0], arguments.weights]);
            vec![emit.add_count(first[0], stride)]
        });
    }
}

/// A sum without sigmoid, with an activation that microkernels have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SumRows {
    pub sum: Sum,
    pub isa: Isa,
    /// Output rows, from the first to before the second.
    pub rows: (u32, u32),
}

impl SumRows {
    /// Whether there is a microkernel for it.
    pub fn serves(sum: &Sum) -> bool {
        !sum.sigmoid && !sum.accumulate && sum.activation.keeps_zero()
    }

    pub fn new(sum: Sum, isa: Isa) -> Self {
        let rows = (0, sum.output.shape.height);
        Self { sum, isa, rows }
    }

    pub fn table(&self) -> Vec<u32> {
        let View { shape, .. } = self.sum.output;
        self.table_of(0, NO_RING, &self.sum.output, shape.width)
    }

    /// For an output laid out as `output`, of which `ring` rows are kept; its row 0 is row `start` of the inputs.
    pub fn table_of(&self, start: i32, ring: u64, output: &View, width: u32) -> Vec<u32> {
        let head = [
            self.sum.inputs.len() as u64,
            self.sum.output.height(),
            u64::from(start.cast_unsigned()),
            ring,
            output.row_pitch(),
            output.block_pitch(),
            u64::from(width) * View::PIXEL,
            output.blocks(),
            u64::from(self.sum.weighted),
        ];
        let head: Vec<u64> = head.into_iter().chain(self.sum.activation.words()).collect();
        assert_eq!(head.len() * 4, size_of::<Aggregate>(), "the head has these words");
        let inputs = self.sum.inputs.iter().flat_map(|view| [view.origin(), view.row_pitch(), view.block_pitch()]);
        head.into_iter().chain(inputs).map(word).collect()
    }

    pub fn emit(&self, emit: &mut Emitter<'_>, arguments: &Arguments) {
        let output = emit.offset(arguments.output, self.sum.output.origin());
        let inputs = emit.array(&arguments.inputs);
        let first = emit.count(u64::from(self.rows.0));
        let count = u64::from(self.rows.1 - self.rows.0);
        emit.repeat(count, &[], &[first], |emit, _, row| {
            self.row(emit, arguments.table, (inputs, output), row[0], arguments.weights);
            vec![emit.add_count(row[0], 1)]
        });
    }

    /// Calls the microkernel for one row.
    pub fn row(
        &self,
        emit: &mut Emitter<'_>,
        table: Value,
        (inputs, output): (Value, Value),
        row: Value,
        factors: Value,
    ) {
        emit.call(Micro::Aggregate, &[table, inputs, row, output, factors]);
    }
}
