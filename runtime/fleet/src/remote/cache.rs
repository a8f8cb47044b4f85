//! Parts of bundles on a node's disk, by the hash of their files, so that a part is sent once.
//!
//! A part is written beside under another name while it comes, and gets its own only once its hash is right. The newest
//! [`KEPT`] stay.

use super::keys::hex;
use super::protocol::{Offer, Refusal, RefusalKind};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// How many parts are kept.
pub const KEPT: usize = 8;

/// The folder.
#[derive(Debug)]
pub struct Cache {
    folder: PathBuf,
}

/// A part that is coming.
#[derive(Debug)]
pub struct Upload {
    offer: Offer,
    file: File,
    path: PathBuf,
    hash: Sha256,
    length: u64,
}

impl Cache {
    /// That of `folder`, which is made where it is missing; what an earlier process left half done is removed.
    ///
    /// # Errors
    /// Where it can't be.
    pub fn open(folder: PathBuf) -> std::io::Result<Self> {
        std::fs::create_dir_all(&folder)?;
        for entry in std::fs::read_dir(&folder)?.flatten() {
            if entry.path().extension().is_some_and(|ending| ending == "coming") {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(Self { folder })
    }

    /// The file of a part that is there whole, found again by its hash: what stands on the disk may have been damaged since.
    ///
    /// # Errors
    /// Where it is not there, or damaged.
    pub fn read(&self, offer: &Offer) -> Result<Vec<u8>, Refusal> {
        let path = self.path(&offer.part);
        let failed = |problem: String| Refusal::new(RefusalKind::Part, format!("part {:.12}: {problem}", offer.part));
        let length = std::fs::metadata(&path).map_err(|error| failed(error.to_string()))?.len();
        if length != offer.bytes {
            return Err(failed(format!("has {length} bytes, the offer {}", offer.bytes)));
        }
        let bytes = std::fs::read(&path).map_err(|error| failed(error.to_string()))?;
        if hex(&Sha256::digest(&bytes)) != offer.part {
            // So that it is sent again.
            let _ = std::fs::remove_file(&path);
            return Err(failed("was damaged on the disk of the node and is removed: deploy it again".to_owned()));
        }
        Ok(bytes)
    }

    /// Whether a part is there.
    #[must_use]
    pub fn has(&self, offer: &Offer) -> bool {
        std::fs::metadata(self.path(&offer.part)).is_ok_and(|file| file.len() == offer.bytes)
    }

    /// Begins to take in a part.
    ///
    /// # Errors
    /// Where no file can be made.
    pub fn upload(&self, offer: &Offer) -> Result<Upload, Refusal> {
        let path = self.folder.join(format!("{}.coming", offer.part));
        let file = File::create(&path).map_err(|error| system(&error))?;
        Ok(Upload { offer: offer.clone(), file, path, hash: Sha256::new(), length: 0 })
    }

    /// Gives a part that came whole its name, and removes the oldest.
    fn keep(&self, coming: &Path, part: &str) -> std::io::Result<()> {
        std::fs::rename(coming, self.path(part))?;
        let entries = std::fs::read_dir(&self.folder)?.flatten().filter_map(|entry| {
            let time = entry.metadata().and_then(|data| data.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
            let is_other = entry.path() != self.path(part);
            (is_other && entry.path().extension().is_some_and(|ending| ending == "part")).then(|| (time, entry.path()))
        });
        let mut all: Vec<(SystemTime, PathBuf)> = entries.collect();
        all.sort();
        let surplus = (all.len() + 1).saturating_sub(KEPT);
        for (_, old) in all.into_iter().take(surplus) {
            std::fs::remove_file(old)?;
        }
        Ok(())
    }

    /// A hash of an offer is checked to be one before it becomes a name.
    fn path(&self, part: &str) -> PathBuf {
        self.folder.join(format!("{part}.part"))
    }
}

impl Upload {
    /// Which deployment it is for.
    #[must_use]
    pub fn run(&self) -> u64 {
        self.offer.run
    }

    /// Takes the bytes that begin at `at`; gives how many are there then. Once all are, the part is in the cache.
    ///
    /// # Errors
    /// Where they are not the next ones, are more than were offered, or the whole does not have the hash that was.
    pub fn take(&mut self, cache: &Cache, at: u64, bytes: &[u8]) -> Result<u64, Refusal> {
        let wrong = |message: String| Refusal::new(RefusalKind::Part, message);
        if at != self.length {
            return Err(wrong(format!("the next bytes begin at {}, these at {at}", self.length)));
        }
        if bytes.len() as u64 > self.offer.bytes - self.length {
            return Err(wrong(format!("the part has {} bytes, more have come", self.offer.bytes)));
        }
        self.file.write_all(bytes).map_err(|error| system(&error))?;
        self.hash.update(bytes);
        self.length += bytes.len() as u64;
        if self.length == self.offer.bytes {
            if hex(&self.hash.clone().finalize()) != self.offer.part {
                return Err(wrong("what came does not have the hash that was offered".to_owned()));
            }
            self.file
                .sync_all()
                .and_then(|()| cache.keep(&self.path, &self.offer.part))
                .map_err(|error| system(&error))?;
        }
        Ok(self.length)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // Gone already where it came whole.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn system(error: &std::io::Error) -> Refusal {
    Refusal::new(RefusalKind::System, format!("the node's disk: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(bytes: &[u8]) -> Offer {
        Offer {
            fleet: "home".to_owned(),
            node: "n0".to_owned(),
            run: 1,
            network: "net".to_owned(),
            part: hex(&Sha256::digest(bytes)),
            bytes: bytes.len() as u64,
            members: vec!["n0".to_owned()],
        }
    }

    fn put(cache: &Cache, bytes: &[u8]) -> Result<u64, Refusal> {
        cache.upload(&offer(bytes))?.take(cache, 0, bytes)
    }

    #[test]
    fn a_part_in_pieces() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path().to_owned()).unwrap();
        let offer = offer(b"abcdef");
        let mut upload = cache.upload(&offer).unwrap();
        assert_eq!(upload.take(&cache, 0, b"abcd"), Ok(4));
        assert!(upload.take(&cache, 0, b"ab").is_err(), "again");
        assert!(upload.take(&cache, 4, b"efg").is_err(), "too many");
        assert!(!cache.has(&offer) && cache.read(&offer).is_err());
        assert_eq!(upload.take(&cache, 4, b"ef"), Ok(6));
        drop(upload);
        assert_eq!(cache.read(&offer).unwrap(), b"abcdef");
        let again = Cache::open(folder.path().to_owned()).unwrap();
        assert!(again.has(&offer), "it is there after a restart");
    }

    #[test]
    fn what_was_not_offered_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path().to_owned()).unwrap();
        let mut upload = cache.upload(&offer(b"good")).unwrap();
        assert_eq!(upload.take(&cache, 0, b"evil").unwrap_err().kind, RefusalKind::Part);
        drop(upload);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn damage_on_the_disk_is_found_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path().to_owned()).unwrap();
        put(&cache, b"good").unwrap();
        std::fs::write(cache.path(&offer(b"good").part), b"evil").unwrap();
        assert_eq!(cache.read(&offer(b"good")).unwrap_err().kind, RefusalKind::Part);
        assert!(!cache.has(&offer(b"good")));
    }

    #[test]
    fn the_oldest_go() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path().to_owned()).unwrap();
        for number in 0..KEPT as u8 + 3 {
            put(&cache, &[number]).unwrap();
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), KEPT);
        assert!(cache.has(&offer(&[KEPT as u8 + 2])));
    }
}
