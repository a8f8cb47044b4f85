//! Any bytes as an ONNX model: taken in or refused, and what is taken in is a network whose weights fit it.
#![no_main]

use cnasc_onnx::import::{Options, import};
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeMap;

fuzz_target!(|bytes: &[u8]| {
    let options = Options { name: "fuzzed".to_owned(), shapes: BTreeMap::new(), max_elements: 1 << 20 };
    let taken = import(bytes, &options, &mut |part| {
        assert!(part.length <= 8 << 20, "more is asked for than may be made");
        Ok(vec![0; part.length as usize])
    });
    if let Ok(taken) = taken {
        taken.architecture.verify().expect("what is taken in is an architecture");
        assert!(taken.weights.fits(&cnasc_lower::lower(&taken.architecture)));
    }
});
