//! The journals of this broker, and their answers in the words of this crate.

use std::collections::BTreeMap;
use std::ops::Deref;

use tidemill_journal::{Error as JournalError, Journal, ReadError};
use tidemill_state::{Command, MetadataCommand, Outcome, PartitionId, Rejection};
use tokio::sync::{RwLock, RwLockReadGuard};

use crate::error::{Error, ErrorKind};

/// Id of the journal that holds the control plane.
pub(crate) const METADATA: u32 = 0;
/// Placements are forgotten a stripe at a time.
const STRIPES: usize = 64;
/// Placements forgotten by one command.
const FORGOTTEN_TOGETHER: usize = 1000;

/// Every open journal. Data journals are numbered from 1.
pub(crate) struct Journals {
    metadata: Journal,
    data: Vec<Journal>,
    spread: u32,
    /// Held by those who are about to store something of a group or transactional id where it is
    /// placed, against those who would forget the placement.
    placing: Vec<RwLock<()>>,
}

/// The journal of a group or transactional id, which stays its journal as long as this lives.
pub(crate) struct Settled<'a> {
    journal: &'a Journal,
    _placed: Option<RwLockReadGuard<'a, ()>>,
}

impl Deref for Settled<'_> {
    type Target = Journal;

    fn deref(&self) -> &Journal {
        self.journal
    }
}

impl Journals {
    /// `spread` of the data journals take new partitions; the others hold old ones.
    pub(crate) fn new(metadata: Journal, data: Vec<Journal>, spread: u32) -> Self {
        let placing = (0..STRIPES).map(|_| RwLock::default()).collect();
        Self { metadata, data, spread, placing }
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
    pub(crate) async fn settle(&self, id: &str) -> Result<Settled<'_>, Error> {
        let placed = match self.placing.get(stripe_of(id)) {
            Some(stripe) => Some(stripe.read().await),
            None => None,
        };
        let settled = |journal| Settled { journal, _placed: placed };
        if let Some(journal) = self.home(id) {
            return Ok(settled(journal));
        }
        let journal = 1 + hash_of(id) % self.spread.max(1);
        let command = MetadataCommand::PlaceGroup { group_id: id.to_owned(), journal };
        match self.metadata.propose(Command::Metadata(command)).await? {
            Outcome::GroupPlaced { journal } => self.data(journal).map(settled),
            other => Err(unexpected(&other)),
        }
    }

    /// Forgets where groups and transactional ids are that are gone. Answers how many there were.
    pub(crate) async fn forget_placements(&self) -> Result<usize, Error> {
        let mut by_stripe: BTreeMap<usize, Vec<(String, u32)>> = BTreeMap::new();
        for gone in self.bare_placements() {
            by_stripe.entry(stripe_of(&gone.0)).or_default().push(gone);
        }
        let mut forgotten = 0;
        for (stripe, mut gone) in by_stripe {
            let Some(stripe) = self.placing.get(stripe) else { continue };
            let _nobody_is_placing = stripe.write().await;
            // Some may have come back meanwhile.
            gone.retain(|(id, journal)| self.is_bare(id, *journal));
            for placements in gone.chunks(FORGOTTEN_TOGETHER) {
                let command = MetadataCommand::ForgetPlacements { placements: placements.to_vec() };
                let outcome = self.metadata.propose(Command::Metadata(command)).await?;
                done(outcome).map_err(|rejection| rejected(&rejection))?;
                forgotten += placements.len();
            }
        }
        Ok(forgotten)
    }

    /// Placements of ids that nothing is stored of.
    fn bare_placements(&self) -> Vec<(String, u32)> {
        let placed: Vec<_> = self.metadata.state(|state| {
            state.metadata().group_journals().iter().map(|(id, journal)| (id.clone(), *journal)).collect()
        });
        let bare = placed.iter().filter(|(id, journal)| self.is_bare(id, *journal));
        bare.map(|(id, journal)| (id.to_string(), *journal)).collect()
    }

    fn is_bare(&self, id: &str, journal: u32) -> bool {
        // Of a journal that is not here nothing can be said.
        self.data(journal).is_ok_and(|journal| {
            journal.state(|state| state.group(id).is_none() && state.transaction(id).is_none())
        })
    }

    /// Lets the data journals know for how long silent producers are remembered.
    pub(crate) async fn remember_producers(&self, expiry_ms: i64) -> Result<(), Error> {
        for (_, journal) in self.all_data() {
            if journal.state(|state| state.producer_expiry_ms()) != expiry_ms {
                let set = Command::SetProducerExpiry { expiry_ms };
                done(journal.propose(set).await?).map_err(|rejection| rejected(&rejection))?;
            }
        }
        Ok(())
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

fn stripe_of(id: &str) -> usize {
    hash_of(id) as usize % STRIPES
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
