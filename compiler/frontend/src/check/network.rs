//! `network` declarations: the image and the sections that it passes.

use super::entries::{Body, Slot};
use super::pipeline::Place;
use super::{Checker, Scope};
use crate::{codes, limits};
use cnasc_base::Diagnostic;
use cnasc_grammar::tree::{self, Arg, EntryKind, ExprKind as Written};
use cnasc_ir::program::{Expr, Network, Section, Type};

/// The numbers of an image.
const IMAGE: [&str; 3] = ["channels", "height", "width"];

/// How far the sections are, which come in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Stem,
    Body,
    Head,
}

impl<'a> Checker<'a> {
    pub(super) fn network(&mut self, body: &mut Body<'a>) -> Option<Network> {
        let mut input: Slot<Option<[Expr; 3]>> = None;
        let (mut stem, mut head): (Slot<()>, Slot<()>) = (None, None);
        let mut sections: Vec<Option<Section>> = Vec::new();
        let mut furthest: Option<(Part, &str)> = None;
        let declaration = body.declaration;
        for entry in &declaration.entries {
            let location = body.scope.at(entry.span);
            let (part, word) = match &entry.kind {
                EntryKind::Property { name, value } if name.text == "input" => {
                    let image = self.image(value, &body.scope);
                    self.once(&mut input, image, "input", location);
                    continue;
                }
                EntryKind::Property { name, value } if name.text == "stem" || name.text == "head" => {
                    let stages = self.pipeline(value, &body.scope, Place::Section);
                    let (slot, part, word) = if name.text == "stem" {
                        (&mut stem, Part::Stem, "stem")
                    } else {
                        (&mut head, Part::Head, "head")
                    };
                    self.once(slot, (), word, location);
                    sections.push(stages.map(|stages| Section::Pipeline { name: word.to_owned(), stages }));
                    (part, word)
                }
                EntryKind::Body { wiring, block, staging } => {
                    let scope = &body.scope;
                    let wiring = self.of_type(wiring, scope, &Type::Generator, "the wiring of a body");
                    let block = self.of_type(block, scope, &Type::Block, "what a body is made of");
                    let staging = match staging {
                        Some(staging) => self.of_type(staging, scope, &Type::Staging, "what stages a body").map(Some),
                        None => Some(None),
                    };
                    let parts = wiring.zip(block).zip(staging);
                    sections.push(parts.map(|((wiring, block), staging)| Section::Body {
                        wiring,
                        block,
                        staging,
                        location,
                    }));
                    (Part::Body, "body")
                }
                EntryKind::Bad => continue,
                _ => {
                    self.stranger(body, entry);
                    continue;
                }
            };
            match furthest {
                Some((before, earlier)) if before > part => self.push(
                    Diagnostic::error(codes::SECTION_ORDER, format!("`{word}` stands behind `{earlier}`"))
                        .label(location, format!("belongs before `{earlier}`"))
                        .note("an image passes the sections as they are written: `stem`, then `body`, then `head`"),
                ),
                _ => furthest = Some((part, word)),
            }
        }
        let input = self.required(input, body, "input", "input image(3, 32, 32)");
        if sections.is_empty() {
            self.missing(body, "stem`, `body` or `head", "head global_avg -> linear(10)");
        }
        let params = self.params(body.id);
        Some(Network {
            name: declaration.name.text.clone(),
            params: params?,
            input: input?.0?,
            sections: sections.into_iter().collect::<Option<_>>()?,
            location: body.name_location(),
        })
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
