//! Who does what: a candidate that a process works on is claimed by it, until what came of it is written. What a dead process has claimed can
//! be claimed again; whatever it may still write then does not count.
//!
//! What comes next at a candidate that begins a batch, a trial that waits or what the strategy proposes, is decided once for all processes, by
//! the first claim.

use super::{Storage, guests, workers};
use crate::failure::Failure;
use cnasc_search::{Guest, Proposal, Record};
use rusqlite::{Transaction, TransactionBehavior, params};
use std::collections::BTreeMap;

/// The candidates that are to be done, as a process sees them.
#[derive(Debug, Default)]
pub struct Claimed {
    /// What others have recorded meanwhile.
    pub known: Vec<Record>,
    /// What is this process's to do.
    pub mine: Vec<Proposal>,
}

const CLAIM: &str = "INSERT OR REPLACE INTO cnasc_claims (study_id, candidate, worker, guest) VALUES (?1, ?2, ?3, ?4)";

impl Storage {
    /// The trial that is the candidate `next`, which begins a batch, where it is a trial that waits and not what the strategy proposes; then
    /// there is `more` to propose.
    ///
    /// # Errors
    /// Where the database can't be read or written.
    pub fn guest(&mut self, next: u64, more: bool) -> Result<Option<Guest>, Failure> {
        self.decide(next, more).map_err(|error| self.failure(&error))
    }

    fn decide(&mut self, next: u64, more: bool) -> rusqlite::Result<Option<Guest>> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (study, worker) = (self.log.study, self.worker.id);
        let found = self.log.poll(&transaction)?;
        let recorded = found.iter().find(|record| record.proposal.index == next);
        let guest = match (recorded, claims(&transaction, study, next, next)?.get(&next)) {
            (Some(record), _) => record.guest.and_then(|trial| i64::try_from(trial).ok()),
            (None, Some((_, guest))) => *guest,
            (None, None) => {
                let guest = self.waiting.next(&transaction, study, &self.log.variables)?;
                if guest.is_some() || more {
                    transaction.execute(CLAIM, params![study, next as i64, worker, guest])?;
                }
                guest
            }
        };
        self.polled.extend(found);
        let guest = guest.map(|trial| guests::find(&transaction, &self.log.variables, trial)).transpose()?;
        transaction.commit()?;
        // One that can't be read is refused before it could be claimed.
        Ok(guest.and_then(Result::ok))
    }

    /// Claims candidates of a batch: all of them where `whole`, else about its share among the living processes.
    ///
    /// # Errors
    /// Where the database can't be read or written, or the study is searched by a process that sees it otherwise.
    pub fn claim(&mut self, wanted: &[Proposal], guest: Option<u64>, whole: bool) -> Result<Claimed, Failure> {
        match self.claim_all(wanted, guest.and_then(|trial| i64::try_from(trial).ok()), whole) {
            Ok(Some(claimed)) => Ok(claimed),
            Ok(None) => Err(self.conflict()),
            Err(error) => Err(self.failure(&error)),
        }
    }

    fn claim_all(&mut self, wanted: &[Proposal], guest: Option<i64>, whole: bool) -> rusqlite::Result<Option<Claimed>> {
        let (Some(first), Some(last)) = (wanted.first(), wanted.last()) else { return Ok(Some(Claimed::default())) };
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut known = std::mem::take(&mut self.polled);
        known.extend(self.log.poll(&transaction)?);
        // The trial of a guest is older than what is new.
        if let Some(trial) = guest {
            known.extend(self.log.one(&transaction, trial)?);
        }
        let living = workers::living(&transaction, self.log.study)?;
        let claims = claims(&transaction, self.log.study, first.index, last.index)?;
        if claims.values().any(|(_, other)| other.is_some() && *other != guest) {
            return Ok(None);
        }
        let free = |proposal: &&Proposal| {
            let index = proposal.index;
            let claim = claims.get(&index).map(|(worker, _)| *worker);
            let taken = claim.is_some_and(|worker| worker != self.worker.id && living.contains(&worker));
            !taken && known.iter().all(|record| record.proposal.index != index)
        };
        let free: Vec<&Proposal> = wanted.iter().filter(free).collect();
        let share = if whole { free.len() } else { free.len().div_ceil(2 * living.len().max(1) - 1) };
        let mine: Vec<Proposal> = free.into_iter().take(share).cloned().collect();
        for proposal in &mine {
            let values = params![self.log.study, proposal.index as i64, self.worker.id, guest];
            transaction.prepare_cached(CLAIM)?.execute(values)?;
        }
        transaction.commit()?;
        Ok(Some(Claimed { known, mine }))
    }

    /// Gives back what was claimed and not done.
    ///
    /// # Errors
    /// Where the database can't be written.
    pub fn release(&mut self) -> Result<(), Failure> {
        let give = || -> rusqlite::Result<()> {
            let (study, worker) = (self.log.study, self.worker.id);
            let delete = "DELETE FROM cnasc_claims WHERE study_id = ?1 AND worker = ?2 AND guest IS NULL";
            self.connection.execute(delete, params![study, worker])?;
            self.connection.execute("DELETE FROM cnasc_workers WHERE worker = ?1", [worker]).map(|_| ())
        };
        give().map_err(|error| self.failure(&error))
    }
}

/// Whether a claim is still this process's; one on a candidate goes when that is written, one on a waiting trial stays, so that others see
/// what it was.
pub fn holds(transaction: &Transaction<'_>, study: i64, worker: i64, record: &Record) -> rusqlite::Result<bool> {
    let index = record.proposal.index as i64;
    let sql = match record.guest {
        None => "DELETE FROM cnasc_claims WHERE study_id = ?1 AND candidate = ?2 AND worker = ?3",
        Some(_) => "UPDATE cnasc_claims SET worker = worker WHERE study_id = ?1 AND candidate = ?2 AND worker = ?3",
    };
    Ok(transaction.prepare_cached(sql)?.execute(params![study, index, worker])? == 1)
}

/// The workers and guests of the claims on these candidates.
fn claims(
    transaction: &Transaction<'_>,
    study: i64,
    first: u64,
    last: u64,
) -> rusqlite::Result<BTreeMap<u64, (i64, Option<i64>)>> {
    let mut select = transaction.prepare_cached(
        "SELECT candidate, worker, guest FROM cnasc_claims WHERE study_id = ?1 AND candidate BETWEEN ?2 AND ?3",
    )?;
    let rows = select.query_map(params![study, first as i64, last as i64], |row| {
        Ok((row.get::<_, i64>(0)? as u64, (row.get(1)?, row.get(2)?)))
    })?;
    rows.collect()
}
