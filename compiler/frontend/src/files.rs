//! The user's own files: paths as written → which file is meant, and texts by way of a loader.
//!
//! The front end reads nothing itself. A path is relative to the folder of the file that names it; a file's identity is its path
//! relative to the folder of the compiled file, with `.` and `..` resolved as far as they can be, so that a file named in two
//! ways is loaded once.

use crate::limits;
use cnasc_base::{FileId, Sources};
use std::collections::BTreeMap;

/// Gives the text of another file: the path as written and the name of the file that it is written in, as [`Sources`] has it
/// → the name that diagnostics show and the text, or why there is none, as the end of a sentence. Two names are two files.
pub type Loader<'l> = &'l mut dyn FnMut(&str, &str) -> Result<(String, String), String>;

/// All files that were asked for.
pub(crate) struct Files<'l> {
    loader: Option<Loader<'l>>,
    /// What became of each, by identity.
    known: BTreeMap<String, Result<FileId, String>>,
    /// How many bytes they have together.
    bytes: usize,
}

impl<'l> Files<'l> {
    /// The files reachable from the compiled one, which is known already.
    pub(crate) fn new(sources: &Sources, root: FileId, loader: Option<Loader<'l>>) -> Self {
        let known = BTreeMap::from([(identity(sources, root), Ok(root))]);
        Self { loader, known, bytes: 0 }
    }

    /// The file that `written` names in the file called `from`, and its identity. It is loaded where it was not yet.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn load(
        &mut self,
        sources: &mut Sources,
        written: &str,
        (from, file): (&str, FileId),
    ) -> Result<(String, FileId), String> {
        let path = resolved(from, written)?;
        if let Some(known) = self.known.get(&path) {
            return known.clone().map(|file| (path, file));
        }
        let loaded = self.fresh(sources, written, file);
        self.known.insert(path.clone(), loaded.clone());
        loaded.map(|file| (path, file))
    }

    fn fresh(&mut self, sources: &mut Sources, written: &str, from: FileId) -> Result<FileId, String> {
        let Some(loader) = &mut self.loader else { return Err("other files can't be read here".to_owned()) };
        if self.known.len() > limits::FILES {
            return Err(format!("more than {} files are used", limits::FILES));
        }
        let (name, text) = loader(written, sources.name(from))?;
        // The same file by another way, such as over the folder above.
        let again = self.known.values().flatten().find(|file| sources.name(**file) == name);
        if let Some(again) = again {
            return Ok(*again);
        }
        self.bytes = self.bytes.saturating_add(text.len());
        if self.bytes > limits::FILE_BYTES {
            return Err(format!("all files together have more than {} bytes", limits::FILE_BYTES));
        }
        Ok(sources.add(name, text))
    }
}

/// What the compiled file is called among the others: the last part of its name.
pub(crate) fn identity(sources: &Sources, root: FileId) -> String {
    let name = sources.name(root);
    name.rsplit(['/', '\\']).next().unwrap_or(name).to_owned()
}

/// The identity of the file that `written` names in the file of identity `from`.
fn resolved(from: &str, written: &str) -> Result<String, String> {
    let drive = written.as_bytes().get(1) == Some(&b':');
    if written.starts_with('/') || drive || written.contains(['\\', '\0', '\n']) {
        return Err("it does not begin at this file, with parts joined by `/`".to_owned());
    }
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in written.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    if written.is_empty() || written.ends_with('/') || parts.last().is_none_or(|last| *last == "..") {
        return Err("the path names no file".to_owned());
    }
    Ok(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::resolved;

    #[test]
    fn paths_are_relative_to_the_file_that_names_them() {
        for (from, written, expected) in [
            ("main.cnas", "a.cnas", Some("a.cnas")),
            ("main.cnas", "./lib/../a.cnas", Some("a.cnas")),
            ("lib/b.cnas", "a.cnas", Some("lib/a.cnas")),
            ("lib/b.cnas", "../a.cnas", Some("a.cnas")),
            ("main.cnas", "../a.cnas", Some("../a.cnas")),
            ("../x/b.cnas", "../../a.cnas", Some("../../a.cnas")),
            ("main.cnas", "/etc/passwd", None),
            ("main.cnas", "C:a.cnas", None),
            ("main.cnas", "lib\\a.cnas", None),
            ("main.cnas", "lib/", None),
            ("main.cnas", "..", None),
            ("main.cnas", "", None),
        ] {
            assert_eq!(resolved(from, written).ok().as_deref(), expected, "{written} in {from}");
        }
    }
}
