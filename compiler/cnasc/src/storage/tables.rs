//! Optuna's tables, two more that it does not know of, and search variables as its distributions.

use cnasc_expand::space::{SearchVariable, Setting};
use cnasc_ir::program::Domain;
use rusqlite::Transaction;
use serde_json::json;

/// The version of the schema.
pub const VERSION: i64 = 12;

/// The migration that leads to it, by which Optuna knows that there is none to make.
const MIGRATION: &str = "v3.2.0.a";

/// The release of Optuna that the tables are those of, as they name the one that made them.
const LIBRARY: &str = "4.9.0";

/// Columns of a table of attributes of studies or trials.
const ATTRIBUTES: [(&str, &str); 4] =
    [("study_user", "study"), ("study_system", "study"), ("trial_user", "trial"), ("trial_system", "trial")];

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
CREATE TABLE IF NOT EXISTS version_info (version_info_id INTEGER NOT NULL PRIMARY KEY CHECK (version_info_id = 1),
    schema_version INTEGER, library_version VARCHAR(256));
CREATE TABLE IF NOT EXISTS studies (study_id INTEGER NOT NULL PRIMARY KEY, study_name VARCHAR(512) NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS ix_studies_study_name ON studies (study_name);
CREATE TABLE IF NOT EXISTS study_directions (study_direction_id INTEGER NOT NULL PRIMARY KEY, direction VARCHAR(8) NOT NULL,
    study_id INTEGER NOT NULL REFERENCES studies (study_id), objective INTEGER NOT NULL, UNIQUE (study_id, objective));
CREATE TABLE IF NOT EXISTS trials (trial_id INTEGER NOT NULL PRIMARY KEY, number INTEGER,
    study_id INTEGER REFERENCES studies (study_id), state VARCHAR(8) NOT NULL, datetime_start DATETIME, datetime_complete DATETIME);
CREATE INDEX IF NOT EXISTS ix_trials_study_id ON trials (study_id);
CREATE TABLE IF NOT EXISTS trial_params (param_id INTEGER NOT NULL PRIMARY KEY, trial_id INTEGER REFERENCES trials (trial_id),
    param_name VARCHAR(512), param_value FLOAT, distribution_json TEXT, UNIQUE (trial_id, param_name));
CREATE TABLE IF NOT EXISTS trial_values (trial_value_id INTEGER NOT NULL PRIMARY KEY,
    trial_id INTEGER NOT NULL REFERENCES trials (trial_id), objective INTEGER NOT NULL, value FLOAT, value_type VARCHAR(7) NOT NULL,
    UNIQUE (trial_id, objective));
CREATE TABLE IF NOT EXISTS trial_intermediate_values (trial_intermediate_value_id INTEGER NOT NULL PRIMARY KEY,
    trial_id INTEGER NOT NULL REFERENCES trials (trial_id), step INTEGER NOT NULL, intermediate_value FLOAT,
    intermediate_value_type VARCHAR(7) NOT NULL, UNIQUE (trial_id, step));
CREATE TABLE IF NOT EXISTS trial_heartbeats (trial_heartbeat_id INTEGER NOT NULL PRIMARY KEY,
    trial_id INTEGER NOT NULL UNIQUE REFERENCES trials (trial_id), heartbeat DATETIME NOT NULL);
CREATE TABLE IF NOT EXISTS cnasc_workers (worker INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, study_id INTEGER NOT NULL, host TEXT NOT NULL,
    process INTEGER NOT NULL, began TEXT, beat INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS cnasc_claims (study_id INTEGER NOT NULL, candidate INTEGER NOT NULL, worker INTEGER NOT NULL, guest INTEGER,
    PRIMARY KEY (study_id, candidate)) WITHOUT ROWID;
";

/// Makes what is missing of them.
pub fn make(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch(TABLES)?;
    for (kind, of) in ATTRIBUTES {
        let table = if of == "study" { "studies" } else { "trials" };
        transaction.execute_batch(&format!(
            "CREATE TABLE IF NOT EXISTS {kind}_attributes ({kind}_attribute_id INTEGER NOT NULL PRIMARY KEY, \
             {of}_id INTEGER REFERENCES {table} ({of}_id), key VARCHAR(512), value_json TEXT, UNIQUE ({of}_id, key));"
        ))?;
    }
    let versions = "INSERT OR IGNORE INTO version_info VALUES (1, ?1, ?2)";
    transaction.execute(versions, rusqlite::params![VERSION, LIBRARY])?;
    let migrations = "INSERT INTO alembic_version SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM alembic_version)";
    transaction.execute(migrations, [MIGRATION]).map(|_| ())
}

/// The version of a database's schema.
pub fn version(transaction: &Transaction<'_>) -> rusqlite::Result<i64> {
    transaction.query_row("SELECT schema_version FROM version_info", [], |row| row.get(0))
}

/// A variable's domain in Optuna's words.
pub fn distribution(variable: &SearchVariable) -> String {
    let (name, attributes) = match &variable.domain {
        Domain::Choice(_) => ("CategoricalDistribution", json!({ "choices": variable.choices })),
        Domain::Ints { low, high, step } => {
            // There a range ends at its last step.
            let past = (i128::from(*high) - i128::from(*low)) % i128::from(*step);
            let last = i64::try_from(i128::from(*high) - past).unwrap_or(*high);
            ("IntDistribution", json!({ "log": false, "step": step, "low": low, "high": last }))
        }
        Domain::Reals { low, high, step, log } => {
            // There a logarithmic range has no steps.
            let step = step.filter(|_| !log);
            let last = step.map_or(*high, |step| low + ((high - low) / step + 1e-9).floor() * step);
            ("FloatDistribution", json!({ "step": step, "low": low, "high": last, "log": log }))
        }
    };
    json!({ "name": name, "attributes": attributes }).to_string()
}

/// A setting as the number that the tables keep: of a choice, its place.
pub fn number(setting: Setting) -> f64 {
    match setting {
        Setting::Choice(place) => place as f64,
        Setting::Int(value) => value as f64,
        Setting::Real(value) => value,
    }
}

/// The setting that a number stands for.
pub fn setting(variable: &SearchVariable, number: f64) -> Setting {
    match variable.domain {
        Domain::Choice(_) => Setting::Choice(number as usize),
        Domain::Ints { .. } => Setting::Int(number as i64),
        Domain::Reals { .. } => Setting::Real(number),
    }
}
