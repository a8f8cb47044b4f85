//! What the looks behind a candidate's first one said of it, and the end of its trial: until the last look has judged a candidate, or it has been
//! stopped, its trial is RUNNING.
//!
//! Each of several processes takes these looks by itself. What one of them wrote down the others need not do, and where two were at it the word of
//! the first counts, so that all go on with the same.

use super::database::{Database, Error, Held, Value, values};
use super::read::Log;
use super::{Storage, fate, read, settle_unit, write};
use crate::failure::Failure;
use cnasc_search::Further;
use cnasc_search::candidate::Evaluated;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

impl Storage {
    /// What is written down of these candidates at a later look.
    ///
    /// # Errors
    /// Where the database can't be read.
    pub fn further(&mut self, look: usize, candidates: &[u64]) -> Result<Vec<Further>, Failure> {
        self.patiently(|storage| known(&mut storage.database, &storage.log, look, candidates))
    }

    /// Writes down what a later look said of candidates, but for those of which something is written down; gives what is there then.
    ///
    /// # Errors
    /// Where the database can't be written.
    pub fn keep(&mut self, look: usize, further: &[Further]) -> Result<Vec<Further>, Failure> {
        let candidates: Vec<u64> = further.iter().map(|further| further.index).collect();
        self.patiently(|Self { database, log, unit, .. }| {
            database.whole(Held::Study(log.study), |database| {
                let before = known(database, log, look, &candidates)?;
                let before: BTreeSet<u64> = before.into_iter().map(|further| further.index).collect();
                let new: Vec<&Further> = further.iter().filter(|further| !before.contains(&further.index)).collect();
                let figures = new.iter().filter_map(|further| further.verdict.as_ref().ok());
                *unit = settle_unit(database, log.study, *unit, figures)?;
                write_down(database, log, *unit, &new)?;
                known(database, log, look, &candidates)
            })
        })
    }

    /// Ends the trials of candidates that no look is left for.
    ///
    /// # Errors
    /// Where the database can't be written.
    pub fn close(&mut self) -> Result<(), Failure> {
        if self.log.looks.count() == 1 {
            return Ok(());
        }
        self.patiently(|Self { database, log, .. }| {
            database.whole(Held::Study(log.study), |database| end_all(database, log))
        })
    }
}

fn known(database: &mut Database, log: &Log, look: usize, candidates: &[u64]) -> Result<Vec<Further>, Error> {
    let trial = |index: &u64| Some((log.trials.get(index)?.trial, *index));
    let of: BTreeMap<i64, u64> = candidates.iter().filter_map(trial).collect();
    let trials: Vec<Value<'_>> = of.keys().map(|&trial| trial.into()).collect();
    let key = key(look);
    let select = format!(
        "SELECT trial_id, value_json FROM trial_user_attributes WHERE key = '{key}' AND trial_id IN ({{rows}})"
    );
    let mut found = Vec::new();
    database.fill(&select, "?", &trials, |row| {
        let trial = row.id(0)?;
        let verdict = read::text(row.text(1)?).and_then(|text| fate::read_verdict(&text));
        let further = of.get(&trial).zip(verdict).map(|(&index, verdict)| Further { index, look, verdict });
        found.push(further.ok_or_else(|| Error::Foreign(format!("`{key}` of trial {trial} can't be read")))?);
        Ok(())
    })?;
    Ok(found)
}

fn write_down(database: &mut Database, log: &Log, unit: Option<u64>, further: &[&Further]) -> Result<(), Error> {
    let mut ends: BTreeMap<&str, Vec<Value<'_>>> = BTreeMap::new();
    let (mut said, mut steps, mut own, mut missed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for Further { index, look, verdict } in further {
        let Some(trial) = log.trials.get(index).map(|known| known.trial) else { continue };
        said.extend(values![trial, key(*look), json!(fate::verdict(verdict)).to_string()]);
        let state = match verdict {
            Ok(figures) => {
                let found = log.looks.values(*look, figures, unit);
                steps.extend(step(trial, *look, &found));
                if !log.looks.is_last(*look) {
                    continue;
                }
                own.extend(write::values(trial, &found));
                "COMPLETE"
            }
            Err(Evaluated::Infeasible { violation, .. }) => {
                missed.extend(values![trial, "constraints", json!([violation]).to_string()]);
                "PRUNED"
            }
            Err(_) => "FAIL",
        };
        ends.entry(state).or_default().push(trial.into());
    }
    database.fill(write::USER_ATTRIBUTES, "(?, ?, ?)", &said, |_| Ok(()))?;
    database.fill(STEPS, "(?, ?, ?, ?)", &steps, |_| Ok(()))?;
    database.fill(write::VALUES, "(?, ?, ?, ?)", &own, |_| Ok(()))?;
    database.fill(&format!("{}{}", write::SYSTEM_ATTRIBUTES, write::OVER), "(?, ?, ?)", &missed, |_| Ok(()))?;
    ends.into_iter().try_for_each(|(state, trials)| end(database, state, &trials))
}

/// Those that run are stopped; those whose network had been drawn before end as that did, which may have come further since.
fn end_all(database: &mut Database, log: &Log) -> Result<(), Error> {
    // Others may be at candidates that this process does not know of.
    let known: BTreeSet<i64> = log.trials.values().map(|known| known.trial).collect();
    let (mut stopped, mut same) = (Vec::new(), Vec::new());
    let select = "SELECT t.trial_id, a.value_json FROM trials t JOIN trial_user_attributes a ON a.trial_id = t.trial_id \
         WHERE t.study_id = ?1 AND a.key = 'fate' \
         AND (t.state = 'RUNNING' OR t.state = 'PRUNED' AND a.value_json LIKE '\"duplicate %') ORDER BY t.trial_id";
    database.each(select, &values![log.study], |row| {
        let trial = row.id(0)?;
        let text = read::text(row.text(1)?).filter(|_| known.contains(&trial));
        match text.map(|text| fate::duplicate_of(&text)) {
            Some(Some(first)) => same.extend(log.trials.get(&first).map(|known| values![trial, known.trial])),
            Some(None) => stopped.push(trial.into()),
            None => {}
        }
        Ok(())
    })?;
    end(database, "PRUNED", &stopped)?;
    let same: Vec<Value<'_>> = same.into_iter().flatten().collect();
    let update = "WITH same (trial_id, first_id) AS (VALUES {rows}) \
         UPDATE trials SET state = f.state, datetime_complete = {now} FROM same JOIN trials f ON f.trial_id = same.first_id \
         WHERE trials.trial_id = same.trial_id AND trials.state <> f.state";
    database.fill(update, write::PAIR, &same, |_| Ok(()))?;
    database.fill(write::COPIES, write::PAIR, &same, |_| Ok(()))
}

/// The attribute that has what a look said.
fn key(look: usize) -> String {
    format!("look.{}", look + 1)
}

pub const STEPS: &str =
    "INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type) VALUES {rows}";

/// A trial's intermediate value at a look: of the first objective that it is judged by there.
pub fn step(trial: i64, look: usize, found: &[f64]) -> Vec<Value<'static>> {
    let value = found.first().copied().filter(|value| value.is_finite());
    value.map_or(Vec::new(), |value| values![trial, look as i64 + 1, value, "FINITE"].to_vec())
}

fn end(database: &mut Database, state: &str, trials: &[Value<'_>]) -> Result<(), Error> {
    let update =
        format!("UPDATE trials SET state = '{state}', datetime_complete = {{now}} WHERE trial_id IN ({{rows}})");
    database.fill(&update, "?", trials, |_| Ok(()))
}
