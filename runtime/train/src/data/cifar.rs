//! The files of CIFAR-10 and CIFAR-100: records of labels and 3×32×32 pixels, or pickles of a dictionary with both.

use super::Images;
use super::pickle::Pickle;
use cnasc_ir::Shape;

const SHAPE: Shape = Shape { channels: 3, height: 32, width: 32 };
const PIXELS: usize = 3 * 32 * 32;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cifar {
    /// One label a record, of ten classes.
    Ten,
    /// Two labels a record, of which the second, of a hundred classes, is taken.
    Hundred,
}

/// The images of unpacked files, one file after the other.
///
/// # Errors
/// Where a file is no row of whole records, or has a label that there is not; with the file's place.
pub fn cifar(kind: Cifar, files: &[Vec<u8>]) -> Result<Images, (usize, String)> {
    let (labels, classes) = match kind {
        Cifar::Ten => (1, 10),
        Cifar::Hundred => (2, 100),
    };
    let mut images = Images { shape: SHAPE, pixels: Vec::new(), labels: Vec::new() };
    for (place, bytes) in files.iter().enumerate() {
        let record = labels + PIXELS;
        if bytes.is_empty() || !bytes.len().is_multiple_of(record) {
            return Err((place, format!("has {} bytes, which are no whole records of {record}", bytes.len())));
        }
        for record in bytes.chunks_exact(record) {
            let label = record[labels - 1];
            if label >= classes {
                return Err((place, format!("has the label {label}, where there are {classes} classes")));
            }
            images.labels.push(label.into());
            images.pixels.extend(&record[labels..]);
        }
    }
    if images.is_empty() { Err((0, "is missing".to_owned())) } else { Ok(images) }
}

/// The images of unpacked files of the Python version, one file after the other.
///
/// # Errors
/// Where a file is no pickle of a dictionary with an array `data` of n×3072 bytes and as many labels that there are; with the file's place.
pub fn cifar_pickled(kind: Cifar, files: &[Vec<u8>]) -> Result<Images, (usize, String)> {
    let mut images = Images { shape: SHAPE, pixels: Vec::new(), labels: Vec::new() };
    for (place, bytes) in files.iter().enumerate() {
        pickled(kind, bytes, &mut images).map_err(|problem| (place, problem))?;
    }
    if images.is_empty() { Err((0, "has no images".to_owned())) } else { Ok(images) }
}

fn pickled(kind: Cifar, bytes: &[u8], images: &mut Images) -> Result<(), String> {
    let (key, classes) = match kind {
        Cifar::Ten => ("labels", 10),
        Cifar::Hundred => ("fine_labels", 100),
    };
    let pickle = Pickle::read(bytes)?;
    let data = pickle.get("data").and_then(|value| pickle.array(value)).ok_or("has no array of bytes called `data`")?;
    let labels = pickle.get(key).and_then(|value| pickle.ints(value));
    let labels = labels.ok_or_else(|| format!("has no list of numbers called `{key}`"))?;
    if data.extents != [labels.len() as i64, PIXELS as i64] {
        return Err(format!(
            "has data of the extents {:?} for {} labels, not so many times {PIXELS}",
            data.extents,
            labels.len()
        ));
    }
    if let Some(label) = labels.iter().find(|label| !(0..classes).contains(*label)) {
        return Err(format!("has the label {label}, where there are {classes} classes"));
    }
    images.labels.extend(labels.iter().map(|&label| label as u16));
    images.pixels.extend(data.bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_taken_apart() {
        let record = |labels: &[u8], pixel: u8| [labels.to_vec(), vec![pixel; PIXELS]].concat();
        let ten = cifar(Cifar::Ten, &[record(&[9], 1), [record(&[0], 2), record(&[3], 4)].concat()]).expect("whole");
        assert_eq!(ten.labels, [9, 0, 3]);
        assert_eq!(ten.image(2), [4; PIXELS]);
        let hundred = cifar(Cifar::Hundred, &[record(&[19, 99], 7)]).expect("whole");
        assert_eq!((hundred.labels, hundred.pixels), (vec![99], vec![7; PIXELS]));
    }

    #[test]
    fn damage_is_found_in_its_file() {
        let good = [vec![1], vec![0; PIXELS]].concat();
        let problem = |files: &[Vec<u8>]| cifar(Cifar::Ten, files).map_err(|(place, _)| place);
        assert_eq!(problem(&[good.clone(), good[1..].to_vec()]), Err(1));
        assert_eq!(problem(&[[vec![10], vec![0; PIXELS]].concat()]), Err(0));
        assert_eq!(problem(&[]), Err(0));
        assert_eq!(problem(&[vec![]]), Err(0));
    }

    /// A file as Python 2 has written those of the archive, protocol 2: of one image, whose pixels are all `pixel`.
    fn python_2(key: &str, label: u8, pixel: u8) -> Vec<u8> {
        let text = |text: &str| [&[b'U', text.len() as u8], text.as_bytes()].concat();
        let parts: [&[u8]; 12] = [
            b"\x80\x02}q\x01(",
            &text("data"),
            b"cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85U\x01b\x87Rq\x04(K\x01K\x01M\x00\x0c\x86",
            b"cnumpy\ndtype\nq\x05U\x02u1K\x00K\x01\x87Rq\x06(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89",
            b"T\x00\x0c\x00\x00",
            &[pixel; PIXELS],
            b"tb",
            &text(key),
            b"]q\x07K",
            &[label],
            b"a",
            b"u.",
        ];
        parts.concat()
    }

    #[test]
    fn pickles_are_as_python_writes_them() {
        let ten = cifar_pickled(Cifar::Ten, &[python_2("labels", 9, 7), python_2("labels", 0, 200)]).expect("whole");
        assert_eq!(ten.labels, [9, 0]);
        assert_eq!((ten.image(0), ten.image(1)), ([7; PIXELS].as_slice(), [200; PIXELS].as_slice()));
        let hundred = cifar_pickled(Cifar::Hundred, &[python_2("fine_labels", 99, 1)]).expect("whole");
        assert_eq!(hundred.labels, [99]);
        assert_eq!(
            cifar_pickled(Cifar::Ten, &[python_2("labels", 1, 1), python_2("labels", 10, 1)]).map_err(|(at, _)| at),
            Err(1)
        );
        assert!(cifar_pickled(Cifar::Hundred, &[python_2("labels", 1, 1)]).is_err(), "labels of another set");
    }

    #[test]
    fn pickles_that_are_cut_off_are_refused() {
        let whole = python_2("labels", 3, 5);
        for cut in (0..whole.len()).filter(|cut| cut % 97 == 0 || !(400..3_300).contains(cut)) {
            assert!(cifar_pickled(Cifar::Ten, &[whole[..cut].to_vec()]).is_err(), "cut at {cut}");
        }
        // Any one byte wrong must not end the program; pixels may be any.
        for at in (0..whole.len()).filter(|at| !(400..3_200).contains(at)) {
            for value in [0, b'.', b'(', 255] {
                let mut wrong = whole.clone();
                wrong[at] = value;
                let _ = cifar_pickled(Cifar::Ten, &[wrong]);
            }
        }
    }
}
