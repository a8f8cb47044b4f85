//! The Oxford flowers of 102 kinds: pictures, with `imagelabels.mat` and `setid.mat`.

use super::pictures::{Picture, Source, decoded};
use super::{Sets, archive, damaged, missing};
use crate::failure::Failure;
use crate::images::read_whole;
use cnasc_ir::Shape;
use cnasc_train::data::mat;
use std::collections::BTreeMap;
use std::path::Path;

/// The greatest `.mat`.
const MAX_BYTES: u64 = 1 << 20;

/// The sets, where `setid.mat` is there: its `trnid` and `valid` to learn from, its `tstid` to test with.
///
/// # Errors
/// Where something lacks or is damaged.
pub fn read(folder: &Path, shape: Shape) -> Result<Option<Sets>, Failure> {
    let splits = folder.join("setid.mat");
    if !splits.is_file() {
        return Ok(None);
    }
    let labels = folder.join("imagelabels.mat");
    if !labels.is_file() {
        return Err(missing(folder, "`imagelabels.mat`"));
    }
    let labels = numbers(&labels, "labels")?;
    let folder_of_pictures = folder.join("jpg");
    let packed = folder.join("102flowers.tgz");
    let mut archived = match (folder_of_pictures.is_dir(), packed.is_file()) {
        (true, _) => None,
        (false, true) => Some(archive::read(&packed, &|name| name.starts_with("image_"))?),
        (false, false) => return Err(missing(folder, "folder `jpg` or file `102flowers.tgz`")),
    };
    let mut of = |keys: &[&str]| {
        let mut pictures = Vec::new();
        for key in keys {
            for number in numbers(&splits, key)? {
                let label = labels.get(usize::from(number).wrapping_sub(1)).copied().unwrap_or(0);
                let Some(label) = label.checked_sub(1).filter(|label| *label < 102) else {
                    let message = format!("`{}` has the picture {number}, which has no kind of 102", splits.display());
                    return Err(damaged(message, AGAIN));
                };
                pictures.push(Picture { source: source(folder, &mut archived, number)?, label });
            }
        }
        decoded(&pictures, shape)
    };
    let test = of(&["tstid"])?;
    Ok(Some(Sets { train: of(&["trnid", "valid"])?, test }))
}

const AGAIN: &str =
    "get the file again from the page of the 102 Category Flower Dataset, Visual Geometry Group, Oxford";

/// A picture in the folder, or out of the archive.
fn source(folder: &Path, archived: &mut Option<BTreeMap<String, Vec<u8>>>, number: u16) -> Result<Source, Failure> {
    let name = format!("image_{number:05}.jpg");
    match archived {
        None => Ok(Source::File(folder.join("jpg").join(name))),
        Some(files) => {
            let bytes =
                files.remove(&name).ok_or_else(|| missing(&folder.join("102flowers.tgz"), &format!("`{name}`")))?;
            Ok(Source::Bytes(name, bytes))
        }
    }
}

/// Whole numbers from 0 to 65,535.
fn numbers(path: &Path, variable: &str) -> Result<Vec<u16>, Failure> {
    let wrong = |problem: String| damaged(format!("`{}` {problem}", path.display()), AGAIN);
    let mut variables = mat(&read_whole(path, MAX_BYTES)?).map_err(wrong)?;
    let values =
        variables.remove(variable).ok_or_else(|| wrong(format!("has no row of numbers called `{variable}`")))?;
    let whole = |value: &f64| (value.fract() == 0.0 && (0.0..65536.0).contains(value)).then_some(*value as u16);
    values.iter().map(whole).collect::<Option<_>>().ok_or_else(|| wrong(format!("has odd numbers in `{variable}`")))
}
