//! The handle.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tidemill_disk::Disk;
use tidemill_state::{Command, Outcome, PartitionId, State};
use tidemill_wal::{HotRead, Pin, TimestampHit, Usage};
use tokio::task::JoinHandle;

use crate::checkpoint::Checkpointer;
use crate::health::Health;
use crate::hot::wal_partition;
use crate::machine::Machine;
use crate::proposer::{Inbox, Pending};
use crate::raft::Node;
use crate::standing::Standing;
use crate::{Error, Listener, Options, ReadError, open};

/// One replica of a journal. Cheap to clone; the last clone dropped ends it, less gently than
/// [`Journal::shutdown`] does.
#[derive(Clone)]
pub struct Journal {
    pub(crate) parts: Arc<Parts>,
}

/// What a running journal consists of.
pub(crate) struct Parts {
    pub(crate) journal_id: u32,
    pub(crate) node_id: u64,
    pub(crate) health: Arc<Health>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) machine: Arc<Machine>,
    pub(crate) node: Node,
    pub(crate) checkpointer: Checkpointer,
    pub(crate) ending: tokio::sync::Mutex<Option<(JoinHandle<()>, std::thread::JoinHandle<()>)>>,
    pub(crate) next_submitter: AtomicU64,
}

/// Submits commands that keep their order among each other even where they concern different
/// partitions, as those of one connection must. [`Journal::submit`] promises it per partition only.
#[derive(Clone)]
pub struct Submitter {
    journal: Journal,
    id: u64,
}

impl Journal {
    /// Opens a journal: loads the last checkpoint, applies what the log has after it, and starts.
    ///
    /// Where `options.voters` is this node alone it leads when this returns; otherwise an election
    /// is on its way.
    pub async fn open(
        options: Options,
        disk: Arc<dyn Disk>,
        listener: Arc<dyn Listener>,
    ) -> Result<Journal, Error> {
        open::open(options, disk, listener).await
    }

    /// Which journal this is.
    pub fn id(&self) -> u32 {
        self.parts.journal_id
    }

    /// Queues a command at once, behind those submitted before for the same partition. The future
    /// resolves when the command is on disk (of a majority) and applied. Refused where too much
    /// waits already: see [`Journal::room`].
    pub fn submit(&self, command: Command) -> Pending {
        self.parts.inbox.submit(command, None)
    }

    /// Waits for room, submits, and waits for the outcome.
    pub async fn propose(&self, command: Command) -> Result<Outcome, Error> {
        self.room().await;
        self.submit(command).await
    }

    /// Waits until less waits than `queue_bytes`. Whoever awaits this before each
    /// [`Journal::submit`] is slowed down to the speed of the disk instead of being refused.
    pub async fn room(&self) {
        self.parts.inbox.room().await;
    }

    /// A way to submit that keeps the order of commands for different partitions too.
    pub fn submitter(&self) -> Submitter {
        let id = self.parts.next_submitter.fetch_add(1, Ordering::Relaxed);
        Submitter { journal: self.clone(), id }
    }

    /// Looks at the state. Apply waits meanwhile, so look briefly.
    pub fn state<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        self.parts.machine.state(look)
    }

    /// Reads batches that are still in the log, from the one that contains `offset` on: up to
    /// `max_bytes`, and with `at_least_one` one batch however large. Never beyond what is applied.
    /// May read from disk: keep it off network threads.
    pub fn read_hot(
        &self,
        partition: &PartitionId,
        offset: i64,
        max_bytes: usize,
        at_least_one: bool,
    ) -> Result<HotRead, ReadError> {
        self.parts.machine.read_hot(partition, offset, max_bytes, at_least_one)
    }

    /// As [`Journal::read_hot`], where that takes neither the disk nor much time, so that a network thread
    /// may ask; none where it would.
    pub fn read_hot_cached(
        &self,
        partition: &PartitionId,
        offset: i64,
        max_bytes: usize,
        at_least_one: bool,
    ) -> Result<Option<HotRead>, ReadError> {
        self.parts.machine.read_hot_cached(partition, offset, max_bytes, at_least_one)
    }

    /// The first hot batch with a record as late as `timestamp_ms`. Which record is found inside.
    pub fn offset_for_timestamp(
        &self,
        partition: &PartitionId,
        timestamp_ms: i64,
    ) -> Result<Option<TimestampHit>, ReadError> {
        let hot = self.parts.machine.wal.hot();
        Ok(hot.offset_for_timestamp(wal_partition(partition), timestamp_ms)?)
    }

    /// The hot batch with the largest timestamp, the earliest of equals.
    pub fn max_timestamp(&self, partition: &PartitionId) -> Result<Option<TimestampHit>, ReadError> {
        let hot = self.parts.machine.wal.hot();
        Ok(hot.max_timestamp(wal_partition(partition))?)
    }

    /// The first offset of a partition that is in the log.
    pub fn hot_start(&self, partition: &PartitionId) -> Option<i64> {
        self.parts.machine.wal.hot().start(wal_partition(partition))
    }

    /// Bytes of a partition's hot batches.
    pub fn hot_bytes(&self, partition: &PartitionId) -> u64 {
        self.parts.machine.wal.hot().bytes(wal_partition(partition))
    }

    /// How much disk the log takes, and who keeps it from shrinking.
    pub fn usage(&self) -> Usage {
        self.parts.machine.wal.usage()
    }

    /// The partitions that keep the `files` oldest closed log files, the largest first.
    pub fn pins(&self, files: usize) -> Vec<Pin> {
        self.parts.machine.wal.pins(files)
    }

    /// Bytes of commands that wait to be proposed.
    pub fn queued_bytes(&self) -> usize {
        self.parts.inbox.bytes()
    }

    /// Writes a checkpoint of everything applied so far, if anything changed, and deletes the log
    /// files that are not needed any more.
    pub async fn checkpoint_now(&self) -> Result<(), Error> {
        self.parts.checkpointer.now().await
    }

    /// The node that leads this journal, as far as this one knows.
    pub fn leader(&self) -> Option<u64> {
        self.parts.node.leader()
    }

    /// How far the journal has come.
    pub fn standing(&self) -> Standing {
        self.parts.node.standing()
    }

    /// Whether this node leads this journal, as far as it knows.
    pub fn is_leader(&self) -> bool {
        self.leader() == Some(self.parts.node_id)
    }

    /// Why the journal has stopped for good, if it has.
    pub fn stopped(&self) -> Option<String> {
        self.parts.health.stopped().map(str::to_owned)
    }

    /// Why the disk takes no writes at the moment, if it does not.
    pub fn stalled(&self) -> Option<String> {
        self.parts.health.stalled()
    }

    /// Answers another replica's request.
    pub async fn receive(&self, request: Bytes) -> Result<Bytes, Error> {
        self.parts.node.receive(request).await
    }

    /// Ends the journal: what waits is refused, what is on its way finishes, a last checkpoint is
    /// written. Only after this may the same folder be opened again in the same process.
    pub async fn shutdown(&self) {
        self.parts.health.close();
        let Some((proposer, writer)) = self.parts.ending.lock().await.take() else {
            return;
        };
        let proposed = proposer.await;
        self.parts.checkpointer.finish().await;
        self.parts.node.shutdown().await;
        let machine = self.parts.machine.clone();
        let written = tokio::task::spawn_blocking(move || {
            machine.close();
            writer.join().is_ok()
        });
        let written = written.await;
        if proposed.is_err() || !written.unwrap_or(false) {
            tracing::error!(journal = self.parts.journal_id, "a part of the journal panicked");
        }
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        self.health.close();
    }
}

impl Submitter {
    /// As [`Journal::submit`], behind everything this submitter has submitted before.
    pub fn submit(&self, command: Command) -> Pending {
        self.journal.parts.inbox.submit(command, Some(self.id))
    }

    /// The journal.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }
}
