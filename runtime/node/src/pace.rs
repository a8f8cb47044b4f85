//! A device that is slower than its core: after each action its thread rests for as long as a slower core would still have computed.
//!
//! What an action costs is the processor's time for this thread, not the clock's, so that devices which share a machine do not slow each other
//! down twice. The end that an action has on the slower device is counted on: a rest that the system let last too long is taken off the next.
//! Control groups can't do this for devices whose inferences take milliseconds: Linux notices that a quota is used up at its next timer
//! tick, up to 4 ms later, and lets the group stand for longer afterwards.

use std::time::{Duration, Instant};

/// A receive that waited for longer was waiting for another device, and not for its turn on this machine.
const WAITED: Duration = Duration::from_micros(30);

/// Less than this is not worth falling asleep for; it is made up for after the next action.
const SHORTEST: Duration = Duration::from_micros(3);

/// The clock of a device that is so many times slower.
#[derive(Debug)]
pub(crate) struct Pace {
    times: f64,
    /// When the slower device is through with what was done so far.
    due: Instant,
    /// When the action began, and the processor's time for this thread until then.
    began: (Instant, Duration),
}

impl Pace {
    /// Of a device that is `times` slower; none for one that is not.
    pub(crate) fn new(times: f64) -> Option<Self> {
        let now = Instant::now();
        (times > 1.0 && times.is_finite()).then_some(Self { times, due: now, began: (now, Duration::ZERO) })
    }

    /// An inference begins.
    pub(crate) fn begin(&mut self) {
        self.due = Instant::now();
        self.began = (self.due, processor_time());
    }

    /// An action is over: rests until the slower device is through with it.
    pub(crate) fn rest(&mut self) {
        let (now, spent) = (Instant::now(), processor_time());
        let cost = spent.saturating_sub(self.began.1);
        self.due = self.after(now, cost);
        let left = self.due.saturating_duration_since(Instant::now());
        if left > SHORTEST {
            std::thread::sleep(left);
        }
        // What resting costs is none of the action's.
        self.began = (Instant::now(), processor_time());
    }

    /// When the slower device is through with an action that ended now here and took `cost` of the processor.
    fn after(&self, now: Instant, cost: Duration) -> Instant {
        let elapsed = now.saturating_duration_since(self.began.0);
        // One that had to wait began when what it waited for was there; others when the one before ended.
        let waited = elapsed.saturating_sub(cost) > WAITED;
        let ready = if waited { now.checked_sub(cost).unwrap_or(now).max(self.due) } else { self.due };
        ready + cost.mul_f64(self.times)
    }
}

/// What this thread has had of its processor.
#[cfg(unix)]
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The clock stands in for it where it can't be asked for.
#[cfg(not(unix))]
fn processor_time() -> Duration {
    use std::sync::OnceLock;
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn actions_take_so_many_times_as_long() {
        assert!(Pace::new(1.0).is_none() && Pace::new(f64::NAN).is_none() && Pace::new(f64::INFINITY).is_none());
        let mut pace = Pace::new(4.0).expect("slower");
        let start = pace.due;
        pace.began = (start, Duration::ZERO);
        assert_eq!(pace.after(start + MS, MS), start + 4 * MS);
        // The system let it rest until 6 ms instead of 4: the next action is over at 8 all the same.
        pace.due = start + 4 * MS;
        pace.began = (start + 6 * MS, Duration::ZERO);
        assert_eq!(pace.after(start + 7 * MS, MS), start + 8 * MS);
        // One that waited until 20 ms began then, and not when the one before ended.
        assert_eq!(pace.after(start + 20 * MS, Duration::ZERO), start + 20 * MS);
        assert_eq!(pace.after(start + 21 * MS, MS), start + 24 * MS);
    }

    #[test]
    fn a_rest_is_as_long_as_it_must_be() {
        let mut pace = Pace::new(8.0).expect("slower");
        pace.begin();
        let (began, before) = (Instant::now(), processor_time());
        while processor_time() == before || began.elapsed() < MS {
            std::hint::spin_loop();
        }
        let spent = processor_time().saturating_sub(before);
        pace.rest();
        assert!(began.elapsed() >= spent * 8, "{:?} for {spent:?}", began.elapsed());
    }
}
