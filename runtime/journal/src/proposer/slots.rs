//! Entries on their way to disk, and how large they are together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// How many there are.
#[derive(Default)]
pub(crate) struct Slots {
    taken: AtomicUsize,
    bytes: AtomicUsize,
    left: Notify,
}

/// One of them; gone when it is decided.
pub(crate) struct Slot {
    slots: Arc<Slots>,
    /// How many there were before it.
    pub(crate) others: usize,
    bytes: usize,
}

impl Slot {
    /// Says how large the entry is.
    pub(crate) fn holds(&mut self, bytes: usize) {
        self.slots.bytes.fetch_add(bytes, Ordering::AcqRel);
        self.bytes += bytes;
    }
}

impl Slots {
    /// Takes one unless there are `limit` already. One task at a time takes slots.
    pub(crate) fn take(self: &Arc<Slots>, limit: usize) -> Option<Slot> {
        let others = self.taken.load(Ordering::Acquire);
        if others >= limit {
            return None;
        }
        self.taken.fetch_add(1, Ordering::AcqRel);
        Some(Slot { slots: self.clone(), others, bytes: 0 })
    }

    /// How large all are that are on their way.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Acquire)
    }

    /// Whether all are gone.
    pub(crate) fn is_empty(&self) -> bool {
        self.taken.load(Ordering::Acquire) == 0
    }

    /// Waits until one is gone since this was last called.
    pub(crate) async fn left(&self) {
        self.left.notified().await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.bytes.fetch_sub(self.bytes, Ordering::AcqRel);
        self.slots.taken.fetch_sub(1, Ordering::AcqRel);
        self.slots.left.notify_one();
    }
}
