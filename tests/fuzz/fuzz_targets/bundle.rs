//! Any bytes as a bundle, or as a device's part of one, behind which the hash stands that they would have: read or refused, and what is read is
//! written as it is read again, and falls into shares.
#![no_main]

use cnasc_bundle::{Bundle, Part};
use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};

fuzz_target!(|body: &[u8]| {
    let file = [body, Sha256::digest(body).as_slice()].concat();
    if let Ok(bundle) = Bundle::read(&file) {
        let written = bundle.write();
        assert_eq!(Bundle::read(&written).map(|again| again.write()), Ok(written));
        assert_eq!(bundle.shares().len(), bundle.fleet.devices.len());
    }
    if let Ok(part) = Part::read(&file) {
        let written = part.write();
        assert_eq!(Part::read(&written).map(|again| again.write()), Ok(written));
        assert_eq!(part.share().device, part.device());
    }
});
