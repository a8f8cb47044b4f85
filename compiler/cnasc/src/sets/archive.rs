//! Files of a `.tar.gz` without unpacking it to disk.

use super::damaged;
use crate::failure::Failure;
use flate2::read::GzDecoder;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

/// The most bytes taken from an archive: Flower-102 has 330 MB.
const MOST: u64 = 1 << 30;

/// The contents of the files whose last names `is_wanted` takes, by those names.
///
/// # Errors
/// Where it can't be read to its end, or has more than a GiB of them.
pub fn read(path: &Path, is_wanted: &dyn Fn(&str) -> bool) -> Result<BTreeMap<String, Vec<u8>>, Failure> {
    let file = std::fs::File::open(path).map_err(|error| Failure::unreadable(path, &error))?;
    files(GzDecoder::new(file), is_wanted)
        .map_err(|problem| damaged(format!("`{}` {problem}", path.display()), "it is cut off or damaged: get it again"))
}

fn files(archive: impl Read, is_wanted: &dyn Fn(&str) -> bool) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let unreadable = |error: std::io::Error| format!("can't be unpacked: {error}");
    let (mut archive, mut found, mut room) = (tar::Archive::new(archive), BTreeMap::new(), MOST);
    for entry in archive.entries().map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.path().ok().and_then(|path| Some(path.file_name()?.to_str()?.to_owned()));
        let Some(name) = name.filter(|name| entry.header().entry_type().is_file() && is_wanted(name)) else { continue };
        let mut bytes = Vec::new();
        let size = entry.size();
        if size > room {
            return Err("has more than 1 GiB of images".to_owned());
        }
        room -= size;
        entry.take(size).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 != size {
            return Err(format!("ends within `{name}`"));
        }
        found.insert(name, bytes);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive() -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, body) in [("set/first", b"one".as_slice()), ("set/other", b"two"), ("set/second", b"three")] {
            let mut header = tar::Header::new_gnu();
            header.set_size(body.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, body).expect("memory takes it");
        }
        builder.into_inner().expect("memory takes it")
    }

    #[test]
    fn files_are_found_by_their_last_names() {
        let found = files(archive().as_slice(), &|name| name != "other").expect("it is whole");
        let names: Vec<(&str, &[u8])> = found.iter().map(|(name, body)| (name.as_str(), body.as_slice())).collect();
        assert_eq!(names, [("first", b"one".as_slice()), ("second", b"three")]);
    }

    #[test]
    fn what_is_cut_off_is_refused_or_lacks_what_is_behind() {
        let whole = archive();
        for cut in 0..whole.len() {
            let found = files(&whole[..cut], &|_| true).unwrap_or_default();
            assert!(
                found.values().all(|body| [b"one".as_slice(), b"two", b"three"].contains(&body.as_slice())),
                "at {cut}"
            );
        }
    }
}
