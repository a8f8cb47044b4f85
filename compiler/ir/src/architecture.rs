//! A drawn network: a DAG of blocks with every number known, its canonical file and its hash.
//!
//! Invariants, held by [`Architecture::verify`]:
//! - node 0 is the image and the only node without inputs; the last node is the answer and the only one without consumers;
//! - every input comes from an earlier node, so that the order of the nodes is a topological order;
//! - names are as [`is_name`] has them, and no two nodes share one;
//! - no node is joined to the same node twice (where an operator takes one tensor twice, a node between gives it a second name);
//! - each node's recorded shape is the one that its operators give.

use crate::edit::Edit;
use crate::op::Op;
use crate::shape::Shape;
use petgraph::graph::DiGraph;
use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::sync::OnceLock;

cnasc_base::declare_id! {
    /// A node of an [`Architecture`]; its index is its place in a topological order.
    NodeId
}

/// The format that this release reads and writes.
pub const FORMAT: &str = "cnasc.arch/1";

/// The most nodes that an architecture may have; a file or a program that asks for more is refused.
pub const MAX_NODES: usize = 1 << 20;

/// The most characters of a network's or node's name.
pub const MAX_NAME: usize = 200;

/// Whether a network or node may be called so: letters, digits, `_`, `.`, `-`, `#` and `~`, beginning with a letter or `_`. Names come from files
/// and go to terminals and into file names.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-#~".contains(&byte);
    let first = name.bytes().next();
    name.len() <= MAX_NAME
        && first.is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && name.bytes().all(inner)
}

/// One drawn network.
#[derive(Debug, Clone)]
pub struct Architecture {
    /// The network's name in its source.
    pub name: String,
    /// How it was drawn. Not part of the identity.
    pub provenance: Provenance,
    /// How an image becomes the input tensor. Not part of the identity.
    pub preprocess: Preprocess,
    /// The nodes in topological order, the image first, the answer last.
    pub nodes: Vec<Node>,
    /// Of `nodes`, once it was asked for: a search throws most networks away without.
    hash: OnceLock<String>,
}

/// The hash follows from the nodes.
impl PartialEq for Architecture {
    fn eq(&self, other: &Self) -> bool {
        let Self { name, provenance, preprocess, nodes, hash: _ } = self;
        (name, provenance, preprocess, nodes) == (&other.name, &other.provenance, &other.preprocess, &other.nodes)
    }
}

/// The canonical file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File<'a> {
    format: Cow<'a, str>,
    hash: Cow<'a, str>,
    name: Cow<'a, str>,
    provenance: Cow<'a, Provenance>,
    preprocess: Cow<'a, Preprocess>,
    nodes: Cow<'a, [Node]>,
}

impl Serialize for Architecture {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let file = File {
            format: FORMAT.into(),
            hash: self.hash().into(),
            name: self.name.as_str().into(),
            provenance: Cow::Borrowed(&self.provenance),
            preprocess: Cow::Borrowed(&self.preprocess),
            nodes: self.nodes.as_slice().into(),
        };
        file.serialize(serializer)
    }
}

/// What reproduces the drawing.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// The number that `--seed` takes.
    pub seed: u64,
    /// The network's arguments as source text, search variables with the values they took.
    pub arguments: BTreeMap<String, String>,
    /// What was changed in the drawn graphs, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<Edit>,
}

/// From pixels in 0..1 to the network's input: (pixel − mean) / deviation, per channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocess {
    /// Subtracted, one a channel; one alone is for all channels.
    pub mean: Vec<f32>,
    /// Divided by, one a channel; one alone is for all channels.
    pub deviation: Vec<f32>,
}

impl Default for Preprocess {
    fn default() -> Self {
        Self { mean: vec![0.0], deviation: vec![1.0] }
    }
}

impl Preprocess {
    /// Whether there is one mean and one deviation for each of `channels`, or one for all: means of at most a million either
    /// way, deviations of a millionth to a million, so that no pixel becomes infinite.
    #[must_use]
    pub fn fits(&self, channels: u32) -> bool {
        let count = |values: &[f32]| values.len() == 1 || values.len() == channels as usize;
        count(&self.mean)
            && count(&self.deviation)
            && self.mean.iter().all(|mean| mean.abs() <= 1e6)
            && self.deviation.iter().all(|deviation| (1e-6..=1e6).contains(deviation))
    }
}

/// What a node is for. The structural measures of the paper count blocks only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The image.
    Input,
    /// A pipeline before, between or after bodies; the first body's input vertex.
    Pipeline,
    /// A vertex of a drawn graph.
    Block,
    /// A drawn graph's output vertex, which averages all nodes without successors.
    Gather,
}

/// One vertex: its inputs, each brought to one shape, then a pipeline of operators.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Unique: `image`, `stem`, `body.7`, `body.out`, `head`.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Where its inputs come from, in the order in which the first operator takes them.
    pub inputs: Vec<Join>,
    /// What it computes. The first operator takes all inputs; each further one takes the one before.
    /// A node with one input needs no joining operator, and one with several must begin with one.
    pub ops: Vec<Op>,
    /// What comes out.
    pub shape: Shape,
}

/// One input of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Join {
    /// The producer.
    pub from: NodeId,
    /// The scaling block that brings it to the shape of the others (paper.md Figure 4b): pooling, then a 1×1 convolution.
    /// Belongs to the consumer. Empty where shapes agree.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scale: Vec<Op>,
}

/// Why a file or a graph is no architecture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArchitectureError {
    /// Not JSON of the right form.
    #[error("not an architecture file: {0}")]
    Form(String),
    /// Another version.
    #[error("the file has format `{found}`, this release reads `{FORMAT}`")]
    Format {
        /// What it says.
        found: String,
    },
    /// Changed after it was written.
    #[error("the file says its hash is {said}, but its nodes hash to {found}")]
    Hash {
        /// The recorded hash.
        said: String,
        /// The computed hash.
        found: String,
    },
    /// An invariant is broken.
    #[error("node `{node}`: {problem}")]
    Node {
        /// The node's name.
        node: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The whole is wrong.
    #[error("{0}")]
    Graph(String),
}

impl Architecture {
    /// Puts nodes under a name; the result is verified.
    ///
    /// # Errors
    /// Where an invariant of the module does not hold.
    pub fn new(name: impl Into<String>, nodes: Vec<Node>) -> Result<Self, ArchitectureError> {
        let (provenance, preprocess) = (Provenance::default(), Preprocess::default());
        let architecture = Self { name: name.into(), provenance, preprocess, nodes, hash: OnceLock::new() };
        architecture.verify()?;
        Ok(architecture)
    }

    /// Reads the canonical file, as hostile input: version, hash and every invariant are checked.
    ///
    /// # Errors
    /// Says which of them does not hold.
    pub fn from_json(text: &str) -> Result<Self, ArchitectureError> {
        #[derive(Deserialize)]
        struct Head {
            format: String,
        }
        let head: Head = serde_json::from_str(text).map_err(|error| ArchitectureError::Form(error.to_string()))?;
        if head.format != FORMAT {
            return Err(ArchitectureError::Format { found: head.format });
        }
        let file: File = serde_json::from_str(text).map_err(|error| ArchitectureError::Form(error.to_string()))?;
        let found = hash(&file.nodes);
        if found != file.hash {
            return Err(ArchitectureError::Hash { said: file.hash.into_owned(), found });
        }
        let File { hash: _, name, provenance, preprocess, nodes, format: _ } = file;
        let read = Self {
            name: name.into_owned(),
            provenance: provenance.into_owned(),
            preprocess: preprocess.into_owned(),
            nodes: nodes.into_owned(),
            hash: found.into(),
        };
        read.verify()?;
        Ok(read)
    }

    /// The canonical file.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("names and numbers always serialise") + "\n"
    }

    /// SHA-256 of the canonical form of the nodes, in hexadecimal: the identity of the network. Nodes are not to be changed once it was
    /// asked for.
    #[must_use]
    pub fn hash(&self) -> &str {
        self.hash.get_or_init(|| hash(&self.nodes))
    }

    /// The shape of the image.
    #[must_use]
    pub fn input(&self) -> Shape {
        self.nodes[0].shape
    }

    /// The node of `id`.
    #[must_use]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// All ids in topological order.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.nodes.len()).map(NodeId::new)
    }

    /// For each node the nodes that take its output, in order.
    #[must_use]
    pub fn consumers(&self) -> Vec<Vec<NodeId>> {
        let mut consumers = vec![Vec::new(); self.nodes.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            for join in &node.inputs {
                consumers[join.from.index()].push(NodeId::new(index));
            }
        }
        consumers
    }

    /// The graph alone, for algorithms; a node's index is its id's.
    #[must_use]
    pub fn graph(&self) -> DiGraph<NodeId, ()> {
        let mut graph = DiGraph::with_capacity(self.nodes.len(), 2 * self.nodes.len());
        let indices: Vec<_> = self.ids().map(|id| graph.add_node(id)).collect();
        for (to, node) in self.nodes.iter().enumerate() {
            for join in &node.inputs {
                graph.add_edge(indices[join.from.index()], indices[to], ());
            }
        }
        graph
    }

    /// Checks the invariants of the module.
    ///
    /// # Errors
    /// Names the first node that breaks one.
    pub fn verify(&self) -> Result<(), ArchitectureError> {
        if self.nodes.len() < 2 {
            return Err(ArchitectureError::Graph("a network needs an image and an answer".to_owned()));
        }
        if self.nodes.len() > MAX_NODES {
            return Err(ArchitectureError::Graph(format!("{} nodes are more than {MAX_NODES}", self.nodes.len())));
        }
        if let Some(name) =
            std::iter::once(&self.name).chain(self.nodes.iter().map(|node| &node.name)).find(|name| !is_name(name))
        {
            // Shown escaped and cut: a name that is refused may hold anything.
            let shown: String = name.escape_debug().take(40).collect();
            return Err(ArchitectureError::Graph(format!("`{shown}` can't be the name of a network or node")));
        }
        self.verify_preprocess()?;
        let mut names = HashSet::with_capacity(self.nodes.len());
        let mut taken_by = vec![0; self.nodes.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            let fail = |problem: String| Err(ArchitectureError::Node { node: node.name.clone(), problem });
            if !names.insert(node.name.as_str()) {
                return fail("another node has the same name".to_owned());
            }
            if (index == 0) != (node.role == Role::Input) || (index == 0) != node.inputs.is_empty() {
                return fail("the image, and nothing else, is first and has no inputs".to_owned());
            }
            for join in &node.inputs {
                let from = join.from.index();
                if from >= index {
                    return fail("an input does not come from an earlier node".to_owned());
                }
                // No node is taken by the image, so that 0 says that nobody took it yet.
                if std::mem::replace(&mut taken_by[from], index) == index {
                    return fail("one of its inputs stands there twice".to_owned());
                }
            }
            match self.shape_of(node) {
                Ok(shape) if shape == node.shape => {}
                Ok(shape) => return fail(format!("its operators give {shape}, recorded is {}", node.shape)),
                Err(problem) => return fail(problem),
            }
        }
        let last = taken_by.len() - 1;
        match taken_by[..last].iter().position(|&taker| taker == 0) {
            None => Ok(()),
            Some(unused) => {
                let node = self.nodes[unused].name.clone();
                Err(ArchitectureError::Node { node, problem: "nothing takes its output".to_owned() })
            }
        }
    }

    fn verify_preprocess(&self) -> Result<(), ArchitectureError> {
        if self.preprocess.fits(self.nodes[0].shape.channels) {
            Ok(())
        } else {
            Err(ArchitectureError::Graph(
                "preprocess needs one mean (at most 1e6) and one deviation (1e-6 to 1e6) a channel, or one for all"
                    .to_owned(),
            ))
        }
    }

    /// The shape that a node's operators give; its inputs must be earlier nodes.
    fn shape_of(&self, node: &Node) -> Result<Shape, String> {
        if node.role == Role::Input {
            return match node.ops.as_slice() {
                [] if node.shape.is_valid() => Ok(node.shape),
                [] => Err(format!("an image of {} is empty or too large", node.shape)),
                _ => Err("the image has no operators".to_owned()),
            };
        }
        let mut shapes = Vec::with_capacity(node.inputs.len());
        for join in &node.inputs {
            let from = self.nodes[join.from.index()].shape;
            shapes.push(pipe(&join.scale, &[from])?);
        }
        pipe(&node.ops, &shapes)
    }
}

/// The shape after a pipeline whose first operator takes all of `inputs`.
///
/// # Errors
/// Says which operator does not fit, or that several inputs are left unjoined.
pub fn pipe(ops: &[Op], inputs: &[Shape]) -> Result<Shape, String> {
    let Some((first, rest)) = ops.split_first() else {
        return match inputs {
            [only] => Ok(*only),
            _ => Err(format!("{} inputs need an operator that joins them", inputs.len())),
        };
    };
    let mut shape = first.output(inputs).map_err(|error| error.to_string())?;
    for op in rest {
        shape = op.output(&[shape]).map_err(|error| error.to_string())?;
    }
    Ok(shape)
}

/// The identity of these nodes: SHA-256 of their compact JSON.
fn hash(nodes: &[Node]) -> String {
    let canonical = serde_json::to_vec(nodes).expect("names and numbers always serialise");
    let digest = Sha256::digest(canonical);
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        use std::fmt::Write as _;
        write!(text, "{byte:02x}").expect("a string takes everything");
        text
    })
}
