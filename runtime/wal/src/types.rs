//! The values that cross the crate's border.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use uuid::Uuid;

use crate::frame::FRAME_HEADER_BYTES;

/// Where an entry stands in the replicated log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LogId {
    /// Raft term of the leader that proposed it.
    pub term: u64,
    /// That leader.
    pub node_id: u64,
    /// Position, without gaps.
    pub index: u64,
}

/// One partition of one topic incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WalPartition {
    /// The topic's id.
    pub topic_id: Uuid,
    /// The partition's number within the topic.
    pub partition: i32,
}

/// An entry to append.
#[derive(Clone, Debug)]
pub struct EntryFrame {
    /// Its place: one after the entry before.
    pub log_id: LogId,
    /// Its payload in pieces, written one after another without being copied together.
    pub parts: Vec<Bytes>,
}

impl EntryFrame {
    /// Length of the payload in bytes.
    #[must_use]
    pub fn payload_len(&self) -> usize {
        self.parts.iter().map(Bytes::len).sum()
    }

    /// Bytes of its frame in the log.
    #[must_use]
    pub fn frame_bytes(&self) -> usize {
        FRAME_HEADER_BYTES + self.payload_len()
    }
}

/// An entry as read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEntry {
    /// Its place.
    pub log_id: LogId,
    /// Its payload: the very parts it was appended with if it is still cached, one part if it came
    /// from the disk.
    pub parts: Vec<Bytes>,
}

impl StoredEntry {
    /// The payload in one piece; copies only if there is more than one part.
    #[must_use]
    pub fn payload(&self) -> Bytes {
        match self.parts.as_slice() {
            [] => Bytes::new(),
            [only] => only.clone(),
            parts => {
                let mut joined = BytesMut::with_capacity(self.payload_len());
                parts.iter().for_each(|part| joined.extend_from_slice(part));
                joined.freeze()
            }
        }
    }

    /// Length of the payload in bytes.
    #[must_use]
    pub fn payload_len(&self) -> usize {
        self.parts.iter().map(Bytes::len).sum()
    }
}

/// What was made durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Synced {
    /// Bytes that were not durable before.
    pub bytes: u64,
    /// The last entry that is durable, with everything before it.
    pub upto: Option<u64>,
}

/// Whether a write may use the space that is kept for making space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// Producers' data: refused when only the reserve is left.
    Normal,
    /// Small commands that let the log shrink (archive commits, trims, progress) or keep it alive.
    Reserve,
}

/// Where a batch went, told by the journal after applying its entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HotBatch {
    /// Whose batch it is.
    pub partition: WalPartition,
    /// The offset that apply gave its first record.
    pub base_offset: i64,
    /// Offset of its last record.
    pub last_offset: i64,
    /// Leader epoch to patch in on the way out.
    pub leader_epoch: i32,
    /// Largest timestamp in the batch.
    pub max_timestamp_ms: i64,
    /// Index of the entry that carries it.
    pub entry_index: u64,
    /// Where in the entry's payload its bytes are.
    pub range: Range<usize>,
}

/// What [`Wal::open`](crate::Wal::open) found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Index of the first entry that can be read.
    pub first_index: Option<u64>,
    /// The last entry, or the purge position if there is none after it.
    pub last: Option<LogId>,
    /// The purge position.
    pub purged: Option<LogId>,
    /// The last saved vote.
    pub vote: Option<Vec<u8>>,
    /// Batches of entries up to here are in the hot index already. The caller's checkpoint must not
    /// be newer than this if it has applied anything; it replays (and indexes) from its checkpoint.
    pub indexed: Option<u64>,
    /// The torn tail that was cut off the newest file.
    pub cut: Option<TornTail>,
}

/// Unsynced bytes that a crash left at the end of the newest file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// The file's name.
    pub file: String,
    /// Where it was cut.
    pub position: u64,
    /// Why the first frame there did not count.
    pub reason: String,
}

/// The ends of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogBounds {
    /// Entries up to here are gone for readers of the log.
    pub purged: Option<LogId>,
    /// The last entry, or the purge position if there is none after it.
    pub last: Option<LogId>,
}
