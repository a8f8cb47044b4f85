//! ResNet, Inception-v3 and DenseNet as graphs with their real multiply-accumulates and tensor sizes.
//!
//! A vertex is a convolution with its normalisation and activation, a pooling, an addition, a concatenation or the
//! classifier. Shapes from He et al. 2016 (ResNet), Szegedy et al. 2016 (Inception-v3) and Huang et al. 2017 (DenseNet).

use cnasc_place::Hypergraph;
use cnasc_place::dag::Rows;

/// Multiply-accumulates in a unit of vertex weight, so that other partitioners' 32-bit weights hold the sums.
const MACS: u64 = 1000;

/// What one vertex makes.
#[derive(Clone, Copy)]
struct Tensor {
    node: usize,
    channels: u64,
    side: u64,
}

/// A graph that is being built: for each vertex its work, the elements that it makes, and who takes them.
#[derive(Default)]
pub struct Network {
    macs: Vec<u64>,
    elements: Vec<u64>,
    consumers: Vec<Vec<u32>>,
}

impl Network {
    /// A vertex with its work, the size of its output and its inputs; gives its number.
    pub fn node(&mut self, macs: u64, elements: u64, inputs: &[usize]) -> usize {
        let node = self.macs.len();
        self.macs.push(macs);
        self.elements.push(elements);
        self.consumers.push(Vec::new());
        for &input in inputs {
            self.consumers[input].push(u32::try_from(node).expect("networks are small"));
        }
        node
    }

    /// Weights in thousands of multiply-accumulates, costs in elements of an output.
    pub fn hypergraph(self) -> Hypergraph {
        let (mut costs, mut pins) = (Vec::new(), Rows::default());
        for (node, consumers) in (0_u32..).zip(self.consumers) {
            if !consumers.is_empty() {
                costs.push(self.elements[node as usize]);
                pins.push(std::iter::once(node).chain(consumers));
            }
        }
        let weights = self.macs.iter().map(|macs| macs.div_ceil(MACS)).collect();
        Hypergraph::new(weights, costs, pins).expect("a vertex consumes an output once")
    }

    /// The image is no vertex: a first convolution of `channels` at `side`.
    fn stem(&mut self, channels: u64, side: u64, kernel: u64) -> Tensor {
        let elements = channels * side * side;
        Tensor { node: self.node(elements * 3 * kernel, elements, &[]), channels, side }
    }

    /// A convolution with a kernel of so many taps.
    fn conv(&mut self, from: Tensor, channels: u64, taps: u64, side: u64) -> Tensor {
        let elements = channels * side * side;
        Tensor { node: self.node(elements * from.channels * taps, elements, &[from.node]), channels, side }
    }

    fn pool(&mut self, from: Tensor, taps: u64, side: u64) -> Tensor {
        let elements = from.channels * side * side;
        Tensor { node: self.node(elements * taps, elements, &[from.node]), side, ..from }
    }

    /// Addition or concatenation: every element of every input is touched once.
    fn merge(&mut self, inputs: &[Tensor], channels: u64) -> Tensor {
        let side = inputs[0].side;
        let macs = inputs.iter().map(|input| input.channels * side * side).sum();
        let nodes: Vec<usize> = inputs.iter().map(|input| input.node).collect();
        Tensor { node: self.node(macs, channels * side * side, &nodes), channels, side }
    }

    fn concat(&mut self, inputs: &[Tensor]) -> Tensor {
        self.merge(inputs, inputs.iter().map(|input| input.channels).sum())
    }

    fn classifier(&mut self, from: Tensor) {
        let pooled = self.pool(from, from.side * from.side, 1);
        self.conv(pooled, 1000, 1, 1);
    }
}

/// ResNet with bottlenecks: `[3, 4, 6, 3]` is ResNet-50.
pub fn resnet(blocks: [u64; 4]) -> Hypergraph {
    let mut net = Network::default();
    let stem = net.stem(64, 112, 49);
    let mut last = net.pool(stem, 9, 56);
    for (stage, &count) in blocks.iter().enumerate() {
        let (width, side) = (64 << stage, 56 >> stage);
        for block in 0..count {
            let inner = net.conv(last, width, 1, last.side);
            let inner = net.conv(inner, width, 9, side);
            let inner = net.conv(inner, 4 * width, 1, side);
            let skip = if block == 0 { net.conv(last, 4 * width, 1, side) } else { last };
            last = net.merge(&[inner, skip], 4 * width);
        }
    }
    net.classifier(last);
    net.hypergraph()
}

/// DenseNet with growth 32: `[6, 12, 24, 16]` is DenseNet-121. A layer takes all earlier outputs of its block.
pub fn densenet(layers: [u64; 4]) -> Hypergraph {
    let mut net = Network::default();
    let stem = net.stem(64, 112, 49);
    let mut last = net.pool(stem, 9, 56);
    for (block, &count) in layers.iter().enumerate() {
        let mut outputs = vec![last];
        for _ in 0..count {
            let narrow = squeeze(&mut net, &outputs, 128);
            outputs.push(net.conv(narrow, 32, 9, last.side));
        }
        if block < 3 {
            let channels = outputs.iter().map(|output| output.channels).sum::<u64>() / 2;
            let narrow = squeeze(&mut net, &outputs, channels);
            last = net.pool(narrow, 4, narrow.side / 2);
        } else {
            last = net.concat(&outputs);
        }
    }
    net.classifier(last);
    net.hypergraph()
}

/// A 1×1 convolution of the concatenation of `inputs`, which nobody else takes.
fn squeeze(net: &mut Network, inputs: &[Tensor], channels: u64) -> Tensor {
    let side = inputs[0].side;
    let width: u64 = inputs.iter().map(|input| input.channels).sum();
    let nodes: Vec<usize> = inputs.iter().map(|input| input.node).collect();
    let elements = channels * side * side;
    Tensor { node: net.node(elements * width, elements, &nodes), channels, side }
}

/// Inception-v3 without its auxiliary classifier.
pub fn inception() -> Hypergraph {
    let mut net = Network::default();
    let stem = net.stem(32, 149, 9);
    let stem = net.conv(stem, 32, 9, 147);
    let stem = net.conv(stem, 64, 9, 147);
    let stem = net.pool(stem, 9, 73);
    let stem = net.conv(stem, 80, 1, 73);
    let stem = net.conv(stem, 192, 9, 71);
    let mut last = net.pool(stem, 9, 35);
    for pooled in [32, 64, 64] {
        last = branches(&mut net, last, &[&[(64, 1)], &[(48, 1), (64, 25)], &[(64, 1), (96, 9), (96, 9)]], pooled);
    }
    last = reduction(&mut net, last, &[&[(384, 9)], &[(64, 1), (96, 9), (96, 9)]]);
    for width in [128, 160, 160, 192] {
        let double = [(width, 1), (width, 7), (192, 7)];
        let twice = [(width, 1), (width, 7), (width, 7), (width, 7), (192, 7)];
        last = branches(&mut net, last, &[&[(192, 1)], &double, &twice], 192);
    }
    last = reduction(&mut net, last, &[&[(192, 1), (320, 9)], &[(192, 1), (192, 7), (192, 7), (192, 9)]]);
    for _ in 0..2 {
        last = forked(&mut net, last);
    }
    net.classifier(last);
    net.hypergraph()
}

/// Chains of (channels, taps) side by side, and one of a pooling and a 1×1 convolution.
fn branches(net: &mut Network, from: Tensor, chains: &[&[(u64, u64)]], pooled: u64) -> Tensor {
    let mut ends: Vec<Tensor> = Vec::new();
    for chain in chains {
        ends.push(chain.iter().fold(from, |last, &(channels, taps)| net.conv(last, channels, taps, from.side)));
    }
    let pool = net.pool(from, 9, from.side);
    ends.push(net.conv(pool, pooled, 1, from.side));
    net.concat(&ends)
}

/// Chains whose last convolution halves the resolution, beside a pooling that does.
fn reduction(net: &mut Network, from: Tensor, chains: &[&[(u64, u64)]]) -> Tensor {
    let side = from.side / 2;
    let mut ends: Vec<Tensor> = Vec::new();
    for chain in chains {
        let mut last = from;
        for (index, &(channels, taps)) in chain.iter().enumerate() {
            last = net.conv(last, channels, taps, if index + 1 == chain.len() { side } else { from.side });
        }
        ends.push(last);
    }
    ends.push(net.pool(from, 9, side));
    net.concat(&ends)
}

/// The module at 8×8, whose branches end in a 1×3 and a 3×1 convolution of the same input.
fn forked(net: &mut Network, from: Tensor) -> Tensor {
    let single = net.conv(from, 320, 1, 8);
    let narrow = net.conv(from, 384, 1, 8);
    let deep = net.conv(from, 448, 1, 8);
    let deep = net.conv(deep, 384, 9, 8);
    let mut ends = vec![single];
    for end in [narrow, deep] {
        ends.extend([net.conv(end, 384, 3, 8), net.conv(end, 384, 3, 8)]);
    }
    let pool = net.pool(from, 9, 8);
    ends.push(net.conv(pool, 192, 1, 8));
    net.concat(&ends)
}
