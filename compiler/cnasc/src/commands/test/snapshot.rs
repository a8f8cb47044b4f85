//! Snapshots on disk, in the format of insta: `snapshots/FILE__TEST.snap` beside the source file, and `.snap.new` for what was
//! found and not accepted, so that `cargo insta review` and `cargo insta pending-snapshots` work on them.
//!
//! The format is a YAML header between lines of `---`, then the text. It is written here, because insta makes no public
//! promise of writing it; a test reads what was written by insta itself.

use crate::failure::Failure;
use crate::output::{make_folder, write_file};
use cnasc_expand::testing::{Changed, changes};
use std::collections::BTreeSet;
use std::io::{BufRead, Write as _};
use std::path::{Path, PathBuf};

/// The longest part of a file's name that comes from a test's name.
const MAX_NAME: usize = 80;

/// The greatest snapshot file that is read, in bytes.
const MAX_SNAPSHOT: u64 = 64 << 20;

/// What is to be done with snapshots that are new or have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// Nothing but to tell.
    Compare,
    /// They are right.
    Accept,
    /// Ask for each.
    Ask,
}

/// What became of a snapshot.
#[derive(Debug)]
pub(super) enum Settled {
    /// It is as it was.
    Same,
    /// It was new or had changed, and is accepted.
    Accepted,
    /// There is none yet; what was found is in the file `new`, if it was not rejected.
    Missing { new: Option<PathBuf> },
    /// It has changed; what was found is in the file `new`, if it was not rejected.
    Changed { changes: Vec<Changed>, new: Option<PathBuf> },
}

impl Settled {
    pub(super) fn holds(&self) -> bool {
        matches!(self, Self::Same | Self::Accepted)
    }

    fn rejected(self) -> Self {
        match self {
            Self::Missing { .. } => Self::Missing { new: None },
            Self::Changed { changes, .. } => Self::Changed { changes, new: None },
            other => other,
        }
    }

    /// For programs.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Accepted => "accepted",
            Self::Missing { .. } => "missing",
            Self::Changed { .. } => "changed",
        }
    }
}

/// Where a snapshot is kept, and what its header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The accepted one.
    pub(super) file: PathBuf,
    /// The source file's name.
    pub(super) source: String,
    /// What was sampled.
    pub(super) expression: String,
    /// The test's line in the source file.
    pub(super) line: usize,
}

/// The places that were given out; two tests whose names differ in punctuation alone do not share one.
#[derive(Debug, Default)]
pub(super) struct Places(BTreeSet<PathBuf>);

impl Places {
    /// The place of the next test of a source file; expression and line are still to be filled in.
    pub(super) fn next(&mut self, source: &Path, test: &str) -> Place {
        let stem = source.file_stem().unwrap_or_default().to_string_lossy();
        let folder = source.parent().unwrap_or(Path::new("")).join("snapshots");
        let name = slug(test);
        let mut file = folder.join(format!("{stem}__{name}.snap"));
        let mut count = 1;
        while !self.0.insert(file.clone()) {
            count += 1;
            file = folder.join(format!("{stem}__{name}_{count}.snap"));
        }
        let source = source.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Place { file, source, expression: String::new(), line: 0 }
    }
}

/// A test's name as a part of a file's name: letters and digits, everything between them as one `_`.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for letter in name.chars() {
        if letter.is_alphanumeric() {
            slug.extend(letter.to_lowercase());
        } else if !slug.ends_with('_') && !slug.is_empty() {
            slug.push('_');
        }
        if slug.len() >= MAX_NAME {
            break;
        }
    }
    let slug = slug.trim_end_matches('_');
    if slug.is_empty() { "test".to_owned() } else { slug.to_owned() }
}

/// Compares what was found with what was accepted, and does as wished. `tell` says what has changed, for who is asked.
pub(super) fn settle(
    place: &Place,
    found: &str,
    wish: Wish,
    tell: impl Fn(&Settled) -> String,
) -> Result<Settled, Failure> {
    let new = place.file.with_extension("snap.new");
    let settled = match read(&place.file)? {
        Some(accepted) if normal(&accepted) == normal(found) => {
            remove(&new)?;
            return Ok(Settled::Same);
        }
        Some(accepted) => Settled::Changed { changes: changes(&accepted, found), new: Some(new.clone()) },
        None => Settled::Missing { new: Some(new.clone()) },
    };
    let answer = match wish {
        Wish::Compare => Answer::Later,
        Wish::Accept => Answer::Yes,
        Wish::Ask => {
            eprint!("{}", tell(&settled));
            ask(&mut std::io::stdin().lock())
        }
    };
    match answer {
        Answer::Yes => {
            write(&place.file, &document(place, found, false))?;
            remove(&new)?;
            Ok(Settled::Accepted)
        }
        Answer::No => {
            remove(&new)?;
            Ok(settled.rejected())
        }
        Answer::Later => {
            write(&new, &document(place, found, true))?;
            Ok(settled)
        }
    }
}

/// What is answered to the question whether a snapshot is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Yes,
    No,
    Later,
}

/// Asks until there is an answer; the end of the input is none.
fn ask(input: &mut impl BufRead) -> Answer {
    loop {
        eprint!("accept these samples? [y]es, [n]o, [s]kip: ");
        let _ = std::io::stderr().flush();
        let mut line = String::new();
        if input.read_line(&mut line).unwrap_or(0) == 0 {
            return Answer::Later;
        }
        match line.trim().to_lowercase().as_str() {
            "y" | "yes" => return Answer::Yes,
            "n" | "no" => return Answer::No,
            "s" | "skip" => return Answer::Later,
            _ => {}
        }
    }
}

/// The text of an accepted snapshot, without its header.
fn read(path: &Path) -> Result<Option<String>, Failure> {
    let size = match std::fs::metadata(path) {
        Ok(found) => found.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::unreadable(path, &error)),
    };
    if size > MAX_SNAPSHOT {
        let error = std::io::Error::other(format!("{size} bytes are more than the {MAX_SNAPSHOT} of a snapshot"));
        return Err(Failure::unreadable(path, &error));
    }
    let text = std::fs::read_to_string(path).map_err(|error| Failure::unreadable(path, &error))?;
    Ok(Some(contents(&text)))
}

/// What follows the header.
fn contents(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let body = text.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n"));
    body.map_or(text.clone(), |(_, body)| body.to_owned())
}

/// Line breaks at the end do not count, as they do not for insta.
fn normal(text: &str) -> &str {
    text.trim_end()
}

/// The file's text. The line of the test changes with everything above it: it is kept only until the snapshot is accepted.
fn document(place: &Place, found: &str, pending: bool) -> String {
    // A text in JSON's quotation marks is one in YAML's, too.
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let line = if pending { format!("assertion_line: {}\n", place.line) } else { String::new() };
    let (source, expression) = (quoted(&place.source), quoted(&place.expression));
    format!("---\nsource: {source}\n{line}expression: {expression}\n---\n{}\n", normal(found))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    write_file(path, text.as_bytes())
}

fn remove(path: &Path) -> Result<(), Failure> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Failure::unwritable(path, &error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files() {
        let slugs = ["local stays local", "  A/b: c!", "größe 3", "…", "a__b"].map(slug);
        assert_eq!(slugs, ["local_stays_local", "a_b_c", "größe_3", "test", "a_b"]);
        assert!(slug(&"long ".repeat(100)).len() <= MAX_NAME);
        let mut places = Places::default();
        let names = ["a b", "a-b", "c"].map(|test| places.next(Path::new("dir/x.cnas"), test).file);
        let names: Vec<String> = names.iter().map(|name| name.display().to_string()).collect();
        assert_eq!(names, ["a_b", "a_b_2", "c"].map(|name| format!("dir/snapshots/x__{name}.snap")));
    }

    /// The format is insta's: what is written here is read there, with every part in its place.
    #[test]
    fn insta_reads_what_is_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("snapshots/x__a_b.snap");
        let expression = "3 of er(n: 4, p: 0.5) seed 1 // \"quoted\" \\ ä".to_owned();
        let place = Place { file: file.clone(), source: "x.cnas".to_owned(), expression: expression.clone(), line: 7 };
        let found = "sample 1, seed 5\ngraph g, 2 nodes, 1 edges\n0\n1 = 0\n\nsample 2, seed 6\n--- not a header\n";
        let told = |settled: &Settled| settled.word().to_owned();
        assert_eq!(settle(&place, found, Wish::Compare, told).expect("written").word(), "missing");
        let new = insta::Snapshot::from_file(&file.with_extension("snap.new")).expect("insta reads it");
        assert_eq!(new.metadata().assertion_line(), Some(7));
        assert_eq!(settle(&place, found, Wish::Accept, told).expect("written").word(), "accepted");
        let read = insta::Snapshot::from_file(&file).expect("insta reads it");
        assert_eq!(read.metadata().source(), Some("x.cnas"));
        assert_eq!(read.metadata().expression(), Some(expression.as_str()));
        assert_eq!((read.module_name(), read.snapshot_name()), ("x", Some("a_b")));
        assert_eq!(read.as_text().expect("a text").to_string(), found.trim_end());
        assert_eq!(settle(&place, found, Wish::Compare, told).expect("read").word(), "same");
        assert!(!file.with_extension("snap.new").exists());
    }

    #[test]
    fn questions_are_asked_until_answered() {
        let answer = |text: &str| ask(&mut std::io::Cursor::new(text.to_owned()));
        assert_eq!(answer("y\n"), Answer::Yes);
        assert_eq!(answer("what?\n\nNO\n"), Answer::No);
        assert_eq!(answer("s\n"), Answer::Later);
        assert_eq!(answer(""), Answer::Later);
    }
}
