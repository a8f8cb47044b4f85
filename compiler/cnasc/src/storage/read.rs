//! The trials of a study that say which candidates they are.

use super::{fate, tables};
use cnasc_expand::space::{SearchVariable, Setting};
use cnasc_search::{Proposal, Record};
use rusqlite::Connection;
use std::collections::BTreeMap;

/// A trial as it is read.
#[derive(Debug, Default)]
pub struct Trial {
    pub id: i64,
    pub number: i64,
    attributes: BTreeMap<String, String>,
    settings: BTreeMap<String, Setting>,
}

/// The candidates of a study as others write them.
#[derive(Debug)]
pub struct Log {
    pub study: i64,
    pub variables: Vec<SearchVariable>,
    /// The trial that each candidate is.
    pub trials: BTreeMap<u64, i64>,
    /// The last trial that was looked at.
    pub looked: i64,
}

impl Log {
    /// What was written since the last time.
    ///
    /// # Errors
    /// Where it can't be read. A trial that says that it is a candidate, and can't be, is one of those.
    pub fn poll(&mut self, connection: &Connection) -> rusqlite::Result<Vec<Record>> {
        let last: Option<i64> = connection.query_row("SELECT MAX(trial_id) FROM trials", [], |row| row.get(0))?;
        let Some(last) = last.filter(|&last| last > self.looked) else { return Ok(Vec::new()) };
        let records = self.read(connection, self.looked + 1, last)?;
        self.looked = last;
        Ok(records)
    }

    /// What was written of this trial, if anything.
    pub fn one(&mut self, connection: &Connection, trial: i64) -> rusqlite::Result<Vec<Record>> {
        self.read(connection, trial, trial)
    }

    fn read(&mut self, connection: &Connection, first: i64, last: i64) -> rusqlite::Result<Vec<Record>> {
        let mut trials = attributes(connection, self.study, first, last)?;
        let mut select = connection.prepare_cached(
            "SELECT p.trial_id, p.param_name, p.param_value FROM trials t JOIN trial_params p ON p.trial_id = t.trial_id \
             WHERE t.study_id = ?1 AND t.trial_id BETWEEN ?2 AND ?3 ORDER BY p.trial_id",
        )?;
        let mut rows = select.query([self.study, first, last])?;
        while let Some(row) = rows.next()? {
            let name = row.get_ref(1)?.as_str()?;
            let variable = self.variables.iter().find(|variable| variable.name == name);
            if let (Some(variable), Some(trial)) = (variable, trials.get_mut(&row.get(0)?)) {
                trial.settings.insert(variable.name.clone(), tables::setting(variable, row.get(2)?));
            }
        }
        let mut records = Vec::with_capacity(trials.len());
        for (id, trial) in trials {
            // Trials that say no number are others'.
            let Some(index) = trial.attributes.get("index") else { continue };
            let record = index.parse().ok().and_then(|index| trial.record(index, &self.variables));
            let wrong = || format!("trial {} was not made by this program", trial.number);
            let record = record.ok_or_else(|| rusqlite::Error::ToSqlConversionFailure(wrong().into()))?;
            self.trials.insert(record.proposal.index, id);
            records.push(record);
        }
        Ok(records)
    }
}

/// The trials by their ids, with their attributes.
fn attributes(connection: &Connection, study: i64, first: i64, last: i64) -> rusqlite::Result<BTreeMap<i64, Trial>> {
    let mut trials: BTreeMap<i64, Trial> = BTreeMap::new();
    let mut select = connection.prepare_cached(
        "SELECT t.trial_id, t.number, a.key, a.value_json FROM trials t JOIN trial_user_attributes a \
         ON a.trial_id = t.trial_id WHERE t.study_id = ?1 AND t.trial_id BETWEEN ?2 AND ?3 ORDER BY t.trial_id",
    )?;
    let mut rows = select.query([study, first, last])?;
    while let Some(row) = rows.next()? {
        let (id, number) = (row.get(0)?, row.get(1)?);
        let trial = trials.entry(id).or_insert_with(|| Trial { id, number, ..Trial::default() });
        // Each of ours is a string.
        if let Ok(text) = serde_json::from_str(row.get_ref(3)?.as_str()?) {
            trial.attributes.insert(row.get(2)?, text);
        }
    }
    Ok(trials)
}

impl Trial {
    /// The candidate that it is, or none where it can't be one.
    pub fn record(&self, index: u64, variables: &[SearchVariable]) -> Option<Record> {
        let Self { id, attributes, settings, .. } = self;
        let seed = attributes.get("seed")?.parse().ok()?;
        let text =
            |variable: &SearchVariable| Some((variable.name.clone(), variable.text(*settings.get(&variable.name)?)));
        let arguments: BTreeMap<String, String> = variables.iter().filter_map(text).collect();
        let hash = attributes.get("network").cloned();
        let form = attributes.get("form").cloned();
        let proposal = Proposal { index, seed, settings: settings.clone() };
        let fate =
            fate::read(attributes.get("fate")?, attributes.get("figures"), &proposal, &arguments, hash.as_deref())?;
        let guest = attributes.contains_key("guest").then(|| u64::try_from(*id).ok()).flatten();
        Some(Record { proposal, arguments, hash, form, fate, guest })
    }
}
