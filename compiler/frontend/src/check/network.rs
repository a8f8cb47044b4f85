//! `network` declarations: the image and the sections that it passes.

use super::entries::{Body, Slot};
use super::pipeline::Place;
use super::{Checker, Scope};
use crate::{codes, limits};
use cnasc_base::{Diagnostic, Location};
use cnasc_grammar::tree::{self, Arg, EntryKind, ExprKind as Written};
use cnasc_ir::program::{Aggregate, Expr, Network, Section, Type};

/// The numbers of an image.
const IMAGE: [&str; 3] = ["channels", "height", "width"];

/// How far the sections are, which come in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Stem,
    Body,
    Head,
}

/// Sections as far as they are read.
#[derive(Default)]
struct Read {
    sections: Vec<Option<Section>>,
    furthest: Option<(Part, &'static str)>,
    stem: Slot<()>,
    head: Slot<()>,
}

impl<'a> Checker<'a> {
    pub(super) fn network(&mut self, body: &mut Body<'a>) -> Option<Network> {
        let mut input: Slot<Option<[Expr; 3]>> = None;
        let mut read = Read::default();
        let declaration = body.declaration;
        for entry in &declaration.entries {
            match &entry.kind {
                EntryKind::Property { name, value } if name.text == "input" => {
                    let image = self.image(value, &body.scope);
                    self.once(&mut input, image, "input", body.scope.at(entry.span));
                }
                _ => self.section(entry, body, &mut read, true),
            }
        }
        let input = self.required(input, body, "input", "input image(3, 32, 32)");
        if read.sections.is_empty() {
            self.missing(body, "stem`, `body` or `head", "head global_avg -> linear(10)");
        }
        let params = self.params(body.id);
        Some(Network {
            name: declaration.name.text.clone(),
            params: params?,
            input: input?.0?,
            sections: read.sections.into_iter().collect::<Option<_>>()?,
            location: body.name_location(),
        })
    }

    /// Reads a section of a network; `outer` where it is inside no other one.
    fn section(&mut self, entry: &tree::Entry, body: &mut Body<'a>, read: &mut Read, outer: bool) {
        let location = body.scope.at(entry.span);
        let (section, part, word) = match &entry.kind {
            EntryKind::Property { name, value } if matches!(name.text.as_str(), "stem" | "layer" | "head") => {
                let stages = self.pipeline(value, &body.scope, Place::Section);
                let (part, word) = match name.text.as_str() {
                    "stem" => (Part::Stem, "stem"),
                    "head" => (Part::Head, "head"),
                    _ => (Part::Body, "layer"),
                };
                match part {
                    Part::Body => {}
                    _ if !outer => return self.inside(word, location),
                    Part::Stem => self.once(&mut read.stem, (), word, location),
                    Part::Head => self.once(&mut read.head, (), word, location),
                }
                (stages.map(|stages| Section::Pipeline { name: word.to_owned(), stages }), part, word)
            }
            EntryKind::Property { name, value } if name.text == "part" => {
                let network = self.of_type(value, &body.scope, &Type::Network, "a part");
                (network.map(|network| Section::Part { network, location }), Part::Body, "part")
            }
            EntryKind::Property { name, .. } if name.text == "input" && !outer => {
                return self.inside("input", location);
            }
            EntryKind::Body { wiring, block, staging } => {
                let exprs = (wiring, block, staging.as_ref());
                (self.drawn(exprs, &body.scope, location), Part::Body, "body")
            }
            EntryKind::Repeat { count, entries } => {
                let count = self.of_type(count, &body.scope, &Type::Int, "how often sections are repeated");
                let count = count.filter(|count| self.within(count, limits::REPEATS).is_some());
                let sections = self.inner(entries, body);
                let repeat = count.zip(sections);
                (repeat.map(|(count, sections)| Section::Repeat { count, sections, location }), Part::Body, "repeat")
            }
            EntryKind::Residual { entries } => (self.residual(entries, body, location), Part::Body, "residual"),
            EntryKind::Branch { branches, joined } => {
                (self.branches(branches, joined, body, location), Part::Body, "branch")
            }
            EntryKind::Bad => return,
            _ => return self.stranger(body, entry),
        };
        read.sections.push(section);
        match read.furthest {
            Some((before, earlier)) if before > part => self.push(
                Diagnostic::error(codes::SECTION_ORDER, format!("`{word}` stands behind `{earlier}`"))
                    .label(location, format!("belongs before `{earlier}`"))
                    .note("an image passes the sections as they are written: `stem`, then `body` and the like, then `head`"),
            ),
            _ => read.furthest = Some((part, word)),
        }
    }

    fn residual(&mut self, entries: &[tree::Entry], body: &mut Body<'a>, location: Location) -> Option<Section> {
        let sections = self.inner(entries, body)?;
        if entries.is_empty() {
            self.push(
                Diagnostic::error(codes::EMPTY_BRANCHES, "this `residual` does nothing")
                    .label(location, "expected sections between the braces")
                    .note("what they make of the image is added to it"),
            );
            return None;
        }
        let name = "residual".to_owned();
        Some(Section::Branch { name, branches: vec![sections, Vec::new()], joined: Aggregate::Sum, location })
    }

    fn inside(&mut self, word: &str, location: Location) {
        self.push(
            Diagnostic::error(codes::SECTION_ORDER, format!("`{word}` stands inside another section"))
                .label(location, "belongs outside the braces")
                .note("inside `repeat`, `residual` and `branch` operators stand behind `layer`"),
        );
    }

    /// The sections inside braces.
    fn inner(&mut self, entries: &[tree::Entry], body: &mut Body<'a>) -> Option<Vec<Section>> {
        let mut read = Read::default();
        let bad = entries.iter().any(|entry| entry.kind == EntryKind::Bad);
        for entry in entries {
            self.section(entry, body, &mut read, false);
        }
        read.sections.into_iter().collect::<Option<Vec<_>>>().filter(|_| !bad)
    }

    /// `body wiring of block staged staging`
    fn drawn(
        &mut self,
        (wiring, block, staging): (&tree::Expr, &tree::Expr, Option<&tree::Expr>),
        scope: &Scope,
        location: Location,
    ) -> Option<Section> {
        let wiring = self.of_type(wiring, scope, &Type::Generator, "the wiring of a body");
        let block = self.of_type(block, scope, &Type::Block, "what a body is made of");
        let staging = match staging {
            Some(staging) => self.of_type(staging, scope, &Type::Staging, "what stages a body").map(Some),
            None => Some(None),
        };
        let parts = wiring.zip(block).zip(staging);
        parts.map(|((wiring, block), staging)| Section::Body { wiring, block, staging, location })
    }

    fn branches(
        &mut self,
        branches: &[Vec<tree::Entry>],
        joined: &tree::Name,
        body: &mut Body<'a>,
        location: Location,
    ) -> Option<Section> {
        let how = super::pipeline::aggregate(&joined.text);
        if how.is_none() {
            self.unknown_word(&joined.text, body.scope.at(joined.span), "joined by", &super::pipeline::AGGREGATES);
        }
        let empty = branches.iter().filter(|entries| entries.is_empty()).count();
        if empty > 1 {
            self.empty_branches(location);
        }
        let branches: Vec<Option<Vec<Section>>> = branches.iter().map(|entries| self.inner(entries, body)).collect();
        let branches = branches.into_iter().collect::<Option<Vec<_>>>().filter(|_| empty <= 1);
        let parts = branches.zip(how);
        parts.map(|(branches, joined)| Section::Branch { name: "branch".to_owned(), branches, joined, location })
    }

    fn empty_branches(&mut self, location: Location) {
        self.push(
            Diagnostic::error(codes::EMPTY_BRANCHES, "more than one branch does nothing")
                .label(location, "expected sections in all branches but one")
                .note("a branch without sections passes on what it gets, which is of use once"),
        );
    }

    /// `image(channels, height, width)`
    fn image(&mut self, value: &tree::Expr, scope: &Scope) -> Option<[Expr; 3]> {
        let here = scope.at(value.span);
        let args = match &value.kind {
            Written::Call { callee, args } if matches!(callee.segments.as_slice(), [name] if name.text == "image") => {
                args
            }
            Written::Bad => return None,
            _ => {
                let word = match &value.kind {
                    Written::Path(path) | Written::Call { callee: path, .. } => path.segments.first(),
                    _ => None,
                };
                let word = word.filter(|word| word.text != "image");
                let place = word.map_or(here, |word| scope.at(word.span));
                self.unknown_word(
                    word.map_or("", |word| word.text.as_str()),
                    place,
                    "input",
                    &["image(channels, height, width)"],
                );
                return None;
            }
        };
        let mut extents: [Option<Expr>; 3] = [None, None, None];
        let mut whole = true;
        for (index, arg) in args.iter().enumerate() {
            whole &= self.extent(index, arg, scope, &mut extents).is_some();
        }
        let missing: Vec<&str> =
            IMAGE.iter().zip(&extents).filter(|(_, extent)| extent.is_none()).map(|(name, _)| *name).collect();
        if whole && !missing.is_empty() {
            let names = crate::resolve::listed(missing);
            self.push(
                Diagnostic::error(codes::MISSING_ARGUMENT, format!("`image` needs {names}"))
                    .label(here, "not given here")
                    .note("an image is `image(channels, height, width)`"),
            );
        }
        let [Some(channels), Some(height), Some(width)] = extents else { return None };
        whole.then_some([channels, height, width])
    }

    fn extent(&mut self, index: usize, arg: &Arg, scope: &Scope, extents: &mut [Option<Expr>; 3]) -> Option<()> {
        let place = match &arg.name {
            Some(name) => IMAGE.iter().position(|known| *known == name.text),
            None => Some(index),
        };
        let Some(slot) = place.and_then(|place| extents.get_mut(place)) else {
            let found = match &arg.name {
                Some(name) => {
                    let message = format!("`image` has no parameter `{}`", name.text);
                    let here = scope.at(name.span);
                    let found = Diagnostic::error(codes::UNKNOWN_PARAMETER, message).label(here, "not a parameter");
                    match crate::nearest::nearest(&name.text, IMAGE) {
                        Some(meant) => found.suggest(here, meant, "did you mean this"),
                        None => found,
                    }
                }
                None => Diagnostic::error(codes::TOO_MANY_ARGUMENTS, "`image` is given too many arguments")
                    .label(scope.at(arg.value.span), "one too many"),
            };
            self.push(found.note("an image is `image(channels, height, width)`"));
            return None;
        };
        let what = IMAGE[place.unwrap_or(0)];
        if let Some(first) = slot {
            let found = Diagnostic::error(codes::DUPLICATE_ARGUMENT, format!("`{what}` of `image` is given twice"));
            let found = found.label(scope.at(arg.value.span), "the second one").label(first.location, "the first one");
            self.push(found);
            return None;
        }
        let expr = self.of_type(&arg.value, scope, &Type::Int, &format!("`{what}` of `image`"))?;
        self.within(&expr, limits::EXTENT)?;
        *slot = Some(expr);
        Some(())
    }
}
