//! The threads that write the log, two per journal.
//!
//! Openraft wants writes serialised and told when they are durable; fsync wants a thread that may
//! block. Each thread takes the next job and writes it, one at a time and so in order. If nobody syncs
//! at the moment it then does, and as long as there is something to sync; meanwhile the other thread
//! writes what comes, for the next fsync to make durable all at once. So a lone write is synced by the
//! thread that wrote it, and under load the disk never waits for a write.
//!
//! Nothing is reported before the fsync. A failed *write* left the log as it was and is tried
//! again until it works, with the journal marked as stalled meanwhile: openraft would take the
//! error for the end. A failed *fsync* is the end: nobody knows what is on disk.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use tidemill_disk::Disk;
use tidemill_wal::{EntryFrame, LogId, Space, Wal};

use crate::Error;
use crate::durable::Unsettled;
use crate::health::Health;
use crate::spare_thread::SpareThread;
use crate::turns::Turns;

/// Told how a job went.
pub(crate) enum Done {
    /// Whoever asked for it.
    Call(Box<dyn FnOnce(io::Result<()>) + Send>),
    /// Whoever waits for entries to be on disk.
    Settle(Unsettled),
}

impl Done {
    pub(crate) fn call(tell: impl FnOnce(io::Result<()>) + Send + 'static) -> Done {
        Done::Call(Box::new(tell))
    }

    fn tell(self, result: io::Result<()>) {
        match self {
            Done::Call(tell) => tell(result),
            Done::Settle(unsettled) => unsettled.settle(&result),
        }
    }

    /// Tells all of them, those who wait for entries with one wake-up.
    fn tell_all(all: Vec<Done>, result: &Result<(), String>) {
        let result = || result.clone().map_err(io::Error::other);
        let mut unsettled: Option<Unsettled> = None;
        for done in all {
            match done {
                Done::Call(tell) => tell(result()),
                Done::Settle(further) => {
                    unsettled = Some(match unsettled.take() {
                        Some(before) => before.and(further),
                        None => further,
                    });
                }
            }
        }
        if let Some(unsettled) = unsettled {
            unsettled.settle(&result());
        }
    }
}

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

type Jobs = Turns<(Job, Done)>;

/// Hands jobs to the threads. They end when the last of these is dropped.
#[derive(Clone)]
pub(crate) struct Writer {
    jobs: Arc<Source>,
}

/// Our end of the jobs.
struct Source(Arc<Jobs>);

impl Drop for Source {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The threads' end of the jobs: what waits when they have ended is told so.
struct Taker(Arc<Jobs>);

impl Drop for Taker {
    fn drop(&mut self) {
        for (_, done) in self.0.abandon() {
            done.tell(Err(ended()));
        }
    }
}

fn ended() -> io::Error {
    io::Error::other("the log's thread has ended")
}

impl Writer {
    /// Starts the threads; the one that is answered ends last.
    pub(crate) fn start(
        journal_id: u32,
        wal: Wal,
        disk: Arc<dyn Disk>,
        health: Arc<Health>,
    ) -> Result<(Writer, JoinHandle<()>), Error> {
        let jobs = Arc::new(Jobs::new());
        let writer = Writer { jobs: Arc::new(Source(jobs.clone())) };
        let spawn = |run: Box<dyn FnOnce() + Send>| {
            let spawned = std::thread::Builder::new().name(format!("journal-{journal_id}")).spawn(run);
            spawned.map_err(|e| Error::Storage(format!("cannot start the log's threads: {e}")))
        };
        let spare = SpareThread::start(journal_id, wal.clone())?;
        let shared =
            Arc::new(Threads { jobs: Taker(jobs), wal, disk, health, syncs: Mutex::default(), spare });
        let first = shared.clone();
        let first = spawn(Box::new(move || first.run()))?;
        let second = spawn(Box::new(move || {
            shared.run();
            let _ = first.join();
            // The folder may be opened again once these have ended.
            if let Some(threads) = Arc::into_inner(shared) {
                threads.spare.end();
            }
        }))?;
        Ok((writer, second))
    }

    /// Queues a job.
    pub(crate) fn submit(&self, job: Job, done: Done) {
        if let Err((_, done)) = self.jobs.0.push((job, done)) {
            done.tell(Err(ended()));
        }
    }

    /// Queues a job and waits for it.
    pub(crate) async fn run(&self, job: Job) -> io::Result<()> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.submit(
            job,
            Done::call(move |result| {
                let _ = sender.send(result);
            }),
        );
        receiver.await.unwrap_or_else(|_| Err(ended()))
    }
}

struct Threads {
    jobs: Taker,
    wal: Wal,
    disk: Arc<dyn Disk>,
    health: Arc<Health>,
    syncs: Mutex<Syncs>,
    spare: SpareThread,
}

/// What is written and waits for an fsync.
#[derive(Default)]
struct Syncs {
    waiting: Vec<Done>,
    /// One of the threads syncs.
    is_busy: bool,
}

impl Threads {
    fn run(&self) {
        while let Some(written) = self.write_next() {
            let Some(done) = written else { continue };
            let mut syncs = self.syncs.lock();
            syncs.waiting.push(done);
            if !std::mem::replace(&mut syncs.is_busy, true) {
                drop(syncs);
                self.sync_all();
            }
        }
    }

    /// Does the next job up to its fsync. Answers whom to tell of that, if anybody; none when there
    /// are no more jobs.
    fn write_next(&self) -> Option<Option<Done>> {
        let ((job, done), turn) = self.jobs.0.take()?;
        let result = self.write(&job);
        drop(turn);
        if result.is_ok() && matches!(job, Job::Append(_)) {
            return Some(Some(done));
        }
        done.tell(result.map_err(io::Error::other));
        Some(None)
    }

    fn write(&self, job: &Job) -> Result<(), tidemill_wal::Error> {
        let result = self.persist(|| match job {
            // The proposer has left the reserve alone already; what is in Raft's hands has to go on.
            Job::Append(entries) => self.wal.append(entries.clone(), Space::Reserve),
            Job::Vote(vote) => self.wal.save_vote(vote),
            Job::Truncate(index) => self.wal.truncate_since(*index),
            Job::Purge(upto) => self.wal.purge_upto(*upto),
        });
        let result = result.and_then(|()| match job {
            Job::Append(_) => self.crash_point("journal: written, not synced"),
            _ => Ok(()),
        });
        self.stop_on(result)
    }

    /// Syncs until nothing waits for it.
    fn sync_all(&self) {
        loop {
            let waiting = {
                let mut syncs = self.syncs.lock();
                if syncs.waiting.is_empty() {
                    syncs.is_busy = false;
                    return;
                }
                std::mem::take(&mut syncs.waiting)
            };
            let synced = self.wal.sync().and_then(|bytes| {
                self.crash_point("journal: synced, not applied")?;
                Ok(bytes)
            });
            let synced = self.stop_on(synced);
            let result = synced.as_ref().map(|_| ()).map_err(ToString::to_string);
            Done::tell_all(waiting, &result);
            self.wal.trim_page_cache();
            if let Ok(bytes) = synced {
                self.spare.synced(bytes);
            }
        }
    }

    fn stop_on<T>(&self, result: Result<T, tidemill_wal::Error>) -> Result<T, tidemill_wal::Error> {
        if let Err(error) = &result {
            self.health.stop(error.to_string());
        }
        result
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
