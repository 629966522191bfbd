//! What an applied command did that somebody outside of the state has to know: where batches went,
//! which partitions woke, which objects became garbage. Effects are derived, never stored.

use std::sync::Arc;

use uuid::Uuid;

use crate::{ArchivedObject, OutboxStream, PartitionId};

/// One consequence of an applied command, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// A batch of the command now has its offsets; the hot store indexes it.
    BatchAppended(BatchAppended),
    /// A partition opened here, or its settings changed.
    PartitionOpened(PartitionId),
    /// A partition ended; its hot batches may go.
    PartitionClosed {
        /// Which.
        partition: PartitionId,
        /// Its archived objects, now garbage.
        garbage: Vec<Arc<ArchivedObject>>,
    },
    /// A partition's log start offset rose.
    Trimmed {
        /// Which.
        partition: PartitionId,
        /// The new log start offset; hot batches wholly below may go.
        log_start_offset: i64,
        /// Archived objects wholly below it, now garbage.
        garbage: Vec<Arc<ArchivedObject>>,
    },
    /// A partition's archived end rose; hot batches below it may go.
    ArchiveCommitted {
        /// Which.
        partition: PartitionId,
        /// The new archived end (exclusive).
        archived_end: i64,
        /// The object that now counts.
        object: Arc<ArchivedObject>,
    },
    /// Messages wait in an outbox.
    OutboxQueued {
        /// Which stream.
        stream: OutboxStream,
        /// Highest sequence number waiting.
        last_sequence: u64,
    },
    /// The control plane changed.
    MetadataChanged(MetadataChange),
}

/// Where a batch of a command went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchAppended {
    /// The partition.
    pub partition: PartitionId,
    /// The offset of its first record.
    pub base_offset: i64,
    /// The offset of its last record.
    pub last_offset: i64,
    /// The leader epoch to patch in.
    pub leader_epoch: i32,
    /// Largest record timestamp in the batch.
    pub max_timestamp_ms: i64,
    /// Its size.
    pub size_bytes: u32,
    /// Which append of the command (outputs of a function's step count from 0).
    pub append: u32,
    /// Which batch of that append.
    pub batch: u32,
}

/// What of the control plane changed. The new value, if any, is in [`crate::Metadata`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetadataChange {
    /// The cluster got its id.
    Cluster,
    /// A topic was created, altered or deleted.
    Topic(Uuid),
    /// A function was deployed, altered or deleted.
    Function(Uuid),
    /// A group was placed.
    Group(Arc<str>),
    /// Settings of brokers changed.
    BrokerConfigs,
    /// Quotas of clients changed.
    ClientQuotas,
    /// Subscriptions to metrics of clients changed.
    ClientMetrics,
    /// Levels of features changed.
    Features,
}
