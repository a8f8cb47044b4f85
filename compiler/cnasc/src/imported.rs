//! ONNX files on disk → networks, with the files beside them that their constants lie in.

use crate::failure::{Failure, codes};
use cnasc_base::{Code, Diagnostic, Diagnostics};
use cnasc_onnx::import::{External, ImportError, Imported, Lack, Options, import};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

/// The greatest model file, in bytes: no ONNX file can be larger.
const MAX_MODEL: u64 = (1 << 31) - 1;
/// The most elements of all constants: 2 GiB of them.
const MAX_ELEMENTS: u64 = 1 << 29;
/// The most operators that are missing that are told one by one.
const MAX_TOLD: usize = 50;

/// Whether networks of other programs are in it.
#[must_use]
pub fn is_model(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "onnx")
}

/// Reads a model, as hostile input; extents in `shapes` count instead of those that it says or leaves open.
///
/// # Errors
/// Where it can't be read, is not whole, or asks for what is not there.
pub fn read(path: &Path, name: Option<&str>, shapes: BTreeMap<String, Vec<u64>>) -> Result<Imported, Failure> {
    let unreadable = |error| Failure::unreadable(path, &error);
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > MAX_MODEL {
        let message = format!("`{}` has {size} bytes; an ONNX file may have {MAX_MODEL}", path.display());
        return Err(Diagnostic::error(codes::MODEL, message).into());
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let stem = || path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let options = Options { name: name.map_or_else(stem, str::to_owned), shapes, max_elements: MAX_ELEMENTS };
    let folder = folder_of(path);
    import(&bytes, &options, &mut |part| beside(&folder, part)).map_err(|error| failure(path, error))
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// A part of a file in `folder` or below it, links followed; nothing outside is read, whatever a model says.
fn beside(folder: &Path, part: &External<'_>) -> Result<Vec<u8>, String> {
    let said = Path::new(part.location);
    let inside = said.components().all(|one| matches!(one, Component::Normal(_) | Component::CurDir));
    if part.location.is_empty() || !inside {
        return Err("only files in the folder of the model are read".to_owned());
    }
    let unreadable = |error: std::io::Error| format!("it can't be read: {error}");
    let folder = folder.canonicalize().map_err(unreadable)?;
    let path = folder.join(said).canonicalize().map_err(unreadable)?;
    if !path.starts_with(&folder) {
        return Err("only files in the folder of the model are read, and this is a link out of it".to_owned());
    }
    let facts = path.metadata().map_err(unreadable)?;
    if !facts.is_file() {
        return Err("it is no file".to_owned());
    }
    match part.offset.checked_add(part.length) {
        Some(end) if end <= facts.len() => {}
        _ => return Err(format!("it has {} bytes, needed are {} from {} on", facts.len(), part.length, part.offset)),
    }
    let mut file = File::open(&path).map_err(unreadable)?;
    file.seek(SeekFrom::Start(part.offset)).map_err(unreadable)?;
    // No more than the file has, as was checked.
    let mut bytes = Vec::new();
    file.take(part.length).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

fn failure(path: &Path, error: ImportError) -> Failure {
    let one = |code: Code, problem: String| {
        // Of the model as a whole, or of a part of it, which is named first.
        let colon = if problem.starts_with("node `") || problem.starts_with("constant `") { ":" } else { "" };
        Failure::input(Diagnostic::error(code, format!("`{}`{colon} {problem}", path.display())))
    };
    match error {
        ImportError::Malformed(problem) => one(codes::MODEL, problem),
        ImportError::External(problem) => one(codes::BESIDE, format!("needs another file: {problem}")),
        ImportError::TooLarge(problem) => one(codes::MODEL, format!("is too large: {problem}")),
        ImportError::Lacking(lacks) => Failure::input(lacking(path, &lacks)),
    }
}

/// A finding for each operator that is missing.
fn lacking(path: &Path, lacks: &[Lack]) -> Diagnostics {
    let mut found = Diagnostics::default();
    for lack in lacks.iter().take(MAX_TOLD) {
        found.push(Diagnostic::error(codes::LACKS, format!("`{}`: {lack}", path.display())));
    }
    if let Some(more) = lacks.len().checked_sub(MAX_TOLD).filter(|&more| more > 0) {
        let message = format!("`{}`: and {more} nodes more that are not taken in", path.display());
        found.push(Diagnostic::error(codes::LACKS, message));
    }
    found
}
