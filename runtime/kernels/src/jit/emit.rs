//! Writing CLIF: vectors of four floats, addresses in floats, and counted loops. What kernels are made of.

use crate::micro::Micro;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::immediates::Ieee32;
use cranelift_codegen::ir::types::{F32, F32X4, I64};
use cranelift_codegen::ir::{BlockArg, FuncRef, InstBuilder, MemFlagsData, StackSlotData, StackSlotKind, Value};
use cranelift_frontend::FunctionBuilder;

/// Floats of one vector; four vectors are a block of channels.
pub const VECTOR: u64 = 4;
/// Vectors of one pixel of one block.
pub const QUADS: u64 = 4;

/// A function under construction.
pub struct Emitter<'a> {
    builder: FunctionBuilder<'a>,
    params: Vec<Value>,
    cpu: Cpu,
    micro: Vec<FuncRef>,
}

/// What the CPU does in one instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cpu {
    /// Multiplies and adds. Without, the code generator's `fma` would be a call for each lane.
    pub multiplies_and_adds: bool,
    /// Loads a float into all lanes as cheaply as it loads a vector, while its few registers make holding one dear.
    pub broadcasts_at_will: bool,
}

impl<'a> Emitter<'a> {
    /// Starts the body of the builder's function.
    pub fn new(mut builder: FunctionBuilder<'a>, cpu: Cpu) -> Self {
        let entry = builder.create_block();
        builder.append_block_params_for_function_params(entry);
        builder.switch_to_block(entry);
        let params = builder.block_params(entry).to_vec();
        Self { builder, params, cpu, micro: Vec::new() }
    }

    /// The function's parameters.
    pub fn params(&self) -> &[Value] {
        &self.params
    }

    /// What the code is for.
    pub fn cpu(&self) -> Cpu {
        self.cpu
    }

    /// Returns from the function, which is then complete.
    pub fn finish(mut self, config: cranelift_codegen::isa::TargetFrontendConfig) {
        self.builder.ins().return_(&[]);
        self.builder.seal_all_blocks();
        self.builder.finalize(config);
    }

    pub fn builder(&mut self) -> &mut FunctionBuilder<'a> {
        &mut self.builder
    }

    /// Makes the microkernels callable, in the order of [`Micro::ALL`].
    pub fn import(&mut self, micro: Vec<FuncRef>) {
        self.micro = micro;
    }

    /// Calls a microkernel with [as many words](Micro::words) as it takes.
    pub fn call(&mut self, micro: Micro, arguments: &[Value]) {
        let function = self.micro[micro as usize];
        self.builder.ins().call(function, arguments);
    }

    /// These pointers as an array in memory.
    pub fn array(&mut self, pointers: &[Value]) -> Value {
        let bytes = u32::try_from(8 * pointers.len()).expect("a step has few inputs");
        let slot = self.builder.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, bytes, 3));
        for (index, &pointer) in pointers.iter().enumerate() {
            self.builder.ins().stack_store(I64, pointer, slot, 8 * index as i32);
        }
        self.builder.ins().stack_addr(I64, slot, 0)
    }

    /// Zeros in all lanes of a pixel of one block.
    pub fn clear_pixel(&mut self, pointer: Value, floats: u64) {
        let zero = self.splat(0.0);
        for quad in 0..QUADS {
            self.store(zero, pointer, floats + quad * VECTOR);
        }
    }

    /// A count plus a number that is known now.
    pub fn add_count(&mut self, count: Value, more: u64) -> Value {
        self.builder.ins().iadd_imm_s(count, signed(more))
    }

    /// Every access is inside a buffer, so none traps; vectors lie at multiples of 16 bytes, as buffers and pixels do.
    fn flags() -> MemFlagsData {
        MemFlagsData::trusted()
    }

    /// `pointer` moved by so many floats.
    pub fn offset(&mut self, pointer: Value, floats: u64) -> Value {
        if floats == 0 {
            return pointer;
        }
        let bytes = self.builder.ins().iconst(I64, signed(floats) * 4);
        self.builder.ins().iadd(pointer, bytes)
    }

    /// `pointer` moved by a number of floats that is known only when the function runs.
    pub fn index(&mut self, pointer: Value, floats: Value) -> Value {
        let bytes = self.builder.ins().ishl_imm_u(floats, 2);
        self.builder.ins().iadd(pointer, bytes)
    }

    /// The address for an access `floats` behind `pointer`, as a pointer and an immediate.
    fn address(&mut self, pointer: Value, floats: u64) -> (Value, i32) {
        match i32::try_from(floats * 4) {
            Ok(immediate) => (pointer, immediate),
            Err(_) => (self.offset(pointer, floats), 0),
        }
    }

    /// Four floats at any place.
    pub fn load_anywhere(&mut self, pointer: Value, floats: u64) -> Value {
        let (pointer, immediate) = self.address(pointer, floats);
        self.builder.ins().load(F32X4, MemFlagsData::new().with_notrap(), pointer, immediate)
    }

    /// Four floats.
    pub fn load(&mut self, pointer: Value, floats: u64) -> Value {
        let (pointer, immediate) = self.address(pointer, floats);
        self.builder.ins().load(F32X4, Self::flags(), pointer, immediate)
    }

    pub fn store(&mut self, value: Value, pointer: Value, floats: u64) {
        let (pointer, immediate) = self.address(pointer, floats);
        self.builder.ins().store(Self::flags(), value, pointer, immediate);
    }

    /// One float.
    pub fn load_scalar(&mut self, pointer: Value, floats: u64) -> Value {
        let (pointer, immediate) = self.address(pointer, floats);
        self.builder.ins().load(F32, Self::flags(), pointer, immediate)
    }

    /// One float in all four lanes.
    pub fn load_splat(&mut self, pointer: Value, floats: u64) -> Value {
        let scalar = self.load_scalar(pointer, floats);
        self.builder.ins().splat(F32X4, scalar)
    }

    /// An entry of a table of 32-bit numbers, widened.
    pub fn load_index(&mut self, table: Value, entry: u64) -> Value {
        let (pointer, immediate) = self.address(table, entry);
        self.builder.ins().uload32(Self::flags(), pointer, immediate)
    }

    /// A constant in all four lanes.
    pub fn splat(&mut self, value: f32) -> Value {
        let bytes: Vec<u8> = value.to_le_bytes().repeat(VECTOR as usize);
        let constant = self.builder.func.dfg.constants.insert(bytes.into());
        self.builder.ins().vconst(F32X4, constant)
    }

    /// A constant in one lane.
    pub fn scalar(&mut self, value: f32) -> Value {
        self.builder.ins().f32const(Ieee32::with_float(value))
    }

    /// `a · b + sum`.
    pub fn multiply_add(&mut self, a: Value, b: Value, sum: Value) -> Value {
        if self.cpu.multiplies_and_adds {
            self.builder.ins().fma(a, b, sum)
        } else {
            let product = self.builder.ins().fmul(a, b);
            self.builder.ins().fadd(sum, product)
        }
    }

    pub fn add(&mut self, a: Value, b: Value) -> Value {
        self.builder.ins().fadd(a, b)
    }

    pub fn take(&mut self, a: Value, b: Value) -> Value {
        self.builder.ins().fsub(a, b)
    }

    pub fn multiply(&mut self, a: Value, b: Value) -> Value {
        self.builder.ins().fmul(a, b)
    }

    pub fn divide(&mut self, a: Value, b: Value) -> Value {
        self.builder.ins().fdiv(a, b)
    }

    /// The lanes put together by a function that takes two values, in all lanes.
    pub fn across(&mut self, value: Value, join: impl Fn(&mut Self, Value, Value) -> Value) -> Value {
        let lanes = [0, 1, 2, 3].map(|lane| self.lane(value, lane));
        let (left, right) = (join(self, lanes[0], lanes[1]), join(self, lanes[2], lanes[3]));
        join(self, left, right)
    }

    /// One lane in all lanes.
    fn lane(&mut self, value: Value, lane: u8) -> Value {
        let scalar = self.builder.ins().extractlane(value, lane);
        self.builder.ins().splat(F32X4, scalar)
    }

    /// The greater of each lane in the form that back ends have one instruction for; `a` where it is greater, else `b`.
    pub fn maximum(&mut self, a: Value, b: Value) -> Value {
        let less = self.builder.ins().fcmp(FloatCC::LessThan, b, a);
        self.choose(less, a, b)
    }

    /// The lesser of each lane.
    pub fn minimum(&mut self, a: Value, b: Value) -> Value {
        let less = self.builder.ins().fcmp(FloatCC::LessThan, a, b);
        self.choose(less, a, b)
    }

    fn choose(&mut self, mask: Value, a: Value, b: Value) -> Value {
        let mask = self.builder.ins().bitcast(F32X4, MemFlagsData::new(), mask);
        self.builder.ins().bitselect(mask, a, b)
    }

    /// min(max(value, least), greatest).
    pub fn bounded(&mut self, value: Value, least: f32, greatest: f32) -> Value {
        let (least, greatest) = (self.splat(least), self.splat(greatest));
        let value = self.maximum(value, least);
        self.minimum(value, greatest)
    }

    /// `negative` in the lanes where `value` is below zero, else `other`.
    pub fn where_negative(&mut self, value: Value, negative: Value, other: Value) -> Value {
        let zero = self.splat(0.0);
        let below = self.builder.ins().fcmp(FloatCC::LessThan, value, zero);
        self.choose(below, negative, other)
    }

    /// max(value, 0).
    pub fn relu(&mut self, value: Value) -> Value {
        let zero = self.splat(0.0);
        self.maximum(value, zero)
    }

    /// Zero in the lanes from `lanes` on.
    pub fn keep_lanes(&mut self, value: Value, lanes: u64) -> Value {
        if lanes >= VECTOR {
            return value;
        }
        let zero = self.splat(0.0);
        self.first_lanes(value, zero, lanes)
    }

    /// The first lane also in the lanes from `lanes` on; there is at least one.
    pub fn repeat_lanes(&mut self, value: Value, lanes: u64) -> Value {
        if lanes >= VECTOR {
            return value;
        }
        let first = self.lane(value, 0);
        self.first_lanes(value, first, lanes)
    }

    /// So many lanes of `value`, then those of `others`.
    fn first_lanes(&mut self, value: Value, others: Value, lanes: u64) -> Value {
        let mut kept = others;
        for lane in 0..lanes {
            let lane = u8::try_from(lane).expect("a vector has four lanes");
            let scalar = self.builder.ins().extractlane(value, lane);
            kept = self.builder.ins().insertlane(kept, scalar, lane);
        }
        kept
    }

    /// A count that a loop runs, as a value.
    pub fn count(&mut self, count: u64) -> Value {
        self.builder.ins().iconst(I64, signed(count))
    }

    /// The lesser of two counts.
    pub fn least(&mut self, a: Value, b: Value) -> Value {
        let less = self.builder.ins().icmp(IntCC::UnsignedLessThan, a, b);
        self.builder.ins().select(less, a, b)
    }

    pub fn subtract(&mut self, a: Value, b: Value) -> Value {
        self.builder.ins().isub(a, b)
    }

    /// Runs `body` `count` times. It is given the pointers, which move by so many floats each time, and what it returned the time before
    /// (`carried` at first); what it returns last comes back. A loop of one is not a loop, one of none is nothing.
    pub fn repeat(
        &mut self,
        count: u64,
        pointers: &[(Value, u64)],
        carried: &[Value],
        mut body: impl FnMut(&mut Self, &[Value], &[Value]) -> Vec<Value>,
    ) -> Vec<Value> {
        match count {
            0 => carried.to_vec(),
            1 => {
                let first: Vec<Value> = pointers.iter().map(|&(pointer, _)| pointer).collect();
                body(self, &first, carried)
            }
            _ => {
                let count = self.count(count);
                self.repeat_value(count, pointers, carried, body)
            }
        }
    }

    /// The same without anything carried.
    pub fn each(&mut self, count: u64, pointers: &[(Value, u64)], mut body: impl FnMut(&mut Self, &[Value])) {
        self.repeat(count, pointers, &[], |emit, pointers, _| {
            body(emit, pointers);
            Vec::new()
        });
    }

    /// As [`repeat`](Self::repeat), for a count that is known only when the function runs.
    ///
    /// The test stands at the head, so that what the body makes is used once: the code generator merges a load into the instruction that
    /// uses it only where nothing further down that chain of uses is used twice.
    pub fn repeat_value(
        &mut self,
        count: Value,
        pointers: &[(Value, u64)],
        carried: &[Value],
        mut body: impl FnMut(&mut Self, &[Value], &[Value]) -> Vec<Value>,
    ) -> Vec<Value> {
        let [head, inside, exit] = std::array::from_fn(|_| self.builder.create_block());
        let starts = pointers.iter().map(|&(pointer, _)| pointer);
        let entering: Vec<Value> = std::iter::once(count).chain(starts).chain(carried.iter().copied()).collect();
        for &value in &entering {
            let ty = self.builder.func.dfg.value_type(value);
            self.builder.append_block_param(head, ty);
        }
        self.builder.ins().jump(head, &arguments(&entering));
        self.builder.switch_to_block(head);
        let params = self.builder.block_params(head).to_vec();
        let (moving, values) = params[1..].split_at(pointers.len());
        self.builder.ins().brif(params[0], inside, &[], exit, &[]);
        self.builder.switch_to_block(inside);
        let result = body(self, moving, values);
        let mut next = vec![self.builder.ins().iadd_imm_s(params[0], -1)];
        for (&pointer, &(_, step)) in moving.iter().zip(pointers) {
            next.push(self.builder.ins().iadd_imm_s(pointer, signed(step) * 4));
        }
        next.extend(&result);
        self.builder.ins().jump(head, &arguments(&next));
        self.builder.switch_to_block(exit);
        values.to_vec()
    }
}

fn arguments(values: &[Value]) -> Vec<BlockArg> {
    values.iter().map(|&value| BlockArg::Value(value)).collect()
}

/// Distances and counts are below 2⁶⁰, which the limit on the arena and on shapes sees to.
fn signed(value: u64) -> i64 {
    i64::try_from(value).expect("distances are bounded far below 2^63")
}
