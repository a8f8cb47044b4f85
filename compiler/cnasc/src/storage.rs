//! Studies in a database, in the tables that Optuna 4 keeps its own in (schema version 12), so that `optuna.load_study`, its plots and its
//! dashboard read them.
//!
//! A study is called `SEARCH-SEED`. A trial is a candidate: COMPLETE with the values of the search's objectives where it was judged by them and keeps
//! the constraints, PRUNED where it breaks one or an earlier look passed it over, FAIL where it gives no network, RUNNING while looks are left for
//! it (`storage/further.rs`). Its parameters are the search variables that exist;
//! its user attributes say what makes it again, what it measures and which candidate it is. It is written whole when it is known: a study is
//! always one that a run could have left, however the process ended. A trial that waits, as `enqueue_trial` leaves it, is a guest of the
//! run. Any number of processes may search a study at once (`storage/claims.rs`).

mod claims;
mod database;
mod fate;
mod further;
mod guests;
mod looks;
mod place;
mod read;
mod tables;
mod watch;
mod workers;
mod write;

pub use claims::Claimed;
pub use watch::Watcher;

use crate::failure::{Exit, Failure, codes};
use cnasc_base::Diagnostic;
use cnasc_expand::space;
use cnasc_ir::program::{Objective, Search};
use cnasc_search::candidate::Evaluated;
use cnasc_search::{Candidate, Fate, Figures, Record, Study};
use database::{Database, Error, Held, PATIENCE, Value, values};
use guests::Waiting;
use looks::Looks;
use place::Place;
use read::Log;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use workers::Worker;
use write::Writer;

/// How long a database that was away is left alone before the next try.
const PAUSE: Duration = Duration::from_millis(200);

/// A study's place in a database.
#[derive(Debug)]
pub struct Storage {
    place: Place,
    database: Database,
    log: Log,
    /// What concurrency scores in the tables are relative to: the smallest communication of the first batch that has any.
    unit: Option<u64>,
    waiting: Waiting,
    /// What was read and not handed on yet.
    polled: Vec<Record>,
    worker: Worker,
}

impl Storage {
    /// Opens the database that `sqlite:///FILE` or `postgresql://USER@HOST/DATABASE` names, and the study in it; makes what is not there, but
    /// for the server. Gives what is recorded of the study.
    ///
    /// `origin` stands for the program: candidates of another one are not mixed with its own.
    ///
    /// # Errors
    /// Where the URL is no such, the database can't be opened or is not of this form, or the study is of another program.
    pub fn open(
        url: &str,
        study: &Study<'_>,
        search: &Search,
        seed: u64,
        origin: &str,
    ) -> Result<(Self, Vec<Record>), Failure> {
        let place = Place::of(url)?;
        let name = study_name(search, seed);
        let looks = Looks::of(search);
        let opened = || -> Result<_, Error> {
            let mut database = Database::open(&place, true)?;
            let found = database.whole(Held::Tables, |database| {
                tables::make(database)?;
                tables::check(database)?;
                find(database, &name, looks.own(), origin)
            })?;
            Ok((database, found))
        };
        let (mut database, (id, known)) = opened().map_err(|error| failure(&place, &error))?;
        if known.as_deref() != Some(origin) {
            let message = format!("the study `{name}` in `{place}` was begun with another program");
            return Err(Diagnostic::error(codes::STORAGE, message)
                .note("its candidates are not those of this one: name another database, or another seed by --seed")
                .into());
        }
        let variables = space::variables(study.program(), study.over());
        let mut log = Log { study: id, variables, looks, trials: BTreeMap::new(), looked: 0 };
        let mut enter = || -> Result<_, Error> {
            let (worker, last) = database
                .whole(Held::Study(id), |database| Ok((Worker::enter(database, id)?, read::last(database)?)))?;
            // Those of a long study take a while, in which others need not wait.
            Ok((worker, log.up_to(&mut database, last)?))
        };
        let (mut worker, records) = enter().map_err(|error| failure(&place, &error))?;
        worker.beat(place.clone(), id);
        let (waiting, polled) = (Waiting::default(), Vec::new());
        Ok((Self { place, database, log, unit: None, waiting, polled, worker }, records))
    }

    /// Where it is, without a password.
    #[must_use]
    pub fn place(&self) -> String {
        self.place.to_string()
    }

    /// Writes down what came of candidates, all of them or none; but for those that are not claimed by this process any more.
    ///
    /// # Errors
    /// Where the database can't be written.
    pub fn write(&mut self, records: &[Record]) -> Result<(), Failure> {
        self.patiently(|storage| storage.write_all(records))
    }

    fn write_all(&mut self, records: &[Record]) -> Result<(), Error> {
        let Self { database, log, unit, polled, worker, .. } = self;
        let study = log.study;
        let (new, scale, last) = database.whole(Held::Study(study), |database| {
            polled.extend(log.poll(database)?);
            let mine = claims::settle(database, study, worker.id, records)?;
            // A claim may be lost with a crash of the server, and then others may have done it.
            let free = |index: &u64| mine.contains(index) && !log.trials.contains_key(index);
            let mine: Vec<&Record> = records.iter().filter(|record| free(&record.proposal.index)).collect();
            let figures = records.iter().filter_map(|record| Some(&kept(record)?.figures));
            let scale = settle_unit(database, study, *unit, figures)?;
            let (variables, looks) = (&log.variables, &log.looks);
            let writer = Writer { database, study, variables, looks, unit: scale };
            let new = writer.write(&mine, &log.trials)?;
            Ok((new, scale, read::last(database)?))
        })?;
        // What this process wrote it need not read.
        log.trials.extend(new);
        (log.looked, *unit) = (last, scale);
        Ok(())
    }

    /// Does `work` again over a new connection where the one that there was is lost; it must not mind that it was done already.
    fn patiently<T>(&mut self, mut work: impl FnMut(&mut Self) -> Result<T, Error>) -> Result<T, Failure> {
        let end = Instant::now() + PATIENCE;
        loop {
            let mut error = match work(self) {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            // What was taken out of it may not have been claimed.
            self.waiting = Waiting::default();
            loop {
                if !error.passes() || Instant::now() >= end {
                    return Err(failure(&self.place, &error));
                }
                std::thread::sleep(PAUSE);
                match Database::open(&self.place, false) {
                    Ok(database) => {
                        self.database = database;
                        break;
                    }
                    Err(again) => error = again,
                }
            }
        }
    }

    fn conflict(&self) -> Failure {
        let message = format!("another process searches the same study in `{}` with another budget", self.place);
        Failure::running(codes::STORAGE, message)
    }
}

/// What concurrency scores are relative to: as it is known, or was settled, else by these figures.
fn settle_unit<'f>(
    database: &mut Database,
    study: i64,
    known: Option<u64>,
    figures: impl Iterator<Item = &'f Figures>,
) -> Result<Option<u64>, Error> {
    if let Some(unit) = known.map_or_else(|| unit(database, study), |unit| Ok(Some(unit)))? {
        return Ok(Some(unit));
    }
    let unit = figures.filter_map(|figures| figures.score.as_ref()).map(|score| score.unit).min();
    if let Some(unit) = unit {
        set_attribute(database, study, "unit", &unit.to_string())?;
    }
    Ok(unit)
}

/// What concurrency scores are relative to, where that is settled.
fn unit(database: &mut Database, study: i64) -> Result<Option<u64>, Error> {
    Ok(attribute(database, study, "unit")?.and_then(|unit| unit.parse().ok()))
}

/// What the study of a search is called.
fn study_name(search: &Search, seed: u64) -> String {
    format!("{}-{seed}", search.name)
}

/// The candidate that a record says keeps all constraints.
fn kept(record: &Record) -> Option<&Candidate> {
    match &record.fate {
        Fate::Judged(Evaluated::Feasible(candidate)) => Some(candidate),
        Fate::Judged(_) | Fate::Duplicate(_) => None,
    }
}

/// The study of this name.
fn study(database: &mut Database, name: &str) -> Result<Option<i64>, Error> {
    database.one("SELECT study_id FROM studies WHERE study_name = ?1", &values![name], |row| row.id(0))
}

/// The study of this name, made where it is not there, and what it is of.
fn find(
    database: &mut Database,
    name: &str,
    objectives: &[Objective],
    origin: &str,
) -> Result<(i64, Option<String>), Error> {
    if let Some(study) = study(database, name)? {
        return match attribute(database, study, "origin")? {
            None => adopt(database, study, objectives, origin).map(|()| (study, Some(origin.to_owned()))),
            known => Ok((study, known)),
        };
    }
    let insert = "INSERT INTO studies (study_name) VALUES (?1) RETURNING study_id";
    let study = database.one(insert, &values![name], |row| row.id(0))?;
    let study = study.ok_or_else(|| Error::Foreign("a study has no number".to_owned()))?;
    let row = |(place, objective)| values![direction(objective), study, place as i64];
    let directions: Vec<Value<'_>> = (0..).zip(objectives).flat_map(row).collect();
    let insert = "INSERT INTO study_directions (direction, study_id, objective) VALUES {rows}";
    database.fill(insert, "(?, ?, ?)", &directions, |_| Ok(()))?;
    adopt(database, study, objectives, origin)?;
    Ok((study, Some(origin.to_owned())))
}

/// Makes a study that nobody has searched, as `create_study` of Optuna leaves it, one of this program.
fn adopt(database: &mut Database, study: i64, objectives: &[Objective], origin: &str) -> Result<(), Error> {
    let mut directions = Vec::new();
    let select = "SELECT direction FROM study_directions WHERE study_id = ?1 ORDER BY objective";
    database.each(select, &values![study], |row| {
        directions.push(row.text(0)?.to_owned());
        Ok(())
    })?;
    let wanted: Vec<&str> = objectives.iter().map(direction).collect();
    if directions != wanted {
        let message = format!("the study's directions are {}, not {}", directions.join(", "), wanted.join(", "));
        return Err(Error::Foreign(message));
    }
    let names: Vec<&str> =
        objectives.iter().map(|objective| crate::commands::search::word(objective.measure)).collect();
    let insert = "INSERT INTO study_system_attributes (study_id, key, value_json) VALUES (?1, 'study:metric_names', ?2) \
         ON CONFLICT (study_id, key) DO NOTHING";
    database.run(insert, &values![study, json!(names).to_string()])?;
    set_attribute(database, study, "origin", origin)
}

fn direction(objective: &Objective) -> &'static str {
    if objective.maximize { "MAXIMIZE" } else { "MINIMIZE" }
}

fn attribute(database: &mut Database, study: i64, key: &str) -> Result<Option<String>, Error> {
    let select = "SELECT value_json FROM study_user_attributes WHERE study_id = ?1 AND key = ?2";
    let text = database.one(select, &values![study, key], |row| row.text(0).map(str::to_owned))?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

fn set_attribute(database: &mut Database, study: i64, key: &str, value: &str) -> Result<(), Error> {
    let insert = "INSERT INTO study_user_attributes (study_id, key, value_json) VALUES (?1, ?2, ?3) \
         ON CONFLICT (study_id, key) DO UPDATE SET value_json = excluded.value_json";
    database.run(insert, &values![study, key, json!(value).to_string()]).map(|_| ())
}

/// A database's error.
fn failure(place: &Place, error: &Error) -> Failure {
    let found = Diagnostic::error(codes::STORAGE, format!("the study in `{place}` can't be read or written: {error}"));
    let (found, exit) = match error {
        Error::Version(_) => (found, Exit::Input),
        _ => (found, Exit::Running),
    };
    Failure { diagnostics: found.into(), exit }
}
