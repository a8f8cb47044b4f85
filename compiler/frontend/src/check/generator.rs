//! `generator` declarations: how many nodes, which edges, and how the graph is directed.

use super::entries::{Body, Slot};
use super::{Checker, Scope, Typed};
use crate::types::{describe, is_number};
use crate::{codes, graph_file, limits};
use cnasc_base::{Diagnostic, Location};
use cnasc_grammar::tree::{self, EdgeRule, EntryKind, Name, Span};
use cnasc_ir::program::{Expr, ExprKind, Generator, Order, Type, Variable, Wiring};

/// The entries of a generator as far as they are read.
#[derive(Default)]
struct Read {
    nodes: Slot<Option<Expr>>,
    order: Slot<Option<Order>>,
    wiring: Slot<Option<Wiring>>,
    each: Slot<Option<Expr>>,
    /// Whether the graph is read from a file, and its nodes with it.
    given: bool,
}

impl<'a> Checker<'a> {
    pub(super) fn generator(&mut self, body: &mut Body<'a>) -> Option<Generator> {
        let mut read = Read::default();
        let declaration = body.declaration;
        for entry in &declaration.entries {
            match &entry.kind {
                EntryKind::Property { name, value } => self.property(name, value, entry, body, &mut read),
                EntryKind::Edge { .. } | EntryKind::Attach { .. } | EntryKind::Lattice { .. } => {
                    let rule = self.rule(&entry.kind, body);
                    self.wiring(&mut read.wiring, rule, body.scope.at(entry.span));
                }
                EntryKind::Bad => {}
                _ => self.stranger(body, entry),
            }
        }
        let nodes = self.required(read.nodes, body, "nodes", "nodes 16");
        if read.wiring.is_none() {
            self.missing(body, "edge`, `attach`, `lattice` or `graph", "edge(i, j) with probability 0.2");
        }
        let params = self.params(body.id);
        let mut fleets = (0..).zip(&body.scope.params).filter(|(_, (_, ty))| *ty == Some(Type::Fleet));
        let dealt = fleets.next().map(|(index, _)| index).filter(|_| fleets.next().is_none());
        Some(Generator {
            name: declaration.name.text.clone(),
            params: params?,
            nodes: nodes?.0?,
            wiring: read.wiring?.0?,
            order: read.order.map_or(Some(Order::Index), |order| order.0)?,
            each: read.each.map_or(Some(None), |each| each.0.map(Some))?,
            dealt,
            location: body.name_location(),
        })
    }

    fn property(&mut self, name: &Name, value: &tree::Expr, entry: &tree::Entry, body: &mut Body<'a>, read: &mut Read) {
        let location = body.scope.at(entry.span);
        match name.text.as_str() {
            "nodes" => {
                let checked = self.of_type(value, &body.scope, &Type::Int, "`nodes`");
                let checked = checked.filter(|expr| self.within(expr, limits::NODES).is_some());
                if read.given {
                    self.own_nodes(&mut read.nodes, None, location);
                } else {
                    self.once(&mut read.nodes, checked, "nodes", location);
                }
            }
            "order" => {
                let word = self.word(value, &body.scope, "order", &["index", "dfs"]);
                let checked = word.map(|word| if word == "dfs" { Order::Dfs } else { Order::Index });
                self.once(&mut read.order, checked, "order", location);
            }
            "each" => {
                let checked = self.of_type(value, &body.scope, &Type::Generator, "what stands for each node");
                self.once(&mut read.each, checked, "each", location);
            }
            "graph" => {
                let graph = self.graph(value, &body.scope);
                self.wiring(&mut read.wiring, graph.clone().map(|(_, edges)| Wiring::Given(edges)), location);
                self.own_nodes(&mut read.nodes, graph.map(|(nodes, _)| nodes), location);
                read.given = true;
            }
            _ => self.stranger(body, entry),
        }
    }

    /// The wiring of an entry that says which nodes are joined.
    fn rule(&mut self, entry: &EntryKind, body: &Body<'a>) -> Option<Wiring> {
        let scope = with_nodes(&body.scope);
        match entry {
            EntryKind::Edge { ends, rule } => self.edge(ends, rule, body),
            EntryKind::Attach { edges } => {
                let edges = self.of_type(edges, &scope, &Type::Int, "the number of edges")?;
                Some(Wiring::Attach { edges })
            }
            EntryKind::Lattice { neighbours, rewired } => {
                let neighbours = self.of_type(neighbours, &scope, &Type::Int, "the number of neighbours");
                let rewired = self.probability(rewired, &scope, "a probability");
                Some(Wiring::Lattice { neighbours: neighbours?, rewired: rewired? })
            }
            _ => None,
        }
    }

    /// Keeps the number of nodes of a graph that is read; reports where one is written too.
    fn own_nodes(&mut self, slot: &mut Slot<Option<Expr>>, nodes: Option<Expr>, location: Location) {
        let Some((_, first)) = slot else {
            *slot = Some((nodes, location));
            return;
        };
        let found = Diagnostic::error(codes::SEVERAL_WIRINGS, "a graph that is read has its own nodes");
        self.push(found.label(location, "this one").label(*first, "this one too").note("leave `nodes` out"));
    }

    /// The number of nodes and the edges of the graph in a file.
    fn graph(&mut self, value: &tree::Expr, scope: &Scope) -> Option<(Expr, Vec<(u32, u32)>)> {
        let here = scope.at(value.span);
        let written = match &value.kind {
            tree::ExprKind::Text(written) => written,
            tree::ExprKind::Bad => return None,
            _ => {
                let found =
                    Diagnostic::error(codes::WRONG_TYPE, "`graph` takes the path of a file, in quotation marks");
                self.push(found.label(here, "expected a text such as `\"graph.txt\"`"));
                return None;
            }
        };
        let file = match self.names.modules[scope.module].graphs.get(written)? {
            Ok(file) => *file,
            Err(why) => {
                self.push(
                    Diagnostic::error(codes::UNREADABLE_FILE, format!("`{written}` can't be used: {why}"))
                        .label(here, "not read")
                        .note("a path is relative to the file that it is written in"),
                );
                return None;
            }
        };
        match graph_file::read(self.sources.text(file)) {
            Ok(graph) => {
                let nodes = ExprKind::Int(i64::try_from(graph.nodes).ok()?);
                Some((Expr { kind: nodes, location: here }, graph.edges))
            }
            Err(fault) => {
                let at = |byte: usize| u32::try_from(byte).unwrap_or(u32::MAX);
                let found =
                    Diagnostic::error(codes::GRAPH_FILE, format!("`{written}` holds no graph: {}", fault.message));
                self.push(
                    found
                        .label(here, "read here")
                        .label(Location::new(file, at(fault.start), at(fault.end)), "this is wrong")
                        .note("a graph is an edge list, two nodes a line, or GraphML"),
                );
                None
            }
        }
    }

    /// Keeps the one rule for edges; reports a second one.
    fn wiring(&mut self, slot: &mut Slot<Option<Wiring>>, checked: Option<Wiring>, location: Location) {
        let Some((_, first)) = slot else {
            *slot = Some((checked, location));
            return;
        };
        self.push(
            Diagnostic::error(codes::SEVERAL_WIRINGS, "a generator has one rule for its edges")
                .label(location, "a second rule")
                .label(*first, "the first rule")
                .note("join conditions with `and` and `or`, and probabilities by computing one from the other"),
        );
    }

    fn edge(&mut self, ends: &(Name, Name), rule: &EdgeRule, body: &Body<'_>) -> Option<Wiring> {
        let mut scope = with_nodes(&body.scope);
        let twice = ends.0.text == ends.1.text;
        for (name, variable, known) in [(&ends.0, Variable::I, false), (&ends.1, Variable::J, twice)] {
            let param = scope.params.iter().any(|(param, _)| *param == name.text);
            if param || known {
                let what = if known { "both ends of the edge are called" } else { "an end and a parameter are called" };
                self.push(
                    Diagnostic::error(codes::DUPLICATE_NAME, format!("{what} `{}`", name.text))
                        .label(scope.at(name.span), "needs another name"),
                );
                return None;
            }
            scope.variables.insert(0, (name.text.clone(), variable));
        }
        let (value, words, instead) = match rule {
            EdgeRule::Probability(value) => (value, "with probability", "if"),
            EdgeRule::Condition(value) => (value, "if", "with probability"),
        };
        let typed = self.value(value, &scope)?;
        let other = match rule {
            EdgeRule::Probability(_) => typed.ty == Type::Bool,
            EdgeRule::Condition(_) => is_number(&typed.ty),
        };
        if other {
            self.other_rule(&typed, words, instead, scope.at(Span { start: ends.1.span.end, end: value.span.start }));
            return None;
        }
        let odds = match rule {
            EdgeRule::Probability(_) => self.probability_of(typed, value, &scope, "a probability"),
            EdgeRule::Condition(_) => {
                self.constant(&typed.expr)?;
                self.fitted(typed, value, &scope, &Type::Bool, "a condition")
            }
        };
        odds.map(Wiring::Edges)
    }

    /// Reports a condition where a probability is needed, or the other way round. `between` lies between the edge and the value.
    fn other_rule(&mut self, typed: &Typed, words: &str, instead: &str, between: Location) {
        let is = describe(&typed.ty);
        let message = format!(
            "`edge … {words}` takes a {}, found {is}",
            if words == "if" { "truth value" } else { "probability" }
        );
        let found = Diagnostic::error(codes::WRONG_TYPE, message).label(typed.expr.location, format!("this is {is}"));
        let first = words.split(' ').next().unwrap_or(words);
        let place = self.text(between).find(first).and_then(|at| u32::try_from(at).ok());
        self.push(match place {
            Some(at) => {
                let place = Location { start: between.start + at, end: typed.expr.location.start, ..between };
                found.suggest(place, format!("{instead} "), format!("write `{instead}`"))
            }
            None => found,
        });
    }
}

/// The scope of a rule for edges: `n` is the number of nodes where no parameter has that name.
fn with_nodes(scope: &Scope) -> Scope {
    let mut scope = scope.clone();
    if scope.params.iter().all(|(param, _)| param != "n") {
        scope.variables.push(("n".to_owned(), Variable::Nodes));
    }
    scope
}
