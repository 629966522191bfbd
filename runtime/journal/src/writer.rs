//! The thread that writes the log, one per journal.
//!
//! Openraft wants writes serialised and told when they are durable; fsync wants a thread that may
//! block. Nothing is reported before the fsync. A failed *write* left the log as it was and is tried
//! again until it works, with the journal marked as stalled meanwhile: openraft would take the
//! error for the end. A failed *fsync* is the end: nobody knows what is on disk.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tidemill_disk::Disk;
use tidemill_wal::{EntryFrame, LogId, Space, Wal};

use crate::Error;
use crate::health::Health;

/// Told how a job went.
pub(crate) type Done = Box<dyn FnOnce(io::Result<()>) + Send>;

/// Something to be made durable, in order.
pub(crate) enum Job {
    /// Entries after the last one.
    Append(Vec<EntryFrame>),
    /// The vote.
    Vote(Vec<u8>),
    /// Entries from this index on go.
    Truncate(u64),
    /// Entries up to this one go.
    Purge(LogId),
}

const FIRST_RETRY: Duration = Duration::from_millis(20);
const LAST_RETRY: Duration = Duration::from_millis(500);

/// Hands jobs to the thread. The thread ends when the last of these is dropped.
#[derive(Clone)]
pub(crate) struct Writer {
    jobs: Sender<(Job, Done)>,
}

impl Writer {
    /// Starts the thread.
    pub(crate) fn start(
        journal_id: u32,
        wal: Wal,
        disk: Arc<dyn Disk>,
        health: Arc<Health>,
    ) -> Result<(Writer, JoinHandle<()>), Error> {
        let (jobs, queue) = channel();
        let thread = std::thread::Builder::new()
            .name(format!("journal-{journal_id}"))
            .spawn(move || Thread { wal, disk, health }.run(&queue))
            .map_err(|e| Error::Storage(format!("cannot start the log's thread: {e}")))?;
        Ok((Writer { jobs }, thread))
    }

    /// Queues a job.
    pub(crate) fn submit(&self, job: Job, done: Done) {
        if let Err(refused) = self.jobs.send((job, done)) {
            let (_, done) = refused.0;
            done(Err(io::Error::other("the log's thread has ended")));
        }
    }

    /// Queues a job and waits for it.
    pub(crate) async fn run(&self, job: Job) -> io::Result<()> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.submit(
            job,
            Box::new(move |result| {
                let _ = sender.send(result);
            }),
        );
        receiver.await.unwrap_or_else(|_| Err(io::Error::other("the log's thread has ended")))
    }
}

struct Thread {
    wal: Wal,
    disk: Arc<dyn Disk>,
    health: Arc<Health>,
}

impl Thread {
    fn run(&self, queue: &Receiver<(Job, Done)>) {
        let mut preparing: Option<JoinHandle<()>> = None;
        while let Ok((job, done)) = queue.recv() {
            done(self.perform(&job).map_err(io::Error::other));
            self.wal.trim_page_cache();
            if self.wal.wants_spare() && preparing.as_ref().is_none_or(JoinHandle::is_finished) {
                preparing = self.prepare_spare();
            }
        }
        // The folder may be opened again once this thread has ended.
        let _ = preparing.map(JoinHandle::join);
    }

    /// Has a file for the next segment written beside this thread. Without one, writing is slower.
    fn prepare_spare(&self) -> Option<JoinHandle<()>> {
        let wal = self.wal.clone();
        let thread = std::thread::Builder::new().name("spare-segment".into());
        let spawned = thread.spawn(move || {
            if let Err(error) = wal.prepare_spare() {
                tracing::warn!(%error, "no file was made for the next segment");
            }
        });
        spawned.ok()
    }

    fn perform(&self, job: &Job) -> Result<(), tidemill_wal::Error> {
        let result = self.persist(|| match job {
            // The proposer has left the reserve alone already; what is in Raft's hands has to go on.
            Job::Append(entries) => self.wal.append(entries.clone(), Space::Reserve),
            Job::Vote(vote) => self.wal.save_vote(vote),
            Job::Truncate(index) => self.wal.truncate_since(*index),
            Job::Purge(upto) => self.wal.purge_upto(*upto),
        });
        let result = result.and_then(|()| match job {
            Job::Append(_) => self.sync(),
            _ => Ok(()),
        });
        if let Err(error) = &result {
            self.health.stop(error.to_string());
        }
        result
    }

    fn sync(&self) -> Result<(), tidemill_wal::Error> {
        self.crash_point("journal: written, not synced")?;
        self.wal.sync()?;
        self.crash_point("journal: synced, not applied")
    }

    fn crash_point(&self, name: &'static str) -> Result<(), tidemill_wal::Error> {
        let stopped = |e: io::Error| tidemill_wal::Error::Stopped { reason: e.to_string() };
        self.disk.crash_point(name).map_err(stopped)
    }

    /// Tries until it works, or cannot work any more, or nobody wants it any more.
    fn persist(
        &self,
        write: impl Fn() -> Result<(), tidemill_wal::Error>,
    ) -> Result<(), tidemill_wal::Error> {
        let mut pause = FIRST_RETRY;
        loop {
            match write() {
                Ok(()) => {
                    self.health.recovered();
                    return Ok(());
                }
                Err(error @ (tidemill_wal::Error::DiskFull { .. } | tidemill_wal::Error::Io { .. }))
                    if !self.health.is_closing() =>
                {
                    if self.health.stalled().is_none() {
                        tracing::error!(%error, "the log cannot be written; trying again until it can");
                    }
                    self.health.stall(error.to_string());
                }
                Err(error) => return Err(error),
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LAST_RETRY);
        }
    }
}
