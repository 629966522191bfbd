//! The commands of Kafka's transactions: records and markers of one, offsets committed in one, and
//! the coordinator's row for each transactional id.
//!
//! A transactional id counts its transactions. The *number* of a transaction goes with everything
//! that belongs to it, so that a partition or group which has seen its end recognises what comes
//! too late, although it knows nothing of the coordinator's state on another journal.

use serde::{Deserialize, Serialize};

use crate::{Append, GroupOffset, PartitionId};

/// Record batches of a transaction, for one partition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AppendTransactional {
    /// Transactional batches of one producer.
    pub append: Append,
    /// The transaction that the coordinator confirmed the partition to be in.
    pub transaction: u64,
    /// Kafka's transaction version of the client: 2 where every transaction has its own epoch.
    pub version: u8,
}

/// The marker that ends a producer's transaction in one partition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WriteMarker {
    /// One control batch, which says whose transaction ends, how, and who says so.
    pub append: Append,
    /// The transaction that ends, or 0 where only the producer is known (an operator's abort).
    pub transaction: u64,
    /// As in [`AppendTransactional`]: from 2 on the marker's epoch is above that of the records.
    pub version: u8,
}

/// Offsets of a group that count when the producer's transaction commits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommitTransactionalOffsets {
    /// The group's id.
    pub group_id: String,
    /// Whose transaction.
    pub producer_id: i64,
    /// The producer's epoch.
    pub producer_epoch: i16,
    /// The transaction that the coordinator confirmed the group to be in.
    pub transaction: u64,
    /// What to commit.
    #[serde(deserialize_with = "crate::bounded::vec")]
    pub offsets: Vec<GroupOffset>,
    /// The proposer's wall clock.
    pub now_ms: i64,
}

/// Ends a producer's transaction in a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EndGroupTransaction {
    /// The group's id.
    pub group_id: String,
    /// Whose transaction.
    pub producer_id: i64,
    /// The epoch it ends with.
    pub producer_epoch: i16,
    /// Which transaction.
    pub transaction: u64,
    /// Whether the offsets count.
    pub commit: bool,
    /// The proposer's wall clock.
    pub now_ms: i64,
}

/// Replaces the state of a transactional id, if it is still the one that the proposer saw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PutTransaction {
    /// The id.
    pub transactional_id: String,
    /// Revision that the proposer saw; 0 for an id that is new.
    pub expected_revision: u64,
    /// The new state. Apply sets its revision and coordinator epoch.
    pub transaction: TransactionState,
}

/// Forgets a transactional id that has no transaction under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeleteTransaction {
    /// The id.
    pub transactional_id: String,
    /// Revision that the proposer saw.
    pub expected_revision: u64,
}

/// Kafka's states of a transactional id, but for Dead, which is no row at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TransactionStatus {
    /// No transaction yet.
    Empty,
    /// A transaction is open.
    Ongoing,
    /// It is decided: it commits. Markers are on their way.
    PrepareCommit,
    /// It is decided: it aborts. Markers are on their way.
    PrepareAbort,
    /// The last transaction committed, everywhere.
    CompleteCommit,
    /// The last transaction aborted, everywhere.
    CompleteAbort,
}

/// What is known of a transactional id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionState {
    /// Counts the changes of this row from 1.
    pub revision: u64,
    /// Where it stands.
    pub status: TransactionStatus,
    /// The producer's id.
    pub producer_id: i64,
    /// Its epoch; -1 before the first.
    pub producer_epoch: i16,
    /// The epoch before, if a producer may ask for the bump again, else -1.
    pub last_producer_epoch: i16,
    /// The id before, if epochs were exhausted, else -1.
    pub previous_producer_id: i64,
    /// The id that follows when this transaction is complete, if epochs are exhausted, else -1.
    pub next_producer_id: i64,
    /// How long a transaction may stay open.
    pub timeout_ms: i32,
    /// Kafka's transaction version of the client.
    pub version: u8,
    /// Counts the transactions of this id from 1.
    pub number: u64,
    /// The Raft term in which this row was written.
    pub coordinator_epoch: i32,
    /// Partitions in the transaction, in rising order.
    #[serde(deserialize_with = "crate::bounded::vec")]
    pub partitions: Vec<PartitionId>,
    /// Groups in the transaction, in rising order.
    #[serde(deserialize_with = "crate::bounded::vec")]
    pub groups: Vec<String>,
    /// When the transaction began, or -1.
    pub started_at_ms: i64,
    /// When this row was last written, by the proposer's clock.
    pub updated_at_ms: i64,
}

impl TransactionStatus {
    /// Whether it is decided how the transaction ends, and not yet done.
    #[must_use]
    pub fn is_ending(self) -> bool {
        matches!(self, Self::PrepareCommit | Self::PrepareAbort)
    }

    /// Whether Kafka lets `next` follow.
    pub(crate) fn may_become(self, next: Self) -> bool {
        use TransactionStatus::{CompleteAbort, CompleteCommit, Empty, Ongoing, PrepareAbort, PrepareCommit};
        match next {
            Empty => matches!(self, Empty | CompleteCommit | CompleteAbort),
            Ongoing => matches!(self, Empty | Ongoing | CompleteCommit | CompleteAbort),
            PrepareCommit => self == Ongoing,
            PrepareAbort => matches!(self, Ongoing | Empty | CompleteCommit | CompleteAbort),
            CompleteCommit => self == PrepareCommit,
            CompleteAbort => self == PrepareAbort,
        }
    }
}
