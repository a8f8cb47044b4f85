//! The processes that search a study, and which of them are still alive.
//!
//! Each has a row, and says every few seconds that it is there. One of this machine that has ended is known at once by its process number and
//! the time it began; of others, and where that can't be told, silence says so.

use super::database::{Database, Error, values};
use super::place::Place;
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
    pub fn enter(database: &mut Database, study: i64) -> Result<Self, Error> {
        let process = std::process::id();
        let insert = "INSERT INTO cnasc_workers (study_id, host, process, began, beat) VALUES (?1, ?2, ?3, ?4, {clock}) RETURNING worker";
        let values = values![study, host(), i64::from(process), began(process)];
        let id = database.one(insert, &values, |row| row.id(0))?;
        Ok(Self { id: id.ok_or_else(|| Error::Foreign("a worker has no number".to_owned()))?, beats: None })
    }

    /// Begins to say that it is there, over a connection of its own. Who was taken for dead in the meantime, and is not, enters again.
    pub fn beat(&mut self, place: Place, study: i64) {
        let (sender, receiver) = channel::<()>();
        let (id, process) = (self.id, std::process::id());
        let thread = std::thread::spawn(move || {
            let (host, began) = (host(), began(process));
            let beat = "INSERT INTO cnasc_workers (worker, study_id, host, process, began, beat) VALUES (?1, ?2, ?3, ?4, ?5, {clock}) \
                 ON CONFLICT (worker) DO UPDATE SET beat = excluded.beat";
            let values = values![id, study, host.as_str(), i64::from(process), began.as_deref()];
            let mut open = None;
            while receiver.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
                // A database that is away or busy now is not so the next time.
                let database = open.take().map_or_else(|| Database::open(&place, false), Ok);
                open = database.and_then(|mut database| database.run(beat, &values).map(|_| database)).ok();
            }
        });
        self.beats = Some((sender, thread));
    }

    /// Says nothing more.
    pub fn rest(&mut self) {
        if let Some((sender, thread)) = self.beats.take() {
            drop(sender);
            thread.join().ok();
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.rest();
    }
}

/// Those of a study that are alive; the rows of others go.
pub fn living(database: &mut Database, study: i64) -> Result<Vec<i64>, Error> {
    let select =
        "SELECT worker, host, process, began, {clock} - beat FROM cnasc_workers WHERE study_id = ?1 ORDER BY worker";
    let here = host();
    let (mut living, mut dead) = (Vec::new(), Vec::new());
    database.each(select, &values![study], |row| {
        let (worker, process, began_then) = (row.id(0)?, u32::try_from(row.id(2)?).unwrap_or_default(), row.text(3)?);
        let ended = row.text(1)? == here && !began_then.is_empty() && began(process).as_deref() != Some(began_then);
        let list = if ended || row.id(4)? > SILENCE { &mut dead } else { &mut living };
        list.push(worker);
        Ok(())
    })?;
    for worker in dead {
        database.run("DELETE FROM cnasc_workers WHERE worker = ?1", &values![worker])?;
    }
    Ok(living)
}

/// This machine since it was started, and the part of it whose processes are seen from here: containers have each their own.
fn host() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").or_else(|_| std::env::var("HOSTNAME"));
    let space = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    format!("{} {}", boot.unwrap_or_default().trim(), space.display())
}

/// When a process began, in the system's own count; none where it has ended or that can't be told.
fn began(process: u32) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // Behind the name, which may hold anything, comes the state as the third field; the beginning is the 22nd.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let ended = fields.next()? == "Z";
    if ended { None } else { fields.nth(18).map(str::to_owned) }
}
