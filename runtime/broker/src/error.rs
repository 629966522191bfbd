//! The one error of this crate: a kind that has a Kafka error code, and a message for a person.

/// What a caller can do about an error, one kind per Kafka error in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// A bug or an unexpected failure; the log has the details.
    UnknownServerError,
    /// The offset is outside of what the partition has.
    OffsetOutOfRange,
    /// A batch does not match its checksum or does not decode.
    CorruptMessage,
    /// No such topic or partition.
    UnknownTopicOrPartition,
    /// The broker or one of its journals is not ready, or no longer.
    NotLeaderOrFollower,
    /// The request could not be finished in time.
    RequestTimedOut,
    /// A batch is larger than the topic allows.
    MessageTooLarge,
    /// The topic's name breaks Kafka's rules.
    InvalidTopic,
    /// The request as a whole is larger than the broker takes.
    RecordListTooLarge,
    /// Fewer replicas are in sync than `min.insync.replicas` asks for.
    NotEnoughReplicas,
    /// `acks` is none of 0, 1, -1.
    InvalidRequiredAcks,
    /// A record's timestamp is outside of what the topic allows.
    InvalidTimestamp,
    /// The topic exists already.
    TopicAlreadyExists,
    /// The partition count makes no sense.
    InvalidPartitions,
    /// The replication factor is not 1.
    InvalidReplicationFactor,
    /// A manual replica assignment that this cluster cannot follow.
    InvalidReplicaAssignment,
    /// A config's name or value is not accepted.
    InvalidConfig,
    /// The request contradicts itself or the state.
    InvalidRequest,
    /// A version of the record format that is not taken.
    UnsupportedForMessageFormat,
    /// Policy (a limit of this broker) forbids it.
    PolicyViolation,
    /// `delete.topic.enable` is false.
    TopicDeletionDisabled,
    /// An idempotent producer's sequence number is not the next one.
    OutOfOrderSequenceNumber,
    /// A newer producer epoch is known.
    InvalidProducerEpoch,
    /// The producer id is not known here.
    UnknownProducerId,
    /// Records of a transaction came without a transactional id.
    TransactionalIdAuthorizationFailed,
    /// The transaction is not in a state in which this can be done.
    InvalidTransactionState,
    /// The transactional id does not exist, or has another producer id.
    InvalidProducerIdMapping,
    /// The transaction timeout is longer than `transaction.max.timeout.ms`.
    InvalidTransactionTimeout,
    /// The last transaction is still being completed.
    ConcurrentTransactions,
    /// A newer transaction coordinator is known.
    TransactionCoordinatorFenced,
    /// A newer producer has the transactional id.
    ProducerFenced,
    /// No such transactional id.
    TransactionalIdNotFound,
    /// The transaction cannot go on, but can be aborted.
    TransactionAbortable,
    /// The disk is full or fails, or the bucket cannot be reached.
    KafkaStorageError,
    /// The leader epoch in the request is older than the partition's.
    FencedLeaderEpoch,
    /// The leader epoch in the request is newer than the partition's.
    UnknownLeaderEpoch,
    /// No topic has this id.
    UnknownTopicId,
    /// The topic's id is not the one that the fetch session has met under its name.
    InconsistentTopicId,
    /// There is no such fetch session.
    FetchSessionIdNotFound,
    /// The fetch session is at another epoch.
    InvalidFetchSessionEpoch,
    /// The fetch session names topics in the other way, by name or by id.
    FetchSessionTopicIdError,
    /// Records break a rule that their framing cannot express.
    InvalidRecord,
    /// The compression codec is not supported.
    UnsupportedCompressionType,
    /// The broker is being overloaded: try again later.
    ThrottlingQuotaExceeded,
    /// Another change of the same thing won.
    Conflict,
    /// No function or module has this name.
    ResourceNotFound,
    /// The coordinator is not ready.
    CoordinatorNotAvailable,
    /// The client follows a subscription to its metrics that has changed.
    UnknownSubscriptionId,
    /// The metrics that a client pushed are too large.
    TelemetryTooLarge,
    /// The feature cannot have this level.
    InvalidUpdateVersion,
}

impl ErrorKind {
    /// The error code on the Kafka wire.
    #[must_use]
    pub fn kafka_code(self) -> i16 {
        match self {
            Self::UnknownServerError => -1,
            Self::OffsetOutOfRange => 1,
            Self::CorruptMessage => 2,
            Self::UnknownTopicOrPartition => 3,
            Self::NotLeaderOrFollower => 6,
            Self::RequestTimedOut => 7,
            Self::MessageTooLarge => 10,
            Self::CoordinatorNotAvailable => 15,
            Self::InvalidTopic => 17,
            Self::RecordListTooLarge => 18,
            Self::NotEnoughReplicas => 19,
            Self::InvalidRequiredAcks => 21,
            Self::InvalidTimestamp => 32,
            Self::TopicAlreadyExists => 36,
            Self::InvalidPartitions => 37,
            Self::InvalidReplicationFactor => 38,
            Self::InvalidReplicaAssignment => 39,
            Self::InvalidConfig => 40,
            Self::InvalidRequest | Self::Conflict => 42,
            Self::UnsupportedForMessageFormat => 43,
            Self::PolicyViolation => 44,
            Self::OutOfOrderSequenceNumber => 45,
            Self::InvalidProducerEpoch => 47,
            Self::InvalidTransactionState => 48,
            Self::InvalidProducerIdMapping => 49,
            Self::InvalidTransactionTimeout => 50,
            Self::ConcurrentTransactions => 51,
            Self::TransactionCoordinatorFenced => 52,
            Self::TransactionalIdAuthorizationFailed => 53,
            Self::KafkaStorageError => 56,
            Self::UnknownProducerId => 59,
            Self::FetchSessionIdNotFound => 70,
            Self::InvalidFetchSessionEpoch => 71,
            Self::TopicDeletionDisabled => 73,
            Self::FencedLeaderEpoch => 74,
            Self::UnknownLeaderEpoch => 75,
            Self::UnsupportedCompressionType => 76,
            Self::InvalidRecord => 87,
            Self::ThrottlingQuotaExceeded => 89,
            Self::ProducerFenced => 90,
            Self::ResourceNotFound => 91,
            Self::InvalidUpdateVersion => 95,
            Self::UnknownTopicId => 100,
            Self::InconsistentTopicId => 103,
            Self::TransactionalIdNotFound => 105,
            Self::FetchSessionTopicIdError => 106,
            Self::UnknownSubscriptionId => 117,
            Self::TelemetryTooLarge => 118,
            Self::TransactionAbortable => 120,
        }
    }
}

/// An error of the broker core.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What a caller can do about it.
    pub kind: ErrorKind,
    /// What a person reads.
    pub message: String,
}

impl Error {
    /// An error of a kind with a message.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// No such topic or partition.
    pub(crate) fn unknown_partition(topic: &str, partition: i32) -> Self {
        Self::new(ErrorKind::UnknownTopicOrPartition, format!("partition {topic}-{partition} does not exist"))
    }

    /// The same kind, with where it happened in front of the message.
    #[must_use]
    pub fn context(mut self, context: impl std::fmt::Display) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }
}
