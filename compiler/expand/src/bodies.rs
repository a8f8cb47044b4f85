//! How many bodies a network has, told before any of their graphs is drawn.

use crate::evaluate::{self, Scope};
use crate::expand::{MAX_LEVELS, MAX_REPEATS, MAX_STEPS, declared_network};
use cnasc_ir::Program;
use cnasc_ir::program::{Declared, Expr, Section};

/// Of these sections. What drawing refuses has none: that says what is wrong.
pub fn count(program: &Program, sections: &[Section], scope: &Scope<'_>) -> usize {
    // A network has no more, and what is counted here may be allocated.
    Counting { program, steps: 0 }.sections(sections, scope, 0).min(MAX_STEPS)
}

struct Counting<'a> {
    program: &'a Program,
    /// How many sections were looked at.
    steps: usize,
}

impl Counting<'_> {
    fn sections(&mut self, sections: &[Section], scope: &Scope<'_>, level: usize) -> usize {
        sections.iter().map(|section| self.section(section, scope, level)).fold(0, usize::saturating_add)
    }

    fn section(&mut self, section: &Section, scope: &Scope<'_>, level: usize) -> usize {
        self.steps += 1;
        if level > MAX_LEVELS || self.steps > MAX_STEPS {
            return 0;
        }
        match section {
            Section::Pipeline { .. } => 0,
            Section::Body { .. } => 1,
            Section::Repeat { count, sections, .. } => {
                let times = evaluate::whole(count, scope).unwrap_or(0).clamp(0, MAX_REPEATS);
                match usize::try_from(times).unwrap_or(0) {
                    // However many are inside: drawing does not look at them either.
                    0 => 0,
                    times => self.sections(sections, scope, level + 1).saturating_mul(times),
                }
            }
            Section::Branch { branches, .. } => {
                let counts = branches.iter().map(|sections| self.sections(sections, scope, level + 1));
                counts.fold(0, usize::saturating_add)
            }
            Section::Part { network, .. } => self.part(network, scope, level + 1).unwrap_or(0),
        }
    }

    fn part(&mut self, network: &Expr, scope: &Scope<'_>, level: usize) -> Option<usize> {
        let is_network = |of| matches!(of, Declared::Network(_) | Declared::AnyNetwork);
        let closure = evaluate::made(network, scope, "a network", is_network).ok()?.chosen();
        let declaration = declared_network(self.program, &closure).ok()?;
        Some(self.sections(&declaration.sections, &Scope::of(&closure.args), level))
    }
}
