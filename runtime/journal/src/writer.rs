//! The threads that write the log, two per journal, and what is written without them.
//!
//! Openraft wants writes serialised and told when they are durable; a disk wants threads that may block. The
//! threads take turns to take the next job, so that jobs have their order; how entries get to disk depends on
//! what the log prefers ([`Wal::prefers_placing`]):
//!
//! - *Past the page cache.* If nothing has to be waited for, whoever brings the entries, or has seen those before them
//!   land, begins their write, and no thread is woken ([`queued`]). Otherwise a thread that has the turn takes what
//!   entries wait, gives them their place and passes the turn on before it writes them; so the next are written meanwhile.
//! - *Through the page cache.* Whoever has the turn writes; if nobody syncs at the moment it then does, and as
//!   long as there is something to sync; meanwhile the other thread writes what comes, for the next fsync to make
//!   durable all at once. So a lone write is synced by the thread that wrote it, and under load the disk
//!   never waits for a write.
//!
//! Nothing is reported before it is durable, and everything in the log's order. What found no room is tried
//! again until it works, with the journal marked as stalled meanwhile: openraft would take the error for the end.
//! A failed *fsync*, or a failed write past the page cache, is the end: nobody knows what is on disk.

mod job;
mod queued;

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use tidemill_disk::Disk;
use tidemill_wal::{EntryFrame, Placed, Space, Synced, Wal};

use self::job::{Appends, Front, frame_bytes};
pub(crate) use self::job::{Done, Job};
use self::queued::{QueuedWrites, land_what_ends};
use crate::Error;
use crate::health::Health;
use crate::spare_thread::SpareThread;
use crate::turns::{Turn, Turns};

const FIRST_RETRY: Duration = Duration::from_millis(20);
const LAST_RETRY: Duration = Duration::from_millis(500);

/// Entries that wait are written together up to this size.
const WRITE_BYTES: usize = 1 << 20;

type Jobs = Turns<(Job, Done)>;

fn last_of(entries: &[EntryFrame]) -> u64 {
    entries.last().map_or(0, |last| last.log_id.index)
}

/// Hands jobs to the threads. They end when the last of these is dropped.
#[derive(Clone)]
pub(crate) struct Writer {
    source: Arc<Source>,
}

/// Our end of the jobs.
struct Source {
    jobs: Arc<Jobs>,
    threads: Weak<Threads>,
}

impl Drop for Source {
    fn drop(&mut self) {
        self.jobs.close();
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
    /// Starts the threads; the one that is answered ends last. Call it in a runtime whose
    /// I/O is enabled.
    pub(crate) fn start(
        journal_id: u32,
        wal: Wal,
        disk: Arc<dyn Disk>,
        health: Arc<Health>,
    ) -> Result<(Writer, JoinHandle<()>), Error> {
        let jobs = Arc::new(Jobs::new());
        let spawn = |run: Box<dyn FnOnce() + Send>| {
            let spawned = std::thread::Builder::new().name(format!("journal-{journal_id}")).spawn(run);
            spawned.map_err(|e| Error::Storage(format!("cannot start the log's threads: {e}")))
        };
        let spare = SpareThread::start(journal_id, wal.clone())?;
        let queued = disk.write_queue().and_then(|queue| QueuedWrites::new(queue).ok());
        let (queued, ended) = queued.unzip();
        let threads = Arc::new(Threads {
            jobs: Taker(jobs.clone()),
            wal,
            queued,
            disk,
            health,
            unsettled: Mutex::default(),
            telling: Mutex::default(),
            stalled: AtomicUsize::new(0),
            spare: Mutex::new(Some(spare)),
        });
        let writer = Writer { source: Arc::new(Source { jobs, threads: Arc::downgrade(&threads) }) };
        if let Some(ended) = ended {
            tokio::spawn(land_what_ends(ended, Arc::downgrade(&threads)));
        }
        let first = threads.clone();
        let first = spawn(Box::new(move || first.run()))?;
        let second = spawn(Box::new(move || {
            threads.run();
            let _ = first.join();
            // The folder may be opened again once this has ended.
            threads.end();
        }))?;
        Ok((writer, second))
    }

    /// Queues a job.
    pub(crate) fn submit(&self, job: Job, done: Done) {
        if let Err((_, done)) = self.source.jobs.push((job, done)) {
            return done.tell(Err(ended()));
        }
        match self.source.threads.upgrade() {
            Some(threads) => threads.begin_what_waits(),
            None => self.source.jobs.wake(),
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
    /// None where the disk has no such thing.
    queued: Option<QueuedWrites>,
    disk: Arc<dyn Disk>,
    health: Arc<Health>,
    unsettled: Mutex<Waiting>,
    /// Held while somebody is told, so that nobody is told of later entries first.
    telling: Mutex<()>,
    /// Writes that are tried again and again.
    stalled: AtomicUsize,
    /// Until the threads end.
    spare: Mutex<Option<SpareThread>>,
}

/// Who waits for entries that are not known to be durable.
#[derive(Default)]
struct Waiting {
    /// With the last of the entries, in their order.
    waiting: VecDeque<(u64, Done)>,
    /// Something was written through the page cache since the last fsync began.
    is_sync_due: bool,
    /// One of the threads syncs.
    is_syncing: bool,
}

/// What is left to be done about a job once the next may be taken.
enum Rest {
    Nothing,
    Sync,
    Write(Placed),
}

impl Threads {
    fn run(&self) {
        while let Some(((job, done), turn)) = self.jobs.0.take() {
            // What changes the log waits for what is on its way, and whoever lands that may have ended.
            if !matches!(job, Job::Vote(_)) {
                self.land_all_queued();
            }
            let rest = match job {
                Job::Append(entries) if self.wal.prefers_placing() => self.place_all(entries, done, &turn),
                Job::Append(entries) => self.append(entries, done),
                Job::Vote(vote) => self.change(done, || self.wal.save_vote(&vote)),
                Job::Truncate(index) => self.change(done, || self.wal.truncate_since(index)),
                Job::Purge(upto) => self.change(done, || self.wal.purge_upto(upto)),
                Job::WriteAgain => Rest::Nothing, // landed above
            };
            drop(turn);
            match rest {
                Rest::Nothing => {}
                Rest::Sync => self.sync_unless_somebody_does(),
                Rest::Write(mut placed) => self.write(&mut placed),
            }
        }
    }

    /// Does anything that is durable when it is done.
    fn change(&self, done: Done, change: impl Fn() -> Result<(), tidemill_wal::Error>) -> Rest {
        done.tell(self.stop_on(self.persist(change)).map_err(io::Error::other));
        Rest::Nothing
    }

    /// Writes entries through the page cache.
    fn append(&self, entries: Vec<EntryFrame>, done: Done) -> Rest {
        // The proposer has left the reserve alone already; what is in Raft's hands has to go on.
        let result = self.persist(|| self.wal.append(entries.clone(), Space::Reserve));
        let result = result.and_then(|()| self.crash_point("journal: written, not synced"));
        if let Err(error) = self.stop_on(result) {
            done.tell(Err(io::Error::other(error)));
            return Rest::Nothing;
        }
        let mut unsettled = self.unsettled.lock();
        unsettled.waiting.push_back((last_of(&entries), done));
        unsettled.is_sync_due = true;
        Rest::Sync
    }

    /// Gives entries, and those that wait behind them, their place.
    fn place_all(&self, entries: Vec<EntryFrame>, done: Done, turn: &Turn<'_, (Job, Done)>) -> Rest {
        let room = WRITE_BYTES.saturating_sub(frame_bytes(&entries));
        let mut appends = vec![(entries, done)];
        appends.extend(turn.waiting(|waiting| Front::of(waiting, room).take()));
        self.place(appends).map_or(Rest::Nothing, Rest::Write)
    }

    /// Gives entries their place, one after another.
    fn place(&self, appends: Appends) -> Option<Placed> {
        let (mut waiting, mut entries) = (Vec::new(), Vec::new());
        for (further, done) in appends {
            waiting.push((last_of(&further), done));
            entries.extend(further);
        }
        let placed = self.persist(|| self.wal.place(entries.clone(), Space::Reserve));
        let placed = placed.and_then(|placed| {
            self.crash_point("journal: placed, not written")?;
            Ok(placed)
        });
        match self.stop_on(placed) {
            Ok(placed) => {
                self.unsettled.lock().waiting.extend(waiting);
                Some(placed)
            }
            Err(error) => {
                let result = Err(error.to_string());
                Done::tell_all(waiting.into_iter().map(|(_, done)| done).collect(), &result);
                None
            }
        }
    }

    fn write(&self, placed: &mut Placed) {
        self.settle(self.persist(|| placed.write()));
        self.wal.trim_page_cache();
    }

    /// Syncs until nothing waits for it.
    fn sync_unless_somebody_does(&self) {
        if std::mem::replace(&mut self.unsettled.lock().is_syncing, true) {
            return;
        }
        loop {
            {
                let mut unsettled = self.unsettled.lock();
                if !std::mem::take(&mut unsettled.is_sync_due) {
                    unsettled.is_syncing = false;
                    return;
                }
            }
            self.settle(self.wal.sync());
            self.wal.trim_page_cache();
        }
    }

    /// Tells those whose entries are durable; all, if there is an end to that.
    fn settle(&self, synced: Result<Synced, tidemill_wal::Error>) {
        let synced = synced.and_then(|synced| {
            self.crash_point("journal: synced, not applied")?;
            Ok(synced)
        });
        let synced = self.stop_on(synced);
        let upto = match &synced {
            Ok(synced) => synced.upto,
            Err(_) => Some(u64::MAX),
        };
        {
            let _telling = self.telling.lock();
            let settled = {
                let mut unsettled = self.unsettled.lock();
                let settled = unsettled.waiting.partition_point(|(last, _)| Some(*last) <= upto);
                unsettled.waiting.drain(..settled).map(|(_, done)| done).collect()
            };
            Done::tell_all(settled, &synced.as_ref().map(|_| ()).map_err(ToString::to_string));
        }
        if let (Ok(synced), Some(spare)) = (synced, &*self.spare.lock()) {
            spare.synced(synced.bytes);
        }
        if let Some(queued) = &self.queued {
            queued.changed();
        }
    }

    fn end(&self) {
        self.land_all_queued();
        let spare = self.spare.lock().take();
        if let Some(spare) = spare {
            spare.end();
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
    fn persist<T>(
        &self,
        mut write: impl FnMut() -> Result<T, tidemill_wal::Error>,
    ) -> Result<T, tidemill_wal::Error> {
        let mut pause = FIRST_RETRY;
        let mut is_stalled = false;
        loop {
            let written = write();
            match written {
                Err(error @ (tidemill_wal::Error::DiskFull { .. } | tidemill_wal::Error::Io { .. }))
                    if !self.health.is_closing() =>
                {
                    if self.health.stalled().is_none() {
                        tracing::error!(%error, "the log cannot be written; trying again until it can");
                    }
                    if !std::mem::replace(&mut is_stalled, true) {
                        self.stalled.fetch_add(1, Ordering::SeqCst);
                    }
                    self.health.stall(error.to_string());
                }
                over => {
                    let others = self.stalled.fetch_sub(usize::from(is_stalled), Ordering::SeqCst);
                    if over.is_ok() && others == usize::from(is_stalled) {
                        self.health.recovered();
                    }
                    return over;
                }
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LAST_RETRY);
        }
    }
}
