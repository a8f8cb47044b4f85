//! From the words of the command line to networks and fleets: which file, which item of it, which draw, which devices.

use crate::Session;
use crate::cli::DrawArgs;
use crate::failure::{Failure, codes};
use crate::{imported, pipeline};
use cnasc_base::{Diagnostic, FileId};
use cnasc_expand::space::{self, Setting};
use cnasc_ir::program::{Make, NetworkId, Search};
use cnasc_ir::score::Scoring;
use cnasc_ir::{Architecture, Fleet, Program};
use cnasc_search::Proposal;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The greatest architecture or fleet file, in bytes.
const MAX_JSON: u64 = 256 << 20;

/// Networks that a file gives, and the program that they were drawn from, if they were.
#[derive(Debug)]
pub struct Loaded {
    /// At least one.
    pub architectures: Vec<Architecture>,
    /// Of a source file.
    pub program: Option<Program>,
    /// The fleet of the search that was drawn from.
    pub fleet: Option<Fleet>,
    /// How scores are made: as the search has it that was drawn from.
    pub score: Scoring,
}

/// Reads an architecture file, or draws `count` networks from a source file.
///
/// # Errors
/// Where the file is neither, or wrong, or `draw` does not fit it.
pub fn load(session: &mut Session, path: &Path, draw: &DrawArgs, count: u64) -> Result<Loaded, Failure> {
    let started = Instant::now();
    let loaded = read(session, path, draw, count)?;
    let count = loaded.architectures.len();
    session.output.detail(&format!("`{}`: {count} networks in {:.1?}", path.display(), started.elapsed()));
    Ok(loaded)
}

fn read(session: &mut Session, path: &Path, draw: &DrawArgs, count: u64) -> Result<Loaded, Failure> {
    if pipeline::is_source(path) {
        return draw_from(session, path, draw, count);
    }
    if draw.is_given() {
        let message = format!("`{}` is an architecture: there is nothing to draw", path.display());
        let note = "--item, --set, --seed and --edit choose a draw from a source file (.cnas)";
        return Err(Failure::usage(Diagnostic::error(codes::ITEM, message).note(note)));
    }
    if imported::is_model(path) {
        let message = format!("`{}` is a model of another program, no architecture", path.display());
        let note = format!("`cnasc import {}` makes an architecture of it, with its weights", path.display());
        return Err(Failure::input(Diagnostic::error(codes::FORM, message).note(note)));
    }
    let text = read_json(path)?;
    let architecture = Architecture::from_json(&text)
        .map_err(|error| Failure::input(Diagnostic::error(codes::FORM, format!("`{}`: {error}", path.display()))))?;
    Ok(Loaded { architectures: vec![architecture], program: None, fleet: None, score: Scoring::default() })
}

/// The same where exactly one network is meant.
///
/// # Errors
/// As [`load`].
pub fn load_one(session: &mut Session, path: &Path, draw: &DrawArgs) -> Result<(Architecture, Loaded), Failure> {
    let mut loaded = load(session, path, draw, 1)?;
    let architecture = loaded.architectures.pop().expect("one network was asked for");
    Ok((architecture, loaded))
}

fn draw_from(session: &mut Session, path: &Path, draw: &DrawArgs, count: u64) -> Result<Loaded, Failure> {
    let (program, file) = pipeline::check(&mut session.sources, path)?;
    let named = path.to_str().and_then(cnasc_frontend::library).map(|library| library.item);
    let item = Item::find(&program, file, draw.item.as_deref().or(named), path)?;
    let first = draw.seed.unwrap_or_else(|| item.seed());
    let (fleet, score) = (item.fleet(&program), item.score());
    let (program, over, settings) = match item {
        Item::Search(search) => {
            let settings = settings(&program, &search.over, &draw.set)?;
            let over = search.over.clone();
            (program, over, settings)
        }
        Item::Network(id) => {
            let (program, over) = with_arguments(session, &program, id, path, &draw.set)?;
            (program, over, BTreeMap::new())
        }
    };
    let mut architectures = Vec::new();
    for offset in 0..count {
        let seed = first.wrapping_add(offset);
        let proposal = Proposal { index: offset, seed, settings: settings.clone(), edits: draw.edits.clone() };
        architectures.push(proposal.draw(&program, &over)?.architecture);
    }
    Ok(Loaded { architectures, program: Some(program), fleet, score })
}

/// A network with the arguments that `--set` gives it and its defaults for the others.
///
/// Arguments are source text and may be domains, so they are read by the front end: as a search that is added to the program.
fn with_arguments(
    session: &mut Session,
    program: &Program,
    id: NetworkId,
    path: &Path,
    set: &[String],
) -> Result<(Program, Make), Failure> {
    let network = &program.networks[id.index()];
    let mut given = BTreeMap::new();
    for setting in set {
        let (name, value) = split(setting)?;
        if !network.params.iter().any(|param| param.name == name) {
            let names: Vec<&str> = network.params.iter().map(|param| param.name.as_str()).collect();
            let message = format!("`--set {setting}`: network `{}` has no parameter `{name}`", network.name);
            return Err(Diagnostic::error(codes::SET, message).note(list("it has", &names)).into());
        }
        given.insert(name, value);
    }
    if let Some(param) =
        network.params.iter().find(|param| param.default.is_none() && !given.contains_key(param.name.as_str()))
    {
        let message = format!("network `{}` needs a value for `{}`", network.name, param.name);
        return Err(Diagnostic::error(codes::SET, message)
            .note(format!("give one by --set '{}=…'", param.name))
            .into());
    }
    let arguments: Vec<String> = given.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let text = session.sources.text(network.location.file);
    // Names that no program can have used: `cnasc` refuses none, so they are made as unlikely as can be.
    let text = format!(
        "{text}\n\ndevice set_by_command_line {{\n    compute 1 GFLOP/s\n    memory  1 GiB\n    cores   1\n}}\n\n\
         fleet given_by_command_line {{\n    node one: set_by_command_line\n}}\n\n\
         search drawn_by_command_line {{\n    over {}({})\n    on given_by_command_line\n    minimize nodes\n    budget 1 candidates\n}}\n",
        network.name,
        arguments.join(", "),
    );
    let program = with_library(session, &path.display().to_string(), text)?;
    let over =
        program.searches.iter().find(|search| search.name == "drawn_by_command_line").map(|search| search.over.clone());
    let over =
        over.ok_or_else(|| Diagnostic::error(codes::SET, "the values of --set end the search that reads them"))?;
    Ok((program, over))
}

/// Compiles `text`, bringing in what it names of the standard library: the command line has no place for a `use`.
fn with_library(session: &mut Session, name: &str, text: String) -> Result<Program, Failure> {
    let mut text = text;
    loop {
        let file = session.sources.add(name, text.as_str());
        let (program, diagnostics) = pipeline::compile_source(&mut session.sources, file);
        if let Some(program) = program {
            return Ok(program);
        }
        let suggested = diagnostics.iter().filter_map(|found| found.suggestion.as_ref());
        let missing = suggested.filter(|suggestion| suggestion.location.file == file).find(|suggestion| {
            let (used, at) = (&suggestion.replacement, suggestion.location);
            used.starts_with("use std::") && at.start == at.end && !text.contains(used.as_str())
        });
        let Some(missing) = missing else { return Err(Failure::input(diagnostics)) };
        text.insert_str(missing.location.start as usize, &missing.replacement);
    }
}

/// `NAME=VALUE`.
fn split(setting: &str) -> Result<(&str, &str), Diagnostic> {
    let parts = setting.split_once('=').map(|(name, value)| (name.trim(), value.trim()));
    parts.ok_or_else(|| Diagnostic::error(codes::SET, format!("`--set {setting}` is not NAME=VALUE")))
}

/// `it has `a`, `b``, or that it has none.
fn list(begin: &str, names: &[&str]) -> String {
    if names.is_empty() { format!("{begin} none") } else { format!("{begin} `{}`", names.join("`, `")) }
}

/// A declaration that networks can be drawn from.
enum Item<'a> {
    Search(&'a Search),
    Network(NetworkId),
}

impl<'a> Item<'a> {
    /// The item called `name`; without a name the only search, or else the only network.
    fn find(program: &'a Program, file: FileId, name: Option<&str>, path: &Path) -> Result<Self, Diagnostic> {
        let searches = program.searches.iter().map(|search| (search.name.as_str(), Item::Search(search)));
        let networks = program
            .networks
            .iter()
            .enumerate()
            .filter(|(_, network)| network.location.file == file)
            .map(|(index, network)| (network.name.as_str(), Item::Network(NetworkId::new(index))));
        let mut all: Vec<(&str, Item<'a>)> = searches.chain(networks).collect();
        let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        if let Some(name) = name {
            let place = names.iter().position(|other| *other == name);
            return place.map(|place| all.swap_remove(place).1).ok_or_else(|| {
                let message = format!("`{}` has no search or network called `{name}`", path.display());
                Diagnostic::error(codes::ITEM, message).note(list("it has", &names))
            });
        }
        let only = if program.searches.len() == 1 || all.len() == 1 { Some(0) } else { None };
        only.map(|place| all.swap_remove(place).1).ok_or_else(|| {
            let message = if all.is_empty() {
                format!("`{}` declares no search and no network", path.display())
            } else {
                format!("`{}` declares several networks: name one by --item", path.display())
            };
            Diagnostic::error(codes::ITEM, message).note(list("it has", &names))
        })
    }

    fn seed(&self) -> u64 {
        match self {
            Self::Search(search) => search.seed,
            Self::Network(_) => 0,
        }
    }

    fn score(&self) -> Scoring {
        match self {
            Self::Search(search) => search.score,
            Self::Network(_) => Scoring::default(),
        }
    }

    fn fleet(&self, program: &Program) -> Option<Fleet> {
        match self {
            Self::Search(search) => Some(program.fleets[search.on.index()].clone()),
            Self::Network(_) => None,
        }
    }
}

/// `--set name=value`, read as each variable's domain has it; the last of several for one variable counts.
fn settings(program: &Program, over: &Make, set: &[String]) -> Result<BTreeMap<String, Setting>, Diagnostic> {
    let variables = space::variables(program, over);
    let mut settings = BTreeMap::new();
    for setting in set {
        let (name, value) = split(setting)?;
        let Some(variable) = variables.iter().find(|variable| variable.name == name) else {
            let names: Vec<&str> = variables.iter().map(|variable| variable.name.as_str()).collect();
            let message = format!("`--set {setting}`: the search has no variable `{name}`");
            return Err(Diagnostic::error(codes::SET, message).note(list("it has", &names)));
        };
        settings.insert(variable.name.clone(), variable.read(value)?);
    }
    Ok(settings)
}

/// The fleet that `--fleet` names, or else the one of the search that was drawn from.
///
/// # Errors
/// Where there is neither, or no such fleet.
pub fn fleet_for(session: &mut Session, named: Option<&str>, loaded: &Loaded) -> Result<Fleet, Failure> {
    match (named, &loaded.fleet) {
        (Some(name), _) => named_fleet(session, name, loaded.program.as_ref()),
        (None, Some(fleet)) => Ok(fleet.clone()),
        (None, None) => {
            Err(Failure::usage(Diagnostic::error(codes::FLEET, "on which fleet? name one by --fleet".to_owned())))
        }
    }
}

/// What `cnasc fleet profile` measured, in the folder of a fleet's coordinator.
pub const MEASURED: &str = "measured.json";

/// The file of what was measured of the fleet of several machines in this folder, where that was done.
#[must_use]
pub fn measured(folder: &Path) -> Option<PathBuf> {
    let files = [folder.join("coordinator").join(MEASURED), folder.join(MEASURED)];
    files.into_iter().find(|file| file.is_file())
}

/// The fleet that `--fleet` names: one of the program at hand, `FILE.cnas`, `FILE.cnas:NAME`, a fleet in JSON, or the folder of a fleet
/// of several machines that was measured.
///
/// # Errors
/// Where there is none, with those that there are.
pub fn named_fleet(session: &mut Session, name: &str, program: Option<&Program>) -> Result<Fleet, Failure> {
    if let Some(fleet) = program.and_then(|program| program.fleets.iter().find(|fleet| fleet.name == name)) {
        return Ok(fleet.clone());
    }
    let (file, item) = match name.rsplit_once(".cnas:") {
        Some((stem, item)) => (format!("{stem}.cnas"), Some(item)),
        None => (name.to_owned(), None),
    };
    let file = measured(Path::new(&file)).map_or(file, |measured| measured.display().to_string());
    let path = Path::new(&file);
    if file.ends_with(".cnas") {
        let (program, _) = pipeline::check(&mut session.sources, path)?;
        return pick_fleet(&program, item, &file).map_err(Failure::from);
    }
    if file.ends_with(".json") {
        let wrong = |problem: String| {
            Failure::input(Diagnostic::error(codes::FORM, format!("`{file}` is no fleet: {problem}")))
        };
        let fleet: Fleet = serde_json::from_str(&read_json(path)?).map_err(|error| wrong(error.to_string()))?;
        fleet.verify().map_err(wrong)?;
        return Ok(fleet);
    }
    let known: Vec<&str> =
        program.map_or_else(Vec::new, |program| program.fleets.iter().map(|fleet| fleet.name.as_str()).collect());
    let note = match known.as_slice() {
        [] if Path::new(name).is_dir() => "`cnasc fleet profile DIR` measures a fleet of several machines".to_owned(),
        [] => "name a source file that declares one: FILE.cnas or FILE.cnas:NAME".to_owned(),
        known => format!("the file declares `{}`", known.join("`, `")),
    };
    Err(Failure::usage(Diagnostic::error(codes::FLEET, format!("there is no fleet `{name}`")).note(note)))
}

fn pick_fleet(program: &Program, item: Option<&str>, file: &str) -> Result<Fleet, Diagnostic> {
    let names: Vec<&str> = program.fleets.iter().map(|fleet| fleet.name.as_str()).collect();
    let found = match item {
        Some(item) => program.fleets.iter().find(|fleet| fleet.name == item),
        None if program.fleets.len() == 1 => program.fleets.first(),
        None => None,
    };
    found.cloned().ok_or_else(|| {
        let message = match item {
            Some(item) => format!("`{file}` declares no fleet `{item}`"),
            None => format!("`{file}` declares {} fleets: name one as {file}:NAME", names.len()),
        };
        Diagnostic::error(codes::FLEET, message).note(format!("it has `{}`", names.join("`, `")))
    })
}

/// `count` equal devices of this machine, as threads of this process.
///
/// # Errors
/// None that a user can cause: the declaration compiled here is part of the program.
pub fn local_fleet(session: &mut Session, count: u32) -> Result<Fleet, Failure> {
    // The link is memory: a copy at a few GB/s, after a thread has been woken.
    let link = if count > 1 { "link core <-> core: 40 Gbit/s, 20 us" } else { "" };
    declared_fleet(
        session,
        &format!("use std::devices::x86_core\n\nfleet local {{\n    node core[{count}]: x86_core\n    {link}\n}}\n"),
    )
}

/// `count` equal small boards on one switch, the fleet that scores are about where none is named.
///
/// # Errors
/// None that a user can cause.
pub fn small_boards(session: &mut Session, count: u32) -> Result<Fleet, Failure> {
    let link = if count > 1 { "link pi <-> pi: 1 Gbit/s, 200 us" } else { "" };
    declared_fleet(
        session,
        &format!("use std::devices::rpi4\n\nfleet boards {{\n    node pi[{count}]: rpi4\n    {link}\n}}\n"),
    )
}

/// The program of a text, which diagnostics call `name`.
///
/// # Errors
/// Where the text is wrong.
pub fn declared(session: &mut Session, name: &str, text: &str) -> Result<Program, Failure> {
    let file = session.sources.add(name, text);
    let (program, diagnostics) = pipeline::compile_source(&mut session.sources, file);
    program.ok_or_else(|| Failure::input(diagnostics))
}

/// A fleet declared in the language, so that the figures of devices come from the standard library alone.
fn declared_fleet(session: &mut Session, text: &str) -> Result<Fleet, Failure> {
    let fleets = declared(session, "<fleet>", text)?.fleets;
    Ok(fleets.into_iter().next().expect("both texts above declare one"))
}

/// A JSON file of bounded size.
fn read_json(path: &Path) -> Result<String, Failure> {
    let unreadable = |error: std::io::Error| Failure::unreadable(path, &error);
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > MAX_JSON {
        let message = format!("`{}` has {size} bytes; such a file may have {MAX_JSON}", path.display());
        return Err(Failure::input(Diagnostic::error(codes::FORM, message)));
    }
    std::fs::read_to_string(path).map_err(unreadable)
}
