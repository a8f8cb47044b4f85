//! Source text → a program to draw networks from.

use cnasc_base::Sources;
use cnasc_ir::{Architecture, Program};
use std::collections::BTreeMap;

/// The program of a text that is right.
///
/// # Panics
/// Where it isn't: with what is reported.
#[must_use]
pub fn compiled(text: String) -> Program {
    let mut sources = Sources::default();
    let file = sources.add("test.cnas", text);
    let (program, diagnostics) = cnasc_frontend::compile(&mut sources, file);
    program.unwrap_or_else(|| panic!("{}", cnasc_base::render::human(&sources, &diagnostics, false)))
}

/// The program of a text and, behind it, of one search over `network` on so many boards.
///
/// # Panics
/// As [`compiled`].
#[must_use]
pub fn searching(text: &str, network: &str, boards: usize) -> Program {
    let link = if boards > 1 { "\n    link pi <-> pi: gigabit" } else { "" };
    compiled(format!(
        "{text}\nuse std::devices::rpi4\nuse std::links::gigabit\n\n\
         fleet boards {{\n    node pi[{boards}]: rpi4{link}\n}}\n\n\
         search only {{\n    over {network}\n    on boards\n    minimize params\n    budget 1 candidates\n}}\n"
    ))
}

/// The network that the program's first search draws from `seed`.
///
/// # Panics
/// Where there is none.
#[must_use]
pub fn drawn(program: &Program, seed: u64) -> Architecture {
    let drawn = cnasc_search::draw(program, &program.searches[0].over, &BTreeMap::new(), seed);
    drawn.unwrap_or_else(|error| panic!("{}", error.message)).architecture
}
