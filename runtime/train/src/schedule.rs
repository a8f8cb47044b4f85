//! How fast to learn: step of the run → learning rate.

/// The rate over a run, after a warm-up in which it grows evenly from nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum Schedule {
    /// The same throughout.
    Constant,
    /// Half a cosine from the full rate to nothing, Loshchilov and Hutter, "SGDR", ICLR 2017, without restarts.
    Cosine,
    /// Times `factor` after each `every` epochs.
    Step {
        /// Epochs.
        every: u32,
        /// Below 1.
        factor: f32,
    },
}

impl Schedule {
    /// The rate of `step` of `steps`, `per_epoch` of which are an epoch, where the first `warmup` lead up to it.
    #[must_use]
    pub fn rate(&self, base: f32, step: u64, steps: u64, per_epoch: u64, warmup: u64) -> f32 {
        if step < warmup {
            return base * (step + 1) as f32 / warmup as f32;
        }
        match *self {
            Self::Constant => base,
            Self::Cosine => {
                let done = (step - warmup) as f64 / steps.saturating_sub(warmup).max(1) as f64;
                base * (0.5 * (1.0 + libm::cos(std::f64::consts::PI * done.min(1.0)))) as f32
            }
            Self::Step { every, factor } => {
                let drops = step / per_epoch.max(1) / u64::from(every.max(1));
                base * libm::pow(f64::from(factor), drops as f64) as f32
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cosine_begins_at_the_full_rate_and_ends_at_nothing() {
        let rate = |step| Schedule::Cosine.rate(0.1, step, 110, 10, 10);
        assert!((rate(0) - 0.01).abs() < 1e-7, "the first step of ten that lead up");
        assert!((rate(9) - 0.1).abs() < 1e-7);
        assert!((rate(10) - 0.1).abs() < 1e-7);
        assert!((rate(60) - 0.05).abs() < 1e-7, "half way down");
        assert!(rate(110).abs() < 1e-7);
    }

    #[test]
    fn steps_drop_after_whole_epochs() {
        let schedule = Schedule::Step { every: 2, factor: 0.1 };
        let rate = |step| schedule.rate(1.0, step, 100, 10, 0);
        assert_eq!([rate(0), rate(19)], [1.0, 1.0]);
        assert!((rate(20) - 0.1).abs() < 1e-7 && (rate(40) - 0.01).abs() < 1e-7);
    }
}
