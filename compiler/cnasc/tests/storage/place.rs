//! A program that is searched, and the database that its study is kept in.

use rusqlite::Connection;
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

pub const PROGRAM: &str = "use std::blocks::sepconv
use std::devices::rpi4
use std::generators::ws
use std::generators::er
fleet shelf {
    node pi[2]: rpi4
    link pi <-> pi: 1 Gbit/s, 200 us
}
network net(wiring: generator, width: int) {
    input image(3, 16, 16)
    stem  conv(3, width) -> bn -> relu
    body  wiring of sepconv
    head  global_avg -> linear(10)
}
search s {
    over     net(wiring: in {ws(n: in 6 .. 14, k: in {2, 4}, p: in 0.0 .. 1.0), er(n: in 6 .. 14, p: in log 0.1 .. 0.9)}, width: in 4 .. 62 step 4)
    on       shelf
    where    params <= 40 K
    minimize concurrency_score
    maximize params
    strategy nsga2(population: 16)
    budget   120 candidates
    seed     3
}
";

/// A folder with the program, and room for the winner and a file of SQLite; or a server beside it.
pub struct Place {
    folder: tempfile::TempDir,
    #[cfg(feature = "postgres")]
    server: Option<super::cluster::Cluster>,
}

impl Place {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("s.cnas"), PROGRAM).expect("a file");
        Self {
            folder,
            #[cfg(feature = "postgres")]
            server: None,
        }
    }

    /// One with a server, where there is PostgreSQL on this machine.
    #[cfg(feature = "postgres")]
    pub fn on_a_server() -> Option<Self> {
        let server = super::cluster::Cluster::start()?;
        Some(Self { server: Some(server), ..Self::new() })
    }

    #[cfg(feature = "postgres")]
    pub fn server(&self) -> &super::cluster::Cluster {
        self.server.as_ref().expect("it was made with a server")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn command(&self, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cnasc"));
        command.args(["--format", "json", "-q", "search"]).arg(self.path("s.cnas")).args(["--top", "1", "-o"]);
        command.arg(self.path("out")).args(more).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// What `--storage` is given.
    pub fn storage(&self) -> String {
        #[cfg(feature = "postgres")]
        if let Some(server) = &self.server {
            return server.url("postgresql");
        }
        format!("sqlite:///{}", self.path("s.db").display())
    }

    /// The document of a search that exits with `status`.
    #[track_caller]
    pub fn search(&self, status: i32, more: &[&str]) -> Value {
        let output = self.command(more).output().expect("the binary starts");
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(status), "{text}{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The first column of the last row that statements give, as text.
    pub fn ask(&self, sql: &str) -> Result<Option<String>, String> {
        #[cfg(feature = "postgres")]
        if let Some(server) = &self.server {
            return server.ask(sql);
        }
        let ask = || -> rusqlite::Result<Option<String>> {
            let connection = Connection::open(self.path("s.db"))?;
            connection.busy_timeout(Duration::from_secs(10))?;
            let mut statement = connection.prepare(sql)?;
            let mut rows = statement.query([])?;
            let mut last = None;
            while let Some(row) = rows.next()? {
                last = match row.get::<_, rusqlite::types::Value>(0)? {
                    rusqlite::types::Value::Null => None,
                    rusqlite::types::Value::Integer(value) => Some(value.to_string()),
                    rusqlite::types::Value::Real(value) => Some(value.to_string()),
                    rusqlite::types::Value::Text(text) => Some(text),
                    rusqlite::types::Value::Blob(_) => panic!("there are no blobs"),
                };
            }
            Ok(last)
        };
        ask().map_err(|error| error.to_string())
    }

    /// How many rows there are; none where there is no such table yet.
    pub fn count(&self, what: &str) -> i64 {
        let count = self.ask(&format!("SELECT COUNT(*) FROM {what}"));
        count.ok().flatten().map_or(0, |count| count.parse().expect("a count is a number"))
    }

    /// Whether all trials of a study of `count` are there, once each, and nothing belongs to none.
    #[track_caller]
    pub fn is_whole(&self, count: i64) {
        let candidates = "(SELECT DISTINCT value_json FROM trial_user_attributes WHERE key = 'index') AS c";
        let numbers = format!("(SELECT DISTINCT number FROM trials WHERE number BETWEEN 0 AND {}) AS c", count - 1);
        let found = [self.count("trials"), self.count(candidates), self.count(&numbers)];
        assert_eq!(found, [count; 3], "none is lost, none counts twice");
        assert_eq!(self.count("trials WHERE state IN ('RUNNING', 'WAITING')"), 0);
        for part in ["params", "values", "user_attributes", "system_attributes"] {
            let stray = format!("trial_{part} WHERE trial_id NOT IN (SELECT trial_id FROM trials)");
            assert_eq!(self.count(&stray), 0, "{part}");
        }
        let complete = "trials t WHERE state = 'COMPLETE' AND (SELECT COUNT(*) FROM trial_values v WHERE v.trial_id = t.trial_id) <> 2";
        assert_eq!(self.count(complete), 0, "what is complete has its values");
        assert_eq!((self.count("cnasc_workers"), self.count("cnasc_claims")), (0, 0));
    }
}
