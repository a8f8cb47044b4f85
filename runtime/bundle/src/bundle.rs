//! A network ready to run: everything that the devices of one fleet need, checked to fit together.
//!
//! Invariants, held by [`Bundle::verify`]: fleet and tensor graph are verified; there is a name for each node and a step in it; the
//! image is node 0; weights fit the parameters and are finite; the plan fits both ([`verify::plan`]); the shares of all devices
//! compute the network together and end ([`verify::shares`]).

use crate::image::{self, ImageError};
use crate::share::Share;
use crate::verify;
use cnasc_ir::architecture::{Architecture, NodeId, Preprocess, is_name};
use cnasc_ir::{Fleet, Plan, Shape, TensorGraph, Weights};

/// What is shipped.
#[derive(Debug, Clone, PartialEq)]
pub struct Bundle {
    /// The network's name in its source.
    pub name: String,
    /// The hash of its architecture.
    pub hash: String,
    /// How an image becomes the input tensor.
    pub preprocess: Preprocess,
    /// The names of the architecture's nodes, for reports and traces.
    pub nodes: Vec<String>,
    /// What is computed, folded.
    pub graph: TensorGraph,
    /// With which values.
    pub weights: Weights,
    /// Where and in which order.
    pub plan: Plan,
    /// On which devices.
    pub fleet: Fleet,
}

/// Why something is not a bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// Some other file, or the end is missing.
    #[error("not a bundle: {0}")]
    Form(String),
    /// Another version.
    #[error("the bundle has version {found}, this release reads version {}", crate::file::VERSION)]
    Version {
        /// What it says.
        found: u32,
    },
    /// Changed or cut after it was written.
    #[error(
        "the bundle was changed or cut after it was written: its contents do not have the hash that stands at its end"
    )]
    Hash,
    /// Its parts don't fit together.
    #[error("the parts of the bundle do not fit together: {0}")]
    Unfit(String),
}

impl Bundle {
    /// Puts together what was lowered and placed from one architecture; the result is verified.
    ///
    /// # Errors
    /// Says which parts do not fit each other.
    pub fn new(
        architecture: &Architecture,
        graph: TensorGraph,
        weights: Weights,
        plan: Plan,
        fleet: Fleet,
    ) -> Result<Self, BundleError> {
        let bundle = Self {
            name: architecture.name.clone(),
            hash: architecture.hash().to_owned(),
            preprocess: architecture.preprocess.clone(),
            nodes: architecture.nodes.iter().map(|node| node.name.clone()).collect(),
            graph,
            weights,
            plan,
            fleet,
        };
        bundle.verify()?;
        Ok(bundle)
    }

    /// What each device does, in the order of their ids.
    #[must_use]
    pub fn shares(&self) -> Vec<Share> {
        self.fleet.ids().map(|device| Share::of(&self.graph, &self.plan, &self.fleet, device)).collect()
    }

    /// The shape of the image.
    #[must_use]
    pub fn input(&self) -> Shape {
        self.graph.steps[0].shape
    }

    /// The shape of the answer.
    #[must_use]
    pub fn output(&self) -> Shape {
        self.graph.step(self.graph.output()).shape
    }

    /// The name of a node.
    #[must_use]
    pub fn node_name(&self, node: NodeId) -> &str {
        &self.nodes[node.index()]
    }

    /// The blocked input tensor for `pixels` in 0..1, in the order channel, row, column.
    ///
    /// # Errors
    /// Where there are too few or too many pixels.
    pub fn prepare(&self, pixels: &[f32]) -> Result<Vec<f32>, ImageError> {
        image::prepare(&self.preprocess, self.input(), pixels)
    }

    /// Checks the invariants of the module.
    ///
    /// # Errors
    /// Names the first that does not hold.
    pub fn verify(&self) -> Result<(), BundleError> {
        self.verify_with(|_| true)
    }

    /// The same where the weights of the parameters that `own` says no to are empty.
    pub(crate) fn verify_with(&self, own: impl Fn(usize) -> bool) -> Result<(), BundleError> {
        self.check(own).map_err(BundleError::Unfit)
    }

    fn check(&self, own: impl Fn(usize) -> bool) -> Result<(), String> {
        if self.hash.len() != 64 || !self.hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err("the architecture's hash is not 64 hexadecimal digits".to_owned());
        }
        self.fleet.verify()?;
        // First of all, because the number alone would decide how much memory the checks take.
        if self.graph.nodes as usize != self.nodes.len() {
            return Err(format!("the graph has {} nodes, {} have a name", self.graph.nodes, self.nodes.len()));
        }
        self.graph.verify().map_err(|error| error.to_string())?;
        self.check_nodes()?;
        if !self.preprocess.fits(self.input().channels) {
            return Err(ImageError::Preprocess { channels: self.input().channels }.to_string());
        }
        self.check_weights(own)?;
        verify::plan(&self.graph, &self.plan, &self.fleet)?;
        verify::shares(&self.graph, &self.shares())
    }

    /// Steps are in the order of their nodes, so a node without steps is a gap.
    fn check_nodes(&self) -> Result<(), String> {
        if let Some(name) = std::iter::once(&self.name).chain(&self.nodes).find(|name| !is_name(name)) {
            // Shown escaped and cut: a name that is refused may hold anything.
            let shown: String = name.escape_debug().take(40).collect();
            return Err(format!("`{shown}` can't be the name of a network or node"));
        }
        let mut wanted = 0;
        for step in &self.graph.steps {
            let node = step.node.index();
            if node > wanted {
                return Err(format!("node `{}` has no step", self.nodes[wanted]));
            }
            wanted = wanted.max(node + 1);
        }
        if wanted == self.nodes.len() { Ok(()) } else { Err(format!("node `{}` has no step", self.nodes[wanted])) }
    }

    fn check_weights(&self, own: impl Fn(usize) -> bool) -> Result<(), String> {
        let wanted = self.graph.params.iter().enumerate().map(|(at, spec)| if own(at) { spec.elements() } else { 0 });
        if !wanted.eq(self.weights.tensors.iter().map(|values| values.len() as u64)) {
            return Err("the weights are not those of the graph's parameters".to_owned());
        }
        let mut tensors = self.weights.tensors.iter().zip(&self.graph.params);
        match tensors.find(|(values, _)| !are_finite(values)) {
            None => Ok(()),
            Some((_, spec)) => Err(format!("`{}` has a value that is not a finite number", spec.name)),
        }
    }
}

/// Looks at some together, which a CPU does several of at a time; one after the other would be a twentieth of getting a network ready.
fn are_finite(values: &[f32]) -> bool {
    values.chunks(1024).all(|some| some.iter().fold(true, |all, value| all & value.is_finite()))
}
