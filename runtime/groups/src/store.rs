//! What the coordinator asks of whoever keeps groups: the contract that the broker fulfils over the
//! journal, and [`MemoryStore`](crate::MemoryStore) in tests.

use async_trait::async_trait;
use uuid::Uuid;

/// A partition that a group commits offsets of. Of one topic incarnation: a topic deleted and
/// created again has another id, and the old offsets do not apply to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OffsetKey {
    /// The topic's id.
    pub topic_id: Uuid,
    /// The partition's number.
    pub partition: i32,
}

/// An offset that a group committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// Of which partition.
    pub key: OffsetKey,
    /// The next offset the group will read.
    pub offset: i64,
    /// Leader epoch of the last record consumed, or -1.
    pub leader_epoch: i32,
    /// The client's note.
    pub metadata: String,
}

/// A group found in the store at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredGroup {
    /// The group's id.
    pub group_id: String,
    /// What was last put, or none if the group only ever committed offsets.
    pub snapshot: Option<Vec<u8>>,
}

/// Why the store could not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It may work later (overloaded, disk full, not the leader now).
    #[error("the group store is not available: {0}")]
    Unavailable(String),
    /// It will never work this way.
    #[error("the group store refuses: {0}")]
    Refused(String),
}

/// Keeps groups and their offsets. Every call that changes something returns when the change is
/// durable. Calls for one group are not made concurrently, except for offsets.
#[async_trait]
pub trait GroupStore: Send + Sync + 'static {
    /// All groups, for the start of the coordinator.
    async fn load(&self) -> Result<Vec<StoredGroup>, StoreError>;
    /// Replaces a group's snapshot.
    async fn put_group(&self, group_id: &str, snapshot: Vec<u8>) -> Result<(), StoreError>;
    /// Forgets a group and its offsets. Nothing happens if there is none.
    async fn delete_group(&self, group_id: &str) -> Result<(), StoreError>;
    /// Forgets a group's snapshot. Answers whether the group is gone with it; one that has offsets
    /// is not.
    async fn retire_group(&self, group_id: &str) -> Result<bool, StoreError>;
    /// Commits offsets, all or nothing. `retention_ms` says how long they are kept, if the client does.
    async fn commit_offsets(
        &self,
        group_id: &str,
        offsets: Vec<CommittedOffset>,
        retention_ms: Option<i64>,
    ) -> Result<(), StoreError>;
    /// The committed offsets of the given partitions, or of all partitions that have one, in any
    /// order; partitions without one are left out.
    async fn fetch_offsets(
        &self,
        group_id: &str,
        keys: Option<Vec<OffsetKey>>,
    ) -> Result<Vec<CommittedOffset>, StoreError>;
    /// Forgets the committed offsets of some partitions.
    async fn delete_offsets(&self, group_id: &str, keys: Vec<OffsetKey>) -> Result<(), StoreError>;
}
