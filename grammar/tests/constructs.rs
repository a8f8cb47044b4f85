//! Each construct as it is read, and every example of the reference manual.

#![allow(clippy::panic, reason = "a test that finds another tree than it expects fails")]

use cnasc_grammar::parse;
use cnasc_grammar::tree::{BinaryOp, EntryKind, Expr, ExprKind, ItemKind, UnaryOp};

/// The value of a property, in a notation that shows how it was read.
fn read(value: &str) -> String {
    let text = format!("search s {{\n    x {value}\n}}\n");
    let (file, errors) = parse(&text);
    assert_eq!(errors, [], "{text}");
    let ItemKind::Declaration(search) = &file.items[0].kind else { panic!("a search: {file:?}") };
    assert_eq!(search.entries.len(), 1, "{text}");
    let EntryKind::Property { value, .. } = &search.entries[0].kind else { panic!("a property: {search:?}") };
    shown(value)
}

fn shown(expr: &Expr) -> String {
    let all = |values: &[Expr]| values.iter().map(shown).collect::<Vec<_>>().join(" ");
    match &expr.kind {
        ExprKind::Number { text, unit: None } => text.clone(),
        ExprKind::Number { text, unit: Some(unit) } => format!("{text}'{}", unit.text),
        ExprKind::Text(text) => format!("{text:?}"),
        ExprKind::Bool(value) => value.to_string(),
        ExprKind::Path(path) => path.segments.iter().map(|name| name.text.as_str()).collect::<Vec<_>>().join("::"),
        ExprKind::Call { callee, args } => {
            let name = callee.segments.iter().map(|name| name.text.as_str()).collect::<Vec<_>>().join("::");
            let arg = |arg: &cnasc_grammar::tree::Arg| {
                arg.name.as_ref().map_or(String::new(), |name| format!("{}=", name.text)) + &shown(&arg.value)
            };
            format!("{name}({})", args.iter().map(arg).collect::<Vec<_>>().join(" "))
        }
        ExprKind::List(values) => format!("[{}]", all(values)),
        ExprKind::Unary { op: UnaryOp::Negate, operand } => format!("(- {})", shown(operand)),
        ExprKind::Unary { op: UnaryOp::Not, operand } => format!("(not {})", shown(operand)),
        ExprKind::Binary { op, left, right, .. } => format!("({} {} {})", op.symbol(), shown(left), shown(right)),
        ExprKind::Pipeline(stages) => format!("(-> {})", all(stages)),
        ExprKind::Choice(values) => format!("(in {})", all(values)),
        ExprKind::Range { log, low, high, step } => {
            let step = step.as_ref().map_or(String::new(), |step| format!(" step {}", shown(step)));
            format!("({} {} {}{step})", if *log { "log" } else { "range" }, shown(low), shown(high))
        }
        ExprKind::Bad => "bad".to_owned(),
    }
}

#[test]
fn values_are_read_as_the_manual_says() {
    for (value, expected) in [
        ("7", "7"),
        ("1_000", "1000"),
        ("0.9", "0.9"),
        ("1e-3", "1e-3"),
        ("1 Gbit/s", "1'Gbit/s"),
        ("1.5 M", "1.5'M"),
        ("4 n / s", "(/ 4'n s)"),
        ("2 and b", "(and 2 b)"),
        ("\"a \\\"b\\\" \\\\ \\n\"", "\"a \\\"b\\\" \\\\ \\n\""),
        ("true", "true"),
        ("truex", "truex"),
        ("std::a::b", "std::a::b"),
        ("f()", "f()"),
        ("f(1, b: 2,)", "f(1 b=2)"),
        ("a::f(x::y)", "a::f(x::y)"),
        ("[]", "[]"),
        ("[a, [b],]", "[a [b]]"),
        ("a + b * c", "(+ a (* b c))"),
        ("a - b - c", "(- (- a b) c)"),
        ("a ^ b ^ c", "(^ a (^ b c))"),
        ("-a ^ b", "(- (^ a b))"),
        ("a ^ -b ^ c", "(^ a (- (^ b c)))"),
        ("-a * b", "(* (- a) b)"),
        ("- -a", "(- (- a))"),
        ("(a + b) * c", "(* (+ a b) c)"),
        ("not a == b", "(not (== a b))"),
        ("not a and b or c", "(or (and (not a) b) c)"),
        ("a or b and c", "(or a (and b c))"),
        ("a < -b", "(< a (- b))"),
        ("(a < b) == c", "(== (< a b) c)"),
        ("a -> b(3) -> c", "(-> a b(3) c)"),
        ("a + b -> c", "(-> (+ a b) c)"),
        ("(a -> b) -> c", "(-> (-> a b) c)"),
        ("a\n        -> b", "(-> a b)"),
        ("in {a, b,}", "(in a b)"),
        ("in {}", "(in )"),
        ("in 1 .. 9", "(range 1 9)"),
        ("in 1..9", "(range 1 9)"),
        ("in 1 .. 9 step 2", "(range 1 9 step 2)"),
        ("in log 0.1 .. 10.0", "(log 0.1 10.0)"),
        ("in log(a) .. b", "(range log(a) b)"),
        ("in 1 ms .. 9 ms", "(range 1'ms 9'ms)"),
        ("in {f(n: in 1 .. 2), g}", "(in f(n=(range 1 2)) g)"),
        ("conv(3) -> in {bn, ln} -> relu", "(-> conv(3) (in bn ln) relu)"),
        ("f(block: sepconv, seed: 3)", "f(block=sepconv seed=3)"),
    ] {
        assert_eq!(read(value), expected, "{value}");
    }
}

#[test]
fn operators_bind_in_the_order_of_their_declaration() {
    let level = |op: BinaryOp| read(&format!("a {} b ^ c", op.symbol()));
    assert_eq!(level(BinaryOp::Multiply), "(* a (^ b c))");
    assert_eq!(level(BinaryOp::Or), "(or a (^ b c))");
}

/// The words of entries, those inside braces in parentheses.
fn nested(entries: &[cnasc_grammar::tree::Entry]) -> String {
    let one = |entry: &cnasc_grammar::tree::Entry| match &entry.kind {
        EntryKind::Property { name, value } => format!("{} {}", name.text, shown(value)),
        EntryKind::Repeat { count, entries } => format!("repeat {} ({})", shown(count), nested(entries)),
        EntryKind::Residual { entries } => format!("residual ({})", nested(entries)),
        EntryKind::Branch { branches, joined } => {
            let branches: Vec<String> = branches.iter().map(|entries| format!("({})", nested(entries))).collect();
            format!("branch {} {}", branches.join(" "), joined.text)
        }
        EntryKind::Fidelity { entries } => format!("fidelity ({})", nested(entries)),
        _ => "other".to_owned(),
    };
    entries.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[test]
fn sections_stand_inside_sections() {
    let text = "network f {\n    repeat n + 1 {\n        residual { layer relu }\n        layer a\n    }\n    \
        branch { } { layer b -> c }\n    { repeat 2 { } } joined by concat\n    head d\n}\n";
    let (file, errors) = parse(text);
    assert_eq!(errors, []);
    let ItemKind::Declaration(network) = &file.items[0].kind else { panic!("a network: {file:?}") };
    let expected = "repeat (+ n 1) (residual (layer relu), layer a), \
        branch () (layer (-> b c)) (repeat 2 ()) concat, head d";
    assert_eq!(nested(&network.entries), expected);
}

#[test]
fn a_fidelity_has_entries_of_its_own() {
    let text = "search s {\n    fidelity { minimize params keep 3 }\n    fidelity{}\n    seed 1\n}\n";
    let (file, errors) = parse(text);
    assert_eq!(errors, []);
    let ItemKind::Declaration(search) = &file.items[0].kind else { panic!("a search: {file:?}") };
    assert_eq!(nested(&search.entries), "fidelity (minimize params, keep 3), fidelity (), seed 1");
}

#[test]
fn files_and_links_are_read() {
    let (file, errors) =
        parse("use \"lib/a.cnas\"::near\nlink fast = 1 Gbit/s, 2 us\nfleet f {\n    link a <-> b: fast\n}\n");
    assert_eq!(errors, []);
    let ItemKind::Use { file: Some(path), path: name } = &file.items[0].kind else { panic!("a file: {file:?}") };
    assert_eq!((path.text.as_str(), name.segments[0].text.as_str(), name.segments.len()), ("lib/a.cnas", "near", 1));
    let ItemKind::Link { name, figures } = &file.items[1].kind else { panic!("a link: {file:?}") };
    assert_eq!(
        (name.text.as_str(), figures.iter().map(shown).collect::<Vec<_>>().join(" ")),
        ("fast", "1'Gbit/s 2'us".to_owned())
    );
    assert_eq!(file.items.len(), 3);
}

#[test]
fn entries_are_read_as_the_manual_says() {
    let text = "//! Docs.
// comment
/// Fleet.
///  Two.
fleet f(n: int, b: block = relu) {
    /// Nodes.
    node a: x
    node b[n]: y(3)    // behind
    link a <-> b: 1 Gbit/s, 2 us
    edge(i, j) with probability 0.5
    edge(i, j) if i < j
    attach m by degree
    lattice 4 rewired with probability p
    channels keep
    channels double up to 9
    channels times 1.5 up to 9
    body w of b
    body w of a -> b staged s
    sample 3 of w
    sample 3 of w seed 1
    seed 7
}
test \"a name\" {
}
";
    let (file, errors) = parse(text);
    assert_eq!(errors, []);
    let shown = format!("{file:?}");
    let mut parts = shown.split("Span { ");
    let first = parts.next().unwrap_or_default().to_owned();
    let bare = parts.fold(first, |text, part| text + part.split_once('}').expect("a span's brace").1);
    insta::assert_snapshot!(bare.replace(", span: ", "").replace("Entry {", "\nEntry {").replace("Item {", "\nItem {"));
}

#[test]
fn spans_are_of_the_text_and_nothing_around_it() {
    let text = "fleet f {\n    node a: x    // c\n    seed (1 + 2)  \n}\n\n";
    let (file, _) = parse(text);
    let of = |span: cnasc_grammar::tree::Span| &text[span.start as usize..span.end as usize];
    assert_eq!(of(file.items[0].span), text.trim_end());
    let ItemKind::Declaration(fleet) = &file.items[0].kind else { panic!("a fleet") };
    assert_eq!(fleet.entries.iter().map(|entry| of(entry.span)).collect::<Vec<_>>(), ["node a: x", "seed (1 + 2)"]);
    assert_eq!(file.comments.iter().map(|c| (of(c.span), c.own_line)).collect::<Vec<_>>(), [("// c", false)]);
}
