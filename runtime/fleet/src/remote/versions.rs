//! Bundles that were deployed to a fleet, by version, so that the one before is at hand when a new one disappoints.
//!
//! ```text
//! DIR/coordinator/versions/3.bundle     the bundle as it was given
//! DIR/coordinator/versions/current      the number of the one in use
//! ```
//! A version is written whole before it becomes the current one, and the same bytes are the same version. The newest [`KEPT`] stay,
//! and the current one. Nodes keep the parts of as many by themselves.

use super::RemoteError;
use super::cache::KEPT;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// The versions of one fleet.
#[derive(Debug, Clone)]
pub struct Versions {
    folder: PathBuf,
}

impl Versions {
    /// Those of the coordinator whose folder this is, made where there are none yet.
    ///
    /// # Errors
    /// Where the folder can't be made.
    pub fn of(coordinator: &Path) -> Result<Self, RemoteError> {
        let folder = coordinator.join("versions");
        fs::create_dir_all(&folder).map_err(|error| problem("make", &folder, &error))?;
        Ok(Self { folder })
    }

    /// All numbers, the oldest first.
    ///
    /// # Errors
    /// Where the folder can't be read.
    pub fn numbers(&self) -> Result<Vec<u64>, RemoteError> {
        let entries = fs::read_dir(&self.folder).map_err(|error| problem("read", &self.folder, &error))?;
        let number = |path: PathBuf| {
            let is_one = path.extension().is_some_and(|ending| ending == "bundle");
            path.file_stem().filter(|_| is_one)?.to_str()?.parse().ok()
        };
        let mut numbers: Vec<u64> = entries.flatten().filter_map(|entry| number(entry.path())).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The one in use.
    #[must_use]
    pub fn current(&self) -> Option<u64> {
        fs::read_to_string(self.folder.join("current")).ok()?.trim().parse().ok()
    }

    /// The newest of those before the one in use.
    ///
    /// # Errors
    /// Where there is none.
    pub fn before(&self) -> Result<u64, RemoteError> {
        let current = self.current().ok_or_else(|| RemoteError::System("nothing was deployed yet".to_owned()))?;
        let older = self.numbers()?.into_iter().rfind(|&number| number < current);
        older.ok_or_else(|| RemoteError::System(format!("there is no version before version {current}")))
    }

    /// Where a version's bundle is.
    #[must_use]
    pub fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number}.bundle"))
    }

    /// The bytes of a version's bundle.
    ///
    /// # Errors
    /// Where there is no such version.
    pub fn read(&self, number: u64) -> Result<Vec<u8>, RemoteError> {
        fs::read(self.path(number)).map_err(|error| {
            let known: Vec<String> = self.numbers().unwrap_or_default().iter().map(ToString::to_string).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            RemoteError::System(format!("version {number} can't be read ({error}); there are {known}"))
        })
    }

    /// Keeps a bundle; gives its number, which is that of an earlier one with the same bytes.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn keep(&self, bundle: &[u8]) -> Result<u64, RemoteError> {
        let hash = Sha256::digest(bundle);
        let numbers = self.numbers()?;
        for &number in numbers.iter().rev() {
            if fs::read(self.path(number)).is_ok_and(|bytes| Sha256::digest(bytes) == hash) {
                return Ok(number);
            }
        }
        let number = numbers.last().map_or(1, |last| last + 1);
        self.write(&format!("{number}.bundle"), bundle)?;
        Ok(number)
    }

    /// Makes a version the one in use, and forgets those that are too old.
    ///
    /// # Errors
    /// Where that can't be written.
    pub fn set_current(&self, number: u64) -> Result<(), RemoteError> {
        self.write("current", format!("{number}\n").as_bytes())?;
        let numbers = self.numbers()?;
        let old = numbers.len().saturating_sub(KEPT);
        for &old in numbers[..old].iter().filter(|&&old| old != number) {
            fs::remove_file(self.path(old)).map_err(|error| problem("remove", &self.path(old), &error))?;
        }
        Ok(())
    }

    /// Beside, and renamed, so that nobody ever reads half of it.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), RemoteError> {
        let path = self.folder.join(name);
        let beside = self.folder.join(format!("{name}.{}.part", std::process::id()));
        let written = fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, &path));
        written.map_err(|error| problem("write", &path, &error))
    }
}

fn problem(what: &str, path: &Path, error: &std::io::Error) -> RemoteError {
    RemoteError::System(format!("can't {what} `{}`: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn to_and_fro() {
        let folder = tempfile::tempdir().unwrap();
        let versions = Versions::of(folder.path()).unwrap();
        assert_eq!((versions.current(), versions.before().is_err()), (None, true));
        for (bytes, number) in [("a", 1), ("b", 2), ("a", 1), ("c", 3)] {
            assert_eq!(versions.keep(bytes.as_bytes()).unwrap(), number);
            versions.set_current(number).unwrap();
            assert_eq!(versions.current(), Some(number));
        }
        assert_eq!(versions.before().unwrap(), 2);
        versions.set_current(2).unwrap();
        assert_eq!(versions.before().unwrap(), 1);
        assert_eq!(versions.read(1).unwrap(), b"a");
        let error = versions.read(7).unwrap_err().to_string();
        assert!(error.contains("1, 2, 3"), "{error}");
    }

    #[test]
    fn old_ones_go_and_the_current_one_stays() {
        let folder = tempfile::tempdir().unwrap();
        let versions = Versions::of(folder.path()).unwrap();
        for number in 1..=KEPT as u64 + 3 {
            assert_eq!(versions.keep(&number.to_le_bytes()).unwrap(), number);
            versions.set_current(1).unwrap();
        }
        let left = versions.numbers().unwrap();
        assert_eq!((left.len(), left[0], left[1]), (KEPT + 1, 1, 4));
    }
}
