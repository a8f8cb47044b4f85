//! Every operator and whole networks, generated code against the oracle; shares that exchange tensors; wrong input.

mod elementwise;
mod image;
mod layout;
mod net;
mod operators;
mod oracle;
mod shares;
mod wrong;

pub use net::{Net, agrees, conv, depthwise, difference, expected, image, infer};

use crate::{CompileError, Executable, jit};
use cnasc_bundle::Share;
use cnasc_ir::{TensorGraph, Weights};

/// An executable share with the name of how it computes.
type Way = (String, Box<dyn Executable>);

/// Every way in which this CPU can compute the share, each with its name.
fn ways(graph: &TensorGraph, weights: &Weights, share: &Share) -> Result<Vec<Way>, CompileError> {
    let ways = jit::compile_each(graph, weights, share)?;
    Ok(ways.into_iter().map(|(way, jit)| (way, Box::new(jit) as _)).collect())
}
