//! Station 2, a file's tree → the names of the program: loads the modules of the standard library that are used, gives every
//! declaration an id, and binds names to declarations, file by file.
//!
//! Declarations are visible in the whole of their file, in any order. `use` brings one name of a module in. The names of what
//! could not be read are kept as poisoned, so that whoever refers to them is not told that they do not exist.

use crate::nearest::nearest;
use crate::parse::parse;
use crate::{codes, stdlib};
use cnasc_base::{Diagnostic, Diagnostics, FileId, Location, Sources};
use cnasc_grammar::tree::{self, ItemKind, Keyword, Path, Span};
use std::collections::{BTreeMap, BTreeSet};

/// The kinds of declarations that have names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Device,
    Fleet,
    Generator,
    Block,
    Staging,
    Network,
    Search,
    Test,
}

impl Kind {
    /// With its article: "a fleet".
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Device => "a device",
            Self::Fleet => "a fleet",
            Self::Generator => "a generator",
            Self::Block => "a block",
            Self::Staging => "a staging",
            Self::Network => "a network",
            Self::Search => "a search",
            Self::Test => "a test",
        }
    }

    fn of(keyword: Keyword) -> Self {
        match keyword {
            Keyword::Device => Self::Device,
            Keyword::Fleet => Self::Fleet,
            Keyword::Generator => Self::Generator,
            Keyword::Staging => Self::Staging,
            Keyword::Network => Self::Network,
            Keyword::Search => Self::Search,
            Keyword::Test => Self::Test,
        }
    }
}

/// A declaration's place in [`Names::items`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ItemId(pub(crate) usize);

/// A declaration.
#[derive(Debug)]
pub(crate) struct Item {
    /// Its file, by place in [`Names::modules`].
    pub(crate) module: usize,
    /// Its place in its file's tree.
    pub(crate) index: usize,
    pub(crate) kind: Kind,
    /// Its number among those of its kind.
    pub(crate) number: usize,
    pub(crate) name: tree::Name,
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binding {
    Item(ItemId),
    /// Something whose declaration has an error already.
    Poisoned,
}

/// A file with what is visible in it.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) file: FileId,
    pub(crate) tree: tree::File,
    pub(crate) scope: BTreeMap<String, Binding>,
    /// The names that `use` brought in, and the place of the whole `use`.
    pub(crate) imports: BTreeMap<String, Span>,
}

/// All files and declarations of a compilation, those of the compiled file first.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pub(crate) modules: Vec<Module>,
    pub(crate) items: Vec<Item>,
}

impl Names {
    pub(crate) fn item(&self, id: ItemId) -> &Item {
        &self.items[id.0]
    }

    /// Where a declaration's name was written.
    pub(crate) fn location(&self, id: ItemId) -> Location {
        let item = self.item(id);
        let file = self.modules[item.module].file;
        Location::new(file, item.name.span.start, item.name.span.end)
    }

    /// The declaration as written.
    pub(crate) fn tree(&self, id: ItemId) -> &tree::Item {
        let item = self.item(id);
        &self.modules[item.module].tree.items[item.index]
    }
}

/// Reads `file` and all that it uses.
pub(crate) fn resolve(sources: &mut Sources, file: FileId) -> (Names, Diagnostics) {
    let mut resolver = Resolver {
        names: Names::default(),
        loaded: BTreeMap::new(),
        counts: BTreeMap::new(),
        found: Diagnostics::default(),
    };
    resolver.load(sources, file);
    // The list grows while modules use further ones.
    let mut next = 0;
    while next < resolver.names.modules.len() {
        for name in resolver.used_modules(next) {
            if let Some(module) = stdlib::find(&name).filter(|_| !resolver.loaded.contains_key(&name)) {
                let added = sources.add(module.file, module.text);
                resolver.loaded.insert(name, resolver.names.modules.len());
                resolver.load(sources, added);
            }
        }
        next += 1;
    }
    for module in 0..resolver.names.modules.len() {
        resolver.declare(sources, module);
    }
    for module in 0..resolver.names.modules.len() {
        resolver.import(module);
    }
    (resolver.names, resolver.found)
}

struct Resolver {
    names: Names,
    /// The modules of the standard library that are loaded, by name.
    loaded: BTreeMap<String, usize>,
    /// How many declarations of each kind there are so far.
    counts: BTreeMap<Kind, usize>,
    found: Diagnostics,
}

impl Resolver {
    fn load(&mut self, sources: &Sources, file: FileId) {
        let (tree, diagnostics) = parse(sources, file);
        self.found.extend(diagnostics);
        self.names.modules.push(Module { file, tree, scope: BTreeMap::new(), imports: BTreeMap::new() });
    }

    fn used_modules(&self, module: usize) -> Vec<String> {
        uses(&self.names.modules[module].tree)
            .filter_map(|(path, _)| match path.segments.as_slice() {
                [std, module, ..] if std.text == "std" => Some(module.text.clone()),
                _ => None,
            })
            .collect()
    }

    /// Gives every declaration of a module an id and its name in the module's scope.
    fn declare(&mut self, sources: &Sources, module: usize) {
        let file = self.names.modules[module].file;
        let mut declared: Vec<(usize, Kind, tree::Name)> = Vec::new();
        let mut poisoned = BTreeSet::new();
        for (index, item) in self.names.modules[module].tree.items.iter().enumerate() {
            match &item.kind {
                ItemKind::Block { name, .. } => declared.push((index, Kind::Block, name.clone())),
                ItemKind::Declaration(declaration) => {
                    declared.push((index, Kind::of(declaration.keyword), declaration.name.clone()));
                }
                ItemKind::Bad => poisoned.extend(head_words(sources, file, item.span)),
                ItemKind::Use(_) => {}
            }
        }
        let mut tests = BTreeMap::new();
        for (index, kind, name) in declared {
            let count = self.counts.entry(kind).or_default();
            let number = *count;
            *count += 1;
            let id = ItemId(self.names.items.len());
            self.names.items.push(Item { module, index, kind, number, name: name.clone() });
            let scope = if kind == Kind::Test { &mut tests } else { &mut self.names.modules[module].scope };
            match scope.get(&name.text).copied() {
                Some(Binding::Item(first)) => {
                    let first = self.names.location(first);
                    self.duplicate(&name.text, self.names.location(id), first);
                    // Nobody knows which of the two is meant where the name is used.
                    poisoned.insert(name.text);
                }
                _ => {
                    scope.insert(name.text, Binding::Item(id));
                }
            }
        }
        let scope = &mut self.names.modules[module].scope;
        scope.extend(poisoned.into_iter().map(|word| (word, Binding::Poisoned)));
    }

    fn duplicate(&mut self, name: &str, second: Location, first: Location) {
        self.found.push(
            Diagnostic::error(codes::DUPLICATE_NAME, format!("two declarations are called `{name}`"))
                .label(second, "the second one")
                .label(first, "the first one")
                .note("the declarations of a file share one set of names, whatever their kind"),
        );
    }

    /// Binds the names that a module's `use` entries bring in.
    fn import(&mut self, module: usize) {
        let paths: Vec<(Path, Span)> =
            uses(&self.names.modules[module].tree).map(|(path, whole)| (path.clone(), whole)).collect();
        for (path, whole) in paths {
            let (binding, meant) = self.target(module, &path);
            let Some(name) = path.segments.last() else { continue };
            let Module { file, scope, imports, .. } = &mut self.names.modules[module];
            let at = |span: Span| Location::new(*file, span.start, span.end);
            for word in
                [Some(&name.text), meant.as_ref()].into_iter().flatten().filter(|_| binding == Binding::Poisoned)
            {
                scope.entry(word.clone()).or_insert(Binding::Poisoned);
            }
            match scope.get(&name.text).copied() {
                _ if binding == Binding::Poisoned => {}
                None => {
                    scope.insert(name.text.clone(), binding);
                    imports.insert(name.text.clone(), whole);
                }
                Some(Binding::Poisoned) => {}
                Some(Binding::Item(first)) => {
                    let (here, again) = (at(whole), imports.get(&name.text).map(|span| at(*span)));
                    match again {
                        Some(again) => self.twice(&name.text, here, again, binding == Binding::Item(first)),
                        None => {
                            scope.insert(name.text.clone(), Binding::Poisoned);
                            let first = self.names.location(first);
                            self.duplicate(&name.text, here, first);
                        }
                    }
                }
            }
        }
    }

    /// Reports a name that two `use` bring in.
    fn twice(&mut self, name: &str, second: Location, first: Location, same: bool) {
        let found = Diagnostic::error(codes::DUPLICATE_NAME, format!("`{name}` is brought in twice"))
            .label(second, "the second time")
            .label(first, "the first time");
        self.found.push(if same { found.suggest(second, "", "leave one out") } else { found });
    }

    /// What a path names, and which name was probably meant where it is nothing, which is reported.
    fn target(&mut self, module: usize, path: &Path) -> (Binding, Option<String>) {
        let file = self.names.modules[module].file;
        let at = |span: Span| Location::new(file, span.start, span.end);
        let finding = match path.segments.as_slice() {
            [std, module, item] if std.text == "std" => match self.loaded.get(&module.text) {
                Some(&index) => match self.member(index, &item.text) {
                    Some(binding) => return (binding, None),
                    None => self.unknown_item(index, module, item, at(item.span)),
                },
                None => unknown_module(module, at(module.span)),
            },
            [std, module] if std.text == "std" => match self.loaded.get(&module.text) {
                Some(&index) => self.whole_module(index, module, at(path.span)),
                None => unknown_module(module, at(module.span)),
            },
            [std] if std.text == "std" => Diagnostic::error(codes::UNKNOWN_USE, "`use std` names no declaration")
                .label(at(path.span), "expected a path such as `std::blocks::sepconv`")
                .note(module_list()),
            [std, _, _, rest @ ..] if std.text == "std" => {
                let end = rest.last().map_or(path.span.end, |last| last.span.end);
                let start = rest.first().map_or(path.span.start, |first| first.span.start);
                Diagnostic::error(codes::UNKNOWN_USE, "a path of the standard library has three parts")
                    .label(at(Span { start, end }), "one part too many")
                    .note("`std`, a module and one of its declarations, as in `std::blocks::sepconv`")
            }
            [first, rest @ ..] => own_file(first, rest.is_empty(), at(path.span), at(first.span)),
            [] => return (Binding::Poisoned, None),
        };
        let meant = finding.suggestion.as_ref().map(|suggestion| suggestion.replacement.clone());
        self.found.push(finding);
        (Binding::Poisoned, meant)
    }

    /// A declaration of a module itself, not one that it uses.
    fn member(&self, module: usize, name: &str) -> Option<Binding> {
        let binding = self.names.modules[module].scope.get(name)?;
        match binding {
            Binding::Item(id) if self.names.item(*id).module != module => None,
            _ => Some(*binding),
        }
    }

    fn unknown_item(&self, index: usize, module: &tree::Name, item: &tree::Name, here: Location) -> Diagnostic {
        let names = stdlib::names(&self.names.modules[index].tree);
        let message = format!("`std::{}` has no declaration `{}`", module.text, item.text);
        let found = Diagnostic::error(codes::UNKNOWN_USE, message)
            .label(here, "not found in this module")
            .note(format!("it has {}", listed(names.iter().map(String::as_str))));
        match nearest(&item.text, names.iter().map(String::as_str)) {
            Some(meant) => found.suggest(here, meant, "did you mean this"),
            None => found,
        }
    }

    fn whole_module(&self, index: usize, module: &tree::Name, here: Location) -> Diagnostic {
        let names = stdlib::names(&self.names.modules[index].tree);
        let message = format!("`std::{}` is a module, not a declaration", module.text);
        Diagnostic::error(codes::UNKNOWN_USE, message)
            .label(here, "name one of its declarations")
            .note(format!("it has {}", listed(names.iter().map(String::as_str))))
    }
}

fn unknown_module(module: &tree::Name, here: Location) -> Diagnostic {
    let found = Diagnostic::error(codes::UNKNOWN_USE, format!("the standard library has no module `{}`", module.text))
        .label(here, "not found")
        .note(module_list());
    match nearest(&module.text, stdlib::MODULES.iter().map(|module| module.name)) {
        Some(meant) => found.suggest(here, meant, "did you mean this"),
        None => found,
    }
}

/// A path that does not begin with `std`: a misspelt `std`, or a file of the user's own.
fn own_file(first: &tree::Name, alone: bool, whole: Location, here: Location) -> Diagnostic {
    if !alone && nearest(&first.text, ["std"]).is_some() {
        return Diagnostic::error(codes::UNKNOWN_USE, format!("there is no `{}` to use declarations of", first.text))
            .label(here, "expected `std`")
            .suggest(here, "std", "did you mean the standard library");
    }
    Diagnostic::error(codes::LATER_FILES, "files of your own can't be used yet")
        .label(whole, "expected a path that begins with `std`")
        .note("this release reads one file and the standard library; copy the declarations into this file")
}

fn module_list() -> String {
    format!("its modules are {}", listed(stdlib::MODULES.iter().map(|module| module.name)))
}

/// Names in backquotes with commas between them.
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The paths of all `use` entries, and where each stands with its word.
fn uses(tree: &tree::File) -> impl Iterator<Item = (&Path, Span)> {
    tree.items.iter().filter_map(|item| match &item.kind {
        ItemKind::Use(path) => Some((path, item.span)),
        _ => None,
    })
}

/// The words of an unreadable declaration's head, any of which may be the name it was to declare.
fn head_words(sources: &Sources, file: FileId, span: Span) -> Vec<String> {
    let text = sources.text(file).get(span.start as usize..span.end as usize).unwrap_or_default();
    let head = text.split(['{', '=', '\n']).next().unwrap_or_default();
    head.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}
