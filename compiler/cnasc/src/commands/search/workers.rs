//! The threads that do a search's jobs, and the silence that a measurement needs: while one runs, no other job does.

use cnasc_search::{Done, Job};
use std::sync::{Condvar, Mutex, MutexGuard};

/// So many threads.
#[derive(Debug, Clone, Copy)]
pub struct Workers<'a> {
    /// How many.
    pub count: usize,
    /// Which of their jobs measure alone.
    pub quiet: &'a Quiet,
}

impl Workers<'_> {
    /// What the jobs give, in their order; once it is over none is begun any more.
    pub fn work(self, jobs: Vec<Job<'_>>, over: impl Fn() -> bool + Sync) -> Vec<Done> {
        let count = self.count.min(jobs.len());
        let jobs = Mutex::new(jobs.into_iter().enumerate());
        let work = || {
            let mut done = Vec::new();
            loop {
                // Jobs are handed out in order and each one taken is finished, so that what is done is always 0 … k.
                let next = {
                    let mut jobs = jobs.lock().expect("no worker panics while it holds the list");
                    if over() { None } else { jobs.next() }
                };
                let Some((place, job)) = next else { return done };
                done.push((place, self.quiet.beside(|| job.run())));
            }
        };
        let mut all = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..count).map(|_| scope.spawn(work)).collect();
            let joined = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
            // A worker's panic is a bug of ours, already reported; it must not pass for a shorter search.
            joined.flat_map(|done| done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect::<Vec<_>>()
        });
        all.sort_by_key(|(place, _)| *place);
        all.into_iter().map(|(_, done)| done).collect()
    }
}

/// Lets jobs run beside each other, and parts of them alone.
#[derive(Debug, Default)]
pub struct Quiet {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// How many jobs run, but for those that wait to be alone or are.
    working: usize,
    /// How many of them wait to be alone.
    waiting: usize,
    alone: bool,
}

impl Quiet {
    /// Does a job once nobody is alone or waits to be.
    pub fn beside<T>(&self, job: impl FnOnce() -> T) -> T {
        self.enter();
        let _left = Ends(|| self.change(|state| state.working -= 1));
        job()
    }

    /// Does a part of such a job while no other one runs.
    pub fn alone<T>(&self, part: impl FnOnce() -> T) -> T {
        self.change(|state| {
            state.working -= 1;
            state.waiting += 1;
        });
        let mut state = self.once(|state| !state.alone && state.working == 0);
        state.waiting -= 1;
        state.alone = true;
        drop(state);
        let _back = Ends(|| {
            self.change(|state| state.alone = false);
            self.enter();
        });
        part()
    }

    fn enter(&self) {
        self.once(|state| !state.alone && state.waiting == 0).working += 1;
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.once(|_| true));
        self.changed.notify_all();
    }

    /// The state, once it is so.
    fn once(&self, is_so: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let state = self.state.lock().expect("nobody panics while holding it");
        self.changed.wait_while(state, |state| !is_so(state)).expect("nobody panics while holding it")
    }
}

/// What is done at an end, a panic's too: others wait for it.
struct Ends<F: FnMut()>(F);

impl<F: FnMut()> Drop for Ends<F> {
    fn drop(&mut self) {
        self.0();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// What runs beside a part that is alone would be counted by it.
    #[test]
    fn nothing_runs_beside_what_is_alone() {
        let (quiet, running, done) = (Quiet::default(), AtomicUsize::new(0), AtomicUsize::new(0));
        let job = |measures: bool| {
            quiet.beside(|| {
                running.fetch_add(1, Ordering::SeqCst);
                std::thread::yield_now();
                running.fetch_sub(1, Ordering::SeqCst);
                if measures {
                    quiet.alone(|| {
                        for _ in 0..50 {
                            assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0);
                            std::thread::yield_now();
                            running.fetch_sub(1, Ordering::SeqCst);
                        }
                    });
                }
                done.fetch_add(1, Ordering::SeqCst);
            });
        };
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let job = &job;
                scope.spawn(move || (0..100).for_each(|number| job((number + thread) % 3 == 0)));
            }
        });
        assert_eq!(done.into_inner(), 400);
    }

    #[test]
    fn a_panic_lets_others_go_on() {
        let quiet = Quiet::default();
        let broken = std::thread::scope(|scope| {
            scope.spawn(|| quiet.beside(|| quiet.alone(|| std::panic::resume_unwind(Box::new("broken"))))).join()
        });
        assert!(broken.is_err());
        assert_eq!(quiet.beside(|| quiet.alone(|| 7)), 7);
    }
}
