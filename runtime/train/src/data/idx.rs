//! The IDX files of MNIST and its kin: a file of images and one of labels.

use super::Images;
use cnasc_ir::Shape;

/// The images and their labels of two unpacked files.
///
/// # Errors
/// What is wrong with which of the two.
pub fn idx(images: &[u8], labels: &[u8]) -> Result<Images, String> {
    let ([count, height, width], pixels) = body(images).map_err(|problem| format!("the file of images {problem}"))?;
    let ([labelled], labels) = body(labels).map_err(|problem| format!("the file of labels {problem}"))?;
    if count != labelled {
        return Err(format!("there are {labelled} labels for {count} images"));
    }
    let shape = Shape::new(1, height, width);
    if count == 0 || !shape.is_valid() {
        return Err(format!("there are {count} images of {height}×{width}: none to learn from"));
    }
    Ok(Images { shape, pixels: pixels.to_vec(), labels: labels.iter().map(|&label| label.into()).collect() })
}

/// Extents and what they are of.
fn body<const N: usize>(bytes: &[u8]) -> Result<([u32; N], &[u8]), String> {
    let form = || format!("is no IDX file of bytes with {N} dimensions");
    let (head, rest) = bytes.split_first_chunk::<4>().ok_or_else(form)?;
    if head[..3] != [0, 0, 8] || usize::from(head[3]) != N || rest.len() < 4 * N {
        return Err(form());
    }
    let (words, body) = rest.split_at(4 * N);
    let mut extents = [0; N];
    for (extent, word) in extents.iter_mut().zip(words.as_chunks::<4>().0) {
        *extent = u32::from_be_bytes(*word);
    }
    let wanted = extents.iter().try_fold(1_u64, |product, &extent| product.checked_mul(extent.into()));
    if wanted != Some(body.len() as u64) {
        return Err(format!("says {extents:?}, but holds {} bytes: it is not whole", body.len()));
    }
    Ok((extents, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(extents: &[u32], body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, extents.len() as u8];
        bytes.extend(extents.iter().flat_map(|extent| extent.to_be_bytes()));
        bytes.extend(body);
        bytes
    }

    #[test]
    fn images_get_their_labels() {
        let images = idx(&file(&[2, 1, 2], &[1, 2, 3, 4]), &file(&[2], &[5, 6])).expect("they are whole");
        assert_eq!(images.labels, [5, 6]);
        assert_eq!(images.image(1), [3, 4]);
        assert_eq!((images.shape, images.classes()), (Shape::new(1, 1, 2), 7));
    }

    #[test]
    fn damage_is_found() {
        let (images, labels) = (file(&[2, 1, 2], &[1, 2, 3, 4]), file(&[2], &[5, 6]));
        for cut in 0..images.len() {
            assert!(idx(&images[..cut], &labels).is_err(), "images cut at {cut}");
        }
        for cut in 0..labels.len() {
            assert!(idx(&images, &labels[..cut]).is_err(), "labels cut at {cut}");
        }
        assert!(idx(&images, &file(&[1], &[5])).is_err(), "too few labels");
        assert!(idx(&file(&[u32::MAX, u32::MAX, u32::MAX], &[]), &labels).is_err(), "more than there can be");
        assert!(idx(&file(&[0, 1, 2], &[]), &file(&[0], &[])).is_err(), "none");
        assert!(idx(&labels, &images).is_err(), "exchanged");
    }
}
