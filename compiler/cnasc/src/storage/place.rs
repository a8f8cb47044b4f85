//! Where a database is, as `--storage` names it.

use crate::failure::{Failure, codes};
use cnasc_base::Diagnostic;
use std::fmt;
use std::path::PathBuf;

/// A place for a database.
#[derive(Debug, Clone)]
pub enum Place {
    /// `sqlite:///FILE`.
    File(PathBuf),
    /// `postgresql://USER@HOST/DATABASE`.
    #[cfg(feature = "postgres")]
    Server(Box<postgres::Config>),
}

impl fmt::Display for Place {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(to, "{}", path.display()),
            #[cfg(feature = "postgres")]
            Self::Server(config) => to.write_str(&super::database::shown(config)),
        }
    }
}

impl Place {
    /// The place that a URL names.
    ///
    /// # Errors
    /// Where it is of another kind, or one that this program was built without.
    pub fn of(url: &str) -> Result<Self, Failure> {
        let usage = |message: String| Diagnostic::error(codes::STORAGE, message);
        if let Some(path) = url.strip_prefix("sqlite:///").filter(|path| !path.is_empty()) {
            return Ok(Self::File(path.into()));
        }
        // What follows may hold a password.
        let (kind, rest) = url.split_once("://").unwrap_or((url, ""));
        // SQLAlchemy names its driver there, `postgresql+psycopg2`.
        if ["postgres", "postgresql"].contains(&kind.split('+').next().unwrap_or_default()) {
            return Self::server(rest).map_err(Failure::usage);
        }
        let message =
            format!("`--storage` takes `sqlite:///FILE` or `postgresql://USER@HOST/DATABASE`, not `{kind}://…`");
        Err(Failure::usage(usage(message)))
    }

    #[cfg(feature = "postgres")]
    fn server(rest: &str) -> Result<Self, Diagnostic> {
        let config = super::database::config(&format!("postgresql://{rest}"));
        config.map(|config| Self::Server(Box::new(config))).map_err(|error| {
            let message = format!("`--storage` is no URL of a PostgreSQL server: {}", super::database::whole(&error));
            Diagnostic::error(codes::STORAGE, message)
                .note("it is `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`; PGPASSWORD may hold the password instead")
        })
    }

    #[cfg(not(feature = "postgres"))]
    fn server(_: &str) -> Result<Self, Diagnostic> {
        Err(Diagnostic::error(codes::STORAGE, "this program was built without PostgreSQL")
            .note("`cargo build --release --features postgres` builds it in"))
    }
}
