//! Inputs that fuzzing found, replayed: no panic, and the formatter stays idempotent on them.

use cnasc_base::{Sources, render};
use std::path::Path;

fn corpus(target: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut inputs = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the corpus is part of the repository") {
        let path = entry.expect("an entry").path();
        if let Ok(text) = std::fs::read_to_string(&path) {
            inputs.push((path.display().to_string(), text));
        }
    }
    assert!(inputs.len() > 10, "the corpus is gone");
    inputs
}

#[test]
fn programs_are_read_without_a_panic() {
    for (name, text) in corpus("source") {
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
