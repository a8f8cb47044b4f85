//! How fast whole networks are: randomly wired ones of four families, ResNet-50, MobileNetV2 and SqueezeNet. Prints milliseconds,
//! GFLOP/s and their share of the peak that one core was measured to have. Weights are constant, batch norms folded.
//!
//! `cargo run --release -p cnasc-kernels --example networks [-- WORD… threads=2]`, for the networks whose names have all of the words in
//! them; with `profile` it says what each kind of kernel took; with `rest` it rests before each five inferences, as programs do that need one now and then; `-- --steps NAME` prints the steps of one, so that another engine can run the same network.

use cnasc_base::random::{Rng, Seed};
use cnasc_bundle::Share;
use cnasc_ir::fleet::Backend;
use cnasc_ir::op::{Axis, Gate, Window};
use cnasc_ir::tensor::{ParamId, ParamSpec, Step};
use cnasc_ir::{NodeId, Op, Shape, TensorGraph, TensorId, Weights};
use cnasc_kernels::{Executable, compile, micro};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// For how long each network is run.
const BUDGET: Duration = Duration::from_millis(1500);
/// How long a rest is.
const REST: Duration = Duration::from_millis(60);
const IMAGE: TensorId = TensorId(0);

fn main() -> Result<(), cnasc_kernels::CompileError> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, name] = words.as_slice()
        && flag == "--steps"
    {
        networks().into_iter().filter(|(other, _)| other == name).for_each(|(_, make)| print_steps(&make().graph));
        return Ok(());
    }
    let (options, words): (Vec<String>, Vec<String>) = words
        .into_iter()
        .partition(|word| word.starts_with("threads=") || ["profile", "rest"].contains(&word.as_str()));
    let threads = options.iter().find_map(|word| word.strip_prefix("threads=")?.parse().ok()).unwrap_or(1);
    let profile = options.iter().any(|word| word == "profile");
    let rest = if options.iter().any(|word| word == "rest") { REST } else { Duration::ZERO };
    let peak = micro::peak::gflops(200);
    println!("peak of one core: {peak:.1} GFLOP/s");
    println!(
        "{:<24} {:>8} {:>11} {:>10} {:>10} {:>10} {:>8}",
        "network", "GFLOP", "compile ms", "median ms", "least ms", "GFLOP/s", "of peak"
    );
    for (name, make) in networks() {
        if words.iter().all(|word| name.contains(word.as_str())) {
            measure(&name, &make(), peak, (threads, rest), profile)?;
        }
    }
    Ok(())
}

type Make = Box<dyn Fn() -> Net>;

fn networks() -> Vec<(String, Make)> {
    let mut list: Vec<(String, Make)> = Vec::new();
    for family in ["er", "ba", "ws", "distance"] {
        for channels in [78, 80, 109, 154] {
            list.push((format!("randwire-{family}-{channels}"), Box::new(move || randwire(family, channels))));
        }
        list.push((format!("cifar-{family}-32"), Box::new(move || cifar(family))));
    }
    list.push(("resnet50".to_owned(), Box::new(resnet50)));
    list.push(("mobilenetv2".to_owned(), Box::new(mobilenet)));
    list.push(("squeezenet".to_owned(), Box::new(squeezenet)));
    list
}

fn measure(
    name: &str,
    net: &Net,
    peak: f64,
    (threads, rest): (u32, Duration),
    profile: bool,
) -> Result<(), cnasc_kernels::CompileError> {
    let share = Share { threads, ..Share::whole(&net.graph, Backend::Jit) };
    let start = Instant::now();
    let mut executable = compile(&net.graph, &net.weights, &share)?;
    let compile_ms = start.elapsed().as_secs_f64() * 1e3;
    let mut times = times(executable.as_mut(), rest);
    times.sort_by(f64::total_cmp);
    let (median, least) = (times[times.len() / 2], times[0]);
    let flops = net.graph.total_flops() as f64;
    println!(
        "{name:<24} {:>8.2} {compile_ms:>11.1} {median:>10.2} {least:>10.2} {:>10.1} {:>7.0}%",
        flops / 1e9,
        flops / median / 1e6,
        flops / median / 1e4 / peak
    );
    if profile {
        print_profile(&net.graph, executable.as_mut());
    }
    Ok(())
}

/// By kind of kernel and shape of the result: calls, their time together, and the rate of the steps named.
fn print_profile(graph: &TensorGraph, executable: &mut dyn Executable) {
    let mut kinds: BTreeMap<(&str, String), (u32, f64, f64)> = BTreeMap::new();
    for spent in executable.profile(0) {
        let step = graph.step(spent.step);
        let entry = kinds.entry((spent.kernel, format!("{} {}", step.op, step.shape))).or_default();
        *entry = (entry.0 + 1, entry.1 + spent.seconds, entry.2 + graph.flops(step) as f64);
    }
    for ((kernel, step), (calls, seconds, flops)) in kinds {
        println!(
            "  {kernel:<16} {step:<40} {calls:>4} {:>9.3} ms {:>7.1} GFLOP/s",
            seconds * 1e3,
            flops / seconds / 1e9
        );
    }
}

/// Milliseconds of each inference.
fn times(executable: &mut dyn Executable, rest: Duration) -> Vec<f64> {
    let mut times = Vec::new();
    let start = Instant::now();
    executable.run(0);
    while times.len() < 3 || start.elapsed() < BUDGET {
        if times.len() % 5 == 0 {
            std::thread::sleep(rest);
        }
        let once = Instant::now();
        executable.run(0);
        times.push(once.elapsed().as_secs_f64() * 1e3);
    }
    times
}

fn print_steps(graph: &TensorGraph) {
    for (index, step) in graph.steps.iter().enumerate() {
        let inputs: Vec<String> = step.inputs.iter().map(|input| input.0.to_string()).collect();
        println!("{index}|{:?}|{}|{}", step.op, inputs.join(","), step.shape);
    }
}

/// Edges from lower to higher nodes.
fn wiring(family: &str, nodes: usize, rng: &mut Rng) -> Vec<(usize, usize)> {
    let mut edges = Vec::new();
    let ring = |i: usize, j: usize| (j - i).min(nodes + i - j) as i32;
    match family {
        "ws" => {
            for i in 0..nodes {
                for near in 1..=2 {
                    let mut j = (i + near) % nodes;
                    if rng.chance(0.75) {
                        j = rng.below(nodes);
                    }
                    edges.push((i.min(j), i.max(j)));
                }
            }
        }
        "ba" => {
            let mut ends: Vec<usize> = (0..5).collect();
            for i in 5..nodes {
                let chosen: Vec<usize> = (0..5).map(|_| ends[rng.below(ends.len())]).collect();
                edges.extend(chosen.iter().map(|&j| (j, i)));
                ends.extend(&chosen);
                ends.extend([i; 5]);
            }
        }
        _ => {
            for i in 0..nodes {
                for j in i + 1..nodes {
                    let p = if family == "er" { 0.2 } else { 0.5 * 0.75_f64.powi(ring(i, j)) };
                    if rng.chance(p) {
                        edges.push((i, j));
                    }
                }
            }
        }
    }
    edges.retain(|&(i, j)| i != j);
    edges.sort_unstable();
    edges.dedup();
    edges
}

/// The small regime below a hundred channels, else the regular one; Xie et al., 2019, table 1.
fn randwire(family: &str, channels: u32) -> Net {
    let mut net = Net::new(Shape::new(3, 224, 224));
    let mut rng = Seed::new(7).child(family).rng();
    let mut last = net.conv(IMAGE, 3, 2, channels / 2);
    let stages: &[(usize, u32)] = if channels < 100 {
        last = net.relu(last);
        last = net.conv(last, 3, 2, channels);
        &[(32, 1), (32, 2), (32, 4)]
    } else {
        &[(16, 1), (32, 2), (32, 4), (32, 8)]
    };
    for &(nodes, width) in stages {
        last = net.stage(last, nodes, width * channels, 2, family, &mut rng);
    }
    last = net.relu(last);
    last = net.conv(last, 1, 1, 1280);
    last = net.relu(last);
    net.head(last, 1000);
    net
}

fn cifar(family: &str) -> Net {
    let mut net = Net::new(Shape::new(3, 32, 32));
    let mut rng = Seed::new(7).child(family).rng();
    let stem = net.conv(IMAGE, 3, 1, 32);
    let last = net.stage(stem, 32, 32, 1, family, &mut rng);
    net.head(last, 10);
    net
}

fn resnet50() -> Net {
    let mut net = Net::new(Shape::new(3, 224, 224));
    let mut last = net.conv(IMAGE, 7, 2, 64);
    last = net.relu(last);
    last = net.add(Op::max_pool(2, 2), &[last]);
    for (stage, (blocks, narrow)) in [(3, 64), (4, 128), (6, 256), (3, 512)].into_iter().enumerate() {
        for block in 0..blocks {
            let stride = if block == 0 && stage > 0 { 2 } else { 1 };
            let shortcut = if block == 0 { net.conv(last, 1, stride, 4 * narrow) } else { last };
            let mut main = net.conv(last, 1, 1, narrow);
            main = net.relu(main);
            main = net.conv(main, 3, stride, narrow);
            main = net.relu(main);
            main = net.conv(main, 1, 1, 4 * narrow);
            last = net.add(Op::Sum, &[main, shortcut]);
            last = net.relu(last);
        }
    }
    net.head(last, 1000);
    net
}

/// With ReLU for ReLU6.
fn mobilenet() -> Net {
    let mut net = Net::new(Shape::new(3, 224, 224));
    let mut last = net.conv(IMAGE, 3, 2, 32);
    last = net.relu(last);
    let rows =
        [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)];
    for (wider, channels, blocks, stride) in rows {
        for block in 0..blocks {
            let input = last;
            let narrow = net.graph.step(input).shape.channels;
            if wider > 1 {
                last = net.conv(last, 1, 1, wider * narrow);
                last = net.relu(last);
            }
            last = net.depthwise(last, if block == 0 { stride } else { 1 });
            last = net.relu(last);
            last = net.conv(last, 1, 1, channels);
            if block > 0 {
                last = net.add(Op::Sum, &[last, input]);
            }
        }
    }
    last = net.conv(last, 1, 1, 1280);
    last = net.relu(last);
    net.head(last, 1000);
    net
}

/// Version 1.1.
fn squeezenet() -> Net {
    let mut net = Net::new(Shape::new(3, 224, 224));
    let mut last = net.conv(IMAGE, 3, 2, 64);
    last = net.relu(last);
    for (fire, (narrow, wide)) in
        [(16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256)].into_iter().enumerate()
    {
        if [0, 2, 4].contains(&fire) {
            last = net.add(Op::max_pool(3, 2), &[last]);
        }
        last = net.conv(last, 1, 1, narrow);
        last = net.relu(last);
        let sides = [1, 3].map(|kernel| {
            let side = net.conv(last, kernel, 1, wide);
            net.relu(side)
        });
        last = net.add(Op::Concat { axis: Axis::Channels }, &sides);
    }
    last = net.conv(last, 1, 1, 1000);
    last = net.relu(last);
    net.add(Op::GlobalAvg, &[last]);
    net
}

struct Net {
    graph: TensorGraph,
    weights: Weights,
}

impl Net {
    fn new(image: Shape) -> Self {
        let input = Step { op: Op::Input, inputs: Vec::new(), params: Vec::new(), shape: image, node: NodeId(0) };
        Self { graph: TensorGraph { steps: vec![input], params: Vec::new(), nodes: 1 }, weights: Weights::default() }
    }

    fn add(&mut self, op: Op, inputs: &[TensorId]) -> TensorId {
        let shapes: Vec<Shape> = inputs.iter().map(|&input| self.graph.step(input).shape).collect();
        let shape = op.output(&shapes).expect("the shapes of this example fit");
        let mut params = Vec::new();
        for (role, extents) in op.params(&shapes) {
            params.push(ParamId::new(self.graph.params.len()));
            let spec = ParamSpec { name: format!("p{}", self.graph.params.len()), role, extents };
            self.weights.tensors.push(vec![0.01; spec.elements() as usize]);
            self.graph.params.push(spec);
        }
        let id = TensorId::new(self.graph.steps.len());
        self.graph.steps.push(Step { op, inputs: inputs.to_vec(), params, shape, node: NodeId(id.0) });
        self.graph.nodes += 1;
        id
    }

    fn relu(&mut self, input: TensorId) -> TensorId {
        self.add(Op::Relu, &[input])
    }

    fn conv(&mut self, input: TensorId, kernel: u32, stride: u32, channels: u32) -> TensorId {
        self.add(Op::Conv { window: Window::same(kernel, stride), groups: 1, channels, bias: true }, &[input])
    }

    fn depthwise(&mut self, input: TensorId, stride: u32) -> TensorId {
        let channels = self.graph.step(input).shape.channels;
        self.add(Op::Conv { window: Window::same(3, stride), groups: channels, channels, bias: false }, &[input])
    }

    /// Randomly wired nodes: the weighted sum of a node's inputs, ReLU, depthwise, pointwise; the mean of those that none takes.
    fn stage(
        &mut self,
        input: TensorId,
        nodes: usize,
        channels: u32,
        stride: u32,
        family: &str,
        rng: &mut Rng,
    ) -> TensorId {
        let edges = wiring(family, nodes, rng);
        let mut outputs: Vec<TensorId> = Vec::new();
        for node in 0..nodes {
            let before: Vec<TensorId> =
                edges.iter().filter(|edge| edge.1 == node).map(|&(before, _)| outputs[before]).collect();
            let (mut last, stride) = if before.is_empty() {
                (input, stride)
            } else {
                (self.add(Op::WeightedSum { gate: Gate::Plain }, &before), 1)
            };
            last = self.relu(last);
            last = self.depthwise(last, stride);
            outputs.push(self.conv(last, 1, 1, channels));
        }
        let ends: Vec<TensorId> =
            (0..nodes).filter(|&node| edges.iter().all(|edge| edge.0 != node)).map(|node| outputs[node]).collect();
        self.add(Op::Mean, &ends)
    }

    fn head(&mut self, input: TensorId, classes: u32) {
        let mean = self.add(Op::GlobalAvg, &[input]);
        self.add(Op::Linear { outputs: classes, bias: true }, &[mean]);
    }
}
