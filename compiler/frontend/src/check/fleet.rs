//! `fleet` declarations, evaluated to devices and the links between them.

use super::entries::{Body, Slot};
use super::{Checker, Scope};
use crate::resolve::{Binding, Kind, listed};
use crate::units::{RATE, TIME};
use crate::{codes, limits, nearest, types};
use cnasc_base::{Diagnostic, Location};
use cnasc_grammar::tree::{self, EntryKind, Name};
use cnasc_ir::fleet::{Device, Fleet, Link, Precision};
use cnasc_ir::program::{Dimension, Type};
use std::collections::BTreeMap;

/// A `node` entry.
struct Group<'t> {
    name: &'t str,
    location: Location,
    entry: Location,
    /// How many devices; none where that was reported.
    count: Option<usize>,
    device: Option<Device>,
}

/// A `link` entry between two groups, by their places.
struct Joined {
    ends: (usize, usize),
    link: Option<Link>,
}

impl<'a> Checker<'a> {
    pub(super) fn fleet(&mut self, body: &mut Body<'a>) -> Option<Fleet> {
        let mut groups: Vec<Group<'a>> = Vec::new();
        let mut transfer: Slot<Option<Precision>> = None;
        let declaration = body.declaration;
        for entry in &declaration.entries {
            match &entry.kind {
                EntryKind::Node { name, count, device } => {
                    let location = body.scope.at(entry.span);
                    let group = self.group(name, count.as_ref(), device, body, location);
                    self.add_group(&mut groups, group);
                    if groups.len() > cnasc_ir::fleet::MAX_DEVICES {
                        // More are counted by nobody: the fleet is too large already.
                        body.broken = true;
                        break;
                    }
                }
                EntryKind::Property { name, value } if name.text == "transfer" => {
                    let location = body.scope.at(entry.span);
                    let checked = self.precision(value, &body.scope);
                    self.once(&mut transfer, checked, "transfer", location);
                }
                EntryKind::Link { .. } | EntryKind::Bad => {}
                _ => self.stranger(body, entry),
            }
        }
        let mut links: Vec<Joined> = Vec::new();
        let mut given: BTreeMap<(usize, usize), Location> = BTreeMap::new();
        let mut whole = true;
        for entry in &declaration.entries {
            if let EntryKind::Link { from, to, figures } = &entry.kind {
                let location = body.scope.at(entry.span);
                let link = self.figures(figures, &body.scope, location);
                match self.ends(from, to, &groups, body) {
                    Some(ends) => {
                        self.pair(&mut given, ends, &groups, location);
                        links.push(Joined { ends, link });
                    }
                    None => whole = false,
                }
            }
        }
        if groups.is_empty() {
            self.missing(body, "node", "node pi[4]: rpi4");
            return None;
        }
        let known = groups.iter().all(|group| group.count.is_some() && group.device.is_some());
        if whole && known && !body.broken {
            self.reach(&groups, &links, body);
        }
        let transfer = transfer.map_or(Some(Precision::F32), |transfer| transfer.0)?;
        Some(Fleet { transfer, ..self.assemble(&groups, &links, body)? })
    }

    /// In which precision tensors travel.
    fn precision(&mut self, value: &tree::Expr, scope: &Scope) -> Option<Precision> {
        match self.word(value, scope, "transfer", &["f32", "f16"])? {
            "f16" => Some(Precision::F16),
            _ => Some(Precision::F32),
        }
    }

    fn group<'t>(
        &mut self,
        name: &'t Name,
        count: Option<&tree::Expr>,
        device: &tree::Expr,
        body: &Body<'_>,
        entry: Location,
    ) -> Group<'t> {
        let count = match count {
            None => Some(1),
            Some(count) => {
                let count = self.count(count, &body.scope, limits::DEVICES, "the number of devices");
                count.and_then(|count| usize::try_from(count).ok())
            }
        };
        let id = self.item_of(device, &body.scope, Kind::Device, "node");
        let device = id.and_then(|id| self.devices.get(self.names.item(id).number).cloned().flatten());
        Group { name: &name.text, location: body.scope.at(name.span), entry, count, device }
    }

    fn add_group<'t>(&mut self, groups: &mut Vec<Group<'t>>, group: Group<'t>) {
        if let Some(first) = groups.iter().find(|known| known.name == group.name) {
            let found =
                Diagnostic::error(codes::DUPLICATE_NAME, format!("two groups of nodes are called `{}`", group.name))
                    .label(group.location, "the second one")
                    .label(first.location, "the first one")
                    .note("give a group its number of devices in brackets, as in `node pi[4]: rpi4`");
            self.push(found);
            return;
        }
        groups.push(group);
    }

    /// The declared link that the figures name, if they do.
    fn named_link(&mut self, figures: &[tree::Expr], scope: &Scope) -> Option<Option<Link>> {
        let [tree::Expr { kind: tree::ExprKind::Path(path), .. }] = figures else { return None };
        let [name] = path.segments.as_slice() else { return None };
        match self.names.modules[scope.module].scope.get(&name.text) {
            Some(Binding::Item(id)) if self.names.item(*id).kind == Kind::Link => {
                self.used.insert((scope.module, name.text.clone()));
                Some(self.links.get(self.names.item(*id).number).copied().flatten())
            }
            _ => None,
        }
    }

    /// Rate and latency of a link, told apart by their units, or those of the link that is named.
    pub(super) fn figures(&mut self, figures: &[tree::Expr], scope: &Scope, entry: Location) -> Option<Link> {
        if let Some(link) = self.named_link(figures, scope) {
            return link;
        }
        let (mut rate, mut latency): (Slot<f64>, Slot<f64>) = (None, None);
        let mut whole = true;
        for figure in figures {
            let here = scope.at(figure.span);
            let Some((of, value)) = self.link_figure(figure, scope) else {
                whole = false;
                continue;
            };
            let slot = if of == RATE { &mut rate } else { &mut latency };
            let Some((_, first)) = *slot else {
                *slot = Some((value, here));
                continue;
            };
            whole = false;
            let what = if of == RATE { "rate" } else { "latency" };
            self.push(
                Diagnostic::error(codes::LINK_FIGURES, format!("this link has two figures of its {what}"))
                    .label(here, "the second one")
                    .label(first, "the first one"),
            );
        }
        if !whole {
            return None;
        }
        let (missing, example) = match (rate, latency) {
            (Some((rate, _)), Some((latency, _))) => return Some(Link { rate, latency }),
            (None, _) => ("rate", "1 Gbit/s"),
            (_, None) => ("latency", "200 us"),
        };
        let end = Location { start: entry.end, ..entry };
        self.push(
            Diagnostic::error(codes::LINK_FIGURES, format!("this link has no {missing}"))
                .label(entry, format!("expected a {missing} such as `{example}`"))
                .note("both decide how long a tensor travels: latency, then its bits at the rate")
                .suggest(end, format!(", {example}"), "add it, for example"),
        );
        None
    }

    /// A link's rate or latency, by its dimension.
    fn link_figure(&mut self, figure: &tree::Expr, scope: &Scope) -> Option<(Dimension, f64)> {
        let here = scope.at(figure.span);
        let typed = self.value(figure, scope)?;
        let value = self.constant(&typed.expr).flatten().and_then(|value| value.number());
        let (of, what, least) = match typed.ty {
            Type::Real(RATE) => (RATE, "a link's rate must be above 0", f64::MIN_POSITIVE),
            Type::Real(TIME) => (TIME, "a link's latency must be at least 0", 0.0),
            other => {
                let is = types::describe(&other);
                self.push(
                    Diagnostic::error(codes::WRONG_UNIT, format!("a link has a rate and a latency, found {is}"))
                        .label(here, format!("this is {is}"))
                        .note("a rate is written like `1 Gbit/s`, a latency like `200 us`"),
                );
                return None;
            }
        };
        let value = value?;
        if value < least {
            self.push(Diagnostic::error(codes::LIMIT, what).label(here, "too small"));
            return None;
        }
        Some((of, value))
    }

    fn ends(&mut self, from: &Name, to: &Name, groups: &[Group<'_>], body: &Body<'_>) -> Option<(usize, usize)> {
        let place = |name: &Name| groups.iter().position(|group| group.name == name.text);
        let (at_from, at_to) = (body.scope.at(from.span), body.scope.at(to.span));
        if from.text == to.text && place(from).is_none() {
            // A link from an unknown group to itself is one mistake.
            self.unknown_group(from, groups, body, Location { end: at_to.end, ..at_from }, |meant| {
                format!("{meant} <-> {meant}")
            });
            return None;
        }
        for (name, location) in [(from, at_from), (to, at_to)] {
            if place(name).is_none() {
                self.unknown_group(name, groups, body, location, str::to_owned);
            }
        }
        place(from).zip(place(to))
    }

    fn unknown_group(
        &mut self,
        name: &Name,
        groups: &[Group<'_>],
        body: &Body<'_>,
        here: Location,
        instead: fn(&str) -> String,
    ) {
        if body.broken {
            return;
        }
        let names = groups.iter().map(|group| group.name);
        let found = Diagnostic::error(codes::UNKNOWN_GROUP, format!("this fleet has no nodes `{}`", name.text))
            .label(here, "not a group of nodes")
            .note(format!("its groups are {}", listed(names.clone())));
        self.push(match nearest::nearest(&name.text, names) {
            Some(meant) => found.suggest(here, instead(meant), "did you mean this"),
            None => found,
        });
    }

    /// Reports a link that joins nothing, or what is joined already.
    fn pair(
        &mut self,
        given: &mut BTreeMap<(usize, usize), Location>,
        (from, to): (usize, usize),
        groups: &[Group<'_>],
        location: Location,
    ) {
        if from == to && groups[from].count == Some(1) {
            let name = groups[from].name;
            self.push(
                Diagnostic::error(codes::DUPLICATE_LINK, format!("`{name}` is one device and needs no link to itself"))
                    .label(location, "joins nothing")
                    .label(groups[from].entry, "one device")
                    .suggest(location, "", "leave it out"),
            );
            return;
        }
        let pair = (from.min(to), from.max(to));
        if let Some(first) = given.get(&pair) {
            let message = format!("`{}` and `{}` are joined twice", groups[from].name, groups[to].name);
            self.push(
                Diagnostic::error(codes::DUPLICATE_LINK, message)
                    .label(location, "the second link")
                    .label(*first, "the first link")
                    .note("a link goes both ways and joins every device of one group to every one of the other")
                    .suggest(location, "", "leave one out"),
            );
            return;
        }
        given.insert(pair, location);
    }

    /// Reports groups that no way leads to from the first one.
    fn reach(&mut self, groups: &[Group<'_>], links: &[Joined], body: &Body<'_>) {
        let mut component: Vec<usize> = (0..groups.len()).collect();
        for Joined { ends: (from, to), .. } in links {
            let (keep, merge) = (component[*from].min(component[*to]), component[*from].max(component[*to]));
            component.iter_mut().filter(|place| **place == merge).for_each(|place| *place = keep);
        }
        for (index, group) in groups.iter().enumerate() {
            let alone = component[index] == index;
            // Several devices without any link at all do not reach each other.
            let apart = group.count != Some(1)
                && !links.iter().any(|Joined { ends: (from, to), .. }| *from == index || *to == index);
            let (message, link) = if apart {
                let count = group.count.unwrap_or_default();
                (
                    format!("the {count} devices of `{}` are not joined", group.name),
                    format!("link {0} <-> {0}", group.name),
                )
            } else if alone && index > 0 {
                let first = groups[0].name;
                (format!("no way leads from `{first}` to `{}`", group.name), format!("link {first} <-> {}", group.name))
            } else {
                continue;
            };
            let end = group.entry.end;
            self.push(
                Diagnostic::error(codes::UNREACHABLE, message)
                    .label(group.entry, "cannot be reached")
                    .label(body.name_location(), "in this fleet")
                    .note("every device must be reached over links, if need be by way of others")
                    .suggest(
                        Location { start: end, end, ..group.entry },
                        format!("\n    {link}: 1 Gbit/s, 200 us"),
                        "join them, for example",
                    ),
            );
        }
    }

    fn assemble(&mut self, groups: &[Group<'_>], links: &[Joined], body: &Body<'_>) -> Option<Fleet> {
        let counts: Vec<usize> = groups.iter().map(|group| group.count).collect::<Option<_>>()?;
        let total: usize = counts.iter().sum();
        if total > cnasc_ir::fleet::MAX_DEVICES {
            let limits::Limit { what, least, most } = limits::DEVICES;
            let found = Diagnostic::error(codes::LIMIT, format!("{what} is {least} to {most}, these are {total}"));
            self.push(found.label(body.name_location(), "too many"));
            return None;
        }
        let mut devices = Vec::with_capacity(total);
        let mut group_of = Vec::with_capacity(total);
        for (index, (group, count)) in groups.iter().zip(&counts).enumerate() {
            for number in 0..*count {
                let name = if *count == 1 { group.name.to_owned() } else { format!("{}[{number}]", group.name) };
                devices.push(Device { name, ..group.device.clone()? });
                group_of.push(index);
            }
        }
        let mut table = vec![vec![None; total]; total];
        let mut joined: BTreeMap<(usize, usize), Link> = BTreeMap::new();
        for Joined { ends: (from, to), link } in links {
            joined.insert((*from.min(to), *from.max(to)), (*link)?);
        }
        for (a, row) in table.iter_mut().enumerate() {
            for (b, cell) in row.iter_mut().enumerate().filter(|(b, _)| *b != a) {
                let groups = (group_of[a].min(group_of[b]), group_of[a].max(group_of[b]));
                *cell = joined.get(&groups).copied();
            }
        }
        Some(Fleet { name: body.declaration.name.text.clone(), devices, links: table, transfer: Precision::F32 })
    }
}
