//! Writes a history down as it happens.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::{Answer, Call, Outcome};

/// One line of the file.
#[derive(Serialize, Deserialize)]
pub(super) struct Line {
    /// Microseconds since the start; for readers, since the order of lines is what counts.
    pub at_us: u64,
    pub process: String,
    /// Number of the operation.
    pub op: u64,
    #[serde(flatten)]
    pub event: Event,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Event {
    Invoked(Call),
    Completed(Outcome),
}

/// The history of a run, shared by all its clients.
pub struct Recorder {
    started: Instant,
    operations: AtomicU64,
    processes: AtomicU64,
    /// The first error of writing ends the writing; [`Recorder::finish`] tells.
    file: Mutex<std::io::Result<BufWriter<File>>>,
}

/// One client in a history.
#[derive(Clone)]
pub struct Process {
    recorder: Arc<Recorder>,
    name: String,
}

/// An operation that was invoked; its outcome stays unknown if it is dropped.
#[must_use = "an operation without an outcome counts as unknown"]
pub struct Open {
    process: Process,
    op: u64,
}

impl Recorder {
    /// A history that is written to `path`, one JSON object a line.
    ///
    /// # Errors
    /// If the file cannot be created.
    pub fn create(path: &Path) -> std::io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            started: Instant::now(),
            operations: AtomicU64::new(0),
            processes: AtomicU64::new(0),
            file: Mutex::new(Ok(BufWriter::new(File::create(path)?))),
        }))
    }

    /// A client that is new in the history.
    pub fn process(self: &Arc<Self>, role: &str) -> Process {
        let number = self.processes.fetch_add(1, Ordering::Relaxed);
        Process { recorder: Arc::clone(self), name: format!("{role}.{number}") }
    }

    /// Writes out what was recorded.
    ///
    /// # Errors
    /// If anything could not be written.
    pub fn finish(&self) -> std::io::Result<()> {
        let mut file = self.file.lock();
        match &mut *file {
            Ok(file) => file.flush(),
            Err(error) => Err(std::mem::replace(error, std::io::Error::other("reported before"))),
        }
    }

    fn write(&self, process: &str, op: u64, event: Event) {
        let mut file = self.file.lock();
        let Ok(writer) = &mut *file else { return };
        let at_us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let line = Line { at_us, process: process.to_owned(), op, event };
        let written = serde_json::to_string(&line)
            .map_err(std::io::Error::other)
            .and_then(|line| writeln!(writer, "{line}"));
        if let Err(error) = written {
            *file = Err(error);
        }
    }
}

impl Process {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Records that the client asks for something; to be called before it does.
    pub fn invoke(&self, call: Call) -> Open {
        let op = self.recorder.operations.fetch_add(1, Ordering::Relaxed);
        self.recorder.write(&self.name, op, Event::Invoked(call));
        Open { process: self.clone(), op }
    }

    /// Records what is done as soon as it is asked for.
    pub fn note(&self, call: Call) {
        self.invoke(call).done();
    }
}

impl Open {
    /// It happened.
    pub fn ok(self, answer: Answer) {
        self.complete(Outcome::Ok(answer));
    }

    /// It happened, and there is no more to say.
    pub fn done(self) {
        self.ok(Answer::Done);
    }

    /// It did not happen.
    pub fn failed(self, why: impl ToString) {
        self.complete(Outcome::Failed(why.to_string()));
    }

    /// It may have happened.
    pub fn unknown(self, why: impl ToString) {
        self.complete(Outcome::Unknown(why.to_string()));
    }

    fn complete(self, outcome: Outcome) {
        self.process.recorder.write(&self.process.name, self.op, Event::Completed(outcome));
    }
}
