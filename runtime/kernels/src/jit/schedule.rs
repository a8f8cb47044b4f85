//! Which thread makes which call, and what it waits for: calls × places → a list for each thread.
//!
//! Two calls depend on each other where one writes memory that the other touches; the earlier one of the program comes first. A list scheduler
//! (highest rank first, the rank being the longest way to the end; Topcuoglu, Hariri, Wu, "Performance-Effective and Low-Complexity Task
//! Scheduling for Heterogeneous Computing", 2002) puts calls on threads as they become free. Where fewer calls are ready than threads are free, it
//! cuts a call into parts, rows or channels, as many for each as it has time for. It is run with several rules for cutting, and the one that should end first is taken.
//!
//! A call waits for another thread by a count: so many tasks of that thread must be done. Tasks are in the order in which they were planned, and
//! each waits only for ones planned before it, so that no wait goes round in a circle.

use super::lower::Call;
use std::ops::Range;

/// Nanoseconds from the end of a task to when another thread has seen it.
const HANDOVER: f64 = if SMALL { 0.0 } else { 250.0 };
/// A part costs this much of its share of the whole: rows at the seam are summed twice, tiles fit less well.
const SEAM: f64 = 1.06;
/// A call of fewer nanoseconds is not cut.
const LEAST_CUT: f64 = if SMALL { 0.0 } else { 4_000.0 };
/// Tests cut the small layers that they draw as if they were large.
const SMALL: bool = cfg!(test);

/// One thing that a thread does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Index of the call.
    pub call: usize,
    /// The parts of the call that it computes; all of them where there is nothing.
    pub rows: Option<(u32, u32)>,
    /// For each other thread that it waits for, its number and how many of its tasks must be done.
    pub waits: Vec<(usize, u32)>,
}

/// When a call may be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Never,
    /// Where no other call could use the other threads.
    Alone,
    /// Wherever it ends sooner.
    Always,
}

/// For each thread its tasks. `costs` are nanoseconds by call; `ranges` are, by buffer, its place in the arena.
pub fn schedule(calls: &[Call], costs: &[f64], ranges: &[Range<u64>], threads: usize) -> Vec<Vec<Task>> {
    if threads <= 1 {
        let task = |call| Task { call, rows: None, waits: Vec::new() };
        return vec![(0..calls.len()).map(task).collect()];
    }
    let before = dependencies(calls, ranges);
    let ranks = ranks(&before, costs);
    let plans = [Cut::Alone, Cut::Always, Cut::Never].map(|cut| {
        let mut plan = Plan::new(calls, &before, costs, &ranks, threads);
        plan.fill(cut);
        plan
    });
    let best = plans.into_iter().min_by(|a, b| a.end().total_cmp(&b.end()));
    best.map(Plan::tasks).unwrap_or_default()
}

/// For each call, the earlier ones that it must come after.
fn dependencies(calls: &[Call], ranges: &[Range<u64>]) -> Vec<Vec<usize>> {
    let meet = |a: usize, b: usize| ranges[a].start < ranges[b].end && ranges[b].start < ranges[a].end;
    // Two parts of what is concatenated.
    let apart = |a: &Call, b: &Call| {
        let views = a.kernel.written().zip(b.kernel.written());
        a.output == b.output && views.is_some_and(|(a, b)| a.is_apart(b))
    };
    let conflict = |earlier: &Call, later: &Call| {
        meet(earlier.output, later.output) && !apart(earlier, later)
            || later.inputs.iter().any(|&input| meet(earlier.output, input))
            || earlier.inputs.iter().any(|&input| meet(input, later.output))
    };
    let of = |index: usize| (0..index).filter(|&earlier| conflict(&calls[earlier], &calls[index])).collect();
    (0..calls.len()).map(of).collect()
}

/// The longest way from the start of each call to the end.
fn ranks(before: &[Vec<usize>], costs: &[f64]) -> Vec<f64> {
    let mut ranks = costs.to_vec();
    for index in (0..before.len()).rev() {
        for &earlier in &before[index] {
            ranks[earlier] = f64::max(ranks[earlier], costs[earlier] + ranks[index]);
        }
    }
    ranks
}

struct Plan<'a> {
    calls: &'a [Call],
    before: &'a [Vec<usize>],
    costs: &'a [f64],
    ranks: &'a [f64],
    /// By thread, when it is free.
    free: Vec<f64>,
    /// By call, when all of it is done; nothing before it is planned.
    done: Vec<Option<f64>>,
    /// By call, its parts: thread and number of the task there.
    parts: Vec<Vec<(usize, u32)>>,
    tasks: Vec<Vec<Task>>,
}

impl<'a> Plan<'a> {
    fn new(calls: &'a [Call], before: &'a [Vec<usize>], costs: &'a [f64], ranks: &'a [f64], threads: usize) -> Self {
        let (done, parts) = (vec![None; calls.len()], vec![Vec::new(); calls.len()]);
        Self { calls, before, costs, ranks, free: vec![0.0; threads], done, parts, tasks: vec![Vec::new(); threads] }
    }

    fn end(&self) -> f64 {
        self.free.iter().copied().fold(0.0, f64::max)
    }

    fn tasks(self) -> Vec<Vec<Task>> {
        self.tasks
    }

    fn fill(&mut self, cut: Cut) {
        for _ in 0..self.calls.len() {
            let thread = self.first_free();
            let now = self.free[thread];
            let ready: Vec<(usize, f64)> =
                (0..self.calls.len()).filter_map(|call| self.ready(call).map(|time| (call, time))).collect();
            let soonest = ready.iter().map(|&(_, time)| time.max(now)).fold(f64::INFINITY, f64::min);
            let startable: Vec<usize> =
                ready.iter().filter(|&&(_, time)| time.max(now) <= soonest).map(|&(call, _)| call).collect();
            let chosen =
                startable.iter().copied().max_by(|&a, &b| self.ranks[a].total_cmp(&self.ranks[b]).then(b.cmp(&a)));
            let Some(call) = chosen else { return };
            let alone = ready.len() < self.free.len();
            let may = cut == Cut::Always || cut == Cut::Alone && alone;
            if !(may && self.cut(call)) {
                self.whole(call, thread);
            }
        }
    }

    fn first_free(&self) -> usize {
        (0..self.free.len()).min_by(|&a, &b| self.free[a].total_cmp(&self.free[b])).unwrap_or(0)
    }

    /// When a call that is not planned could start, if all that it depends on is planned.
    fn ready(&self, call: usize) -> Option<f64> {
        if self.done[call].is_some() {
            return None;
        }
        self.before[call].iter().try_fold(0.0, |latest: f64, &earlier| self.done[earlier].map(|done| latest.max(done)))
    }

    fn whole(&mut self, call: usize, thread: usize) {
        let start = self.ready(call).unwrap_or(0.0).max(self.free[thread]);
        // The thread that made its inputs has them at once; elsewhere they have to be handed over.
        let strange = self.before[call].iter().any(|&earlier| self.parts[earlier].iter().any(|part| part.0 != thread));
        let end = start + self.costs[call] + if strange { HANDOVER } else { 0.0 };
        self.put(call, thread, None, end);
        self.done[call] = Some(end);
    }

    /// Shares the call's parts out so that all threads end at the same time, if that is sooner than one of them would. Each thread starts with its
    /// own as soon as it is free, and those in front are always the first thread's, which has the neighbouring rows of what came before in its cache.
    fn cut(&mut self, call: usize) -> bool {
        let Some(parts) = self.calls[call].kernel.parts().filter(|&parts| parts > 1) else { return false };
        let ready = self.ready(call).unwrap_or(0.0);
        let alone = self.free[self.first_free()].max(ready) + self.costs[call];
        if self.costs[call] < LEAST_CUT {
            return false;
        }
        let one = SEAM * self.costs[call] / f64::from(parts);
        let mut ends: Vec<f64> = self.free.iter().map(|free| free.max(ready) + HANDOVER).collect();
        let mut counts = vec![0_u32; ends.len()];
        for _ in 0..parts {
            let thread = (0..ends.len()).min_by(|&a, &b| ends[a].total_cmp(&ends[b])).unwrap_or(0);
            ends[thread] += one;
            counts[thread] += 1;
        }
        let done = ends.iter().zip(&counts).filter(|&(_, &count)| count > 0).map(|(&end, _)| end).fold(0.0, f64::max);
        if done >= alone || counts.iter().filter(|&&count| count > 0).count() < 2 {
            return false;
        }
        let mut first = 0;
        for (thread, count) in counts.into_iter().enumerate().filter(|&(_, count)| count > 0) {
            self.put(call, thread, Some((first, first + count)), ends[thread]);
            first += count;
        }
        self.done[call] = Some(done);
        true
    }

    fn put(&mut self, call: usize, thread: usize, rows: Option<(u32, u32)>, end: f64) {
        let mut waits: Vec<(usize, u32)> = Vec::new();
        for &(other, task) in self.before[call].iter().flat_map(|&earlier| &self.parts[earlier]) {
            if other == thread {
                continue;
            }
            match waits.iter_mut().find(|wait| wait.0 == other) {
                Some(wait) => wait.1 = wait.1.max(task + 1),
                None => waits.push((other, task + 1)),
            }
        }
        // What an earlier task of this thread has waited for is done.
        let known = |&(other, count): &(usize, u32)| {
            !self.tasks[thread].iter().flat_map(|task| &task.waits).any(|wait| wait.0 == other && wait.1 >= count)
        };
        waits.retain(known);
        let number = u32::try_from(self.tasks[thread].len()).expect("a share has far fewer calls");
        self.parts[call].push((thread, number));
        self.tasks[thread].push(Task { call, rows, waits });
        self.free[thread] = end;
    }
}
