//! A server of PostgreSQL of the test's own, in a temporary folder.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PASSWORD: &str = "p@ss word";

/// A running server; ends with the value.
pub struct Cluster {
    folder: tempfile::TempDir,
    binaries: PathBuf,
}

impl Cluster {
    /// Starts one, or says that the test is left out.
    pub fn start() -> Option<Self> {
        let Some(binaries) = binaries() else {
            println!("left out: there is no `initdb` of PostgreSQL on this machine");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let cluster = Self { folder, binaries };
        // It refuses to be the administrator's, who may still look into the folder.
        if let Some((user, group)) = cluster.someone() {
            std::os::unix::fs::chown(cluster.folder.path(), Some(user), Some(group)).expect("the administrator may");
        }
        std::fs::write(cluster.path("password"), PASSWORD).expect("a file");
        let password = format!("--pwfile={}", cluster.path("password").display());
        let made = ["-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync", &password];
        cluster.run("initdb", &made);
        cluster.control("start");
        Some(cluster)
    }

    /// `start`, or what else `pg_ctl` does.
    #[track_caller]
    pub fn control(&self, verb: &str) {
        // The folder holds the socket; nobody else connects, and no disk need be waited for.
        let options = format!("-k {} -c listen_addresses= -F", self.folder.path().display());
        let log = self.path("log");
        let log = log.to_string_lossy();
        self.run("pg_ctl", &["-w", "-m", "immediate", "-l", &log, "-o", &options, verb][..]);
    }

    #[track_caller]
    fn run(&self, program: &str, arguments: &[&str]) {
        let binary = self.binaries.join(program);
        let mut command = match self.someone() {
            Some((user, group)) => {
                let mut command = Command::new("setpriv");
                command.args([format!("--reuid={user}"), format!("--regid={group}"), "--clear-groups".to_owned()]);
                command.arg(binary);
                command
            }
            None => Command::new(binary),
        };
        command.arg("-D").arg(self.path("data")).args(arguments);
        // The server would keep pipes open.
        let errors = std::fs::File::create(self.path("errors")).expect("a file");
        let status = command.current_dir(self.folder.path()).stdout(Stdio::null()).stderr(errors).status();
        let said = std::fs::read_to_string(self.path("errors")).unwrap_or_default();
        assert!(status.is_ok_and(|status| status.success()), "{program}: {said}");
    }

    /// Whose the server is where this process is the administrator's.
    fn someone(&self) -> Option<(u32, u32)> {
        if std::fs::metadata("/proc/self").ok()?.uid() != 0 {
            return None;
        }
        let users = std::fs::read_to_string("/etc/passwd").expect("a list of users");
        let user = |name: &str| {
            let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
            let mut ids = line.split(':').skip(2).map(|id| id.parse::<u32>().ok());
            Some((ids.next()??, ids.next()??))
        };
        Some(user("postgres").or_else(|| user("nobody")).expect("there is somebody else"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Its URL, as this program or SQLAlchemy calls the `kind`.
    pub fn url(&self, kind: &str) -> String {
        let password = PASSWORD.replace('@', "%40").replace(' ', "%20");
        format!("{kind}://postgres:{password}@/postgres?host={}", self.folder.path().display())
    }

    /// The first column of the last row that statements give, as text.
    pub fn ask(&self, sql: &str) -> Result<Option<String>, String> {
        let ask = || -> Result<_, postgres::Error> {
            let mut client = postgres::Client::connect(&self.url("postgresql"), postgres::NoTls)?;
            let rows = client.simple_query(sql)?;
            Ok(rows.iter().rev().find_map(|row| match row {
                postgres::SimpleQueryMessage::Row(row) => Some(row.get(0).map(str::to_owned)),
                _ => None,
            }))
        };
        ask().map(Option::flatten).map_err(|error| error.to_string())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // A server that a test has stopped is not there to be stopped.
        if self.path("data/postmaster.pid").exists() {
            self.control("stop");
        }
    }
}

/// Where the server's programs are.
fn binaries() -> Option<PathBuf> {
    let known = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut known: Vec<PathBuf> = known.map(|version| version.path().join("bin")).collect();
    known.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = known.into_iter().rev().chain(std::env::split_paths(&path));
    folders.find(|folder: &PathBuf| ["initdb", "pg_ctl", "postgres"].iter().all(|name| is_there(folder, name)))
}

fn is_there(folder: &Path, name: &str) -> bool {
    folder.join(name).is_file()
}
