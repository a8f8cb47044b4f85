//! Drawing the candidates of a study that is kept in a database, alone or together with other processes.

use super::work;
use crate::failure::{Failure, codes};
use crate::storage::{Claimed, Storage};
use cnasc_base::Diagnostic;
use cnasc_search::Run;
use std::time::Duration;

/// How long it waits for what others do before it asks again.
const PAUSE: Duration = Duration::from_millis(5);

/// Draws and judges until the budget is spent or it is `over`.
pub fn draw(
    run: &mut Run<'_>,
    storage: &mut Storage,
    workers: usize,
    over: impl Fn() -> bool + Sync,
    show: impl Fn(&Run<'_>),
) -> Result<(), Failure> {
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
        let waits = known.is_empty() && mine.is_empty();
        run.recall(known);
        if !mine.is_empty() {
            let (mut share, draws) = run.share(mine);
            let judges = share.drawn(work(draws, workers, &over));
            let records = share.judged(work(judges, workers, || false));
            storage.write(&records)?;
            run.recall(records);
            show(run);
        }
        if waits {
            std::thread::sleep(PAUSE);
        }
    }
    storage.release()
}
