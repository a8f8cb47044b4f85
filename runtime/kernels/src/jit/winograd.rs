//! Dense convolutions of 3 × 3 windows by [`micro::winograd`](crate::micro::winograd): a few rows of tiles at a time become numbers, a slice of
//! output channels at a time gets its sixteen matrix products, and these its outputs, so that only a slice's products are kept.

use super::activation::Activation;
use super::conv::{Conv, word};
use super::emit::Emitter;
use super::gemm::Gemm;
use super::kernel::Arguments;
use super::view::View;
use crate::micro::Micro;
use crate::micro::winograd::{NUMBERS, Winograd as Head};
use cnasc_ir::Shape;
use cnasc_ir::op::Window;
use cranelift_codegen::ir::Value;

/// Output channels of a slice; the last one may have half.
const SLICE: u32 = 32;
/// Tiles of one pass over the weights, where there are as many: they are read anew for each.
const PASS_TILES: u32 = 56;
/// The fewest tiles that make up for weights of 16/9 the size, and the fewest channels for the work on each tile. Tests take small ones too.
const LEAST_TILES: u32 = if cfg!(test) { 4 } else { 40 };
const LEAST_CHANNELS: u32 = if cfg!(test) { 16 } else { 32 };
/// The fewest tiles of a row: fewer pixels have products of another form.
const LEAST_WIDTH: u32 = 4;
/// Floats of a cache line, by which numbers are apart from what would lie at equal places of the cache.
const LINE: u64 = 16;

/// What the code depends on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Winograd {
    /// The convolution.
    pub gemm: Gemm,
    /// Rows of tiles, from the first to before the second.
    pub rows: (u32, u32),
}

impl Winograd {
    /// The convolution in this form, if it has it and seems to gain by it.
    pub fn of(gemm: &Gemm) -> Option<Self> {
        let Conv { input, output, .. } = &gemm.conv;
        let tiles = output.shape.height / 2 * (output.shape.width / 2);
        let large = tiles >= LEAST_TILES && output.shape.channels.min(input.shape.channels) >= LEAST_CHANNELS;
        Self::able(gemm).filter(|_| large)
    }

    /// The convolution in this form, if it has it.
    pub fn able(gemm: &Gemm) -> Option<Self> {
        let Conv { input, output, window, groups, .. } = &gemm.conv;
        let Shape { channels, height, width } = output.shape;
        let inputs = input.shape.channels;
        let even = [channels, inputs].iter().all(|count| count.is_multiple_of(View::PIXEL as u32))
            && height.is_multiple_of(2)
            && width.is_multiple_of(2);
        let fits = *window == Window::same(3, 1) && *groups == 1 && !input.narrow && gemm.panels.is_none();
        (even && fits && width / 2 >= LEAST_WIDTH && height > 0)
            .then(|| Self { gemm: gemm.clone(), rows: (0, height / 2) })
    }

    /// Slices of one size: their channels, and how many there are.
    fn slices(&self) -> [(u32, u64); 2] {
        let channels = self.gemm.conv.output.shape.channels;
        [(SLICE, u64::from(channels / SLICE)), (channels % SLICE, u64::from(!channels.is_multiple_of(SLICE)))]
    }

    /// The matrix product of one number of so many tiles with the weights of a slice.
    fn product(&self, channels: u32, tiles: u32) -> Gemm {
        let view = |channels| View::plain(Shape::new(channels, 1, tiles));
        let (input, output) = (view(self.gemm.conv.input.shape.channels), view(channels));
        let window = Window::square(1, 1, 0);
        Gemm::new(Conv { input, output, window, groups: 1, activation: Activation::None }, self.gemm.isa)
    }

    /// Floats of a slice: biases, then the weights of each number.
    fn slice_len(&self, channels: u32) -> usize {
        channels as usize + NUMBERS as usize * self.product(channels, LEAST_WIDTH).packed_len()
    }

    /// Floats of the packed weights.
    pub fn packed_len(&self) -> usize {
        self.slices().into_iter().map(|(channels, count)| count as usize * self.slice_len(channels)).sum()
    }

    /// As [`Gemm::pack`].
    pub fn pack(&self, weights: &[f32], bias: Option<&[f32]>, mut to: &mut [f32]) {
        let inputs = self.gemm.conv.input.shape.channels as usize;
        let mut first = 0;
        for channels in self.slices().into_iter().flat_map(|(channels, count)| (0..count).map(move |_| channels)) {
            let product = self.product(channels, LEAST_WIDTH);
            let own = first..first + channels as usize;
            let (here, rest) = std::mem::take(&mut to).split_at_mut(self.slice_len(channels));
            let (biases, numbers) = here.split_at_mut(channels as usize);
            if let Some(bias) = bias {
                biases.copy_from_slice(&bias[own.clone()]);
            }
            let windows = weights[own.start * inputs * 9..own.end * inputs * 9].chunks_exact(9);
            let windows: Vec<[f32; 16]> = windows.map(numbers_of).collect();
            for (number, to) in numbers.chunks_exact_mut(product.packed_len()).enumerate() {
                let of_number: Vec<f32> = windows.iter().map(|window| window[number]).collect();
                product.pack(&of_number, None, to);
            }
            (to, first) = (rest, own.end);
        }
    }

    /// Tiles of a row.
    fn tiles(&self) -> u32 {
        self.gemm.conv.output.shape.width / 2
    }

    /// Rows of tiles of one pass, and of the last one, if that has fewer.
    fn passes(&self) -> (u32, u32) {
        let rows = self.rows.1 - self.rows.0;
        let pass = self.gemm.passes.of(u64::from(PASS_TILES));
        let most = (pass / u64::from(self.tiles())).clamp(1, u64::from(rows)) as u32;
        let even = rows.div_ceil(rows.div_ceil(most));
        (even, rows % even)
    }

    /// From a number of so many rows of tiles to the next.
    fn number_pitch(&self, channels: u32, rows: u32) -> u64 {
        u64::from(channels) * u64::from(rows) * u64::from(self.tiles()) + LINE
    }

    /// Floats of memory beside the tensors: the numbers of all inputs, and of a slice of outputs.
    pub fn scratch(&self) -> u64 {
        let channels = self.gemm.conv.input.shape.channels;
        NUMBERS
            * [channels, SLICE].into_iter().map(|channels| self.number_pitch(channels, self.passes().0)).sum::<u64>()
    }

    fn head(&self, view: &View, channels: u32, rows: u32) -> Vec<u32> {
        let head = [
            u64::from(self.tiles()),
            u64::from(rows),
            u64::from(channels) / View::PIXEL,
            view.row_pitch(),
            view.block_pitch(),
            self.number_pitch(channels, rows),
            u64::from(self.gemm.adds),
        ];
        let head: Vec<u32> = head.into_iter().chain(self.gemm.conv.activation.words()).map(word).collect();
        assert_eq!(head.len() * 4, size_of::<Head>(), "the head has these words");
        head
    }

    /// For a pass of so many rows: how inputs lie, and for each size of slices how outputs do, and the product's table.
    fn pass_table(&self, rows: u32) -> [Vec<u32>; 5] {
        let Conv { input, output, .. } = &self.gemm.conv;
        let [first, last] = self.slices().map(|(channels, _)| {
            let product = if channels > 0 { self.product(channels, rows * self.tiles()).table() } else { Vec::new() };
            (self.head(output, channels, rows), product)
        });
        [self.head(input, input.shape.channels, rows), first.0, first.1, last.0, last.1]
    }

    /// Both passes' tables.
    pub fn table(&self) -> Vec<u32> {
        let (rows, rest) = self.passes();
        [self.pass_table(rows), self.pass_table(rest.max(1))].concat().concat()
    }

    pub fn emit(&self, emit: &mut Emitter<'_>, arguments: &Arguments) {
        let Conv { input, output, window, .. } = &self.gemm.conv;
        let start = 2 * u64::from(self.rows.0);
        let from = emit.offset(arguments.inputs[0], input.corner(window) + start * input.row_pitch());
        let other = arguments.inputs[arguments.inputs.len() - 1];
        let [to, other] =
            [arguments.output, other].map(|at| emit.offset(at, output.origin() + start * output.row_pitch()));
        let (rows, rest) = self.passes();
        let count = u64::from((self.rows.1 - self.rows.0) / rows);
        let pitches = [input, output, output].map(|view| 2 * u64::from(rows) * view.row_pitch());
        let moving: Vec<(Value, u64)> = [from, to, other].into_iter().zip(pitches).collect();
        emit.each(count, &moving, |emit, at| self.pass(emit, arguments, (rows, arguments.table), at));
        if rest > 0 {
            let at: Vec<Value> = moving.iter().map(|&(at, pitch)| emit.offset(at, count * pitch)).collect();
            let words: usize = self.pass_table(rows).iter().map(Vec::len).sum();
            let table = emit.offset(arguments.table, words as u64);
            self.pass(emit, arguments, (rest, table), &at);
        }
    }

    /// So many rows of tiles, whose input, output and addend start at the pointers.
    fn pass(&self, emit: &mut Emitter<'_>, arguments: &Arguments, (rows, table): (u32, Value), at: &[Value]) {
        let tables = self.pass_table(rows);
        let inputs = self.number_pitch(self.gemm.conv.input.shape.channels, rows);
        let (numbers, products) = (arguments.scratch, emit.offset(arguments.scratch, NUMBERS * inputs));
        emit.call(Micro::Spread, &[table, at[0], numbers]);
        let (mut weights, mut to, mut other) = (arguments.weights, at[1], at[2]);
        let mut table = emit.offset(table, tables[0].len() as u64);
        for ((channels, count), tables) in self.slices().into_iter().zip(tables[1..].chunks_exact(2)) {
            if channels == 0 {
                break;
            }
            let product = self.product(channels, rows * self.tiles());
            let product_table = emit.offset(table, tables[0].len() as u64);
            let blocks = u64::from(channels) / View::PIXEL * self.gemm.conv.output.block_pitch();
            let moving = [(weights, self.slice_len(channels) as u64), (to, blocks), (other, blocks)];
            emit.each(count, &moving, |emit, at| {
                let first = emit.offset(at[0], u64::from(channels));
                let pitch = self.number_pitch(channels, rows);
                let moving = [(numbers, inputs), (products, pitch), (first, product.packed_len() as u64)];
                emit.each(NUMBERS, &moving, |emit, at| {
                    product.call(emit, product_table, [at[0], at[1], at[1]], at[2]);
                });
                emit.call(Micro::Collect, &[table, products, at[1], at[0], at[2]]);
            });
            [weights, to, other] = moving.map(|(at, pitch)| emit.offset(at, count * pitch));
            table = emit.offset(product_table, tables[1].len() as u64);
        }
    }
}

/// What a window is multiplied as: sixteen numbers.
fn numbers_of(window: &[f32]) -> [f32; 16] {
    let line = |[a, b, c]: [f32; 3]| [a, 0.5 * (a + b + c), 0.5 * (a - b + c), c];
    let columns = [0, 1, 2].map(|column| line([window[column], window[3 + column], window[6 + column]]));
    let mut numbers = [0.0; 16];
    for (row, numbers) in numbers.chunks_exact_mut(4).enumerate() {
        numbers.copy_from_slice(&line(columns.map(|column| column[row])));
    }
    numbers
}
