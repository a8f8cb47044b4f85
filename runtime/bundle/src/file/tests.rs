//! Round trips, and files that were changed, cut or made up.

use super::{HASH_BYTES, HEAD_BYTES, VERSION};
use crate::bundle::{Bundle, BundleError};
use crate::part::Part;
use crate::sample;
use cnasc_base::random::Seed;
use cnasc_ir::architecture::NodeId;
use cnasc_ir::fleet::Backend;
use cnasc_ir::tensor::{ParamId, ParamSpec};
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use std::path::Path;

fn small() -> Bundle {
    sample::bundle(&sample::diamond(2), 2, Backend::Jit, &Seed::new(5))
}

/// The file with another header, its length and its hash put right, as one who wants to do harm would write it.
fn forged(bundle: &Bundle, change: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
    let bytes = bundle.write();
    let length = u64::from_le_bytes(bytes[12..20].try_into().unwrap()) as usize;
    let (header, weights) = bytes[HEAD_BYTES..bytes.len() - HASH_BYTES].split_at(length);
    let mut header: serde_json::Value = serde_json::from_slice(header).unwrap();
    change(&mut header);
    let header = serde_json::to_vec(&header).unwrap();
    let mut forged = bytes[..12].to_vec();
    forged.extend_from_slice(&(header.len() as u64).to_le_bytes());
    forged.extend_from_slice(&header);
    forged.extend_from_slice(weights);
    signed(forged)
}

fn signed(mut body: Vec<u8>) -> Vec<u8> {
    let hash = Sha256::digest(&body);
    body.extend_from_slice(&hash);
    body
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn written_and_read(seed in any::<u64>(), blocks in 1_usize..12, devices in 1_usize..5, time in 0.0..1e-2_f64) {
        let seed = Seed::new(seed);
        let mut bundle = sample::bundle(&sample::random(&seed, blocks), devices, Backend::Reference, &seed);
        bundle.plan.latency = time;
        bundle.plan.spans[0].end = time / 3.0;
        bundle.preprocess.mean = vec![0.1, 0.2, (time / 7.0) as f32];
        prop_assert_eq!(Bundle::read(&bundle.write()), Ok(bundle));
    }

    #[test]
    fn no_changed_byte_is_accepted(place in any::<prop::sample::Index>(), change in 1_u8..) {
        let mut bytes = small().write();
        let place = place.index(bytes.len());
        bytes[place] ^= change;
        prop_assert!(Bundle::read(&bytes).is_err());
    }

    #[test]
    fn no_cut_file_is_accepted(length in any::<prop::sample::Index>()) {
        let bytes = small().write();
        prop_assert!(Bundle::read(&bytes[..length.index(bytes.len())]).is_err());
    }

    /// The hash is right, so that these get as far as the header, the weights and the checks.
    #[test]
    fn a_forged_body_is_an_error_or_a_bundle(
        place in any::<prop::sample::Index>(), change in 1_u8.., cut in any::<prop::sample::Index>(), cuts in any::<bool>(),
    ) {
        let mut bytes = small().write();
        bytes.truncate(bytes.len() - HASH_BYTES);
        let place = place.index(bytes.len() / 2);
        bytes[place] ^= change;
        if cuts {
            bytes.truncate(HEAD_BYTES + cut.index(bytes.len() - HEAD_BYTES));
        }
        if let Ok(bundle) = Bundle::read(&signed(bytes)) {
            prop_assert_eq!(bundle.verify(), Ok(()));
        }
    }

    #[test]
    fn noise_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Bundle::read(&bytes).is_err());
        let mut head = b"cnasbndl\x01\0\0\0".to_vec();
        head.extend(bytes);
        prop_assert!(Bundle::read(&signed(head)).is_err());
    }
}

#[test]
fn another_version_is_refused_with_both_numbers() {
    let mut bytes = small().write();
    bytes[8] = 7;
    let error = Bundle::read(&bytes).unwrap_err();
    assert_eq!(error, BundleError::Version { found: 7 });
    assert_eq!(error.to_string(), format!("the bundle has version 7, this release reads version {VERSION}"));
}

#[test]
fn a_header_longer_than_the_file_takes_no_memory() {
    let mut bytes = small().write();
    bytes.truncate(bytes.len() - HASH_BYTES);
    bytes[12..20].copy_from_slice(&u64::MAX.to_le_bytes());
    let error = Bundle::read(&signed(bytes)).unwrap_err().to_string();
    assert!(error.contains("a header of 18446744073709551615 bytes does not fit"), "{error}");
}

#[test]
fn sizes_in_the_header_take_no_memory() {
    let bundle = small();
    let nodes = forged(&bundle, |header| header["graph"]["nodes"] = u32::MAX.into());
    let found = Bundle::read(&nodes).unwrap_err().to_string();
    assert!(found.ends_with("the graph has 4294967295 nodes, 8 have a name"), "{found}");

    let huge = forged(&bundle, |header| header["graph"]["params"][0]["extents"] = vec![u32::MAX; 4].into());
    let found = Bundle::read(&huge).unwrap_err().to_string();
    assert!(found.contains("the parameters need 18446744073709551615 bytes of weights"), "{found}");
}

#[test]
fn fields_of_another_release_are_refused() {
    let forged = forged(&small(), |header| header["signature"] = "later".into());
    assert!(matches!(Bundle::read(&forged), Err(BundleError::Form(problem)) if problem.contains("signature")));
}

/// What is wrong with the bundle after `change`.
fn unfit(change: impl FnOnce(&mut Bundle)) -> String {
    let mut bundle = small();
    change(&mut bundle);
    match bundle.verify() {
        Err(BundleError::Unfit(problem)) => {
            assert_eq!(Bundle::read(&bundle.write()).unwrap_err(), BundleError::Unfit(problem.clone()));
            problem
        }
        other => panic!("the change should have made the bundle unfit: {other:?}"),
    }
}

#[test]
fn what_a_bundle_can_get_wrong() {
    let found = [
        unfit(|bundle| bundle.hash.truncate(63)),
        unfit(|bundle| bundle.fleet.devices[1].compute = 0.0),
        unfit(|bundle| drop(bundle.nodes.pop())),
        unfit(|bundle| bundle.graph.steps[1].shape.channels += 1),
        unfit(|bundle| bundle.graph.steps[0].node = NodeId(1)),
        unfit(|bundle| {
            bundle.graph.nodes += 1;
            bundle.nodes.push("more".to_owned());
        }),
        unfit(|bundle| bundle.preprocess.deviation = vec![1.0, 2.0]),
        unfit(|bundle| bundle.weights.tensors[0][0] = f32::INFINITY),
    ];
    let expected = [
        "the architecture's hash is not 64 hexadecimal digits",
        "device `edge[1]` needs positive compute, memory and cores",
        "the graph has 8 nodes, 7 have a name",
        "step 1: conv3 19 +bias gives 19x7x5, recorded is 20x7x5",
        "node `image` has no step",
        "node `more` has no step",
        "preprocessing for 3 channels needs one finite mean and one positive deviation, or one a channel",
        "`stem.0.weight` has a value that is not a finite number",
    ];
    assert_eq!(found.as_slice(), expected);
}

#[test]
fn weights_of_another_network_are_refused() {
    let mut bundle = small();
    bundle.weights.tensors[0].pop();
    assert!(matches!(bundle.verify(), Err(BundleError::Unfit(problem)) if problem.contains("weights")));
    // On disk only the sum of the sizes is left, which is wrong as well.
    assert!(matches!(Bundle::read(&bundle.write()), Err(BundleError::Form(_))));
}

#[test]
fn a_parameter_that_nothing_uses_keeps_its_place() {
    let mut bundle = small();
    let role = bundle.graph.params[0].role;
    bundle.graph.params.insert(0, ParamSpec { name: "spare".to_owned(), role, extents: vec![2, 0] });
    bundle.weights.tensors.insert(0, Vec::new());
    for param in bundle.graph.steps.iter_mut().flat_map(|step| &mut step.params) {
        *param = ParamId(param.0 + 1);
    }
    assert_eq!(Bundle::read(&bundle.write()), Ok(bundle));
}

/// What reading may do with the bytes of a bundle or a part, behind which their hash is put: read them, so that what is written is read again, or
/// refuse them.
fn take(name: &str, body: &[u8]) -> bool {
    let file = [body, Sha256::digest(body).as_slice()].concat();
    let (bundle, part) = (Bundle::read(&file), Part::read(&file));
    if let Ok(bundle) = &bundle {
        let written = bundle.write();
        assert_eq!(Bundle::read(&written).map(|again| again.write()), Ok(written), "{name}");
        assert_eq!(bundle.shares().len(), bundle.fleet.devices.len(), "{name}");
    }
    if let Ok(part) = &part {
        let written = part.write();
        assert_eq!(Part::read(&written).map(|again| again.write()), Ok(written), "{name}");
        assert_eq!(part.share().device, part.device(), "{name}");
    }
    bundle.is_ok() || part.is_ok()
}

/// What fuzzing found (`tests/fuzz`), and the same with some bytes others.
#[test]
fn what_reached_new_code() {
    let mut taken = 0;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus/bundle");
    for entry in std::fs::read_dir(folder).expect("the corpus is part of the repository") {
        let path = entry.unwrap().path();
        let (name, bytes) = (path.display().to_string(), std::fs::read(&path).unwrap());
        taken += u32::from(take(&name, &bytes));
        for place in (0..bytes.len()).step_by(53) {
            let mut broken = bytes.clone();
            broken[place] ^= [0x01, 0x80, 0x03][place % 3];
            take(&format!("{name} with byte {place} changed"), &broken);
        }
    }
    assert!(taken > 10, "the corpus has bundles that are read");
}
