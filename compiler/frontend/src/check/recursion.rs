//! Declarations that are made of themselves: a block among its own operators, a network that is its own part, a generator whose
//! nodes are its own graphs. Expansion would not end; here every such circle is found before anything is drawn.

use super::Checker;
use crate::codes;
use crate::resolve::listed;
use cnasc_base::{Diagnostic, Location};
use cnasc_ir::program::{BlockId, Declared, Expr, ExprKind, GeneratorId, NetworkId, Section, Stage};
use std::collections::{BTreeMap, BTreeSet};

/// What a declaration is made of, and where that was written.
type Parts = BTreeMap<Declared, Vec<(Declared, Location)>>;

impl Checker<'_> {
    /// Reports every circle once.
    pub(super) fn recursion(&mut self) {
        let parts = self.parts();
        let mut done = BTreeSet::new();
        for start in parts.keys() {
            // An own stack instead of recursion: a chain may be as long as the program.
            let mut path: Vec<(Declared, usize)> = vec![(*start, 0)];
            let mut open = BTreeSet::from([*start]);
            while let Some((declared, next)) = path.last_mut() {
                let part = parts.get(declared).and_then(|parts| parts.get(*next));
                *next += 1;
                match part {
                    Some((part, here)) if open.contains(part) => self.circle(&path, *part, *here),
                    Some((part, _)) if !done.contains(part) => {
                        open.insert(*part);
                        path.push((*part, 0));
                    }
                    Some(_) => {}
                    None => {
                        open.remove(&*declared);
                        done.insert(*declared);
                        path.pop();
                    }
                }
            }
        }
    }

    fn circle(&mut self, path: &[(Declared, usize)], first: Declared, here: Location) {
        let start = path.iter().position(|(declared, _)| *declared == first).unwrap_or(0);
        let circle = &path[start..];
        let names: Vec<&str> = circle.iter().map(|(declared, _)| self.name_of(*declared)).collect();
        let message = match names.as_slice() {
            [only] => format!("`{only}` is made of itself"),
            names => format!("{} are made of each other", listed(names.iter().copied())),
        };
        self.push(
            Diagnostic::error(codes::RECURSIVE, message)
                .label(here, "leads back to where it stands")
                .note("what is drawn has an end: repeat sections with `repeat`, and nest declarations that differ"),
        );
    }

    fn name_of(&self, declared: Declared) -> &str {
        match declared {
            Declared::Generator(id) => {
                self.generators.get(id.index()).and_then(Option::as_ref).map(|of| of.name.as_str())
            }
            Declared::Block(id) => self.blocks.get(id.index()).and_then(Option::as_ref).map(|of| of.name.as_str()),
            Declared::Network(id) => self.networks.get(id.index()).and_then(Option::as_ref).map(|of| of.name.as_str()),
            Declared::Staging(_) | Declared::Fleet(_) | Declared::AnyNetwork => None,
        }
        .unwrap_or("?")
    }

    fn parts(&self) -> Parts {
        let mut parts = Parts::new();
        for (index, generator) in self.generators.iter().enumerate() {
            let each = generator.as_ref().and_then(|generator| generator.each.as_ref());
            let mut found = Vec::new();
            each.into_iter().for_each(|each| made(each, &mut found));
            parts.insert(Declared::Generator(GeneratorId::new(index)), found);
        }
        for (index, block) in self.blocks.iter().enumerate() {
            let mut found = Vec::new();
            block.iter().for_each(|block| stages(&block.pipeline, &mut found));
            parts.insert(Declared::Block(BlockId::new(index)), found);
        }
        for (index, network) in self.networks.iter().enumerate() {
            let mut found = Vec::new();
            network.iter().for_each(|network| sections(&network.sections, &mut found));
            parts.insert(Declared::Network(NetworkId::new(index)), found);
        }
        parts
    }
}

fn sections(all: &[Section], found: &mut Vec<(Declared, Location)>) {
    for section in all {
        match section {
            Section::Pipeline { stages: all, .. } => stages(all, found),
            Section::Body { .. } => {}
            Section::Repeat { sections: inner, .. } => sections(inner, found),
            Section::Branch { branches, .. } => branches.iter().for_each(|inner| sections(inner, found)),
            Section::Part { network, .. } => made(network, found),
        }
    }
}

fn stages(all: &[Stage], found: &mut Vec<(Declared, Location)>) {
    for stage in all {
        stage.args.iter().flatten().for_each(|arg| made(arg, found));
        stages(&stage.inner, found);
    }
}

/// The declarations that a value is made of, those among arguments too.
fn made(expr: &Expr, found: &mut Vec<(Declared, Location)>) {
    if let ExprKind::Make(make) = &expr.kind {
        found.push((make.of, expr.location));
        make.args.iter().for_each(|arg| made(arg, found));
    }
}
