//! Station 2, a file's tree → the names of the program: loads the modules of the standard library that are used, gives every
//! declaration an id, and binds names to declarations, file by file. Files of the user's own come from a loader.
//!
//! Declarations are visible in the whole of their file, in any order. `use` brings one name of a module in. The names of what
//! could not be read are kept as poisoned, so that whoever refers to them is not told that they do not exist.

use crate::files::{self, Files, Loader};
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
    Link,
    Fleet,
    Generator,
    Block,
    Staging,
    Network,
    Search,
    Training,
    Test,
}

impl Kind {
    /// With its article: "a fleet".
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Device => "a device",
            Self::Link => "a link",
            Self::Fleet => "a fleet",
            Self::Generator => "a generator",
            Self::Block => "a block",
            Self::Staging => "a staging",
            Self::Network => "a network",
            Self::Search => "a search",
            Self::Training => "a training",
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
            Keyword::Training => Self::Training,
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
    /// What it is called among the user's own files; none where it is of the standard library.
    own: Option<String>,
    /// The own files that its `use` entries name, by their place among them.
    used: BTreeMap<usize, Option<usize>>,
    /// The files of graphs that it names, as written.
    pub(crate) graphs: BTreeMap<String, Result<FileId, String>>,
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

/// Reads `file` and all that it uses, own files by way of `loader`.
pub(crate) fn resolve(sources: &mut Sources, file: FileId, loader: Option<Loader<'_>>) -> (Names, Diagnostics) {
    let mut files = Files::new(sources, file, loader);
    let mut resolver = Resolver {
        names: Names::default(),
        loaded: BTreeMap::new(),
        counts: BTreeMap::new(),
        found: Diagnostics::default(),
    };
    let root = files::identity(sources, file);
    resolver.load(sources, file, Some(root));
    // The list grows while modules use further ones.
    let mut next = 0;
    while next < resolver.names.modules.len() {
        for name in resolver.used_modules(next) {
            if let Some(module) = stdlib::find(&name).filter(|_| !resolver.loaded.contains_key(&name)) {
                let added = sources.add(module.file, module.text);
                resolver.loaded.insert(name, resolver.names.modules.len());
                resolver.load(sources, added, None);
            }
        }
        resolver.own_files(sources, &mut files, next);
        resolver.graph_files(sources, &mut files, next);
        next += 1;
    }
    resolver.cycles(sources);
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
    fn load(&mut self, sources: &Sources, file: FileId, own: Option<String>) {
        let (tree, diagnostics) = parse(sources, file);
        self.found.extend(diagnostics);
        let (used, graphs) = (BTreeMap::new(), BTreeMap::new());
        let (scope, imports) = (BTreeMap::new(), BTreeMap::new());
        self.names.modules.push(Module { file, own, used, graphs, tree, scope, imports });
    }

    /// Loads the own files that a module uses; reports those that can't be, once a module.
    fn own_files(&mut self, sources: &mut Sources, files: &mut Files<'_>, module: usize) {
        let Module { file, own, tree, .. } = &self.names.modules[module];
        let (file, own) = (*file, own.clone().unwrap_or_default());
        let named: Vec<(usize, tree::Name)> =
            uses(tree).enumerate().filter_map(|(place, used)| Some((place, used.file?.clone()))).collect();
        let mut told = BTreeSet::new();
        for (place, name) in named {
            let index = match files.load(sources, &name.text, (&own, file)) {
                Ok((path, loaded)) => {
                    let known = self.names.modules.iter().position(|module| module.file == loaded);
                    Some(known.unwrap_or_else(|| {
                        self.load(sources, loaded, Some(path));
                        self.names.modules.len() - 1
                    }))
                }
                Err(why) => {
                    if told.insert(name.text.clone()) {
                        let here = Location::new(file, name.span.start, name.span.end);
                        self.found.push(unreadable(&name.text, &why, here));
                    }
                    None
                }
            };
            self.names.modules[module].used.insert(place, index);
        }
    }

    /// Loads the graphs that a module's generators read; whoever needs one reports where there is none.
    fn graph_files(&mut self, sources: &mut Sources, files: &mut Files<'_>, module: usize) {
        let Module { file, own, tree, .. } = &self.names.modules[module];
        let (file, own) = (*file, own.clone().unwrap_or_default());
        let named: BTreeSet<String> = tree.items.iter().flat_map(graphs).collect();
        for name in named {
            let loaded = files.load(sources, &name, (&own, file)).map(|(_, loaded)| loaded);
            self.names.modules[module].graphs.insert(name, loaded);
        }
    }

    /// Reports own files that use each other, each circle once.
    fn cycles(&mut self, sources: &Sources) {
        let mut done = vec![false; self.names.modules.len()];
        for start in 0..self.names.modules.len() {
            self.follow(sources, start, &mut Vec::new(), &mut done);
        }
    }

    /// Follows what a module uses; `path` leads to it. As deep as there are files, of which there are few.
    fn follow(&mut self, sources: &Sources, module: usize, path: &mut Vec<usize>, done: &mut [bool]) {
        if done[module] {
            return;
        }
        path.push(module);
        let used: Vec<(usize, usize)> =
            self.names.modules[module].used.iter().filter_map(|(place, used)| Some((*place, (*used)?))).collect();
        for (place, next) in used {
            match path.iter().position(|before| *before == next) {
                Some(first) => self.cycle(sources, &path[first..], place),
                None => self.follow(sources, next, path, done),
            }
        }
        path.pop();
        done[module] = true;
    }

    /// Reports the circle that the `use` at `place` of its last file closes.
    fn cycle(&mut self, sources: &Sources, circle: &[usize], place: usize) {
        let name = |module: &usize| sources.name(self.names.modules[*module].file);
        let mut way: Vec<&str> = circle.iter().map(name).collect();
        way.extend(circle.first().map(name));
        let message = match circle {
            [only] => format!("`{}` uses itself", name(only)),
            _ => format!("these files use each other: {}", way.join(" -> ")),
        };
        let Some(last) = circle.last() else { return };
        let module = &self.names.modules[*last];
        let Some(used) = uses(&module.tree).nth(place) else { return };
        let here = Location::new(module.file, used.whole.start, used.whole.end);
        let found = Diagnostic::error(codes::CYCLIC_USE, message)
            .label(here, "closes the circle")
            .note("move what both need into a file that uses neither");
        self.found.push(found);
    }

    fn used_modules(&self, module: usize) -> Vec<String> {
        uses(&self.names.modules[module].tree)
            .filter_map(|used| match used.path.segments.as_slice() {
                [std, rest @ ..] if std.text == "std" => Some(rest),
                _ => None,
            })
            .flat_map(|rest| (1..=rest.len()).map(|parts| joined(&rest[..parts])))
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
                ItemKind::Link { name, .. } => declared.push((index, Kind::Link, name.clone())),
                ItemKind::Declaration(declaration) => {
                    declared.push((index, Kind::of(declaration.keyword), declaration.name.clone()));
                }
                ItemKind::Bad => poisoned.extend(head_words(sources, file, item.span)),
                ItemKind::Use { .. } => {}
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
        let paths: Vec<(Option<tree::Name>, Path, Span)> = uses(&self.names.modules[module].tree)
            .map(|used| (used.file.cloned(), used.path.clone(), used.whole))
            .collect();
        for (place, (own, path, whole)) in paths.into_iter().enumerate() {
            let (binding, meant) = match &own {
                Some(own) => self.own_target(module, place, own, &path),
                None => self.target(module, &path),
            };
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

    /// What a name of an own file names, as [`Self::target`].
    fn own_target(&mut self, module: usize, place: usize, own: &tree::Name, path: &Path) -> (Binding, Option<String>) {
        let Module { file, used, .. } = &self.names.modules[module];
        let (Some(Some(index)), [item]) = (used.get(&place).copied(), path.segments.as_slice()) else {
            return (Binding::Poisoned, None);
        };
        if index == module {
            // Its own name, of which the circle has told.
            return (Binding::Poisoned, None);
        }
        let here = Location::new(*file, item.span.start, item.span.end);
        if let Some(binding) = self.member(index, &item.text) {
            return (binding, None);
        }
        let finding = self.unknown_item(index, &format!("\"{}\"", own.text), item, here);
        let meant = finding.suggestion.as_ref().map(|suggestion| suggestion.replacement.clone());
        self.found.push(finding);
        (Binding::Poisoned, meant)
    }

    /// What a path names, and which name was probably meant where it is nothing, which is reported.
    fn target(&mut self, module: usize, path: &Path) -> (Binding, Option<String>) {
        let file = self.names.modules[module].file;
        let at = |span: Span| Location::new(file, span.start, span.end);
        let finding = match path.segments.as_slice() {
            [std] if std.text == "std" => Diagnostic::error(codes::UNKNOWN_USE, "`use std` names no declaration")
                .label(at(path.span), "expected a path such as `std::blocks::sepconv`")
                .note(module_list()),
            [std, rest @ ..] if std.text == "std" => {
                // No module stands inside another, so that one beginning of the path at most names one.
                let module = (1..=rest.len()).find_map(|parts| {
                    self.loaded.get(&joined(&rest[..parts])).map(|&index| (index, rest.split_at(parts)))
                });
                match module {
                    Some((index, (module, []))) => self.whole_module(index, &joined(module), at(path.span)),
                    Some((index, (module, [item]))) => match self.member(index, &item.text) {
                        Some(binding) => return (binding, None),
                        None => self.unknown_item(index, &format!("std::{}", joined(module)), item, at(item.span)),
                    },
                    Some((_, (_, [item, more @ ..]))) => {
                        let end = more.last().map_or(path.span.end, |last| last.span.end);
                        let extra = at(Span { start: item.span.end, end });
                        self.found.push(
                            Diagnostic::error(codes::UNKNOWN_USE, "a path goes no further than a declaration")
                                .label(extra, "too long by this")
                                .suggest(extra, "", "end it there"),
                        );
                        return (Binding::Poisoned, Some(item.text.clone()));
                    }
                    None => unknown_module(rest, at),
                }
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

    fn unknown_item(&self, index: usize, module: &str, item: &tree::Name, here: Location) -> Diagnostic {
        let names = stdlib::names(&self.names.modules[index].tree);
        let message = format!("`{module}` has no declaration `{}`", item.text);
        let found = Diagnostic::error(codes::UNKNOWN_USE, message).label(here, "not found in this module").note(
            if names.is_empty() {
                "it declares nothing".to_owned()
            } else {
                format!("it has {}", listed(names.iter().map(String::as_str)))
            },
        );
        match nearest(&item.text, names.iter().map(String::as_str)) {
            Some(meant) => found.suggest(here, meant, "did you mean this"),
            None => found,
        }
    }

    fn whole_module(&self, index: usize, module: &str, here: Location) -> Diagnostic {
        let names = stdlib::names(&self.names.modules[index].tree);
        let message = format!("`std::{module}` is a module, not a declaration");
        Diagnostic::error(codes::UNKNOWN_USE, message)
            .label(here, "name one of its declarations")
            .note(format!("it has {}", listed(names.iter().map(String::as_str))))
    }
}

/// A path behind `std` that begins with no module.
fn unknown_module(path: &[tree::Name], at: impl Fn(Span) -> Location) -> Diagnostic {
    let modules = || stdlib::MODULES.iter().map(|module| module.name);
    let folder = |name: &str| modules().any(|module| module.split_once("::").is_some_and(|(folder, _)| folder == name));
    // In a folder of modules the part behind its name is the wrong one.
    let parts = if path.len() > 1 && folder(&path[0].text) { 2 } else { 1 };
    let named = &path[..parts];
    let here = at(Span { start: named[0].span.start, end: named[parts - 1].span.end });
    let name = joined(named);
    let found = Diagnostic::error(codes::UNKNOWN_USE, format!("the standard library has no module `{name}`"))
        .label(here, "not found")
        .note(module_list());
    match nearest(&name, modules()) {
        Some(meant) => found.suggest(here, meant, "did you mean this"),
        None => found,
    }
}

/// Names with `::` between them.
fn joined(names: &[tree::Name]) -> String {
    names.iter().map(|name| name.text.as_str()).collect::<Vec<_>>().join("::")
}

/// A path that does not begin with `std`: a misspelt `std`, or a file of the user's own.
fn own_file(first: &tree::Name, alone: bool, whole: Location, here: Location) -> Diagnostic {
    if !alone && nearest(&first.text, ["std"]).is_some() {
        return Diagnostic::error(codes::UNKNOWN_USE, format!("there is no `{}` to use declarations of", first.text))
            .label(here, "expected `std`")
            .suggest(here, "std", "did you mean the standard library");
    }
    Diagnostic::error(codes::UNKNOWN_USE, format!("there is no `{}` to use declarations of", first.text))
        .label(whole, "expected a path that begins with `std`, or a file in quotation marks")
        .note("a declaration of another file is used as in `use \"common.cnas\"::local`")
}

fn unreadable(written: &str, why: &str, here: Location) -> Diagnostic {
    Diagnostic::error(codes::UNREADABLE_FILE, format!("`{written}` can't be used: {why}")).label(here, "not read").note(
        "a path is relative to the file that it is written in, such as `\"common.cnas\"` or `\"../lib/common.cnas\"`",
    )
}

fn module_list() -> String {
    format!("its modules are {}", listed(stdlib::MODULES.iter().map(|module| module.name)))
}

/// Names in backquotes with commas between them.
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// A `use` entry.
struct Used<'t> {
    file: Option<&'t tree::Name>,
    path: &'t Path,
    /// All of it, its word included.
    whole: Span,
}

/// All `use` entries.
fn uses(tree: &tree::File) -> impl Iterator<Item = Used<'_>> {
    tree.items.iter().filter_map(|item| match &item.kind {
        ItemKind::Use { file, path } => Some(Used { file: file.as_ref(), path, whole: item.span }),
        _ => None,
    })
}

/// The files of graphs that a generator names.
fn graphs(item: &tree::Item) -> Vec<String> {
    let ItemKind::Declaration(declaration) = &item.kind else { return Vec::new() };
    if declaration.keyword != Keyword::Generator {
        return Vec::new();
    }
    let graph = |entry: &tree::Entry| match &entry.kind {
        tree::EntryKind::Property { name, value: tree::Expr { kind: tree::ExprKind::Text(text), .. } }
            if name.text == "graph" =>
        {
            Some(text.clone())
        }
        _ => None,
    };
    declaration.entries.iter().filter_map(graph).collect()
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
