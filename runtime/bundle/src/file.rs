//! The bytes of a bundle: the only form in which a network travels to a device.
//!
//! ```text
//! magic  version  length of header  header, JSON  weights, fp32                      SHA-256 of all before
//! 8      u32      u64               …             in the order of the parameters     32
//! ```
//! Numbers are little-endian. A file is read as hostile: version and hash are looked at before anything else, and the sizes that
//! the header gives are compared with the bytes that are there before memory is taken for them. The hash finds damage; who made
//! the file it does not tell.

use crate::bundle::{Bundle, BundleError};
use cnasc_ir::architecture::Preprocess;
use cnasc_ir::tensor::ParamSpec;
use cnasc_ir::{Fleet, Plan, TensorGraph, Weights};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The version that this release reads and writes.
pub const VERSION: u32 = 1;

/// How a bundle begins.
pub const MAGIC: [u8; 8] = *b"cnasbndl";
const HASH_BYTES: usize = 32;
/// Magic, version and length of the header.
const HEAD_BYTES: usize = 8 + 4 + 8;

/// Everything but the weights.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    name: String,
    hash: String,
    preprocess: Preprocess,
    nodes: Vec<String>,
    graph: TensorGraph,
    plan: Plan,
    fleet: Fleet,
}

impl Header {
    pub(crate) fn of(bundle: &Bundle) -> Self {
        Self {
            name: bundle.name.clone(),
            hash: bundle.hash.clone(),
            preprocess: bundle.preprocess.clone(),
            nodes: bundle.nodes.clone(),
            graph: bundle.graph.clone(),
            plan: bundle.plan.clone(),
            fleet: bundle.fleet.clone(),
        }
    }

    /// With the weights that follow; those that `own` says no to are not there and stay empty. Nothing is verified yet.
    ///
    /// # Errors
    /// Where there are too many or too few bytes.
    pub(crate) fn with(self, bytes: &[u8], own: impl Fn(usize) -> bool) -> Result<Bundle, BundleError> {
        Ok(Bundle {
            weights: read_weights(&self.graph.params, bytes, own)?,
            name: self.name,
            hash: self.hash,
            preprocess: self.preprocess,
            nodes: self.nodes,
            graph: self.graph,
            plan: self.plan,
            fleet: self.fleet,
        })
    }

    /// The tensor graph, not verified yet.
    pub(crate) fn graph(&self) -> &TensorGraph {
        &self.graph
    }

    /// The plan, not verified yet.
    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }
}

impl Bundle {
    /// The bundle as one file.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        write(MAGIC, &Header::of(self), &self.weights)
    }

    /// Reads what [`write`](Self::write) wrote; the result is verified.
    ///
    /// # Errors
    /// Where it is something else, of another version, changed, cut, or does not fit together.
    pub fn read(bytes: &[u8]) -> Result<Self, BundleError> {
        let (header, weights): (Header, _) = read(MAGIC, bytes)?;
        let bundle = header.with(weights, |_| true)?;
        bundle.verify()?;
        Ok(bundle)
    }
}

/// A file of `header` and the weights that are there.
pub(crate) fn write(magic: [u8; 8], header: &impl Serialize, weights: &Weights) -> Vec<u8> {
    let header = serde_json::to_vec(header).expect("names and numbers always serialise");
    let values: usize = weights.tensors.iter().map(Vec::len).sum();
    let mut bytes = Vec::with_capacity(HEAD_BYTES + header.len() + 4 * values + HASH_BYTES);
    bytes.extend_from_slice(&magic);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&(header.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&header);
    for value in weights.tensors.iter().flatten() {
        bytes.extend_from_slice(&value.to_le_bytes());
    }
    let hash = Sha256::digest(&bytes);
    bytes.extend_from_slice(&hash);
    bytes
}

/// The header of a file and the bytes of its weights.
pub(crate) fn read<H: serde::de::DeserializeOwned>(magic: [u8; 8], bytes: &[u8]) -> Result<(H, &[u8]), BundleError> {
    let body = check_hash(magic, bytes)?;
    let length = u64_at(body, 12);
    let rest = &body[HEAD_BYTES..];
    let length = usize::try_from(length).ok().filter(|&length| length <= rest.len()).ok_or_else(|| {
        BundleError::Form(format!("a header of {length} bytes does not fit into {} bytes", rest.len()))
    })?;
    let (header, weights) = rest.split_at(length);
    let header = serde_json::from_slice(header).map_err(|error| BundleError::Form(error.to_string()))?;
    Ok((header, weights))
}

/// Everything before the hash, which is at least a head. The version comes first: another one may keep its hash elsewhere.
fn check_hash(magic: [u8; 8], bytes: &[u8]) -> Result<&[u8], BundleError> {
    if !bytes.starts_with(&magic) {
        return Err(BundleError::Form("it does not begin as one".to_owned()));
    }
    if bytes.len() < HEAD_BYTES + HASH_BYTES {
        return Err(BundleError::Form(format!("its {} bytes are too few", bytes.len())));
    }
    let version = u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
    if version != VERSION {
        return Err(BundleError::Version { found: version });
    }
    let (body, hash) = bytes.split_at(bytes.len() - HASH_BYTES);
    if Sha256::digest(body).as_slice() == hash { Ok(body) } else { Err(BundleError::Hash) }
}

fn read_weights(params: &[ParamSpec], bytes: &[u8], own: impl Fn(usize) -> bool) -> Result<Weights, BundleError> {
    let count = |(index, param): (usize, &ParamSpec)| if own(index) { param.elements() } else { 0 };
    let counts: Vec<u64> = params.iter().enumerate().map(count).collect();
    let wanted = counts.iter().fold(0_u64, |sum, count| sum.saturating_add(count.saturating_mul(4)));
    if wanted != bytes.len() as u64 {
        let found = bytes.len();
        return Err(BundleError::Form(format!("the parameters need {wanted} bytes of weights, found {found}")));
    }
    let mut values = bytes.chunks_exact(4).map(|chunk| f32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]));
    // All sizes together are the bytes that are there, so each of them fits.
    let tensors = counts.iter().map(|&count| values.by_ref().take(count as usize).collect()).collect();
    Ok(Weights { tensors })
}

/// The number at `at`; the caller has checked the length.
fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}

#[cfg(test)]
mod tests;
