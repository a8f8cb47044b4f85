//! A study that others search, looked at from aside: nothing is written.

use super::database::{Database, Error, values};
use super::place::Place;
use super::{failure, first_objectives, study_name};
use crate::failure::{Failure, codes};
use cnasc_base::Diagnostic;
use cnasc_ir::program::{Objective, Search};
use cnasc_search::pareto::Front;

/// What is known of the study.
#[derive(Debug)]
pub struct Watcher {
    database: Database,
    place: Place,
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
        let place = Place::of(url)?;
        let name = study_name(search, seed);
        let opened = || -> Result<_, Error> {
            let mut database = Database::open(&place, false)?;
            let study = super::study(&mut database, &name)?;
            Ok((database, study))
        };
        let (database, found) = opened().map_err(|error| failure(&place, &error))?;
        let Some(found) = found else {
            let message = format!("`{place}` has no study `{name}`");
            return Err(Diagnostic::error(codes::STORAGE, message)
                .note("a search with the same seed begins it")
                .into());
        };
        let objectives = first_objectives(search);
        let front = Front::default();
        Ok(Self { database, place, name, study: found, objectives, looked: 0, candidates: 0, kept: 0, front })
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
        self.read().map_err(|error| failure(&self.place, &error))
    }

    fn read(&mut self) -> Result<(), Error> {
        let Self { database, objectives, looked, candidates, kept, front, .. } = self;
        let select = "SELECT t.trial_id, t.state, v.objective, v.value FROM trials t LEFT JOIN trial_values v ON v.trial_id = t.trial_id \
             WHERE t.trial_id > ?1 AND t.study_id = ?2 ORDER BY t.trial_id, v.objective";
        let since = values![*looked, self.study];
        let mut waits = false;
        let mut values: Vec<f64> = Vec::new();
        database.each(select, &since, |row| {
            let (trial, state) = (row.id(0)?, row.text(1)?);
            // It comes again when it is done, and those behind it.
            waits |= state == "WAITING" || state == "RUNNING";
            if waits {
                return Ok(());
            }
            let place = row.int(2)?.and_then(|place| usize::try_from(place).ok());
            if place.is_none_or(|place| place == 0) {
                *looked = trial;
                *candidates += 1;
                *kept += u64::from(state == "COMPLETE");
                values.clear();
            }
            if let Some(objective) = place.and_then(|place| objectives.get(place)) {
                // What is not known is the worst, in whichever direction.
                let value = row.real(3)?;
                values.push(value.map_or(f64::INFINITY, |value| if objective.maximize { -value } else { value }));
                if values.len() == objectives.len() {
                    front.insert(std::mem::take(&mut values));
                }
            }
            Ok(())
        })
    }
}
