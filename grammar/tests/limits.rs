//! Texts made to be slow or to exhaust the stack: one error. What is not linear in them would take minutes, and be noticed.

use cnasc_grammar::parse;
use cnasc_grammar::parse::MAX_TEXT;

const MANY: usize = 100_000;
/// Errors in one text; each of them is explained.
const MANY_ERRORS: usize = 10_000;

/// Reads the value as that of an entry and gives its errors.
fn errors_of(value: &str) -> Vec<String> {
    let text = format!("search s {{\n    where {value}\n    seed 7\n}}\n");
    let errors = parse(&text).1;
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn nesting_is_bounded() {
    let deep = ["more than 64 levels inside each other"];
    for (open, close) in
        [("(", ")"), ("[", "]"), ("in {", "}"), ("f(", ")"), ("f(a: [", "])"), ("-(", ")"), ("a + (", ")")]
    {
        assert_eq!(errors_of(&open.repeat(MANY)), deep, "{open}");
        assert_eq!(errors_of(&format!("{}1{}", open.repeat(MANY), close.repeat(MANY))), deep, "{open}{close}");
        let some = 60 / open.matches(['(', '[', '{']).count();
        assert_eq!(errors_of(&format!("{}1{}", open.repeat(some), close.repeat(some))), [""; 0], "{open}{close}");
    }
}

#[test]
fn operator_chains_are_bounded() {
    let deep = ["more than 256 levels inside each other"];
    for (begin, part, end) in [
        ("", "- ", "a"),
        ("", "not ", "a"),
        ("a", " ^ a", ""),
        ("a", " + a", ""),
        ("a", " and not a", ""),
        ("a", "^-a", ""),
    ] {
        assert_eq!(errors_of(&format!("{begin}{}{end}", part.repeat(MANY))), deep, "{part}");
        assert_eq!(errors_of(&format!("{begin}{}{end}", part.repeat(100))), [""; 0], "{part}");
    }
    assert_eq!(errors_of(&format!("a{}", "->a".repeat(MANY))), [""; 0]);
    assert_eq!(errors_of(&format!("[{}]", "1,".repeat(MANY))), [""; 0]);
}

#[test]
fn closing_brackets_and_quotes_are_bounded() {
    for part in [
        ")",
        "]",
        "([",
        "(]",
        "\"",
        "\\",
        "$",
        "{\n",
        "}\n",
        "(\n",
        "fleet f {\n",
        "fleet f (\n",
        "/// d\n",
        "a +\n",
        "a b\n",
        "a {\ntest \"b\n",
    ] {
        let _ = parse(&part.repeat(MANY_ERRORS));
        let _ = parse(&format!("search s {{\n{}", part.repeat(MANY_ERRORS)));
    }
}

#[test]
fn size_is_bounded() {
    let errors = parse(&" ".repeat(MAX_TEXT + 1)).1;
    assert_eq!(errors[0].to_string(), "a file of 4194305 bytes, where 4194304 are the most");
    assert_eq!(parse(&" ".repeat(MAX_TEXT)).1, []);
}

#[test]
fn ten_thousand_lines_are_read() {
    let items = include_str!("sample.cnas").split_once("use ").expect("the sample uses something").1;
    let text = format!("use {items}\n").repeat(240);
    assert!(text.lines().count() > 10_000);
    assert_eq!(parse(&text).1, []);
}

#[test]
fn a_small_stack_suffices() {
    // Every level that is read, in a quarter of the stack that a thread has by default.
    let text = format!("search s {{\n    x {}a{}\n}}\n", "f(a: -(".repeat(31), "))".repeat(31));
    let reader = std::thread::Builder::new().stack_size(512 << 10);
    let errors = reader.spawn(move || parse(&text).1).expect("a thread can be started").join();
    assert_eq!(errors.ok(), Some(Vec::new()));
}
