//! Whether a graph, its weights and a share belong together: all three may come from a file or a network.
//!
//! Tensor graph × weights × share → which tensors the share shows to others, or the first fault.

use crate::CompileError;
use cnasc_bundle::{Action, Share};
use cnasc_ir::{TensorGraph, TensorId, Weights};

/// The tensors of a share that others write or read: the image, what is received and sent, the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Border {
    visible: Vec<bool>,
}

impl Border {
    /// Whether `tensor` is one of them.
    #[must_use]
    pub fn has(&self, tensor: TensorId) -> bool {
        self.visible.get(tensor.index()).copied().unwrap_or(false)
    }

    /// All of them, in order of their ids.
    pub fn ids(&self) -> impl Iterator<Item = TensorId> + '_ {
        (0..self.visible.len()).filter(|&index| self.visible[index]).map(TensorId::new)
    }
}

/// Checks that the graph is one, that the weights are its own, and that each action of the share finds the tensors that it needs.
///
/// # Errors
/// Names the first fault.
pub fn check(graph: &TensorGraph, weights: &Weights, share: &Share) -> Result<Border, CompileError> {
    graph.verify()?;
    check_weights(graph, weights, share)?;
    let mut walk = Walk { graph, made: vec![false; graph.steps.len()], visible: vec![false; graph.steps.len()] };
    if share.takes_image {
        walk.made[0] = true;
        walk.visible[0] = true;
    }
    for (action, done) in share.actions.iter().enumerate() {
        walk.action(done).map_err(|problem| CompileError::Share { action, problem })?;
    }
    if share.gives_answer {
        let action = share.actions.len();
        walk.show(graph.output()).map_err(|problem| CompileError::Share { action, problem })?;
    }
    Ok(Border { visible: walk.visible })
}

/// Parameters of steps that other devices compute may be left empty.
fn check_weights(graph: &TensorGraph, weights: &Weights, share: &Share) -> Result<(), CompileError> {
    if weights.tensors.len() != graph.params.len() {
        let (wanted, found) = (graph.params.len(), weights.tensors.len());
        return Err(CompileError::Weights(format!("{wanted} tensors are needed, found {found}")));
    }
    let mut own = vec![false; graph.params.len()];
    for action in &share.actions {
        let Action::Compute { steps } = action else { continue };
        // A step that is not there is found later.
        let params = steps.iter().filter_map(|step| graph.steps.get(step.index())).flat_map(|step| &step.params);
        params.for_each(|param| own[param.index()] = true);
    }
    let mut all = graph.params.iter().zip(&weights.tensors).zip(own);
    let wrong =
        all.find(|((spec, values), own)| values.len() as u64 != spec.elements() && (*own || !values.is_empty()));
    match wrong {
        None => Ok(()),
        Some(((spec, values), _)) => Err(CompileError::Weights(format!(
            "{} needs {} values, found {}",
            spec.name,
            spec.elements(),
            values.len()
        ))),
    }
}

/// Goes through the actions and knows what is there.
struct Walk<'a> {
    graph: &'a TensorGraph,
    made: Vec<bool>,
    visible: Vec<bool>,
}

impl Walk<'_> {
    fn action(&mut self, action: &Action) -> Result<(), String> {
        match action {
            Action::Receive { tensor, .. } => {
                self.make(*tensor)?;
                self.visible[tensor.index()] = true;
                Ok(())
            }
            Action::Compute { steps } => steps.iter().try_for_each(|&step| self.step(step)),
            Action::Send { tensor, .. } => self.show(*tensor),
        }
    }

    fn step(&mut self, id: TensorId) -> Result<(), String> {
        if id.index() == 0 {
            return Err("computes the image".to_owned());
        }
        let Some(step) = self.graph.steps.get(id.index()) else {
            return Err(format!("computes step {}, the graph has {}", id.0, self.graph.steps.len()));
        };
        for input in &step.inputs {
            if !self.made[input.index()] {
                return Err(format!("computes step {}, whose input {} is not there yet", id.0, input.0));
            }
        }
        self.make(id)
    }

    fn make(&mut self, id: TensorId) -> Result<(), String> {
        match self.made.get_mut(id.index()) {
            None => Err(format!("names tensor {}, the graph has {}", id.0, self.graph.steps.len())),
            Some(true) => Err(format!("makes tensor {} a second time", id.0)),
            Some(made) => {
                *made = true;
                Ok(())
            }
        }
    }

    fn show(&mut self, id: TensorId) -> Result<(), String> {
        match self.made.get(id.index()) {
            Some(true) => {
                self.visible[id.index()] = true;
                Ok(())
            }
            Some(false) => Err(format!("gives away tensor {}, which is not there", id.0)),
            None => Err(format!("names tensor {}, the graph has {}", id.0, self.graph.steps.len())),
        }
    }
}
