//! NumPy's archives of arrays.

use super::{MAX_BYTES, Sets, damaged, divided};
use crate::failure::Failure;
use crate::images::{npy_is_bounded, read_whole};
use cnasc_ir::Shape;
use cnasc_train::data::Images;
use flate2::bufread::DeflateDecoder;
use npyz::{Deserialize, NpyFile, Order};
use rawzip::{CompressionMethod, ZipArchive, ZipArchiveEntryWayfinder, ZipSliceArchive};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What arrays of images and labels are called: to learn from, and to test with.
const DIVIDED: [[&str; 4]; 3] = [
    ["x_train", "y_train", "x_test", "y_test"],
    ["train_images", "train_labels", "test_images", "test_labels"],
    ["images_train", "labels_train", "images_test", "labels_test"],
];
/// The same where nobody has divided them.
const WHOLE: [[&str; 2]; 3] = [["x", "y"], ["images", "labels"], ["arr_0", "arr_1"]];
const NOTE: &str = "`numpy.savez(FILE, x_train=…, y_train=…, x_test=…, y_test=…)` writes one: bytes (images, rows, columns) or (images, rows, \
                    columns, channels) with whole numbers";

/// The most files that are looked at.
const MOST_FILES: usize = 1000;

/// An archive, and where its files are by their names.
struct Archive<'a> {
    bytes: ZipSliceArchive<&'a [u8]>,
    files: BTreeMap<String, (ZipArchiveEntryWayfinder, CompressionMethod)>,
}

impl<'a> Archive<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self, String> {
        let damaged = |error: rawzip::Error| format!("is no whole .npz: {error}");
        let bytes = ZipArchive::from_slice(bytes).map_err(damaged)?;
        let (mut files, mut entries) = (BTreeMap::new(), bytes.entries());
        while let Some(entry) = entries.next_entry().map_err(damaged)? {
            let name = String::from_utf8_lossy(entry.file_path().as_bytes()).into_owned();
            files.insert(name, (entry.wayfinder(), entry.compression_method()));
            if files.len() > MOST_FILES {
                return Err(format!("has more than {MOST_FILES} files"));
            }
        }
        Ok(Self { bytes, files })
    }

    fn has(&self, names: &[&str]) -> bool {
        names.iter().all(|name| self.files.contains_key(&entry(name)))
    }

    /// The `.npy` of an array.
    fn array(&self, name: &str) -> Result<Vec<u8>, String> {
        let damaged = |error: &dyn std::fmt::Display| format!("has a damaged `{name}`: {error}");
        let (way, method) = self.files.get(&entry(name)).ok_or_else(|| format!("has no `{name}`"))?;
        let file = self.bytes.get_entry(*way).map_err(|error| damaged(&error))?;
        let unpack: Box<dyn Read> = match *method {
            CompressionMethod::STORE => Box::new(file.verifying_reader(file.data())),
            CompressionMethod::DEFLATE => Box::new(file.verifying_reader(DeflateDecoder::new(file.data()))),
            _ => return Err(format!("has `{name}` packed otherwise than NumPy does")),
        };
        let mut bytes = Vec::new();
        unpack.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| damaged(&error))?;
        match bytes.len() as u64 {
            0..=MAX_BYTES if npy_is_bounded(&bytes) => Ok(bytes),
            _ => Err(format!("has no array of up to {} MiB in `{name}`", MAX_BYTES >> 20)),
        }
    }
}

/// The sets of the folder's only `.npz`, or of `folder` where it is one; nothing where there is none.
///
/// # Errors
/// Where it is damaged, or its arrays have other names or types.
pub fn read(folder: &Path, seed: u64) -> Result<Option<Sets>, Failure> {
    let Some(path) = only(folder) else { return Ok(None) };
    let bytes = read_whole(&path, MAX_BYTES)?;
    let wrong = |problem: String| damaged(format!("`{}` {problem}", path.display()), NOTE);
    sets(&bytes, seed).map(Some).map_err(wrong)
}

fn is_npz(path: &Path) -> bool {
    path.is_file() && path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("npz"))
}

fn only(folder: &Path) -> Option<PathBuf> {
    if is_npz(folder) {
        return Some(folder.to_owned());
    }
    let mut found = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).filter(|path| is_npz(path));
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

fn sets(bytes: &[u8], seed: u64) -> Result<Sets, String> {
    let archive = Archive::open(bytes)?;
    if let Some([x, y, test_x, test_y]) = DIVIDED.iter().find(|names| archive.has(names.as_slice())) {
        return Ok(Sets { train: images(&archive, x, y)?, test: images(&archive, test_x, test_y)? });
    }
    if let Some([x, y]) = WHOLE.iter().find(|names| archive.has(names.as_slice())) {
        return Ok(divided(&images(&archive, x, y)?, seed));
    }
    let names: Vec<String> = archive.files.keys().take(16).map(|name| format!("`{name}`")).collect();
    Err(format!("has {}, which are not the names of images and labels", names.join(", ")))
}

fn entry(name: &str) -> String {
    format!("{name}.npy")
}

fn images(archive: &Archive, x: &str, y: &str) -> Result<Images, String> {
    let (bytes, labels) = (archive.array(x)?, archive.array(y)?);
    let open = |bytes, name: &str| NpyFile::new(bytes).map_err(|error| format!("has a damaged `{name}`: {error}"));
    let (x_file, y_file) = (open(bytes.as_slice(), x)?, open(labels.as_slice(), y)?);
    if x_file.order() != Order::C {
        return Err(format!("has `{x}` in Fortran order; save it in C order"));
    }
    let (count, shape) = extents(x_file.shape()).ok_or_else(|| format!("has `{x}` of {:?}", x_file.shape()))?;
    if ![[count].as_slice(), &[count, 1]].contains(&y_file.shape()) {
        return Err(format!("has `{y}` of {:?} for {count} images", y_file.shape()));
    }
    let pixels = values::<u8>(x_file).map_err(|_| format!("has `{x}` of another type than bytes, or cut off"))?;
    let labels = labels_of(y_file).ok_or_else(|| format!("has `{y}` of other values than classes from 0 to 65,535"))?;
    if (pixels.len() as u64, labels.len() as u64) != (count * shape.elements(), count) {
        return Err(format!("has `{x}` or `{y}` cut off"));
    }
    Ok(Images { shape, pixels: by_channels(pixels, shape), labels })
}

/// How many images of which shape.
fn extents(extents: &[u64]) -> Option<(u64, Shape)> {
    let (&[count, rows, columns], channels) =
        (extents.get(..3)?.try_into().ok()?, extents.get(3).copied().unwrap_or(1));
    let [channels, rows, columns] = [channels, rows, columns].map(|extent| u32::try_from(extent).unwrap_or(0));
    let shape = Shape::new(channels, rows, columns);
    (extents.len() <= 4 && count > 0 && shape.is_valid()).then_some((count, shape))
}

/// Pixels with their channels beside each other → channel after channel.
fn by_channels(pixels: Vec<u8>, shape: Shape) -> Vec<u8> {
    let channels = shape.channels as usize;
    if channels == 1 {
        return pixels;
    }
    let images = pixels.chunks_exact(shape.elements() as usize);
    let planes =
        images.flat_map(|image| (0..channels).flat_map(move |channel| image.iter().skip(channel).step_by(channels)));
    planes.copied().collect()
}

/// All values of a type; the file again where it has another.
fn values<T: Deserialize>(file: NpyFile<&[u8]>) -> Result<Vec<T>, Option<NpyFile<&[u8]>>> {
    file.try_data::<T>().map_err(Some)?.collect::<Result<_, _>>().map_err(|_| None)
}

/// Classes of any type of whole numbers.
fn labels_of(file: NpyFile<&[u8]>) -> Option<Vec<u16>> {
    fn narrow<T: Deserialize + TryInto<u16>>(file: NpyFile<&[u8]>) -> Result<Option<Vec<u16>>, Option<NpyFile<&[u8]>>> {
        Ok(values::<T>(file)?.into_iter().map(|value| value.try_into().ok()).collect())
    }
    let tries = [
        narrow::<u8>,
        narrow::<i64>,
        narrow::<i32>,
        narrow::<u16>,
        narrow::<i16>,
        narrow::<u32>,
        narrow::<u64>,
        narrow::<i8>,
    ];
    let mut file = file;
    for narrow in tries {
        match narrow(file) {
            Ok(labels) => return labels,
            Err(again) => file = again?,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use npyz::{AutoSerialize, WriterBuilder};
    use std::io::Write;

    fn npy<T: AutoSerialize + Copy>(extents: &[u64], values: &[T]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer =
            npyz::WriteOptions::new().default_dtype().shape(extents).writer(&mut bytes).begin_nd().expect("memory");
        writer.extend(values.iter().copied()).expect("memory takes it");
        writer.finish().expect("as many as were said");
        bytes
    }

    fn archive(arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut zip = rawzip::ZipArchiveWriter::new(Vec::new());
        for (index, (name, array)) in arrays.iter().enumerate() {
            // Both ways in which NumPy writes them.
            let (is_packed, name) = (index % 2 == 1, entry(name));
            let method = if is_packed { CompressionMethod::DEFLATE } else { CompressionMethod::STORE };
            let (mut file, config) = zip.new_file(name.as_str()).compression_method(method).start().expect("memory");
            let descriptor = if is_packed {
                let encoder = flate2::write::DeflateEncoder::new(&mut file, flate2::Compression::default());
                let mut writer = config.wrap(encoder);
                writer.write_all(array).expect("memory takes it");
                let (encoder, descriptor) = writer.finish().expect("memory takes it");
                encoder.finish().expect("memory takes it");
                descriptor
            } else {
                let mut writer = config.wrap(&mut file);
                writer.write_all(array).expect("memory takes it");
                writer.finish().expect("memory takes it").1
            };
            file.finish(descriptor).expect("memory takes it");
        }
        zip.finish().expect("memory takes it")
    }

    fn coloured() -> Vec<u8> {
        let (x, y) = (npy::<u8>(&[1, 1, 2, 3], &[1, 2, 3, 4, 5, 6]), npy::<i64>(&[1, 1], &[7]));
        archive(&[("x_train", x.clone()), ("y_train", y.clone()), ("x_test", x), ("y_test", y)])
    }

    #[test]
    fn channels_are_put_apart() {
        let Sets { train, test } = sets(&coloured(), 1).expect("it is whole");
        assert_eq!((train.shape, train.labels.as_slice()), (Shape::new(3, 1, 2), [7].as_slice()));
        assert_eq!(train.pixels, [1, 4, 2, 5, 3, 6]);
        assert_eq!(train, test);
    }

    #[test]
    fn what_is_whole_is_divided_by_seed() {
        let pixels: Vec<u8> = (0..40).collect();
        let labels: Vec<u8> = (0..40).map(|pixel| pixel % 4).collect();
        let whole = archive(&[("images", npy(&[40, 1, 1], &pixels)), ("labels", npy(&[40], &labels))]);
        let [one, again, other] = [1, 1, 2].map(|seed| sets(&whole, seed).expect("it is whole"));
        assert_eq!((one.train.len(), one.test.len()), (32, 8));
        assert_eq!(one.test, again.test);
        assert_ne!(one.test, other.test);
        let mut all: Vec<u8> = one.train.pixels.iter().chain(&one.test.pixels).copied().collect();
        all.sort_unstable();
        assert_eq!(all, pixels);
    }

    #[test]
    fn other_arrays_are_refused() {
        let bytes = npy::<u8>(&[2, 1, 1], &[1, 2]);
        let refused = |x: Vec<u8>, y: Vec<u8>| sets(&archive(&[("x", x), ("y", y)]), 1).err();
        assert!(refused(bytes.clone(), npy::<i32>(&[2], &[0, 1])).is_none());
        assert!(refused(bytes.clone(), npy::<i32>(&[1], &[0])).is_some_and(|error| error.contains("`y`")));
        assert!(refused(bytes.clone(), npy::<i32>(&[2], &[0, -1])).is_some_and(|error| error.contains("`y`")));
        assert!(refused(bytes.clone(), npy::<f32>(&[2], &[0.0, 1.0])).is_some_and(|error| error.contains("`y`")));
        assert!(
            refused(npy::<f32>(&[2, 1, 1], &[0.0, 1.0]), npy::<u8>(&[2], &[0, 1]))
                .is_some_and(|error| error.contains("bytes"))
        );
        assert!(refused(npy::<u8>(&[2], &[0, 1]), npy::<u8>(&[2], &[0, 1])).is_some());
        let named = sets(&archive(&[("a", bytes)]), 1).err();
        assert!(named.is_some_and(|error| error.contains("`a.npy`")));
    }

    #[test]
    fn what_is_cut_off_or_wrong_ends_in_no_panic() {
        let whole = coloured();
        for cut in 0..whole.len() {
            assert!(sets(&whole[..cut], 1).is_err(), "cut at {cut}");
        }
        for at in 0..whole.len() {
            for value in [0, 9, 127, 255] {
                let mut wrong = whole.clone();
                wrong[at] = value;
                let _ = sets(&wrong, 1);
            }
        }
    }
}
