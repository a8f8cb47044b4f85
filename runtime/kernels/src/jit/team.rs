//! Threads that stay: each inference is started and ended by counters in memory, with no lock, and no system call while all threads run.
//!
//! [`Team::run`] has every thread, the caller's among them, execute one job. Between jobs the others spin for a short while and then
//! park, so that a team that is not used costs nothing. Within a job a thread waits for others through [`Members`]: it spins for as long as
//! parts of one layer may differ, and then parks as well. What it waits for has lost its core to another program then, and a core that is idle is
//! what the system puts it on; a thread that went on spinning would keep both cores from it.

#![allow(
    unsafe_code,
    reason = "a job is lent to the threads for as long as `run` waits for them; the system is told on which cores a thread may wake"
)]

use std::cell::UnsafeCell;
use std::sync::Arc;
#[cfg(target_os = "linux")]
use std::sync::atomic::AtomicI32;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle, Thread};

/// Turns of a waiting loop before a thread gives its core away: some tens of microseconds.
const SPINS: u32 = 20_000;
/// Turns of a waiting loop between two threads that both run, before the one that waits parks, in case the other has no core.
const PATIENCE: u32 = 2_000;

/// Something that each thread does, told its number.
type Job<'a> = dyn Fn(usize, &Members<'_>) + Sync + 'a;

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
    /// By thread, whether it is parked in a wait within the round; the caller's is number 0.
    waiting: Vec<Apart<AtomicBool>>,
    /// Of the round; written before `round` grows, read after.
    job: UnsafeCell<Option<&'static Job<'static>>>,
    /// By thread, how to wake it; the caller's is written with `job`.
    handles: UnsafeCell<Vec<Option<Thread>>>,
    cores: Cores,
}

// SAFETY: `job` and `handles` are written only by `Team::run`, which is borrowed exclusively, while no thread is in a round; `round` orders the write
// before all reads, and `done` all reads before the next write.
unsafe impl Sync for Shared {}
// SAFETY: a job may be shared between threads, as its type says.
unsafe impl Send for Shared {}

/// Where the threads may run: a thread that is woken is put on another core than the one that wakes it. Left to itself the system often puts it
/// on the same one, and as both are busy from then on, it is some ten milliseconds before it takes one of them away.
struct Cores {
    /// By thread, the caller's not among them, the system's number of it; 0 until it has begun.
    #[cfg(target_os = "linux")]
    numbers: Vec<AtomicI32>,
    /// Those that the threads may use, as when the team was made.
    #[cfg(target_os = "linux")]
    all: Option<libc::cpu_set_t>,
}

#[cfg(target_os = "linux")]
impl Cores {
    fn of_this_thread(others: usize) -> Self {
        // SAFETY: a set of cores is plain bits, and the call writes no more than its size.
        let all = unsafe {
            let mut all: libc::cpu_set_t = std::mem::zeroed();
            (libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut all) == 0).then_some(all)
        };
        Self { numbers: (0..others).map(|_| AtomicI32::new(0)).collect(), all }
    }

    fn introduce(&self, index: usize) {
        // SAFETY: it has no conditions.
        self.numbers[index].store(unsafe { libc::gettid() }, Ordering::SeqCst);
    }

    fn unpark_elsewhere(&self, index: usize, thread: &Thread) {
        let number = self.numbers[index].load(Ordering::SeqCst);
        let Some((all, elsewhere)) = self.all.zip(self.elsewhere()).filter(|_| number != 0) else {
            return thread.unpark();
        };
        let size = size_of::<libc::cpu_set_t>();
        // SAFETY: the calls read the sets. A system that refuses leaves the thread where it may run already.
        unsafe { libc::sched_setaffinity(number, size, &raw const elsewhere) };
        thread.unpark();
        // SAFETY: as above; the core was chosen in the call before, so that this moves nothing.
        unsafe { libc::sched_setaffinity(number, size, &raw const all) };
    }

    /// All cores but the one that this runs on, where there are others.
    fn elsewhere(&self) -> Option<libc::cpu_set_t> {
        let mut set = self.all?;
        // SAFETY: it has no conditions.
        let here = usize::try_from(unsafe { libc::sched_getcpu() }).ok()?;
        if here >= 8 * size_of::<libc::cpu_set_t>() {
            return None;
        }
        // SAFETY: the number is inside the set.
        unsafe { libc::CPU_CLR(here, &mut set) };
        // SAFETY: it reads the set.
        (unsafe { libc::CPU_COUNT(&set) } > 0).then_some(set)
    }
}

#[cfg(not(target_os = "linux"))]
impl Cores {
    fn of_this_thread(_: usize) -> Self {
        Self {}
    }

    fn introduce(&self, _: usize) {}

    fn unpark_elsewhere(&self, _: usize, thread: &Thread) {
        thread.unpark();
    }
}

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
            waiting: (0..=others).map(|_| Apart::default()).collect(),
            job: UnsafeCell::new(None),
            handles: UnsafeCell::new(vec![None; others + 1]),
            cores: Cores::of_this_thread(others),
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
            job(0, &Members { shared: &self.shared });
            return;
        }
        // SAFETY: only the lifetime changes. `Finish` below waits, even when the job panics here, until no thread uses the job any more.
        let lent = unsafe { std::mem::transmute::<&Job<'_>, &'static Job<'static>>(job) };
        // SAFETY: no thread is in a round, as the last call waited for all.
        unsafe { *self.shared.job.get() = Some(lent) };
        // SAFETY: as above. Looked up anew, because the next call may come from another thread.
        let handles = unsafe { &mut *self.shared.handles.get() };
        handles[0] = Some(thread::current());
        for (handle, thread) in handles[1..].iter_mut().zip(&self.threads) {
            handle.get_or_insert_with(|| thread.thread().clone());
        }
        self.shared.done.0.store(0, Ordering::Relaxed);
        self.wake();
        let _finish = Finish { team: self };
        job(0, &Members { shared: &self.shared });
    }

    /// Starts a round.
    fn wake(&self) {
        // Sequentially consistent on both sides: either the thread sees the new round before it parks, or this sees that it has.
        self.shared.round.0.fetch_add(1, Ordering::SeqCst);
        for (index, (parked, thread)) in self.shared.parked.iter().zip(&self.threads).enumerate() {
            if parked.0.load(Ordering::SeqCst) {
                self.shared.cores.unpark_elsewhere(index, thread.thread());
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
        let members = Members { shared: &self.team.shared };
        members.wait(0, || self.team.shared.done.0.load(Ordering::SeqCst) == others);
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

/// The threads that do a job, as each of them sees the others.
pub struct Members<'a> {
    shared: &'a Shared,
}

impl Members<'_> {
    /// Returns once the condition holds, which another thread brings about before it calls [`tell`](Self::tell): the two of them and the
    /// condition's loads are sequentially consistent, so that either this sees the change or the other sees that this waits.
    pub fn wait(&self, thread: usize, condition: impl Fn() -> bool) {
        for _ in 0..PATIENCE {
            if condition() {
                return;
            }
            std::hint::spin_loop();
        }
        let waiting = &self.shared.waiting[thread].0;
        loop {
            waiting.store(true, Ordering::SeqCst);
            settle();
            if condition() {
                break;
            }
            thread::park();
        }
        waiting.store(false, Ordering::SeqCst);
    }

    fn caller(&self) -> Option<Thread> {
        // SAFETY: handles are written only between rounds, and this is within one.
        unsafe { (&*self.shared.handles.get())[0].clone() }
    }

    /// Wakes those that are parked in a wait, after something changed that they may wait for.
    pub fn tell(&self, thread: usize) {
        settle();
        for (other, waiting) in self.shared.waiting.iter().enumerate() {
            if other != thread && waiting.0.load(Ordering::SeqCst) && waiting.0.swap(false, Ordering::SeqCst) {
                // SAFETY: handles are written only between rounds, and this is within one.
                let handles = unsafe { &*self.shared.handles.get() };
                match (other.checked_sub(1), &handles[other]) {
                    (Some(index), Some(handle)) => self.shared.cores.unpark_elsewhere(index, handle),
                    (None, Some(handle)) => handle.unpark(),
                    (_, None) => {}
                }
            }
        }
    }
}

/// Between a store that another thread is to see and a load of what that thread stores. CPUs keep the order of the two by themselves, as both are
/// sequentially consistent; emulators of other CPUs on x86-64 have been seen not to (QEMU 7.2 with AArch64's `stlr` and `ldar`), and a thread slept for ever.
fn settle() {
    #[cfg(not(target_arch = "x86_64"))]
    std::sync::atomic::fence(Ordering::SeqCst);
}

fn work(shared: &Shared, index: usize) {
    shared.cores.introduce(index);
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
            job(index + 1, &Members { shared });
        }
    }
}

struct Done<'a> {
    shared: &'a Shared,
}

impl Drop for Done<'_> {
    fn drop(&mut self) {
        let members = Members { shared: self.shared };
        // Looked up first: once this thread is counted, the next round may begin, which writes the handles anew.
        let caller = members.caller();
        self.shared.done.0.fetch_add(1, Ordering::SeqCst);
        if self.shared.waiting[0].0.load(Ordering::SeqCst)
            && let Some(caller) = caller
        {
            caller.unpark();
        }
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
        settle();
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
                team.run(&|thread, _| {
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
            team.run(&|_, _| {
                count.fetch_add(1, Ordering::Relaxed);
            });
        }
        assert_eq!(count.into_inner(), 6);
    }

    #[test]
    fn a_thread_that_waits_for_long_parks_and_is_woken() {
        let mut team = Team::new(3).unwrap();
        for _ in 0..3 {
            let counts: [AtomicUsize; 3] = Default::default();
            team.run(&|thread, members| {
                for round in 1..4 {
                    // One after the other, each slow enough for those behind it to park.
                    members.wait(thread, || {
                        let before = (thread + 2) % 3;
                        counts[before].load(Ordering::SeqCst) >= if thread == 0 { round - 1 } else { round }
                    });
                    thread::sleep(std::time::Duration::from_millis(2));
                    counts[thread].store(round, Ordering::SeqCst);
                    members.tell(thread);
                }
            });
            assert!(counts.iter().all(|count| count.load(Ordering::SeqCst) == 3));
        }
    }
}
