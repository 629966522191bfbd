//! What has to be looked at, gathered for the one task that looks after the archive.
//!
//! The journals' apply tasks put in what changed (a lock, a map entry) and ring at most once; the
//! scheduler takes everything out at once. Nothing gathers for partitions that see no records.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tidemill_state::{ArchivedObject, PartitionId};
use tokio::sync::{Notify, watch};

/// How long a producer waits for sealing to make room.
const LONGEST_BRAKE: Duration = Duration::from_secs(10);

/// What has changed since the scheduler last looked.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Bytes appended.
    pub(super) grown: HashMap<PartitionId, u64>,
    /// Partitions whose settings changed.
    pub(super) look_at: HashSet<PartitionId>,
    /// Partitions to be sealed up to an offset, by command.
    pub(super) wanted: HashMap<PartitionId, i64>,
    /// Partitions that are gone.
    pub(super) closed: Vec<PartitionId>,
    /// Paths of objects out of every reader's reach.
    pub(super) garbage: Vec<String>,
}

/// The way to the scheduler, and what it makes known.
#[derive(Default)]
pub(crate) struct Housekeeping {
    changes: Mutex<Changes>,
    ring: Notify,
    trouble: Mutex<Option<String>>,
    /// Tests hold partitions back as an open transaction would: nothing from an offset on is sealed.
    #[cfg(test)]
    pub(super) held_back: Mutex<HashMap<PartitionId, i64>>,
    /// Journals whose log nears its bound.
    full: watch::Sender<HashSet<u32>>,
    /// Rung after every attempt to seal.
    pub(super) progress: Notify,
    /// Partitions that somebody waits for, and why the last attempt failed if it did.
    pub(super) waited_for: Mutex<HashMap<PartitionId, Option<String>>>,
}

impl Housekeeping {
    /// Records were appended.
    pub(crate) fn grew(&self, partition: PartitionId, bytes: u64) {
        let mut changes = self.changes.lock();
        let first = changes.grown.is_empty();
        *changes.grown.entry(partition).or_default() += bytes;
        drop(changes);
        if first {
            self.ring.notify_one();
        }
    }

    /// A partition's settings changed.
    pub(crate) fn look_at(&self, partitions: impl Iterator<Item = PartitionId>) {
        self.changes.lock().look_at.extend(partitions);
        self.ring.notify_one();
    }

    /// A partition is to be sealed up to an offset now.
    pub(super) fn want(&self, partition: PartitionId, upto: i64) {
        self.changes.lock().wanted.insert(partition, upto);
        self.ring.notify_one();
    }

    /// A partition is gone.
    pub(crate) fn closed(&self, partition: PartitionId) {
        self.changes.lock().closed.push(partition);
        self.ring.notify_one();
    }

    /// Objects are out of reach; they are deleted after a grace time.
    pub(crate) fn discard(&self, objects: &[Arc<ArchivedObject>]) {
        if !objects.is_empty() {
            self.changes.lock().garbage.extend(objects.iter().map(|object| object.path.clone()));
            self.ring.notify_one();
        }
    }

    /// An object that nobody committed.
    pub(super) fn discard_path(&self, path: String) {
        self.changes.lock().garbage.push(path);
        self.ring.notify_one();
    }

    /// Sealing a partition failed; whoever waits for it wants to know.
    pub(super) fn failed(&self, partition: PartitionId, reason: String) {
        if let Some(known) = self.waited_for.lock().get_mut(&partition) {
            *known = Some(reason);
        }
    }

    /// Why archiving does not work at the moment, if it does not.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.trouble.lock().clone()
    }

    /// Says that archiving fails, or works again.
    pub(super) fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock() = trouble;
    }

    /// Says which journals' logs near their bounds.
    pub(super) fn set_full(&self, full: HashSet<u32>) {
        self.full.send_if_modified(|current| {
            let changed = *current != full;
            *current = full;
            changed
        });
    }

    /// Waits while a journal's log nears its bound, so that producers slow down to the speed of
    /// sealing. Not for ever: then the journal itself refuses, and says why.
    pub(crate) async fn room(&self, journal: u32) {
        if !self.full.borrow().contains(&journal) {
            return;
        }
        let mut full = self.full.subscribe();
        let emptied = full.wait_for(|full| !full.contains(&journal));
        // Whether it emptied or time ran out, the journal has the last word.
        let _ = tokio::time::timeout(LONGEST_BRAKE, emptied).await;
    }

    pub(super) fn take(&self) -> Changes {
        std::mem::take(&mut *self.changes.lock())
    }

    /// Waits until something has changed.
    pub(super) async fn rung(&self) {
        self.ring.notified().await;
    }
}
