//! What holds of every text: reading never panics, what is read is in order, and formatting keeps the meaning.

use cnasc_grammar::{format, parse};
use proptest::prelude::{
    BoxedStrategy, Just, ProptestConfig, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
};

const SAMPLE: &str = include_str!("sample.cnas");

/// Between two tokens of generated programs: a gap of some kind, or perhaps none.
const GAP: char = '\u{1}';
const MAYBE: char = '\u{2}';

/// Values of every form; inside, [`GAP`] and [`MAYBE`] stand where white space and comments may.
fn value() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        "[a-z][a-z_]{3,6}x",
        "[a-z]{3,4}x::[a-z]{1,5}",
        "[0-9]{1,4}",
        "[0-9]{1,2}\\.[0-9]{1,3}(e-?[0-9]{1,2})?",
        "[0-9]{1,3} (GiB|ms|M|Gbit/s)",
        Just("1_000".to_owned()),
        "\"[a-zü \\[{]{0,5}(\\\\\"|\\\\n)?\"",
        Just("true".to_owned()),
    ];
    leaf.prop_recursive(4, 40, 4, |inner| {
        let operator = prop::sample::select(vec!["or", "and", "+", "-", "*", "/", "^"]);
        let comparison = prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]);
        let list = prop::collection::vec(inner.clone(), 0..4);
        prop_oneof![
            (inner.clone(), operator, inner.clone()).prop_map(|(a, op, b)| format!(
                "{}{GAP}{op}{GAP}{}",
                tight(&a),
                tight(&b)
            )),
            (inner.clone(), comparison, inner.clone()).prop_map(|(a, op, b)| format!(
                "({}{MAYBE}{op}{GAP}{})",
                paren(&a),
                paren(&b)
            )),
            inner.clone().prop_map(|a| format!("-{MAYBE}{}", paren(&a))),
            inner.clone().prop_map(|a| format!("not{GAP}{}", paren(&a))),
            inner.clone().prop_map(|a| format!("({MAYBE}{a}{MAYBE})")),
            list.clone().prop_map(|all| format!("[{MAYBE}{}{MAYBE}]", all.join(&format!("{MAYBE},{MAYBE}")))),
            list.clone().prop_map(|all| format!("in{GAP}{{{MAYBE}{}{MAYBE}}}", all.join(","))),
            list.clone().prop_map(|all| format!("call({MAYBE}{})", all.join(&format!("{MAYBE},{GAP}")))),
            list.prop_map(|all| all
                .iter()
                .fold("name(".to_owned(), |text, arg| format!("{text}key{MAYBE}:{MAYBE}{arg}{MAYBE},{GAP}"))
                + ")"),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{}{MAYBE}->{MAYBE}{}", paren(&a), paren(&b))),
            (inner.clone(), inner.clone(), any::<bool>()).prop_map(|(a, b, log)| {
                format!("in{GAP}{}{}{GAP}..{MAYBE}{}", if log { "log " } else { "" }, paren(&a), paren(&b))
            }),
            (inner.clone(), inner).prop_map(|(a, b)| format!(
                "in 1{MAYBE}..{MAYBE}{}{GAP}step{GAP}{}",
                paren(&a),
                paren(&b)
            )),
        ]
    })
    .boxed()
}

/// In parentheses, so that it may stand anywhere.
fn paren(text: &str) -> String {
    format!("({text})")
}

/// In parentheses where it must be, as an operand.
fn tight(text: &str) -> String {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':'));
    if plain { text.to_owned() } else { paren(text) }
}

fn entry() -> BoxedStrategy<String> {
    let word = prop::sample::select(vec!["nodes", "policy", "x", "where", "concurrency_limit", "seed"]);
    let three = (value(), value(), prop::option::of(value()));
    prop_oneof![
        4 => (word, value()).prop_map(|(word, value)| format!("{word} {value}")),
        1 => (prop::option::of(value()), value()).prop_map(|(count, device)| {
            format!("node{GAP}pi{}{MAYBE}:{MAYBE}{device}", count.map_or(String::new(), |count| format!("[{count}]")))
        }),
        1 => prop::collection::vec(value(), 1..3).prop_map(|figures| format!("link{GAP}a{MAYBE}<->{MAYBE}b:{}", figures.join(","))),
        1 => value().prop_map(|p| format!("edge(i,{MAYBE}j){MAYBE}with{GAP}probability{GAP}{p}")),
        1 => value().prop_map(|p| format!("edge{MAYBE}(i, j){GAP}if{GAP}{p}")),
        1 => value().prop_map(|m| format!("attach{GAP}{m}{GAP}by{GAP}degree")),
        1 => (value(), value()).prop_map(|(k, p)| format!("lattice {k}{GAP}rewired with{GAP}probability{GAP}{p}")),
        1 => value().prop_map(|limit| format!("channels{GAP}double{GAP}up to{GAP}{limit}")),
        1 => (value(), value()).prop_map(|(x, limit)| format!("channels times{GAP}{x}{GAP}up{GAP}to{GAP}{limit}")),
        1 => Just("channels keep".to_owned()),
        1 => three.clone().prop_map(|(a, b, c)| {
            format!("body{GAP}{a}{GAP}of{GAP}{b}{}", c.map_or(String::new(), |c| format!("{GAP}staged{GAP}{c}")))
        }),
        1 => three.prop_map(|(a, b, c)| {
            format!("sample {a}{GAP}of{GAP}{b}{}", c.map_or(String::new(), |c| format!("{GAP}seed{GAP}{c}")))
        }),
    ]
    .boxed()
}

/// Entries, some of them with entries inside their braces.
fn section() -> BoxedStrategy<String> {
    entry()
        .prop_recursive(3, 12, 3, |inner| {
            let group = prop::collection::vec((inner, between()), 0..3)
                .prop_map(|all| all.iter().fold(format!("{{{MAYBE}"), |text, (entry, end)| text + entry + end) + "}")
                .boxed();
            let groups = prop::collection::vec(group.clone(), 2..4);
            prop_oneof![
                (value(), group.clone()).prop_map(|(count, group)| format!("repeat{GAP}{count}{MAYBE}{group}")),
                group.clone().prop_map(|group| format!("residual{MAYBE}{group}")),
                group.prop_map(|group| format!("fidelity{MAYBE}{group}")),
                groups.prop_map(|all| {
                    format!("branch{MAYBE}{}{MAYBE}joined{GAP}by{GAP}concat", all.join(&MAYBE.to_string()))
                }),
            ]
        })
        .boxed()
}

fn item() -> impl Strategy<Value = String> {
    let keyword =
        prop::sample::select(vec!["device", "fleet", "generator", "staging", "network", "search", "training"]);
    let params = prop_oneof![
        Just(String::new()),
        Just(format!("({MAYBE})")),
        prop::collection::vec(value(), 1..3).prop_map(|values| format!(
            "({})",
            values.iter().map(|value| format!("p{MAYBE}:{MAYBE}int{MAYBE}={MAYBE}{value},")).collect::<String>()
        )),
        Just(format!("(n: int,{MAYBE}g: generator)")),
    ];
    let entries = prop::collection::vec((section(), between()), 0..5);
    let body =
        entries.prop_map(|all| all.iter().fold("\n".to_owned(), |text, (entry, end)| text + entry + end)).boxed();
    prop_oneof![
        1 => Just("use std::blocks::sepconv\n".to_owned()),
        1 => Just(format!("use{GAP}\"a/b.cnas\"::name\n")),
        1 => prop::collection::vec(value(), 1..3)
            .prop_map(|figures| format!("link fast{MAYBE}={MAYBE}{}\n", figures.join(&format!("{MAYBE},{GAP}")))),
        1 => (params.clone(), value()).prop_map(|(params, value)| format!("block b{params}{MAYBE}={MAYBE}{value}\n")),
        4 => (keyword, params, body.clone(), between())
            .prop_map(|(keyword, params, body, end)| format!("{keyword}{GAP}some{params}{MAYBE}{{{MAYBE}{body}}}{end}")),
        1 => body.prop_map(|body| format!("test \"it holds\" {{{body}}}\n")),
    ]
}

/// What ends an entry or an item.
fn between() -> impl Strategy<Value = &'static str> {
    let ends = vec!["\n", "\n\n", " // behind\n", "\n// own\n", "\n\n\n// own\n\n\n", "\r\n", "\n    // a\n    // b\n"];
    prop::sample::select(ends)
}

/// A program without mistakes in some formatting.
fn program() -> impl Strategy<Value = String> {
    let docs =
        prop::sample::select(vec!["", "/// One.\n", "/// One.\n///   Two.\n", "/// One.\n// none\n\n/// Two.\n"]);
    let items = prop::collection::vec((docs, item()), 0..4);
    let top = prop::sample::select(vec!["", "//! A file.\n//!\n//! Yes.\n", "// c\n//! A file.\n\n// d\n", "\u{feff}"]);
    (top, items, prop::collection::vec(any::<u8>(), 1..60)).prop_map(|(top, items, choices)| {
        let text = items.iter().fold(top.to_owned(), |text, (docs, item)| text + docs + item);
        spaced(&text, &choices)
    })
}

/// The text with its gaps filled by the choices in turn.
fn spaced(text: &str, choices: &[u8]) -> String {
    let mut choices = choices.iter().cycle();
    let mut spaced = String::new();
    for c in text.chars() {
        let fill = |choices: &mut dyn Iterator<Item = &u8>, least: &'static str| match choices.next() {
            Some(0..=19) => "\n    ",
            Some(20..=29) => "  // why\n",
            Some(30..=49) => "\t ",
            Some(50..=54) => " \n\n // what\n\n",
            _ => least,
        };
        match c {
            GAP => spaced.push_str(fill(&mut choices, " ")),
            MAYBE => spaced.push_str(fill(&mut choices, "")),
            _ => spaced.push(c),
        }
    }
    spaced
}

/// What a program says, without the places.
fn meaning(text: &str) -> String {
    let (file, errors) = parse(text);
    assert_eq!(errors, Vec::new(), "{text}");
    let shown = format!("{:?} {:?}", file.docs, file.items);
    let mut parts = shown.split("Span { ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('}').expect("a shown span ends with a brace").1)
}

fn comments(text: &str) -> Vec<String> {
    let mut comments: Vec<String> =
        parse(text).0.comments.iter().map(|c| text[c.span.start as usize..c.span.end as usize].to_owned()).collect();
    comments.sort();
    comments
}

/// Errors point into the text, in order, and only they leave something unread.
fn check(text: &str) {
    let (file, errors) = parse(text);
    for error in &errors {
        assert!(text.get(error.span.start as usize..error.span.end as usize).is_some(), "{error:?} in {text:?}");
        assert!(!error.to_string().is_empty());
    }
    assert!(errors.is_sorted_by_key(|error| error.span), "{errors:?}");
    assert_eq!(format(text).is_ok(), errors.is_empty());
    if errors.is_empty() {
        let shown = format!("{:?}", file.items);
        assert!(!shown.contains("kind: Bad"), "{text:?} left something unread without an error");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn programs_are_read_and_formatting_keeps_their_meaning(text in program()) {
        let once = format(&text);
        prop_assert!(once.is_ok(), "{text}\n{once:?}");
        let once = once.unwrap_or_default();
        prop_assert_eq!(meaning(&text), meaning(&once), "{}\n=>\n{}", &text, &once);
        prop_assert_eq!(comments(&text), comments(&once), "{}\n=>\n{}", &text, &once);
        prop_assert_eq!(format(&once).unwrap_or_default(), once.clone(), "{}\n=>\n{}", &text, &once);
    }

    #[test]
    fn any_text_is_taken(text in any::<String>()) {
        check(&text);
    }

    #[test]
    fn any_tokens_are_taken(tokens in prop::collection::vec(prop::sample::select(TOKENS), 0..60)) {
        check(&tokens.concat());
    }

    #[test]
    fn changed_programs_are_taken(at in 0..SAMPLE.len(), length in 0usize..30, put in prop::sample::select(TOKENS)) {
        let end = (at + length).min(SAMPLE.len());
        check(&format!("{}{put}{}", &SAMPLE[..at], &SAMPLE[end..]));
    }
}

const TOKENS: &[&str] = &[
    "fleet ",
    "search s {",
    "test \"a\" {",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "\n",
    " ",
    ",",
    "->",
    "in ",
    "in {",
    "..",
    " step ",
    "1",
    "1.5 M",
    "1.2.3",
    ".",
    "a",
    "b::c",
    "f(",
    "x: ",
    "=",
    "==",
    "<",
    "-",
    "not ",
    "and ",
    "^",
    "\"t\"",
    "\"",
    "\\",
    "// c\n",
    "/// d\n",
    "//! f\n",
    "edge(i, j) ",
    "with probability ",
    "if ",
    "node n: d\n",
    "link a <-> b: ",
    "seed 7\n",
    "body x of y\n",
    "use ",
    "block b = ",
    "é",
    "\u{feff}",
    "$",
    ";",
    "\r\n",
    "\0",
];

#[test]
fn one_token_less_is_one_error_at_most() {
    // Of every place in the sample; where it takes two, the text is as wrong twice.
    let mut places = Vec::new();
    let mut at = 0;
    for (end, c) in SAMPLE.char_indices() {
        if !c.is_ascii_alphanumeric() && c != '_' {
            places.extend([(at, end), (end, end + 1)]);
            at = end + 1;
        }
    }
    let mut twice = String::new();
    for (start, end) in places {
        let text = format!("{}{}", &SAMPLE[..start], &SAMPLE[end..]);
        let errors = parse(&text).1;
        if errors.len() > 1 {
            let line = SAMPLE[..start].matches('\n').count() + 1;
            let messages: Vec<String> = errors.iter().map(ToString::to_string).collect();
            twice.push_str(&format!("line {line} without {:?}: {}\n", &SAMPLE[start..end], messages.join("; ")));
        }
    }
    insta::assert_snapshot!(twice, @"");
}
