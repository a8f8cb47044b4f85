//! Values of single expressions, and the flat form against the tree walk on random ones.

use super::formula::{Formula, Outcome};
use super::{Context, Scope, evaluate};
use crate::value::Value;
use cnasc_base::Location;
use cnasc_base::source::FileId;
use cnasc_ir::program::{BinaryOp, Expr, ExprKind, Function, Variable};
use proptest::prelude::*;

const VARIABLES: [Variable; 5] = [Variable::I, Variable::J, Variable::Depth, Variable::Channels, Variable::Size];
const NODES: i64 = 9;

fn expr(kind: ExprKind) -> Expr {
    Expr { kind, location: Location::new(FileId(0), 0, 1) }
}

fn binary(op: BinaryOp, left: ExprKind, right: ExprKind) -> Expr {
    expr(ExprKind::Binary(op, Box::new(expr(left)), Box::new(expr(right))))
}

fn call(function: Function, args: Vec<ExprKind>) -> Expr {
    expr(ExprKind::Call(function, args.into_iter().map(expr).collect()))
}

#[test]
fn numbers_keep_their_kind() {
    use BinaryOp::{Add, Divide, Equal, Less, Multiply, Power, Subtract};
    use ExprKind::{Int, Real};
    let check = |expr: Expr, expect: Value| assert_eq!(evaluate(&expr, &Scope::default()), Ok(expect), "{expr:?}");
    check(binary(Add, Int(2), Int(3)), Value::Int(5));
    check(binary(Subtract, Int(2), Real(0.5)), Value::Real(1.5));
    check(binary(Multiply, Int(-4), Int(3)), Value::Int(-12));
    check(binary(Divide, Int(6), Int(3)), Value::Real(2.0));
    check(binary(Power, Int(2), Int(10)), Value::Real(1024.0));
    check(binary(Equal, Int(2), Real(2.0)), Value::Bool(true));
    check(binary(Less, Int(2), Int(2)), Value::Bool(false));
    check(call(Function::Floor, vec![Real(-1.5)]), Value::Int(-2));
    check(call(Function::Ceil, vec![Real(-1.5)]), Value::Int(-1));
    check(call(Function::Abs, vec![Int(-3)]), Value::Int(3));
    check(call(Function::Min, vec![Int(3), Int(2)]), Value::Int(2));
    check(call(Function::Max, vec![Int(3), Real(2.0)]), Value::Real(3.0));
    check(call(Function::Exp, vec![Int(0)]), Value::Real(1.0));
    check(call(Function::Sqrt, vec![Int(9)]), Value::Real(3.0));
}

#[test]
fn ring_is_the_shorter_way() {
    let scope = Scope { params: &[], context: Context { nodes: Some(8), ..Context::default() } };
    let ring = |i, j| evaluate(&call(Function::Ring, vec![ExprKind::Int(i), ExprKind::Int(j)]), &scope);
    for (i, j, expect) in [(0, 1, 1), (0, 7, 1), (0, 4, 4), (2, 7, 3), (7, 2, 3), (3, 3, 0), (-1, 0, 1)] {
        assert_eq!(ring(i, j), Ok(Value::Int(expect)), "ring({i}, {j})");
    }
}

/// An expression of the ring distance alone is known by it; any other use of i or j is seen.
#[test]
fn reads_are_recorded() {
    let ends = || vec![ExprKind::Variable(Variable::J), ExprKind::Variable(Variable::I)];
    let reads = |expr: &Expr| {
        let reads = Formula::new(expr, &[], Some(NODES), &VARIABLES).expect("numbers only").reads;
        (reads.variables, reads.distance)
    };
    let ring = call(Function::Ring, ends());
    assert_eq!(reads(&ring), (false, true));
    let of_ring = expr(ExprKind::Binary(BinaryOp::Divide, Box::new(ring.clone()), Box::new(expr(ExprKind::Int(2)))));
    assert_eq!(reads(&of_ring), (false, true));
    let both = expr(ExprKind::Binary(BinaryOp::Add, Box::new(ring), Box::new(expr(ExprKind::Variable(Variable::I)))));
    assert_eq!(reads(&both), (true, true));
    assert_eq!(reads(&expr(ExprKind::Variable(Variable::Nodes))), (false, false));
}

fn leaf() -> impl Strategy<Value = Expr> {
    let variables = VARIABLES.into_iter().chain([Variable::Nodes]).collect::<Vec<_>>();
    let special = vec![i64::MIN, i64::MAX, 0, -1];
    prop_oneof![
        3 => (-5..20_i64).prop_map(ExprKind::Int),
        1 => proptest::sample::select(special).prop_map(ExprKind::Int),
        2 => (-2.0..3.0_f64).prop_map(ExprKind::Real),
        1 => any::<f64>().prop_map(ExprKind::Real),
        1 => any::<bool>().prop_map(ExprKind::Bool),
        1 => Just(ExprKind::Text("text".to_owned())),
        4 => proptest::sample::select(variables).prop_map(ExprKind::Variable),
        2 => (0..5_usize).prop_map(ExprKind::Param),
    ]
    .prop_map(expr)
}

fn tree() -> impl Strategy<Value = Expr> {
    use BinaryOp::{
        Add, And, Divide, Equal, Greater, GreaterEqual, Less, LessEqual, Multiply, NotEqual, Or, Power, Subtract,
    };
    let ops =
        vec![Or, And, Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual, Add, Subtract, Multiply, Divide, Power];
    use Function::{Abs, Ceil, Exp, Floor, Ln, Max, Min, Ring, Sqrt};
    let functions = vec![(Exp, 1), (Ln, 1), (Sqrt, 1), (Abs, 1), (Min, 2), (Max, 2), (Floor, 1), (Ceil, 1), (Ring, 2)];
    leaf().prop_recursive(6, 40, 3, move |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        prop_oneof![
            1 => boxed.clone().prop_map(ExprKind::Negate),
            1 => boxed.clone().prop_map(ExprKind::Not),
            6 => (proptest::sample::select(ops.clone()), boxed.clone(), boxed)
                .prop_map(|(op, left, right)| ExprKind::Binary(op, left, right)),
            3 => (proptest::sample::select(functions.clone()), inner.clone(), inner.clone()).prop_map(
                |((function, arity), first, second)| {
                    ExprKind::Call(function, if arity == 1 { vec![first] } else { vec![first, second] })
                },
            ),
            1 => proptest::collection::vec(inner, 0..3).prop_map(ExprKind::List),
        ]
        .prop_map(expr)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Neither way panics, and where there is a formula it has a result exactly where the tree walk has one, the same one.
    #[test]
    fn both_ways_agree(expr in tree(), i in 0..NODES, j in 0..NODES, depth in 0..9_i64, channels in 1..99_i64) {
        let params = [Value::Int(3), Value::Real(0.25), Value::Bool(true), Value::Text("t".to_owned())];
        let distance = (j - i).rem_euclid(NODES).min((i - j).rem_euclid(NODES));
        let context = Context {
            i: Some(i), j: Some(j), nodes: Some(NODES), depth: Some(depth), channels: Some(channels), size: Some(7), ..Context::default() };
        let slow = evaluate(&expr, &Scope { params: &params, context }).ok();
        if let Some(mut formula) = Formula::new(&expr, &params, Some(NODES), &VARIABLES) {
            formula.set_pair(i, j, distance);
            formula.set_node(depth, channels, 7);
            let fast = formula.run().map(|outcome| match outcome {
                Outcome::Int(value) => Value::Int(value),
                Outcome::Real(value) => Value::Real(value),
                Outcome::Bool(value) => Value::Bool(value),
            });
            prop_assert_eq!(fast, slow);
        }
    }
}
