//! The typed program: every name resolved, every type and unit checked, nothing drawn yet.
//!
//! Quantities are held in base units (bytes, seconds, bits a second, FLOP/s, plain counts); their dimensions are known to the
//! checker alone. An argument may be a [`ExprKind::Domain`], which a search or a seed replaces by a value before expansion.

mod accuracy;
mod search;
mod test;
mod training;

pub use accuracy::Accuracy;
pub use search::{Budget, Constraint, Cost, Fidelity, Measure, Objective, Search, Strategy};
pub use test::{Expectation, Expected, Figure, Sample, Statistic, Test};
pub use training::{Decline, Descent, Learning, Precision, Training};

use crate::fleet::Fleet;
use cnasc_base::Location;
use serde::{Deserialize, Serialize};

cnasc_base::declare_id! {
    /// A generator of a [`Program`].
    GeneratorId
}
cnasc_base::declare_id! {
    /// A block of a [`Program`].
    BlockId
}
cnasc_base::declare_id! {
    /// A staging of a [`Program`].
    StagingId
}
cnasc_base::declare_id! {
    /// A network of a [`Program`].
    NetworkId
}
cnasc_base::declare_id! {
    /// A fleet of a [`Program`].
    FleetId
}
cnasc_base::declare_id! {
    /// A training of a [`Program`].
    TrainingId
}

/// All declarations of a file and of what it uses.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Program {
    /// Generators.
    pub generators: Vec<Generator>,
    /// Blocks.
    pub blocks: Vec<Block>,
    /// Stagings.
    pub stagings: Vec<Staging>,
    /// Networks.
    pub networks: Vec<Network>,
    /// Fleets, with all figures known.
    pub fleets: Vec<Fleet>,
    /// Searches.
    pub searches: Vec<Search>,
    /// Trainings.
    pub trainings: Vec<Training>,
    /// Tests.
    pub tests: Vec<Test>,
}

/// A parameter of a declaration.
#[derive(Debug, Clone, PartialEq)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// What it is where the caller does not say.
    pub default: Option<Expr>,
}

/// The types of values.
#[derive(Debug, Clone, PartialEq)]
pub enum Type {
    /// Whole numbers.
    Int,
    /// Numbers with a dimension; plain reals have none.
    Real(Dimension),
    /// Truth values.
    Bool,
    /// Texts.
    Text,
    /// A generator with its arguments.
    Generator,
    /// A block with its arguments.
    Block,
    /// A staging with its arguments.
    Staging,
    /// A network with its arguments.
    Network,
    /// A fleet.
    Fleet,
    /// Lists of one type.
    List(Box<Type>),
}

/// Powers of the base units; a rate is data 1, time −1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord, Hash)]
pub struct Dimension {
    /// Of the bit (a byte is eight).
    pub data: i8,
    /// Of the second.
    pub time: i8,
    /// Of the floating-point operation.
    pub work: i8,
    /// Of the joule.
    pub energy: i8,
}

/// A value to be computed.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// How.
    pub kind: ExprKind,
    /// Where it was written.
    pub location: Location,
}

/// The forms of values.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    /// A whole number.
    Int(i64),
    /// A real number in base units.
    Real(f64),
    /// A truth value.
    Bool(bool),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Expr>),
    /// The parameter at this place in the enclosing declaration.
    Param(usize),
    /// What the context gives.
    Variable(Variable),
    /// −x.
    Negate(Box<Expr>),
    /// not x.
    Not(Box<Expr>),
    /// Two operands. Integers where both are (division then gives a real), else reals.
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// A function of numbers.
    Call(Function, Vec<Expr>),
    /// A declaration with its arguments.
    Make(Make),
    /// A choice to be made.
    Domain(Domain),
}

/// A declaration with one argument a parameter, in their order, defaults filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Make {
    /// Which.
    pub of: Declared,
    /// With what.
    pub args: Vec<Expr>,
}

/// A declaration that can be given arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Declared {
    /// A generator.
    Generator(GeneratorId),
    /// A block.
    Block(BlockId),
    /// A staging.
    Staging(StagingId),
    /// A network.
    Network(NetworkId),
    /// A fleet; it has no arguments.
    Fleet(FleetId),
    /// The network that its one argument is: what a search over a choice of whole networks is over.
    AnyNetwork,
}

/// What an expression's surroundings give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variable {
    /// The smaller end of a possible edge, from 0.
    I,
    /// The larger end.
    J,
    /// The number of nodes of the graph.
    Nodes,
    /// In an edge rule: how many edges the smaller end has among the pairs that were decided before this one, which are those
    /// of a smaller i, and those of the same i and a smaller j.
    DegreeI,
    /// The same of the larger end.
    DegreeJ,
    /// In an edge rule of a generator that knows a fleet: seconds in which 1 KiB comes from the device of one end to that of
    /// the other, by the quickest way; 0 where they are one. Node i is dealt to device i modulo the number of devices. Real.
    LinkCost,
    /// In a staging rule: the longest path from the body's input, in blocks; 0 for the first.
    Depth,
    /// In a staging rule: the channels that the node would have.
    Channels,
    /// In a staging rule: the smaller side of the image that the node would have.
    Size,
}

/// Operators with two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BinaryOp {
    /// Either is true.
    Or,
    /// Both are true.
    And,
    /// ==
    Equal,
    /// !=
    NotEqual,
    /// <
    Less,
    /// <=
    LessEqual,
    /// >
    Greater,
    /// >=
    GreaterEqual,
    /// +
    Add,
    /// −
    Subtract,
    /// ×
    Multiply,
    /// ÷, always real
    Divide,
    /// Power, always real
    Power,
}

/// Functions of numbers; all give reals but for those noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// eˣ
    Exp,
    /// natural logarithm
    Ln,
    /// √x
    Sqrt,
    /// |x|; of the operand's type
    Abs,
    /// the smaller of two; of the operands' type
    Min,
    /// the greater of two; of the operands' type
    Max,
    /// the greatest whole number that is not above; whole
    Floor,
    /// the least whole number that is not below; whole
    Ceil,
    /// Distance of nodes i and j on a ring of all n: the smaller number of steps, 1 … n/2; whole.
    Ring,
}

/// What a search variable may be.
#[derive(Debug, Clone, PartialEq)]
pub enum Domain {
    /// One of these; at least one.
    Choice(Vec<Expr>),
    /// low, low + step, … up to high; not empty.
    Ints {
        /// Least.
        low: i64,
        /// Not above this.
        high: i64,
        /// At least 1.
        step: i64,
    },
    /// Between low and high; in base units; low < high, and 0 < low with `log`.
    Reals {
        /// Least.
        low: f64,
        /// Greatest.
        high: f64,
        /// Distance of neighbouring values from low; any value where absent.
        step: Option<f64>,
        /// Uniform in the logarithm.
        log: bool,
    },
}

/// A family of random graphs.
#[derive(Debug, Clone, PartialEq)]
pub struct Generator {
    /// Its name.
    pub name: String,
    /// Its parameters.
    pub params: Vec<Param>,
    /// How many vertices; whole.
    pub nodes: Expr,
    /// Which edges.
    pub wiring: Wiring,
    /// How the graph becomes directed.
    pub order: Order,
    /// A generator, a graph of which takes the place of each vertex; none where a vertex stays one.
    pub each: Option<Expr>,
    /// The parameter that is the fleet whose devices the vertices are dealt to, where there is exactly one.
    pub dealt: Option<usize>,
    /// Where it was declared.
    pub location: Location,
}

/// How edges come about.
#[derive(Debug, Clone, PartialEq)]
pub enum Wiring {
    /// Each pair i < j independently, with this probability (or where this is true). Values outside 0..1 are a finding.
    Edges(Expr),
    /// Barabási–Albert: m vertices first, each further one attaches m edges with probability proportional to degree.
    Attach {
        /// m.
        edges: Expr,
    },
    /// Watts–Strogatz: a ring with k/2 neighbours on either side, each edge rewired with a probability.
    Lattice {
        /// k, even.
        neighbours: Expr,
        /// p.
        rewired: Expr,
    },
    /// These, each once and the smaller vertex first: a graph that was read from a file.
    Given(Vec<(u32, u32)>),
}

/// How an undirected graph is made a DAG (paper.md, "To a DAG").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Each edge from the smaller index to the larger; the default.
    Index,
    /// Vertices renumbered in depth-first order, smaller indices first, then as above.
    Dfs,
}

/// What a vertex computes.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// Its name.
    pub name: String,
    /// Its parameters.
    pub params: Vec<Param>,
    /// Its operators.
    pub pipeline: Vec<Stage>,
    /// Where it was declared.
    pub location: Location,
}

/// One operator of a pipeline, its numbers not known yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// Which.
    pub operator: Operator,
    /// Its arguments in the order of [`Operator::params`], defaults filled in. One that has no default and was left out
    /// (the channels of a convolution in a block) is absent.
    pub args: Vec<Option<Expr>>,
    /// The pipeline in a [`Operator::Scale`]; empty elsewhere.
    pub inner: Vec<Stage>,
    /// Where it was written.
    pub location: Location,
}

/// The operators that a pipeline may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operator {
    /// `aggregate(weighted | sigmoid_weights | sigmoid_inputs | sum | mean | concat)`
    Aggregate(Aggregate),
    /// `relu`
    Relu,
    /// `sigmoid`
    Sigmoid,
    /// `relu6`
    Relu6,
    /// `clip(low, high)`
    Clip,
    /// `leaky_relu(slope)`
    LeakyRelu,
    /// `hard_swish`
    HardSwish,
    /// `hard_sigmoid`
    HardSigmoid,
    /// `softmax`, over the channels.
    Softmax,
    /// `lrn(size, alpha, beta, k)`
    Lrn,
    /// `scale(pipeline)`: the input times what the pipeline makes of it.
    Scale,
    /// `conv(kernel, channels, stride, padding, groups, bias)`
    Conv,
    /// `depthwise(kernel, stride, padding)`
    Depthwise,
    /// `pointwise(channels, stride, groups, bias)`
    Pointwise,
    /// `bn`
    BatchNorm,
    /// `maxpool(kernel, stride, padding)`
    MaxPool,
    /// `avgpool(kernel, stride, padding)`
    AvgPool,
    /// `global_avg`
    GlobalAvg,
    /// `linear(outputs)`
    Linear,
    /// The operators of a block, which is its one argument.
    Block,
    /// `stride(by)`, alone in a `shrink`: the first convolution or pool of the node's own block takes this stride.
    Stride,
}

/// How a node's inputs become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aggregate {
    /// Learnable weighted sum, the sigmoid on the weights: `weighted` and `sigmoid_weights`.
    SigmoidWeights,
    /// Learnable weighted sum, the sigmoid on the inputs.
    SigmoidInputs,
    /// Plain sum.
    Sum,
    /// Mean.
    Mean,
    /// One behind the other.
    Concat,
}

/// A parameter of an [`Operator`]: name, and the whole number it is where not given, if any.
pub type OperatorParam = (&'static str, OperatorDefault);

/// What an operator's parameter is where it was not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperatorDefault {
    /// It must be given.
    Required,
    /// This number.
    Is(i64),
    /// A number that need not be whole, and must be given.
    Number,
    /// A number that need not be whole; as many millionths where it is not given.
    Millionths(i64),
    /// The same as the operator's first argument.
    First,
    /// As many channels as the node has: given by staging.
    NodeChannels,
    /// Half the first argument, rounded down, which keeps the image as large as it is.
    HalfKernel,
    /// `true`, unless a `bn` follows in the pipeline, whose shift would make a bias redundant.
    Unnormed,
}

impl OperatorDefault {
    /// Whether the parameter need not be a whole number.
    #[must_use]
    pub const fn is_real(self) -> bool {
        matches!(self, Self::Number | Self::Millionths(_))
    }
}

impl Operator {
    /// Its parameters in order; all are whole numbers, but for those that may be [any number](OperatorDefault::Number), `bias`, a truth
    /// value, and the block of [`Operator::Block`].
    #[must_use]
    pub fn params(self) -> &'static [OperatorParam] {
        use OperatorDefault::{First, HalfKernel, Is, Millionths, NodeChannels, Number, Required, Unnormed};
        match self {
            Self::Conv => &[
                ("kernel", Required),
                ("channels", NodeChannels),
                ("stride", Is(1)),
                ("padding", HalfKernel),
                ("groups", Is(1)),
                ("bias", Unnormed),
            ],
            Self::Depthwise => &[("kernel", Required), ("stride", Is(1)), ("padding", HalfKernel)],
            Self::Pointwise => &[("channels", NodeChannels), ("stride", Is(1)), ("groups", Is(1)), ("bias", Unnormed)],
            Self::MaxPool | Self::AvgPool => &[("kernel", Required), ("stride", First), ("padding", Is(0))],
            Self::Linear => &[("outputs", Required)],
            Self::Block => &[("block", Required)],
            Self::Stride => &[("by", Required)],
            Self::Clip => &[("low", Number), ("high", Number)],
            Self::LeakyRelu => &[("slope", Millionths(10_000))],
            Self::Lrn => &[
                ("size", Is(5)),
                ("alpha", Millionths(100)),
                ("beta", Millionths(750_000)),
                ("k", Millionths(1_000_000)),
            ],
            Self::Aggregate(_)
            | Self::Relu
            | Self::Sigmoid
            | Self::Relu6
            | Self::HardSwish
            | Self::HardSigmoid
            | Self::Softmax
            | Self::Scale
            | Self::BatchNorm
            | Self::GlobalAvg => &[],
        }
    }
}

/// When and how single nodes downsample.
#[derive(Debug, Clone, PartialEq)]
pub struct Staging {
    /// Its name.
    pub name: String,
    /// Its parameters.
    pub params: Vec<Param>,
    /// Which nodes do.
    pub policy: Policy,
    /// By how much their channels grow, rounded down; at least 1.
    pub growth: Expr,
    /// The most channels; a node that would exceed it does not downsample.
    pub limit: Option<Expr>,
    /// What makes the image smaller: pooling or strided operators. The 1×1 convolution that grows channels follows it.
    pub shrink: Vec<Stage>,
    /// Where it was declared.
    pub location: Location,
}

/// Which nodes downsample, of those whose channels may still grow.
#[derive(Debug, Clone, PartialEq)]
pub enum Policy {
    /// None.
    Uniform,
    /// All.
    Greedy,
    /// Each with this probability.
    Probabilistic(Expr),
    /// Those for which this is true of depth, channels and size.
    Rule(Expr),
}

/// A family of networks.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// Its name.
    pub name: String,
    /// Its parameters.
    pub params: Vec<Param>,
    /// Channels, height and width of the image.
    pub input: [Expr; 3],
    /// What is done to it, in order.
    pub sections: Vec<Section>,
    /// Where it was declared.
    pub location: Location,
}

/// A part of a network.
#[derive(Debug, Clone, PartialEq)]
pub enum Section {
    /// `stem …`, `layer …` or `head …`: operators one after the other.
    Pipeline {
        /// `stem`, `layer` or `head`.
        name: String,
        /// The operators.
        stages: Vec<Stage>,
    },
    /// `body wiring of block staged staging`: a drawn graph of blocks.
    Body {
        /// A generator.
        wiring: Expr,
        /// A block.
        block: Expr,
        /// A staging; uniform where absent.
        staging: Option<Expr>,
        /// Where it was written.
        location: Location,
    },
    /// `repeat count { … }`: sections one after the other, several times.
    Repeat {
        /// How often; whole.
        count: Expr,
        /// The sections.
        sections: Vec<Section>,
        /// Where it was written.
        location: Location,
    },
    /// `branch { … } { … } joined by concat`, or `residual { … }`, which has one branch that does nothing and adds.
    Branch {
        /// `branch` or `residual`.
        name: String,
        /// The sections of each; at most one has none.
        branches: Vec<Vec<Section>>,
        /// How the branches' ends become one.
        joined: Aggregate,
        /// Where it was written.
        location: Location,
    },
    /// `part network`: the sections of another network, whose own image counts for nothing here.
    Part {
        /// The network.
        network: Expr,
        /// Where it was written.
        location: Location,
    },
}
