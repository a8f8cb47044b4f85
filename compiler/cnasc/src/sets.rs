//! A folder → images to learn from and images to be judged by.

use crate::failure::{Failure, codes};
use crate::images::read_whole;
use cnasc_base::{Diagnostic, Seed};
use cnasc_train::data::{Cifar, Images, cifar, idx};
use std::path::{Path, PathBuf};

/// The greatest file, unpacked: CIFAR-100's has 154 MB.
const MAX_BYTES: u64 = 512 << 20;

/// Images of one source.
#[derive(Debug)]
pub struct Sets {
    /// To learn from.
    pub train: Images,
    /// Never learnt from.
    pub test: Images,
}

/// The sets of a folder, by the names of its files.
///
/// # Errors
/// Where a set is not whole, or there is none: says what to get and where to put it.
pub fn read(folder: &Path) -> Result<Sets, Failure> {
    let inside = |name: &str| [folder.to_owned(), folder.join(name)];
    if let Some(first) = find(&[folder.to_owned()], "train-images-idx3-ubyte") {
        let train = read_idx(folder, &first, "train-labels-idx1-ubyte")?;
        let images = needed(folder, "t10k-images-idx3-ubyte")?;
        return Ok(Sets { train, test: read_idx(folder, &images, "t10k-labels-idx1-ubyte")? });
    }
    let ten = inside("cifar-10-batches-bin");
    if find(&ten, "data_batch_1.bin").is_some() {
        let names: Vec<String> = (1..=5).map(|batch| format!("data_batch_{batch}.bin")).collect();
        let train = read_cifar(Cifar::Ten, folder, &ten, &names)?;
        return Ok(Sets { train, test: read_cifar(Cifar::Ten, folder, &ten, &["test_batch.bin".to_owned()])? });
    }
    let hundred = inside("cifar-100-binary");
    if find(&hundred, "train.bin").is_some() {
        let train = read_cifar(Cifar::Hundred, folder, &hundred, &["train.bin".to_owned()])?;
        return Ok(Sets { train, test: read_cifar(Cifar::Hundred, folder, &hundred, &["test.bin".to_owned()])? });
    }
    Err(missing(folder, "images to learn from"))
}

/// `name` in one of the folders, packed with gzip or not.
fn find(folders: &[PathBuf], name: &str) -> Option<PathBuf> {
    let paths = folders.iter().flat_map(|folder| [folder.join(name), folder.join(format!("{name}.gz"))]);
    paths.into_iter().find(|path| path.exists())
}

fn needed(folder: &Path, name: &str) -> Result<PathBuf, Failure> {
    find(&[folder.to_owned()], name).ok_or_else(|| missing(folder, &format!("`{name}` or `{name}.gz`")))
}

fn missing(folder: &Path, what: &str) -> Failure {
    let diagnostic = Diagnostic::error(codes::DATA, format!("`{}` has no {what}", folder.display()));
    Failure::input(diagnostic.note(
        "Debian's package dataset-fashion-mnist installs Fashion-MNIST in /usr/share/datasets/fashion-mnist; `cnasc explain E0650` tells \
         of others",
    ))
}

fn read_idx(folder: &Path, images: &Path, labels: &str) -> Result<Images, Failure> {
    let labels = needed(folder, labels)?;
    let bytes = [read_whole(images, MAX_BYTES)?, read_whole(&labels, MAX_BYTES)?];
    idx(&bytes[0], &bytes[1]).map_err(|problem| {
        let message = format!("`{}` with `{}`: {problem}", images.display(), labels.display());
        Failure::input(Diagnostic::error(codes::DATA, message).note("get both files again from where they came from"))
    })
}

fn read_cifar(kind: Cifar, folder: &Path, places: &[PathBuf], names: &[String]) -> Result<Images, Failure> {
    let mut files = Vec::new();
    for name in names {
        let path = find(places, name).ok_or_else(|| missing(folder, &format!("`{name}`")))?;
        files.push(read_whole(&path, MAX_BYTES)?);
    }
    cifar(kind, &files).map_err(|(place, problem)| {
        let name = names.get(place).map_or("", String::as_str);
        let message = format!("`{name}` in `{}` {problem}", folder.display());
        Failure::input(Diagnostic::error(codes::DATA, message).note("unpack its archive again"))
    })
}

/// Takes `count` images, drawn by `seed`, out of `images`; gives those that are left and those taken.
pub fn hold_out(images: &Images, count: usize, seed: u64) -> (Images, Images) {
    let mut order: Vec<usize> = (0..images.len()).collect();
    Seed::new(seed).child("held out").rng().shuffle(&mut order);
    let (held, left) = order.split_at_mut(count.min(images.len()));
    // In their own order again, which is as good as any and shorter to read.
    held.sort_unstable();
    left.sort_unstable();
    (images.chosen(left), images.chosen(held))
}
