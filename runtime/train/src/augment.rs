//! Images changed a little, so that none is seen twice: pixels × a stream of draws → pixels.

use cnasc_base::random::Rng;
use cnasc_ir::Shape;

/// What is done to images in training. Every image takes the same number of draws, whatever is done.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Augment {
    /// Moved by up to so many pixels each way; zeros come in.
    pub shift: u32,
    /// Mirrored, half of the time.
    pub flip: bool,
    /// The side of a square that is set to zero somewhere, DeVries and Taylor, arXiv 1708.04552; 0 for none.
    pub cutout: u32,
}

impl Augment {
    /// `image` with zeros for what comes from outside, in plain order.
    pub fn apply(&self, shape: Shape, image: &[u8], rng: &mut Rng) -> Vec<u8> {
        let (height, width) = (shape.height as usize, shape.width as usize);
        let span = 2 * self.shift as usize + 1;
        let [down, right] = [rng.below(span), rng.below(span)].map(|place| place as isize - self.shift as isize);
        let is_flipped = rng.chance(0.5) && self.flip;
        let hole = [rng.below(height), rng.below(width)];
        let mut changed = Vec::with_capacity(image.len());
        for plane in image.chunks_exact(height * width) {
            for row in 0..height {
                for column in 0..width {
                    let column_from = if is_flipped { width - 1 - column } else { column };
                    let from = (row.checked_add_signed(-down), column_from.checked_add_signed(-right));
                    let is_cut = self.is_in_hole(hole, row, column);
                    changed.push(match from {
                        (Some(row), Some(column)) if row < height && column < width && !is_cut => {
                            plane[row * width + column]
                        }
                        _ => 0,
                    });
                }
            }
        }
        changed
    }

    fn is_in_hole(&self, [row, column]: [usize; 2], at_row: usize, at_column: usize) -> bool {
        let side = self.cutout as usize;
        let inside = |at: usize, centre: usize| at + side / 2 >= centre && at + side / 2 < centre + side;
        inside(at_row, row) && inside(at_column, column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cnasc_base::Seed;
    use std::collections::BTreeSet;

    fn all(augment: &Augment, image: &[u8], shape: Shape) -> BTreeSet<Vec<u8>> {
        let mut rng = Seed::new(1).rng();
        (0..500).map(|_| augment.apply(shape, image, &mut rng)).collect()
    }

    #[test]
    fn nothing_changes_nothing() {
        let found = all(&Augment::default(), &[1, 2, 3, 4], Shape::new(1, 2, 2));
        assert_eq!(found, BTreeSet::from([vec![1, 2, 3, 4]]));
    }

    #[test]
    fn images_are_mirrored_or_not() {
        let found = all(&Augment { flip: true, ..Augment::default() }, &[1, 2, 3, 4, 5, 6, 7, 8], Shape::new(2, 2, 2));
        assert_eq!(found, BTreeSet::from([vec![1, 2, 3, 4, 5, 6, 7, 8], vec![2, 1, 4, 3, 6, 5, 8, 7]]));
    }

    #[test]
    fn images_move_all_ways() {
        let found = all(&Augment { shift: 1, ..Augment::default() }, &[1, 2, 3, 4], Shape::new(1, 2, 2));
        let moved = [[1, 2, 3, 4], [0, 0, 1, 2], [3, 4, 0, 0], [0, 1, 0, 3], [2, 0, 4, 0], [0, 0, 0, 1], [4, 0, 0, 0]];
        assert_eq!(found.len(), 9);
        assert!(moved.iter().all(|image| found.contains(image.as_slice())));
    }

    #[test]
    fn squares_are_cut_out() {
        let found = all(&Augment { cutout: 2, ..Augment::default() }, &[1; 16], Shape::new(1, 4, 4));
        let zeros = |image: &Vec<u8>| image.iter().filter(|&&pixel| pixel == 0).count();
        assert_eq!(
            found.iter().map(zeros).collect::<BTreeSet<_>>(),
            BTreeSet::from([1, 2, 4]),
            "cut by the border or not"
        );
        assert_eq!(found.len(), 16);
    }
}
