//! The commands a journal's entries carry, and the outcome of each.
//!
//! An entry is a list of commands applied in order. Each command has its own precondition and its
//! own outcome: a rejected command has no effect and spoils no neighbour. Commands hold record
//! batches as the bytes that came from the socket; `entry.rs` says how both become one log entry.
//!
//! Nothing here reads a clock: whoever proposes a command stamps its time.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::transaction_commands::{
    AppendTransactional, CommitTransactionalOffsets, DeleteTransaction, EndGroupTransaction, PutTransaction,
    WriteMarker,
};

/// One partition of one topic *incarnation*: a topic deleted and created again has another id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PartitionId {
    /// The topic's id.
    pub topic_id: Uuid,
    /// The partition's number within the topic.
    pub partition: i32,
}

/// One thing to change, applied atomically.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Appends record batches to a partition.
    Append(Append),
    /// Makes this journal the home of a partition, or changes the settings that apply needs.
    OpenPartition(OpenPartition),
    /// Ends a partition: its hot batches, producers and manifest entries are forgotten.
    ClosePartition(PartitionId),
    /// Moves a partition's log start offset up (DeleteRecords, retention).
    Trim(Trim),
    /// Makes an uploaded object count as the archive of the offsets it covers.
    CommitArchive(CommitArchive),
    /// Commits consumer group offsets.
    CommitOffsets(CommitOffsets),
    /// Stores or removes what must survive of a group besides its offsets.
    PutGroup(PutGroup),
    /// Removes a group with its offsets.
    DeleteGroup {
        /// The group's id.
        group_id: String,
    },
    /// Forgets some offsets of a group.
    DeleteOffsets {
        /// The group's id.
        group_id: String,
        /// Which partitions' offsets.
        #[serde(deserialize_with = "crate::bounded::vec")]
        partitions: Vec<PartitionId>,
    },
    /// Opens a function's instance on an input partition, giving it its start position.
    OpenFunction(OpenFunction),
    /// Forgets a function's position, state and outbox on an input partition, and in a journal that
    /// receives from it what was taken. Only for a function that is gone: sequence numbers start
    /// again, so the same deployment id must not be opened on the same partition afterwards.
    CloseFunction(FunctionInstance),
    /// One step of a function: outputs, state changes and position, all or nothing.
    FunctionProgress(FunctionProgress),
    /// Takes delivery of outbox messages from another journal, once each.
    AcceptOutbox(AcceptOutbox),
    /// Drops outbox messages that the target journal has taken.
    OutboxDelivered(OutboxDelivered),
    /// Control plane (metadata journal only).
    Metadata(MetadataCommand),
    /// Forgets offsets of a group that nobody has committed again since they were found too old.
    ExpireOffsets(ExpireOffsets),
    /// Appends record batches of a transaction to a partition.
    AppendTransactional(AppendTransactional),
    /// Ends a transaction in a partition.
    WriteMarker(WriteMarker),
    /// Keeps offsets of a group until the transaction ends.
    CommitTransactionalOffsets(CommitTransactionalOffsets),
    /// Ends a transaction in a group.
    EndGroupTransaction(EndGroupTransaction),
    /// Changes the state of a transactional id.
    PutTransaction(PutTransaction),
    /// Forgets a transactional id.
    DeleteTransaction(DeleteTransaction),
    /// Sets how long this journal's partitions remember silent producers.
    SetProducerExpiry {
        /// For so long.
        expiry_ms: i64,
    },
    /// Commits consumer group offsets that a client of old wants to be kept until some time, and not
    /// for as long as others are.
    CommitOffsetsUntil {
        /// What to commit.
        commit: CommitOffsets,
        /// Until when, by the proposer's clock.
        expires_at_ms: i64,
    },
}

/// Record batches for one partition, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Append {
    /// Where to.
    pub partition: PartitionId,
    /// Whole, validated Kafka v2 batches. Their base offset and leader epoch fields are ignored:
    /// apply assigns the offsets, and readers patch them in.
    #[serde(skip)]
    pub batches: Vec<Bytes>,
    /// The proposer's wall clock, for producer expiry.
    pub now_ms: i64,
}

/// Opens or reconfigures a partition. Idempotent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenPartition {
    /// Which.
    pub partition: PartitionId,
    /// The topic's name, for messages and object paths.
    pub topic: String,
    /// Added to the Raft term to give the leader epoch; above every epoch seen elsewhere.
    pub leader_epoch_base: i32,
}

/// Raises the log start offset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trim {
    /// Which.
    pub partition: PartitionId,
    /// The new log start offset; never above the high watermark.
    pub log_start_offset: i64,
}

/// Compare-and-set of a partition's archived end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommitArchive {
    /// Which.
    pub partition: PartitionId,
    /// The archived end the sealer saw; another one now means another sealer won.
    pub expected_archived_end: i64,
    /// The object, covering `expected_archived_end ..= object.last_offset`.
    pub object: ArchivedObject,
}

/// A manifest entry: one live object of a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchivedObject {
    /// Path below the bucket prefix.
    pub path: String,
    /// First offset covered (there may be a gap before the first record).
    pub base_offset: i64,
    /// Last offset covered, inclusive.
    pub last_offset: i64,
    /// Object length in bytes.
    pub length_bytes: u64,
    /// CRC-32C of the whole object.
    pub crc32c: u32,
    /// Length of the Parquet footer region worth reading first, in bytes.
    pub footer_bytes: u32,
    /// Rows in the Parquet columns: committed records.
    pub row_count: u64,
    /// Key and value bytes before compression.
    pub raw_bytes: u64,
    /// Smallest record timestamp, or -1.
    pub min_timestamp_ms: i64,
    /// Largest record timestamp, or -1.
    pub max_timestamp_ms: i64,
    /// Leader epochs that begin inside the object, as (epoch, start offset).
    #[serde(deserialize_with = "crate::bounded::vec")]
    pub leader_epochs: Vec<(i32, i64)>,
    /// When it was sealed.
    pub sealed_at_ms: i64,
}

/// Offsets of one group, one command per request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommitOffsets {
    /// The group's id.
    pub group_id: String,
    /// What to commit.
    #[serde(deserialize_with = "crate::bounded::vec")]
    pub offsets: Vec<GroupOffset>,
    /// The proposer's wall clock.
    pub now_ms: i64,
}

/// A committed offset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupOffset {
    /// Of which partition.
    pub partition: PartitionId,
    /// The next offset the group will read.
    pub offset: i64,
    /// Leader epoch of the last consumed record, or -1.
    pub leader_epoch: i32,
    /// The client's note.
    pub metadata: String,
}

/// Offsets that are too old to be kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExpireOffsets {
    /// The group's id.
    pub group_id: String,
    /// Which, and when each was committed as the proposer saw it; one that was committed again
    /// since stays.
    #[serde(deserialize_with = "crate::bounded::vec")]
    pub offsets: Vec<(PartitionId, i64)>,
}

/// What must survive of a group besides its offsets, as the coordinator encodes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PutGroup {
    /// The group's id.
    pub group_id: String,
    /// The coordinator's versioned encoding; empty to forget it.
    pub snapshot: Vec<u8>,
    /// The proposer's wall clock.
    pub now_ms: i64,
}

/// One logical instance of a function: on one input partition, of one incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FunctionInstance {
    /// The deployment's id; a function deleted and deployed again has another.
    pub function_id: Uuid,
    /// Its input partition, which lives in this journal.
    pub input: PartitionId,
}

/// Gives an instance its start position. Has no effect on an instance that exists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenFunction {
    /// Which.
    pub instance: FunctionInstance,
    /// The first offset it will read.
    pub position: i64,
}

/// All effects of one guest call. Rejected whole if the position is not as expected or any output
/// cannot be appended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FunctionProgress {
    /// Who.
    pub instance: FunctionInstance,
    /// The position before the call; another one now means that another runner got ahead.
    pub expected_position: i64,
    /// The next offset to read after this command.
    pub position: i64,
    /// Outputs whose partitions live in this journal.
    #[serde(deserialize_with = "crate::bounded::vec")]
    pub outputs: Vec<Append>,
    /// Outputs for partitions of other journals, to be delivered in order.
    #[serde(deserialize_with = "crate::bounded::vec")]
    pub outbox: Vec<OutboxMessage>,
    /// Changes of the guest's state: key and new value, or none to delete.
    #[serde(deserialize_with = "crate::bounded::vec")]
    pub state_changes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// The proposer's wall clock.
    pub now_ms: i64,
}

/// An output that waits for another journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutboxMessage {
    /// The partition in the other journal.
    pub target: PartitionId,
    /// One whole Kafka v2 batch.
    pub batch: OutboxBatch,
}

/// A batch kept in state (not in the hot store) until it is delivered.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxBatch(pub Vec<u8>);

impl std::fmt::Debug for OutboxBatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OutboxBatch({} bytes)", self.0.len())
    }
}

/// The stream of messages from one function instance to one target partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OutboxStream {
    /// The sender.
    pub instance: FunctionInstance,
    /// The receiver.
    pub target: PartitionId,
}

/// Messages `first_sequence..` of a stream, appended to the target once each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AcceptOutbox {
    /// Which stream.
    pub stream: OutboxStream,
    /// Sequence number of the first batch in `append` (a stream's first is 1); those already taken
    /// are skipped, and a gap is a `Conflict`.
    pub first_sequence: u64,
    /// The batches, for `stream.target`.
    pub append: Append,
}

/// The target took everything up to and including this sequence number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutboxDelivered {
    /// Which stream.
    pub stream: OutboxStream,
    /// Highest sequence number taken.
    pub last_sequence: u64,
}

/// Control plane commands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum MetadataCommand {
    /// Names the cluster, once.
    ClaimCluster {
        /// The id, kept for ever.
        cluster_id: Uuid,
    },
    /// Creates a topic.
    CreateTopic(TopicMetadata),
    /// Removes a topic.
    DeleteTopic {
        /// Its id.
        topic_id: Uuid,
    },
    /// Adds partitions: the journals of the new ones, in order.
    AddPartitions {
        /// The topic's id.
        topic_id: Uuid,
        /// The count the caller saw.
        expected_partitions: i32,
        /// Journals of the added partitions.
        #[serde(deserialize_with = "crate::bounded::vec")]
        journals: Vec<u32>,
    },
    /// Sets (or, with none, resets) topic configs.
    AlterTopicConfigs {
        /// The topic's id.
        topic_id: Uuid,
        /// Kafka config names and values.
        #[serde(deserialize_with = "crate::bounded::vec")]
        changes: Vec<(String, Option<String>)>,
    },
    /// Hands out a block of producer ids.
    AllocateProducerIds {
        /// How many.
        count: u32,
    },
    /// Fixes the journal of a group or transactional id at its first use.
    PlaceGroup {
        /// The group's id.
        group_id: String,
        /// The proposed journal; the outcome says which one holds.
        journal: u32,
    },
    /// Deploys a function, or a new version of one that exists.
    DeployFunction(FunctionMetadata),
    /// Pauses, resumes or fails a function.
    SetFunctionStatus {
        /// Its deployment id.
        function_id: Uuid,
        /// The new status.
        status: FunctionStatus,
    },
    /// Removes a function.
    DeleteFunction {
        /// Its deployment id.
        function_id: Uuid,
    },
    /// Sets (or, with none, resets) settings of a broker or of all brokers.
    AlterBrokerConfigs {
        /// Which broker, or none for what applies to all that do not say otherwise.
        node_id: Option<i32>,
        /// Kafka config names and values.
        #[serde(deserialize_with = "crate::bounded::vec")]
        changes: Vec<(String, Option<String>)>,
    },
    /// Sets (or, with none, removes) quotas of clients.
    AlterClientQuotas {
        /// Whose.
        entity: QuotaEntity,
        /// Kafka's quota names and values.
        #[serde(deserialize_with = "crate::bounded::vec")]
        changes: Vec<(String, Option<f64>)>,
    },
    /// Sets (or, with none, resets) configs of a subscription to metrics of clients; one that has
    /// none left is gone.
    AlterClientMetrics {
        /// The subscription's name.
        name: String,
        /// Kafka config names and values.
        #[serde(deserialize_with = "crate::bounded::vec")]
        changes: Vec<(String, Option<String>)>,
    },
    /// Forgets on which journals groups and transactional ids are that no longer exist there.
    ForgetPlacements {
        /// Each with the journal that it was on; one that is elsewhere by now stays.
        #[serde(deserialize_with = "crate::bounded::vec")]
        placements: Vec<(String, u32)>,
    },
    /// Sets the level of a feature, as Kafka's UpdateFeatures does.
    SetFeatureLevel {
        /// The feature's name.
        feature: String,
        /// The new level; 0 turns it off.
        level: i16,
    },
}

/// Whom a quota is for: a combination of user and client id, or an address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct QuotaEntity {
    /// The user, if it matters.
    pub user: Option<QuotaName>,
    /// The client id, if it matters.
    pub client_id: Option<QuotaName>,
    /// The client's address, if it matters.
    pub ip: Option<QuotaName>,
}

/// One component of a [`QuotaEntity`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum QuotaName {
    /// Everybody who has no quota of their own.
    Default,
    /// One user, client id or address.
    Named(String),
}

/// A topic as the metadata journal knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicMetadata {
    /// Its name.
    pub name: String,
    /// Its id.
    pub topic_id: Uuid,
    /// The journal of each partition, by partition number.
    #[serde(deserialize_with = "crate::bounded::vec")]
    pub journals: Vec<u32>,
    /// Configs set on the topic, by Kafka name.
    #[serde(deserialize_with = "crate::bounded::map")]
    pub configs: std::collections::BTreeMap<String, String>,
    /// When it was created.
    pub created_at_ms: i64,
}

/// A deployed function as the metadata journal knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionMetadata {
    /// Its name, unique.
    pub name: String,
    /// Id of this incarnation; kept across new versions.
    pub function_id: Uuid,
    /// Counts deployments of this incarnation from 1.
    pub version: u32,
    /// Hex SHA-256 of the module.
    pub module_sha256: String,
    /// `transform` or `sink`.
    pub kind: FunctionKind,
    /// Input topic names.
    #[serde(deserialize_with = "crate::bounded::vec")]
    pub inputs: Vec<String>,
    /// Output topic names; the guest names them by position.
    #[serde(deserialize_with = "crate::bounded::vec")]
    pub outputs: Vec<String>,
    /// What the guest sees as its config.
    #[serde(deserialize_with = "crate::bounded::map")]
    pub config: std::collections::BTreeMap<String, String>,
    /// Hosts a sink may call, `host` or `host:port`.
    #[serde(deserialize_with = "crate::bounded::vec")]
    pub allow_http: Vec<String>,
    /// What to do with a record that fails.
    pub on_error: ErrorPolicy,
    /// Limits of one call and one instance.
    pub limits: FunctionLimits,
    /// Where a new instance starts.
    pub start: StartPosition,
    /// Whether it runs.
    pub status: FunctionStatus,
    /// When this version was deployed.
    pub deployed_at_ms: i64,
}

/// What a module is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FunctionKind {
    /// Topic to topics.
    Transform,
    /// Topic to the outside world.
    Sink,
}

/// What happens when a record makes a function fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ErrorPolicy {
    /// The instance stops at the record until somebody acts.
    Stop,
    /// The record is left out.
    Skip,
    /// The record goes to `<input>.<function>.dlq` with the error in its headers.
    DeadLetter,
}

/// Bounds of a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionLimits {
    /// Linear memory of one instance.
    pub memory_bytes: u64,
    /// Time one call may take.
    pub deadline_ms: u64,
    /// Output of one call.
    pub output_bytes: u64,
}

/// Where a function begins on a partition it has not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StartPosition {
    /// At the log start offset.
    Earliest,
    /// At the end, as of deployment.
    Latest,
}

/// Whether a function runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FunctionStatus {
    /// It runs.
    Running,
    /// Somebody paused it.
    Paused,
}

/// What became of a command. `Rejected` had no effect.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// `Append`: the offset of the first record, per batch in order.
    Appended(Appended),
    /// `FunctionProgress`: base offsets of the outputs, in order.
    Progressed(Vec<Appended>),
    /// `AcceptOutbox`: the highest sequence now taken.
    OutboxAccepted {
        /// Highest sequence number taken so far.
        last_sequence: u64,
    },
    /// `AllocateProducerIds`: the first of the block.
    ProducerIds {
        /// First id; the block is `first..first + count`.
        first: i64,
    },
    /// `PlaceGroup`: the journal that holds the group, maybe fixed earlier.
    GroupPlaced {
        /// The journal.
        journal: u32,
    },
    /// Everything else that worked.
    Done,
    /// The command's precondition did not hold.
    Rejected(Rejection),
}

/// The result of appending to one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Base offset of the first batch (of the original, if it is a duplicate).
    pub base_offset: i64,
    /// Offset after the last record.
    pub next_offset: i64,
    /// The partition's log start offset.
    pub log_start_offset: i64,
    /// True where an idempotent producer's retry was recognised and nothing was written.
    pub duplicate: bool,
}

/// Why a command had no effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The partition is not (or no longer) open on this journal.
    #[error("partition {}-{} is not open on this journal", .0.topic_id, .0.partition)]
    UnknownPartition(PartitionId),
    /// Kafka's OUT_OF_ORDER_SEQUENCE_NUMBER.
    #[error("out of order sequence number: producer {producer_id} sent {sequence}, expected {expected}")]
    OutOfOrderSequence {
        /// Who.
        producer_id: i64,
        /// What it sent.
        sequence: i32,
        /// What would have been right.
        expected: i32,
    },
    /// Kafka's INVALID_PRODUCER_EPOCH.
    #[error("producer {producer_id} sent epoch {epoch}, a newer epoch {current} is known")]
    InvalidProducerEpoch {
        /// Who.
        producer_id: i64,
        /// What it sent.
        epoch: i16,
        /// The newer one.
        current: i16,
    },
    /// Kafka's UNKNOWN_PRODUCER_ID.
    #[error("producer {producer_id} is not known here and did not start at sequence 0")]
    UnknownProducerId {
        /// Who.
        producer_id: i64,
    },
    /// Compare-and-set failed: position, archived end, partition count.
    #[error("expected {expected}, found {found}")]
    Conflict {
        /// What the proposer saw.
        expected: i64,
        /// What holds.
        found: i64,
    },
    /// An offset outside of what the partition has.
    #[error("offset {offset} is outside of {log_start_offset}..={high_watermark}")]
    OffsetOutOfRange {
        /// The offset.
        offset: i64,
        /// Log start offset.
        log_start_offset: i64,
        /// High watermark.
        high_watermark: i64,
    },
    /// The function instance is not open.
    #[error("function {} is not open on partition {}", .0.function_id, .0.input.partition)]
    UnknownFunction(FunctionInstance),
    /// The name is taken.
    #[error("{0} exists already")]
    AlreadyExists(String),
    /// Nothing of this name or id.
    #[error("{0} does not exist")]
    NotFound(String),
    /// The instance's undelivered outbox messages would exceed their bound: deliver first.
    #[error("outbox of function {} on partition {} is full", .0.function_id, .0.input.partition)]
    OutboxFull(FunctionInstance),
    /// Kafka's INVALID_TXN_STATE: it belongs to no transaction that is open.
    #[error("producer {producer_id} has no such transaction open: {reason}")]
    InvalidTransactionState {
        /// Who.
        producer_id: i64,
        /// What is the matter.
        reason: &'static str,
    },
    /// Kafka's TRANSACTION_COORDINATOR_FENCED.
    #[error("the marker is of coordinator epoch {epoch}, a newer epoch {current} is known")]
    CoordinatorFenced {
        /// The marker's.
        epoch: i32,
        /// The newer one.
        current: i32,
    },
    /// The command makes no sense whatever the state.
    #[error("invalid command: {0}")]
    Invalid(String),
}
