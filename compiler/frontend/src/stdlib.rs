//! The standard library: modules of source text that are compiled into the binary.

use cnasc_grammar::tree::{File, ItemKind, Keyword};
use std::sync::LazyLock;

/// A module's name, its parts joined by `::`, its file's name in diagnostics, and its text.
pub(crate) struct Module {
    pub(crate) name: &'static str,
    pub(crate) file: &'static str,
    pub(crate) text: &'static str,
}

/// The module that a file of the folder `stdlib` is.
macro_rules! module {
    ($name:literal, $file:literal) => {
        Module { name: $name, file: concat!("std/", $file), text: include_str!(concat!("../../../stdlib/", $file)) }
    };
}

/// All modules, in the order of their names.
pub(crate) const MODULES: &[Module] = &[
    module!("blocks", "blocks.cnas"),
    module!("devices", "devices.cnas"),
    module!("generators", "generators.cnas"),
    module!("links", "links.cnas"),
    module!("networks::cifarnet", "networks/cifarnet.cnas"),
    module!("networks::concurrent", "networks/concurrent.cnas"),
    module!("networks::densenet", "networks/densenet.cnas"),
    module!("networks::inception", "networks/inception.cnas"),
    module!("networks::lcp", "networks/lcp.cnas"),
    module!("networks::mobilenet", "networks/mobilenet.cnas"),
    module!("networks::randwire", "networks/randwire.cnas"),
    module!("networks::resnet", "networks/resnet.cnas"),
    module!("networks::squeezenet", "networks/squeezenet.cnas"),
    module!("networks::vgg", "networks/vgg.cnas"),
    module!("stagings", "stagings.cnas"),
];

/// The module of this name.
pub(crate) fn find(name: &str) -> Option<&'static Module> {
    MODULES.iter().find(|module| module.name == name)
}

/// A declaration of the standard library and the text of its module.
#[derive(Debug, Clone, Copy)]
pub struct Library<'a> {
    /// The module's file as diagnostics call it: `std/networks/resnet.cnas`.
    pub file: &'static str,
    /// The module's text.
    pub text: &'static str,
    /// The declaration's name; nothing says that there is one.
    pub item: &'a str,
}

/// What a path such as `std::networks::resnet::resnet50` names; none where it names no module of the library.
#[must_use]
pub fn library(path: &str) -> Option<Library<'_>> {
    let (module, item) = path.strip_prefix("std::")?.rsplit_once("::")?;
    let Module { file, text, .. } = find(module)?;
    Some(Library { file, text, item })
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
