//! Images and tensors from files: PNG and JPEG, the IDX format of MNIST and its kin, and NumPy's `.npy`.
//!
//! All give pixels in 0..1 (a tensor's values as they are), in the order channel, row, column, for an input of known shape.

use crate::failure::{Failure, codes};
use cnasc_base::{Diagnostic, Seed};
use cnasc_ir::Shape;
use flate2::read::GzDecoder;
use image::imageops::FilterType;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The greatest file that is read into memory, unpacked: twice the 60,000 images of 28×28 that such sets commonly have.
const MAX_BYTES: u64 = 128 << 20;

/// One input of a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// What to call it.
    pub name: String,
    /// `channels · height · width` values.
    pub values: Vec<f32>,
    /// Whether they are pixels in 0..1, to be preprocessed, rather than a tensor to be taken as it is.
    pub is_image: bool,
    /// The class that it is known to belong to.
    pub label: Option<usize>,
}

impl Input {
    /// Uniform noise, the same for the same `seed`.
    #[must_use]
    pub fn noise(shape: Shape, seed: u64) -> Self {
        let mut rng = Seed::new(seed).child("noise").rng();
        let values = (0..shape.elements()).map(|_| rng.unit() as f32).collect();
        Self { name: format!("noise {seed}"), values, is_image: false, label: None }
    }
}

/// Reads one input; the file's ending says what it is, and `FILE#INDEX` is one image of an IDX file.
///
/// # Errors
/// Where the file can't be read, is damaged, or does not fit `shape`.
pub fn read(path: &Path, shape: Shape) -> Result<Input, Failure> {
    let text = path.to_string_lossy();
    if let Some((file, index)) = text.rsplit_once('#') {
        let index = index.parse().map_err(|_| form(path, "what follows `#` is not a number"))?;
        return Idx::open(Path::new(file))?.input(index, shape);
    }
    match path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase).as_deref() {
        Some("png" | "jpg" | "jpeg") => read_picture(path, shape),
        Some("npy") => read_npy(path, shape),
        _ if is_idx(path) => Idx::open(path)?.input(0, shape),
        _ => Err(form(path, "is no .png, .jpg, .npy or IDX file")),
    }
}

/// Whether the file begins as an IDX file of images does, or is packed and named like one.
fn is_idx(path: &Path) -> bool {
    let mut head = [0; 4];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut head));
    (read.is_ok() && head == [0, 0, 8, 3]) || path.to_string_lossy().contains("idx3")
}

fn form(path: &Path, problem: &str) -> Failure {
    Failure::input(Diagnostic::error(codes::FORM, format!("`{}`: {problem}", path.display())))
}

fn unfit(path: &Path, problem: &str) -> Failure {
    Failure::input(Diagnostic::error(codes::IMAGE, format!("`{}`: {problem}", path.display())))
}

/// A picture, scaled to the network's size; grey where the network takes one channel.
fn read_picture(path: &Path, shape: Shape) -> Result<Input, Failure> {
    let bytes = read_bounded(path)?;
    let picture = image::load_from_memory(&bytes).map_err(|error| form(path, &error.to_string()))?;
    let picture = picture.resize_exact(shape.width, shape.height, FilterType::Triangle);
    let values = match shape.channels {
        1 => picture.to_luma32f().into_raw(),
        3 => {
            let interleaved = picture.to_rgb32f().into_raw();
            let plane = shape.plane() as usize;
            (0..3 * plane).map(|at| interleaved[at % plane * 3 + at / plane]).collect()
        }
        channels => return Err(unfit(path, &format!("a picture has 1 or 3 channels, the network takes {channels}"))),
    };
    Ok(Input { name: path.display().to_string(), values, is_image: true, label: None })
}

/// A tensor of fp32 or fp64 with the network's extents, with or without a leading 1.
fn read_npy(path: &Path, shape: Shape) -> Result<Input, Failure> {
    let bytes = read_bounded(path)?;
    let damaged = |error: std::io::Error| form(path, &error.to_string());
    if !npy_is_bounded(&bytes) {
        return Err(form(path, "is no .npy file, or one of more values than a tensor can have"));
    }
    let file = npyz::NpyFile::new(&bytes[..]).map_err(damaged)?;
    let wanted = [u64::from(shape.channels), u64::from(shape.height), u64::from(shape.width)];
    let extents = file.shape();
    let fits = extents == wanted || (extents.len() == 4 && extents[0] == 1 && extents[1..] == wanted);
    if !fits {
        return Err(unfit(path, &format!("its extents are {extents:?}, the network takes {wanted:?}")));
    }
    if file.order() != npyz::Order::C {
        return Err(form(path, "is in Fortran order; save it in C order"));
    }
    // The extents fit the network's, so the number of values is bounded; the file's length is checked by reading.
    let values = match file.try_data::<f32>() {
        Ok(data) => data.collect::<Result<Vec<f32>, _>>().map_err(damaged)?,
        Err(file) => {
            let data = file
                .try_data::<f64>()
                .map_err(|_| form(path, "holds neither 32 nor 64 bit floats: save it as float32"))?;
            data.map(|value| value.map(|value| value as f32)).collect::<Result<Vec<f32>, _>>().map_err(damaged)?
        }
    };
    if values.iter().any(|value| !value.is_finite()) {
        return Err(unfit(path, "holds a value that is not a finite number"));
    }
    Ok(Input { name: path.display().to_string(), values, is_image: false, label: None })
}

/// Whether the product of the extents in the header is one that a tensor may have: the reader multiplies them unchecked.
pub(crate) fn npy_is_bounded(bytes: &[u8]) -> bool {
    let header = String::from_utf8_lossy(&bytes[..bytes.len().min(1 << 16)]);
    let Some(shape) = header.split("'shape':").nth(1).and_then(|rest| rest.split(['(', ')']).nth(1)) else {
        return false;
    };
    let extents = shape.split(',').map(str::trim).filter(|extent| !extent.is_empty());
    let product = extents.map(|extent| extent.trim_end_matches('L').parse::<u64>().ok());
    // An extent of 0 must not hide that the others overflow.
    let bounded = |product: u64, extent: Option<u64>| product.checked_mul(extent?.max(1)).filter(|all| *all <= 1 << 34);
    product.into_iter().try_fold(1, bounded).is_some()
}

/// Writes `values` as a one-dimensional fp32 `.npy`.
///
/// # Errors
/// Where the file can't be written.
pub fn write_npy(path: &Path, values: &[f32]) -> Result<(), Failure> {
    use npyz::WriterBuilder;
    let mut bytes = Vec::new();
    let written = npyz::WriteOptions::new()
        .default_dtype()
        .shape(&[values.len() as u64])
        .writer(&mut bytes)
        .begin_nd()
        .and_then(|mut writer| writer.extend(values.iter().copied()).and_then(|()| writer.finish()));
    written.map_err(|error| Failure::unwritable(path, &error))?;
    crate::output::write_file(path, &bytes)
}

/// An IDX file of images, with the labels and class names that lie beside it.
#[derive(Debug)]
pub struct Idx {
    path: PathBuf,
    count: usize,
    height: usize,
    width: usize,
    pixels: Vec<u8>,
    labels: Option<Vec<u8>>,
}

impl Idx {
    /// The test images of the folder: `t10k-images-idx3-ubyte`, packed with gzip or not.
    ///
    /// # Errors
    /// Where there are none, with what to get and where to put it.
    pub fn of_folder(folder: &Path) -> Result<Self, Failure> {
        for name in ["t10k-images-idx3-ubyte", "t10k-images-idx3-ubyte.gz"] {
            let path = folder.join(name);
            if path.exists() {
                return Self::open(&path);
            }
        }
        let problem = format!("no `t10k-images-idx3-ubyte` or `t10k-images-idx3-ubyte.gz` in `{}`", folder.display());
        let note = "put Fashion-MNIST's test images there, or name another folder by `--data DIR`; Debian's package \
                    dataset-fashion-mnist installs them in /usr/share/datasets/fashion-mnist";
        Err(Failure::input(Diagnostic::error(codes::UNREADABLE, problem).note(note)))
    }

    /// Reads and checks the whole file.
    ///
    /// # Errors
    /// Where it can't be read or is damaged.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let bytes = read_bounded(path)?;
        let (extents, pixels) = idx_body(path, &bytes, 3)?;
        let labels = Self::labels_beside(path, extents[0])?;
        Ok(Self {
            path: path.to_owned(),
            count: extents[0],
            height: extents[1],
            width: extents[2],
            pixels: pixels.to_vec(),
            labels,
        })
    }

    /// The labels' file has the images' name with other words in it; it may be missing, but not wrong.
    fn labels_beside(path: &Path, count: usize) -> Result<Option<Vec<u8>>, Failure> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let labels = path.with_file_name(name.replace("images-idx3", "labels-idx1"));
        if labels == path || !labels.exists() {
            return Ok(None);
        }
        let bytes = read_bounded(&labels)?;
        let (extents, values) = idx_body(&labels, &bytes, 1)?;
        if extents[0] != count {
            return Err(form(&labels, &format!("has {} labels for {count} images", extents[0])));
        }
        Ok(Some(values.to_vec()))
    }

    /// How many images there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// The image at `index`.
    ///
    /// # Errors
    /// Where there is none or the network takes another size.
    pub fn input(&self, index: usize, shape: Shape) -> Result<Input, Failure> {
        if index >= self.count {
            return Err(unfit(&self.path, &format!("has no image {index}: there are {}", self.count)));
        }
        let found = Shape::new(1, self.height as u32, self.width as u32);
        if found != shape {
            return Err(unfit(&self.path, &format!("its images are {found}, the network takes {shape}")));
        }
        let size = self.height * self.width;
        let pixels = &self.pixels[index * size..(index + 1) * size];
        Ok(Input {
            name: format!("{}#{index}", self.path.display()),
            values: pixels.iter().map(|&pixel| f32::from(pixel) / 255.0).collect(),
            is_image: true,
            label: self.labels.as_ref().map(|labels| usize::from(labels[index])),
        })
    }
}

/// The names of the classes, one a line, from `classes.txt` in `folder`; none where there is no such file.
#[must_use]
pub fn class_names(folder: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("classes.txt")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Splits an IDX file of bytes into its extents and its body, whose length is checked against them.
fn idx_body<'a>(path: &Path, bytes: &'a [u8], dimensions: usize) -> Result<(Vec<usize>, &'a [u8]), Failure> {
    let head = 4 + 4 * dimensions;
    if bytes.len() < head || bytes[..3] != [0, 0, 8] || usize::from(bytes[3]) != dimensions {
        return Err(form(path, &format!("is no IDX file of bytes with {dimensions} dimensions")));
    }
    let word = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let extents: Vec<u64> = (0..dimensions).map(|dimension| u64::from(word(4 + 4 * dimension))).collect();
    let wanted = extents.iter().try_fold(1_u64, |product, &extent| product.checked_mul(extent));
    let body = &bytes[head..];
    if wanted != Some(body.len() as u64) {
        return Err(form(path, &format!("says {extents:?}, but holds {} bytes", body.len())));
    }
    Ok((extents.into_iter().map(|extent| extent as usize).collect(), body))
}

/// A whole file, unpacked where it ends in `.gz`, refused where it is larger than [`MAX_BYTES`].
fn read_bounded(path: &Path) -> Result<Vec<u8>, Failure> {
    read_whole(path, MAX_BYTES)
}

/// A whole file, unpacked where it ends in `.gz`.
///
/// # Errors
/// Where it can't be read, or is larger than `most` bytes.
pub fn read_whole(path: &Path, most: u64) -> Result<Vec<u8>, Failure> {
    let unreadable = |error: std::io::Error| Failure::unreadable(path, &error);
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    let read = if path.extension().is_some_and(|ending| ending == "gz") {
        GzDecoder::new(file).take(most + 1).read_to_end(&mut bytes)
    } else {
        file.take(most + 1).read_to_end(&mut bytes)
    };
    read.map_err(unreadable)?;
    if bytes.len() as u64 > most {
        return Err(form(path, &format!("is larger than {} MiB", most >> 20)));
    }
    Ok(bytes)
}
