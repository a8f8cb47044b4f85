//! Candidates as trials, as their first look left them: whole batches by few statements, for each is a way to the server and back.

use super::database::{Database, Error, Value, values};
use super::looks::Looks;
use super::read::Known;
use super::{fate, further, kept, tables};
use crate::failure::codes;
use cnasc_expand::space::SearchVariable;
use cnasc_search::candidate::Evaluated;
use cnasc_search::{Fate, Proposal, Record};
use serde_json::json;
use std::collections::BTreeMap;

pub const USER_ATTRIBUTES: &str = "INSERT INTO trial_user_attributes (trial_id, key, value_json) VALUES {rows}";

pub const SYSTEM_ATTRIBUTES: &str = "INSERT INTO trial_system_attributes (trial_id, key, value_json) VALUES {rows}";

const PARAMETERS: &str =
    "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) VALUES {rows}";

pub const VALUES: &str = "INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES {rows}";

/// Gives trials the values of others, each [`PAIR`] one and the other.
pub const COPIES: &str = "WITH same (trial_id, first_id) AS (VALUES {rows}) \
     INSERT INTO trial_values (trial_id, objective, value, value_type) \
     SELECT same.trial_id, v.objective, v.value, v.value_type FROM same JOIN trial_values v ON v.trial_id = same.first_id \
     WHERE TRUE ON CONFLICT (trial_id, objective) DO NOTHING";
pub const PAIR: &str = "(CAST(? AS INTEGER), CAST(? AS INTEGER))";

/// How attributes and parameters that are there already are written over.
pub const OVER: &str = " ON CONFLICT (trial_id, key) DO UPDATE SET value_json = excluded.value_json";
const OVER_PARAMETERS: &str = " ON CONFLICT (trial_id, param_name) DO UPDATE SET param_value = excluded.param_value";

/// Ends a trial that can't be a candidate.
pub fn refuse(database: &mut Database, trial: i64, why: &str) -> Result<(), Error> {
    let update = "UPDATE trials SET state = 'FAIL', datetime_complete = {now} WHERE trial_id = ?1";
    database.run(update, &values![trial])?;
    let why = json!(format!("refused: {}: {why}", codes::GUEST)).to_string();
    database.fill(&format!("{USER_ATTRIBUTES}{OVER}"), "(?, ?, ?)", &values![trial, "fate", why], |_| Ok(()))
}

/// What trials are written with.
pub struct Writer<'a> {
    pub database: &'a mut Database,
    pub study: i64,
    pub variables: &'a [SearchVariable],
    pub looks: &'a Looks,
    /// What concurrency scores are relative to.
    pub unit: Option<u64>,
}

/// A candidate that has become a trial.
struct Written<'a> {
    record: &'a Record,
    known: Known,
}

impl Writer<'_> {
    /// Writes candidates and gives the trials that they are now; `trials` are those of the candidates that they may be one with.
    pub fn write(mut self, records: &[&Record], trials: &BTreeMap<u64, Known>) -> Result<BTreeMap<u64, Known>, Error> {
        let written = self.rows(records, trials)?;
        self.parameters(&written)?;
        self.ends(&written)?;
        let new = written.iter().map(|Written { record, known }| (record.proposal.index, *known)).collect();
        self.values_of_others(&written, trials, &new)?;
        self.attributes(&written)?;
        Ok(new)
    }

    /// The rows of the trials themselves: new ones, or those of guests.
    fn rows<'r>(&mut self, records: &[&'r Record], trials: &BTreeMap<u64, Known>) -> Result<Vec<Written<'r>>, Error> {
        let last = "SELECT number FROM trials WHERE study_id = ?1 ORDER BY trial_id DESC LIMIT 1";
        let mut number = self.database.one(last, &values![self.study], |row| row.id(0))?.map_or(0, |last| last + 1);
        let (mut written, mut new, mut rows) = (Vec::new(), BTreeMap::new(), Vec::new());
        let mut here: BTreeMap<u64, &'static str> = BTreeMap::new();
        for record in records {
            let state = match &record.fate {
                Fate::Duplicate(first) if here.contains_key(first) => here[first],
                fate => {
                    let start = self.looks.start(record.proposal.index);
                    fate::state(fate, self.looks.is_last(start), trials)
                }
            };
            here.insert(record.proposal.index, state);
            if let Some(trial) = record.guest.and_then(|guest| i64::try_from(guest).ok()) {
                match self.guest(trial, state)? {
                    Guest::Taken => {
                        written.push(Written { record, known: Known { trial, state } });
                        continue;
                    }
                    Guest::There => continue,
                    Guest::Gone => {}
                }
            }
            rows.extend(values![number, self.study, state]);
            new.insert(number, (*record, state));
            number += 1;
        }
        let insert = "INSERT INTO trials (number, study_id, state, datetime_start, datetime_complete) VALUES {rows} \
             RETURNING trial_id, number";
        self.database.fill(insert, "(?, ?, ?, {now}, {now})", &rows, |row| {
            if let Some((record, state)) = new.remove(&row.id(1)?) {
                written.push(Written { record, known: Known { trial: row.id(0)?, state } });
            }
            Ok(())
        })?;
        Ok(written)
    }

    /// Takes the trial of a guest, where nobody else has judged it meanwhile.
    fn guest(&mut self, trial: i64, state: &str) -> Result<Guest, Error> {
        let update = "UPDATE trials SET state = ?1, datetime_start = {now}, datetime_complete = {now} \
             WHERE trial_id = ?2 AND state = 'WAITING'";
        if self.database.run(update, &values![state, trial])? == 1 {
            return Ok(Guest::Taken);
        }
        let ours = "SELECT trial_id FROM trial_user_attributes WHERE trial_id = ?1 AND key = 'index'";
        let ours = self.database.one(ours, &values![trial], |row| row.id(0))?;
        Ok(if ours.is_some() { Guest::There } else { Guest::Gone })
    }

    /// What makes the candidates again, and what became of them.
    fn attributes(&mut self, written: &[Written<'_>]) -> Result<(), Error> {
        let (mut user, mut system) = (Vec::new(), Vec::new());
        for Written { record, known: Known { trial, state } } in written {
            let Proposal { index, seed, edits, .. } = &record.proposal;
            let mut attributes =
                vec![("index", index.to_string()), ("seed", seed.to_string()), ("fate", fate::text(&record.fate))];
            let edits: Vec<String> = edits.iter().map(ToString::to_string).collect();
            attributes.extend((!edits.is_empty()).then(|| ("edits", edits.join(" "))));
            attributes.extend(record.guest.map(|_| ("guest", "yes".to_owned())));
            attributes.extend(record.hash.clone().map(|hash| ("network", hash)));
            attributes.extend(record.form.clone().map(|form| ("form", form)));
            attributes.extend(kept(record).map(|candidate| ("figures", fate::figures(&candidate.figures))));
            for (key, value) in attributes {
                user.extend(values![*trial, key, json!(value).to_string()]);
            }
            // Optuna takes what is above zero as missed.
            let missed = match &record.fate {
                Fate::Judged(Evaluated::Infeasible { violation, .. }) => Some(*violation),
                _ => ["COMPLETE", "RUNNING"].contains(state).then_some(0.0),
            };
            if let Some(missed) = missed.filter(|_| self.looks.constrained) {
                system.extend(values![*trial, "constraints", json!([missed]).to_string()]);
            }
        }
        let over = over(written, OVER);
        self.database.fill(&format!("{USER_ATTRIBUTES}{over}"), "(?, ?, ?)", &user, |_| Ok(()))?;
        self.database.fill(&format!("{SYSTEM_ATTRIBUTES}{over}"), "(?, ?, ?)", &system, |_| Ok(()))
    }

    fn parameters(&mut self, written: &[Written<'_>]) -> Result<(), Error> {
        let distributions: Vec<String> = self.variables.iter().map(tables::distribution).collect();
        let mut rows = Vec::new();
        for Written { record, known } in written {
            for (variable, distribution) in self.variables.iter().zip(&distributions) {
                let Some(text) = record.arguments.get(&variable.name) else { continue };
                let set = record.proposal.settings.get(&variable.name).copied();
                let Some(setting) = set.or_else(|| variable.read(text).ok()) else { continue };
                let (name, number) = (variable.name.as_str(), tables::number(setting));
                rows.extend(values![known.trial, name, number, distribution.as_str()]);
            }
        }
        let over = over(written, OVER_PARAMETERS);
        self.database.fill(&format!("{PARAMETERS}{over}"), "(?, ?, ?, ?)", &rows, |_| Ok(()))
    }

    /// The values of those that have been judged in full; what later looks are to judge runs on, with a first intermediate value.
    fn ends(&mut self, written: &[Written<'_>]) -> Result<(), Error> {
        let (mut own, mut steps, mut run) = (Vec::new(), Vec::new(), Vec::new());
        for Written { record, known: Known { trial, state } } in written {
            if *state == "RUNNING" {
                run.push(Value::from(*trial));
            }
            let Some(candidate) = kept(record) else { continue };
            let start = self.looks.start(candidate.proposal.index);
            let found = self.looks.values(start, &candidate.figures, self.unit);
            if self.looks.is_last(start) {
                own.extend(values(*trial, &found));
            }
            if self.looks.count() > 1 {
                steps.extend(further::step(*trial, start, &found));
            }
        }
        self.database.fill(VALUES, "(?, ?, ?, ?)", &own, |_| Ok(()))?;
        self.database.fill(further::STEPS, "(?, ?, ?, ?)", &steps, |_| Ok(()))?;
        let update = "UPDATE trials SET datetime_complete = NULL WHERE trial_id IN ({rows})";
        self.database.fill(update, "?", &run, |_| Ok(()))
    }

    /// Gives duplicates the values of what they are duplicates of.
    fn values_of_others(
        &mut self,
        written: &[Written<'_>],
        trials: &BTreeMap<u64, Known>,
        new: &BTreeMap<u64, Known>,
    ) -> Result<(), Error> {
        let mut rows = Vec::new();
        for Written { record, known } in written {
            if let Fate::Duplicate(first) = &record.fate
                && let Some(first) = new.get(first).or_else(|| trials.get(first))
            {
                rows.extend(values![known.trial, first.trial]);
            }
        }
        self.database.fill(COPIES, PAIR, &rows, |_| Ok(()))
    }
}

/// The rows of a trial's values.
pub fn values(trial: i64, found: &[f64]) -> Vec<Value<'static>> {
    let row = |(place, &value): (i64, &f64)| match value {
        f64::INFINITY => values![trial, place, Value::Null, "INF_POS"],
        f64::NEG_INFINITY => values![trial, place, Value::Null, "INF_NEG"],
        value => values![trial, place, value, "FINITE"],
    };
    (0..).zip(found).flat_map(row).collect()
}

/// How a batch is written: only the trial of a guest can hold something, and to look for that costs a third more.
fn over(written: &[Written<'_>], how: &'static str) -> &'static str {
    if written.iter().any(|written| written.record.guest.is_some()) { how } else { "" }
}

/// What has become of the trial of a guest.
enum Guest {
    /// It is the candidate's now.
    Taken,
    /// It is since before: only the answer to that was lost.
    There,
    /// Someone else has judged it.
    Gone,
}
