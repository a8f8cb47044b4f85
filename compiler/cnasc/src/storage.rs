//! Studies in a database, in the tables that Optuna 4 keeps its own in (schema version 12), so that `optuna.load_study`, its plots and its
//! dashboard read them.
//!
//! A study is called `SEARCH-SEED`. A trial is a candidate as the first look left it: COMPLETE with the values of that look's objectives where
//! it keeps the constraints, PRUNED where it breaks one, FAIL where it gives no network. Its parameters are the search variables that exist;
//! its user attributes say what makes it again, what it measures and which candidate it is. Each batch is one transaction: a study is always
//! one that a run could have left, however the process ended. A trial that waits, as `enqueue_trial` leaves it, is a [`Guest`] of the run.

mod fate;
mod guests;
mod read;
mod tables;
mod write;

use crate::failure::{Failure, codes};
use cnasc_base::Diagnostic;
use cnasc_expand::space::{self, SearchVariable};
use cnasc_ir::program::{Objective, Search};
use cnasc_search::candidate::Evaluated;
use cnasc_search::{Candidate, Fate, Guest, Record, Study};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use serde_json::json;
use std::time::Duration;
use write::Writer;

/// How long another process may hold the database.
const PATIENCE: Duration = Duration::from_secs(30);

/// A study's place in a database.
#[derive(Debug)]
pub struct Storage {
    connection: Connection,
    study: i64,
    variables: Vec<SearchVariable>,
    objectives: Vec<Objective>,
    /// What concurrency scores in the tables are relative to: the smallest communication of the first batch that has any.
    unit: Option<u64>,
    /// The trial that each candidate is.
    trials: Vec<i64>,
    /// The last trial that was looked at for whether it waits.
    looked: i64,
}

impl Storage {
    /// Opens the database that `sqlite:///FILE` names, and the study in it; makes what is not there. Gives what is recorded of the study.
    ///
    /// `origin` stands for the program: candidates of another one are not mixed with its own.
    ///
    /// # Errors
    /// Where the URL is no such, the file can't be opened or is not of this form, or the study is of another program.
    pub fn open(
        url: &str,
        study: &Study<'_>,
        search: &Search,
        seed: u64,
        origin: &str,
    ) -> Result<(Self, Vec<Record>), Failure> {
        let Some(path) = url.strip_prefix("sqlite:///").filter(|path| !path.is_empty()) else {
            let message = format!("`--storage` takes `sqlite:///FILE`, not `{url}`");
            return Err(Failure::usage(Diagnostic::error(codes::STORAGE, message)));
        };
        let name = format!("{}-{seed}", search.name);
        let first = search.fidelities.first();
        let objectives = first.map_or(&search.objectives, |fidelity| &fidelity.objectives).clone();
        let variables = space::variables(study.program(), study.over());
        let opened = || -> rusqlite::Result<_> {
            let mut connection = Connection::open(path)?;
            connection.busy_timeout(PATIENCE)?;
            // A commit costs no wait for the disk; what a crash of the machine loses are the last commits, whole.
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "NORMAL")?;
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            tables::make(&transaction)?;
            let version = tables::version(&transaction)?;
            if version != tables::VERSION {
                // Dropped, the transaction leaves no trace.
                return Ok(Err(version));
            }
            let (study, known) = find(&transaction, &name, &objectives, origin)?;
            let unit = attribute(&transaction, study, "unit")?.and_then(|unit| unit.parse().ok());
            transaction.commit()?;
            Ok(Ok((known, Self { connection, study, variables, objectives, unit, trials: Vec::new(), looked: 0 })))
        };
        let (known, mut storage) = opened().map_err(|error| failure(path, &error))?.map_err(|version| {
            let message = format!("`{path}` has schema version {version}; this release reads {}", tables::VERSION);
            Failure::from(Diagnostic::error(codes::STORAGE, message))
        })?;
        if known.as_deref() != Some(origin) {
            let message = format!("the study `{name}` in `{path}` was begun with another program");
            return Err(Diagnostic::error(codes::STORAGE, message)
                .note("its candidates are not those of this one: name another file, or another seed by --seed")
                .into());
        }
        let records = storage.load().map_err(|error| failure(path, &error))?;
        let records = records.map_err(|number| {
            let message = format!("trial {number} of the study `{name}` in `{path}` was not made by this program");
            Failure::from(Diagnostic::error(codes::STORAGE, message).note("another file keeps them apart"))
        })?;
        Ok((storage, records))
    }

    /// Writes down what came of the next candidates, all of them or none.
    ///
    /// # Errors
    /// Where the database can't be written, or another process has written candidates of this study.
    pub fn write(&mut self, records: &[Record]) -> Result<(), Failure> {
        if records.is_empty() {
            return Ok(());
        }
        let path = self.connection.path().unwrap_or_default().to_owned();
        if self.write_all(records).map_err(|error| failure(&path, &error))? {
            return Ok(());
        }
        let message = format!("another process searches the same study in `{path}`");
        Err(Failure::running(codes::STORAGE, message))
    }

    /// Nothing is written, and false returned, where other candidates of the study are there than this process knows.
    fn write_all(&mut self, records: &[Record]) -> rusqlite::Result<bool> {
        let Self { connection, study, variables, objectives, unit, trials, .. } = self;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let known: Option<usize> = attribute(&transaction, *study, "candidates")?.and_then(|count| count.parse().ok());
        if known.unwrap_or(0) != trials.len() {
            return Ok(false);
        }
        if unit.is_none() {
            *unit =
                records.iter().filter_map(|record| kept(record)?.figures.score.as_ref()).map(|score| score.unit).min();
            if let Some(unit) = unit {
                set_attribute(&transaction, *study, "unit", &unit.to_string())?;
            }
        }
        let writer = Writer { transaction: &transaction, study: *study, variables, objectives, unit: *unit };
        for record in records {
            let trial = writer.trial(record, trials)?;
            trials.push(trial);
        }
        set_attribute(&transaction, *study, "candidates", &trials.len().to_string())?;
        transaction.commit()?;
        Ok(true)
    }

    /// Trials that wait for someone to judge them and were not there when this was asked last. One that sets a variable to what it
    /// can't be fails at once.
    ///
    /// # Errors
    /// Where the database can't be read or written.
    pub fn waiting(&mut self) -> Result<Vec<Guest>, Failure> {
        let path = self.connection.path().unwrap_or_default().to_owned();
        self.find_waiting().map_err(|error| failure(&path, &error))
    }

    fn find_waiting(&mut self) -> rusqlite::Result<Vec<Guest>> {
        let last: Option<i64> = self.connection.query_row("SELECT MAX(trial_id) FROM trials", [], |row| row.get(0))?;
        let Some(last) = last.filter(|&last| last > self.looked) else { return Ok(Vec::new()) };
        let mut select = self.connection.prepare_cached(
            "SELECT t.trial_id, s.value_json, u.value_json FROM trials t \
             LEFT JOIN trial_system_attributes s ON s.trial_id = t.trial_id AND s.key = 'fixed_params' \
             LEFT JOIN trial_user_attributes u ON u.trial_id = t.trial_id AND u.key = 'seed' \
             WHERE t.trial_id > ?1 AND t.trial_id <= ?2 AND t.study_id = ?3 AND t.state = 'WAITING' ORDER BY t.trial_id",
        )?;
        let (mut guests, mut refused) = (Vec::new(), Vec::new());
        let mut rows = select.query([self.looked, last, self.study])?;
        while let Some(row) = rows.next()? {
            let trial: i64 = row.get(0)?;
            match guests::read(&self.variables, trial, row.get(1)?, row.get(2)?) {
                Ok(guest) => guests.push(guest),
                Err(why) => refused.push((trial, why)),
            }
        }
        drop(rows);
        drop(select);
        if !refused.is_empty() {
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            refused.iter().try_for_each(|(trial, why)| write::refuse(&transaction, *trial, why))?;
            transaction.commit()?;
        }
        self.looked = last;
        Ok(guests)
    }

    /// What is recorded, in the order of the candidates, or the first trial that can't be read as the candidate that it says it is. Trials
    /// that say nothing are others'.
    fn load(&mut self) -> rusqlite::Result<Result<Vec<Record>, i64>> {
        let trials = read::trials(&self.connection, self.study, &self.variables)?;
        let mut records = Vec::with_capacity(trials.len());
        for (index, trial) in trials {
            let next = (index == records.len() as u64).then(|| trial.record(index, &self.variables)).flatten();
            let Some(record) = next else { return Ok(Err(trial.number)) };
            records.push(record);
            self.trials.push(trial.id);
        }
        Ok(Ok(records))
    }
}

/// The candidate that a record says keeps all constraints.
fn kept(record: &Record) -> Option<&Candidate> {
    match &record.fate {
        Fate::Judged(Evaluated::Feasible(candidate)) => Some(candidate),
        Fate::Judged(_) | Fate::Duplicate(_) => None,
    }
}

/// The study of this name, made where it is not there, and what it is of.
fn find(
    transaction: &Transaction<'_>,
    name: &str,
    objectives: &[Objective],
    origin: &str,
) -> rusqlite::Result<(i64, Option<String>)> {
    let found = "SELECT study_id FROM studies WHERE study_name = ?1";
    if let Some(study) = transaction.query_row(found, [name], |row| row.get(0)).optional()? {
        return Ok((study, attribute(transaction, study, "origin")?));
    }
    transaction.execute("INSERT INTO studies (study_name) VALUES (?1)", [name])?;
    let study = transaction.last_insert_rowid();
    for (place, objective) in objectives.iter().enumerate() {
        let direction = if objective.maximize { "MAXIMIZE" } else { "MINIMIZE" };
        let insert = "INSERT INTO study_directions (direction, study_id, objective) VALUES (?1, ?2, ?3)";
        transaction.execute(insert, params![direction, study, place as i64])?;
    }
    let names: Vec<&str> =
        objectives.iter().map(|objective| crate::commands::search::word(objective.measure)).collect();
    let insert =
        "INSERT INTO study_system_attributes (study_id, key, value_json) VALUES (?1, 'study:metric_names', ?2)";
    transaction.execute(insert, params![study, json!(names).to_string()])?;
    set_attribute(transaction, study, "origin", origin)?;
    Ok((study, Some(origin.to_owned())))
}

fn attribute(transaction: &Transaction<'_>, study: i64, key: &str) -> rusqlite::Result<Option<String>> {
    let select = "SELECT value_json FROM study_user_attributes WHERE study_id = ?1 AND key = ?2";
    let text: Option<String> = transaction.query_row(select, params![study, key], |row| row.get(0)).optional()?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

fn set_attribute(transaction: &Transaction<'_>, study: i64, key: &str, value: &str) -> rusqlite::Result<()> {
    let insert = "INSERT OR REPLACE INTO study_user_attributes (study_id, key, value_json) VALUES (?1, ?2, ?3)";
    transaction.execute(insert, params![study, key, json!(value).to_string()]).map(|_| ())
}

/// A database's error.
fn failure(path: &str, error: &rusqlite::Error) -> Failure {
    let found = Diagnostic::error(codes::STORAGE, format!("the study in `{path}` can't be read or written: {error}"));
    Failure { diagnostics: found.into(), exit: crate::failure::Exit::Running }
}
