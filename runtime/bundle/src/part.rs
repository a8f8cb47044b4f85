//! What one device of a fleet on several machines is sent: the whole plan, so that it can check it, and the weights of its own share alone.
//!
//! The bytes are those of a bundle ([`file`](mod@crate::file)) with another beginning, the device's number before the rest of the
//! header, and only the parameters that the device's own steps name. They are read as hostile, like a bundle's.

use crate::bundle::{Bundle, BundleError};
use crate::file::{self, Header};
use crate::share::Share;
use cnasc_ir::{DeviceId, Plan, TensorGraph, Weights};
use serde::{Deserialize, Serialize};

/// How a part begins.
pub const MAGIC: [u8; 8] = *b"cnaspart";

/// One device's part of a bundle, verified.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    device: DeviceId,
    /// The weights of other devices' steps are empty.
    bundle: Bundle,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PartHeader {
    device: DeviceId,
    bundle: Header,
}

impl Part {
    /// The part of `device` of a verified bundle.
    ///
    /// # Errors
    /// Where the bundle has no such device, or was changed so that it no longer fits together.
    pub fn of(bundle: &Bundle, device: DeviceId) -> Result<Self, BundleError> {
        bundle.verify()?;
        check_device(&bundle.fleet.devices, device)?;
        let own = own_params(&bundle.graph, &bundle.plan, device);
        let tensors = bundle.weights.tensors.iter().zip(&own);
        let tensors = tensors.map(|(values, &own)| if own { values.clone() } else { Vec::new() }).collect();
        // Not the bundle's own weights: they may be as large as memory.
        let bundle = Bundle {
            name: bundle.name.clone(),
            hash: bundle.hash.clone(),
            preprocess: bundle.preprocess.clone(),
            nodes: bundle.nodes.clone(),
            graph: bundle.graph.clone(),
            weights: Weights { tensors },
            plan: bundle.plan.clone(),
            fleet: bundle.fleet.clone(),
        };
        Ok(Self { device, bundle })
    }

    /// Whose part it is.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// The bundle, the weights of other devices' steps being empty.
    #[must_use]
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// What the device does.
    #[must_use]
    pub fn share(&self) -> Share {
        Share::of(&self.bundle.graph, &self.bundle.plan, &self.bundle.fleet, self.device)
    }

    /// The part as one file.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let header = PartHeader { device: self.device, bundle: Header::of(&self.bundle) };
        file::write(MAGIC, &header, &self.bundle.weights)
    }

    /// Reads what [`write`](Self::write) wrote; the result is verified.
    ///
    /// # Errors
    /// Where it is something else, of another version, changed, cut, or does not fit together.
    pub fn read(bytes: &[u8]) -> Result<Self, BundleError> {
        let (PartHeader { device, bundle }, weights): (PartHeader, _) = file::read(MAGIC, bytes)?;
        let own = own_params(bundle.graph(), bundle.plan(), device);
        let bundle = bundle.with(weights, |param| own[param])?;
        bundle.verify_with(|param| own[param])?;
        check_device(&bundle.fleet.devices, device)?;
        Ok(Self { device, bundle })
    }
}

fn check_device<T>(devices: &[T], device: DeviceId) -> Result<(), BundleError> {
    if device.index() < devices.len() {
        return Ok(());
    }
    Err(BundleError::Unfit(format!("there is no device {} among {}", device.0, devices.len())))
}

/// For each parameter whether a step of `device` names it. Graph and plan need not fit together: what does not is refused later.
fn own_params(graph: &TensorGraph, plan: &Plan, device: DeviceId) -> Vec<bool> {
    let mut own = vec![false; graph.params.len()];
    let copied =
        |step: &cnasc_ir::tensor::Step| plan.copies.iter().any(|copy| copy.node == step.node && copy.device == device);
    for step in &graph.steps {
        if plan.device_of.get(step.node.index()) == Some(&device) || copied(step) {
            for param in &step.params {
                if let Some(own) = own.get_mut(param.index()) {
                    *own = true;
                }
            }
        }
    }
    own
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use cnasc_base::random::Seed;
    use cnasc_ir::fleet::Backend;
    use proptest::prelude::*;

    fn bundle(devices: usize) -> Bundle {
        sample::bundle(&sample::random(&Seed::new(5), 12), devices, Backend::Reference, &Seed::new(5))
    }

    #[test]
    fn parts_have_their_own_weights_and_all_of_them_together() {
        let bundle = bundle(3);
        let mut seen = vec![false; bundle.graph.params.len()];
        for device in bundle.fleet.ids() {
            let part = Part::of(&bundle, device).unwrap();
            assert_eq!(part.share(), bundle.shares()[device.index()]);
            assert_eq!(Part::read(&part.write()), Ok(part.clone()), "it is read as it was written");
            for (seen, (own, all)) in
                seen.iter_mut().zip(part.bundle().weights.tensors.iter().zip(&bundle.weights.tensors))
            {
                assert!(own.is_empty() || own == all);
                *seen |= !own.is_empty();
            }
        }
        assert!(seen.iter().all(|&seen| seen), "every parameter is somewhere");
        assert!(Part::of(&bundle, DeviceId(3)).is_err());
    }

    #[test]
    fn a_bundle_is_no_part() {
        let bundle = bundle(2);
        assert!(matches!(Part::read(&bundle.write()), Err(BundleError::Form(_))));
        let part = Part::of(&bundle, DeviceId(0)).unwrap().write();
        assert!(matches!(Bundle::read(&part), Err(BundleError::Form(_))));
    }

    proptest! {
        /// A flipped bit is found; with the hash put right reading may refuse and never panics.
        #[test]
        fn hostile_bytes(at in any::<proptest::sample::Index>(), bit in 0_u8..8) {
            use sha2::{Digest, Sha256};
            let mut bytes = Part::of(&bundle(2), DeviceId(1)).unwrap().write();
            let body = bytes.len() - 32;
            bytes[at.index(body)] ^= 1 << bit;
            prop_assert!(Part::read(&bytes).is_err());
            let hash = Sha256::digest(&bytes[..body]);
            bytes[body..].copy_from_slice(&hash);
            let _ = Part::read(&bytes);
        }
    }
}
