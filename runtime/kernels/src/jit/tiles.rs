//! Cutting a row of equal things into tiles of nearly one size: at most two sizes, so that code for two is enough.

/// `large` tiles of `size`, then `small` tiles of `size − 1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tiles {
    /// Of the larger tiles.
    pub size: u64,
    /// How many have it.
    pub large: u64,
    /// How many have one less.
    pub small: u64,
}

impl Tiles {
    /// The fewest tiles of at most `most` that cover `total`, as even as can be.
    pub fn of(total: u64, most: u64) -> Self {
        let count = total.div_ceil(most).max(1);
        let size = total.div_ceil(count).max(1);
        let small = count * size - total;
        Self { size, large: count - small, small }
    }

    /// The sizes that occur, with their counts.
    pub fn groups(&self) -> impl Iterator<Item = (u64, u64)> + use<> {
        [(self.size, self.large), (self.size - 1, self.small)]
            .into_iter()
            .filter(|&(size, count)| size > 0 && count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cover_exactly() {
        for total in 1..200 {
            for most in 1..9 {
                let tiles = Tiles::of(total, most);
                assert_eq!(tiles.groups().map(|(size, count)| size * count).sum::<u64>(), total);
                assert!(tiles.size <= most && tiles.large > 0, "{total} by {most}: {tiles:?}");
            }
        }
        assert_eq!(Tiles::of(28, 6), Tiles { size: 6, large: 3, small: 2 });
    }
}
