//! Trials that wait, as `enqueue_trial` of Optuna leaves them: what they set, and what they change in drawn graphs, as the program reads it.

use super::database::{Database, Error, values};
use cnasc_expand::space::{SearchVariable, Setting};
use cnasc_search::Guest;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};

/// Trials that wait, and that this process knows of.
#[derive(Debug, Default)]
pub struct Waiting {
    trials: VecDeque<i64>,
    /// The last trial that was looked at for whether it waits.
    looked: i64,
}

impl Waiting {
    /// The next one that waits still and that nobody has claimed. One that asks for what can't be fails instead.
    pub fn next(
        &mut self,
        database: &mut Database,
        study: i64,
        variables: &[SearchVariable],
    ) -> Result<Option<i64>, Error> {
        self.look(database, study)?;
        // Where Optuna is at it, its word comes first.
        let waits = "SELECT trial_id FROM trials WHERE trial_id = ?1 AND state = 'WAITING' \
             AND trial_id NOT IN (SELECT guest FROM cnasc_claims WHERE guest IS NOT NULL) {hold}";
        while let Some(trial) = self.trials.pop_front() {
            if database.one(waits, &values![trial], |row| row.id(0))?.is_some() {
                match find(database, variables, trial)? {
                    Ok(_) => return Ok(Some(trial)),
                    Err(why) => super::write::refuse(database, trial, &why)?,
                }
            }
        }
        Ok(None)
    }

    /// Looks at the trials that came since the last time.
    fn look(&mut self, database: &mut Database, study: i64) -> Result<(), Error> {
        let last = super::read::last(database)?;
        if last > self.looked {
            // A range has two ends, or a server goes through all trials of the study each time.
            let select = "SELECT trial_id FROM trials WHERE trial_id BETWEEN ?1 AND ?2 AND study_id = ?3 AND state = 'WAITING' ORDER BY trial_id";
            database.each(select, &values![self.looked + 1, last, study], |row| {
                self.trials.push_back(row.id(0)?);
                Ok(())
            })?;
            self.looked = last;
        }
        Ok(())
    }
}

/// The candidate that a trial asks for, or what is wrong with it.
pub fn find(database: &mut Database, variables: &[SearchVariable], trial: i64) -> Result<Result<Guest, String>, Error> {
    let mut text = |kind: &str, key: &str| {
        let select = format!("SELECT value_json FROM trial_{kind}_attributes WHERE trial_id = ?1 AND key = ?2");
        database.one(&select, &values![trial, key], |row| row.text(0).map(str::to_owned))
    };
    let (fixed, seed, edits) = (text("system", "fixed_params")?, text("user", "seed")?, text("user", "edits")?);
    Ok(read(variables, trial, fixed, seed, edits))
}

/// `fixed` is an object of variables and values, `seed` a number or one between quotes, `edits` a text of edits between spaces.
fn read(
    variables: &[SearchVariable],
    trial: i64,
    fixed: Option<String>,
    seed: Option<String>,
    edits: Option<String>,
) -> Result<Guest, String> {
    let fixed = fixed.unwrap_or_else(|| "{}".to_owned());
    let fixed: BTreeMap<String, Value> =
        serde_json::from_str(&fixed).map_err(|error| format!("what it sets can't be read: {error}"))?;
    let settings = fixed.into_iter().map(|(name, value)| {
        let variable = variables.iter().find(|variable| variable.name == name);
        let variable = variable.ok_or_else(|| format!("there is no search variable `{name}`"))?;
        Ok((name, setting(variable, &value)?))
    });
    let settings = settings.collect::<Result<_, String>>()?;
    let seed = seed.map(|text| {
        let text = text.trim_matches('"').to_owned();
        text.parse().map_err(|_| format!("the seed `{text}` is no whole number"))
    });
    let name = u64::try_from(trial).map_err(|_| format!("{trial} can't be a trial"))?;
    let edits: String = edits.map_or(Ok(String::new()), |json| {
        let no_text = "`edits` is no text of edits between spaces, as `move.4711 add.12`";
        serde_json::from_str(&json).map_err(|_| no_text.to_owned())
    })?;
    let edits = edits.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    Ok(Guest { name, seed: seed.transpose()?, settings, edits })
}

fn setting(variable: &SearchVariable, value: &Value) -> Result<Setting, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        // Python writes 16.0 where it was given one.
        Value::Number(number) => match number.as_f64().filter(|number| number.fract() == 0.0 && number.abs() < 1e15) {
            Some(whole) => format!("{whole:.0}"),
            None => number.to_string(),
        },
        other => other.to_string(),
    };
    variable.read(&text).map_err(|found| found.message)
}
