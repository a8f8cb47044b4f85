//! Studies in a database, in the tables that Optuna 4 keeps its own in (schema version 12), so that `optuna.load_study`, its plots and its
//! dashboard read them.
//!
//! A study is called `SEARCH-SEED`. A trial is a candidate as the first look left it: COMPLETE with the values of that look's objectives where
//! it keeps the constraints, PRUNED where it breaks one, FAIL where it gives no network. Its parameters are the search variables that exist;
//! its user attributes say what makes it again and what it measures. Each batch is one transaction: a study is always one that a run
//! could have left, however the process ended.

mod fate;
mod tables;

use crate::failure::{Failure, codes};
use cnasc_base::Diagnostic;
use cnasc_expand::space::{self, SearchVariable, Setting};
use cnasc_ir::program::{Objective, Search};
use cnasc_ir::score::Exponents;
use cnasc_place::score::with_unit;
use cnasc_search::candidate::Evaluated;
use cnasc_search::{Candidate, Fate, Proposal, Record, Study};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

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
            Ok(Ok((known, Self { connection, study, variables, objectives, unit })))
        };
        let (known, storage) = opened().map_err(|error| failure(path, &error))?.map_err(|version| {
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
        let Some(first) = records.first() else { return Ok(()) };
        let path = self.connection.path().unwrap_or_default().to_owned();
        let wanted = first.proposal.index;
        let written = self.write_all(records).map_err(|error| failure(&path, &error))?;
        if written == Some(wanted) {
            return Ok(());
        }
        let message = format!("another process searches the same study in `{path}`");
        Err(Failure::running(codes::STORAGE, message))
    }

    /// Gives the number that the first was written as; where it is not the one it has, nothing is written.
    fn write_all(&mut self, records: &[Record]) -> rusqlite::Result<Option<u64>> {
        let Self { connection, study, variables, objectives, unit } = self;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let next: i64 = transaction.query_row(
            "SELECT COALESCE(MAX(number) + 1, 0) FROM trials WHERE study_id = ?1",
            [*study],
            |row| row.get(0),
        )?;
        let next = u64::try_from(next).ok();
        if next != records.first().map(|record| record.proposal.index) {
            return Ok(next);
        }
        if unit.is_none() {
            *unit =
                records.iter().filter_map(|record| kept(record)?.figures.score.as_ref()).map(|score| score.unit).min();
            if let Some(unit) = unit {
                set_attribute(&transaction, *study, "unit", &unit.to_string())?;
            }
        }
        let writer = Writer { transaction: &transaction, study: *study, variables, objectives, unit: *unit };
        records.iter().try_for_each(|record| writer.trial(record))?;
        transaction.commit()?;
        Ok(next)
    }

    /// What is recorded, or the number of the first trial that can't be read as a candidate.
    fn load(&self) -> rusqlite::Result<Result<Vec<Record>, i64>> {
        let mut attributes = self.connection.prepare(
            "SELECT number, t.trial_id, a.key, a.value_json FROM trials t LEFT JOIN trial_user_attributes a \
             ON a.trial_id = t.trial_id WHERE t.study_id = ?1 ORDER BY number",
        )?;
        let mut trials: BTreeMap<i64, Trial> = BTreeMap::new();
        let mut rows = attributes.query([self.study])?;
        while let Some(row) = rows.next()? {
            let trial = trials.entry(row.get(0)?).or_default();
            let (key, value): (Option<String>, Option<String>) = (row.get(2)?, row.get(3)?);
            // Each of ours is a string.
            let text = value.and_then(|value| serde_json::from_str(&value).ok());
            trial.attributes.extend(key.zip(text));
        }
        let mut parameters = self.connection.prepare(
            "SELECT number, param_name, param_value FROM trials t JOIN trial_params p ON p.trial_id = t.trial_id \
             WHERE t.study_id = ?1",
        )?;
        let mut rows = parameters.query([self.study])?;
        while let Some(row) = rows.next()? {
            let (name, value): (String, f64) = (row.get(1)?, row.get(2)?);
            let variable = self.variables.iter().find(|variable| variable.name == name);
            let setting = variable.map(|variable| tables::setting(variable, value));
            if let (Some(setting), Some(trial)) = (setting, trials.get_mut(&row.get(0)?)) {
                trial.settings.insert(name, setting);
            }
        }
        let mut records = Vec::with_capacity(trials.len());
        for (number, Trial { attributes, settings }) in trials {
            let index = u64::try_from(number).ok().filter(|&index| index == records.len() as u64);
            let Some(record) = index.and_then(|index| self.record(index, &attributes, settings)) else {
                return Ok(Err(number));
            };
            records.push(record);
        }
        Ok(Ok(records))
    }

    fn record(
        &self,
        index: u64,
        attributes: &BTreeMap<String, String>,
        settings: BTreeMap<String, Setting>,
    ) -> Option<Record> {
        let seed = attributes.get("seed")?.parse().ok()?;
        let text =
            |variable: &SearchVariable| Some((variable.name.clone(), variable.text(*settings.get(&variable.name)?)));
        let arguments: BTreeMap<String, String> = self.variables.iter().filter_map(text).collect();
        let hash = attributes.get("network").cloned();
        let proposal = Proposal { index, seed, settings };
        let fate =
            fate::read(attributes.get("fate")?, attributes.get("figures"), &proposal, &arguments, hash.as_deref())?;
        Some(Record { proposal, arguments, hash, fate })
    }
}

/// A trial as it is read.
#[derive(Default)]
struct Trial {
    attributes: BTreeMap<String, String>,
    settings: BTreeMap<String, Setting>,
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
    let insert = "INSERT INTO study_user_attributes (study_id, key, value_json) VALUES (?1, ?2, ?3)";
    transaction.execute(insert, params![study, key, json!(value).to_string()]).map(|_| ())
}

/// What trials are written with.
struct Writer<'a> {
    transaction: &'a Transaction<'a>,
    study: i64,
    variables: &'a [SearchVariable],
    objectives: &'a [Objective],
    unit: Option<u64>,
}

impl Writer<'_> {
    fn run(&self, sql: &str, values: impl rusqlite::Params) -> rusqlite::Result<()> {
        self.transaction.prepare_cached(sql)?.execute(values).map(|_| ())
    }

    fn trial(&self, record: &Record) -> rusqlite::Result<()> {
        let index = record.proposal.index as i64;
        let now = "strftime('%Y-%m-%d %H:%M:%f', 'now', 'localtime') || '000'";
        let state = match &record.fate {
            Fate::Judged(Evaluated::Feasible(_)) => "COMPLETE",
            Fate::Judged(Evaluated::Infeasible { .. }) => "PRUNED",
            Fate::Judged(Evaluated::Impossible(_)) => "FAIL",
            Fate::Duplicate(first) => self.state_of(*first)?,
        };
        self.run(
            &format!(
                "INSERT INTO trials (number, study_id, state, datetime_start, datetime_complete) VALUES (?1, ?2, ?3, {now}, {now})"
            ),
            params![index, self.study, state],
        )?;
        let trial = self.transaction.last_insert_rowid();
        self.parameters(trial, record)?;
        match &record.fate {
            Fate::Judged(Evaluated::Feasible(candidate)) => self.values(trial, candidate)?,
            Fate::Duplicate(first) => self.values_of(trial, *first)?,
            Fate::Judged(_) => {}
        }
        let mut attributes = vec![("seed", record.proposal.seed.to_string()), ("fate", fate::text(&record.fate))];
        attributes.extend(record.hash.clone().map(|hash| ("network", hash)));
        attributes.extend(kept(record).map(|candidate| ("figures", fate::figures(&candidate.figures))));
        for (key, value) in attributes {
            let insert = "INSERT INTO trial_user_attributes (trial_id, key, value_json) VALUES (?1, ?2, ?3)";
            self.run(insert, params![trial, key, json!(value).to_string()])?;
        }
        // Optuna takes what is above zero as missed.
        let missed = match &record.fate {
            Fate::Judged(Evaluated::Infeasible { violation, .. }) => Some(*violation),
            _ => (state == "COMPLETE").then_some(0.0),
        };
        if let Some(missed) = missed {
            let insert =
                "INSERT INTO trial_system_attributes (trial_id, key, value_json) VALUES (?1, 'constraints', ?2)";
            self.run(insert, params![trial, json!([missed]).to_string()])?;
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

    /// The state of the candidate that a duplicate is one of; candidates are written in their order, so it is there.
    fn state_of(&self, first: u64) -> rusqlite::Result<&'static str> {
        let select = "SELECT state FROM trials WHERE study_id = ?1 AND number = ?2";
        let mut select = self.transaction.prepare_cached(select)?;
        let state: Option<String> = select.query_row(params![self.study, first as i64], |row| row.get(0)).optional()?;
        Ok(match state.as_deref() {
            Some("COMPLETE") => "COMPLETE",
            Some("PRUNED") => "PRUNED",
            _ => "FAIL",
        })
    }

    fn values_of(&self, trial: i64, first: u64) -> rusqlite::Result<()> {
        self.run(
            "INSERT INTO trial_values (trial_id, objective, value, value_type) SELECT ?1, objective, value, value_type \
             FROM trial_values v JOIN trials t ON v.trial_id = t.trial_id WHERE t.study_id = ?2 AND t.number = ?3",
            params![trial, self.study, first as i64],
        )
    }
}

/// A database's error.
fn failure(path: &str, error: &rusqlite::Error) -> Failure {
    let found = Diagnostic::error(codes::STORAGE, format!("the study in `{path}` can't be read or written: {error}"));
    Failure { diagnostics: found.into(), exit: crate::failure::Exit::Running }
}
