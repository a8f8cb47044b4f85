//! Parse, check, format and expand of any text of at most 64 KiB: no panic, no hang, bounded memory.
#![no_main]

use cnasc_base::{Sources, render};
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeMap;

fuzz_target!(|text: &str| {
    if text.len() > 64 << 10 {
        return;
    }
    if let Ok(formatted) = cnasc_grammar::format(text) {
        assert_eq!(cnasc_grammar::format(&formatted).as_deref(), Ok(formatted.as_str()), "format is not idempotent");
    }
    let mut sources = Sources::default();
    let file = sources.add("fuzz.cnas", text);
    let (program, diagnostics) = cnasc_frontend::compile(&mut sources, file);
    let _ = render::human(&sources, &diagnostics, false);
    if let Some(program) = program {
        for search in &program.searches {
            // Large graphs are allowed and slow; what is drawn here stays small enough to be drawn often.
            let _ = cnasc_search::draw(&program, &search.over, &BTreeMap::new(), 1);
        }
    }
});
