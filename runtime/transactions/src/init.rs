//! A producer takes a transactional id, which fences all that had it before.

use tidemill_state::{TransactionState, TransactionStatus};

use crate::{EXHAUSTED, Error, Identity, NO_EPOCH, NO_ID, abort, is_exhausted};

/// InitProducerId with a transactional id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InitRequest {
    /// How long transactions may stay open.
    pub timeout_ms: i32,
    /// The longest that the broker allows.
    pub max_timeout_ms: i32,
    /// Who the producer believes to be, if it goes on after an error (KIP-360).
    pub expected: Option<Identity>,
}

/// What becomes of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Init {
    /// It was granted before; the answer got lost.
    Granted(Identity),
    /// This has to be durable; then the producer is who it says.
    Put(TransactionState),
    /// An open transaction is aborted first: this has to be durable, and the abort completed. Then
    /// ask again.
    Abort(TransactionState),
    /// Ask again with a producer id that nobody has.
    NeedsProducerId,
}

/// Decides on a request. `fresh` is a producer id that nobody has, if the caller has one ready.
pub fn init(
    known: Option<&TransactionState>,
    request: &InitRequest,
    fresh: Option<i64>,
    now_ms: i64,
) -> Result<Init, Error> {
    if request.timeout_ms <= 0 || request.timeout_ms > request.max_timeout_ms {
        return Err(Error::InvalidTimeout);
    }
    let Some(state) = known else {
        return Ok(fresh.map_or(Init::NeedsProducerId, |id| Init::Put(new(id, request, now_ms))));
    };
    if request.expected.is_some_and(|expected| !is_known(state, expected)) {
        return Err(Error::ProducerFenced);
    }
    match state.status {
        TransactionStatus::PrepareCommit | TransactionStatus::PrepareAbort => {
            Err(Error::ConcurrentTransactions)
        }
        TransactionStatus::Ongoing => Ok(Init::Abort(abort(state, now_ms))),
        TransactionStatus::Empty | TransactionStatus::CompleteCommit | TransactionStatus::CompleteAbort => {
            take(state, request, fresh, now_ms)
        }
    }
}

fn new(producer_id: i64, request: &InitRequest, now_ms: i64) -> TransactionState {
    TransactionState {
        revision: 0,
        status: TransactionStatus::Empty,
        producer_id,
        producer_epoch: 0,
        last_producer_epoch: NO_EPOCH,
        previous_producer_id: NO_ID,
        next_producer_id: NO_ID,
        timeout_ms: request.timeout_ms,
        version: 1,
        number: 0,
        coordinator_epoch: 0,
        partitions: Vec::new(),
        groups: Vec::new(),
        started_at_ms: -1,
        updated_at_ms: now_ms,
    }
}

/// Whether the producer is the one that has the id, or had it until epochs were exhausted.
fn is_known(state: &TransactionState, expected: Identity) -> bool {
    expected.producer_id == state.producer_id
        || (expected.producer_id == state.previous_producer_id && expected.producer_epoch >= EXHAUSTED)
}

/// The next epoch, or the first one of another producer id.
fn take(
    state: &TransactionState,
    request: &InitRequest,
    fresh: Option<i64>,
    now_ms: i64,
) -> Result<Init, Error> {
    let mut next = TransactionState {
        status: TransactionStatus::Empty,
        next_producer_id: NO_ID,
        timeout_ms: request.timeout_ms,
        partitions: Vec::new(),
        groups: Vec::new(),
        started_at_ms: -1,
        updated_at_ms: now_ms,
        ..state.clone()
    };
    match request.expected {
        None => next.last_producer_epoch = NO_EPOCH,
        Some(expected) if expected.producer_epoch == state.producer_epoch => {
            next.last_producer_epoch = state.producer_epoch;
        }
        Some(expected) if expected.producer_epoch == state.last_producer_epoch => {
            let (producer_id, producer_epoch) = (state.producer_id, state.producer_epoch);
            return Ok(Init::Granted(Identity { producer_id, producer_epoch }));
        }
        Some(_) => return Err(Error::ProducerFenced),
    }
    if is_exhausted(state) {
        let Some(fresh) = fresh else {
            return Ok(Init::NeedsProducerId);
        };
        next.previous_producer_id = state.producer_id;
        next.producer_id = fresh;
        next.producer_epoch = 0;
    } else {
        next.producer_epoch = state.producer_epoch.saturating_add(1);
    }
    Ok(Init::Put(next))
}
