//! Independent edges: every pair i < j with its own probability, or by a condition. Erdős–Rényi is the constant probability,
//! the paper's distance probability α · P^(β d) (eq. 1) one that depends on the distance d on the ring.
//!
//! Pairs are taken in the order of i, then of j, with one draw a pair whatever its probability, so that a change of one
//! probability moves no other pair's draw. A condition takes no draws.

use super::costs::Costs;
use super::{Edge, MAX_EDGES, check_edges, id, scope};
use crate::codes;
use crate::evaluate::formula::{Formula, Outcome};
use crate::evaluate::{clamp_probability, evaluate, wrong_kind};
use crate::value::Value;
use cnasc_base::{Diagnostic, Rng};
use cnasc_ir::program::{Expr, ExprKind, Variable};

/// What decides a pair.
#[derive(Debug, Clone, Copy)]
enum Odds {
    Sure(bool),
    Chance(f64),
}

impl Odds {
    #[inline]
    fn decide(self, rng: &mut Rng) -> bool {
        match self {
            Self::Sure(exists) => exists,
            Self::Chance(probability) => rng.chance(probability),
        }
    }
}

/// Draws the edges; `costs` are those of messages between devices, where the generator knows a fleet.
pub(super) fn draw(
    odds: &Expr,
    args: &[Value],
    nodes: usize,
    costs: Option<Costs>,
    rng: &mut Rng,
) -> Result<Vec<Edge>, Diagnostic> {
    let mut pairs = Pairs::new(odds, args, nodes, costs);
    let by_distance = pairs.by_distance()?;
    let mut edges = Vec::new();
    for i in 0..nodes {
        for j in i + 1..nodes {
            let odds = match &by_distance {
                Some(table) => table[distance(i, j, nodes) - 1],
                None => pairs.odds(i, j)?,
            };
            if odds.decide(rng) {
                edges.push((id(i), id(j)));
                pairs.degrees[i] += 1;
                pairs.degrees[j] += 1;
            }
        }
        // One node adds fewer than MAX_NODES edges, so that a check a node bounds the list as well as one an edge would.
        if edges.len() > MAX_EDGES {
            check_edges(edges.len(), pairs.odds.location)?;
        }
    }
    Ok(edges)
}

/// The smaller number of steps between i < j on the ring.
#[inline]
fn distance(i: usize, j: usize, nodes: usize) -> usize {
    (j - i).min(nodes - (j - i))
}

/// The odds of every pair of one graph.
struct Pairs<'a> {
    odds: &'a Expr,
    args: &'a [Value],
    nodes: usize,
    formula: Option<Formula>,
    /// How many edges each node has so far.
    degrees: Vec<i64>,
    costs: Option<Costs>,
}

impl<'a> Pairs<'a> {
    fn new(odds: &'a Expr, args: &'a [Value], nodes: usize, costs: Option<Costs>) -> Self {
        let count = i64::try_from(nodes).expect("nodes are bounded by MAX_NODES");
        let ends = [Variable::I, Variable::J, Variable::DegreeI, Variable::DegreeJ];
        // A way that does not exist has no finite cost, of which the tree walk tells.
        let cost: &[Variable] = match &costs {
            Some(costs) if costs.all_finite() => &[Variable::LinkCost],
            _ => &[],
        };
        let formula = Formula::new(odds, args, Some(count), &[&ends, cost].concat());
        Self { odds, args, nodes, formula, degrees: vec![0; nodes], costs }
    }

    /// The odds at distances 1, 2, …, where nothing else of a pair matters.
    fn by_distance(&mut self) -> Result<Option<Vec<Odds>>, Diagnostic> {
        if self.formula.as_ref().is_none_or(|formula| formula.reads.variables) {
            return Ok(None);
        }
        // Node 0 has a pair at every distance, and these pairs are the first ones: a finding names the first pair in order.
        (1..=self.nodes / 2).map(|distance| self.odds(0, distance)).collect::<Result<_, _>>().map(Some)
    }

    #[inline]
    fn odds(&mut self, i: usize, j: usize) -> Result<Odds, Diagnostic> {
        if let Some(formula) = &mut self.formula {
            let number = |index: usize| index as i64;
            formula.set_pair(number(i), number(j), number(distance(i, j, self.nodes)));
            let cost = self.costs.as_ref().map_or(0.0, |costs| costs.between(i, j));
            formula.set_ends((self.degrees[i], self.degrees[j]), cost);
            match formula.run() {
                Some(Outcome::Bool(exists)) => return Ok(Odds::Sure(exists)),
                Some(Outcome::Int(value @ 0..=1)) => return Ok(Odds::Chance(value as f64)),
                Some(Outcome::Real(value)) if (0.0..=1.0).contains(&value) => return Ok(Odds::Chance(value)),
                _ => {}
            }
        }
        self.odds_by_tree(i, j)
    }

    /// The same by the tree walk, which gives the finding where there is one.
    #[cold]
    fn odds_by_tree(&self, i: usize, j: usize) -> Result<Odds, Diagnostic> {
        let mut scope = scope(self.args, self.nodes);
        scope.context.i = Some(i64::from(id(i)));
        scope.context.j = Some(i64::from(id(j)));
        scope.context.degree_i = Some(self.degrees[i]);
        scope.context.degree_j = Some(self.degrees[j]);
        scope.context.link_cost = self.costs.as_ref().map(|costs| costs.between(i, j));
        let here = self.odds.location;
        let value = match evaluate(self.odds, &scope) {
            Ok(Value::Bool(exists)) => return Ok(Odds::Sure(exists)),
            Ok(Value::Int(value)) => value as f64,
            Ok(Value::Real(value)) => value,
            Ok(other) => return Err(wrong_kind(here, "a probability or a condition", &other)),
            Err(diagnostic) => {
                return Err(diagnostic.note(format!("for the pair i = {i}, j = {j} of {} nodes", self.nodes)));
            }
        };
        clamp_probability(value).map(Odds::Chance).ok_or_else(|| {
            let message = format!("the probability of an edge between nodes {i} and {j} is {value}, outside 0..1");
            Diagnostic::error(codes::PROBABILITY, message)
                .label(here, format!("this is {value} for i = {i}, j = {j} of {} nodes", self.nodes))
        })
    }
}

/// The probability of every pair i < j in their order; a condition gives 0 or 1. None where one depends on degrees.
pub(super) fn probabilities(
    odds: &Expr,
    args: &[Value],
    nodes: usize,
    costs: Option<Costs>,
) -> Result<Option<Vec<f64>>, Diagnostic> {
    if reads_degrees(odds) {
        return Ok(None);
    }
    let mut pairs = Pairs::new(odds, args, nodes, costs);
    let mut found = Vec::with_capacity(nodes * nodes.saturating_sub(1) / 2);
    for i in 0..nodes {
        for j in i + 1..nodes {
            found.push(match pairs.odds(i, j)? {
                Odds::Sure(exists) => f64::from(u8::from(exists)),
                Odds::Chance(probability) => probability,
            });
        }
    }
    Ok(Some(found))
}

fn reads_degrees(odds: &Expr) -> bool {
    match &odds.kind {
        ExprKind::Variable(variable) => matches!(variable, Variable::DegreeI | Variable::DegreeJ),
        ExprKind::Negate(operand) | ExprKind::Not(operand) => reads_degrees(operand),
        ExprKind::Binary(_, left, right) => reads_degrees(left) || reads_degrees(right),
        ExprKind::Call(_, args) | ExprKind::List(args) => args.iter().any(reads_degrees),
        _ => false,
    }
}
