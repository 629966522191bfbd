//! The journals of this broker, and their answers in the words of this crate.

use tidemill_journal::{Error as JournalError, Journal, ReadError};
use tidemill_state::{Command, MetadataCommand, Outcome, PartitionId, Rejection};

use crate::error::{Error, ErrorKind};

/// Id of the journal that holds the control plane.
pub(crate) const METADATA: u32 = 0;

/// Every open journal. Data journals are numbered from 1.
pub(crate) struct Journals {
    metadata: Journal,
    data: Vec<Journal>,
    spread: u32,
}

impl Journals {
    /// `spread` of the data journals take new partitions; the others hold old ones.
    pub(crate) fn new(metadata: Journal, data: Vec<Journal>, spread: u32) -> Self {
        Self { metadata, data, spread }
    }

    pub(crate) fn metadata(&self) -> &Journal {
        &self.metadata
    }

    pub(crate) fn data(&self, id: u32) -> Result<&Journal, Error> {
        let index = usize::try_from(id).ok().and_then(|id| id.checked_sub(1));
        index.and_then(|index| self.data.get(index)).ok_or_else(|| {
            Error::new(ErrorKind::NotLeaderOrFollower, format!("journal {id} is not open on this broker"))
        })
    }

    /// The journal of a partition, if there is such a partition.
    pub(crate) fn of_partition(&self, id: &PartitionId) -> Option<&Journal> {
        let journal = self.metadata.state(|state| {
            let topic = state.metadata().topic(&id.topic_id)?;
            topic.journals.get(usize::try_from(id.partition).ok()?).copied()
        })?;
        self.data(journal).ok()
    }

    /// The journal of a group or transactional id that was used before.
    pub(crate) fn home(&self, id: &str) -> Option<&Journal> {
        let journal = self.metadata.state(|state| state.metadata().group_journal(id))?;
        self.data(journal).ok()
    }

    /// The journal of a group or transactional id, fixed now if this is its first use.
    pub(crate) async fn settle(&self, id: &str) -> Result<&Journal, Error> {
        if let Some(journal) = self.home(id) {
            return Ok(journal);
        }
        let journal = 1 + hash_of(id) % self.spread.max(1);
        let command = MetadataCommand::PlaceGroup { group_id: id.to_owned(), journal };
        match self.metadata.propose(Command::Metadata(command)).await? {
            Outcome::GroupPlaced { journal } => self.data(journal),
            other => Err(unexpected(&other)),
        }
    }

    /// The data journals with their ids.
    pub(crate) fn all_data(&self) -> impl Iterator<Item = (u32, &Journal)> {
        (1..).zip(&self.data)
    }

    /// How many data journals new partitions and groups are spread over.
    pub(crate) fn spread(&self) -> u32 {
        self.spread
    }

    /// Every journal with its id, the metadata journal first.
    pub(crate) fn all(&self) -> impl Iterator<Item = (u32, &Journal)> {
        std::iter::once((METADATA, &self.metadata)).chain(self.all_data())
    }
}

/// An outcome without a value.
pub(crate) fn done(outcome: Outcome) -> Result<(), Rejection> {
    match outcome {
        Outcome::Rejected(rejection) => Err(rejection),
        _ => Ok(()),
    }
}

/// A rejection as a client gets it.
pub(crate) fn rejected(rejection: &Rejection) -> Error {
    let kind = match rejection {
        Rejection::UnknownPartition(_) | Rejection::NotFound(_) => ErrorKind::UnknownTopicOrPartition,
        Rejection::OutOfOrderSequence { .. } => ErrorKind::OutOfOrderSequenceNumber,
        Rejection::InvalidProducerEpoch { .. } => ErrorKind::InvalidProducerEpoch,
        Rejection::UnknownProducerId { .. } => ErrorKind::UnknownProducerId,
        Rejection::Conflict { .. } => ErrorKind::Conflict,
        Rejection::OffsetOutOfRange { .. } => ErrorKind::OffsetOutOfRange,
        Rejection::AlreadyExists(_) => ErrorKind::TopicAlreadyExists,
        Rejection::UnknownFunction(_) | Rejection::Invalid(_) => ErrorKind::InvalidRequest,
        Rejection::InvalidTransactionState { .. } => ErrorKind::InvalidTransactionState,
        Rejection::CoordinatorFenced { .. } => ErrorKind::TransactionCoordinatorFenced,
        Rejection::OutboxFull(_) => ErrorKind::ThrottlingQuotaExceeded,
    };
    Error::new(kind, rejection.to_string())
}

/// Spreads the ids of groups and transactions.
pub(crate) fn hash_of(id: &str) -> u32 {
    id.bytes().fold(0, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte)))
}

/// An outcome that can only be one kind of value.
pub(crate) fn unexpected(outcome: &Outcome) -> Error {
    match outcome {
        Outcome::Rejected(rejection) => rejected(rejection),
        other => Error::new(ErrorKind::UnknownServerError, format!("unexpected outcome {other:?}")),
    }
}

impl From<JournalError> for Error {
    fn from(error: JournalError) -> Self {
        let kind = match &error {
            JournalError::Overloaded { .. } | JournalError::OutcomeUnknown(_) => ErrorKind::RequestTimedOut,
            JournalError::TooLarge { .. } => ErrorKind::MessageTooLarge,
            JournalError::NotLeader { .. } => ErrorKind::NotLeaderOrFollower,
            JournalError::DiskFull(_)
            | JournalError::Stopped(_)
            | JournalError::Corrupt(_)
            | JournalError::Storage(_) => ErrorKind::KafkaStorageError,
            JournalError::Invalid(_) => ErrorKind::UnknownServerError,
        };
        Error::new(kind, error.to_string())
    }
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        let kind = match &error {
            ReadError::UnknownPartition => ErrorKind::UnknownTopicOrPartition,
            ReadError::NotHot { .. } | ReadError::OutOfRange { .. } => ErrorKind::OffsetOutOfRange,
            ReadError::Storage(_) => ErrorKind::KafkaStorageError,
        };
        Error::new(kind, error.to_string())
    }
}
