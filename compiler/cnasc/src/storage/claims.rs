//! Who does what: a candidate that a process works on is claimed by it, until what came of it is written. What a dead process has claimed can
//! be claimed again; whatever it may still write then does not count.
//!
//! What comes next at a candidate that begins a batch, a trial that waits or what the strategy proposes, is decided once for all processes, by
//! the first claim.

use super::database::{Database, Error, Held, Value, values};
use super::{Storage, guests, workers};
use crate::failure::Failure;
use cnasc_search::{Guest, Proposal, Record};
use std::collections::BTreeMap;

/// The candidates that are to be done, as a process sees them.
#[derive(Debug, Default)]
pub struct Claimed {
    /// What others have recorded meanwhile.
    pub known: Vec<Record>,
    /// What is this process's to do.
    pub mine: Vec<Proposal>,
}

const CLAIM: &str = "INSERT INTO cnasc_claims (study_id, candidate, worker, guest) VALUES {rows} \
     ON CONFLICT (study_id, candidate) DO UPDATE SET worker = excluded.worker, guest = excluded.guest";

impl Storage {
    /// The trial that is the candidate `next`, which begins a batch, where it is a trial that waits and not what the strategy proposes; then
    /// there is `more` to propose.
    ///
    /// # Errors
    /// Where the database can't be read or written.
    pub fn guest(&mut self, next: u64, more: bool) -> Result<Option<Guest>, Failure> {
        self.patiently(|storage| storage.decide(next, more))
    }

    fn decide(&mut self, next: u64, more: bool) -> Result<Option<Guest>, Error> {
        let Self { database, log, polled, waiting, worker, .. } = self;
        let guest = database.whole(Held::Claims(log.study), |database| {
            polled.extend(log.poll(database)?);
            let recorded = polled.iter().find(|record| record.proposal.index == next);
            let guest = match (recorded, claims(database, log.study, next, next)?.get(&next)) {
                (Some(record), _) => record.guest.and_then(|trial| i64::try_from(trial).ok()),
                (None, Some((_, guest))) => *guest,
                (None, None) => {
                    let guest = waiting.next(database, log.study, &log.variables)?;
                    if guest.is_some() || more {
                        claim(database, log.study, worker.id, guest, &[next])?;
                    }
                    guest
                }
            };
            guest.map(|trial| guests::find(database, &log.variables, trial)).transpose()
        })?;
        // One that can't be read is refused before it could be claimed.
        Ok(guest.and_then(Result::ok))
    }

    /// Claims candidates of a batch: all of them where `whole`, else about its share among the living processes.
    ///
    /// # Errors
    /// Where the database can't be read or written, or the study is searched by a process that sees it otherwise.
    pub fn claim(&mut self, wanted: &[Proposal], guest: Option<u64>, whole: bool) -> Result<Claimed, Failure> {
        let guest = guest.and_then(|trial| i64::try_from(trial).ok());
        let mine = self.patiently(|storage| storage.claim_all(wanted, guest, whole))?;
        let mine = mine.ok_or_else(|| self.conflict())?;
        Ok(Claimed { known: std::mem::take(&mut self.polled), mine })
    }

    fn claim_all(
        &mut self,
        wanted: &[Proposal],
        guest: Option<i64>,
        whole: bool,
    ) -> Result<Option<Vec<Proposal>>, Error> {
        let (Some(first), Some(last)) = (wanted.first(), wanted.last()) else { return Ok(Some(Vec::new())) };
        let Self { database, log, polled, worker, .. } = self;
        database.whole(Held::Claims(log.study), |database| {
            polled.extend(log.poll(database)?);
            // The trial of a guest is older than what is new.
            if let Some(trial) = guest {
                polled.extend(log.one(database, trial)?);
            }
            let living = workers::living(database, log.study)?;
            let claims = claims(database, log.study, first.index, last.index)?;
            if claims.values().any(|(_, other)| other.is_some() && *other != guest) {
                return Ok(None);
            }
            let free = |proposal: &&Proposal| {
                let index = proposal.index;
                let claim = claims.get(&index).map(|(worker, _)| *worker);
                let taken = claim.is_some_and(|other| other != worker.id && living.contains(&other));
                !taken && polled.iter().all(|record| record.proposal.index != index)
            };
            let free: Vec<&Proposal> = wanted.iter().filter(free).collect();
            let share = if whole { free.len() } else { free.len().div_ceil(2 * living.len().max(1) - 1) };
            let mine: Vec<Proposal> = free.into_iter().take(share).cloned().collect();
            let indices: Vec<u64> = mine.iter().map(|proposal| proposal.index).collect();
            claim(database, log.study, worker.id, guest, &indices)?;
            Ok(Some(mine))
        })
    }

    /// Gives back what was claimed and not done.
    ///
    /// # Errors
    /// Where the database can't be written.
    pub fn release(&mut self) -> Result<(), Failure> {
        // A beat that comes later would enter it again.
        self.worker.rest();
        self.patiently(|Self { database, log, worker, .. }| {
            let delete = "DELETE FROM cnasc_claims WHERE study_id = ?1 AND worker = ?2 AND guest IS NULL";
            database.run(delete, &values![log.study, worker.id])?;
            database.run("DELETE FROM cnasc_workers WHERE worker = ?1", &values![worker.id]).map(|_| ())
        })
    }
}

fn claim(
    database: &mut Database,
    study: i64,
    worker: i64,
    guest: Option<i64>,
    candidates: &[u64],
) -> Result<(), Error> {
    let row = |&candidate: &u64| values![study, candidate as i64, worker, guest];
    let rows: Vec<Value<'_>> = candidates.iter().flat_map(row).collect();
    database.fill(CLAIM, "(?, ?, ?, ?)", &rows, |_| Ok(()))
}

/// Gives up this process's claims on what it records; gives those of the records that are claimed by nobody else. A claim on a waiting
/// trial stays, so that others see what it was.
pub fn settle(database: &mut Database, study: i64, worker: i64, records: &[Record]) -> Result<Vec<u64>, Error> {
    let indices = || records.iter().map(|record| record.proposal.index);
    let (Some(first), Some(last)) = (indices().min(), indices().max()) else { return Ok(Vec::new()) };
    let claims = claims(database, study, first, last)?;
    let delete = "DELETE FROM cnasc_claims WHERE study_id = ?1 AND worker = ?2 AND guest IS NULL AND candidate BETWEEN ?3 AND ?4";
    database.run(delete, &values![study, worker, first as i64, last as i64])?;
    Ok(indices().filter(|index| claims.get(index).is_none_or(|(other, _)| *other == worker)).collect())
}

/// The workers and guests of the claims on these candidates.
fn claims(
    database: &mut Database,
    study: i64,
    first: u64,
    last: u64,
) -> Result<BTreeMap<u64, (i64, Option<i64>)>, Error> {
    let select =
        "SELECT candidate, worker, guest FROM cnasc_claims WHERE study_id = ?1 AND candidate BETWEEN ?2 AND ?3";
    let mut found = BTreeMap::new();
    database.each(select, &values![study, first as i64, last as i64], |row| {
        found.insert(row.id(0)? as u64, (row.id(1)?, row.int(2)?));
        Ok(())
    })?;
    Ok(found)
}
