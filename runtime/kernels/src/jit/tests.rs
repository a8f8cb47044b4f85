//! What only the inside shows: no kernel writes outside its tensor, and options of the code generator don't change results.

use super::emit::Cpu;
use super::form::Passes;
use super::kernel::Kernel;
use super::tune::differs;
use super::{CodeOptions, Form, Forms, Isa, Jit, Options, compile_with, fused, tune};
use crate::tests::{Net, agrees, conv, depthwise, difference, image, infer};
use crate::tuning::{self, Tuned, Tuning};
use cnasc_ir::fleet::Backend;
use cnasc_ir::op::{
    Axes, Axis, Coordinates, Fill, Gate, Interpolation, Pad, Reduce, Reduction, Reshape, Resize, Rounding, Slice,
    Transpose, Window,
};
use cnasc_ir::{Op, Shape, TensorId};

const CANARY: u32 = 0x7fc0_beef;

/// A network with every kind of kernel, borders, copies, odd channels and sizes.
fn every_kernel(channels: u32, size: u32) -> Net {
    let mut net = Net::new(Shape::new(3, size, size + 1), 11);
    let stem = net.add(conv(3, channels), &[TensorId(0)]);
    let left = net.add(depthwise(5, channels), &[stem]);
    let right = net.add(conv(1, channels), &[stem]);
    let sum = net.add(Op::WeightedSum { gate: Gate::SigmoidInputs }, &[left, right]);
    let relu = net.add(Op::Relu, &[sum]);
    let grouped = Op::Conv { window: Window::same(3, 2), groups: channels, channels: 2 * channels, bias: true };
    let grouped = net.add(grouped, &[relu]);
    let pool = net.add(Op::max_pool(2, 2), &[relu]);
    let pool = net.add(Op::avg_pool(1, 1), &[pool]);
    let (wide, narrow) = (net.graph.step(grouped).shape, net.graph.step(pool).shape);
    let joined = if (wide.height, wide.width) == (narrow.height, narrow.width) {
        net.add(Op::Concat { axis: Axis::Channels }, &[pool, grouped, pool])
    } else {
        net.add(Op::Concat { axis: Axis::Channels }, &[grouped, grouped])
    };
    let normed = net.add(Op::Lrn { size: 6, alpha: 0.5, beta: 0.75, bias: 1.0 }, &[joined]);
    let squeezed = net.add(Op::GlobalAvg, &[normed]);
    let excited = net.add(Op::HardSigmoid { alpha: 0.5, beta: 0.5 }, &[squeezed]);
    let scaled = net.add(Op::Mul, &[normed, excited]);
    let scaled = net.add(Op::HardSwish, &[scaled]);
    let shape = net.graph.step(scaled).shape;
    let stored = net.add(Op::Constant { shape: shape.with(Axis::Rows, 1) }, &[TensorId(0)]);
    let shifted = net.add(Op::Sub, &[scaled, stored]);
    let soft = Axis::ALL.map(|axis| net.add(Op::Softmax { axis }, &[shifted]));
    let summed = net.add(Op::Sum, &soft);
    let padded = net.add(depthwise(3, shape.channels), &[summed]);
    let moved = moves_and_images(&mut net, padded);
    let mean = net.add(Op::GlobalAvg, &[moved]);
    let gate = net.add(Op::Sigmoid, &[mean]);
    net.add(Op::Linear { outputs: 11, bias: true }, &[gate]);
    net
}

/// 3 × 3 windows over whole blocks and tiles, one added to another, two side by side.
fn whole_tiles() -> Net {
    let mut net = Net::new(Shape::new(3, 14, 18), 5);
    let stem = net.add(conv(3, 32), &[TensorId(0)]);
    let wide = net.add(conv(3, 80), &[stem]);
    let wide = net.add(Op::Relu, &[wide]);
    let back = net.add(conv(3, 32), &[wide]);
    let added = net.add(Op::Sum, &[back, stem]);
    let one = net.add(conv(3, 16), &[added]);
    let two = net.add(conv(3, 48), &[added]);
    let joined = net.add(Op::Concat { axis: Axis::Channels }, &[one, two]);
    net.add(conv(3, 16), &[joined]);
    net
}

/// Networks with their names.
fn networks() -> Vec<(String, Net)> {
    let shapes = [(1, 4), (5, 7), (16, 6), (17, 5), (40, 9)];
    let every = shapes.map(|(channels, size)| (format!("{channels}x{size}"), every_kernel(channels, size)));
    every.into_iter().chain([("whole tiles".to_owned(), whole_tiles())]).collect()
}

/// Elements moved about, images resized, and back to the shape that they had.
fn moves_and_images(net: &mut Net, from: TensorId) -> TensorId {
    let shape = net.graph.step(from).shape;
    let pad = Pad { before: [1, 2, 0], after: [0, 1, 3], fill: Fill::Reflect };
    let padded = net.add(Op::Pad(pad), &[from]);
    let padded = net.add(Op::Pad(Pad { fill: Fill::Constant(0.5), ..pad }), &[padded]);
    let cut = net.add(Op::Slice(Slice::range(Axis::Channels, 1, shape.channels + 2)), &[padded]);
    let turned = net.add(Op::Transpose(Transpose { axes: [Axis::Columns, Axis::Channels, Axis::Rows] }), &[cut]);
    let turned = net.graph.step(turned).shape;
    let flat = Shape::new(turned.height, turned.channels, turned.width);
    let flat = net.add(Op::Reshape(Reshape { shape: flat }), &[TensorId::new(net.graph.steps.len() - 1)]);
    let coordinates = Coordinates::HalfPixel;
    let found = net.graph.step(flat).shape;
    let nearest = Resize::to(found, (5, 4), coordinates, Interpolation::Nearest(Rounding::PreferFloor));
    let nearest = net.add(Op::Resize(nearest), &[flat]);
    let found = net.graph.step(nearest).shape;
    let linear = net.add(Op::Resize(Resize::to(found, (4, 5), coordinates, Interpolation::Linear)), &[nearest]);
    let product = net.add(Op::MatMul, &[linear, nearest]);
    let all: Axes = Axis::ALL.into_iter().collect();
    let factor = net.add(Op::Reduce(Reduce { to: Reduction::Max, axes: all }), &[product]);
    let factor = net.add(Op::Sigmoid, &[factor]);
    let scaled = net.add(Op::Mul, &[product, factor]);
    let channels = net.graph.step(scaled).shape.channels;
    let window = Window::square(3, 2, 1);
    let op = Op::ConvTranspose { window, more: [1, 0], groups: channels, channels, bias: true };
    let wide = net.add(op, &[scaled]);
    let op = Op::ConvTranspose { window, more: [0; 2], groups: 1, channels: shape.channels, bias: false };
    net.add(op, &[wide])
}

#[test]
fn kernels_write_only_their_own_tensors() {
    let networks = networks();
    for ((name, net), threads) in networks.iter().flat_map(|net| [1, 2, 3].map(|threads| (net, threads))) {
        let share = net.whole(Backend::Jit);
        let options = Options { guard: 64, threads, ..Options::default() };
        let mut jit = compile_with(&net.graph, &net.weights, &share, options).unwrap();
        let mut inside = vec![false; jit.machine.arena().floats().len()];
        jit.guards.iter().for_each(|range| inside[range.clone()].fill(true));
        assert!(inside.iter().filter(|&&inside| !inside).count() >= 128 * jit.guards.len());
        jit.machine.arena_mut().floats_mut().fill(f32::from_bits(CANARY));
        let found = infer(&mut jit, net, &share, &image(net.graph.step(TensorId(0)).shape, 1));
        // The canary is a NaN: whoever reads one shows it.
        assert!(found.iter().all(|value| value.is_finite()), "{name}: {found:?}");
        for (index, (value, inside)) in jit.machine.arena().floats().iter().zip(inside).enumerate() {
            assert!(inside || value.to_bits() == CANARY, "float {index} was written, {name}");
        }
    }
}

/// As above with memory that can't be touched between all tensors, as it is around the weights: what reads outside ends the process, even
/// where it makes nothing of what it reads.
#[cfg(unix)]
#[test]
fn kernels_reach_only_their_own_memory() {
    let floats = (super::code::PAGE / 4) as u64;
    for (name, net) in networks() {
        let forms = std::iter::once(Form::Usual).chain(Form::OTHERS);
        let micro = Isa::found().into_iter().flat_map(|isa| forms.clone().map(move |form| (Some(isa), form)));
        for (isa, form) in micro.chain([(None, Form::Usual)]) {
            let share = net.whole(Backend::Jit);
            let code = CodeOptions { isa, ..Options::default().code };
            let options = Options { code, forms: Forms::All(form), threads: 1, guard: 2 * floats, ends: floats };
            let mut jit = compile_with(&net.graph, &net.weights, &share, options).unwrap();
            let mut tensors = jit.guards.clone();
            tensors.sort_by_key(|range| range.start);
            let apart = |pair: &[std::ops::Range<usize>]| pair[1].start - pair[0].end >= floats as usize;
            assert!(tensors.windows(2).all(apart), "a page lies between any two");
            jit.machine.fence(&tensors);
            let image = image(net.graph.step(TensorId(0)).shape, 1);
            let found = infer(&mut jit, &net, &share, &image);
            let expected = crate::tests::expected(&net, &image);
            difference(net.graph.step(net.graph.output()).shape, &found, &expected)
                .unwrap_or_else(|why| panic!("{name}, {isa:?}, {form:?}: {why}"));
        }
    }
}

#[test]
fn whole_tiles_are_multiplied_less() {
    let net = whole_tiles();
    agrees(&net, 4).unwrap();
    for threads in 1..4 {
        let found = count(&compiled(&net, threads), |kernel| matches!(kernel, Kernel::Winograd(_)));
        assert!(Isa::best().is_none() || found >= 5, "{found} by {threads} threads");
    }
}

#[test]
fn code_options_do_not_change_results() {
    let net = every_kernel(20, 8);
    let share = net.whole(Backend::Jit);
    let image = image(net.graph.step(TensorId(0)).shape, 1);
    let run = |optimize, cpu| {
        let code = CodeOptions { optimize, verify: true, cpu, isa: None };
        let mut jit = compile_with(&net.graph, &net.weights, &share, Options { code, ..Options::default() }).unwrap();
        infer(&mut jit, &net, &share, &image)
    };
    let (plain, optimized) = (run(false, None), run(true, None));
    assert_eq!(plain, optimized);
    for broadcasts_at_will in [true, false] {
        let poor = run(false, Some(Cpu { multiplies_and_adds: false, broadcasts_at_will }));
        difference(net.graph.step(net.graph.output()).shape, &poor, &plain).unwrap();
    }
}

/// Tuning that knows all kernels of the network, each to be in one form.
fn all_in(net: &Net, form: Form) -> &'static Tuning {
    let kernels = fused(&net.graph, &net.weights, &net.whole(Backend::Jit), Isa::best()).unwrap();
    let tuned = |nanoseconds| Tuned { kernel: String::new(), form, nanoseconds, usual_nanoseconds: nanoseconds };
    let known = kernels.iter().enumerate().map(|(at, kernel)| (tuning::key(kernel), tuned(1e3 + at as f64)));
    Box::leak(Box::new(Tuning(known.collect())))
}

#[test]
fn kernels_have_the_form_that_tuning_found() {
    if Isa::best().is_none() {
        return;
    }
    let net = whole_tiles();
    let is_winograd = |kernel: &Kernel| matches!(kernel, Kernel::Winograd(_));
    let compiled = |tuning| {
        let options = Options { forms: Forms::Tuned(tuning), threads: 2, ..Options::default() };
        compile_with(&net.graph, &net.weights, &net.whole(Backend::Jit), options).unwrap()
    };
    assert_eq!(count(&compiled(all_in(&net, Form::Taps)), is_winograd), 0);
    let short = |kernel: &Kernel| matches!(kernel, Kernel::Winograd(winograd) if winograd.gemm.passes == Passes::Short);
    assert!(count(&compiled(all_in(&net, Form::ShortPasses)), short) > 0);
    // Of another network it says nothing.
    assert!(count(&compiled(all_in(&every_kernel(5, 7), Form::Taps)), is_winograd) > 0);
}

#[test]
fn measured_times_are_planned_with_where_all_are_known() {
    let net = whole_tiles();
    let share = net.whole(Backend::Jit);
    let border = crate::check::check(&net.graph, &net.weights, &share).unwrap();
    let program = super::lower::lower(&net.graph, &net.weights, &share, &border, None).unwrap();
    let kernels: Vec<&Kernel> = program.actions.iter().flatten().map(|call| &call.kernel).collect();
    let tuned = |time| Tuned { kernel: String::new(), form: Form::Usual, nanoseconds: time, usual_nanoseconds: time };
    let mut known = Tuning(kernels.iter().map(|kernel| (tuning::key(kernel), tuned(7.0))).collect());
    assert_eq!(Forms::Tuned(&known).nanoseconds(&program), Some(vec![vec![7.0; kernels.len()]]));
    // Neither with some that are, nor with a time that is none.
    known.0.insert(tuning::key(kernels[1]), tuned(f64::NAN));
    assert_eq!(Forms::Tuned(&known).nanoseconds(&program), None);
    known.0.remove(&tuning::key(kernels[1]));
    assert_eq!(Forms::Tuned(&known).nanoseconds(&program), None);
}

#[test]
fn tuning_measures_every_kernel() {
    for (name, net) in networks() {
        let shape = net.graph.step(TensorId(0)).shape;
        let mut blocked = vec![0.0; cnasc_bundle::layout::len(shape)];
        cnasc_bundle::layout::to_blocked(shape, &image(shape, 1), &mut blocked);
        let found = tune(&net.graph, &net.weights, &blocked).unwrap();
        let kernels = fused(&net.graph, &net.weights, &net.whole(Backend::Jit), Isa::best()).unwrap();
        assert_eq!(found.iter().map(|one| one.calls as usize).sum::<usize>(), kernels.len(), "{name}");
        for kernel in &kernels {
            let one = found.iter().find(|one| one.key == tuning::key(kernel)).unwrap();
            let Tuned { form, nanoseconds, usual_nanoseconds, .. } = one.tuned;
            assert!(form == Form::Usual || differs(form, kernel), "{name}: {one:?}");
            assert!(nanoseconds <= usual_nanoseconds && nanoseconds > 0.0, "{name}: {one:?}");
        }
    }
}

fn compiled(net: &Net, threads: usize) -> Jit {
    let options = Options { threads, ..Options::default() };
    compile_with(&net.graph, &net.weights, &net.whole(Backend::Jit), options).unwrap()
}

/// Kernels that some call of any thread has.
fn count(jit: &Jit, kind: impl Fn(&Kernel) -> bool) -> usize {
    jit.calls.iter().flatten().flatten().filter(|call| kind(&call.kernel)).count()
}

#[test]
fn what_is_concatenated_is_written_in_place_where_blocks_allow_it() {
    // Copies that are left, the image's among them, which gets a border: pieces that don't start and end with a block.
    for (channels, copies) in [([32, 16, 48], 1), ([32, 16, 5], 2), ([16, 20, 12], 3), ([5, 16, 16], 4)] {
        let mut net = Net::new(Shape::new(3, 9, 8), 7);
        let stem = net.add(conv(3, 24), &[TensorId(0)]);
        let one = net.add(conv(1, channels[0]), &[stem]);
        let one = net.add(Op::Relu, &[one]);
        let two = net.add(conv(3, channels[1]), &[stem]);
        let three = net.add(depthwise(3, 24), &[stem]);
        let three = net.add(conv(1, channels[2]), &[three]);
        let joined = net.add(Op::Concat { axis: Axis::Channels }, &[one, two, three]);
        let behind = net.add(conv(3, 9), &[joined]);
        net.add(Op::Concat { axis: Axis::Channels }, &[behind, joined]);
        agrees(&net, 5).unwrap();
        // Behind that, both are copied: nine channels are no block, and the other is read twice.
        let found = count(&compiled(&net, 1), |kernel| matches!(kernel, Kernel::Copy(_)));
        if Isa::best().is_some() {
            assert_eq!(found, copies + 2, "{channels:?}");
        }
    }
}

#[test]
fn threads_share_wide_layers_by_channels_and_others_by_rows() {
    let mut net = Net::new(Shape::new(3, 20, 20), 9);
    let stem = net.add(conv(3, 40), &[TensorId(0)]);
    let pooled = net.add(Op::max_pool(3, 4), &[stem]);
    let wide = net.add(conv(3, 270), &[pooled]);
    let mean = net.add(Op::GlobalAvg, &[wide]);
    net.add(Op::Linear { outputs: 333, bias: true }, &[mean]);
    agrees(&net, 2).unwrap();
    if Isa::best().is_none() {
        return;
    }
    for threads in [2, 3] {
        let jit = compiled(&net, threads);
        let by_panels = |kernel: &Kernel| matches!(kernel, Kernel::Gemm(gemm) if gemm.panels.is_some());
        let by_rows = |kernel: &Kernel| matches!(kernel, Kernel::Gemm(gemm) if gemm.rows.1 - gemm.rows.0 < gemm.conv.output.shape.height);
        assert_eq!(count(&jit, by_panels), 2 * threads);
        assert_eq!(count(&jit, by_rows), threads);
        assert_eq!(count(&jit, |kernel| matches!(kernel, Kernel::Pool(pool) if pool.output.shape.height > 1)), threads);
        assert_eq!(count(&jit, |kernel| matches!(kernel, Kernel::Copy(_))), threads);
    }
}
