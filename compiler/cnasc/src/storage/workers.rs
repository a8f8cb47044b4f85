//! The processes that search a study, and which of them are still alive.
//!
//! Each has a row, and says every few seconds that it is there. One of this machine that has ended is known at once by its process number and
//! the time it began; of others, and where that can't be told, silence says so.

use rusqlite::{Connection, Transaction, params};
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often a process says that it is there.
const BEAT: Duration = Duration::from_secs(2);

/// After how many seconds of silence it is taken for dead.
const SILENCE: i64 = 30;

/// This process as one of them; ends with the value.
#[derive(Debug)]
pub struct Worker {
    pub id: i64,
    beats: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Worker {
    /// Enters this process.
    pub fn enter(transaction: &Transaction<'_>, study: i64) -> rusqlite::Result<Self> {
        let (host, process) = (host(), std::process::id());
        let insert =
            "INSERT INTO cnasc_workers (study_id, host, process, began, beat) VALUES (?1, ?2, ?3, ?4, unixepoch())";
        transaction.execute(insert, params![study, host, process, began(process)])?;
        Ok(Self { id: transaction.last_insert_rowid(), beats: None })
    }

    /// Begins to say that it is there. Where the database can't be opened once more, it is silent.
    pub fn beat(&mut self, path: PathBuf) {
        let (sender, receiver) = channel::<()>();
        let id = self.id;
        let thread = std::thread::spawn(move || {
            let Ok(connection) = Connection::open(path) else { return };
            let update = "UPDATE cnasc_workers SET beat = unixepoch() WHERE worker = ?1";
            while receiver.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
                // A database that is busy now is not so the next time.
                connection.execute(update, [id]).ok();
            }
        });
        self.beats = Some((sender, thread));
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.beats.take() {
            drop(sender);
            thread.join().ok();
        }
    }
}

/// Those of a study that are alive; the rows of others go.
pub fn living(transaction: &Transaction<'_>, study: i64) -> rusqlite::Result<Vec<i64>> {
    let mut select = transaction.prepare_cached(
        "SELECT worker, host, process, began, unixepoch() - beat FROM cnasc_workers WHERE study_id = ?1 ORDER BY worker",
    )?;
    let here = host();
    let mut rows = select.query([study])?;
    let (mut living, mut dead) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        let (worker, host, process): (i64, String, u32) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let (began_then, silent): (Option<String>, i64) = (row.get(3)?, row.get(4)?);
        let ended = host == here && began_then.is_some() && began(process) != began_then;
        if ended || silent > SILENCE {
            dead.push(worker);
        } else {
            living.push(worker);
        }
    }
    drop(rows);
    for worker in dead {
        transaction.execute("DELETE FROM cnasc_workers WHERE worker = ?1", [worker])?;
    }
    Ok(living)
}

fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| std::env::var("HOSTNAME"));
    // Containers may be called alike: what runs in another one is not seen from here.
    let space = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    format!("{} {}", name.unwrap_or_default().trim(), space.display())
}

/// When a process began, in the system's own count; none where it has ended or that can't be told.
fn began(process: u32) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // Behind the name, which may hold anything, comes the state as the third field; the beginning is the 22nd.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let ended = fields.next()? == "Z";
    if ended { None } else { fields.nth(18).map(str::to_owned) }
}
