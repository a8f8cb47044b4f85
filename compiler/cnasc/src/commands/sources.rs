//! Where images come from: files, folders, and names on standard input → names of files, each known only when it is asked for.

use crate::failure::{Failure, codes};
use cnasc_base::Diagnostic;
use std::io::BufRead;
use std::path::{Path, PathBuf};

/// What stands for standard input.
const STANDARD_INPUT: &str = "-";

/// The most bytes of a name on standard input.
const MAX_NAME: u64 = 1 << 16;

/// Endings of what is taken out of a folder.
const ENDINGS: [&str; 4] = ["png", "jpg", "jpeg", "npy"];

/// Whether names come one by one, so that nobody knows how many there will be.
#[cfg(feature = "fleet")]
#[must_use]
pub fn is_endless(given: &[PathBuf]) -> bool {
    given.iter().any(|path| path.as_os_str() == STANDARD_INPUT)
}

/// The files that are meant by `given`: a folder is all images and tensors in it by name, `-` is a name a line on standard input.
pub fn files(given: &[PathBuf]) -> impl Iterator<Item = Result<PathBuf, Failure>> + '_ {
    given.iter().flat_map(|path| -> Box<dyn Iterator<Item = Result<PathBuf, Failure>>> {
        if path.as_os_str() == STANDARD_INPUT {
            return Box::new(names(std::io::stdin().lock()));
        }
        if !path.is_dir() {
            return Box::new(std::iter::once(Ok(path.clone())));
        }
        match in_folder(path) {
            Ok(files) => Box::new(files.into_iter().map(Ok)),
            Err(failure) => Box::new(std::iter::once(Err(failure))),
        }
    })
}

fn in_folder(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.map_err(|error| Failure::unreadable(folder, &error))?;
    let is_taken = |path: &PathBuf| {
        let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
        ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str())) && path.is_file()
    };
    let mut files: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).filter(is_taken).collect();
    files.sort();
    if files.is_empty() {
        let message = format!("`{}` has no images and no tensors in it", folder.display());
        let note = format!("what is looked for ends in {}", ENDINGS.join(", "));
        return Err(Failure::input(Diagnostic::error(codes::FORM, message).note(note)));
    }
    Ok(files)
}

/// Names, one a line; empty lines are none.
fn names(mut lines: impl BufRead) -> impl Iterator<Item = Result<PathBuf, Failure>> {
    let standard_input = Path::new("standard input");
    std::iter::from_fn(move || {
        loop {
            let mut line = String::new();
            let read = std::io::Read::take(&mut lines, MAX_NAME).read_line(&mut line);
            match read {
                Ok(0) => return None,
                Ok(_) if line.trim().is_empty() => {}
                Ok(_) => return Some(Ok(PathBuf::from(line.trim_end_matches(['\n', '\r'])))),
                Err(error) => return Some(Err(Failure::unreadable(standard_input, &error))),
            }
        }
    })
    // Where reading fails it would fail for ever.
    .scan(false, |failed, name| {
        let done = std::mem::replace(failed, name.is_err());
        (!done).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(given: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
        files(given).collect()
    }

    #[test]
    fn a_folder_is_its_images_by_name() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["b.png", "a.PNG", "c.npy", "notes.txt"] {
            std::fs::write(folder.path().join(name), b"").expect("written");
        }
        std::fs::create_dir(folder.path().join("d.png")).expect("made");
        let path = folder.path().to_owned();
        let found = all(&[path.clone(), PathBuf::from("x.png")]).expect("files");
        assert_eq!(found, [path.join("a.PNG"), path.join("b.png"), path.join("c.npy"), PathBuf::from("x.png")]);
        assert!(all(&[path.join("d.png")]).is_err(), "it is empty");
    }

    #[test]
    fn a_name_a_line() {
        let found: Result<Vec<PathBuf>, Failure> = names(&b"a.png\r\n\n  \nb c.png"[..]).collect();
        assert_eq!(found.expect("names"), [PathBuf::from("a.png"), PathBuf::from("b c.png")]);
        let found: Vec<bool> = names(&b"a.png\n\xff\nb.png\n"[..]).map(|name| name.is_ok()).collect();
        assert_eq!(found, [true, false], "no text: the end");
    }
}
