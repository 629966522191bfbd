//! Entries that are written without a thread that waits for the disk.
//!
//! An entry whose write waits for nothing but the disk ([`Wal::placing`]) is given its place and its write is begun by
//! whoever brings it, a task; a task of the journal is told when the write has ended, and begins what has
//! waited for that. So an entry wakes one thread, the one that answers, where a thread of the log would have to be woken
//! as well. Everything else is left to the log's threads: a new segment, a sync, a large
//! entry, a write to be repeated.
//!
//! Whoever has the turn begins writes, a task like a thread, so entries have their order. A job that has to wait for a
//! landing stays where it is, and nobody is woken: each landing is counted, and each write that is left to a thread, and
//! afterwards somebody looks at what waits. Who has looked while that happened looks once more.
//!
//! [`Wal::placing`]: tidemill_wal::Wal::placing

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tidemill_disk::{BLOCK_BYTES, WriteEnd, WriteQueue};
use tidemill_wal::{Placed, Placing};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::job::{Appends, Front};
use super::{Done, Job, Threads};

/// Most bytes of entries that are written so, with their frames: with what their first and last block have beside them
/// they are still what the queue takes at once.
const MOST_BYTES: usize = WriteQueue::MAX_BYTES - 2 * BLOCK_BYTES as usize;
/// How long a thread that waits for writes to be settled leaves those that have ended to the task.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

pub(super) struct QueuedWrites {
    queue: Arc<WriteQueue>,
    /// By their tags.
    flying: Mutex<HashMap<u64, Arc<Mutex<Flying>>>>,
    next_tag: AtomicU64,
    /// Those that a thread has to write once more.
    again: Mutex<Vec<Arc<Mutex<Flying>>>>,
    /// Writes that were begun and are not settled.
    unsettled: Arc<Count>,
    /// How often something happened that a look at the jobs before it did not see.
    changes: AtomicU64,
}

/// Tells when a write has ended.
pub(super) type Ended = AsyncFd<Arc<WriteQueue>>;

struct Flying {
    placed: Placed,
    _counted: Counted,
}

#[derive(Default)]
struct Count {
    count: Mutex<usize>,
    has_fallen: Condvar,
}

/// Counted as long as it is there.
struct Counted(Arc<Count>);

impl Counted {
    fn new(count: &Arc<Count>) -> Counted {
        *count.count.lock() += 1;
        Counted(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        *self.0.count.lock() -= 1;
        self.0.has_fallen.notify_all();
    }
}

impl QueuedWrites {
    pub(super) fn new(queue: WriteQueue) -> io::Result<(QueuedWrites, Ended)> {
        let queue = Arc::new(queue);
        #[allow(unsafe_code, reason = "tokio has no safe way to wait for a descriptor")]
        // SAFETY: a queue has the same descriptor from its beginning to its end, and this keeps the queue.
        let ended = unsafe { AsyncFd::register_with_interest(Arc::clone(&queue), Interest::READABLE) }?;
        let queued = QueuedWrites {
            queue,
            flying: Mutex::default(),
            next_tag: AtomicU64::new(0),
            again: Mutex::default(),
            unsettled: Arc::default(),
            changes: AtomicU64::new(0),
        };
        Ok((queued, ended))
    }

    /// Something has landed, whoever wrote it, or is left to a thread.
    pub(super) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }

    fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }
}

impl Drop for QueuedWrites {
    /// Ends the task that lands what has ended.
    fn drop(&mut self) {
        self.queue.wake();
    }
}

/// What can be done about the jobs that wait, in their order.
enum Outlook {
    /// These, which are taken, can be begun together.
    Begin(Appends),
    /// They have to wait for a landing.
    Wait,
    /// A thread has to do the first.
    Thread,
}

impl Threads {
    /// Begins what waits, as far as that takes no waiting; wakes a thread for the rest.
    pub(super) fn begin_what_waits(&self) {
        let Some(queued) = &self.queued else {
            return self.jobs.0.wake();
        };
        loop {
            let changes = queued.changes();
            // Whoever has the turn looks at what waits when it is over.
            let Some(turn) = self.jobs.0.turn() else {
                return;
            };
            match turn.waiting(|waiting| self.outlook(queued, waiting)) {
                Outlook::Begin(appends) => {
                    if let Some(placed) = self.place(appends) {
                        self.begin(queued, placed);
                    }
                    turn.leave();
                }
                Outlook::Wait => {
                    turn.leave();
                    // Whoever changed something in between may have found the turn taken.
                    if queued.changes() == changes {
                        return;
                    }
                }
                Outlook::Thread => return, // which wakes one
            }
        }
    }

    /// Decides and takes in one, for a write that is left to a thread is put before all others at any time.
    fn outlook(&self, queued: &QueuedWrites, waiting: &mut VecDeque<(Job, Done)>) -> Outlook {
        let front = Front::of(waiting, MOST_BYTES);
        let Some(first) = front.first_index else {
            return Outlook::Thread;
        };
        if queued.queue.is_refused() {
            return Outlook::Thread;
        }
        match self.wal.placing(first, front.bytes as u64) {
            Placing::AtOnce if queued.queue.has_room() => Outlook::Begin(front.take()),
            Placing::AtOnce | Placing::Behind => Outlook::Wait,
            Placing::Blocked => Outlook::Thread,
        }
    }

    fn begin(&self, queued: &QueuedWrites, placed: Placed) {
        let tag = queued.next_tag.fetch_add(1, Ordering::Relaxed);
        let flying = Flying { placed, _counted: Counted::new(&queued.unsettled) };
        let flying = Arc::new(Mutex::new(flying));
        queued.flying.lock().insert(tag, Arc::clone(&flying));
        // Locked, because its end may be told before this returns.
        let has_begun = flying.lock().placed.begin(&queued.queue, tag);
        if !has_begun {
            queued.flying.lock().remove(&tag);
            self.have_written_again(queued, flying);
        }
    }

    /// Has a thread write what could not be written in the queue, and say what is the matter if it still cannot be.
    fn have_written_again(&self, queued: &QueuedWrites, flying: Arc<Mutex<Flying>>) {
        queued.again.lock().push(flying);
        self.jobs.0.push_first((Job::WriteAgain, Done::call(|_| ())));
        queued.changed();
    }

    /// Settles writes that have ended.
    fn land_ended(&self, queued: &QueuedWrites) {
        for (tag, end) in queued.queue.take_ended() {
            let Some(flying) = queued.flying.lock().remove(&tag) else {
                continue;
            };
            let written = match end {
                WriteEnd::Durable => Ok(()),
                WriteEnd::Failed(error) => Err(error),
                WriteEnd::NotWritten => {
                    self.have_written_again(queued, flying);
                    continue;
                }
            };
            let synced = flying.lock().placed.ended(written);
            self.settle(synced);
        }
    }

    /// Waits, on a thread of the log, until everything that was begun is settled; writes what has to be written again.
    pub(super) fn land_all_queued(&self) {
        let Some(queued) = &self.queued else {
            return;
        };
        loop {
            let again = std::mem::take(&mut *queued.again.lock());
            for flying in again {
                self.write(&mut flying.lock().placed);
            }
            self.land_ended(queued);
            let mut unsettled = queued.unsettled.count.lock();
            if *unsettled == 0 {
                return;
            }
            if queued.again.lock().is_empty() {
                queued.unsettled.has_fallen.wait_for(&mut unsettled, LOOK_AGAIN);
            }
        }
    }
}

/// Lands what has ended, until the threads are gone.
pub(super) async fn land_what_ends(ended: Ended, threads: Weak<Threads>) {
    while let Ok(mut ready) = ended.readable().await {
        // What ends from here on makes it readable again, though nobody reads it: tokio asks for changes.
        ready.clear_ready();
        let Some(threads) = threads.upgrade() else {
            return;
        };
        if let Some(queued) = &threads.queued {
            threads.land_ended(queued);
            threads.begin_what_waits();
            threads.wal.trim_page_cache();
        }
    }
}
