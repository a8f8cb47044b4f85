//! What `cnasc tune` found out about kernels, in a file for each model of CPU in the user's cache folder; every command uses it, unless `--no-tuning` is given.

use crate::failure::{Failure, codes};
use crate::output::{make_folder, write_file};
use crate::{Session, machine};
use cnasc_base::{Diagnostic, Diagnostics};
use cnasc_kernels::micro::Isa;
use cnasc_kernels::tuning::{self, Tuned, Tuning};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Of the file; another program's is not read.
const FORMAT: u32 = 1;

/// The file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    format: u32,
    /// For people: the file's name says it too.
    cpu: String,
    kernels: Tuning,
}

/// Gives kernels what is kept for this CPU. A file that can't be used is told of and left as it is: without it everything runs in the usual forms.
pub fn install(session: &Session) {
    let Some(path) = path() else { return };
    match read(&path) {
        Ok(tuning) => tuning::install(tuning),
        Err(why) => {
            let message = format!("what was measured of kernels is not used: `{}` {why}", path.display());
            let note = "`cnasc tune` measures anew once the file is removed; `--no-tuning` does without it";
            let warning = Diagnostics::from(Diagnostic::warning(codes::FORM, message).note(note));
            session.output.remark(session.output.shown(&session.sources, &warning).trim_end());
        }
    }
}

/// Where what is measured of kernels on this CPU is kept.
#[derive(Debug)]
pub struct Keeper {
    path: PathBuf,
    /// A file beside it, which is held while it is read and written anew: several may measure at once.
    lock: File,
}

impl Keeper {
    /// Finds its place, before any time is spent on measuring.
    ///
    /// # Errors
    /// Where there is no folder for it, or none that can be written, or it is something else.
    pub fn open() -> Result<Self, Failure> {
        let path = path().ok_or_else(|| {
            let message = "there is no folder to keep it in: neither XDG_CACHE_HOME nor HOME is set to one";
            Failure::running(codes::UNWRITABLE, message)
        })?;
        make_folder(path.parent().unwrap_or(Path::new(".")))?;
        let lock = path.with_extension("lock");
        let lock = File::create(&lock).map_err(|error| Failure::unwritable(&lock, &error))?;
        let keeper = Self { path, lock };
        keeper.read()?;
        Ok(keeper)
    }

    /// Where that is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds to what is there by now.
    ///
    /// # Errors
    /// Where it can't be written, or has become something else.
    pub fn add(&self, found: impl Iterator<Item = (String, Tuned)>) -> Result<(), Failure> {
        self.lock.lock().map_err(|error| Failure::unwritable(&self.path, &error))?;
        let mut kernels = self.read()?;
        kernels.0.extend(found);
        let kept = Kept { format: FORMAT, cpu: machine::cpu(), kernels };
        let text = serde_json::to_string_pretty(&kept).expect("strings and numbers always serialise");
        write_file(&self.path, text.as_bytes())?;
        self.lock.unlock().map_err(|error| Failure::unwritable(&self.path, &error))
    }

    fn read(&self) -> Result<Tuning, Failure> {
        let path = self.path.display();
        Ok(read(&self.path)
            .map_err(|why| Diagnostic::error(codes::FORM, format!("`{path}` {why}; remove it first")))?)
    }
}

/// What is in the file; nothing where there is none.
fn read(path: &Path) -> Result<Tuning, String> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Tuning::default());
        }
        Err(error) => return Err(format!("can't be read: {error}")),
    };
    let kept: Kept = serde_json::from_str(&text).map_err(|error| format!("is no file of `cnasc tune`: {error}"))?;
    if kept.format == FORMAT { Ok(kept.kernels) } else { Err(format!("has the unknown format {}", kept.format)) }
}

/// `cnasc/tuning/CPU-INSTRUCTIONS.json` in the user's cache folder.
fn path() -> Option<PathBuf> {
    let set = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let own = if cfg!(target_os = "macos") { "Library/Caches" } else { ".cache" };
    let cache = set.or_else(|| Some(std::env::home_dir().filter(|home| home.is_absolute())?.join(own)))?;
    let isa = Isa::best().map_or_else(|| "generated".to_owned(), |isa| format!("{isa:?}").to_lowercase());
    let name: String =
        machine::cpu().chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).collect();
    Some(cache.join("cnasc").join("tuning").join(format!("{}-{isa}.json", name.to_lowercase())))
}
