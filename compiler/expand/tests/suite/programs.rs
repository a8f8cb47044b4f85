//! Programs built by hand, as the checker would give them.

use cnasc_base::source::FileId;
use cnasc_base::{Location, Seed};
use cnasc_expand::{Closure, Dag, Value, draw};
use cnasc_ir::Program;
use cnasc_ir::program::{
    Aggregate, BinaryOp, Block, BlockId, Declared, Domain, Expr, ExprKind, Function, Generator, GeneratorId, Make,
    Network, NetworkId, Operator, Order, Param, Policy, Section, Stage, Staging, StagingId, Type, Variable, Wiring,
};

pub const HERE: Location = Location { file: FileId(0), start: 0, end: 1 };

pub fn expr(kind: ExprKind) -> Expr {
    Expr { kind, location: HERE }
}

pub fn int(value: i64) -> Expr {
    expr(ExprKind::Int(value))
}

pub fn real(value: f64) -> Expr {
    expr(ExprKind::Real(value))
}

pub fn param(index: usize) -> Expr {
    expr(ExprKind::Param(index))
}

pub fn variable(variable: Variable) -> Expr {
    expr(ExprKind::Variable(variable))
}

pub fn binary(op: BinaryOp, left: Expr, right: Expr) -> Expr {
    expr(ExprKind::Binary(op, Box::new(left), Box::new(right)))
}

pub fn call(function: Function, args: Vec<Expr>) -> Expr {
    expr(ExprKind::Call(function, args))
}

pub fn ring() -> Expr {
    call(Function::Ring, vec![variable(Variable::I), variable(Variable::J)])
}

pub fn choice(alternatives: Vec<Expr>) -> Expr {
    expr(ExprKind::Domain(Domain::Choice(alternatives)))
}

fn params(names: &[(&str, Type)]) -> Vec<Param> {
    names.iter().map(|(name, ty)| Param { name: (*name).to_owned(), ty: ty.clone(), default: None }).collect()
}

pub fn stage(operator: Operator, args: &[i64]) -> Stage {
    let count = operator.params().len();
    let args = (0..count).map(|index| args.get(index).copied().map(int)).collect();
    Stage { operator, args, inner: Vec::new(), location: HERE }
}

/// `aggregate(…) -> relu -> depthwise(3) -> pointwise -> bn`
pub fn sepconv(aggregate: Option<Aggregate>) -> Vec<Stage> {
    let mut stages: Vec<Stage> = aggregate.into_iter().map(|kind| stage(Operator::Aggregate(kind), &[])).collect();
    stages.extend([
        stage(Operator::Relu, &[]),
        stage(Operator::Depthwise, &[3, 1]),
        stage(Operator::Pointwise, &[]),
        stage(Operator::BatchNorm, &[]),
    ]);
    stages
}

/// The families of the literature, the user's own probability, and small regular ones. Each has its name.
pub fn families() -> Vec<Generator> {
    let generator = |name: &str, names: &[(&str, Type)], wiring, order| Generator {
        name: name.to_owned(),
        params: params(names),
        nodes: param(0),
        wiring,
        order,
        each: None,
        dealt: None,
        location: HERE,
    };
    let (n, p) = (("n", Type::Int), |name| (name, Type::Real(cnasc_ir::program::Dimension::default())));
    let power = || {
        let exponent = binary(BinaryOp::Multiply, param(3), ring());
        Wiring::Edges(binary(BinaryOp::Multiply, param(2), binary(BinaryOp::Power, param(1), exponent)))
    };
    let decay = {
        let negative = expr(ExprKind::Negate(Box::new(ring())));
        let exponent = binary(BinaryOp::Divide, negative, param(1));
        Wiring::Edges(binary(BinaryOp::Multiply, real(0.9), call(Function::Exp, vec![exponent])))
    };
    let next = binary(BinaryOp::Add, variable(Variable::I), int(1));
    let chain = Wiring::Edges(binary(BinaryOp::Equal, variable(Variable::J), next));
    let four = [n.clone(), p("p"), p("alpha"), p("beta")];
    vec![
        generator("er", &[n.clone(), p("p")], Wiring::Edges(param(1)), Order::Index),
        generator("ba", &[n.clone(), ("m", Type::Int)], Wiring::Attach { edges: param(1) }, Order::Index),
        generator(
            "ws",
            &[n.clone(), ("k", Type::Int), p("p")],
            Wiring::Lattice { neighbours: param(1), rewired: param(2) },
            Order::Index,
        ),
        generator("distance", &four, power(), Order::Index),
        generator("local", &[n.clone(), p("reach")], decay, Order::Index),
        generator("chain", std::slice::from_ref(&n), chain, Order::Index),
        generator("er_dfs", &[n.clone(), p("p")], Wiring::Edges(param(1)), Order::Dfs),
        generator("distance_dfs", &four, power(), Order::Dfs),
    ]
}

/// Stagings: uniform, greedy(limit), probabilistic(limit, p), at depths 2 and 4, strided.
pub fn stagings() -> Vec<Staging> {
    let staging = |name: &str, names: &[(&str, Type)], policy, limit, shrink| Staging {
        name: name.to_owned(),
        params: params(names),
        policy,
        growth: int(2),
        limit,
        shrink,
        location: HERE,
    };
    let pool = || vec![stage(Operator::MaxPool, &[2])];
    let limit = ("limit", Type::Int);
    let real = ("p", Type::Real(cnasc_ir::program::Dimension::default()));
    let at = |depth| binary(BinaryOp::Equal, variable(Variable::Depth), int(depth));
    let large = binary(BinaryOp::Greater, variable(Variable::Size), int(4));
    let rule = binary(BinaryOp::And, binary(BinaryOp::Or, at(2), at(4)), large);
    vec![
        staging("flat", &[], Policy::Uniform, None, Vec::new()),
        staging("greedy", std::slice::from_ref(&limit), Policy::Greedy, Some(param(0)), pool()),
        staging("gentle", &[limit.clone(), real], Policy::Probabilistic(param(1)), Some(param(0)), pool()),
        staging("fixed", std::slice::from_ref(&limit), Policy::Rule(rule), Some(param(0)), pool()),
        staging("strided", &[limit], Policy::Greedy, Some(param(0)), vec![stage(Operator::Conv, &[3])]),
    ]
}

/// Blocks: weighted, plain (no aggregate), concat, mean.
pub fn blocks() -> Vec<Block> {
    let block = |name: &str, aggregate| Block {
        name: name.to_owned(),
        params: Vec::new(),
        pipeline: sepconv(aggregate),
        location: HERE,
    };
    vec![
        block("sepconv", Some(Aggregate::SigmoidWeights)),
        block("plain", None),
        block("concat", Some(Aggregate::Concat)),
        block("mean", Some(Aggregate::Mean)),
    ]
}

/// The families, blocks and stagings above, and `fashion(wiring, width, block, staging)` on an image of 1×28×28.
pub fn program() -> Program {
    let mut stem_conv = stage(Operator::Conv, &[3, 1, 1]);
    stem_conv.args[1] = Some(param(1));
    let fashion = Network {
        name: "fashion".to_owned(),
        params: params(&[
            ("wiring", Type::Generator),
            ("width", Type::Int),
            ("block", Type::Block),
            ("staging", Type::Staging),
        ]),
        input: [int(1), int(28), int(28)],
        sections: vec![
            Section::Pipeline {
                name: "stem".to_owned(),
                stages: vec![stem_conv, stage(Operator::BatchNorm, &[]), stage(Operator::Relu, &[])],
            },
            Section::Body { wiring: param(0), block: param(2), staging: Some(param(3)), location: HERE },
            Section::Pipeline {
                name: "head".to_owned(),
                stages: vec![stage(Operator::GlobalAvg, &[]), stage(Operator::Linear, &[10])],
            },
        ],
        location: HERE,
    };
    let mut stagings = stagings();
    // Strides have defaults that the checker fills in; here the shrinking convolution gets its own.
    if let Some(strided) = stagings.last_mut() {
        strided.shrink[0].args[2] = Some(int(2));
    }
    let networks = vec![fashion];
    Program { generators: families(), blocks: blocks(), stagings, networks, ..Program::default() }
}

/// A declaration of the program by name.
pub fn named(program: &Program, name: &str) -> Declared {
    let at = |names: Vec<&str>| names.into_iter().position(|found| found == name);
    let names = |index: Option<usize>, make: fn(usize) -> Declared| index.map(make);
    names(at(program.generators.iter().map(|it| it.name.as_str()).collect()), |at| {
        Declared::Generator(GeneratorId::new(at))
    })
    .or(names(at(program.blocks.iter().map(|it| it.name.as_str()).collect()), |at| Declared::Block(BlockId::new(at))))
    .or(names(at(program.stagings.iter().map(|it| it.name.as_str()).collect()), |at| {
        Declared::Staging(StagingId::new(at))
    }))
    .or(names(at(program.networks.iter().map(|it| it.name.as_str()).collect()), |at| {
        Declared::Network(NetworkId::new(at))
    }))
    .expect("tests name declarations that exist")
}

pub fn closure(program: &Program, name: &str, args: Vec<Value>) -> Closure {
    Closure { of: named(program, name), args }
}

pub fn made(program: &Program, name: &str, args: Vec<Value>) -> Value {
    Value::Made(closure(program, name, args))
}

pub fn make(program: &Program, name: &str, args: Vec<Expr>) -> Expr {
    expr(ExprKind::Make(Make { of: named(program, name), args }))
}

/// A generator by name, its reals and whole numbers as the parameters' types need them.
pub fn generator(program: &Program, name: &str, args: &[f64]) -> Closure {
    let family = program.generators.iter().find(|family| family.name == name);
    let params = &family.expect("tests name generators that exist").params;
    let value = |(param, value): (&Param, &f64)| match param.ty {
        Type::Int => Value::Int(*value as i64),
        _ => Value::Real(*value),
    };
    Closure { of: named(program, name), args: params.iter().zip(args).map(value).collect() }
}

/// `fashion` with these arguments.
pub fn fashion(program: &Program, wiring: Closure, width: i64, block: &str, staging: (&str, Vec<Value>)) -> Closure {
    let args = vec![
        Value::Made(wiring),
        Value::Int(width),
        made(program, block, Vec::new()),
        made(program, staging.0, staging.1),
    ];
    closure(program, "fashion", args)
}

/// Graphs of a family from the seeds 0, 1, ….
pub fn graphs<'a>(program: &'a Program, generator: &'a Closure, count: u64) -> impl Iterator<Item = Dag> + 'a {
    (0..count).map(|seed| draw(program, generator, &Seed::new(seed)).expect("the family's numbers are within bounds"))
}
