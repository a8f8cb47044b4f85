//! What holds of every right program: formatting is idempotent, and what the program means is the same before and after.

use cnasc_base::{Sources, render};
use cnasc_frontend::compile;
use cnasc_grammar::format;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};

/// What all programs begin with; each of its declarations is used by some of the generated ones.
const BEGIN: &str = "//! A program.
use std::blocks::sepconv
use std::generators::er

device board {
    compute 13.5 GFLOP/s
    memory 4 GiB
    cores 4
}

link line = 1 Gbit/s, 200 us

generator path(n: int) {
    nodes n
    edge(i, j) if j - i == 1
}

block node(kernel: int = 3) = aggregate(sum) -> relu -> conv(kernel) -> bn
staging still {
    policy uniform
    channels keep
    shrink maxpool(2)
}

network trunk {
    input image(3, 32, 32)
    body path(n: 2) of node staged still
}
";

/// One of the words.
fn word(words: &[&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(words.to_vec()).prop_map(str::to_owned)
}

/// A whole number made from the one called `name`.
fn whole(name: &'static str) -> impl Strategy<Value = String> {
    let leaf = prop_oneof![Just(name.to_owned()), (1..9_u32).prop_map(|number| number.to_string())];
    leaf.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            (inner.clone(), word(&["+", "*"]), inner.clone()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            (word(&["min", "max"]), inner.clone(), inner.clone()).prop_map(|(of, a, b)| format!("{of}({a}, {b})")),
            inner.prop_map(|a| format!("abs(-{a})")),
        ]
    })
}

/// A probability of an edge from `i` to `j`.
fn chance() -> impl Strategy<Value = String> {
    let leaf = word(&["p", "0.25", "1 / (1 + degree(i))", "exp(-ring(i, j) / n)", "0.9 ^ 2"]);
    leaf.prop_recursive(2, 6, 2, |inner| {
        (inner.clone(), word(&["*"]), inner).prop_map(|(a, op, b)| format!("({a}) {op} ({b})"))
    })
}

/// A truth value of the numbers `a` and `b`.
fn condition(a: &'static str, b: &'static str) -> impl Strategy<Value = String> {
    let leaf =
        (whole(a), word(&["<", "<=", ">", ">=", "==", "!="]), whole(b)).prop_map(|(a, op, b)| format!("{a} {op} {b}"));
    leaf.prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            (inner.clone(), word(&["and", "or"]), inner.clone()).prop_map(|(a, op, b)| format!("({a}) {op} {b}")),
            inner.prop_map(|a| format!("not ({a})")),
        ]
    })
}

fn generator() -> impl Strategy<Value = String> {
    let rule = prop_oneof![
        chance().prop_map(|p| format!("edge(i, j) with probability {p}")),
        condition("i", "j").prop_map(|rule| format!("edge(i, j) if {rule}")),
        Just("attach min(n, 1) by degree".to_owned()),
        Just("lattice 2 rewired with probability p".to_owned()),
    ];
    let more = prop::collection::vec(word(&["order dfs", "each path(n: 2)"]), 0..2);
    (rule, whole("n"), more).prop_map(|(rule, nodes, more)| {
        let more: String = more.iter().map(|line| format!("    {line}\n")).collect();
        format!(
            "/// Drawn.\ngenerator NAME(n: int = 4, p: real = 0.5) {{\n    nodes {nodes} + 3\n    {rule}\n{more}}}\n"
        )
    })
}

fn block() -> impl Strategy<Value = String> {
    let stage = prop_oneof![
        word(&["relu", "sigmoid", "bn", "pointwise", "node", "sepconv(kernel: 5)", "maxpool(1)", "first"]),
        whole("n").prop_map(|side| format!("conv(min(7, {side}))")),
    ];
    let begin = word(&["weighted", "sigmoid_inputs", "sum", "mean"]);
    (begin, prop::collection::vec(stage, 1..5)).prop_map(|(begin, stages)| {
        format!("block NAME(first: block = sepconv, n: int = 2) = aggregate({begin}) -> {}\n", stages.join(" -> "))
    })
}

fn staging() -> impl Strategy<Value = String> {
    let policy = prop_oneof![
        word(&["uniform", "greedy", "probabilistic(0.5)", "at(1, 3)", "at([n, 5])"]),
        condition("depth", "channels").prop_map(|rule| format!("rule({rule} or size > 4)")),
    ];
    let channels = word(&["keep", "double up to 64", "times 1.5 up to n * 64"]);
    let shrink = word(&["maxpool(2)", "avgpool(3, stride: 2)", "conv(3, stride: 2) -> bn"]);
    (policy, channels, shrink).prop_map(|(policy, channels, shrink)| {
        format!("staging NAME(n: int = 2) {{\n    policy {policy}\n    channels {channels}\n    shrink {shrink}\n}}\n")
    })
}

fn network() -> impl Strategy<Value = String> {
    let section = prop_oneof![
        word(&["layer conv(3, width) -> bn -> relu", "body w of node", "body path(n: 3) of sepconv staged still"]),
        word(&["part trunk", "layer relu"]),
    ]
    .prop_recursive(3, 8, 3, |inner| {
        let some = prop::collection::vec(inner, 1..3).prop_map(|all| all.join("\n")).boxed();
        prop_oneof![
            (0..3, some.clone()).prop_map(|(count, some)| format!("repeat {count} {{\n{some}\n}}")),
            some.clone().prop_map(|some| format!("residual {{\n{some}\n}}")),
            (some.clone(), some, word(&["concat", "sum", "mean"]))
                .prop_map(|(a, b, joined)| { format!("branch {{\n{a}\n}} {{\n}} {{\n{b}\n}} joined by {joined}") }),
        ]
    });
    prop::collection::vec(section, 1..4).prop_map(|sections| {
        format!(
            "network NAME(w: generator, width: int = 8) {{\ninput image(3, 32, 32)\nstem conv(3, width)\n{}\n\
             head global_avg -> linear(10)\n}}\n",
            sections.join("\n")
        )
    })
}

fn search() -> impl Strategy<Value = String> {
    let width = word(&["8", "in 8 .. 64", "in 8 .. 64 step 8", "in {8, 16}", "(2 + 6)"]);
    let wiring = word(&["path(n: in {2, 3})", "in {path(n: 3), er(n: 4, p: in log 0.1 .. 1.0)}", "er(n: 4, p: 0.5)"]);
    let limit = word(&["latency <= 20 ms", "params < 1.5 M", "10 MiB >= memory", "accuracy > 0.9", "depth <= 12"]);
    let strategy = word(&["random", "evolution(population: 8)", "nsga2(population: 2 * 4)", "grid"]);
    let end = word(&["budget 100 candidates", "budget 10 min"]);
    (width, wiring, prop::collection::vec(limit, 0..3), strategy, end, 0..9_u32).prop_map(
        |(width, wiring, limits, strategy, end, seed)| {
            let limits: String = limits.iter().map(|limit| format!("    where {limit}\n")).collect();
            format!(
                "fleet NAMEf {{\n    node a: board\n    node b[{}]: board\n    link a <-> b: line\n    \
                 link b <-> b: 8 Mbit / 2 s, 1 ms + 1 ms\n}}\n\nnetwork NAMEn(w: generator, width: int) {{\n    \
                 input image(1, 8, 8)\n    stem conv(3, width)\n    body w of node\n}}\n\nsearch NAME {{\n    \
                 over NAMEn(w: {wiring}, width: {width})\n    on NAMEf\n{limits}    minimize latency\n    \
                 strategy {strategy}\n    {end}\n    seed {seed}\n}}\n",
                seed + 2
            )
        },
    )
}

fn test() -> impl Strategy<Value = String> {
    let of = word(&["path(n: 5)", "er(n: 6, p: 0.5)", "sepconv", "node(kernel: 5)", "still", "trunk"]);
    let expect = word(&["snapshot", "max(depth) <= 40", "3 < mean(nodes)", "min(edges) >= 2 ^ 0.5"]);
    (1..9, of, prop::collection::vec(expect, 1..3)).prop_map(|(count, of, expects)| {
        let expects: String = expects.iter().map(|expect| format!("    expect {expect}\n")).collect();
        format!("test \"NAME\" {{\n    sample {count} of {of} seed {count}\n{expects}}}\n")
    })
}

/// A program of all kinds of declarations, in some formatting.
fn program() -> impl Strategy<Value = String> {
    let item = prop_oneof![generator(), block(), staging(), network(), search(), test()];
    (prop::collection::vec(item, 1..6), prop::collection::vec(any::<u8>(), 1..80)).prop_map(|(items, choices)| {
        let numbered = items.iter().enumerate();
        let items: String = numbered.map(|(at, item)| item.replace("NAME", &format!("x{at}_"))).collect();
        spaced(&format!("{BEGIN}{items}"), &choices)
    })
}

/// The text with other white space, and comments where a line may end.
fn spaced(text: &str, choices: &[u8]) -> String {
    let mut choices = choices.iter().cycle();
    let mut spaced = String::new();
    for line in text.lines() {
        let comment = line.starts_with("//");
        for c in line.chars() {
            match choices.next() {
                Some(0..=60) if c == ' ' && !comment => spaced.push_str("  "),
                Some(200..=210) if c == ',' && !comment => spaced.push_str(",\n\n "),
                Some(211..=220) if c == ',' && !comment => spaced.push_str(", // why\n"),
                _ => spaced.push(c),
            }
        }
        spaced.push_str(match choices.next() {
            Some(0..=40) if !comment => "  // behind\n",
            Some(41..=60) if !comment => "\n\n\n",
            Some(61..=80) if !comment => "\n    // between\n",
            Some(81..=90) => "\r\n",
            _ => "\n",
        });
    }
    spaced
}

/// What a program means: all of it but the places.
fn meaning(text: &str) -> String {
    let mut sources = Sources::default();
    let file = sources.add("main.cnas", text);
    let (program, diagnostics) = compile(&mut sources, file);
    let errors = render::human(&sources, &diagnostics, false);
    assert!(program.is_some(), "{text}\n{errors}");
    let shown = format!("{program:?}");
    let mut parts = shown.split("Location { ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('}').expect("a shown place ends with a brace").1)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn formatting_keeps_what_a_program_means(text in program()) {
        let once = format(&text).unwrap_or_default();
        prop_assert_eq!(format(&once).unwrap_or_default(), once.clone(), "{}", &text);
        prop_assert_eq!(meaning(&text), meaning(&once), "{}\n=>\n{}", &text, &once);
    }
}
