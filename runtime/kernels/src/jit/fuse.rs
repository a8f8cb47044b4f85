//! Calls that are done in one pass: a convolution with the addition or the concatenation behind it, and a node of a random network as a whole.
//!
//! Program → the same program with fewer calls. Tensors between fused calls are not made, so their buffers are used by no call and get no place.
//! A pair is fused only where nothing else sees the tensor between them, and nothing in between writes what the first one reads.

use super::constants::Section;
use super::gemm::Gemm;
use super::kernel::Kernel;
use super::lower::{Call, Program};
use super::node::Node;
use super::rows::{DepthwiseRows, SumRows};
use super::view::View;
use cnasc_ir::op::Window;

/// Channels of a block.
const BLOCK: u32 = View::PIXEL as u32;

/// Fuses what can be. `visible` buffers hold tensors that others read.
pub fn fuse(program: &mut Program<'_>, visible: &[usize]) {
    for action in 0..program.actions.len() {
        let mut calls: Vec<Option<Call>> = std::mem::take(&mut program.actions[action]).into_iter().map(Some).collect();
        let uses = Uses::of(program, &calls, visible);
        let mut fusing = Fusing { program, calls: &mut calls, uses };
        fusing.additions();
        fusing.nodes();
        fusing.concatenations();
        program.actions[action] = calls.into_iter().flatten().collect();
        drop_clears(program, action);
    }
}

/// Buffers that no call reads any more, and that nobody else sees, need no border.
fn drop_clears(program: &mut Program<'_>, action: usize) {
    let mut calls = std::mem::take(&mut program.actions[action]);
    let used = |buffer: usize| {
        let others = program.actions.iter().flatten().chain(&calls);
        others.filter(|call| !matches!(call.kernel, Kernel::Clear(_))).any(|call| call.touches(buffer))
    };
    let keep: Vec<bool> =
        calls.iter().map(|call| !matches!(call.kernel, Kernel::Clear(_)) || used(call.output)).collect();
    let mut keep = keep.into_iter();
    calls.retain(|_| keep.next().unwrap_or(true));
    program.actions[action] = calls;
}

/// Who touches each buffer.
struct Uses {
    /// Of this action's calls, those that touch it, clears apart.
    calls: Vec<Vec<usize>>,
    /// Whether it is touched elsewhere.
    elsewhere: Vec<bool>,
}

impl Uses {
    fn of(program: &Program<'_>, calls: &[Option<Call>], visible: &[usize]) -> Self {
        let mut uses =
            Self { calls: vec![Vec::new(); program.buffers.len()], elsewhere: vec![false; program.buffers.len()] };
        visible.iter().for_each(|&buffer| uses.elsewhere[buffer] = true);
        for call in program.actions.iter().flatten() {
            call.inputs.iter().chain([&call.output]).for_each(|&buffer| uses.elsewhere[buffer] = true);
        }
        for (index, call) in calls.iter().enumerate() {
            let Some(call) = call.as_ref().filter(|call| !matches!(call.kernel, Kernel::Clear(_))) else { continue };
            for &buffer in call.inputs.iter().chain([&call.output]) {
                if uses.calls[buffer].last() != Some(&index) {
                    uses.calls[buffer].push(index);
                }
            }
        }
        uses
    }
}

struct Fusing<'a, 'w> {
    program: &'a mut Program<'w>,
    calls: &'a mut Vec<Option<Call>>,
    uses: Uses,
}

impl Fusing<'_, '_> {
    fn call(&self, index: usize) -> Option<&Call> {
        self.calls.get(index).and_then(Option::as_ref)
    }

    /// The one call that reads what `writer` leaves in its output, if nothing else does after it.
    fn only_reader(&self, writer: usize) -> Option<usize> {
        let output = self.call(writer)?.output;
        if self.uses.elsewhere[output] {
            return None;
        }
        let later: Vec<usize> = self.uses.calls[output].iter().copied().filter(|&index| index > writer).collect();
        let &[reader] = later.as_slice() else { return None };
        self.call(reader).filter(|call| call.inputs.contains(&output)).map(|_| reader)
    }

    /// Whether a call between the two writes one of the buffers.
    fn written_between(&self, first: usize, last: usize, buffers: &[usize]) -> bool {
        (first + 1..last).filter_map(|index| self.call(index)).any(|call| buffers.contains(&call.output))
    }

    /// A convolution whose result is added to another tensor of the same layout adds it itself.
    fn additions(&mut self) {
        for first in 0..self.calls.len() {
            if let Some((reader, call)) = self.addition(first) {
                self.take(first);
                self.take(reader);
                self.put(reader, call);
            }
        }
    }

    fn addition(&self, first: usize) -> Option<(usize, Call)> {
        let call = self.call(first)?;
        let Kernel::Gemm(gemm) = &call.kernel else { return None };
        let reader = self.only_reader(first)?;
        let second = self.call(reader)?;
        let Kernel::SumRows(sum) = &second.kernel else { return None };
        let &[a, b] = second.inputs.as_slice() else { return None };
        let other = if a == call.output { b } else { a };
        let alike = self.program.buffers[other] == self.program.buffers[second.output];
        let plain = !gemm.conv.activation.is_some() && !gemm.adds && !sum.sum.weighted && other != call.output;
        if !plain || !alike || self.written_between(first, reader, &call.inputs) || call.inputs.contains(&second.output)
        {
            return None;
        }
        let mut gemm = gemm.clone();
        gemm.adds = true;
        gemm.conv.activation = sum.sum.activation;
        gemm.conv.output = self.program.buffers[second.output];
        let inputs = vec![call.inputs[0], other];
        let kernel = Kernel::Gemm(gemm);
        let (output, weights, step) = (second.output, call.weights, second.step);
        Some((reader, Call { kernel, inputs, output, weights, step }))
    }

    /// Depthwise and pointwise convolutions, with the sum before them where there is one.
    fn nodes(&mut self) {
        for first in 0..self.calls.len() {
            let Some(call) = self.call(first) else { continue };
            let sum = match &call.kernel {
                Kernel::SumRows(sum) => Some(sum.clone()),
                Kernel::DepthwiseRows(_) => None,
                _ => continue,
            };
            let depthwise = if sum.is_some() { self.only_reader(first) } else { Some(first) };
            let Some(depthwise) = depthwise else { continue };
            let Some(pointwise) = self.only_reader(depthwise) else { continue };
            if let Some(call) = self.node(sum, [first, depthwise, pointwise]) {
                [first, depthwise, pointwise].into_iter().for_each(|index| self.take(index));
                self.put(pointwise, call);
            }
        }
    }

    fn node(&mut self, sum: Option<SumRows>, [first, second, third]: [usize; 3]) -> Option<Call> {
        let (head, middle, last) = (self.call(first)?, self.call(second)?, self.call(third)?);
        let Kernel::DepthwiseRows(depthwise) = &middle.kernel else { return None };
        let Kernel::Gemm(pointwise) = &last.kernel else { return None };
        if !fits(depthwise, pointwise) || last.inputs[0] != middle.output || last.inputs[1..].contains(&middle.output) {
            return None;
        }
        let mut inputs = head.inputs.clone();
        inputs.extend(&last.inputs[1..]);
        if self.written_between(first, third, &head.inputs) || head.inputs.contains(&last.output) {
            return None;
        }
        let weights = [head.weights.filter(|_| sum.is_some()), middle.weights, last.weights];
        let (output, step) = (last.output, last.step);
        let (depthwise, pointwise) = (depthwise.clone(), pointwise.clone());
        let (mut packed, mut lengths) = (Section::default(), [0; 3]);
        for (section, length) in weights.into_iter().zip(&mut lengths) {
            if let Some(section) = section {
                packed.append(&mut self.program.sections[section]);
            }
            *length = packed.len() as u64;
        }
        let weights = (lengths[0], lengths[1] - lengths[0]);
        let rows = pointwise.rows;
        self.program.sections.push(packed);
        let section = self.program.sections.len() - 1;
        let kernel = Kernel::Node(Box::new(Node { sum, depthwise, pointwise, rows, weights }));
        Some(Call { kernel, inputs, output, weights: Some(section), step })
    }

    /// A convolution whose result is only copied into a longer tensor writes it there.
    fn concatenations(&mut self) {
        for first in 0..self.calls.len() {
            if let Some((copy, call)) = self.concatenation(first) {
                self.take(copy);
                self.take(first);
                self.put(first, call);
            }
        }
    }

    /// That the call is made earlier than the copy was does no harm: until all that is concatenated is there, nobody reads the tensor.
    fn concatenation(&self, first: usize) -> Option<(usize, Call)> {
        let call = self.call(first)?;
        let mut kernel = call.kernel.clone();
        let gemm = match &mut kernel {
            Kernel::Gemm(gemm) => gemm,
            Kernel::Node(node) => &mut node.pointwise,
            _ => return None,
        };
        // Written by this call alone, read by the copy alone.
        let reader = self.only_reader(first).filter(|_| self.uses.calls[call.output].len() == 2)?;
        let second = self.call(reader)?;
        let Kernel::Copy(copy) = &second.kernel else { return None };
        let (block, channels) = (copy.channel / BLOCK, copy.input.shape.channels);
        let aligned = copy.channel.is_multiple_of(BLOCK) && channels.is_multiple_of(BLOCK);
        // The other input of an addition lies as the output does, so that one can't move alone.
        if gemm.adds || !aligned || call.inputs.contains(&second.output) {
            return None;
        }
        gemm.conv.output = copy.output.channels_from(block, channels);
        let (inputs, output, weights, step) = (call.inputs.clone(), second.output, call.weights, call.step);
        Some((reader, Call { kernel, inputs, output, weights, step }))
    }

    fn take(&mut self, index: usize) {
        if let Some(call) = self.calls[index].take() {
            for &buffer in call.inputs.iter().chain([&call.output]) {
                self.uses.calls[buffer].retain(|&other| other != index);
            }
        }
    }

    fn put(&mut self, index: usize, call: Call) {
        for &buffer in call.inputs.iter().chain([&call.output]) {
            let list = &mut self.uses.calls[buffer];
            if let Err(place) = list.binary_search(&index) {
                list.insert(place, index);
            }
        }
        self.calls[index] = Some(call);
    }
}

/// Whether the two can be one: the second is pointwise, and every row of the sum is used by the next window or this one.
fn fits(depthwise: &DepthwiseRows, pointwise: &Gemm) -> bool {
    let conv = &pointwise.conv;
    conv.window == Window::square(1, 1, 0) && depthwise.depthwise.stride() <= depthwise.depthwise.kernel()
}
