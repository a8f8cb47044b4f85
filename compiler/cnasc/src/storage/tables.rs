//! Optuna's tables as SQLAlchemy makes them in either database, two more that it does not know of, and search variables as its distributions.

use super::database::{Database, Error, values};
use cnasc_expand::space::{SearchVariable, Setting};
use cnasc_ir::program::Domain;
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

/// What stands between braces is a type that the two databases call differently ([`SQLITE`], [`POSTGRES`]).
const TABLES: &str = "
CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));
CREATE TABLE IF NOT EXISTS version_info (version_info_id INTEGER NOT NULL PRIMARY KEY CHECK (version_info_id = 1),
    schema_version INTEGER, library_version VARCHAR(256));
CREATE TABLE IF NOT EXISTS studies (study_id {id}, study_name VARCHAR(512) NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS ix_studies_study_name ON studies (study_name);
CREATE TABLE IF NOT EXISTS study_directions (study_direction_id {id}, direction {direction} NOT NULL,
    study_id INTEGER NOT NULL REFERENCES studies (study_id), objective INTEGER NOT NULL, UNIQUE (study_id, objective));
CREATE TABLE IF NOT EXISTS trials (trial_id {id}, number INTEGER,
    study_id INTEGER REFERENCES studies (study_id), state {state} NOT NULL, datetime_start {time}, datetime_complete {time});
CREATE INDEX IF NOT EXISTS ix_trials_study_id ON trials (study_id);
CREATE TABLE IF NOT EXISTS trial_params (param_id {id}, trial_id INTEGER REFERENCES trials (trial_id),
    param_name VARCHAR(512), param_value FLOAT, distribution_json TEXT, UNIQUE (trial_id, param_name));
CREATE TABLE IF NOT EXISTS trial_values (trial_value_id {id},
    trial_id INTEGER NOT NULL REFERENCES trials (trial_id), objective INTEGER NOT NULL, value FLOAT, value_type {value} NOT NULL,
    UNIQUE (trial_id, objective));
CREATE TABLE IF NOT EXISTS trial_intermediate_values (trial_intermediate_value_id {id},
    trial_id INTEGER NOT NULL REFERENCES trials (trial_id), step INTEGER NOT NULL, intermediate_value FLOAT,
    intermediate_value_type {intermediate} NOT NULL, UNIQUE (trial_id, step));
CREATE TABLE IF NOT EXISTS trial_heartbeats (trial_heartbeat_id {id},
    trial_id INTEGER NOT NULL UNIQUE REFERENCES trials (trial_id), heartbeat {time} NOT NULL);
CREATE TABLE IF NOT EXISTS cnasc_workers (worker {serial}, study_id INTEGER NOT NULL, host TEXT NOT NULL,
    process BIGINT NOT NULL, began TEXT, beat BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS cnasc_claims (study_id INTEGER NOT NULL, candidate BIGINT NOT NULL, worker BIGINT NOT NULL, guest INTEGER,
    PRIMARY KEY (study_id, candidate));
";

const SQLITE: [(&str, &str); 7] = [
    ("{id}", "INTEGER NOT NULL PRIMARY KEY"),
    ("{serial}", "INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT"),
    ("{time}", "DATETIME"),
    ("{direction}", "VARCHAR(8)"),
    ("{state}", "VARCHAR(8)"),
    ("{value}", "VARCHAR(7)"),
    ("{intermediate}", "VARCHAR(7)"),
];

#[cfg(feature = "postgres")]
const POSTGRES: [(&str, &str); 7] = [
    ("{id}", "SERIAL PRIMARY KEY"),
    ("{serial}", "BIGSERIAL PRIMARY KEY"),
    ("{time}", "TIMESTAMP"),
    ("{direction}", "studydirection"),
    ("{state}", "trialstate"),
    ("{value}", "trialvaluetype"),
    ("{intermediate}", "trialintermediatevaluetype"),
];

/// Enumerations of a server, with their values as SQLAlchemy orders them.
#[cfg(feature = "postgres")]
const ENUMERATIONS: [(&str, &str); 4] = [
    ("studydirection", "'NOT_SET', 'MINIMIZE', 'MAXIMIZE'"),
    ("trialstate", "'RUNNING', 'COMPLETE', 'PRUNED', 'FAIL', 'WAITING'"),
    ("trialvaluetype", "'FINITE', 'INF_POS', 'INF_NEG'"),
    ("trialintermediatevaluetype", "'FINITE', 'INF_POS', 'INF_NEG', 'NAN'"),
];

/// Makes what is missing of them.
pub fn make(database: &mut Database) -> Result<(), Error> {
    let types = match database {
        Database::Sqlite(_) => SQLITE,
        #[cfg(feature = "postgres")]
        Database::Server(_) => {
            // Who may write rows need not be allowed to make tables.
            let made =
                "SELECT COUNT(*) FROM pg_class WHERE oid IN (to_regclass('version_info'), to_regclass('cnasc_claims'))";
            if database.one(made, &[], |row| row.id(0))? == Some(2) {
                return Ok(());
            }
            for (name, values) in ENUMERATIONS {
                database.script(&format!(
                    "DO $$ BEGIN CREATE TYPE {name} AS ENUM ({values}); EXCEPTION WHEN duplicate_object THEN NULL; END $$"
                ))?;
            }
            POSTGRES
        }
    };
    let mut tables = TABLES.to_owned();
    for (kind, of) in ATTRIBUTES {
        let table = if of == "study" { "studies" } else { "trials" };
        tables.push_str(&format!(
            "CREATE TABLE IF NOT EXISTS {kind}_attributes ({kind}_attribute_id {{id}}, {of}_id INTEGER REFERENCES {table} ({of}_id), \
             key VARCHAR(512), value_json TEXT, UNIQUE ({of}_id, key));"
        ));
    }
    database.script(&types.iter().fold(tables, |tables, (name, is)| tables.replace(name, is)))?;
    let versions = "INSERT INTO version_info VALUES (1, ?1, ?2) ON CONFLICT DO NOTHING";
    database.run(versions, &values![VERSION, LIBRARY])?;
    let migrations = "INSERT INTO alembic_version SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM alembic_version)";
    database.run(migrations, &values![MIGRATION]).map(|_| ())
}

/// Refuses a database whose schema is of another version.
pub fn check(database: &mut Database) -> Result<(), Error> {
    match database.one("SELECT schema_version FROM version_info", &[], |row| row.int(0))?.flatten() {
        Some(VERSION) => Ok(()),
        other => Err(Error::Version(other.unwrap_or_default())),
    }
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
