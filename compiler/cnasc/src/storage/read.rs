//! The trials of a study that say which candidates they are.

use super::database::{Database, Error, Value, values};
use super::looks::Looks;
use super::{fate, tables};
use cnasc_expand::space::{SearchVariable, Setting};
use cnasc_search::{Proposal, Record};
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
    edits: Option<String>,
}

/// The trial that a candidate is.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    pub trial: i64,
    /// As its first look left it.
    pub state: &'static str,
}

/// The candidates of a study as others write them.
#[derive(Debug)]
pub struct Log {
    pub study: i64,
    pub variables: Vec<SearchVariable>,
    pub looks: Looks,
    /// The trial that each candidate is.
    pub trials: BTreeMap<u64, Known>,
    /// The last trial that was looked at.
    pub looked: i64,
}

/// The last trial of all studies; zero where there is none. While a study is held none of its trials that come later is before it.
pub fn last(database: &mut Database) -> Result<i64, Error> {
    Ok(database.one("SELECT MAX(trial_id) FROM trials", &[], |row| row.int(0))?.flatten().unwrap_or_default())
}

impl Log {
    /// What was written since the last time, while the study is held.
    ///
    /// # Errors
    /// Where it can't be read. A trial that says that it is a candidate, and can't be, is one of those.
    pub fn poll(&mut self, database: &mut Database) -> Result<Vec<Record>, Error> {
        let last = last(database)?;
        self.up_to(database, last)
    }

    /// What was written since the last time, up to this trial.
    pub fn up_to(&mut self, database: &mut Database, last: i64) -> Result<Vec<Record>, Error> {
        if last <= self.looked {
            return Ok(Vec::new());
        }
        let records = self.read(database, self.looked + 1, last)?;
        self.looked = last;
        Ok(records)
    }

    /// What was written of this trial, if anything.
    pub fn one(&mut self, database: &mut Database, trial: i64) -> Result<Vec<Record>, Error> {
        self.read(database, trial, trial)
    }

    fn read(&mut self, database: &mut Database, first: i64, last: i64) -> Result<Vec<Record>, Error> {
        let range = values![self.study, first, last];
        let mut trials = attributes(database, &range)?;
        let select = "SELECT p.trial_id, p.param_name, p.param_value FROM trials t JOIN trial_params p ON p.trial_id = t.trial_id \
             WHERE t.study_id = ?1 AND t.trial_id BETWEEN ?2 AND ?3 AND p.trial_id BETWEEN ?2 AND ?3 ORDER BY t.trial_id";
        // Both come in the order of the trials.
        let mut place = 0;
        database.each(select, &range, |row| {
            let id = row.id(0)?;
            while trials.get(place).is_some_and(|trial| trial.id < id) {
                place += 1;
            }
            let name = row.text(1)?;
            let variable = self.variables.iter().find(|variable| variable.name == name);
            let trial = trials.get_mut(place).filter(|trial| trial.id == id);
            if let (Some(variable), Some(trial), Some(number)) = (variable, trial, row.real(2)?) {
                trial.settings.insert(variable.name.clone(), tables::setting(variable, number));
            }
            Ok(())
        })?;
        let mut records = Vec::with_capacity(trials.len());
        for trial in trials.into_iter().filter(|trial| trial.says) {
            let (id, number) = (trial.id, trial.number);
            let wrong = || Error::Foreign(format!("trial {number} was not made by this program"));
            let record = trial.record(&self.variables).ok_or_else(wrong)?;
            let index = record.proposal.index;
            let state = fate::state(&record.fate, self.looks.is_last(self.looks.start(index)), &self.trials);
            self.trials.insert(index, Known { trial: id, state });
            records.push(record);
        }
        Ok(records)
    }
}

/// The trials of a study within a range, in the order of their ids, with their attributes.
fn attributes(database: &mut Database, range: &[Value<'_>]) -> Result<Vec<Trial>, Error> {
    let mut trials: Vec<Trial> = Vec::new();
    let select = "SELECT t.trial_id, t.number, a.key, a.value_json FROM trials t JOIN trial_user_attributes a \
         ON a.trial_id = t.trial_id \
         WHERE t.study_id = ?1 AND t.trial_id BETWEEN ?2 AND ?3 AND a.trial_id BETWEEN ?2 AND ?3 ORDER BY t.trial_id";
    database.each(select, range, |row| {
        let id = row.id(0)?;
        if trials.last().is_none_or(|trial| trial.id != id) {
            trials.push(Trial { id, number: row.int(1)?.unwrap_or_default(), ..Trial::default() });
        }
        if let Some(trial) = trials.last_mut() {
            trial.note(row.text(2)?, row.text(3)?);
        }
        Ok(())
    })?;
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
            "edits" => self.edits = Some(text.into_owned()),
            "guest" => self.guest = true,
            _ => {}
        }
    }

    /// The candidate that it is, or none where it can't be one.
    fn record(self, variables: &[SearchVariable]) -> Option<Record> {
        let Self { id, settings, edits, network: hash, form, fate, figures, .. } = self;
        let text =
            |variable: &SearchVariable| Some((variable.name.clone(), variable.text(*settings.get(&variable.name)?)));
        let arguments: BTreeMap<String, String> = variables.iter().filter_map(text).collect();
        let edits = edits.as_deref().unwrap_or_default().split_ascii_whitespace().map(|edit| edit.parse().ok());
        let edits = edits.collect::<Option<_>>()?;
        let proposal = Proposal { index: self.index?, seed: self.seed?, settings, edits };
        let fate = fate::read(&fate?, figures.as_ref(), &proposal, &arguments, hash.as_deref())?;
        let guest = if self.guest { u64::try_from(id).ok() } else { None };
        Some(Record { proposal, arguments, hash, form, fate, guest })
    }
}

/// The string that a JSON text is, or none where it is none. A long study has hundreds of thousands of them, hardly one with an escape.
pub fn text(json: &str) -> Option<Cow<'_, str>> {
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
