//! The binary files of CIFAR-10 and CIFAR-100: records of labels and 3×32×32 pixels.

use super::Images;
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
}
