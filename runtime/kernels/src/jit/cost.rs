//! What a kernel is expected to take, for deciding which thread does what: relative figures, from the work that it does.
//!
//! The rates are those that `cargo run --release -p cnasc-kernels --example networks -- resnet50 profile` (and `randwire-ws-154`) printed on an EPYC of the
//! fifth Zen generation; only what they are to each other matters.

use super::conv::Conv;
use super::kernel::Kernel;
use super::lower::{Call, Program};
use super::rows::DepthwiseRows;
use super::view::View;

/// Floating-point operations a nanosecond of microkernels for dense convolutions.
const DENSE: f64 = 250.0;
/// The same in Winograd's form, by what the windows would multiply.
const WINOGRAD: f64 = 420.0;
/// The same of depthwise ones.
const DEPTHWISE: f64 = 220.0;
/// The same of code that is generated from end to end.
const PORTABLE: f64 = 30.0;
/// Floats a nanosecond that are read or written one after the other.
const STREAMED: f64 = 30.0;
/// The same of weights, each of which is read once in an inference.
const WEIGHTS: f64 = 14.0;
/// The same of elements that are looked for one by one.
const MOVED: f64 = 1.0;
/// Floating-point operations of an exponential, or of a logarithm.
const EXPONENTIAL: f64 = 25.0;
/// Nanoseconds of a call of no work.
const CALL: f64 = 50.0;

/// By action and call, nanoseconds.
pub fn of(program: &Program<'_>) -> Vec<Vec<f64>> {
    let of = |calls: &Vec<Call>| calls.iter().map(|call| nanoseconds(&call.kernel)).collect();
    program.actions.iter().map(of).collect()
}

fn nanoseconds(kernel: &Kernel) -> f64 {
    CALL + match kernel {
        Kernel::Conv(conv) => dense(conv) / PORTABLE,
        Kernel::Gemm(gemm) => {
            let computed = dense(&gemm.conv) * share(gemm.rows, &gemm.conv.output) / DENSE;
            // Layers of one pixel wait for their weights.
            computed.max(gemm.packed_len() as f64 / WEIGHTS)
        }
        Kernel::Winograd(winograd) => {
            let conv = &winograd.gemm.conv;
            let (rows, all) = (winograd.rows.1 - winograd.rows.0, conv.output.shape.height / 2);
            dense(conv) / WINOGRAD * f64::from(rows) / f64::from(all.max(1))
        }
        Kernel::Depthwise(depthwise) => floats(&depthwise.output) * depthwise.window.taps() as f64 / (PORTABLE / 2.0),
        Kernel::DepthwiseRows(rows) => depthwise(rows) * share(rows.rows, &rows.depthwise.output),
        Kernel::Pool(pool) => floats(&pool.output) * pool.window.taps() as f64 / STREAMED,
        Kernel::Sum(sum) => floats(&sum.output) * (sum.inputs.len() + 1) as f64 / STREAMED,
        Kernel::SumRows(rows) => {
            let tensors = (rows.sum.inputs.len() + 1) as f64;
            floats(&rows.sum.output) * tensors * share(rows.rows, &rows.sum.output) / STREAMED
        }
        Kernel::Node(node) => {
            let sum = node
                .sum
                .as_ref()
                .map_or(0.0, |sum| floats(&sum.sum.output) * (sum.sum.inputs.len() + 1) as f64 / STREAMED);
            let whole = sum + depthwise(&node.depthwise) + dense(&node.pointwise.conv) / DENSE;
            whole * share(node.rows, &node.pointwise.conv.output)
        }
        Kernel::Gather(gather) => gather.floats() as f64 / MOVED,
        Kernel::Fill(fill) => floats(&fill.view) / STREAMED,
        Kernel::Interpolate(interpolate) => 5.0 * floats(&interpolate.output) / STREAMED,
        Kernel::Product(product) => product.flops() / PORTABLE,
        Kernel::Reshape(reshape) => floats(&reshape.output) / MOVED,
        Kernel::Binary(binary) => 3.0 * floats(&binary.output) / STREAMED,
        Kernel::Softmax(softmax) => EXPONENTIAL * floats(&softmax.output) / PORTABLE,
        Kernel::Lrn(lrn) => (f64::from(lrn.size) + 2.0 * EXPONENTIAL) * floats(&lrn.output) / PORTABLE,
        Kernel::Copy(copy) | Kernel::Constant(copy) => 2.0 * floats(&copy.input) / STREAMED,
        Kernel::Clear(clear) => 2.0 * f64::from(clear.view.border) * clear.view.row_pitch() as f64 / STREAMED,
    }
}

/// The part of a tensor's rows that is computed.
fn share((first, end): (u32, u32), output: &View) -> f64 {
    f64::from(end - first) / f64::from(output.shape.height.max(1))
}

fn floats(view: &View) -> f64 {
    view.height() as f64 * view.width() as f64 * (view.blocks() * View::PIXEL) as f64
}

fn dense(conv: &Conv) -> f64 {
    let inputs = f64::from(conv.input.shape.channels) / f64::from(conv.groups);
    2.0 * floats(&conv.output) * inputs * conv.taps() as f64
}

fn depthwise(rows: &DepthwiseRows) -> f64 {
    let depthwise = &rows.depthwise;
    2.0 * floats(&depthwise.output) * depthwise.window.taps() as f64 / DEPTHWISE
}
