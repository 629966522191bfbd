//! Partitions and groups enter a transaction; the first one opens it.

use tidemill_state::{PartitionId, TransactionState, TransactionStatus};

use crate::{Error, Identity};

/// What becomes of a request to add partitions or groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Add {
    /// All of them are in the transaction already.
    Contained,
    /// This has to be durable first.
    Put(TransactionState),
}

/// Adds partitions and groups to the producer's transaction.
pub fn add(
    known: Option<&TransactionState>,
    who: Identity,
    version: u8,
    partitions: &[PartitionId],
    groups: &[String],
    now_ms: i64,
) -> Result<Add, Error> {
    let state = of_producer(known, who)?;
    if state.status.is_ending() {
        return Err(Error::ConcurrentTransactions);
    }
    let ongoing = state.status == TransactionStatus::Ongoing;
    if ongoing && contains(state, partitions, groups) {
        return Ok(Add::Contained);
    }
    let mut next = TransactionState { status: TransactionStatus::Ongoing, version, ..state.clone() };
    next.updated_at_ms = now_ms;
    if !ongoing {
        next.number = next.number.saturating_add(1);
        next.started_at_ms = now_ms;
        next.partitions.clear();
        next.groups.clear();
    }
    next.partitions.extend_from_slice(partitions);
    next.partitions.sort_unstable();
    next.partitions.dedup();
    next.groups.extend_from_slice(groups);
    next.groups.sort_unstable();
    next.groups.dedup();
    Ok(Add::Put(next))
}

/// The producer's open transaction, if these partitions and groups are in it.
pub fn confirm<'a>(
    known: Option<&'a TransactionState>,
    who: Identity,
    partitions: &[PartitionId],
    groups: &[String],
) -> Result<&'a TransactionState, Error> {
    let state = of_producer(known, who)?;
    if state.status.is_ending() {
        return Err(Error::ConcurrentTransactions);
    }
    if state.status != TransactionStatus::Ongoing || !contains(state, partitions, groups) {
        return Err(Error::NotInTransaction);
    }
    Ok(state)
}

fn of_producer(known: Option<&TransactionState>, who: Identity) -> Result<&TransactionState, Error> {
    let state = known.ok_or(Error::InvalidProducerIdMapping)?;
    if state.producer_id != who.producer_id {
        return Err(Error::InvalidProducerIdMapping);
    }
    if state.producer_epoch != who.producer_epoch {
        return Err(Error::ProducerFenced);
    }
    Ok(state)
}

fn contains(state: &TransactionState, partitions: &[PartitionId], groups: &[String]) -> bool {
    partitions.iter().all(|partition| state.partitions.binary_search(partition).is_ok())
        && groups.iter().all(|group| state.groups.binary_search(group).is_ok())
}
