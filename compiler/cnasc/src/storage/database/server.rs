//! A server of PostgreSQL.

use super::{Error, Held, PATIENCE, Row, Value};
use postgres::config::{Host, SslMode};
use postgres::error::SqlState;
use postgres::fallible_iterator::FallibleIterator;
use postgres::types::private::BytesMut;
use postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use postgres::{Client, Config, NoTls, Statement};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A whole number of any width.
pub struct Int(pub i64);

/// Text, or the name of an enumeration's value.
pub struct Text<'a>(pub &'a str);

type Boxed = Box<dyn std::error::Error + Sync + Send>;

impl<'a> FromSql<'a> for Int {
    fn from_sql(of: &Type, raw: &'a [u8]) -> Result<Self, Boxed> {
        if *of == Type::INT8 {
            i64::from_sql(of, raw).map(Self)
        } else {
            i32::from_sql(of, raw).map(|value| Self(value.into()))
        }
    }

    fn accepts(of: &Type) -> bool {
        [Type::INT4, Type::INT8].contains(of)
    }
}

impl<'a> FromSql<'a> for Text<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Boxed> {
        Ok(Self(std::str::from_utf8(raw)?))
    }

    fn accepts(of: &Type) -> bool {
        [Type::TEXT, Type::VARCHAR].contains(of) || matches!(of.kind(), postgres::types::Kind::Enum(_))
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self, of: &Type, out: &mut BytesMut) -> Result<IsNull, Boxed> {
        match self {
            Value::Null => Ok(IsNull::Yes),
            Value::Int(value) if *of == Type::INT4 => i32::try_from(*value)?.to_sql(of, out),
            Value::Int(value) => value.to_sql(of, out),
            Value::Real(value) => value.to_sql(of, out),
            // Names of an enumeration's values go as text does.
            Value::Text(text) => text.as_ref().to_sql(&Type::TEXT, out),
        }
    }

    fn accepts(of: &Type) -> bool {
        [Type::INT4, Type::INT8, Type::FLOAT8].contains(of) || Text::accepts(of)
    }

    to_sql_checked!();
}

/// A connection.
pub struct Server {
    client: Client,
    /// What was said before, and how the server knows it.
    statements: BTreeMap<String, Statement>,
}

impl fmt::Debug for Server {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Server").field("statements", &self.statements.len()).finish_non_exhaustive()
    }
}

impl Server {
    /// Connects; certificates are checked against the system's, or those in the file that `SSL_CERT_FILE` names.
    pub fn connect(config: &Config) -> Result<Self, Error> {
        let mut client = if config.get_ssl_mode() == SslMode::Disable {
            config.connect(NoTls)?
        } else {
            config.connect(tokio_postgres_rustls::MakeRustlsConnect::new(tls()))?
        };
        // A client that vanished holds nothing for longer than it may be waited for.
        client.batch_execute(&format!(
            "SET lock_timeout = '{wait}s'; SET idle_in_transaction_session_timeout = '{wait}s'; \
             SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; \
             SET client_min_messages = 'warning'",
            wait = PATIENCE.as_secs()
        ))?;
        Ok(Self { client, statements: BTreeMap::new() })
    }

    fn prepared(&mut self, sql: &str) -> Result<Statement, Error> {
        if let Some(known) = self.statements.get(sql) {
            return Ok(known.clone());
        }
        let statement = self.client.prepare(sql)?;
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    pub fn script(&mut self, sql: &str) -> Result<(), Error> {
        Ok(self.client.batch_execute(sql)?)
    }

    pub fn run(&mut self, sql: &str, values: &[Value<'_>]) -> Result<u64, Error> {
        let statement = self.prepared(sql)?;
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
        Ok(self.client.execute(&statement, &values)?)
    }

    pub fn each(
        &mut self,
        sql: &str,
        values: &[Value<'_>],
        mut show: impl FnMut(&Row<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let statement = self.prepared(sql)?;
        let mut rows = self.client.query_raw(&statement, values)?;
        while let Some(row) = rows.next()? {
            show(&Row::Server(&row))?;
        }
        Ok(())
    }
}

/// Begins a transaction that sees what others committed before each of its statements; of a study it holds the row, as Optuna does while it
/// numbers a trial.
pub fn begin(held: Held) -> String {
    let lock = match held {
        Held::Study(study) => format!("SELECT FROM studies WHERE study_id = {study} FOR UPDATE"),
        Held::Claims(study) => {
            format!("SET LOCAL synchronous_commit = off; SELECT FROM studies WHERE study_id = {study} FOR UPDATE")
        }
        // Tables can't be made by two at once; the number is this program's own.
        Held::Tables => "SELECT pg_advisory_xact_lock(7309453291877687)".to_owned(),
    };
    format!("BEGIN ISOLATION LEVEL READ COMMITTED; {lock}")
}

/// The server that a URL names, patient and watchful.
pub fn config(url: &str) -> Result<Config, postgres::Error> {
    let mut config: Config = url.parse()?;
    config.connect_timeout(PATIENCE).tcp_user_timeout(PATIENCE).keepalives_idle(PATIENCE / 3).application_name("cnasc");
    if config.get_password().is_none()
        && let Ok(password) = std::env::var("PGPASSWORD")
    {
        config.password(password);
    }
    let near = |host: &Host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
        }
    };
    // Within a machine nothing need be hidden, and a server's certificate seldom names it.
    if !url.contains("sslmode=") && config.get_hosts().iter().all(near) {
        config.ssl_mode(SslMode::Disable);
    }
    Ok(config)
}

/// Where that is, without what is secret.
pub fn shown(config: &Config) -> String {
    let host = |host: &Host| match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    };
    let hosts: Vec<String> = config.get_hosts().iter().map(host).collect();
    let name = config.get_dbname().or(config.get_user()).unwrap_or_default();
    format!("postgresql://{}/{name}", hosts.join(","))
}

/// An error with what caused it.
pub fn whole(error: &postgres::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(found) = cause {
        text.push_str(&format!(": {found}"));
        cause = found.source();
    }
    text
}

/// Whether it is one of the connection, or of transactions in each other's way.
pub fn passes(error: &postgres::Error) -> bool {
    use std::error::Error;
    match error.code() {
        // Classes of SQLSTATE: connections, transactions that are rolled back, too little of something, an operator's intervention.
        Some(code) => {
            ["08", "40", "53", "57"].contains(&&code.code()[..2])
                || *code == SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
        }
        None => error.is_closed() || error.source().is_some_and(<dyn Error>::is::<std::io::Error>),
    }
}

/// Encryption that trusts the system's certificates.
fn tls() -> rustls::ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring knows the ciphers of every version")
        .with_root_certificates(roots)
        .with_no_client_auth()
}
