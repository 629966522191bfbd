//! An operation: what a client asked for, when, and what it was told.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Partition(pub String, pub i32);

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

/// Offsets by partition; pairs, because a JSON object's keys are strings.
pub type Positions = Vec<(Partition, i64)>;

/// What a consumer wants to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// Everything up to the high watermark.
    Uncommitted,
    /// Committed records up to the last stable offset.
    Committed,
}

/// A record as a consumer saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its offset.
    pub offset: i64,
    /// The value it was sent with; no two sends have the same.
    pub value: u64,
    /// Checksum of all a consumer sees of it: key, bytes, timestamp and headers.
    pub digest: u32,
}

/// Where a send went, as far as the producer was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// None if the broker recognised a retry whose offset it no longer knew.
    pub offset: Option<i64>,
}

/// The ends of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watermarks {
    /// Offset after the last record that any consumer may see.
    pub high_watermark: i64,
    /// Offset of the first record of an open transaction, or the high watermark.
    pub last_stable_offset: i64,
}

/// What a client asks for. Transactions have numbers that no two of them share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// Taking a transactional id, and fencing whoever has it.
    Init {
        /// The id.
        transactional_id: String,
    },
    /// One record.
    Send {
        /// The transaction it belongs to.
        transaction: Option<u64>,
        /// Where to.
        partition: Partition,
        /// The record.
        value: u64,
        /// The record's value that this one is the copy of, where copying is to happen exactly once.
        copy_of: Option<u64>,
    },
    /// A group's position, to be committed with a transaction.
    SendOffsets {
        /// The transaction.
        transaction: u64,
        /// The group.
        group: String,
        /// Where it is to go on.
        positions: Positions,
    },
    /// Committing a transaction.
    Commit {
        /// Which.
        transaction: u64,
    },
    /// Aborting a transaction.
    Abort {
        /// Which.
        transaction: u64,
    },
    /// From here on the consumer reads these partitions from these offsets; where a group gave it
    /// the partitions, from wherever the group stands (-1).
    Assign {
        /// The partitions, instead of those that it had.
        positions: Positions,
    },
    /// The next record of this partition is to be this one.
    Seek {
        /// The partition.
        partition: Partition,
        /// The offset.
        offset: i64,
    },
    /// Whatever there is next.
    Poll {
        /// Which records it may see.
        isolation: Isolation,
    },
    /// A group's position, outside of transactions.
    CommitOffsets {
        /// The group.
        group: String,
        /// Where it is to go on.
        positions: Positions,
    },
    /// A group's stable positions.
    FetchOffsets {
        /// The group.
        group: String,
    },
    /// A partition's ends.
    Watermarks {
        /// Which partition.
        partition: Partition,
    },
    /// Everything in a partition, when nobody writes any more and no transaction is open.
    ReadAll {
        /// Which partition.
        partition: Partition,
        /// Which records.
        isolation: Isolation,
        /// Whether all of it was sealed, and the broker restarted, before.
        archived: bool,
    },
    /// The broker's own verdict on a topic's archived objects.
    Verify {
        /// The topic.
        topic: String,
    },
    /// What was done to the broker.
    Nemesis(String),
}

/// What a client is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It was done.
    Done,
    /// To a send.
    Delivered(Delivery),
    /// To a poll, and to reading everything.
    Records(PartitionRecords),
    /// To a fetch of offsets.
    Positions(Positions),
    /// To a look at a partition's ends.
    Watermarks(Watermarks),
    /// To a verification: what did not check out.
    Problems(Vec<String>),
}

/// Records by partition, in the order in which they came.
pub type PartitionRecords = Vec<(Partition, Vec<Record>)>;

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It happened.
    Ok(Answer),
    /// It did not happen.
    Failed(String),
    /// It may have happened, or may still happen.
    Unknown(String),
}

/// One operation. Moments are numbers of the history's lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Which client; each is named once, so that its operations are one behind the other.
    pub process: String,
    /// What it asked for.
    pub call: Call,
    /// When it asked.
    pub invoked: u64,
    /// When it was told; never, if the history ends before.
    pub completed: Option<u64>,
    /// What it was told.
    pub outcome: Outcome,
}

impl Operation {
    /// The answer, if it happened.
    pub fn answer(&self) -> Option<&Answer> {
        match &self.outcome {
            Outcome::Ok(answer) => Some(answer),
            Outcome::Failed(_) | Outcome::Unknown(_) => None,
        }
    }

    /// Whether it happened.
    pub fn is_ok(&self) -> bool {
        self.answer().is_some()
    }

    /// Whether it certainly did not happen.
    pub fn failed(&self) -> bool {
        matches!(self.outcome, Outcome::Failed(_))
    }

    /// Whether it was told of its end before the given moment.
    pub fn ended_before(&self, moment: u64) -> bool {
        self.completed.is_some_and(|completed| completed < moment)
    }
}

/// Records put together by partition.
pub fn by_partition(records: impl IntoIterator<Item = (Partition, Record)>) -> PartitionRecords {
    let mut found: BTreeMap<Partition, Vec<Record>> = BTreeMap::new();
    for (partition, record) in records {
        found.entry(partition).or_default().push(record);
    }
    found.into_iter().collect()
}
