//! Studies in a database, in the tables that Optuna 4 keeps its own in (schema version 12), so that `optuna.load_study`, its plots and its
//! dashboard read them.
//!
//! A study is called `SEARCH-SEED`. A trial is a candidate as the first look left it: COMPLETE with the values of that look's objectives where
//! it keeps the constraints, PRUNED where it breaks one, FAIL where it gives no network. Its parameters are the search variables that exist;
//! its user attributes say what makes it again, what it measures and which candidate it is. It is written whole when it is known: a study is
//! always one that a run could have left, however the process ended. A trial that waits, as `enqueue_trial` leaves it, is a guest of the
//! run. Any number of processes may search a study at once (`storage/claims.rs`).

mod claims;
mod fate;
mod guests;
mod read;
mod tables;
mod watch;
mod workers;
mod write;

pub use claims::Claimed;
pub use watch::Watcher;

use crate::failure::{Failure, codes};
use cnasc_base::Diagnostic;
use cnasc_expand::space;
use cnasc_ir::program::{Objective, Search};
use cnasc_search::candidate::Evaluated;
use cnasc_search::{Candidate, Fate, Record, Study};
use guests::Waiting;
use read::Log;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;
use workers::Worker;
use write::Writer;

/// How long another process may hold the database.
const PATIENCE: Duration = Duration::from_secs(30);

/// A study's place in a database.
#[derive(Debug)]
pub struct Storage {
    connection: Connection,
    log: Log,
    objectives: Vec<Objective>,
    /// What concurrency scores in the tables are relative to: the smallest communication of the first batch that has any.
    unit: Option<u64>,
    waiting: Waiting,
    /// What was read and not handed on yet.
    polled: Vec<Record>,
    worker: Worker,
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
        let path = path_of(url)?;
        let name = study_name(search, seed);
        let objectives = first_objectives(search);
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
            let worker = Worker::enter(&transaction, study)?;
            transaction.commit()?;
            let log = Log { study, variables, trials: BTreeMap::new(), looked: 0 };
            let (waiting, polled) = (Waiting::default(), Vec::new());
            Ok(Ok((known, Self { connection, log, objectives, unit: None, waiting, polled, worker })))
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
        storage.worker.beat(path.into());
        let records = storage.log.poll(&storage.connection).map_err(|error| failure(path, &error))?;
        Ok((storage, records))
    }

    /// Writes down what came of candidates, all of them or none; but for those that are not claimed by this process any more.
    ///
    /// # Errors
    /// Where the database can't be written.
    pub fn write(&mut self, records: &[Record]) -> Result<(), Failure> {
        self.write_all(records).map_err(|error| self.failure(&error))
    }

    fn write_all(&mut self, records: &[Record]) -> rusqlite::Result<()> {
        let Self { connection, log, objectives, unit, worker, .. } = self;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let last = "SELECT COALESCE(MAX(trial_id), 0) FROM trials";
        let alone = transaction.query_row(last, [], |row| row.get::<_, i64>(0))? == log.looked;
        if unit.is_none() {
            *unit = attribute(&transaction, log.study, "unit")?.and_then(|unit| unit.parse().ok());
        }
        if unit.is_none() {
            let scores = records.iter().filter_map(|record| kept(record)?.figures.score.as_ref());
            *unit = scores.map(|score| score.unit).min();
            if let Some(unit) = unit {
                set_attribute(&transaction, log.study, "unit", &unit.to_string())?;
            }
        }
        let variables = &log.variables;
        let writer = Writer { transaction: &transaction, study: log.study, variables, objectives, unit: *unit };
        for record in records {
            if claims::holds(&transaction, log.study, worker.id, record)? {
                let trial = writer.trial(record, &log.trials)?;
                log.trials.insert(record.proposal.index, trial);
            }
        }
        // What this process wrote it need not read.
        if alone {
            log.looked = transaction.query_row(last, [], |row| row.get(0))?;
        }
        transaction.commit()
    }

    fn failure(&self, error: &rusqlite::Error) -> Failure {
        failure(self.connection.path().unwrap_or_default(), error)
    }

    fn conflict(&self) -> Failure {
        let path = self.connection.path().unwrap_or_default();
        let message = format!("another process searches the same study in `{path}` with another budget");
        Failure::running(codes::STORAGE, message)
    }
}

/// The file that a URL names.
fn path_of(url: &str) -> Result<&str, Failure> {
    url.strip_prefix("sqlite:///").filter(|path| !path.is_empty()).ok_or_else(|| {
        let message = format!("`--storage` takes `sqlite:///FILE`, not `{url}`");
        Failure::usage(Diagnostic::error(codes::STORAGE, message))
    })
}

/// What the study of a search is called.
fn study_name(search: &Search, seed: u64) -> String {
    format!("{}-{seed}", search.name)
}

/// What the values of trials are of.
fn first_objectives(search: &Search) -> Vec<Objective> {
    search.fidelities.first().map_or(&search.objectives, |fidelity| &fidelity.objectives).clone()
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
