//! What the journals tell, passed on to whoever it concerns.

use std::sync::Arc;

use parking_lot::RwLock;
use tidemill_journal::Listener;
use tidemill_state::{Effect, OutboxStream, PartitionId};

use crate::archive::Housekeeping;
use crate::fetch::Waiters;

/// Told when partitions advance. Called from the journals' apply tasks: must not block, and must not
/// call back into the broker other than through a channel.
pub trait PartitionListener: Send + Sync + 'static {
    /// Records below `high_watermark` can be read.
    fn advanced(&self, partition: PartitionId, high_watermark: i64);
    /// A function's outputs for another journal wait to be delivered.
    fn outbox_queued(&self, journal: u32, stream: OutboxStream) {
        let _ = (journal, stream);
    }
    /// A partition ended.
    fn closed(&self, partition: PartitionId) {
        let _ = partition;
    }
}

/// One journal's listener.
pub(crate) struct Fanout {
    pub(crate) journal: u32,
    pub(crate) waiters: Arc<Waiters>,
    pub(crate) housekeeping: Arc<Housekeeping>,
    pub(crate) others: Arc<RwLock<Vec<Arc<dyn PartitionListener>>>>,
}

impl Listener for Fanout {
    fn advanced(&self, partition: PartitionId, high_watermark: i64) {
        self.waiters.wake(&partition);
        for other in self.others.read().iter() {
            other.advanced(partition, high_watermark);
        }
    }

    fn effect(&self, effect: &Effect) {
        match effect {
            Effect::BatchAppended(batch) => {
                self.housekeeping.grew(batch.partition, u64::from(batch.size_bytes))
            }
            Effect::Trimmed { partition, garbage, .. } => {
                self.waiters.wake(partition);
                self.housekeeping.discard(garbage);
            }
            Effect::PartitionClosed { partition, garbage } => {
                self.waiters.wake(partition);
                self.housekeeping.discard(garbage);
                self.housekeeping.closed(*partition);
                for other in self.others.read().iter() {
                    other.closed(*partition);
                }
            }
            Effect::OutboxQueued { stream, .. } => {
                for other in self.others.read().iter() {
                    other.outbox_queued(self.journal, *stream);
                }
            }
            Effect::ArchiveCommitted { .. } | Effect::PartitionOpened(_) | Effect::MetadataChanged(_) => {}
        }
    }
}
