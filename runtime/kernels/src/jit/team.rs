//! Threads that stay: each inference is started and ended by counters in memory, with no lock and no system call while it runs.
//!
//! [`Team::run`] has every thread, the caller's among them, execute one job. Between jobs the others spin for a short while and then
//! park, so that a team that is not used costs nothing.

#![allow(unsafe_code, reason = "a job is lent to the threads for as long as `run` waits for them")]

use std::cell::UnsafeCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

/// Turns of a waiting loop before a thread gives its core away: some tens of microseconds.
const SPINS: u32 = 20_000;
/// Turns of a waiting loop between two threads that both run, before the other is given the core, in case it has none.
const PATIENCE: u32 = 4_000;

/// Something that each thread does, told its number.
type Job<'a> = dyn Fn(usize) + Sync + 'a;

/// A value alone on its cache line, so that threads that write neighbours don't disturb each other.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Apart<T>(pub T);

struct Shared {
    /// Grows by one with each job.
    round: Apart<AtomicU64>,
    /// Threads that have finished the round.
    done: Apart<AtomicUsize>,
    stop: AtomicBool,
    parked: Vec<Apart<AtomicBool>>,
    /// Of the round; written before `round` grows, read after.
    job: UnsafeCell<Option<&'static Job<'static>>>,
}

// SAFETY: `job` is written only by `Team::run`, which is borrowed exclusively, while no thread is in a round; `round` orders the write
// before all reads, and `done` all reads before the next write.
unsafe impl Sync for Shared {}
// SAFETY: a job may be shared between threads, as its type says.
unsafe impl Send for Shared {}

/// The caller and some threads more.
pub struct Team {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Team {
    /// `size` threads, of which the caller's is one.
    pub fn new(size: usize) -> std::io::Result<Self> {
        let others = size.saturating_sub(1);
        let shared = Arc::new(Shared {
            round: Apart::default(),
            done: Apart::default(),
            stop: AtomicBool::new(false),
            parked: (0..others).map(|_| Apart::default()).collect(),
            job: UnsafeCell::new(None),
        });
        let mut team = Self { shared, threads: Vec::with_capacity(others) };
        for index in 0..others {
            let shared = Arc::clone(&team.shared);
            let builder = thread::Builder::new().name(format!("kernels {}", index + 1));
            team.threads.push(builder.spawn(move || work(&shared, index))?);
        }
        Ok(team)
    }

    /// Has every thread do the job, the caller's as number 0; returns when all are done.
    pub fn run(&mut self, job: &Job<'_>) {
        if self.threads.is_empty() {
            job(0);
            return;
        }
        // SAFETY: only the lifetime changes. `Finish` below waits, even when the job panics here, until no thread uses the job any more.
        let lent = unsafe { std::mem::transmute::<&Job<'_>, &'static Job<'static>>(job) };
        // SAFETY: no thread is in a round, as the last call waited for all.
        unsafe { *self.shared.job.get() = Some(lent) };
        self.shared.done.0.store(0, Ordering::Relaxed);
        self.wake();
        let _finish = Finish { team: self };
        job(0);
    }

    /// Starts a round.
    fn wake(&self) {
        // Sequentially consistent on both sides: either the thread sees the new round before it parks, or this sees that it has.
        self.shared.round.0.fetch_add(1, Ordering::SeqCst);
        for (parked, thread) in self.shared.parked.iter().zip(&self.threads) {
            if parked.0.load(Ordering::SeqCst) {
                thread.thread().unpark();
            }
        }
    }
}

/// Waits for the others when it is dropped.
struct Finish<'a> {
    team: &'a Team,
}

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        let others = self.team.threads.len();
        wait(|| self.team.shared.done.0.load(Ordering::Acquire) == others);
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.wake();
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so; there is nothing to add.
            drop(thread.join());
        }
    }
}

/// Spins until the condition holds, which another running thread will bring about.
pub fn wait(condition: impl Fn() -> bool) {
    let mut turns = 0;
    while !condition() {
        turns += 1;
        if turns < PATIENCE {
            std::hint::spin_loop();
        } else {
            thread::yield_now();
        }
    }
}

fn work(shared: &Shared, index: usize) {
    let mut seen = 0;
    loop {
        seen = next_round(shared, index, seen);
        if shared.stop.load(Ordering::SeqCst) {
            return;
        }
        // Counted even where the job panics, since the caller waits.
        let _done = Done { shared };
        // SAFETY: the round was seen to grow, so the job is there, and stays until `done` counts this thread.
        if let Some(job) = unsafe { *shared.job.get() } {
            job(index + 1);
        }
    }
}

struct Done<'a> {
    shared: &'a Shared,
}

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.shared.done.0.fetch_add(1, Ordering::Release);
    }
}

/// Waits for a round other than `seen`: spins, then parks.
fn next_round(shared: &Shared, index: usize, seen: u64) -> u64 {
    let parked = &shared.parked[index].0;
    let mut turns = 0;
    loop {
        let round = shared.round.0.load(Ordering::SeqCst);
        if round != seen {
            return round;
        }
        turns += 1;
        if turns < SPINS {
            std::hint::spin_loop();
            continue;
        }
        parked.store(true, Ordering::SeqCst);
        if shared.round.0.load(Ordering::SeqCst) == seen {
            thread::park();
        }
        parked.store(false, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thread_does_each_job_once() {
        for size in 1..4 {
            let mut team = Team::new(size).unwrap();
            let counts: Vec<AtomicUsize> = (0..size).map(|_| AtomicUsize::new(0)).collect();
            for round in 1..100 {
                team.run(&|thread| {
                    counts[thread].fetch_add(1, Ordering::Relaxed);
                });
                assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == round));
            }
        }
    }

    #[test]
    fn a_parked_team_wakes() {
        let mut team = Team::new(2).unwrap();
        let count = AtomicUsize::new(0);
        for _ in 0..3 {
            thread::sleep(std::time::Duration::from_millis(5));
            team.run(&|_| {
                count.fetch_add(1, Ordering::Relaxed);
            });
        }
        assert_eq!(count.into_inner(), 6);
    }
}
