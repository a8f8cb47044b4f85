//! Texts that nobody would write: the front end answers all of them, without a panic and without endless work.

use cnasc_base::{Sources, render};
use cnasc_frontend::compile;
use proptest::prelude::*;

const SAMPLE: &str = include_str!("sample.cnas");

/// Compiles and renders a text; whether there is a program.
fn answered(text: &str) -> bool {
    let mut sources = Sources::default();
    let file = sources.add("main.cnas", text);
    let (program, diagnostics) = compile(&mut sources, file);
    assert_eq!(program.is_some(), !diagnostics.has_errors(), "{}", render::human(&sources, &diagnostics, false));
    for found in diagnostics.iter() {
        let first = found.labels.first().expect("every finding has a place");
        assert!(sources.text(first.location.file).get(first.location.range()).is_some(), "{found:?}");
        if let Some(suggestion) = &found.suggestion {
            assert!(sources.text(suggestion.location.file).get(suggestion.location.range()).is_some(), "{found:?}");
        }
    }
    assert_eq!(render::human(&sources, &diagnostics, false).is_empty(), diagnostics.is_empty());
    program.is_some()
}

/// Words, numbers, white space and single marks.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let class = |c: char| if c.is_alphanumeric() || c == '_' { 0 } else { 1 + u8::from(c.is_whitespace()) };
    for c in text.chars() {
        match pieces.last_mut() {
            Some(last) if class(c) != 1 && last.chars().all(|other| class(other) == class(c)) => last.push(c),
            _ => pieces.push(c.to_string()),
        }
    }
    pieces
}

#[derive(Debug, Clone)]
enum Change {
    Delete(prop::sample::Index),
    Double(prop::sample::Index),
    Swap(prop::sample::Index, prop::sample::Index),
    Copy(prop::sample::Index, prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        index().prop_map(Change::Delete),
        index().prop_map(Change::Double),
        (index(), index()).prop_map(|(a, b)| Change::Swap(a, b)),
        (index(), index()).prop_map(|(a, b)| Change::Copy(a, b)),
    ]
}

fn changed(text: &str, changes: &[Change]) -> String {
    let mut pieces = pieces(text);
    for change in changes {
        let count = pieces.len();
        match change {
            Change::Delete(at) => drop(pieces.remove(at.index(count))),
            Change::Double(at) => pieces.insert(at.index(count), pieces[at.index(count)].clone()),
            Change::Swap(a, b) => pieces.swap(a.index(count), b.index(count)),
            Change::Copy(from, to) => pieces[to.index(count)] = pieces[from.index(count)].clone(),
        }
    }
    pieces.concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn changed_programs_are_answered(changes in prop::collection::vec(change(), 1..6)) {
        answered(&changed(SAMPLE, &changes));
    }

    #[test]
    fn changed_sections_are_answered(changes in prop::collection::vec(change(), 1..6)) {
        answered(&changed(include_str!("whole.cnas"), &changes));
    }

    #[test]
    fn changed_modules_are_answered(changes in prop::collection::vec(change(), 1..12)) {
        let modules = ["blocks", "devices", "generators", "stagings"].map(|name| {
            let path = format!("{}/../../stdlib/{name}.cnas", env!("CARGO_MANIFEST_DIR"));
            std::fs::read_to_string(path).expect("a module").replace("//!", "//")
        });
        answered(&changed(&modules.concat(), &changes));
    }
}

#[test]
fn defaults_that_multiply_are_refused() {
    // Each generator's default holds the one before it twice: without a limit, 2^40 values.
    let mut text = "generator g0(n: int = 1) {\n nodes n\n edge(i, j) if i < j\n}\n".to_owned();
    for level in 1..40 {
        let before = format!("g{}()", level - 1);
        text.push_str(&format!(
            "generator g{level}(a: generator = {before}, b: generator = {before}) {{\n nodes 1\n edge(i, j) if i < j\n}}\n"
        ));
    }
    assert!(!answered(&text));
}

#[test]
fn defaults_that_lead_far_are_refused() {
    let mut text = String::new();
    for level in 0..5_000 {
        text.push_str(&format!(
            "generator g{level}(a: generator = g{}()) {{\n nodes 1\n edge(i, j) if i < j\n}}\n",
            level + 1
        ));
    }
    assert!(!answered(&text));
}

#[test]
fn many_mistakes_are_answered_in_time() {
    let mut text = String::new();
    for level in 0..3_000 {
        text.push_str(&format!(
            "block b{level} = relu -> convv(b{})\nfleet f{level} {{\n node a: c{level}\n}}\n",
            level + 1
        ));
    }
    assert!(!answered(&text));
}

#[test]
fn odd_texts_are_answered() {
    let deep = format!("block b = conv({}1{})", "-".repeat(250), "");
    let texts = [
        "",
        "\u{feff}",
        "use",
        "use std",
        "use std::",
        "test \"\" {}",
        "search s {}",
        "network n {}",
        "fleet f {}",
        &deep,
    ];
    for text in texts {
        answered(text);
    }
}

#[test]
fn nesting_in_defaults_fits_a_threads_stack() {
    let rule = "{\n nodes 1\n edge(i, j) if i < j\n}\n";
    for (open, close, levels) in [("h(", ")", 60), ("-", "", 250), ("not ", "", 250), ("1 + ", "", 250), ("[", "]", 60)]
    {
        let mut text = format!("generator h(a: generator) {rule}");
        for level in 0..40 {
            let inner = format!("{}g{}(){}", open.repeat(levels), level + 1, close.repeat(levels));
            text.push_str(&format!("generator g{level}(a: generator = {inner}) {rule}"));
        }
        assert!(!answered(&text), "{open}");
    }
    // The same with the innermost first, so that each default is known when the next one needs it.
    let mut text = format!("generator h(a: generator) {rule}generator g0 {rule}");
    for level in 0..400 {
        let inner = format!("{}g{level}(){}", "h(".repeat(60), ")".repeat(60));
        text.push_str(&format!("generator g{}(a: generator = {inner}) {rule}", level + 1));
    }
    assert!(!answered(&text));
}
