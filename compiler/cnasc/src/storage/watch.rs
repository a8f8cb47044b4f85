//! A study that others search, looked at from aside: nothing is written.

use super::database::{Database, Error, values};
use super::looks::Looks;
use super::place::Place;
use super::{failure, fate, read, study_name, unit};
use crate::failure::{Failure, codes};
use cnasc_base::Diagnostic;
use cnasc_ir::program::{Objective, Search};
use cnasc_search::pareto::Front;
use std::collections::BTreeSet;

/// What is known of the study.
#[derive(Debug)]
pub struct Watcher {
    database: Database,
    place: Place,
    name: String,
    study: i64,
    looks: Looks,
    unit: Option<u64>,
    /// The last trial that was looked at.
    looked: i64,
    /// How many candidates were judged.
    pub candidates: u64,
    /// How many of them keep the constraints of their first look.
    pub kept: u64,
    /// Of these, which are no duplicates.
    distinct: BTreeSet<u64>,
    /// Of those that begin at the first look, what nothing beats; all objectives are minimised.
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
        let (looks, front) = (Looks::of(search), Front::default());
        let (unit, distinct) = (None, BTreeSet::new());
        Ok(Self {
            database,
            place,
            name,
            study: found,
            looks,
            unit,
            looked: 0,
            candidates: 0,
            kept: 0,
            distinct,
            front,
        })
    }

    /// The study's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The objectives of the first look, which the front is of.
    #[must_use]
    pub fn objectives(&self) -> &[Objective] {
        self.looks.objectives(0)
    }

    /// Takes in what came since the last time.
    ///
    /// # Errors
    /// Where the database can't be read.
    pub fn look(&mut self) -> Result<(), Failure> {
        self.read().map_err(|error| failure(&self.place, &error))
    }

    fn read(&mut self) -> Result<(), Error> {
        if self.unit.is_none() {
            self.unit = unit(&mut self.database, self.study)?;
        }
        let Self { database, looks, unit, looked, candidates, kept, distinct, front, .. } = self;
        // In the order of their names: its fate comes before its figures, and these before its number.
        let select = "SELECT t.trial_id, t.state, a.key, a.value_json FROM trials t LEFT JOIN trial_user_attributes a \
             ON a.trial_id = t.trial_id AND a.key IN ('fate', 'figures', 'index') \
             WHERE t.trial_id > ?1 AND t.study_id = ?2 ORDER BY t.trial_id, a.key";
        let (mut waits, mut keeps, mut figures) = (false, false, None);
        database.each(select, &values![*looked, self.study], |row| {
            let (trial, state, key) = (row.id(0)?, row.text(1)?, row.text(2)?);
            // One of Optuna's comes again when it is done, and those behind it.
            waits |= key.is_empty() && ["WAITING", "RUNNING"].contains(&state);
            if waits {
                return Ok(());
            }
            let text = read::text(row.text(3)?).unwrap_or_default();
            match key {
                "fate" => {
                    let first = fate::duplicate_of(&text);
                    keeps = text == "kept" || first.is_some_and(|first| distinct.contains(&first));
                    figures = None;
                }
                "figures" => figures = fate::read_figures(&text),
                "index" => {
                    (*candidates, *kept) = (*candidates + 1, *kept + u64::from(keeps));
                    let index = text.parse().unwrap_or_default();
                    if let Some(figures) = figures.take() {
                        distinct.insert(index);
                        if looks.start(index) == 0 {
                            front.insert(looks.minimised(0, &figures, *unit));
                        }
                    }
                }
                _ => {}
            }
            *looked = trial;
            Ok(())
        })
    }
}
