//! Which time it is on a node, as the coordinator sees it: exchanges of messages → how far the node's clock is ahead.
//!
//! A call and its answer tell the offset of the two clocks up to half of the time that both spent travelling (Cristian, *Probabilistic
//! clock synchronization*, 1989): the best guess is that there and back took the same. The exchange that travelled least is kept, and
//! replaced once it is so old that drifting clocks have made it worth less than a new one.

use std::time::{Duration, Instant};

/// By how much two clocks may drift apart in a second; the quartz of cheap boards is good to half of this.
const DRIFT: f64 = 1e-4;

/// A call that came back, as both sides timed it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exchange {
    /// When the call left.
    pub sent: Instant,
    /// When its answer came.
    pub came: Instant,
    /// When the call arrived, in seconds on the node's clock.
    pub arrived: f64,
    /// For how many seconds the node had it.
    pub held: f64,
}

/// A node's clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clock {
    /// What seconds are counted from here.
    epoch: Instant,
    /// Seconds that the node's clock is ahead of those since the epoch.
    ahead: f64,
    /// At most so many seconds wrong when it was taken.
    error: f64,
    /// Seconds since the epoch when it was.
    taken: f64,
}

impl Clock {
    /// What one exchange tells. A node that claims nonsense is taken to have its own zero at `sent`.
    #[must_use]
    pub fn of(epoch: Instant, exchange: &Exchange) -> Self {
        let since = |time: Instant| time.saturating_duration_since(epoch).as_secs_f64();
        let (sent, came) = (since(exchange.sent), since(exchange.came));
        let held = if exchange.held.is_finite() { exchange.held } else { 0.0 };
        let travelled = (came - sent - held).clamp(0.0, came - sent);
        let ahead = exchange.arrived - (sent + travelled / 2.0);
        let ahead = if ahead.is_finite() { ahead } else { -sent };
        Self { epoch, ahead, error: travelled / 2.0, taken: came }
    }

    /// The better one of this and what a newer exchange tells.
    #[must_use]
    pub fn with(self, exchange: &Exchange) -> Self {
        let newer = Self::of(self.epoch, exchange);
        let aged = self.error + DRIFT * (newer.taken - self.taken).max(0.0);
        if newer.error <= aged { newer } else { self }
    }

    /// When it was `time` on the node's clock: not before the call that it is about had left, and not after its answer had come.
    #[must_use]
    pub fn here(&self, time: f64, exchange: &Exchange) -> Instant {
        let seconds = (time - self.ahead).max(0.0);
        let here = Duration::try_from_secs_f64(seconds).ok().and_then(|since| self.epoch.checked_add(since));
        here.unwrap_or(exchange.came).clamp(exchange.sent, exchange.came.max(exchange.sent))
    }

    /// At most so many seconds off, when it was taken.
    #[must_use]
    pub fn error(&self) -> f64 {
        self.error
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An exchange with a node whose clock is 100 s ahead, from the seconds at which the four things happened here.
    fn exchange(epoch: Instant, [sent, arrived, left, came]: [f64; 4]) -> Exchange {
        let at = |seconds: f64| epoch + Duration::from_secs_f64(seconds);
        Exchange { sent: at(sent), came: at(came), arrived: arrived + 100.0, held: left - arrived }
    }

    #[test]
    fn ways_of_equal_length_tell_the_offset_exactly() {
        let epoch = Instant::now();
        let one = exchange(epoch, [1.0, 1.25, 1.5, 1.75]);
        let clock = Clock::of(epoch, &one);
        assert_eq!((clock.ahead, clock.error), (100.0, 0.25));
        assert_eq!(clock.here(101.5, &one), epoch + Duration::from_secs_f64(1.5));
        assert_eq!(clock.here(90.0, &one), one.sent, "not before it was asked");
        assert_eq!(clock.here(1e9, &one), one.came);
    }

    #[test]
    fn the_shorter_way_wins_until_it_is_old() {
        let epoch = Instant::now();
        let short = Clock::of(epoch, &exchange(epoch, [1.0, 1.001, 1.001, 1.002]));
        let soon = exchange(epoch, [2.0, 2.05, 2.05, 2.06]);
        assert_eq!(short.with(&soon), short);
        let late = exchange(epoch, [2000.0, 2000.05, 2000.05, 2000.06]);
        assert_eq!(short.with(&late), Clock::of(epoch, &late));
    }

    proptest! {
        /// The guess is never off by more than it says.
        #[test]
        fn the_error_bounds(there in 0.0..0.5_f64, back in 0.0..0.5_f64, held in 0.0..0.5_f64) {
            let epoch = Instant::now();
            let clock = Clock::of(epoch, &exchange(epoch, [1.0, 1.0 + there, 1.0 + there + held, 1.0 + there + held + back]));
            prop_assert!((clock.ahead - 100.0).abs() <= clock.error() + 1e-6);
        }

        #[test]
        fn hostile_figures(arrived in any::<f64>(), held in any::<f64>(), time in any::<f64>()) {
            let epoch = Instant::now();
            let came = epoch + Duration::from_secs(1);
            let exchange = Exchange { sent: epoch, came, arrived, held };
            let clock = Clock::of(epoch, &exchange);
            let here = clock.with(&exchange).here(time, &exchange);
            prop_assert!(epoch <= here && here <= came);
        }
    }
}
