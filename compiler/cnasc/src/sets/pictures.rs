//! A folder with a folder of pictures for each class.

use super::{Sets, Wanted, damaged, divided, missing};
use crate::failure::{Failure, codes};
use crate::images::read_whole;
use cnasc_base::Diagnostic;
use cnasc_ir::Shape;
use cnasc_train::data::Images;
use image::imageops::FilterType;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use std::path::{Path, PathBuf};

/// The greatest picture's file.
const MAX_BYTES: u64 = 64 << 20;
/// What folders of pictures to be judged by are called.
const TESTS: [&str; 4] = ["test", "val", "valid", "validation"];

/// Where a picture is.
pub enum Source {
    /// On disk.
    File(PathBuf),
    /// A file's name and what is in it.
    Bytes(String, Vec<u8>),
}

/// What belongs to which class.
pub struct Picture {
    /// Where it is.
    pub source: Source,
    /// Its class.
    pub label: u16,
}

/// `DIR/train/CLASS/*` with `DIR/test/CLASS/*`, or `DIR/CLASS/*`; nothing where there are no pictures in folders.
///
/// # Errors
/// Where pictures can't be read, or are of a class that none is learnt from.
pub fn read(folder: &Path, wanted: Wanted) -> Result<Option<Sets>, Failure> {
    let train = folder.join("train");
    if !train.is_dir() {
        let classes = classes(folder)?;
        let pictures = pictures(folder, &classes)?;
        if pictures.is_empty() {
            return Ok(None);
        }
        return Ok(Some(divided(&decoded(&pictures, wanted.shape)?, wanted.seed)));
    }
    let classes = classes(&train)?;
    let pictures_of = |folder: &Path| match pictures(folder, &classes)? {
        none if none.is_empty() => Err(missing(folder, "pictures in folders named like their classes")),
        some => decoded(&some, wanted.shape),
    };
    let test = TESTS.iter().map(|name| folder.join(name)).find(|path| path.is_dir());
    match test {
        None => Ok(Some(divided(&pictures_of(&train)?, wanted.seed))),
        Some(test) => {
            if let Some(other) = self::classes(&test)?.into_iter().find(|class| !classes.contains(class)) {
                let message =
                    format!("`{}` has the class `{other}`, which `{}` has not", test.display(), train.display());
                return Err(damaged(message, "both folders need folders of the same names"));
            }
            Ok(Some(Sets { train: pictures_of(&train)?, test: pictures_of(&test)? }))
        }
    }
}

/// The names in a folder, in their order.
fn names(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unreadable =
        |error: std::io::Error| damaged(format!("can't read `{}`: {error}", folder.display()), super::WHERE);
    let mut names: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        names.push(entry.map_err(unreadable)?.path());
    }
    names.sort_unstable();
    Ok(names)
}

/// The folders in a folder that have pictures.
fn classes(folder: &Path) -> Result<Vec<String>, Failure> {
    let mut classes = Vec::new();
    for path in names(folder)? {
        if path.is_dir() && names(&path)?.iter().any(|path| is_picture(path)) {
            classes.extend(path.file_name().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    Ok(classes)
}

fn is_picture(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    matches!(ending.as_deref(), Some("png" | "jpg" | "jpeg"))
}

fn pictures(folder: &Path, classes: &[String]) -> Result<Vec<Picture>, Failure> {
    let mut pictures = Vec::new();
    for (class, name) in classes.iter().enumerate() {
        let inside = folder.join(name);
        let label = u16::try_from(class)
            .map_err(|_| damaged(format!("`{}` has more than 65,536 classes", folder.display()), super::WHERE))?;
        let paths = if inside.is_dir() { names(&inside)? } else { Vec::new() };
        let paths = paths.into_iter().filter(|path| is_picture(path));
        pictures.extend(paths.map(|path| Picture { source: Source::File(path), label }));
    }
    Ok(pictures)
}

/// Pictures scaled until they cover `shape`, and cut to it around their middle; on all cores, in their order.
///
/// # Errors
/// Of the first that can't be read or is no picture, and where networks take neither grey nor coloured ones.
pub fn decoded(pictures: &[Picture], shape: Shape) -> Result<Images, Failure> {
    if ![1, 3].contains(&shape.channels) {
        let message = format!("pictures have 1 or 3 channels, the network takes {shape}");
        return Err(Diagnostic::error(codes::IMAGE, message).into());
    }
    let all: Vec<Result<Vec<u8>, Failure>> = pictures.par_iter().map(|picture| pixels(picture, shape)).collect();
    let mut images = Images { shape, pixels: Vec::new(), labels: Vec::new() };
    images.pixels.reserve_exact(pictures.len() * shape.elements() as usize);
    for (picture, pixels) in pictures.iter().zip(all) {
        images.pixels.extend(pixels?);
        images.labels.push(picture.label);
    }
    Ok(images)
}

fn pixels(picture: &Picture, shape: Shape) -> Result<Vec<u8>, Failure> {
    let read;
    let (name, bytes) = match &picture.source {
        Source::File(path) => {
            read = read_whole(path, MAX_BYTES)?;
            (path.display().to_string(), &read)
        }
        Source::Bytes(name, bytes) => (name.clone(), bytes),
    };
    let picture = image::load_from_memory(bytes).map_err(|error| {
        damaged(format!("`{name}` is no picture that can be read: {error}"), "get it again, or take it out of the set")
    })?;
    let picture = picture.resize_to_fill(shape.width, shape.height, FilterType::Triangle);
    if shape.channels == 1 {
        return Ok(picture.into_luma8().into_raw());
    }
    let interleaved = picture.into_rgb8().into_raw();
    Ok((0..3).flat_map(|channel| interleaved.iter().skip(channel).step_by(3)).copied().collect())
}
