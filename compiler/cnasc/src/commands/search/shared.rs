//! Drawing and judging the candidates of a study that is kept in a database, alone or together with other processes.

use super::workers::Workers;
use crate::failure::{Failure, codes};
use crate::storage::{Claimed, Storage};
use cnasc_base::Diagnostic;
use cnasc_search::{Job, Proposal, Record, Run};
use std::time::Duration;

/// How long it waits for what others do before it asks again.
const PAUSE: Duration = Duration::from_millis(5);

/// How many candidates of a later look each thread is given at a time: what is lost where the process dies.
const SOME: usize = 4;

/// Draws and judges until the budget is spent or it is `over`. What is done is written while the next is being done.
pub fn draw(
    run: &mut Run<'_>,
    storage: &mut Storage,
    workers: Workers<'_>,
    over: impl Fn() -> bool + Sync,
    show: impl Fn(&Run<'_>),
) -> Result<(), Failure> {
    let mut unwritten = Vec::new();
    loop {
        let wanted = run.wanted(|next, more| storage.guest(next, more))?;
        if let Some(candidate) = run.strayed() {
            let message = format!("candidate {candidate} of the study is not what this release proposes");
            return Err(Diagnostic::error(codes::STORAGE, message).note("name another file").into());
        }
        let Some(wanted) = wanted else { break };
        // What is recorded counts, however late it is.
        if over() {
            run.cut();
            break;
        }
        let guest = wanted.first().and_then(|first| run.guest(first.index));
        // What scores are relative to is the smallest edge of one whole batch.
        let Claimed { known, mine } = storage.claim(&wanted, guest, !run.is_settled())?;
        let waits = known.is_empty() && mine.is_empty() && unwritten.is_empty();
        run.recall(known);
        let before = std::mem::take(&mut unwritten);
        unwritten = std::thread::scope(|scope| {
            let writing = scope.spawn(|| if before.is_empty() { Ok(()) } else { storage.write(&before) });
            let records = if mine.is_empty() { Vec::new() } else { judge(run, mine, workers, &over) };
            // A panic is a bug of ours, already reported.
            let written = writing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            written.map(|()| records)
        })?;
        if !unwritten.is_empty() {
            run.recall(unwritten.clone());
            show(run);
        }
        if waits {
            std::thread::sleep(PAUSE);
        }
    }
    if !unwritten.is_empty() {
        storage.write(&unwritten)?;
    }
    storage.release()
}

/// The records of candidates that are this process's to do; fewer where it is `over`.
fn judge(run: &Run<'_>, mine: Vec<Proposal>, workers: Workers<'_>, over: &(impl Fn() -> bool + Sync)) -> Vec<Record> {
    let (mut share, draws) = run.share(mine);
    let judges = share.drawn(workers.work(draws, over));
    share.judged(workers.work(judges, || false))
}

/// Takes the looks behind the first one. What they say is written down as it comes, a few candidates at a time.
pub fn look_on(
    run: &mut Run<'_>,
    storage: &mut Storage,
    workers: Workers<'_>,
    show: impl Fn(&Run<'_>),
) -> Result<(), Failure> {
    loop {
        let jobs = run.ask_some(SOME * workers.count);
        let Some(look) = run.later_look() else { return Ok(()) };
        let candidates: Vec<u64> = jobs.iter().map(Job::candidate).collect();
        let known = storage.further(look, &candidates)?;
        if known.is_empty() {
            run.tell(workers.work(jobs, || false));
            let counts = storage.keep(look, &run.further())?;
            run.recall_further(counts);
        } else {
            run.recall_further(known);
        }
        show(run);
    }
}
