//! A folder → images to learn from and images to be judged by.

mod archive;
mod flowers;
mod npz;
mod pictures;

use crate::failure::{Failure, codes};
use crate::images::read_whole;
use cnasc_base::{Diagnostic, Seed};
use cnasc_ir::Shape;
use cnasc_train::data::{Cifar, Images, cifar, cifar_pickled, idx};
use std::path::{Path, PathBuf};

/// The greatest file, unpacked: CIFAR-100's has 154 MB.
const MAX_BYTES: u64 = 512 << 20;
/// The share of images that are kept to be judged by where nobody has divided them: one of so many.
const JUDGE_OF: usize = 5;

const WHERE: &str = "Debian's package dataset-fashion-mnist installs Fashion-MNIST in /usr/share/datasets/fashion-mnist; `cnasc explain E0650` \
                     tells of others";

/// Images of one source.
#[derive(Debug)]
pub struct Sets {
    /// To learn from.
    pub train: Images,
    /// Never learnt from.
    pub test: Images,
}

/// What sets that fit anything are made for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// What pictures, which have many sizes, are scaled to.
    pub shape: Shape,
    /// Divides images that nobody has divided.
    pub seed: u64,
}

/// Small pictures, for a glance.
pub const GLANCE: Wanted = Wanted { shape: Shape { channels: 3, height: 32, width: 32 }, seed: 1 };

/// The sets of a folder, by the names of its files.
///
/// # Errors
/// Where a set is not whole, or there is none: says what to get and where to put it.
pub fn read(folder: &Path, wanted: Wanted) -> Result<Sets, Failure> {
    if let Some(first) = find(&[folder.to_owned()], "train-images-idx3-ubyte") {
        let train = read_idx(folder, &first, "train-labels-idx1-ubyte")?;
        let images = needed(folder, "t10k-images-idx3-ubyte")?;
        return Ok(Sets { train, test: read_idx(folder, &images, "t10k-labels-idx1-ubyte")? });
    }
    for form in &CIFAR {
        if let Some(train) = form.read(folder, form.train)? {
            let test = form.read(folder, form.test)?;
            return Ok(Sets { train, test: test.ok_or_else(|| missing(folder, &format!("`{}`", form.test[0])))? });
        }
    }
    if let Some(sets) = flowers::read(folder, wanted.shape)? {
        return Ok(sets);
    }
    if let Some(sets) = npz::read(folder, wanted.seed)? {
        return Ok(sets);
    }
    match pictures::read(folder, wanted)? {
        Some(sets) => Ok(sets),
        None => Err(missing(folder, "images to learn from")),
    }
}

/// A version of CIFAR.
struct CifarForm {
    kind: Cifar,
    /// The folder in its archive, and the archive.
    place: [&'static str; 2],
    train: &'static [&'static str],
    test: &'static [&'static str],
    is_pickled: bool,
}

const CIFAR: [CifarForm; 4] = [
    CifarForm {
        kind: Cifar::Ten,
        place: ["cifar-10-batches-bin", "cifar-10-binary.tar.gz"],
        train: &["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"],
        test: &["test_batch.bin"],
        is_pickled: false,
    },
    CifarForm {
        kind: Cifar::Hundred,
        place: ["cifar-100-binary", "cifar-100-binary.tar.gz"],
        train: &["train.bin"],
        test: &["test.bin"],
        is_pickled: false,
    },
    CifarForm {
        kind: Cifar::Ten,
        place: ["cifar-10-batches-py", "cifar-10-python.tar.gz"],
        train: &["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"],
        test: &["test_batch"],
        is_pickled: true,
    },
    CifarForm {
        kind: Cifar::Hundred,
        place: ["cifar-100-python", "cifar-100-python.tar.gz"],
        train: &["train"],
        test: &["test"],
        is_pickled: true,
    },
];

impl CifarForm {
    /// The images of the files, in a folder or in the archive; nothing where the first is nowhere.
    fn read(&self, folder: &Path, names: &[&str]) -> Result<Option<Images>, Failure> {
        let [inside, archive] = self.place;
        let places = [folder.to_owned(), folder.join(inside)];
        let archive = folder.join(archive);
        let files = if find(&places, names[0]).is_some() {
            let path = |name: &&str| find(&places, name).ok_or_else(|| missing(folder, &format!("`{name}`")));
            names.iter().map(|name| read_whole(&path(name)?, MAX_BYTES)).collect::<Result<Vec<_>, _>>()?
        } else if archive.is_file() {
            let mut found = archive::read(&archive, &|name| names.contains(&name))?;
            let file = |name: &&str| found.remove(*name).ok_or_else(|| missing(&archive, &format!("`{name}`")));
            names.iter().map(file).collect::<Result<Vec<_>, _>>()?
        } else {
            return Ok(None);
        };
        let images = if self.is_pickled { cifar_pickled(self.kind, &files) } else { cifar(self.kind, &files) };
        images.map(Some).map_err(|(place, problem)| {
            let name = names.get(place).copied().unwrap_or_default();
            damaged(
                format!("`{name}` in `{}` {problem}", folder.display()),
                "get its archive again and unpack it again",
            )
        })
    }
}

/// `name` in one of the folders, packed with gzip or not.
fn find(folders: &[PathBuf], name: &str) -> Option<PathBuf> {
    let paths = folders.iter().flat_map(|folder| [folder.join(name), folder.join(format!("{name}.gz"))]);
    paths.into_iter().find(|path| path.is_file())
}

fn needed(folder: &Path, name: &str) -> Result<PathBuf, Failure> {
    find(&[folder.to_owned()], name).ok_or_else(|| missing(folder, &format!("`{name}` or `{name}.gz`")))
}

fn missing(folder: &Path, what: &str) -> Failure {
    damaged(format!("`{}` has no {what}", folder.display()), WHERE)
}

fn damaged(message: String, note: &str) -> Failure {
    Failure::input(Diagnostic::error(codes::DATA, message).note(note))
}

fn read_idx(folder: &Path, images: &Path, labels: &str) -> Result<Images, Failure> {
    let labels = needed(folder, labels)?;
    let bytes = [read_whole(images, MAX_BYTES)?, read_whole(&labels, MAX_BYTES)?];
    idx(&bytes[0], &bytes[1]).map_err(|problem| {
        let message = format!("`{}` with `{}`: {problem}", images.display(), labels.display());
        damaged(message, "get both files again from where they came from")
    })
}

/// Images that nobody has divided, divided by `seed`.
fn divided(images: &Images, seed: u64) -> Sets {
    let (train, test) = hold_out(images, (images.len() / JUDGE_OF).max(1), seed);
    Sets { train, test }
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
