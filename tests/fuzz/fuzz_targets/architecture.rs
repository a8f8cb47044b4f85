//! Any bytes as an architecture file: read or refused, and what is read goes back to the same bytes of identity.
#![no_main]

use cnasc_ir::Architecture;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(read) = Architecture::from_json(text) {
        let again = Architecture::from_json(&read.to_json());
        assert_eq!(again.map(|again| again.hash().to_owned()), Ok(read.hash().to_owned()));
    }
});
