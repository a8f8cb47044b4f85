//! Source files by id, byte ranges in them, and line numbers.

use codespan_reporting::files::{Error, Files, SimpleFile};
use std::ops::Range;

crate::declare_id! {
    /// A file in [`Sources`].
    FileId
}

/// A byte range of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Location {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Location {
    /// The bytes `start..end` of `file`.
    #[must_use]
    pub fn new(file: FileId, start: u32, end: u32) -> Self {
        Self { file, start, end }
    }

    /// As a range that slices the file's text.
    #[must_use]
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// All texts of one compilation, the standard library's modules among them.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    files: Vec<SimpleFile<String, String>>,
}

impl Sources {
    /// Adds a file under the name that diagnostics will show.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> FileId {
        self.files.push(SimpleFile::new(name.into(), text.into()));
        FileId::new(self.files.len() - 1)
    }

    /// The text of `file`.
    #[must_use]
    pub fn text(&self, file: FileId) -> &str {
        self.files[file.index()].source()
    }

    /// The name of `file`.
    #[must_use]
    pub fn name(&self, file: FileId) -> &str {
        self.files[file.index()].name()
    }

    /// The text at `location`.
    #[must_use]
    pub fn slice(&self, location: Location) -> &str {
        &self.text(location.file)[location.range()]
    }

    /// Line and column of a byte, both counted from 1, columns in characters.
    #[must_use]
    pub fn line_column(&self, file: FileId, byte: u32) -> (usize, usize) {
        self.location(file, byte as usize).map_or((1, 1), |at| (at.line_number, at.column_number))
    }
}

impl<'a> Files<'a> for Sources {
    type FileId = FileId;
    type Name = &'a str;
    type Source = &'a str;

    fn name(&'a self, id: FileId) -> Result<&'a str, Error> {
        self.files.get(id.index()).map(|file| file.name().as_str()).ok_or(Error::FileMissing)
    }

    fn source(&'a self, id: FileId) -> Result<&'a str, Error> {
        self.files.get(id.index()).map(|file| file.source().as_str()).ok_or(Error::FileMissing)
    }

    fn line_index(&'a self, id: FileId, byte: usize) -> Result<usize, Error> {
        self.files.get(id.index()).ok_or(Error::FileMissing)?.line_index((), byte)
    }

    fn line_range(&'a self, id: FileId, line: usize) -> Result<Range<usize>, Error> {
        self.files.get(id.index()).ok_or(Error::FileMissing)?.line_range((), line)
    }
}
