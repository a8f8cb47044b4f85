//! The trials of a study that say which candidates they are.

use super::{fate, tables};
use cnasc_expand::space::{SearchVariable, Setting};
use cnasc_search::{Proposal, Record};
use rusqlite::Connection;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A trial as it is read: what of it makes a candidate.
#[derive(Debug, Default)]
struct Trial {
    id: i64,
    number: i64,
    /// Whether it says which candidate it is; trials that do not are others'.
    says: bool,
    index: Option<u64>,
    seed: Option<u64>,
    network: Option<String>,
    form: Option<String>,
    fate: Option<String>,
    figures: Option<String>,
    guest: bool,
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
        // Both come in the order of the trials.
        let mut place = 0;
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            while trials.get(place).is_some_and(|trial| trial.id < id) {
                place += 1;
            }
            let name = row.get_ref(1)?.as_str()?;
            let variable = self.variables.iter().find(|variable| variable.name == name);
            let trial = trials.get_mut(place).filter(|trial| trial.id == id);
            if let (Some(variable), Some(trial)) = (variable, trial) {
                trial.settings.insert(variable.name.clone(), tables::setting(variable, row.get(2)?));
            }
        }
        let mut records = Vec::with_capacity(trials.len());
        for trial in trials.into_iter().filter(|trial| trial.says) {
            let (id, number) = (trial.id, trial.number);
            let wrong = || format!("trial {number} was not made by this program");
            let record = trial.record(&self.variables);
            let record = record.ok_or_else(|| rusqlite::Error::ToSqlConversionFailure(wrong().into()))?;
            self.trials.insert(record.proposal.index, id);
            records.push(record);
        }
        Ok(records)
    }
}

/// The trials in the order of their ids, with their attributes.
fn attributes(connection: &Connection, study: i64, first: i64, last: i64) -> rusqlite::Result<Vec<Trial>> {
    let mut trials: Vec<Trial> = Vec::new();
    let mut select = connection.prepare_cached(
        "SELECT t.trial_id, t.number, a.key, a.value_json FROM trials t JOIN trial_user_attributes a \
         ON a.trial_id = t.trial_id WHERE t.study_id = ?1 AND t.trial_id BETWEEN ?2 AND ?3 ORDER BY t.trial_id",
    )?;
    let mut rows = select.query([study, first, last])?;
    while let Some(row) = rows.next()? {
        let id = row.get(0)?;
        if trials.last().is_none_or(|trial| trial.id != id) {
            trials.push(Trial { id, number: row.get(1)?, ..Trial::default() });
        }
        if let Some(trial) = trials.last_mut() {
            trial.note(row.get_ref(2)?.as_str()?, row.get_ref(3)?.as_str()?);
        }
    }
    Ok(trials)
}

impl Trial {
    /// Takes in an attribute; each of ours is a string.
    fn note(&mut self, key: &str, json: &str) {
        let Some(text) = text(json) else { return };
        match key {
            "index" => (self.says, self.index) = (true, text.parse().ok()),
            "seed" => self.seed = text.parse().ok(),
            "network" => self.network = Some(text.into_owned()),
            "form" => self.form = Some(text.into_owned()),
            "fate" => self.fate = Some(text.into_owned()),
            "figures" => self.figures = Some(text.into_owned()),
            "guest" => self.guest = true,
            _ => {}
        }
    }

    /// The candidate that it is, or none where it can't be one.
    fn record(self, variables: &[SearchVariable]) -> Option<Record> {
        let Self { id, settings, network: hash, form, fate, figures, .. } = self;
        let text =
            |variable: &SearchVariable| Some((variable.name.clone(), variable.text(*settings.get(&variable.name)?)));
        let arguments: BTreeMap<String, String> = variables.iter().filter_map(text).collect();
        let proposal = Proposal { index: self.index?, seed: self.seed?, settings };
        let fate = fate::read(&fate?, figures.as_ref(), &proposal, &arguments, hash.as_deref())?;
        let guest = if self.guest { u64::try_from(id).ok() } else { None };
        Some(Record { proposal, arguments, hash, form, fate, guest })
    }
}

/// The string that a JSON text is, or none where it is none. A long study has hundreds of thousands of them, hardly one with an escape.
fn text(json: &str) -> Option<Cow<'_, str>> {
    let plain = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match plain.filter(|plain| !plain.bytes().any(|byte| matches!(byte, b'"' | b'\\' | 0..32))) {
        Some(plain) => Some(Cow::Borrowed(plain)),
        None => serde_json::from_str(json).ok().map(Cow::Owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_read_as_json() {
        for json in [
            r#""""#,
            r#""kept""#,
            r#""näher \"dran\"""#,
            r#""a\u0041""#,
            r#"""#,
            r#""a"b""#,
            "\"a\nb\"",
            "7",
            "",
            "null",
            r#""\""#,
        ] {
            assert_eq!(text(json).map(Cow::into_owned), serde_json::from_str::<String>(json).ok(), "{json}");
        }
    }
}
