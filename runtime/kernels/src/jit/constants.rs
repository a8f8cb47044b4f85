//! Weights in the order in which kernels read them, and tables: sections → one buffer.
//!
//! Weights of dense convolutions are nearly all of a network's, so they are packed only once their place is known, straight from the weights
//! as they came where those have the order of a convolution's; by several threads where the share has them.

use super::code::Buffer;
use super::gemm::Gemm;
use super::kernel::Kernel;
use super::winograd::Winograd;
use crate::CompileError;
use crate::memory::ALIGNMENT;
use std::borrow::Cow;

/// Floats of one alignment unit.
const UNIT: usize = ALIGNMENT as usize / 4;
/// Fewer floats than this are not worth another thread.
const WORTH_A_THREAD: usize = 1 << 20;

/// A part of a section.
#[derive(Debug)]
pub enum Piece<'a> {
    /// As it is.
    Words(Vec<u32>),
    /// To be packed.
    Gemm {
        /// The convolution.
        gemm: Gemm,
        /// `[out, in, rows, columns]`.
        weights: Cow<'a, [f32]>,
        /// One an output channel.
        bias: Option<&'a [f32]>,
    },
    /// The same in Winograd's form.
    Winograd {
        /// The convolution.
        winograd: Winograd,
        /// `[out, in, rows, columns]`.
        weights: Cow<'a, [f32]>,
        /// One an output channel.
        bias: Option<&'a [f32]>,
    },
}

impl Piece<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Words(words) => words.len(),
            Self::Gemm { gemm, .. } => gemm.packed_len(),
            Self::Winograd { winograd, .. } => winograd.packed_len(),
        }
    }

    /// Writes it to zeroed memory of its length.
    fn write(&self, to: &mut [f32]) {
        match self {
            Self::Words(words) => to.iter_mut().zip(words).for_each(|(to, &word)| *to = f32::from_bits(word)),
            Self::Gemm { gemm, weights, bias } => gemm.pack(weights, *bias, to),
            Self::Winograd { winograd, weights, bias } => winograd.pack(weights, *bias, to),
        }
    }
}

/// What one call reads, one piece behind the other, each at the alignment.
#[derive(Debug, Default)]
pub struct Section<'a> {
    pieces: Vec<Piece<'a>>,
}

impl<'a> Section<'a> {
    /// Floats up to where the next piece would start.
    pub fn len(&self) -> usize {
        self.pieces.iter().map(|piece| piece.len().next_multiple_of(UNIT)).sum()
    }

    /// Has the weights of a convolution packed as the kernel reads them.
    pub fn repack(&mut self, kernel: &Kernel) {
        for piece in &mut self.pieces {
            let Piece::Gemm { gemm, weights, bias } = piece else { continue };
            match kernel {
                Kernel::Winograd(winograd) => {
                    let (winograd, weights, bias) = (Winograd::clone(winograd), std::mem::take(weights), bias.take());
                    *piece = Piece::Winograd { winograd, weights, bias };
                }
                Kernel::Gemm(own) => *gemm = own.clone(),
                Kernel::Node(node) => *gemm = node.pointwise.clone(),
                _ => {}
            }
        }
    }

    /// Moves the other's pieces behind its own.
    pub fn append(&mut self, other: &mut Self) {
        self.pieces.append(&mut other.pieces);
    }

    fn write(&self, mut to: &mut [f32]) {
        for piece in &self.pieces {
            let (here, rest) = to.split_at_mut(piece.len().next_multiple_of(UNIT));
            piece.write(&mut here[..piece.len()]);
            to = rest;
        }
    }
}

impl<'a> From<Piece<'a>> for Section<'a> {
    fn from(piece: Piece<'a>) -> Self {
        Self { pieces: vec![piece] }
    }
}

impl From<Vec<u32>> for Section<'_> {
    fn from(words: Vec<u32>) -> Self {
        Piece::Words(words).into()
    }
}

/// All sections in one buffer, and where each starts in floats.
pub fn constants(sections: &[Section<'_>], threads: usize) -> Result<(Buffer, Vec<u64>), CompileError> {
    let mut total = 0;
    let mut starts = Vec::with_capacity(sections.len());
    for section in sections {
        starts.push(total as u64);
        total += section.len();
    }
    let mut buffer = Buffer::zeroed(total as u64, "the weights")?;
    let share = total.div_ceil(threads).max(WORTH_A_THREAD);
    std::thread::scope(|scope| {
        let (mut sections, mut to) = (sections, buffer.floats_mut());
        while !sections.is_empty() {
            let mut floats = 0;
            let count = sections.iter().take_while(|section| {
                let fits = floats < share;
                floats += if fits { section.len() } else { 0 };
                fits
            });
            let (mine, others) = sections.split_at(count.count());
            let (here, rest) = std::mem::take(&mut to).split_at_mut(floats);
            (sections, to) = (others, rest);
            if sections.is_empty() {
                write(mine, here);
            } else {
                scope.spawn(|| write(mine, here));
            }
        }
    });
    Ok((buffer, starts))
}

fn write(sections: &[Section<'_>], mut to: &mut [f32]) {
    for section in sections {
        let (here, rest) = to.split_at_mut(section.len());
        section.write(here);
        to = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_lie_where_they_are_said_to() {
        let lengths = [0, 3, 16, 700_000, 17, 900_000, 1];
        let sections: Vec<Section<'_>> =
            lengths.iter().map(|&length| (1..=length).collect::<Vec<u32>>().into()).collect();
        for threads in 1..4 {
            let (buffer, starts) = constants(&sections, threads).unwrap();
            let mut expected = 0;
            for (&length, &start) in lengths.iter().zip(&starts) {
                assert_eq!(start as usize, expected);
                expected += (length as usize).next_multiple_of(UNIT);
                let found = buffer.floats()[start as usize..expected].iter().map(|value| value.to_bits());
                assert!(found.eq((1..=length).chain(std::iter::repeat(0)).take(expected - start as usize)));
            }
            assert_eq!(buffer.floats().len(), expected);
        }
    }

    #[test]
    fn pieces_of_a_section_are_aligned() {
        let mut section = Section::from(vec![1; 5]);
        section.append(&mut Section::from(vec![2; 20]));
        assert_eq!(section.len(), 48);
        let (buffer, _) = constants(&[section], 1).unwrap();
        let bits: Vec<u32> = buffer.floats().iter().map(|value| value.to_bits()).collect();
        assert_eq!([&bits[..6], &bits[15..17], &bits[35..37]], [&[1, 1, 1, 1, 1, 0], &[0, 2][..], &[2, 0]]);
    }
}
