//! Inputs that fuzzing found, replayed: no panic, the formatter stays idempotent on them, and models that are taken in have weights that fit.

use cnasc_base::{Sources, render};
use cnasc_onnx::import::{Options, import};
use std::collections::BTreeMap;
use std::path::Path;

fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut inputs = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the corpus is part of the repository") {
        let path = entry.expect("an entry").path();
        inputs.push((path.display().to_string(), std::fs::read(&path).expect("an input")));
    }
    assert!(inputs.len() > 10, "the corpus is gone");
    inputs
}

#[test]
fn programs_are_read_without_a_panic() {
    for (name, bytes) in corpus("source") {
        let Ok(text) = String::from_utf8(bytes) else { continue };
        if let Ok(formatted) = cnasc_grammar::format(&text) {
            assert_eq!(cnasc_grammar::format(&formatted).as_deref(), Ok(formatted.as_str()), "{name}");
        }
        let mut sources = Sources::default();
        let file = sources.add(name, text);
        let (program, diagnostics) = cnasc_frontend::compile(&mut sources, file);
        assert_eq!(program.is_none(), diagnostics.has_errors());
        let _ = render::human(&sources, &diagnostics, false);
    }
}

/// What importing may do with bytes: take them in, as a network whose weights fit it, or refuse them.
fn take(name: &str, bytes: &[u8]) -> bool {
    let options = Options { name: "fuzzed".to_owned(), shapes: BTreeMap::new(), max_elements: 1 << 20 };
    let found = import(bytes, &options, &mut |part| Ok(vec![0; part.length as usize]));
    let taken = found.is_ok();
    if let Ok(found) = found {
        assert!(found.weights.fits(&cnasc_lower::lower(&found.architecture)), "{name}");
    }
    taken
}

#[test]
fn models_are_read_without_a_panic() {
    let mut taken = 0;
    for (name, bytes) in corpus("onnx") {
        taken += u32::from(take(&name, &bytes));
        // What fuzzing does first: each byte another one.
        for place in 0..bytes.len() {
            let mut broken = bytes.clone();
            broken[place] ^= [0x01, 0x80, 0xff][place % 3];
            take(&format!("{name} with byte {place} changed"), &broken);
        }
    }
    assert!(taken > 10, "the corpus has models that are taken in");
}
