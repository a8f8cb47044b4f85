//! What is refused, and in which words.

use crate::programs::{
    HERE, binary, call, choice, expr, fashion, generator, int, made, param, program, real, stage, variable,
};
use cnasc_base::{Diagnostic, Seed};
use cnasc_expand::{Closure, Scope, Value, codes, draw, evaluate, expand};
use cnasc_ir::Program;
use cnasc_ir::program::{
    Aggregate, BinaryOp, Declared, Expr, ExprKind, Function, GeneratorId, Operator, Section, Variable, Wiring,
};

fn line(finding: &Diagnostic) -> String {
    let labels: Vec<&str> = finding.labels.iter().map(|label| label.message.as_str()).collect();
    format!("{} {} [{}]", finding.code, finding.message, labels.join("; "))
}

#[test]
fn expressions() {
    let not = |operand| expr(ExprKind::Not(Box::new(operand)));
    let negate = |operand| expr(ExprKind::Negate(Box::new(operand)));
    let deep = (0..400).fold(int(1), |inner, _| negate(inner));
    let cases = [
        binary(BinaryOp::Add, int(i64::MAX), int(1)),
        negate(int(i64::MIN)),
        binary(BinaryOp::Divide, int(1), int(0)),
        call(Function::Ln, vec![int(0)]),
        call(Function::Sqrt, vec![real(-1.0)]),
        call(Function::Floor, vec![real(1e300)]),
        binary(BinaryOp::Power, real(10.0), int(400)),
        real(f64::NAN),
        binary(BinaryOp::Multiply, int(2), expr(ExprKind::Bool(true))),
        binary(BinaryOp::Less, expr(ExprKind::Text("a".to_owned())), expr(ExprKind::Text("b".to_owned()))),
        binary(BinaryOp::Equal, expr(ExprKind::Text("a".to_owned())), expr(ExprKind::Bool(true))),
        binary(BinaryOp::And, int(1), expr(ExprKind::Bool(true))),
        not(real(0.5)),
        call(Function::Exp, vec![int(1), int(2)]),
        call(Function::Ring, vec![int(1), int(2)]),
        call(Function::Ring, vec![int(1), real(2.0)]),
        param(0),
        variable(Variable::Depth),
        choice(vec![int(1)]),
        deep,
    ];
    let text = |case: &Expr| line(&evaluate(case, &Scope::default()).expect_err("the case has no value"));
    insta::assert_snapshot!(cases.iter().map(text).collect::<Vec<_>>().join("\n"));
}

/// The deepest nesting that is allowed fits a test thread's stack, whatever it is made of.
#[test]
fn deep_expressions_have_values() {
    let sum = (0..256).fold(int(0), |inner, _| binary(BinaryOp::Add, inner, int(1)));
    assert_eq!(evaluate(&sum, &Scope::default()), Ok(Value::Int(256)));
    let list = (0..256).fold(int(0), |inner, _| expr(ExprKind::List(vec![inner])));
    assert!(evaluate(&list, &Scope::default()).is_ok());
    let least = (0..256).fold(int(0), |inner, _| call(Function::Min, vec![int(1), inner]));
    assert_eq!(evaluate(&least, &Scope::default()), Ok(Value::Int(0)));
}

/// What `and` and `or` do not need is not looked at.
#[test]
fn logic_stops_early() {
    let bad = || binary(BinaryOp::Equal, binary(BinaryOp::Divide, int(1), int(0)), int(1));
    let truth = |value| expr(ExprKind::Bool(value));
    for (op, first, expect) in
        [(BinaryOp::And, false, Some(false)), (BinaryOp::Or, true, Some(true)), (BinaryOp::And, true, None)]
    {
        let found = evaluate(&binary(op, truth(first), bad()), &Scope::default()).ok();
        assert_eq!(found, expect.map(Value::Bool));
    }
}

#[test]
fn graphs() {
    let mut program = program();
    let mut lines = Vec::new();
    let refuse = |program: &Program, closure: &Closure| {
        line(&draw(program, closure, &Seed::new(0)).expect_err("the case is out of bounds"))
    };
    for (name, args) in [
        ("er", &[0.0, 0.5][..]),
        ("er", &[-3.0, 0.5]),
        ("er", &[100_001.0, 0.5]),
        ("er", &[10.0, 1.5]),
        ("er", &[5000.0, 1.0]),
        ("ba", &[5.0, 5.0]),
        ("ba", &[5.0, 0.0]),
        ("ba", &[100_000.0, 50_000.0]),
        ("ws", &[8.0, 3.0, 0.5]),
        ("ws", &[8.0, 8.0, 0.5]),
        ("ws", &[8.0, 0.0, 0.5]),
        ("ws", &[100_000.0, 1000.0, 0.5]),
        ("ws", &[8.0, 4.0, -0.5]),
        ("distance", &[8.0, 2.0, 0.5, 1.0]),
        ("local", &[8.0, 0.0]),
    ] {
        lines.push(format!("{name} {args:?}: {}", refuse(&program, &generator(&program, name, args))));
    }
    // Beyond the first pair: 0.3 · j is a probability up to j = 3.
    program.generators[0].wiring = Wiring::Edges(binary(BinaryOp::Multiply, real(0.3), variable(Variable::J)));
    lines.push(format!("0.3 j: {}", refuse(&program, &generator(&program, "er", &[8.0, 0.0]))));
    program.generators[0].wiring = Wiring::Edges(expr(ExprKind::Text("yes".to_owned())));
    lines.push(format!("text: {}", refuse(&program, &generator(&program, "er", &[8.0, 0.0]))));
    let none = Closure { of: Declared::Generator(GeneratorId::new(99)), args: Vec::new() };
    lines.push(format!("no declaration: {}", refuse(&program, &none)));
    insta::assert_snapshot!("graphs", lines.join("\n"));
}

/// Rounding alone is no finding.
#[test]
fn probabilities_may_round() {
    let program = program();
    for p in [1.0 + 1e-12, -1e-12] {
        draw(&program, &generator(&program, "er", &[8.0, p]), &Seed::new(0)).expect("within rounding of 0..1");
    }
}

fn network(change: impl FnOnce(&mut Program), width: i64, staging: (&str, Vec<Value>)) -> Result<String, String> {
    let mut program = program();
    change(&mut program);
    let wiring = generator(&program, "ba", &[6.0, 2.0]);
    let network = fashion(&program, wiring, width, "sepconv", staging);
    expand(&program, &network, &Seed::new(1)).map(|drawn| drawn.hash().to_owned()).map_err(|finding| line(&finding))
}

#[test]
fn networks() {
    let flat = || ("flat", Vec::new());
    let greedy = |limit| ("greedy", vec![Value::Int(limit)]);
    let first = |program: &mut Program, operator, args: &[i64]| program.blocks[0].pipeline.push(stage(operator, args));
    let cases: Vec<(&str, Result<String, String>)> = vec![
        ("no width", network(|_| {}, 0, flat())),
        ("too wide", network(|_| {}, 65_537, flat())),
        ("kernel", network(|program| first(program, Operator::Depthwise, &[65, 1]), 8, flat())),
        ("missing", network(|program| first(program, Operator::MaxPool, &[]), 8, flat())),
        ("aggregate", network(|program| first(program, Operator::Aggregate(Aggregate::Sum), &[]), 8, flat())),
        ("window", network(|program| first(program, Operator::MaxPool, &[5, 5]), 8, flat())),
        ("image", network(|program| program.networks[0].input[1] = int(0), 8, flat())),
        ("large", network(|program| program.networks[0].input = [int(1 << 20), int(1 << 20), int(1)], 8, flat())),
        ("growth", network(|program| program.stagings[1].growth = real(0.5), 8, greedy(16))),
        ("limit", network(|_| {}, 8, greedy(0))),
        ("policy", network(|_| {}, 8, ("gentle", vec![Value::Int(16), Value::Real(1.5)]))),
        ("empty", network(|program| program.networks[0].sections.clear(), 8, flat())),
        (
            "odd one out",
            network(
                |program| {
                    program.networks[0].input = [int(1), int(28), int(9)];
                    let shrink = &mut program.stagings[1].shrink;
                    *shrink = vec![stage(Operator::Conv, &[4, 8, 3])];
                },
                8,
                greedy(64),
            ),
        ),
        (
            "no generator",
            network(
                |program| {
                    let body = Section::Body { wiring: param(2), block: param(2), staging: None, location: HERE };
                    program.networks[0].sections[1] = body;
                },
                8,
                flat(),
            ),
        ),
    ];
    let text: Vec<String> =
        cases.into_iter().map(|(name, found)| format!("{name}: {}", found.expect_err(name))).collect();
    insta::assert_snapshot!("networks", text.join("\n"));
}

#[test]
fn a_network_is_needed() {
    let program = program();
    let block = made(&program, "sepconv", Vec::new());
    let Value::Made(block) = block else { panic!("made") };
    assert_eq!(expand(&program, &block, &Seed::new(0)).expect_err("a block is none").code, codes::KIND);
}

#[test]
fn codes_are_in_order_and_unique() {
    assert!(codes::ALL.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(codes::ALL.iter().all(|code| code.0.starts_with("E05")));
}
