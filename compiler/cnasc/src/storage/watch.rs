//! A study that others search, looked at from aside: nothing is written.

use super::{failure, first_objectives, path_of, study_name};
use crate::failure::{Failure, codes};
use cnasc_base::Diagnostic;
use cnasc_ir::program::{Objective, Search};
use cnasc_search::pareto::Front;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

/// What is known of the study.
#[derive(Debug)]
pub struct Watcher {
    connection: Connection,
    path: String,
    name: String,
    study: i64,
    objectives: Vec<Objective>,
    /// The last trial that was looked at.
    looked: i64,
    /// How many candidates were judged.
    pub candidates: u64,
    /// How many of them keep the constraints.
    pub kept: u64,
    /// Of these, what nothing beats; all objectives are minimised.
    pub front: Front,
}

impl Watcher {
    /// Finds the study.
    ///
    /// # Errors
    /// Where it, or the database, is not there.
    pub fn open(url: &str, search: &Search, seed: u64) -> Result<Self, Failure> {
        let path = path_of(url)?.to_owned();
        let name = study_name(search, seed);
        let opened = || -> rusqlite::Result<_> {
            let connection = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
            connection.busy_timeout(super::PATIENCE)?;
            let select = "SELECT study_id FROM studies WHERE study_name = ?1";
            let study: Option<i64> = connection.query_row(select, [&name], |row| row.get(0)).optional()?;
            Ok((connection, study))
        };
        let (connection, found) = opened().map_err(|error| failure(&path, &error))?;
        let Some(found) = found else {
            let message = format!("`{path}` has no study `{name}`");
            return Err(Diagnostic::error(codes::STORAGE, message)
                .note("a search with the same seed begins it")
                .into());
        };
        let objectives = first_objectives(search);
        let front = Front::default();
        Ok(Self { connection, path, name, study: found, objectives, looked: 0, candidates: 0, kept: 0, front })
    }

    /// The study's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The objectives that the values are of.
    #[must_use]
    pub fn objectives(&self) -> &[Objective] {
        &self.objectives
    }

    /// Takes in what came since the last time.
    ///
    /// # Errors
    /// Where the database can't be read.
    pub fn look(&mut self) -> Result<(), Failure> {
        self.read().map_err(|error| failure(&self.path, &error))
    }

    fn read(&mut self) -> rusqlite::Result<()> {
        let mut select = self.connection.prepare_cached(
            "SELECT t.trial_id, t.state, v.objective, v.value FROM trials t LEFT JOIN trial_values v ON v.trial_id = t.trial_id \
             WHERE t.trial_id > ?1 AND t.study_id = ?2 ORDER BY t.trial_id, v.objective",
        )?;
        let mut rows = select.query(params![self.looked, self.study])?;
        let mut values: Vec<f64> = Vec::new();
        while let Some(row) = rows.next()? {
            let (trial, state): (i64, String) = (row.get(0)?, row.get(1)?);
            // It comes again when it is done, and those behind it.
            if state == "WAITING" || state == "RUNNING" {
                break;
            }
            let place: Option<i64> = row.get(2)?;
            let place = place.and_then(|place| usize::try_from(place).ok());
            if place.is_none_or(|place| place == 0) {
                self.looked = trial;
                self.candidates += 1;
                self.kept += u64::from(state == "COMPLETE");
                values.clear();
            }
            let Some(objective) = place.and_then(|place| self.objectives.get(place)) else { continue };
            let value: Option<f64> = row.get(3)?;
            let value = value.unwrap_or(f64::INFINITY);
            values.push(if objective.maximize { -value } else { value });
            if values.len() == self.objectives.len() {
                self.front.insert(std::mem::take(&mut values));
            }
        }
        Ok(())
    }
}
