//! What the workload knows: every batch it sent and what it was told about it.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use parking_lot::Mutex;
use serde::Serialize;

/// What a producer was told about a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Outcome {
    /// Stored, from this offset on.
    Acked {
        /// Offset of the batch's first record.
        base_offset: i64,
    },
    /// Never learned: at most once.
    Unknown,
}

/// One batch: `count` records with the ids `first_id..`.
#[derive(Clone, Debug, Serialize)]
pub struct Sent {
    /// Which producer.
    pub producer: u32,
    /// To which partition.
    pub partition: i32,
    /// Id of the first record; ids of a producer ascend in the order of sending.
    pub first_id: u64,
    /// How many records.
    pub count: u64,
    /// What came of it.
    pub outcome: Outcome,
}

#[derive(Serialize)]
enum Event<'a> {
    Sent(&'a Sent),
    Note(&'a str),
}

/// The history of one run, in memory and in a file.
pub struct History {
    started: Instant,
    inner: Mutex<Inner>,
}

struct Inner {
    file: File,
    sent: Vec<Sent>,
}

impl History {
    /// A history that is written to `path` as it happens, one JSON object a line.
    ///
    /// # Errors
    /// If the file cannot be created.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let inner = Inner { file: File::create(path)?, sent: Vec::new() };
        Ok(Self { started: Instant::now(), inner: Mutex::new(inner) })
    }

    /// Remembers a batch.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn sent(&self, sent: Sent) -> anyhow::Result<()> {
        let mut inner = self.inner.lock();
        self.write(&mut inner, &Event::Sent(&sent))?;
        inner.sent.push(sent);
        Ok(())
    }

    /// Remembers something else that happened.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn note(&self, text: &str) -> anyhow::Result<()> {
        self.write(&mut self.inner.lock(), &Event::Note(text))
    }

    fn write(&self, inner: &mut Inner, event: &Event<'_>) -> anyhow::Result<()> {
        let line = serde_json::to_string(&(self.started.elapsed().as_millis() as u64, event))?;
        writeln!(inner.file, "{line}")?;
        Ok(())
    }

    /// Everything sent so far.
    pub fn all_sent(&self) -> Vec<Sent> {
        self.inner.lock().sent.clone()
    }
}
