//! Numbers, one after the other → their mean, deviation and extremes.

/// What is kept of numbers that were seen.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Moments {
    pub(super) count: f64,
    pub(super) sum: f64,
    squares: f64,
    /// The least and the greatest.
    pub(super) ends: Option<(f64, f64)>,
}

impl Moments {
    pub(super) fn add(&mut self, value: f64) {
        self.count += 1.0;
        self.sum += value;
        self.squares += value * value;
        let (least, greatest) = self.ends.unwrap_or((value, value));
        self.ends = Some((least.min(value), greatest.max(value)));
    }

    /// As if `count` zeros had been seen, too.
    pub(super) fn with_zeros(mut self, count: f64) -> Self {
        if count > 0.0 {
            self.count += count;
            let (least, greatest) = self.ends.unwrap_or((0.0, 0.0));
            self.ends = Some((least.min(0.0), greatest.max(0.0)));
        }
        self
    }

    /// 0 where nothing was seen.
    pub(super) fn mean(&self) -> f64 {
        if self.count > 0.0 { self.sum / self.count } else { 0.0 }
    }

    /// Of one value, estimated without bias; 0 where fewer than two were seen or all are the same.
    pub(super) fn variance(&self) -> f64 {
        if self.count < 2.0 || self.ends.is_some_and(|(least, greatest)| least == greatest) {
            return 0.0;
        }
        ((self.squares - self.sum * self.sum / self.count) / (self.count - 1.0)).max(0.0)
    }

    pub(super) fn deviation(&self) -> f64 {
        self.variance().sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_few_numbers() {
        let mut moments = Moments::default();
        [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0].into_iter().for_each(|value| moments.add(value));
        assert_eq!((moments.mean(), moments.variance(), moments.ends), (5.0, 32.0 / 7.0, Some((2.0, 9.0))));
        let mut four = Moments::default();
        [3.0, 1.0].into_iter().for_each(|value| four.add(value));
        assert_eq!(four.with_zeros(2.0).mean(), 1.0);
        assert_eq!(four.with_zeros(2.0).ends, Some((0.0, 3.0)));
    }
}
