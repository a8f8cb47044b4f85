//! The databases that studies are kept in, behind one interface: a file of SQLite, or a server of PostgreSQL.
//!
//! Statements are written once, as both understand them, with parameters `?1`, `?2`. What the two call differently stands between braces:
//! `{now}` is the time as Optuna writes it, `{clock}` the seconds of the database's clock, `{hold}` holds the rows until the
//! transaction ends. Numbers of rows come back by `RETURNING`, and a row that is there already is written over by `ON CONFLICT`.

#[cfg(feature = "postgres")]
mod server;

use super::place::Place;
use rusqlite::{Connection, OpenFlags};
#[cfg(feature = "postgres")]
pub use server::{config, shown, whole};
use std::borrow::Cow;
use std::time::Duration;

/// How long another process may hold what this one needs, and the database may be away.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How many rows are written by one statement at most; a power of two, so that few different statements do for any number of them.
const ROWS: usize = 128;

/// What a transaction has for itself.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "a file is held whole, whatever is asked for"))]
pub enum Held {
    /// The making of tables and studies.
    Tables,
    /// A study.
    Study(i64),
    /// The same, to write what may be lost when the server crashes.
    Claims(i64),
}

/// Why a database did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// SQLite's word.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// PostgreSQL's, or that of the way to it.
    #[cfg(feature = "postgres")]
    #[error("{}", server::whole(.0))]
    Server(#[from] postgres::Error),
    /// The tables are of this other version of the schema.
    #[error("it has schema version {0}; this release reads {version}", version = super::tables::VERSION)]
    Version(i64),
    /// What is written there can't be what this program wrote.
    #[error("{0}")]
    Foreign(String),
}

impl Error {
    /// Whether the same may succeed in a while, over a new connection.
    pub fn passes(&self) -> bool {
        match self {
            #[cfg(feature = "postgres")]
            Self::Server(error) => server::passes(error),
            Self::Sqlite(_) | Self::Version(_) | Self::Foreign(_) => false,
        }
    }
}

/// What a statement is given.
#[derive(Debug, Clone)]
pub enum Value<'a> {
    /// Nothing.
    Null,
    /// A whole number, an id or a time.
    Int(i64),
    /// A number.
    Real(f64),
    /// A text, or the name of an enumeration's value.
    Text(Cow<'a, str>),
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<f64> for Value<'_> {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(value.into())
    }
}

impl From<String> for Value<'_> {
    fn from(value: String) -> Self {
        Self::Text(value.into())
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// What a statement is given, each of its own type.
macro_rules! values {
    ($($value:expr),* $(,)?) => { [$($crate::storage::database::Value::from($value)),*] };
}
pub(super) use values;

impl rusqlite::ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => rusqlite::types::Null.into(),
            Self::Int(value) => (*value).into(),
            Self::Real(value) => (*value).into(),
            Self::Text(text) => text.as_ref().into(),
        })
    }
}

/// A row that was found; columns are counted from zero.
#[derive(Debug)]
pub enum Row<'r> {
    /// SQLite's.
    Sqlite(&'r rusqlite::Row<'r>),
    /// PostgreSQL's.
    #[cfg(feature = "postgres")]
    Server(&'r postgres::Row),
}

impl Row<'_> {
    /// A whole number.
    pub fn int(&self, column: usize) -> Result<Option<i64>, Error> {
        match self {
            Self::Sqlite(row) => Ok(row.get(column)?),
            #[cfg(feature = "postgres")]
            Self::Server(row) => Ok(row.try_get::<_, Option<server::Int>>(column)?.map(|server::Int(value)| value)),
        }
    }

    /// A whole number that is there.
    pub fn id(&self, column: usize) -> Result<i64, Error> {
        self.int(column)?.ok_or_else(|| Error::Foreign(format!("column {column} of a row is empty")))
    }

    /// A number.
    pub fn real(&self, column: usize) -> Result<Option<f64>, Error> {
        match self {
            Self::Sqlite(row) => Ok(row.get(column)?),
            #[cfg(feature = "postgres")]
            Self::Server(row) => Ok(row.try_get(column)?),
        }
    }

    /// A text, or the name of an enumeration's value; empty where there is none.
    pub fn text(&self, column: usize) -> Result<&str, Error> {
        match self {
            Self::Sqlite(row) => {
                Ok(row.get_ref(column)?.as_str_or_null().map_err(rusqlite::Error::from)?.unwrap_or_default())
            }
            #[cfg(feature = "postgres")]
            Self::Server(row) => {
                Ok(row.try_get::<_, Option<server::Text<'_>>>(column)?.map_or("", |server::Text(text)| text))
            }
        }
    }
}

/// An open database.
#[derive(Debug)]
pub enum Database {
    /// A file.
    Sqlite(Connection),
    /// A connection to a server.
    #[cfg(feature = "postgres")]
    Server(Box<server::Server>),
}

impl Database {
    /// Opens a database; a file that is not there is made where `make` says so.
    pub fn open(place: &Place, make: bool) -> Result<Self, Error> {
        match place {
            Place::File(path) => {
                let made = if make { OpenFlags::SQLITE_OPEN_CREATE } else { OpenFlags::empty() };
                let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | made)?;
                connection.busy_timeout(PATIENCE)?;
                connection.set_prepared_statement_cache_capacity(128);
                // A commit costs no wait for the disk; what a crash of the machine loses are the last commits, whole.
                connection.pragma_update(None, "journal_mode", "WAL")?;
                connection.pragma_update(None, "synchronous", "NORMAL")?;
                Ok(Self::Sqlite(connection))
            }
            #[cfg(feature = "postgres")]
            Place::Server(config) => Ok(Self::Server(Box::new(server::Server::connect(config)?))),
        }
    }

    /// A statement in this database's own words.
    fn words<'s>(&self, sql: &'s str) -> Cow<'s, str> {
        let (now, clock, hold) = match self {
            Self::Sqlite(_) if !sql.contains('{') => return sql.into(),
            Self::Sqlite(_) => ("strftime('%Y-%m-%d %H:%M:%f', 'now', 'localtime') || '000'", "unixepoch()", ""),
            #[cfg(feature = "postgres")]
            Self::Server(_) => ("LOCALTIMESTAMP", "EXTRACT(EPOCH FROM clock_timestamp())::BIGINT", "FOR UPDATE"),
        };
        let sql = sql.replace("{now}", now).replace("{clock}", clock).replace("{hold}", hold);
        if matches!(self, Self::Sqlite(_)) { sql.into() } else { sql.replace('?', "$").into() }
    }

    /// Does `work` whole, or not at all where it fails; nobody else has `held` meanwhile.
    pub fn whole<T>(&mut self, held: Held, work: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        match (&*self, held) {
            // It holds the whole file.
            (Self::Sqlite(_), _) => self.script("BEGIN IMMEDIATE")?,
            #[cfg(feature = "postgres")]
            (Self::Server(_), held) => self.script(&server::begin(held))?,
        }
        let done = work(self).and_then(|value| self.script("COMMIT").map(|()| value));
        if done.is_err() {
            // Where the connection is lost the transaction has ended with it.
            self.script("ROLLBACK").ok();
        }
        done
    }

    /// Runs statements without parameters.
    pub fn script(&mut self, sql: &str) -> Result<(), Error> {
        match self {
            Self::Sqlite(connection) => Ok(connection.execute_batch(sql)?),
            #[cfg(feature = "postgres")]
            Self::Server(server) => server.script(sql),
        }
    }

    /// Runs a statement; gives how many rows it changed.
    pub fn run(&mut self, sql: &str, values: &[Value<'_>]) -> Result<u64, Error> {
        let words = self.words(sql);
        match self {
            Self::Sqlite(connection) => {
                let changed = connection.prepare_cached(&words)?.execute(rusqlite::params_from_iter(values))?;
                Ok(changed as u64)
            }
            #[cfg(feature = "postgres")]
            Self::Server(server) => server.run(&words, values),
        }
    }

    /// Runs a statement and shows each row that it gives.
    pub fn each(
        &mut self,
        sql: &str,
        values: &[Value<'_>],
        mut show: impl FnMut(&Row<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let words = self.words(sql);
        match self {
            Self::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(&words)?;
                let mut rows = statement.query(rusqlite::params_from_iter(values))?;
                while let Some(row) = rows.next()? {
                    show(&Row::Sqlite(row))?;
                }
                Ok(())
            }
            #[cfg(feature = "postgres")]
            Self::Server(server) => server.each(&words, values, show),
        }
    }

    /// What `read` makes of the last row that a statement gives, if there is one.
    pub fn one<T>(
        &mut self,
        sql: &str,
        values: &[Value<'_>],
        read: impl Fn(&Row<'_>) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let mut found = None;
        self.each(sql, values, |row| {
            found = Some(read(row)?);
            Ok(())
        })?;
        Ok(found)
    }

    /// Runs a statement whose `{rows}` are these values, each row as `row` with a `?` for each of its own, and shows the rows that it gives.
    pub fn fill(
        &mut self,
        sql: &str,
        row: &str,
        mut values: &[Value<'_>],
        mut show: impl FnMut(&Row<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let width = row.matches('?').count();
        while let Some(rows) = (values.len() / width).checked_ilog2().map(|power| ROWS.min(1 << power)) {
            let (now, later) = values.split_at(rows * width);
            let mut list = String::new();
            for (number, part) in vec![row; rows].join(", ").split('?').enumerate() {
                if number > 0 {
                    list.push_str(&format!("?{number}"));
                }
                list.push_str(part);
            }
            self.each(&sql.replace("{rows}", &list), now, &mut show)?;
            values = later;
        }
        Ok(())
    }
}
