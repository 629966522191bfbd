//! A transaction ends: by its producer, or by the coordinator, who fences the producer with it.

use tidemill_state::{TransactionState, TransactionStatus};

use crate::{EPOCH_PER_TRANSACTION, EXHAUSTED, Error, Identity, NO_EPOCH, NO_ID, is_exhausted};

/// What becomes of a request to end a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It ended in this way before. The producer goes on as this.
    Ended(Identity),
    /// This has to be durable; then it is decided, and the producer goes on as this.
    Put(TransactionState, Identity),
    /// Ask again with a producer id that nobody has.
    NeedsProducerId,
}

/// What the markers of a transaction say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Whose.
    pub producer_id: i64,
    /// The epoch in the markers.
    pub producer_epoch: i16,
    /// The coordinator's.
    pub coordinator_epoch: i32,
    /// Which transaction.
    pub transaction: u64,
    /// The client's transaction version.
    pub version: u8,
    /// Whether it commits.
    pub commit: bool,
}

/// Decides on EndTxn. `version` is 2 for EndTxn 5 and later, `fresh` a producer id that nobody has.
pub fn end(
    known: Option<&TransactionState>,
    who: Identity,
    commit: bool,
    version: u8,
    fresh: Option<i64>,
    now_ms: i64,
) -> Result<End, Error> {
    let state = known.ok_or(Error::InvalidProducerIdMapping)?;
    if version >= EPOCH_PER_TRANSACTION {
        end_with_new_epoch(state, who, commit, fresh, now_ms)
    } else {
        end_with_same_epoch(state, who, commit, now_ms)
    }
}

fn end_with_same_epoch(
    state: &TransactionState,
    who: Identity,
    commit: bool,
    now_ms: i64,
) -> Result<End, Error> {
    if state.producer_id != who.producer_id {
        return Err(Error::InvalidProducerIdMapping);
    }
    if state.producer_epoch != who.producer_epoch {
        return Err(Error::ProducerFenced);
    }
    match (state.status, commit) {
        (TransactionStatus::Ongoing, _) => {
            let next = TransactionState { version: 1, ..prepared(state, commit, now_ms) };
            Ok(End::Put(next, who))
        }
        (TransactionStatus::CompleteCommit, true) | (TransactionStatus::CompleteAbort, false) => {
            Ok(End::Ended(who))
        }
        (TransactionStatus::PrepareCommit, true) | (TransactionStatus::PrepareAbort, false) => {
            Err(Error::ConcurrentTransactions)
        }
        _ => Err(Error::InvalidTransactionState),
    }
}

fn end_with_new_epoch(
    state: &TransactionState,
    who: Identity,
    commit: bool,
    fresh: Option<i64>,
    now_ms: i64,
) -> Result<End, Error> {
    // The producer asks again: its epoch was raised, or it was given another id, when this ended. That
    // nobody else has taken the id since is what the last epoch says.
    let asks_again =
        state.version >= EPOCH_PER_TRANSACTION && who.producer_epoch == state.last_producer_epoch;
    let raised = asks_again
        && who.producer_id == state.producer_id
        && who.producer_epoch.checked_add(1) == Some(state.producer_epoch);
    let renamed = asks_again
        && who.producer_id == state.previous_producer_id
        && who.producer_epoch == EXHAUSTED
        && state.producer_epoch == 0;
    let current = who.producer_epoch == state.producer_epoch;
    if state.producer_id != who.producer_id && !renamed {
        return Err(Error::InvalidProducerIdMapping);
    }
    let valid = match state.status {
        TransactionStatus::Ongoing | TransactionStatus::Empty => current && !renamed,
        TransactionStatus::PrepareCommit | TransactionStatus::PrepareAbort => raised,
        TransactionStatus::CompleteCommit | TransactionStatus::CompleteAbort => raised || renamed || current,
    };
    if !valid {
        return Err(Error::ProducerFenced);
    }
    let again = raised || renamed;
    match (state.status, commit) {
        (TransactionStatus::Ongoing, _) => put_with_new_epoch(state, commit, fresh, now_ms),
        (TransactionStatus::CompleteCommit, true) | (TransactionStatus::CompleteAbort, false) if again => {
            let (producer_id, producer_epoch) = (state.producer_id, state.producer_epoch);
            Ok(End::Ended(Identity { producer_id, producer_epoch }))
        }
        // A transaction to which nothing came may be aborted: the producer cannot know.
        (
            TransactionStatus::Empty | TransactionStatus::CompleteCommit | TransactionStatus::CompleteAbort,
            false,
        ) if !again => put_with_new_epoch(state, false, fresh, now_ms),
        (TransactionStatus::PrepareCommit, true) | (TransactionStatus::PrepareAbort, false) => {
            Err(Error::ConcurrentTransactions)
        }
        _ => Err(Error::InvalidTransactionState),
    }
}

fn put_with_new_epoch(
    state: &TransactionState,
    commit: bool,
    fresh: Option<i64>,
    now_ms: i64,
) -> Result<End, Error> {
    let next_producer_id = match (is_exhausted(state), fresh) {
        (false, _) => NO_ID,
        (true, Some(fresh)) => fresh,
        (true, None) => return Ok(End::NeedsProducerId),
    };
    let next = TransactionState {
        version: EPOCH_PER_TRANSACTION,
        producer_epoch: state.producer_epoch.saturating_add(1),
        last_producer_epoch: state.producer_epoch,
        next_producer_id,
        ..prepared(state, commit, now_ms)
    };
    let who = if next_producer_id == NO_ID {
        Identity { producer_id: next.producer_id, producer_epoch: next.producer_epoch }
    } else {
        Identity { producer_id: next_producer_id, producer_epoch: 0 }
    };
    Ok(End::Put(next, who))
}

fn prepared(state: &TransactionState, commit: bool, now_ms: i64) -> TransactionState {
    let status = if commit { TransactionStatus::PrepareCommit } else { TransactionStatus::PrepareAbort };
    // One that nothing came to begins and ends at once.
    let (started_at_ms, number) = match state.status {
        TransactionStatus::Ongoing => (state.started_at_ms, state.number),
        _ => (now_ms, state.number.saturating_add(1)),
    };
    TransactionState { status, started_at_ms, number, updated_at_ms: now_ms, ..state.clone() }
}

/// The state in which an open transaction is aborted by the coordinator: its time is up, or another
/// producer takes the id. The producer is fenced by an epoch that it never gets to know; with
/// version 2 the epoch after its own is one that an end would have given it, so one more is skipped.
#[must_use]
pub fn abort(state: &TransactionState, now_ms: i64) -> TransactionState {
    let skipped = if state.version >= EPOCH_PER_TRANSACTION { 2 } else { 1 };
    TransactionState {
        producer_epoch: state.producer_epoch.saturating_add(skipped),
        last_producer_epoch: NO_EPOCH,
        next_producer_id: NO_ID,
        ..prepared(state, false, now_ms)
    }
}

/// What has to be written to the partitions and groups of a transaction that is ending.
#[must_use]
pub fn ending(state: &TransactionState) -> Option<Ending> {
    state.status.is_ending().then_some(Ending {
        producer_id: state.producer_id,
        producer_epoch: state.producer_epoch,
        coordinator_epoch: state.coordinator_epoch,
        transaction: state.number,
        version: state.version,
        commit: state.status == TransactionStatus::PrepareCommit,
    })
}

/// The state after all markers are written; none if no transaction is ending.
#[must_use]
pub fn complete(state: &TransactionState, now_ms: i64) -> Option<TransactionState> {
    let status = match state.status {
        TransactionStatus::PrepareCommit => TransactionStatus::CompleteCommit,
        TransactionStatus::PrepareAbort => TransactionStatus::CompleteAbort,
        _ => return None,
    };
    let mut next = TransactionState {
        status,
        partitions: Vec::new(),
        groups: Vec::new(),
        updated_at_ms: now_ms,
        ..state.clone()
    };
    if state.next_producer_id != NO_ID {
        next.previous_producer_id = state.producer_id;
        next.producer_id = state.next_producer_id;
        next.producer_epoch = 0;
        next.next_producer_id = NO_ID;
    }
    Some(next)
}
