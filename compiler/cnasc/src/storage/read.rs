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

/// By the candidate's number.
pub fn trials(
    connection: &Connection,
    study: i64,
    variables: &[SearchVariable],
) -> rusqlite::Result<BTreeMap<u64, Trial>> {
    let mut trials = attributes(connection, study)?;
    let mut select = connection.prepare(
        "SELECT p.trial_id, p.param_name, p.param_value FROM trials t JOIN trial_params p ON p.trial_id = t.trial_id \
         WHERE t.study_id = ?1 ORDER BY p.trial_id",
    )?;
    let mut rows = select.query([study])?;
    while let Some(row) = rows.next()? {
        let name = row.get_ref(1)?.as_str()?;
        let variable = variables.iter().find(|variable| variable.name == name);
        if let (Some(variable), Some(trial)) = (variable, trials.get_mut(&row.get(0)?)) {
            trial.settings.insert(variable.name.clone(), tables::setting(variable, row.get(2)?));
        }
    }
    let index = |trial: &Trial| trial.attributes.get("index")?.parse().ok();
    Ok(trials.into_values().filter_map(|trial| Some((index(&trial)?, trial))).collect())
}

/// The trials by their ids, with their attributes.
fn attributes(connection: &Connection, study: i64) -> rusqlite::Result<BTreeMap<i64, Trial>> {
    let mut trials: BTreeMap<i64, Trial> = BTreeMap::new();
    let mut select = connection.prepare(
        "SELECT t.trial_id, t.number, a.key, a.value_json FROM trials t JOIN trial_user_attributes a \
         ON a.trial_id = t.trial_id WHERE t.study_id = ?1 ORDER BY t.trial_id",
    )?;
    let mut rows = select.query([study])?;
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
        let proposal = Proposal { index, seed, settings: settings.clone() };
        let fate =
            fate::read(attributes.get("fate")?, attributes.get("figures"), &proposal, &arguments, hash.as_deref())?;
        let guest = attributes.contains_key("guest").then(|| u64::try_from(*id).ok()).flatten();
        Some(Record { proposal, arguments, hash, fate, guest })
    }
}
