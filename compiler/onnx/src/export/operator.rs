//! Each operator as nodes of ONNX.

use super::Gates;
use super::writer::{Writer, float, int, ints};
use crate::proto::Attribute;
use cnasc_ir::op::{Axis, BATCH_NORM_EPSILON, Gate, Reshape, Slide, Transpose, Window};
use cnasc_ir::{Op, TensorId};

/// Whether the operator's tensor is `[1, elements]`, where `all` says whether all its inputs are.
pub(super) fn makes_flat(op: &Op, all: bool) -> bool {
    match op {
        Op::Linear { .. } => true,
        Op::WeightedSum { .. }
        | Op::Sum
        | Op::Mean
        | Op::Concat { axis: Axis::Channels }
        | Op::Relu
        | Op::Sigmoid
        | Op::Clip { .. }
        | Op::LeakyRelu { .. }
        | Op::HardSwish
        | Op::HardSigmoid { .. } => all,
        Op::Concat { axis: Axis::Rows | Axis::Columns }
        | Op::Input
        | Op::Conv { .. }
        | Op::BatchNorm
        | Op::MaxPool { .. }
        | Op::AvgPool { .. }
        | Op::GlobalAvg
        | Op::Softmax { .. }
        | Op::Lrn { .. }
        | Op::Add
        | Op::Sub
        | Op::Mul
        | Op::Div
        | Op::Constant { .. }
        | Op::Slice(_)
        | Op::Pad(_)
        | Op::Transpose(_)
        | Op::Reshape(_)
        | Op::Reduce(_)
        | Op::Resize(_)
        | Op::ConvTranspose { .. }
        | Op::MatMul
        | Op::Scale { .. } => false,
    }
}

impl Writer<'_> {
    /// Adds the nodes of a step other than the image.
    pub(super) fn operator(&mut self, id: TensorId) {
        let step = self.step_of(id);
        let name = self.names.operators[id.index()].clone();
        let output = self.names.tensors[id.index()].clone();
        let inputs = self.inputs(id, &name);
        let first = inputs.first().cloned().unwrap_or_default();
        match step.op {
            // Given, not computed: the writer never gets here with it. No tensor graph has a scale.
            Op::Input | Op::Scale { .. } => {}
            Op::WeightedSum { gate } => self.weighted_sum(id, gate, &name, inputs, &output),
            Op::Sum => self.sum(&name, inputs, &output),
            Op::Mean => self.mean(&name, inputs, &output),
            Op::Concat { axis } => self.node("Concat", &name, inputs, &output, vec![int("axis", onnx_axis(axis))]),
            Op::Relu => self.node("Relu", &name, vec![first], &output, Vec::new()),
            Op::Sigmoid => self.node("Sigmoid", &name, vec![first], &output, Vec::new()),
            Op::Clip { min, max } => {
                let bounds = [("min", min), ("max", max)];
                let [min, max] = bounds.map(|(role, value)| self.constant(&format!("{name}.{role}"), vec![], &[value]));
                self.node("Clip", &name, vec![first, min, max], &output, Vec::new());
            }
            Op::LeakyRelu { slope } => {
                self.node("LeakyRelu", &name, vec![first], &output, vec![float("alpha", slope)]);
            }
            Op::HardSwish => self.node("HardSwish", &name, vec![first], &output, Vec::new()),
            Op::HardSigmoid { alpha, beta } => {
                let settings = vec![float("alpha", alpha), float("beta", beta)];
                self.node("HardSigmoid", &name, vec![first], &output, settings);
            }
            Op::Softmax { axis } => {
                self.node("Softmax", &name, vec![first], &output, vec![int("axis", onnx_axis(axis))]);
            }
            Op::Lrn { size, alpha, beta, bias } => {
                let numbers =
                    [("alpha", alpha), ("beta", beta), ("bias", bias)].map(|(name, value)| float(name, value));
                let settings = numbers.into_iter().chain([int("size", size.into())]).collect();
                self.node("LRN", &name, vec![first], &output, settings);
            }
            Op::Add => self.node("Add", &name, inputs, &output, Vec::new()),
            Op::Sub => self.node("Sub", &name, inputs, &output, Vec::new()),
            Op::Mul => self.node("Mul", &name, inputs, &output, Vec::new()),
            Op::Div => self.node("Div", &name, inputs, &output, Vec::new()),
            Op::Constant { shape } => {
                let stored = self.param(step.params[0]);
                self.reshape(shape, &name, stored, &output);
            }
            Op::Slice(ref slice) => self.slice(slice, &name, first, &output),
            Op::Pad(ref pad) => self.pad(id, pad, &name, first, &output),
            Op::Transpose(Transpose { axes }) => {
                let order = std::iter::once(0).chain(axes.map(|axis| axis.index() as u32 + 1));
                self.node("Transpose", &name, vec![first], &output, vec![ints("perm", order)]);
            }
            Op::Reshape(Reshape { shape }) => self.reshape(shape, &name, first, &output),
            Op::Reduce(reduce) => self.reduce(reduce, &name, first, &output),
            Op::Resize(ref resize) => {
                let from = self.step_of(step.inputs[0]).shape;
                self.resize(resize, from, &name, first, &output);
            }
            Op::ConvTranspose { ref window, more, groups, .. } => {
                let mut settings = sliding(window, window.padding());
                settings.extend([int("group", groups.into()), ints("output_padding", more)]);
                let inputs = self.with_params(id, first);
                self.node("ConvTranspose", &name, inputs, &output, settings);
            }
            Op::MatMul => self.node("MatMul", &name, inputs, &output, Vec::new()),
            Op::Conv { ref window, groups, .. } => {
                let mut settings = sliding(window, window.padding());
                settings.push(int("group", groups.into()));
                let inputs = self.with_params(id, first);
                self.node("Conv", &name, inputs, &output, settings);
            }
            Op::BatchNorm => {
                let inputs = self.with_params(id, first);
                let settings = vec![float("epsilon", BATCH_NORM_EPSILON)];
                self.node("BatchNormalization", &name, inputs, &output, settings);
            }
            Op::MaxPool { ref window } => {
                let padding = self.reached(id, window);
                self.node("MaxPool", &name, vec![first], &output, sliding(window, padding));
            }
            Op::AvgPool { ref window, counted } => self.avg_pool(id, window, counted, &name, first, &output),
            Op::GlobalAvg => self.node("GlobalAveragePool", &name, vec![first], &output, Vec::new()),
            Op::Linear { .. } => self.linear(id, &name, first, &output),
        }
    }

    /// The names of what a step reads, all flat where its own tensor is flat or it does not care, else all images.
    fn inputs(&mut self, id: TensorId, name: &str) -> Vec<String> {
        let step = self.step_of(id);
        let as_they_are = self.is_flat(id);
        let mut names = Vec::with_capacity(step.inputs.len());
        for &input in &step.inputs {
            let input = if as_they_are { self.names.tensors[input.index()].clone() } else { self.image(input, name) };
            names.push(input);
        }
        names
    }

    fn with_params(&mut self, id: TensorId, first: String) -> Vec<String> {
        let params = self.step_of(id).params.iter().map(|&param| self.param(param)).collect::<Vec<_>>();
        std::iter::once(first).chain(params).collect()
    }

    /// Σ gⱼ·xⱼ as a multiplication a term and additions: engines fuse both into what comes before.
    fn weighted_sum(&mut self, id: TensorId, gate: Gate, name: &str, inputs: Vec<String>, output: &str) {
        let gates = self.gate_names(id, gate, name, inputs.len());
        let mut terms = Vec::with_capacity(inputs.len());
        let lone = inputs.len() == 1;
        for (at, (mut input, gate_name)) in (1..).zip(inputs.into_iter().zip(gates)) {
            if gate == Gate::SigmoidInputs {
                let opened = self.names.fresh(&format!("{name}.open{at}"));
                self.node("Sigmoid", &opened, vec![input], &opened, Vec::new());
                input = opened;
            }
            let label = self.names.fresh(&format!("{name}.term{at}"));
            let term = if lone { output.to_owned() } else { label.clone() };
            self.node("Mul", &label, vec![input, gate_name], &term, Vec::new());
            terms.push(term);
        }
        if !lone {
            self.sum(name, terms, output);
        }
    }

    /// For each term the name of its factor, a tensor of one element.
    fn gate_names(&mut self, id: TensorId, gate: Gate, name: &str, terms: usize) -> Vec<String> {
        let param = self.step_of(id).params[0];
        let under_sigmoid = gate == Gate::SigmoidWeights;
        if self.gates == Gates::Apart && !under_sigmoid {
            let values = self.network.weights.of(param).to_vec();
            let labels = (1..).zip(&values);
            return labels.map(|(at, &value)| self.constant(&format!("{name}.gate{at}"), vec![1], &[value])).collect();
        }
        let mut all = self.param(param);
        if under_sigmoid {
            let opened = self.names.fresh(&format!("{name}.open"));
            self.node("Sigmoid", &opened, vec![all], &opened, Vec::new());
            all = opened;
        }
        if terms == 1 {
            return vec![all];
        }
        let parts: Vec<String> = (1..=terms).map(|at| self.names.fresh(&format!("{name}.gate{at}"))).collect();
        let label = self.names.fresh(&format!("{name}.split"));
        let sizes = self.integers(&format!("{name}.sizes"), &vec![1; terms]);
        self.node_of_many("Split", &label, vec![all, sizes], parts.clone(), vec![int("axis", 0)]);
        parts
    }

    /// Σ xⱼ as a chain of additions of two, which more engines fuse than a sum of many.
    fn sum(&mut self, name: &str, inputs: Vec<String>, output: &str) {
        let last = inputs.len().saturating_sub(1);
        let mut terms = inputs.into_iter();
        let mut sum = terms.next().unwrap_or_default();
        if last == 0 {
            self.node("Identity", name, vec![sum], output, Vec::new());
            return;
        }
        for (at, term) in (1..).zip(terms) {
            let (label, made) = if at == last {
                (name.to_owned(), output.to_owned())
            } else {
                let label = self.names.fresh(&format!("{name}.sum{at}"));
                (label.clone(), label)
            };
            self.node("Add", &label, vec![sum, term], &made, Vec::new());
            sum = made;
        }
    }

    fn mean(&mut self, name: &str, inputs: Vec<String>, output: &str) {
        let share = 1.0 / inputs.len() as f32;
        let sum = self.names.fresh(&format!("{name}.sum"));
        self.sum(&sum, inputs, &sum);
        let share = self.constant(&format!("{name}.share"), vec![1], &[share]);
        self.node("Mul", name, vec![sum, share], output, Vec::new());
    }

    fn avg_pool(
        &mut self,
        id: TensorId,
        window: &Window,
        counted: [u32; 4],
        name: &str,
        mut input: String,
        output: &str,
    ) {
        let mut padding = self.reached(id, window);
        let counted: [u32; 4] = std::array::from_fn(|side| counted[side].min(padding[side]));
        let counts_all = counted == padding && padding != [0; 4];
        if !counts_all && counted != [0; 4] {
            // ONNX counts all padding or none: what counts becomes part of the image.
            input = self.padded(name, input, counted);
            padding = std::array::from_fn(|side| padding[side] - counted[side]);
        }
        let mut settings = sliding(window, padding);
        settings.push(int("count_include_pad", counts_all.into()));
        if (window.rows.dilation, window.columns.dilation) == (1, 1) {
            // Engines that know version 17 refuse the setting.
            settings.retain(|setting| setting.name != "dilations");
        } else {
            self.needs_opset(19);
        }
        self.node("AveragePool", name, vec![input], output, settings);
    }

    /// Zeros around an image: top, left, bottom, right.
    fn padded(&mut self, name: &str, input: String, zeros: [u32; 4]) -> String {
        let [top, left, bottom, right] = zeros.map(i64::from);
        let sides = self.integers(&format!("{name}.sides"), &[0, 0, top, left, 0, 0, bottom, right]);
        let output = self.names.fresh(&format!("{name}.padded"));
        self.node("Pad", &output, vec![input, sides], &output, Vec::new());
        output
    }

    /// Padding (top, left, bottom, right) as it is, where it is smaller than the window: other engines refuse more, which ours allow where it
    /// makes no window without a pixel. There, as far as windows reach. Not everywhere, because converters such as pnnx take uneven
    /// padding for something else.
    fn reached(&self, id: TensorId, window: &Window) -> [u32; 4] {
        let small = |slide: &Slide| slide.before.max(slide.after) < slide.kernel;
        if small(&window.rows) && small(&window.columns) {
            return window.padding();
        }
        let step = self.step_of(id);
        let (input, output) = (self.step_of(step.inputs[0]).shape, step.shape);
        let after = |slide: &Slide, extent: u32, places: u32| {
            let end = slide.start(places.saturating_sub(1)) + i64::try_from(slide.extent()).unwrap_or(i64::MAX);
            u32::try_from((end - i64::from(extent)).max(0)).unwrap_or(u32::MAX).min(slide.after)
        };
        let [top, left, ..] = window.padding();
        let bottom = after(&window.rows, input.height, output.height);
        [top, left, bottom, after(&window.columns, input.width, output.width)]
    }

    fn linear(&mut self, id: TensorId, name: &str, mut input: String, output: &str) {
        if !self.is_flat(self.step_of(id).inputs[0]) {
            let row = self.names.fresh(&format!("{name}.row"));
            self.node("Flatten", &row, vec![input], &row, vec![int("axis", 1)]);
            input = row;
        }
        let inputs = self.with_params(id, input);
        self.node("Gemm", name, inputs, output, vec![int("transB", 1)]);
    }
}

/// The settings of a window, with this padding.
fn sliding(window: &Window, padding: [u32; 4]) -> Vec<Attribute> {
    let Window { rows, columns } = window;
    vec![
        ints("kernel_shape", [rows.kernel, columns.kernel]),
        ints("strides", [rows.stride, columns.stride]),
        ints("pads", padding),
        ints("dilations", [rows.dilation, columns.dilation]),
    ]
}

/// The axis of a tensor with a batch in front.
pub(super) fn onnx_axis(axis: Axis) -> i64 {
    match axis {
        Axis::Channels => 1,
        Axis::Rows => 2,
        Axis::Columns => 3,
    }
}
