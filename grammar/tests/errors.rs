//! What the parser says of mistakes: each message as its user reads it, one for one mistake, all for many.

use cnasc_grammar::parse;
use std::fmt::Write;

/// Each snippet has one mistake.
const MISTAKES: &[(&str, &str)] = &[
    ("unknown declaration", "flet shelf {\n    node pi[4]: rpi4\n}\n"),
    ("unknown word at the top", "node pi[4]: rpi4\n"),
    ("nothing but a bracket", "}\n"),
    ("missing name", "fleet {\n    node pi[4]: rpi4\n}\n"),
    ("missing test name", "test {\n    expect snapshot\n}\n"),
    ("test name without quotes", "test good {\n    expect snapshot\n}\n"),
    ("reserved name", "generator with {\n    nodes 3\n}\n"),
    ("parameter without type", "generator g(n) {\n    nodes n\n}\n"),
    ("parameter with a wrong mark", "generator g(n = 3) {\n    nodes n\n}\n"),
    ("use without a path", "use\n"),
    ("use with points", "use std.blocks\n"),
    ("block without pipeline", "block b(k: int)\n"),
    ("block with an empty stage", "block b = conv(3) -> -> relu\n"),
    ("missing opening brace", "fleet f\n    node a: b\n    node c: d\n}\n"),
    ("unclosed declaration at the end", "fleet f {\n    node a: b\n"),
    ("unclosed declaration before another", "fleet f {\n    node a: b\n\nstaging s {\n    shrink maxpool(2)\n}\n"),
    ("brace closed twice", "fleet f {\n    node a: b\n}\n}\nstaging s {\n    shrink maxpool(2)\n}\n"),
    ("brace closed early", "fleet f {\n    node a: b }\n    node c: d\n}\n"),
    ("unclosed parenthesis", "search s {\n    over f(a: 3, b: g(4)\n    on shelf\n    budget 20 candidates\n}\n"),
    ("unclosed choice", "search s {\n    over f(a: in {3, 4)\n    on shelf\n}\n"),
    ("unclosed choice of a property", "search s {\n    width in {3, 4\n    on shelf\n}\n"),
    ("unclosed parenthesis over lines", "search s {\n    over f(\n        a: 3,\n        b: 4\n    on shelf\n}\n"),
    ("wrong closing bracket", "generator g {\n    nodes f(3]\n    edge(i, j) if i < j\n}\n"),
    ("brace instead of a parenthesis", "generator g {\n    nodes f(3}\n    edge(i, j) if i < j\n}\n"),
    ("stray bracket in a call", "generator g {\n    nodes f(3])\n    edge(i, j) if i < j\n}\n"),
    ("unterminated text", "network n {\n    input file(\"a.png, 3)\n    head linear(10)\n}\n"),
    ("unterminated test name", "test \"name {\n    expect snapshot\n}\n"),
    ("bad escape", "network n {\n    input file(\"a\\q\")\n}\n"),
    ("two points in a number", "generator g {\n    nodes 1.2.3\n}\n"),
    ("unit without space", "search s {\n    where latency <= 20ms\n}\n"),
    ("number without leading zero", "generator g {\n    edge(i, j) with probability .5\n}\n"),
    ("number with a trailing point", "generator g {\n    edge(i, j) with probability 1.\n}\n"),
    (
        "long number",
        "generator g {\n    nodes 10000000000000000000000000000000000000000000000000000000000000000000\n}\n",
    ),
    ("chained comparison", "search s {\n    where 1 < params <= 5\n}\n"),
    ("missing value", "search s {\n    budget\n    seed 7\n}\n"),
    ("missing right side", "search s {\n    where params <=\n    where latency <= 20 ms\n}\n"),
    ("missing right side before the brace", "search s {\n    where params <=\n}\n"),
    ("equals sign", "search s {\n    seed = 7\n}\n"),
    ("colon", "search s {\n    seed: 7\n}\n"),
    ("semicolon", "search s {\n    seed 7;\n    budget 3 h\n}\n"),
    ("assignment in a comparison", "search s {\n    where width = 3\n}\n"),
    ("c operators", "search s {\n    where a < 3 && b < 3\n}\n"),
    ("python power", "generator g {\n    nodes 2 ** 3\n}\n"),
    ("single quotes", "network n {\n    input file('a')\n}\n"),
    ("hash comment", "# networks\nfleet f {\n    node a: b\n}\n"),
    ("comma missing", "network n {\n    stem conv(3 4)\n}\n"),
    ("empty argument", "network n {\n    stem conv(3,, 4)\n}\n"),
    ("argument without value", "network n {\n    stem conv(size:)\n}\n"),
    ("entry that is a call", "network n {\n    conv(3)\n}\n"),
    (
        "pipeline over lines",
        "network n {\n    stem conv(3) ->\n        bn(,) ->\n        relu\n    head linear(10)\n}\n",
    ),
    ("edge without rule", "generator g {\n    edge(i, j)\n    nodes 4\n}\n"),
    ("edge with a wrong word", "generator g {\n    edge(i, j) probability 0.5\n}\n"),
    ("edge with one end", "generator g {\n    edge(i) if i < 3\n}\n"),
    ("attach without degree", "generator g {\n    attach 3\n}\n"),
    ("lattice without probability", "generator g {\n    lattice 4 rewired 0.5\n}\n"),
    ("channels with a wrong word", "staging s {\n    channels triple up to 9\n}\n"),
    ("channels without limit", "staging s {\n    channels double\n}\n"),
    ("body without block", "network n {\n    body wiring staged gentle\n}\n"),
    ("sample without of", "test \"t\" {\n    sample 200 local\n}\n"),
    ("link with one direction", "fleet f {\n    link a -> b: 1 Gbit/s\n}\n"),
    ("link without figures", "fleet f {\n    link a <-> b\n}\n"),
    ("node without device", "fleet f {\n    node a[4]\n}\n"),
    ("range with one point", "search s {\n    width in 1 . 9\n}\n"),
    ("range without end", "search s {\n    width in 1 ..\n}\n"),
    ("domain in an expression", "search s {\n    width 2 * in {1, 2}\n}\n"),
    ("declaration inside a declaration", "network n {\n    staging\n    head linear(3)\n}\n"),
    ("documentation of nothing", "fleet f {\n    node a: b\n    /// Nothing.\n    /// At all.\n}\n"),
    ("documentation after an entry", "fleet f {\n    node a: b /// a node\n}\n"),
    ("file documentation below", "fleet f {\n    node a: b\n}\n//! Late.\n"),
    ("letters of other scripts", "fleet küche {\n    node a: b\n}\n"),
];

#[test]
fn each_mistake_has_one_message_that_helps() {
    let mut report = String::new();
    for (name, text) in MISTAKES {
        let shown = shown(text);
        assert_eq!(parse(text).1.len(), 1, "{name}:\n{text}\n{shown}");
        write!(report, "== {name}\n{shown}").expect("writing to a string does not fail");
    }
    insta::assert_snapshot!(report);
}

#[test]
fn mistakes_in_many_items_are_as_many_errors() {
    // Whatever the mistakes before it were, an item's own is found; those that leave brackets open included.
    let mut text = String::new();
    for (_, mistake) in MISTAKES.iter().filter(|(name, _)| *name != "nothing but a bracket") {
        text.push_str(mistake);
        text.push_str("fleet fence {\n    node a: b\n}\n");
    }
    let expected = MISTAKES.len() - 1;
    assert_eq!(parse(&text).1.len(), expected, "{}", shown(&text));
}

#[test]
fn mistakes_in_many_entries_are_as_many_errors() {
    let text = "search s {
    over f(a: , b: 3)
    on
    where params <=
    where 1 < latency < 20 ms
    maximize accuracy +* 2
    minimize = score
    strategy evolution(population: 64
    budget 20candidates
    seed 7;
    width in {1, 2
    depth in 1 .. .. 3
    good 4
    file \"a.csv
}
";
    let (file, errors) = parse(text);
    // The second `where` is what the first one takes for its right side, and mistaken itself.
    assert_eq!(errors.len(), 12, "{}", shown(text));
    insta::assert_snapshot!(shown(text));
    let cnasc_grammar::tree::ItemKind::Declaration(search) = &file.items[0].kind else { panic!("a search") };
    let good = search.entries.iter().filter(|entry| entry.kind != cnasc_grammar::tree::EntryKind::Bad).count();
    assert!(good >= 1, "{search:#?}");
}

#[test]
fn adjacent_misspelt_items_are_an_error_each() {
    let text = "flet a { node x: y }\nnetwrk b { head linear(3) }\nus std::x\nblok c = relu\nserch d {\n    seed\n}\n";
    assert_eq!(parse(text).1.len(), 6, "{}", shown(text));
}

#[test]
fn reading_goes_on_in_a_declaration_with_a_bad_head() {
    let text = "network f(a: int b: int) {\n    stem conv(3\n    head linear(,)\n}\n";
    assert_eq!(parse(text).1.len(), 3, "{}", shown(text));
}

/// Each error's first line with a mark under the place, and its message.
fn shown(text: &str) -> String {
    let mut report = String::new();
    for error in parse(text).1 {
        let (start, end) = (error.span.start as usize, error.span.end as usize);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line = text[line_start..].lines().next().unwrap_or_default();
        let width = text[start..end].lines().next().unwrap_or_default().chars().count().max(1);
        let indent = text[line_start..start].chars().count();
        let number = text[..start].matches('\n').count() + 1;
        let marks = format!("{}{}", " ".repeat(indent), "^".repeat(width));
        writeln!(report, "{number} | {line}\n  | {marks} {error}").expect("writing to a string does not fail");
    }
    report
}
