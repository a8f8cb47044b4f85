//! The standard library: modules of source text that are compiled into the binary.

use cnasc_grammar::tree::{File, ItemKind, Keyword};
use std::sync::LazyLock;

/// A module's name, its file's name in diagnostics, and its text.
pub(crate) struct Module {
    pub(crate) name: &'static str,
    pub(crate) file: &'static str,
    pub(crate) text: &'static str,
}

/// All modules, in the order of their names.
pub(crate) const MODULES: &[Module] = &[
    Module { name: "blocks", file: "std/blocks.cnas", text: include_str!("../../../stdlib/blocks.cnas") },
    Module { name: "devices", file: "std/devices.cnas", text: include_str!("../../../stdlib/devices.cnas") },
    Module { name: "generators", file: "std/generators.cnas", text: include_str!("../../../stdlib/generators.cnas") },
    Module { name: "links", file: "std/links.cnas", text: include_str!("../../../stdlib/links.cnas") },
    Module { name: "stagings", file: "std/stagings.cnas", text: include_str!("../../../stdlib/stagings.cnas") },
];

/// The module of this name.
pub(crate) fn find(name: &str) -> Option<&'static Module> {
    MODULES.iter().find(|module| module.name == name)
}

/// Every item as `(module, item)`, for messages. The whole library is read for it, once.
pub(crate) fn items() -> &'static [(&'static str, String)] {
    static ITEMS: LazyLock<Vec<(&'static str, String)>> = LazyLock::new(|| {
        let of = |module: &Module| names(&cnasc_grammar::parse(module.text).0);
        MODULES.iter().flat_map(|module| of(module).into_iter().map(|name| (module.name, name))).collect()
    });
    &ITEMS
}

/// The names that a file declares for others; tests are nobody's but its own.
pub(crate) fn names(file: &File) -> Vec<String> {
    let name = |kind: &ItemKind| match kind {
        ItemKind::Block { name, .. } | ItemKind::Link { name, .. } => Some(name.text.clone()),
        ItemKind::Declaration(declaration) if declaration.keyword != Keyword::Test => {
            Some(declaration.name.text.clone())
        }
        ItemKind::Declaration(_) | ItemKind::Use { .. } | ItemKind::Bad => None,
    };
    file.items.iter().filter_map(|item| name(&item.kind)).collect()
}
