//! Candidates as trials.

use super::{fate, kept, tables};
use cnasc_expand::space::SearchVariable;
use cnasc_ir::program::Objective;
use cnasc_ir::score::Exponents;
use cnasc_place::score::with_unit;
use cnasc_search::candidate::Evaluated;
use cnasc_search::{Candidate, Fate, Proposal, Record};
use rusqlite::{OptionalExtension, Transaction, params};
use serde_json::json;
use std::collections::BTreeMap;

/// The time as Optuna writes it.
const NOW: &str = "strftime('%Y-%m-%d %H:%M:%f', 'now', 'localtime') || '000'";

const ATTRIBUTE: &str = "INSERT OR REPLACE INTO trial_user_attributes (trial_id, key, value_json) VALUES (?1, ?2, ?3)";

/// Ends a trial that can't be a candidate.
pub fn refuse(transaction: &Transaction<'_>, trial: i64, why: &str) -> rusqlite::Result<()> {
    let update = format!("UPDATE trials SET state = 'FAIL', datetime_complete = {NOW} WHERE trial_id = ?1");
    transaction.execute(&update, [trial])?;
    transaction.execute(ATTRIBUTE, params![trial, "fate", json!(format!("refused: {why}")).to_string()]).map(|_| ())
}

/// What trials are written with.
pub struct Writer<'a> {
    pub transaction: &'a Transaction<'a>,
    pub study: i64,
    pub variables: &'a [SearchVariable],
    pub objectives: &'a [Objective],
    pub unit: Option<u64>,
}

impl Writer<'_> {
    fn run(&self, sql: &str, values: impl rusqlite::Params) -> rusqlite::Result<()> {
        self.transaction.prepare_cached(sql)?.execute(values).map(|_| ())
    }

    /// Writes the next candidate and gives the trial that it is now; `trials` are those of the candidates that it may be one with.
    pub fn trial(&self, record: &Record, trials: &BTreeMap<u64, i64>) -> rusqlite::Result<i64> {
        let first = match &record.fate {
            Fate::Duplicate(first) => trials.get(first).copied(),
            Fate::Judged(_) => None,
        };
        let state = match &record.fate {
            Fate::Judged(Evaluated::Feasible(_)) => "COMPLETE",
            Fate::Judged(Evaluated::Infeasible { .. }) => "PRUNED",
            Fate::Judged(Evaluated::Impossible(_)) => "FAIL",
            Fate::Duplicate(_) => first.map_or(Ok("FAIL"), |first| self.state_of(first))?,
        };
        let trial = self.row(record, state)?;
        self.parameters(trial, record)?;
        if let Fate::Judged(Evaluated::Feasible(candidate)) = &record.fate {
            self.values(trial, candidate)?;
        }
        if let Some(first) = first {
            self.values_of(trial, first)?;
        }
        self.attributes(trial, record)?;
        // Optuna takes what is above zero as missed.
        let missed = match &record.fate {
            Fate::Judged(Evaluated::Infeasible { violation, .. }) => Some(*violation),
            _ => (state == "COMPLETE").then_some(0.0),
        };
        if let Some(missed) = missed {
            let insert = "INSERT OR REPLACE INTO trial_system_attributes (trial_id, key, value_json) VALUES (?1, 'constraints', ?2)";
            self.run(insert, params![trial, json!([missed]).to_string()])?;
        }
        Ok(trial)
    }

    /// The row of the trial itself: a new one, or that of the guest, where nobody else has judged it meanwhile.
    fn row(&self, record: &Record, state: &str) -> rusqlite::Result<i64> {
        if let Some(trial) = record.guest.and_then(|guest| i64::try_from(guest).ok()) {
            let update = format!(
                "UPDATE trials SET state = ?1, datetime_start = {NOW}, datetime_complete = {NOW} \
                 WHERE trial_id = ?2 AND state = 'WAITING'"
            );
            if self.transaction.prepare_cached(&update)?.execute(params![state, trial])? == 1 {
                return Ok(trial);
            }
        }
        let last = "SELECT number FROM trials WHERE study_id = ?1 ORDER BY trial_id DESC LIMIT 1";
        let last: Option<i64> =
            self.transaction.prepare_cached(last)?.query_row([self.study], |row| row.get(0)).optional()?;
        self.run(
            &format!(
                "INSERT INTO trials (number, study_id, state, datetime_start, datetime_complete) VALUES (?1, ?2, ?3, {NOW}, {NOW})"
            ),
            params![last.map_or(0, |last| last + 1), self.study, state],
        )?;
        Ok(self.transaction.last_insert_rowid())
    }

    /// What makes the candidate again, and what became of it.
    fn attributes(&self, trial: i64, record: &Record) -> rusqlite::Result<()> {
        let Proposal { index, seed, .. } = record.proposal;
        let mut attributes =
            vec![("index", index.to_string()), ("seed", seed.to_string()), ("fate", fate::text(&record.fate))];
        attributes.extend(record.guest.map(|_| ("guest", "yes".to_owned())));
        attributes.extend(record.hash.clone().map(|hash| ("network", hash)));
        attributes.extend(record.form.clone().map(|form| ("form", form)));
        attributes.extend(kept(record).map(|candidate| ("figures", fate::figures(&candidate.figures))));
        for (key, value) in attributes {
            self.run(ATTRIBUTE, params![trial, key, json!(value).to_string()])?;
        }
        Ok(())
    }

    fn parameters(&self, trial: i64, record: &Record) -> rusqlite::Result<()> {
        for variable in self.variables {
            let Some(text) = record.arguments.get(&variable.name) else { continue };
            let set = record.proposal.settings.get(&variable.name).copied();
            let Some(setting) = set.or_else(|| variable.read(text).ok()) else { continue };
            self.run(
                "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) VALUES (?1, ?2, ?3, ?4)",
                params![trial, variable.name, tables::number(setting), tables::distribution(variable)],
            )?;
        }
        Ok(())
    }

    fn values(&self, trial: i64, candidate: &Candidate) -> rusqlite::Result<()> {
        let mut figures = candidate.figures.clone();
        if let (Some(score), Some(unit)) = (&mut figures.score, self.unit) {
            *score = with_unit(score, unit, Exponents::PAPER);
        }
        for (place, objective) in self.objectives.iter().enumerate() {
            let value = figures.value(objective.measure).unwrap_or(f64::INFINITY);
            let (value, kind) = match value {
                f64::INFINITY => (None, "INF_POS"),
                f64::NEG_INFINITY => (None, "INF_NEG"),
                value => (Some(value), "FINITE"),
            };
            let insert = "INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES (?1, ?2, ?3, ?4)";
            self.run(insert, params![trial, place as i64, value, kind])?;
        }
        Ok(())
    }

    /// The state of the candidate that a duplicate is one of.
    fn state_of(&self, first: i64) -> rusqlite::Result<&'static str> {
        let mut select = self.transaction.prepare_cached("SELECT state FROM trials WHERE trial_id = ?1")?;
        let state: Option<String> = select.query_row([first], |row| row.get(0)).optional()?;
        Ok(match state.as_deref() {
            Some("COMPLETE") => "COMPLETE",
            Some("PRUNED") => "PRUNED",
            _ => "FAIL",
        })
    }

    fn values_of(&self, trial: i64, first: i64) -> rusqlite::Result<()> {
        self.run(
            "INSERT INTO trial_values (trial_id, objective, value, value_type) SELECT ?1, objective, value, value_type \
             FROM trial_values WHERE trial_id = ?2",
            params![trial, first],
        )
    }
}
